"""Spans of commands and of verbs: what they are called, what they say, whose children they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span, use_span
from redis.exceptions import ResponseError

from cachex_client import (
    AsyncCache,
    AsyncDefaultClient,
    Cache,
    ClientObserver,
    ClientOptions,
    DefaultClient,
    commands,
    observe,
    unobserve,
)
from cachex_pool import ConnectFailed, PoolOptions, PoolTimeout
from otel.receiver import Receiver, facts, failed, id_of, receiving
from support.proxy import Proxy
from support.servers import Standalone


@pytest.fixture
def client(colour: Any, standalone: Standalone) -> Any:
    return colour.client(standalone.url)


@pytest.fixture
def cache(colour: Any, client: Any) -> Any:
    return colour.cache(client)


# One command


def test_a_command_is_a_client_span_that_says_where_it_went(
    client: Any, standalone: Standalone, receiver: Receiver
) -> None:
    receiver.instrument()
    client.execute(commands.get(b"a"))
    assert receiver.span.name == "GET"
    assert receiver.span.kind is SpanKind.CLIENT
    assert facts(receiver.span) == {
        "db.system.name": "redis",
        "db.operation.name": "GET",
        "db.namespace": "0",
        "server.address": "127.0.0.1",
        "server.port": standalone.port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": standalone.port,
    }


def test_the_database_of_a_url_is_the_namespace(
    colour: Any, standalone: Standalone, receiver: Receiver
) -> None:
    client = colour.client(standalone.url.removesuffix("0") + "7")
    receiver.instrument()
    client.execute(commands.get(b"a"))
    assert facts(receiver.span)["db.namespace"] == "7"


def test_a_unix_socket_has_a_path_and_no_port(
    colour: Any, standalone: Standalone, receiver: Receiver
) -> None:
    client = colour.client(standalone.unix_url)
    receiver.instrument()
    client.execute(commands.get(b"a"))
    said = facts(receiver.span)
    assert said["server.address"] == said["network.peer.address"] == standalone.path
    assert not {"server.port", "network.peer.port"} & said.keys()


def test_where_a_name_is_given_the_peer_is_an_address(
    colour: Any, standalone: Standalone, receiver: Receiver
) -> None:
    client = colour.client(standalone.url.replace("127.0.0.1", "localhost"))
    receiver.instrument(metric_peer=True)
    client.execute(commands.get(b"a"))
    said = facts(receiver.span)
    assert said["server.address"] == "localhost"
    assert said["network.peer.address"] == "127.0.0.1"
    assert said["network.peer.port"] == standalone.port
    durations = receiver.metric("db.client.operation.duration")
    assert durations.value(network_peer_address="127.0.0.1") == 1


def test_where_a_name_leads_nowhere_there_is_no_peer(colour: Any, receiver: Receiver) -> None:
    with Standalone() as server:
        port = server.port
    client = colour.client(f"redis://localhost:{port}")
    receiver.instrument()
    with pytest.raises(ConnectFailed):
        client.execute(commands.get(b"a"), timeout=0.3)
    assert facts(receiver.span)["server.address"] == "localhost"
    assert not {"network.peer.address", "network.peer.port"} & facts(receiver.span).keys()


@pytest.mark.parametrize("there", [True, False])
def test_a_lookup_of_a_cache_is_one_span_that_says_hit_or_miss(
    cache: Any, receiver: Receiver, there: bool
) -> None:
    if there:
        cache.set("a", None)
    receiver.instrument()
    cache.get("a")
    said = facts(receiver.span)
    assert receiver.span.name == "GET"
    assert said["cachex.operation.name"] == "get"
    assert said["cachex.cache.name"] == "default"
    assert said["cachex.lookup.result"] == ("hit" if there else "miss")


def test_a_cache_without_a_name_says_none(colour: Any, client: Any, receiver: Receiver) -> None:
    cache = colour.cache(client, name="")
    receiver.instrument()
    cache.set("a", 1)
    assert facts(receiver.span)["cachex.operation.name"] == "set"
    assert "cachex.cache.name" not in facts(receiver.span)


@pytest.mark.parametrize(
    ("verb", "arguments", "command"),
    [
        ("set", ("a", 1), "SET"),
        ("add", ("a", 1), "SET"),
        ("touch", ("a", 10), "PEXPIRE"),
        ("delete", ("a",), "UNLINK"),
        ("has_key", ("a",), "EXISTS"),
        ("pttl", ("a",), "PTTL"),
    ],
)
def test_a_verb_of_one_command_is_one_span(
    cache: Any, receiver: Receiver, verb: str, arguments: tuple[Any, ...], command: str
) -> None:
    receiver.instrument()
    getattr(cache, verb)(*arguments)
    assert receiver.span.name == command
    assert facts(receiver.span)["cachex.operation.name"] == verb


def test_a_function_is_named_and_a_script_is_only_said(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    script = client.execute(commands.script_load("return 1"))
    client.execute(commands.evalsha(script, [], []))
    with pytest.raises(ResponseError):
        client.execute(commands.custom("FCALL", "lent", 0))
    ran, called = receiver.ours[-2:]
    assert ran.name == "EVALSHA"
    wanted = script.decode() if isinstance(script, bytes) else script
    assert facts(ran)["db.stored_procedure.name"] == wanted
    assert called.name == "FCALL lent"
    assert facts(called)["db.stored_procedure.name"] == "lent"


def test_a_batch_names_the_function_or_the_script_that_all_of_it_call(
    client: Any, cache: Any, receiver: Receiver
) -> None:
    cache.set_many({"a": 1, "b": 2})
    receiver.instrument()
    cache.incr_many({"a": 1, "b": 1})
    client.execute_many([commands.custom("FCALL", "lent", 0)] * 2)
    client.execute_many([commands.custom("FCALL", name, 0) for name in ("lent", "sold")])
    counted, called, mixed = receiver.named("PIPELINE EVALSHA"), *receiver.ours[-2:]
    assert len(facts(counted)["db.stored_procedure.name"]) == 40
    assert called.name == "PIPELINE FCALL lent"
    assert facts(called)["db.stored_procedure.name"] == "lent"
    assert facts(called)["db.operation.name"] == mixed.name == "PIPELINE FCALL"
    assert "db.stored_procedure.name" not in facts(mixed)


def test_what_is_known_is_there_when_the_sampler_decides(
    cache: Any, standalone: Standalone
) -> None:
    seen: list[dict[str, Any]] = []

    class Noting(Sampler):
        def should_sample(self, context: Any, trace: int, name: str, *rest: Any) -> Any:
            seen.append(dict(rest[1] or {}))
            return SamplingResult(Decision.DROP)

        def get_description(self) -> str:
            return "noting"

    with receiving(sampler=Noting()) as receiver:
        receiver.instrument()
        cache.get("a")
        assert receiver.spans == ()
    assert seen == [
        {
            "db.system.name": "redis",
            "db.operation.name": "GET",
            "db.namespace": "0",
            "server.address": "127.0.0.1",
            "server.port": standalone.port,
            "cachex.operation.name": "get",
            "cachex.cache.name": "default",
        }
    ]


# Several commands


def test_a_pipeline_is_one_span_named_for_what_its_commands_share(
    client: Any, receiver: Receiver
) -> None:
    receiver.instrument()
    client.execute_many([commands.set(b"k%d" % n, b"v") for n in range(1000)])
    assert receiver.span.name == "PIPELINE SET"
    assert facts(receiver.span)["db.operation.batch.size"] == 1000


def test_a_pipeline_of_different_commands_is_a_pipeline(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    client.execute_many([commands.set(b"a", b"v"), commands.get(b"a")])
    assert receiver.span.name == "PIPELINE"
    assert facts(receiver.span)["db.operation.batch.size"] == 2


def test_a_pipeline_of_one_is_no_batch(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    client.execute_many([commands.set(b"a", b"v")])
    assert receiver.span.name == "SET"
    assert "db.operation.batch.size" not in facts(receiver.span)


def test_a_transaction_is_one_span(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    client.execute_atomic([commands.set(b"a", b"v"), commands.set(b"b", b"v")])
    assert receiver.span.name == "MULTI SET"
    assert facts(receiver.span)["db.operation.batch.size"] == 2


def test_a_pipeline_of_ten_thousand_is_one_span_with_a_short_name(
    client: Any, receiver: Receiver
) -> None:
    receiver.instrument()
    client.execute_many([commands.get(b"k%d" % n) for n in range(10_000)])
    assert len(receiver.span.name) <= 20
    assert facts(receiver.span)["db.operation.batch.size"] == 10_000


def test_many_keys_of_one_server_are_one_span_that_counts_them(
    cache: Any, receiver: Receiver
) -> None:
    cache.set_many({"a": 1, "b": 2})
    receiver.instrument()
    cache.get_many(["a", "b", "c"])
    assert receiver.span.name == "MGET"
    said = facts(receiver.span)
    assert said["cachex.operation.name"] == "get_many"
    assert (said["cachex.keys.requested"], said["cachex.keys.found"]) == (3, 2)


# Verbs around commands


def test_a_loader_runs_inside_the_span_of_get_or_set(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()

    def load() -> str:
        with receiver.tracer.start_as_current_span("SELECT"):
            return "made"

    with receiver.tracer.start_as_current_span("request"):
        assert cache.get_or_set("a", load) == "made"
    around = receiver.named("get_or_set default")
    assert around.kind is SpanKind.INTERNAL
    assert [one.name for one in receiver.children(around)] == ["GET", "SELECT", "SET"]
    assert around.parent is not None
    assert around.parent.span_id == id_of(receiver.named("request"))


class Following(ClientObserver):
    """Hears that somebody waits for what another one makes."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def followed(self, leader: Any) -> None:
        self.heard.set()


