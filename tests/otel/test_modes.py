"""What the options change."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import SpanKind

import cachex_otel
from cachex_client import Command, Origin, commands
from cachex_client.command import Spec
from cachex_client.commands import custom
from cachex_otel import TelemetryOptions
from cachex_otel.query_text import LONGEST, query_text
from otel.receiver import Receiver, facts
from support.servers import Standalone


@pytest.fixture
def client(colour: Any, standalone: Standalone) -> Any:
    return colour.client(standalone.url)


@pytest.fixture
def cache(colour: Any, client: Any) -> Any:
    return colour.cache(client)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spans": "all"},
        {"metrics": "some"},
        {"query_text": True},
        {"key_attribute": "sha1"},
        {"system_name": "keydb"},
        {"require_parent": 1},
        {"request_hook": "print"},
        {"key_secret": 7},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_before_anything_is_observed(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        cachex_otel.instrument(**wrong)
    assert not cachex_otel.is_instrumented()


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="span_names"):
        cachex_otel.instrument(span_names="short")


def test_one_name_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="PING"):
        TelemetryOptions(exclude_commands="PING")


def test_metrics_can_be_said_with_a_bool() -> None:
    assert TelemetryOptions(metrics=True).metrics == "on"
    assert TelemetryOptions(metrics=False).metrics == "off"


# spans=


def test_command_makes_no_spans_of_verbs(cache: Any, receiver: Receiver) -> None:
    receiver.instrument(spans="command")
    cache.get_or_set("a", 1)
    assert [one.name for one in receiver.ours] == ["GET", "SET"]
    assert {one.parent for one in receiver.ours} == {None}


def test_cache_makes_spans_of_verbs_only(cache: Any, client: Any, receiver: Receiver) -> None:
    receiver.instrument(spans="cache")
    cache.get("a")
    cache.get_or_set("a", 1)
    client.execute(commands.get(b"a"))
    assert [one.name for one in receiver.ours] == ["get default", "get_or_set default"]
    assert {one.kind for one in receiver.ours} == {SpanKind.INTERNAL}
    assert facts(receiver.ours[0])["cachex.lookup.result"] == "miss"


def test_both_puts_a_span_of_the_verb_around_its_command(cache: Any, receiver: Receiver) -> None:
    receiver.instrument(spans="both")
    cache.get("a")
    cache.get_or_set("a", 1)
    verb = receiver.named("get default")
    assert [one.name for one in receiver.children(verb)] == ["GET"]
    around = receiver.named("get_or_set default")
    assert [one.name for one in receiver.children(around)] == ["GET", "SET"]
    assert len(receiver.ours) == 5


def test_off_makes_no_spans_and_still_measures(cache: Any, receiver: Receiver) -> None:
    receiver.instrument(spans="off")
    cache.get("a")
    assert receiver.ours == []
    assert receiver.metric("db.client.operation.duration").value() == 1


# metrics=


def test_without_metrics_there_are_spans_alone(cache: Any, receiver: Receiver) -> None:
    receiver.instrument(metrics="off")
    cache.get("a")
    assert receiver.span.name == "GET"
    assert receiver.metrics() == {}


def test_full_measures_every_verb_and_how_long_connections_are_lent(
    cache: Any, receiver: Receiver
) -> None:
    receiver.instrument(metrics="full")
    cache.get("a")
    cache.set("a", 1)
    durations = receiver.metric("cachex.operation.duration")
    assert durations.value(cachex_operation_name="get", cachex_cache_name="default") == 1
    assert durations.value(cachex_operation_name="set") == 1


def test_full_measures_the_use_of_connections(standalone: Standalone, receiver: Receiver) -> None:
    from cachex_client import DefaultClient

    receiver.instrument(metrics="full")
    client = DefaultClient([standalone.url])
    for _ in range(3):
        client.execute(commands.get(b"a"))
    client.close()
    assert receiver.metric("db.client.connection.use_time").value() == 3


# Fewer of them


def test_with_require_parent_there_are_spans_inside_others_only(
    cache: Any, receiver: Receiver
) -> None:
    receiver.instrument(require_parent=True)
    cache.get("a")
    cache.get_or_set("b", 1)
    assert receiver.ours == []
    with receiver.tracer.start_as_current_span("request"):
        cache.get("a")
    assert receiver.span.name == "GET"
    assert receiver.metric("db.client.operation.duration").value() == 4


def test_a_ping_alone_is_no_trace(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    client.execute(commands.ping())
    assert receiver.ours == []
    with receiver.tracer.start_as_current_span("request"):
        client.execute(commands.ping())
    assert receiver.span.name == "PING"


def test_excluded_commands_are_neither_traced_nor_measured(client: Any, receiver: Receiver) -> None:
    receiver.instrument(exclude_commands=["get", "FLUSHDB"])
    client.execute(commands.get(b"a"))
    client.execute_many([commands.get(b"a"), commands.get(b"b")])
    client.execute(commands.set(b"a", b"1"))
    assert receiver.span.name == "SET"
    assert receiver.metric("db.client.operation.duration").value() == 1


def test_a_command_of_two_words_is_not_the_one_that_its_second_word_is(
    client: Any, receiver: Receiver
) -> None:
    receiver.instrument(exclude_commands=["GET", "CLIENT"])
    for words in (("CONFIG", "GET", "maxmemory"), ("CLIENT", "ID"), ("CLUSTER", "MYID")):
        client.execute_many([custom(*words)])
    assert receiver.span.name == "CONFIG GET"  # and CLUSTER says little outside other spans
    assert receiver.metric("db.client.operation.duration").value() == 2


def test_a_script_to_be_learnt_hides_no_failure(client: Any, receiver: Receiver) -> None:
    client.execute(commands.set(b"text", b"x"))
    receiver.instrument()
    both = [custom("EVALSHA", "0" * 40, 0), custom("LPUSH", "text", "1")]
    for command in both:
        command.origin = Origin("default", "pipeline")
    client.execute_many(both)
    assert facts(receiver.span)["error.type"] == "WRONGTYPE"


# More in them


def test_keys_and_values_are_nowhere_unless_asked_for(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    cache.set("the-key", "the-value")
    cache.get("the-key")
    cache.get_many(["the-key", "other-key"])
    cache.delete_pattern("the-*")
    assert "the-" not in receiver.everything()


def test_a_key_is_told_plainly_if_asked_for(cache: Any, receiver: Receiver) -> None:
    receiver.instrument(key_attribute="plain")
    cache.get("a")
    assert facts(receiver.span)["cachex.key"] == ":1:a"
    cache.get_many(["a", "b"])  # neither is the key of it
    assert "cachex.key" not in facts(receiver.named("MGET"))


def test_the_hash_of_a_key_depends_on_the_secret_and_on_nothing_else(
    cache: Any, receiver: Receiver
) -> None:
    hashes = []
    for secret in ("", "one", "one", b"another"):
        receiver.instrument(key_attribute="hash", key_secret=secret)
        cache.get("a")
        hashes.append(facts(receiver.span)["cachex.key.hash"])
        assert len(hashes[-1]) == 16
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3
    assert ":1:a" not in receiver.everything()


def test_the_text_of_a_command_shows_keys_or_nothing(client: Any, receiver: Receiver) -> None:
    texts = []
    for mode in ("keys", "masked"):
        receiver.instrument(query_text=mode)
        client.execute(commands.set(b"a", b"secret", px=1000))
        texts.append(facts(receiver.span)["db.query.text"])
    assert texts == ["SET a ? ? ?", "SET ? ? ? ?"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("MSET", "a", "1", "b", "2"), "MSET a ? b ?"),
        (("DEL", b"a", "b"), "DEL a b"),
        (("HSET", "h", "field", "v"), "HSET h ? ?"),
        (("BITOP", "AND", "to", "from"), "BITOP ? to from"),
        (("AUTH", "user", "password"), "AUTH ? ?"),
        (("EVAL", "return 'x'", 1, "key", "v"), "EVAL ? ? ? ?"),
        (("MY.OWN", "a"), "MY.OWN ?"),
        (("PING",), "PING"),
        (("GET", b"\xff"), "GET \N{REPLACEMENT CHARACTER}"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_only_what_the_table_calls_a_key_is_shown(arguments: Any, text: str) -> None:
    assert query_text([Command(arguments, Spec(arguments[0]))], keys=True) == text
    masked = query_text([Command(arguments, Spec(arguments[0]))], keys=False)
    assert masked == " ".join([arguments[0], *"?" * (len(arguments) - 1)])


@pytest.mark.parametrize("words", [("CONFIG", "SET", "a", "b"), ("CONFIG SET", "a", "b")])
def test_of_a_name_of_two_words_both_are_shown_once(words: tuple[str, ...]) -> None:
    assert query_text([custom(*words)], keys=True) == "CONFIG SET ? ?"


def test_the_text_of_a_batch_is_cut() -> None:
    text = query_text([commands.get(b"%d" % n + b"x" * 300) for n in range(100)], keys=True)
    assert len(text) == LONGEST
    assert text.endswith("...")
    many = [commands.get(b"a"), *[commands.get(b"b")] * 16]
    assert query_text(many, keys=True) == "GET a; " + "GET b; " * 15 + "..."


def test_a_text_that_a_batch_repeats_is_told_once() -> None:
    many = [commands.set(b"k%d" % n, b"v") for n in range(1000)]
    assert query_text(many, keys=False) == "SET ? ?"
    assert query_text(many[:2], keys=True) == "SET k0 ?; SET k1 ?"
    assert query_text(many[:1] * 3, keys=True) == "SET k0 ?"
    assert query_text([*many[:2], commands.get(b"a")], keys=False) == "SET ? ?; SET ? ?; GET ?"


def test_valkey_is_said_if_asked_for(client: Any, receiver: Receiver) -> None:
    receiver.instrument(system_name="valkey")
    client.execute(commands.get(b"a"))
    assert facts(receiver.span)["db.system.name"] == "valkey"
    assert receiver.metric("db.client.operation.duration").value(db_system_name="valkey") == 1


def test_who_answered_is_in_durations_if_asked_for(
    client: Any, standalone: Standalone, receiver: Receiver
) -> None:
    receiver.instrument(metric_peer=True)
    client.execute(commands.get(b"a"))
    durations = receiver.metric("db.client.operation.duration")
    assert durations.value(network_peer_port=standalone.port) == 1


def test_sentry_finds_what_it_reads(cache: Any, receiver: Receiver) -> None:
    cache.set("a", "x" * 100)
    receiver.instrument(sentry_compat=True, key_attribute="plain")
    cache.get("a")
    cache.get("b")
    hit, miss = map(facts, receiver.ours)
    assert (hit["sentry.op"], hit["cache.hit"], hit["cache.key"]) == ("cache.get", True, (":1:a",))
    assert hit["cache.item_size"] > 100
    assert miss["cache.hit"] is False
    assert "cache.item_size" not in miss


# Hooks


def test_hooks_are_called_before_and_after_and_may_add_to_a_span(
    client: Any, receiver: Receiver
) -> None:
    def before(span: Any, sent: Any) -> None:
        assert sent.replies == ()
        span.set_attribute("team", "search")

    def after(span: Any, sent: Any) -> None:
        span.set_attribute("length", len(sent.replies[0]))

    client.execute(commands.set(b"a", b"12345"))
    receiver.instrument(request_hook=before, response_hook=after)
    client.execute(commands.get(b"a"))
    assert facts(receiver.span).items() >= {"team": "search", "length": 5}.items()


def test_a_hook_that_raises_is_told_of_once_and_breaks_nothing(
    client: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(span: Any, sent: Any) -> None:
        raise ValueError("secret")

    receiver.instrument(request_hook=broken, response_hook=broken)
    for _ in range(3):
        client.execute(commands.set(b"a", b"12345"))
    assert len(receiver.ours) == 3
    assert len(receiver.ours[0].events) == 0
    told = [one for one in caplog.records if one.name.startswith("cachex_otel")]
    assert len(told) == 2
    assert "secret" not in caplog.text


def test_hooks_are_not_called_for_spans_that_are_not_recorded(cache: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    from otel.receiver import receiving

    called: list[Any] = []
    with receiving(sampler=ALWAYS_OFF) as receiver:
        receiver.instrument(request_hook=lambda *_: called.append(1))
        cache.get("a")
    assert called == []