@pytest.fixture
def following() -> Iterator[Following]:
    following = Following()
    yield following
    unobserve(following)


def check_links(receiver: Receiver) -> None:
    first, second = (receiver.children(receiver.named(name))[0] for name in ("leader", "follower"))
    assert not first.links
    assert [one.context.span_id for one in second.links] == [id_of(first)]
    assert [one.name for one in receiver.children(first)] == ["GET", "SET"]
    assert [one.name for one in receiver.children(second)] == ["GET"]


def test_a_thread_that_waits_for_what_another_makes_links_to_that_one(
    standalone: Standalone, receiver: Receiver, following: Following
) -> None:
    making = threading.Event()

    def make() -> str:
        making.set()
        assert following.heard.wait(20)
        return "made"

    def ask(name: str) -> None:
        with receiver.tracer.start_as_current_span(name):
            assert cache.get_or_set("a", make) == "made"

    client = DefaultClient([standalone.url])
    cache = Cache(client, name="default")
    receiver.instrument()
    observe(following)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, "leader")
        assert making.wait(20)
        pool.submit(ask, "follower").result()
        leader.result()
    client.close()
    check_links(receiver)


def test_a_task_that_waits_for_what_another_makes_links_to_that_one(
    standalone: Standalone, receiver: Receiver, following: Following
) -> None:
    async def make() -> str:
        while not following.heard.is_set():
            await asyncio.sleep(0)
        return "made"

    async def ask(cache: AsyncCache, name: str) -> None:
        with receiver.tracer.start_as_current_span(name):
            assert await cache.get_or_set("a", make) == "made"

    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client, name="default")
        await asyncio.wait_for(asyncio.gather(ask(cache, "leader"), ask(cache, "follower")), 20)
        await client.aclose()

    receiver.instrument()
    observe(following)
    asyncio.run(main())
    check_links(receiver)


def test_where_verbs_have_no_spans_nothing_is_linked(
    standalone: Standalone, receiver: Receiver, following: Following
) -> None:
    """Least of all the span of somebody else that is around."""

    async def make() -> str:
        while not following.heard.is_set():
            await asyncio.sleep(0)
        return "made"

    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client, name="default")
        with receiver.tracer.start_as_current_span("request"):
            asked = (cache.get_or_set("a", make) for _ in range(3))
            await asyncio.wait_for(asyncio.gather(*asked), 20)
        await client.aclose()

    receiver.instrument(spans="command")
    observe(following)
    asyncio.run(main())
    assert not any(one.links for one in receiver.spans)


def test_after_a_verb_the_current_span_is_that_of_before(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    before = get_current()
    cache.get_or_set("a", 1)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("b", lambda: 1 / 0)
    assert get_current() == before
    assert get_current_span() is INVALID_SPAN
    around = receiver.ours[-1]
    assert failed(around)
    assert facts(around)["error.type"] == "ZeroDivisionError"


def test_a_span_that_is_not_sampled_has_no_children_that_are(cache: Any) -> None:
    with receiving(sampler=ALWAYS_OFF) as receiver:
        receiver.instrument()
        inside: list[bool] = []
        cache.get_or_set("a", lambda: inside.append(get_current_span().is_recording()) or 1)
        assert inside == [False]
        assert receiver.spans == ()


def test_walking_over_keys_leaves_nothing_behind_for_those_who_take_them(
    cache: Any, receiver: Receiver
) -> None:
    cache.set_many({str(n): n for n in range(50)})
    receiver.instrument()
    with receiver.tracer.start_as_current_span("request") as request:
        assert len(set(cache.iter_keys("*", itersize=10))) == 50
        assert get_current_span() is request
    walked = [one for one in receiver.ours if one.name == "SCAN"]
    assert walked
    assert {one.parent.span_id for one in walked if one.parent} == {
        request.get_span_context().span_id
    }


# Failures


def test_an_error_reply_is_told_by_its_first_word_in_span_and_duration(
    client: Any, receiver: Receiver
) -> None:
    client.execute(commands.set(b"a", b"text"))
    receiver.instrument()
    with pytest.raises(ResponseError):
        client.execute(commands.custom("LPUSH", b"a", b"x"))
    said = facts(receiver.span)
    assert said["error.type"] == said["db.response.status_code"] == "WRONGTYPE"
    assert failed(receiver.span)
    assert receiver.span.status.description is None
    assert not receiver.span.events
    durations = receiver.metric("db.client.operation.duration")
    assert durations.value(error_type="WRONGTYPE", db_response_status_code="WRONGTYPE") == 1


def test_a_script_that_a_server_has_to_learn_is_no_error_of_the_verb(
    cache: Any, client: Any, standalone: Standalone, receiver: Receiver
) -> None:
    cache.set("a", 1)
    standalone.command("SCRIPT", "FLUSH")
    receiver.instrument()
    assert cache.incr("a") == 2
    assert [one.name for one in receiver.ours] == ["EVALSHA", "EVAL"]
    assert "error.type" not in receiver.everything()
    with pytest.raises(ResponseError):
        client.execute(commands.evalsha("f" * 40, [], []))
    assert facts(receiver.ours[-1])["error.type"] == "NOSCRIPT"


def test_an_error_in_a_batch_makes_its_span_one_that_failed(
    client: Any, receiver: Receiver
) -> None:
    client.execute(commands.set(b"a", b"text"))
    receiver.instrument()
    client.execute_many([commands.get(b"a"), commands.custom("LPUSH", b"a", b"x")])
    assert failed(receiver.span)
    assert facts(receiver.span)["error.type"] == "WRONGTYPE"


def test_a_server_that_is_gone_is_told_by_the_name_of_the_error(
    colour: Any, receiver: Receiver
) -> None:
    with Standalone() as server:
        url = server.url
    client = colour.client(url)
    receiver.instrument()
    with pytest.raises(ConnectFailed) as caught:
        client.execute(commands.get(b"a"), timeout=0.3)
    assert facts(receiver.span)["error.type"] == f"cachex_pool.{type(caught.value).__name__}"
    assert "db.response.status_code" not in facts(receiver.span)


def test_who_waits_for_a_connection_in_vain_is_counted_and_leaves_no_span_open(
    standalone: Standalone, receiver: Receiver
) -> None:
    client = DefaultClient([standalone.url], ClientOptions(pool=PoolOptions(max_size=1)))
    receiver.instrument()
    with client.lease(), pytest.raises(PoolTimeout):
        client.execute(commands.get(b"a"), timeout=0.05)
    span = receiver.ours[-1]
    assert facts(span)["error.type"] == "cachex_pool.PoolTimeout"
    assert receiver.metric("db.client.connection.timeouts").value() == 1
    client.close()


def test_a_call_that_is_cancelled_ends_its_span(standalone: Standalone, receiver: Receiver) -> None:
    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        await client.execute(commands.ping())
        receiver.instrument()
        standalone.pause()
        try:
            task = asyncio.create_task(client.execute(commands.get(b"a")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            standalone.resume()
        await client.aclose()

    asyncio.run(main())
    assert failed(receiver.span)
    assert facts(receiver.span)["error.type"] == "asyncio.CancelledError"


# Whose children they are


def test_a_thousand_tasks_at_once_have_the_right_parents(
    standalone: Standalone, receiver: Receiver
) -> None:
    async def one(cache: AsyncCache, number: int) -> None:
        with receiver.tracer.start_as_current_span(f"task-{number}"):
            await cache.get(f"key-{number}")

    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client, name="default")
        await asyncio.gather(*(one(cache, number) for number in range(1000)))
        await client.aclose()

    receiver.instrument(key_attribute="plain")
    asyncio.run(main())
    parents = {id_of(one): one.name for one in receiver.spans if one.name.startswith("task-")}
    found = [
        (parents[one.parent.span_id], facts(one)["cachex.key"])
        for one in receiver.ours
        if one.parent
    ]
    assert sorted(found) == sorted((f"task-{n}", f":1:key-{n}") for n in range(1000))


def test_thirty_two_threads_have_the_right_parents(
    standalone: Standalone, receiver: Receiver
) -> None:
    client = DefaultClient([standalone.url])
    cache = Cache(client, name="default")

    def work(number: int) -> None:
        for turn in range(20):
            with receiver.tracer.start_as_current_span(f"{number}-{turn}"):
                cache.get_or_set(f"{number}-{turn}", "x")

    receiver.instrument(key_attribute="plain")
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    client.close()
    names = {id_of(one): one for one in receiver.spans}
    found = set()
    for one in receiver.ours:
        if one.name in ("GET", "SET") and one.parent:
            verb = names[one.parent.span_id]
            assert verb.name == "get_or_set default"
            assert verb.parent is not None
            top = names[verb.parent.span_id].name
            assert facts(one)["cachex.key"] == f":1:{top}"
            found.add((top, one.name))
    assert len(found) == 32 * 20 * 2


def test_a_retry_is_counted_on_the_one_span_and_is_no_error(
    standalone: Standalone, receiver: Receiver
) -> None:
    with Proxy(standalone) as front:
        client = DefaultClient([front.url])
        client.execute(commands.get(b"a"))
        receiver.instrument()
        front.cut_request(to="GET")
        client.execute(commands.get(b"a"))
        client.close()
    said = facts(receiver.span)
    assert said["cachex.retry.count"] == 1
    assert not failed(receiver.span)
    assert "error.type" not in receiver.everything()
    assert receiver.metric("cachex.retries").value(cachex_retry_reason="ConnectionLost") == 1


def test_a_parent_that_is_over_is_still_the_parent(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    request = receiver.tracer.start_span("request")
    request.end()
    with use_span(request):
        cache.get("a")
    assert receiver.span.parent is not None
    assert receiver.span.parent.span_id == request.get_span_context().span_id
