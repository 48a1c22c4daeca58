"""What observers of clients and caches hear, on every topology, in both colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from time import process_time
from typing import Any
from uuid import uuid4

import pytest
from redis.exceptions import ResponseError, WatchError

import cachex_client
from cachex_client import (
    AsyncCache,
    AsyncDefaultClient,
    Cache,
    ClientObserver,
    ClientOptions,
    ConfigurationError,
    DefaultClient,
    Keys,
    Operation,
    Origin,
    RetryOptions,
    Sent,
    as_operation,
    async_as_operation,
    commands,
    live_clients,
)
from cachex_client._audience import audience
from cachex_client._watch import Watch
from cachex_client.commands import custom
from cachex_pool import ConnectionLost, DeadlineExceeded
from support.proxy import Proxy
from support.scripted import Scripted
from support.servers import Cluster, Standalone, slot_of
from support.waiting import eventually


class Recorder(ClientObserver):
    """Keeps what it hears, and gives tokens that say to what they belong."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.begun = 0

    def sending(self, sent: Sent) -> Any:
        self.begun += 1
        self.heard.append(("sending", sent))
        return ("token", id(sent))

    def settled(self, sent: Sent, token: Any) -> None:
        assert token == ("token", id(sent))
        self.heard.append(("settled", sent))

    def began(self, operation: Operation) -> Any:
        self.heard.append(("began", operation))
        return ("token", id(operation))

    def ended(self, operation: Operation, token: Any) -> None:
        assert token == ("token", id(operation))
        self.heard.append(("ended", operation))

    def looked_up(self, cache: str, operation: str, hits: int, misses: int, errors: int) -> None:
        self.heard.append(("looked_up", (cache, operation, hits, misses, errors)))

    def wrote(self, cache: str, operation: str, keys: int) -> None:
        self.heard.append(("wrote", (cache, operation, keys)))

    def deleted(self, cache: str, operation: str, keys: int) -> None:
        self.heard.append(("deleted", (cache, operation, keys)))

    def refreshed(
        self, topology: str, *, trigger: str, took: float, error: Exception | None
    ) -> None:
        self.heard.append(("refreshed", (topology, trigger, error)))

    def promoted(self, topology: str, *, old: str, new: str) -> None:
        self.heard.append(("promoted", (topology, old, new)))

    def of(self, kind: str) -> list[Any]:
        return [what for one, what in self.heard if one == kind]

    @property
    def sents(self) -> list[Sent]:
        """What was sent and settled; everything that was begun has to be."""
        settled = self.of("settled")
        assert sorted(map(id, self.of("sending"))) == sorted(map(id, settled))
        return settled

    @property
    def one(self) -> Sent:
        (sent,) = self.sents
        return sent

    @property
    def operations(self) -> list[Operation]:
        assert sorted(map(id, self.of("began"))) == sorted(map(id, self.of("ended")))
        return self.of("ended")

    def forget(self) -> None:
        self.heard.clear()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    cachex_client.observe(recorder)
    yield recorder
    cachex_client.unobserve(recorder)
    assert not audience.observers


@pytest.fixture
def client(colour: Any, place: Any) -> Any:
    prefix = "" if colour.name == "sync" else "Async"
    client = colour.plain(place.client(prefix))
    colour.closing.append(client.close if colour.name == "sync" else client.aclose)
    client.execute(commands.set(b"warm", b"up"))
    return client


@pytest.fixture
def cache(colour: Any, client: Any) -> Any:
    return colour.cache(client, name="shop")


@pytest.fixture
def lone(colour: Any, standalone: Standalone) -> Any:
    """A client of one server."""
    return colour.make("DefaultClient", [standalone.url])


# What is sent


def test_a_command_is_one_sent(client: Any, place: Any, recorder: Recorder) -> None:
    client.execute(commands.set(b"k", b"v"))
    recorder.forget()
    assert client.execute(commands.get(b"k")) == b"v"
    sent = recorder.one
    assert (sent.name, sent.size, sent.common, sent.attempts) == ("GET", 1, "GET", 1)
    assert (sent.replies, sent.error, sent.failed) == ((b"v",), None, 0)
    assert (sent.requested, sent.found) == (1, 1)
    assert sent.bytes_out == len(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
    assert sent.origin is None
    assert sent.peer is not None
    if place.topology == "standalone":
        assert sent.peer.port == sent.server.port
    if place.topology == "cluster":
        shard = place.servers.shard_of("k")
        assert sent.peer.port in [server.port for server in place.servers.members(shard)]
    assert [kind for kind, _ in recorder.heard] == ["sending", "settled"]


def test_a_verb_of_one_command_is_one_sent_that_knows_the_verb(
    cache: Any, recorder: Recorder
) -> None:
    cache.set("k", "v")
    cache.get("k")
    cache.get("missing")
    cache.add("k", "w")
    cache.touch("k", 50)
    cache.has_key("k")
    cache.ttl("k")
    cache.set("n", 1)
    cache.incr("n")
    cache.delete("k")
    cache.hset("h", "field", 1)
    assert recorder.operations == []
    said = [(sent.name, sent.origin) for sent in recorder.sents if sent.error is None]
    assert [origin.operation for _, origin in said if origin] == (
        "set get get add touch has_key ttl set incr delete hset".split()
    )
    assert {origin.cache for _, origin in said if origin} == {"shop"}
    assert [name for name, _ in said][:3] == ["SET", "GET", "GET"]
    assert recorder.of("looked_up") == [("shop", "get", 1, 0, 0), ("shop", "get", 0, 1, 0)]
    assert recorder.of("wrote") == [("shop", "set", 1), ("shop", "set", 1), ("shop", "incr", 1)]
    assert recorder.of("deleted") == [("shop", "delete", 1)]


def test_many_commands_are_one_sent_for_each_server(
    client: Any, place: Any, recorder: Recorder
) -> None:
    names = [f"key-{n}" for n in range(50)]
    wanted = [commands.set(name.encode(), b"v") for name in names]
    assert client.execute_many(wanted) == [True] * 50
    servers = 3 if place.topology == "cluster" else 1
    assert len(recorder.sents) == servers
    assert {(sent.name, sent.common) for sent in recorder.sents} == {("PIPELINE", "SET")}
    assert sum(sent.size for sent in recorder.sents) == 50
    assert sum(sent.bytes_out for sent in recorder.sents) == sum(
        len(one.packed or b"") for one in wanted
    )
    peers = {sent.peer.port for sent in recorder.sents if sent.peer is not None}
    assert len(peers) == servers
    if place.topology == "cluster":
        for sent in recorder.sents:
            assert sent.peer is not None
            for command in sent.commands:
                assert place.servers.primary_for(command.key).port == sent.peer.port


def test_many_keys_are_one_operation_with_a_sent_for_each_server(
    cache: Any, place: Any, recorder: Recorder
) -> None:
    names = [f"key-{n}" for n in range(1000)]
    cache.set_many(dict.fromkeys(names[:600], "v"))
    recorder.forget()
    assert len(cache.get_many(names)) == 600
    assert recorder.of("looked_up") == [("shop", "get_many", 600, 400, 0)]
    if place.topology == "cluster":
        (whole,) = recorder.operations
        assert (whole.origin, whole.error) == (Origin("shop", "get_many"), None)
        assert (whole.requested, whole.found) == (1000, 600)
        assert len(recorder.sents) == 3
        assert {sent.origin for sent in recorder.sents} == {None}
        assert [sum(sent.found or 0 for sent in recorder.sents)] == [600]
        assert [sum(sent.requested or 0 for sent in recorder.sents)] == [1000]
        kinds = [kind for kind, _ in recorder.heard]
        assert (kinds[0], kinds[-2:]) == ("began", ["ended", "looked_up"])
    else:
        assert recorder.operations == []
        sent = recorder.one
        assert (sent.name, sent.origin) == ("MGET", Origin("shop", "get_many"))
        assert (sent.requested, sent.found) == (1000, 600)


@pytest.mark.parametrize(
    ("verb", "arguments", "counted"),
    [
        ("set_many", ({"a": 1, "b": 2, "c": 3},), ("wrote", 3)),
        ("delete_many", (["a", "b", "missing"],), ("deleted", 0)),
        ("touch_many", (["a", "b"], 60), None),
        ("touch_many", (["a", "b"], None), None),
        ("incr_many", ({"missing": 1, "gone": 2},), None),
    ],
)
def test_verbs_for_many_keys_are_told_as_one(
    cache: Any, place: Any, recorder: Recorder, verb: str, arguments: Any, counted: Any
) -> None:
    getattr(cache, verb)(*arguments)
    origin = Origin("shop", verb)
    if place.topology == "cluster":
        assert [whole.origin for whole in recorder.operations] == [origin]
        assert {sent.origin for sent in recorder.sents} == {None}
    else:
        assert recorder.operations == []
        assert {sent.origin for sent in recorder.sents} == {origin}
        assert {sent.requested for sent in recorder.sents} == {len(arguments[0])}
    if counted is not None and counted[1]:
        assert recorder.of(counted[0]) == [("shop", verb, counted[1])]


def test_a_value_that_is_made_is_one_operation(cache: Any, recorder: Recorder) -> None:
    inside: list[str] = []

    def make() -> str:
        inside.extend(kind for kind, _ in recorder.heard)
        return "made"

    key = uuid4().hex  # not known to have been made before, by whoever
    assert cache.get_or_set(key, make) == "made"
    assert inside[0] == "began"
    assert "ended" not in inside
    (whole,) = recorder.operations
    assert whole.origin == Origin("shop", "get_or_set")
    assert [(sent.name, sent.origin) for sent in recorder.sents] == [("GET", None), ("SET", None)]
    assert recorder.of("looked_up") == [("shop", "get_or_set", 0, 1, 0)]
    assert recorder.of("wrote") == [("shop", "get_or_set", 1)]


def test_walks_over_keys_are_operations(cache: Any, recorder: Recorder) -> None:
    cache.set_many({"a1": 1, "a2": 2, "b": 3})
    recorder.forget()
    assert sorted(cache.keys("a*")) == ["a1", "a2"]
    assert cache.delete_pattern("a*") == 2
    assert cache.incr_version("b") == 2
    assert cache.clear() == 1
    cache.flush_db()
    assert [whole.origin.operation for whole in recorder.operations] == (
        "keys delete_pattern incr_version clear flush_db".split()
    )
    assert {sent.origin for sent in recorder.sents} == {None}
    assert ("shop", "delete_pattern", 2) in recorder.of("deleted")


def test_steps_of_a_walk_with_pauses_are_no_operation(cache: Any, recorder: Recorder) -> None:
    cache.set_many({"a1": 1, "a2": 2})
    recorder.forget()
    assert sorted(cache.iter_keys("a*")) == ["a1", "a2"]
    assert recorder.operations == []
    assert {(sent.name, sent.origin) for sent in recorder.sents} == {
        ("SCAN", Origin("shop", "iter_keys"))
    }


def test_work_of_ones_own_is_an_operation(recorder: Recorder, run: Any) -> None:
    def fails(text: str) -> None:
        raise ValueError(text)

    async def doubled(number: int) -> int:
        return 2 * number

    assert as_operation("shop", "refill", divmod, 7, 2) == (3, 1)
    with pytest.raises(ValueError, match="empty"):
        as_operation("shop", "fail", fails, "empty")
    assert run(async_as_operation("shop", "double", doubled, 2)) == 4
    told = [(one.origin, one.error is None) for one in recorder.operations]
    assert told == [
        (Origin("shop", "refill"), True),
        (Origin("shop", "fail"), False),
        (Origin("shop", "double"), True),
    ]


def test_a_lock_that_is_taken_is_an_operation(cache: Any, colour: Any, recorder: Recorder) -> None:
    lock = colour.plain(cache.lock("l", timeout=5))
    other = colour.plain(cache.lock("l", timeout=5, blocking=False))
    assert lock.acquire()
    assert not other.acquire()
    lock.release()
    assert [whole.origin for whole in recorder.operations] == [Origin("shop", "lock.acquire")] * 2
    assert [sent.origin for sent in recorder.sents if sent.error is None] == [
        None,
        None,
        Origin("shop", "lock.release"),
    ]


def test_a_transaction_is_one_sent(client: Any, recorder: Recorder) -> None:
    wanted = [commands.set(b"{a}1", b"1"), custom("INCR", "{a}1"), custom("LPUSH", "{a}1", "x")]
    results = client.execute_atomic(wanted)
    sent = recorder.one
    assert (sent.name, sent.size, sent.common) == ("MULTI", 3, None)
    assert (sent.failed, sent.code) == (1, "WRONGTYPE")
    assert sent.error is results[2]


def test_a_command_for_all_is_a_sent_for_each_primary(
    client: Any, place: Any, recorder: Recorder
) -> None:
    client.execute_everywhere(commands.dbsize())
    assert len(recorder.sents) == (3 if place.topology == "cluster" else 1)
    assert {(sent.name, sent.size) for sent in recorder.sents} == {("DBSIZE", 1)}


def test_redis_py_s_methods_are_told(
    client: Any, colour: Any, recorder: Recorder, place: Any
) -> None:
    facade = client.redis if colour.name == "sync" else colour.plain(client._cache.redis)
    facade.set("k", "v")
    assert facade.get("k") == b"v"
    assert facade.blpop(["nothing"], timeout=0.01) is None
    assert [sent.name for sent in recorder.sents] == ["SET", "GET", "BLPOP"]
    recorder.forget()
    pipeline = facade.pipeline()
    pipeline.set("k", "v")
    pipeline.get("k")
    colour.plain(pipeline).execute()
    assert [(sent.name, sent.size) for sent in recorder.sents] == [("MULTI", 2)]
    recorder.forget()
    pipeline = facade.pipeline(transaction=False)
    pipeline.get("k")
    pipeline.get("k")
    colour.plain(pipeline).execute()
    assert [(sent.name, sent.common, sent.size) for sent in recorder.sents] == [
        ("PIPELINE", "GET", 2)
    ]


def test_what_follows_a_watch_is_told(lone: Any, colour: Any, recorder: Recorder) -> None:
    facade = lone.redis if colour.name == "sync" else colour.plain(lone._cache.redis)
    pipeline = facade.pipeline()
    plain = colour.plain(pipeline)
    plain.watch("k")
    pipeline.multi()
    pipeline.set("k", "v")
    facade.set("k", "other")
    with pytest.raises(WatchError):
        plain.execute()
    assert [(sent.name, sent.size) for sent in recorder.sents] == [
        ("WATCH", 1),
        ("SET", 1),
        ("MULTI", 1),
    ]
    assert recorder.sents[-1].error is None  # the transaction was not run: that is no error


def test_subscriptions_work_while_somebody_observes(
    lone: Any, colour: Any, recorder: Recorder
) -> None:
    facade = lone.redis if colour.name == "sync" else colour.plain(lone._cache.redis)
    ear = colour.plain(facade.pubsub())
    ear.subscribe("news")
    assert ear.get_message(timeout=5)["type"] == "subscribe"
    facade.publish("news", "hello")
    assert ear.get_message(timeout=5)["data"] == b"hello"
    ear.close() if colour.name == "sync" else ear.aclose()
    assert [sent.name for sent in recorder.sents] == ["PUBLISH"]


def test_a_list_cut_into_several_writes_is_one_sent(lone: Any, recorder: Recorder) -> None:
    lone.execute_many([commands.set(b"%d" % n, b"v") for n in range(5000)])
    assert (recorder.one.size, len(recorder.one.replies)) == (5000, 5000)


# What goes wrong


def test_an_error_reply_keeps_its_code(client: Any, recorder: Recorder) -> None:
    client.execute(custom("LPUSH", "list", "x"))
    recorder.forget()
    with pytest.raises(ResponseError) as caught:
        client.execute(commands.get(b"list"))
    sent = recorder.one
    assert sent.error is caught.value
    assert (sent.code, sent.retries, sent.found) == ("WRONGTYPE", 0, 0)


def test_one_bad_command_of_many_does_not_hide_the_others(
    colour: Any, place: Any, recorder: Recorder
) -> None:
    options = ClientOptions(timeout=10.0, read_from="primary")  # one server, one write
    client = colour.plain(place.client("" if colour.name == "sync" else "Async", options))
    colour.closing.append(client.close if colour.name == "sync" else client.aclose)
    client.execute(custom("LPUSH", "{a}list", "x"))
    recorder.forget()
    client.execute_many([commands.get(b"{a}k"), custom("INCR", "{a}list"), commands.get(b"{a}k")])
    sent = recorder.one
    assert (sent.failed, sent.code, len(sent.replies)) == (1, "WRONGTYPE", 3)


def test_what_was_sent_again_with_success_has_no_error(
    colour: Any, standalone: Standalone, recorder: Recorder
) -> None:
    with Proxy(standalone) as front:
        client = colour.make("DefaultClient", [front.url])
        client.execute(commands.set(b"k", b"v"))
        recorder.forget()
        front.cut_reply(to="GET")
        assert client.execute(commands.get(b"k")) == b"v"
        sent = recorder.one
        assert (sent.error, sent.failed, sent.replies) == (None, 0, (b"v",))
        assert (sent.retried, sent.redirected, sent.attempts) == (("ConnectionLost",), (), 2)
        recorder.forget()
        front.cut_reply(to="GET")
        assert client.execute_many([commands.get(b"k")] * 3) == [b"v"] * 3
        sent = recorder.one
        assert (sent.error, sent.failed, sent.retried) == (None, 0, ("ConnectionLost",))
        assert sent.attempts == 2, "all three of them"


def test_the_loss_of_a_hundred_thousand_commands_takes_no_time_to_note() -> None:
    sent = Sent()
    watch = Watch.of_parts(dict.fromkeys(range(100_000), sent))
    began = process_time()
    watch.go_on(dict.fromkeys(range(100_000), TimeoutError()))
    assert process_time() - began < 5.0
    assert (sent.redirects, sent.retried) == (0, ("TimeoutError",))
    watch.go_on({0: TimeoutError(), 1: ConnectionLost("here", "gone", written=True)})
    assert sent.retried == ("TimeoutError", "TimeoutError", "ConnectionLost")


def test_what_was_lost_has_its_error(
    colour: Any, standalone: Standalone, recorder: Recorder
) -> None:
    with Proxy(standalone) as front:
        client = colour.make("DefaultClient", [front.url])
        client.execute(commands.set(b"k", b"1"))
        recorder.forget()
        front.cut_reply(to="INCRBY")
        with pytest.raises(ConnectionLost) as caught:
            client.execute(commands.incrby(b"k", 1))
        assert recorder.one.error is caught.value
        assert recorder.one.code is None
        recorder.forget()
        front.cut_reply(to="INCRBY")
        results = client.execute_many([commands.incrby(b"k", 1)] * 2)
        assert recorder.one.failed == sum(isinstance(one, Exception) for one in results) > 0


def test_a_call_that_ran_out_of_time_is_settled(colour: Any, recorder: Recorder) -> None:
    with Scripted(lambda words: b"") as silent:
        client = colour.make(
            "DefaultClient", [silent.url], ClientOptions(retry=RetryOptions(attempts=1))
        )
        with pytest.raises(DeadlineExceeded):
            client.execute(commands.get(b"k"), timeout=0.2)
        client.execute_many([commands.get(b"k")] * 2, timeout=0.2)
    assert [type(sent.error) for sent in recorder.sents] == [DeadlineExceeded] * 2


def test_a_redirect_is_counted_on_the_one_sent(
    colour: Any, cluster: Cluster, recorder: Recorder
) -> None:
    client = colour.make("ClusterClient", cluster.urls[:1])
    client.execute(commands.set(b"k", b"v"))
    inner = client if colour.name == "sync" else client._cache
    right = cluster.primary_for("k")
    wrong = next(one for one in cluster.primaries if one.port != right.port)

    def forget_who_leads() -> None:
        links = inner._links if colour.name == "sync" else inner._by_loop[id(colour.loop)][1]
        other = next(link for link in links.links.values() if link.endpoint.port == wrong.port)
        links.tables.primaries[slot_of("k")] = other
        recorder.forget()

    forget_who_leads()
    assert client.execute(commands.get(b"k")) == b"v"
    sent = recorder.one
    assert (sent.redirects, sent.retries, sent.error) == (1, 0, None)
    assert sent.redirected == ("MOVED",)
    assert sent.peer is not None
    assert sent.peer.port == right.port

    forget_who_leads()
    assert client.execute_many([commands.get(b"k")] * 2) == [b"v"] * 2
    sent = recorder.one
    assert (sent.redirected, sent.error) == (("MOVED",), None)
    assert sent.peer is not None
    assert sent.peer.port == right.port

    forget_who_leads()
    assert client.get_many([b"k", b"k"]) == [b"v"] * 2
    sent = recorder.one
    assert (sent.redirected[0], sent.error, sent.found) == ("MOVED", None, 2)
    assert sent.peer is not None
    assert sent.peer.port == right.port


def test_a_server_that_is_down_fails_its_own_keys_only(
    colour: Any, cluster: Cluster, recorder: Recorder
) -> None:
    options = ClientOptions(timeout=2.0, read_from="primary", retry=RetryOptions(attempts=1))
    client = colour.make("ClusterClient", cluster.urls, options)
    cache = colour.cache(client, name="shop")
    cache.set_many({f"key-{n}": n for n in range(60)})
    down = cluster.primaries[0]
    errors: list[Any] = []
    down.pause()
    recorder.forget()
    try:
        inner = cache if colour.name == "sync" else cache._cache
        verb = inner.get_many(
            [f"key-{n}" for n in range(60)], on_error=lambda key, error: errors.append(key)
        )
        found = verb if colour.name == "sync" else colour.loop.run_until_complete(verb)
    finally:
        down.resume()
    failed = [sent for sent in recorder.sents if sent.error is not None]
    assert len(found) + len(errors) == 60
    if errors:  # else a replica was promoted in time
        assert failed
        assert recorder.of("looked_up") == [("shop", "get_many", len(found), 0, len(errors))]
    (whole,) = recorder.operations
    assert (whole.error, whole.found) == (None, len(found))


def test_a_cancelled_call_is_settled(standalone: Standalone, recorder: Recorder) -> None:
    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client, name="shop")
        await cache.set("k", 1)
        recorder.forget()
        standalone.pause()
        try:
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    client.execute(commands.get(b"k")),
                    client.execute_many([commands.get(b"k")] * 2),
                    client.execute_atomic([commands.get(b"k")] * 2),
                    cache.get_many(["a", "b"]),
                    cache.get_or_set("new", 1),
                )
            ]
            while recorder.begun < 6:
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            standalone.resume()
        await client.aclose()

    asyncio.run(main())
    assert [type(sent.error) for sent in recorder.sents] == [asyncio.CancelledError] * 5
    assert [type(one.error) for one in recorder.operations] == [asyncio.CancelledError]


def test_what_is_killed_is_settled(standalone: Standalone, recorder: Recorder) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> Any:
        raise Killed

    client = DefaultClient([standalone.url])
    link = client._links.primary
    link.call = link.exchange = kill
    with pytest.raises(Killed):
        client.execute(commands.get(b"k"))
    with pytest.raises(Killed):
        client.execute_many([commands.get(b"k")] * 2)
    with pytest.raises(Killed):
        Cache(client).get_many(["a", "b"])
    assert [type(sent.error) for sent in recorder.sents] == [Killed] * 3
    client.close()


# Who observes


def test_clients_that_exist_are_heard_until_nobody_listens(lone: Any) -> None:
    lone.execute(commands.ping())
    recorder = Recorder()
    cachex_client.observe(recorder)
    cachex_client.observe(recorder)  # once
    lone.execute(commands.ping())
    assert recorder.one.name == "PING"
    cachex_client.unobserve(recorder)
    cachex_client.unobserve(recorder)
    lone.execute(commands.ping())
    assert len(recorder.heard) == 2


def test_who_gives_no_token_hears_nothing_more(cache: Any, recorder: Recorder) -> None:
    class Deaf(Recorder):
        def sending(self, sent: Sent) -> Any:
            super().sending(sent)

        def began(self, operation: Operation) -> Any:
            super().began(operation)

    deaf = Deaf()
    cachex_client.observe(deaf)
    try:
        cache.get("k")
        cache.set_many({"a": 1, "b": 2})
        cache.get_or_set("new", 1)
    finally:
        cachex_client.unobserve(deaf)
    assert not deaf.of("settled")
    assert not deaf.of("ended")
    assert deaf.of("sending") == recorder.of("sending")
    assert deaf.of("began") == recorder.of("began")
    assert recorder.sents


@pytest.mark.parametrize("method", ["sending", "settled", "began", "ended", "looked_up", "wrote"])
def test_an_observer_that_raises_leaves_and_the_call_goes_on(
    cache: Any, recorder: Recorder, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorder):
        pass

    def raise_it(*_: Any) -> Any:
        raise RuntimeError("of the observer")

    setattr(Broken, method, raise_it)
    broken = Broken()
    cachex_client.observe(broken)
    for _ in range(2):
        cache.set("k", 1)
        assert cache.get("k") == 1
        cache.get_or_set(f"new {method}", 1)
    assert audience.observers == (recorder,)
    assert [record.message for record in caplog.records if record.name == "cachex_client"] == [
        "observer raised and was detached"
    ]
    assert len(recorder.of("looked_up")) == 4


def test_every_thread_gets_its_token_back(standalone: Standalone, recorder: Recorder) -> None:
    threads_of: dict[int, int] = {}

    class Threads(ClientObserver):
        def sending(self, sent: Sent) -> Any:
            threads_of[id(sent)] = threading.get_ident()
            return (id(sent), sent)

        def settled(self, sent: Sent, token: Any) -> None:
            assert token == (id(sent), sent)
            assert threads_of[id(sent)] == threading.get_ident()
            wrong.discard(id(sent))

    wrong: set[int] = set()
    threads = Threads()
    client = DefaultClient([standalone.url])
    cache = Cache(client)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(20):
                cache.set(f"{number}-{n}", n)
                assert cache.get(f"{number}-{n}") == n
                assert len(cache.get_many([f"{number}-{n}", "missing"])) == 1
        except BaseException as error:
            errors.append(error)

    cachex_client.observe(threads)
    try:
        workers = [threading.Thread(target=work, args=(n,)) for n in range(32)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert threads in audience.observers  # it was not detached: all its assertions held
    finally:
        cachex_client.unobserve(threads)
    assert not errors
    assert len(recorder.sents) == 32 * 20 * 3
    client.close()


def test_every_task_gets_its_token_back(standalone: Standalone) -> None:
    class Tasks(ClientObserver):
        seen = 0

        def sending(self, sent: Sent) -> Any:
            return (asyncio.current_task(), sent)

        def settled(self, sent: Sent, token: Any) -> None:
            assert token == (asyncio.current_task(), sent)
            self.seen += 1

    tasks = Tasks()

    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client)
        await asyncio.gather(*(cache.set(f"k{n}", n) for n in range(1000)))
        found = await asyncio.gather(*(cache.get(f"k{n}") for n in range(1000)))
        assert found == list(range(1000))
        await client.aclose()

    cachex_client.observe(tasks)
    try:
        asyncio.run(main())
        assert tasks in audience.observers
    finally:
        cachex_client.unobserve(tasks)
    assert tasks.seen == 2000


def test_clients_are_known_as_long_as_somebody_holds_them(standalone: Standalone) -> None:
    client = DefaultClient([standalone.url])
    assert any(one is client for one in live_clients())
    client.close()
    known = id(client)
    del client
    import gc

    gc.collect()
    assert all(id(one) != known for one in live_clients())


@pytest.mark.parametrize("kind", ["DefaultClient", "ClusterClient"])
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_a_client_is_known_when_there_is_all_of_it(
    standalone: Standalone, prefix: str, kind: str
) -> None:
    """Telemetry asks for views in a thread of its own, whatever others are making meanwhile."""
    looks = []

    def servers() -> Iterator[str]:
        looks.append([one.view() for one in live_clients()])
        yield standalone.url

    make = getattr(cachex_client, prefix + kind)
    client = make(servers())
    assert any(one is client for one in live_clients())
    with pytest.raises(ConfigurationError) as refused:
        make([])
    assert refused.tb is not None  # which holds the client that was not made
    looks.append([one.view() for one in live_clients()])
    assert len(looks) == 2
    if not prefix:
        client.close()


class Leaving(dict[Any, Any]):
    """Servers, each of which another thread takes out as soon as it was seen."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) and self.pop(key, None) is not None


@pytest.mark.parametrize("place", ["sentinels", "cluster"], indirect=True)
def test_servers_may_leave_while_somebody_looks(colour: Any, place: Any) -> None:
    prefix = "" if colour.name == "sync" else "Async"
    client = place.client(prefix)
    plain = colour.plain(client)
    colour.closing.append(plain.close if colour.name == "sync" else plain.aclose)
    plain.execute(commands.ping())
    (links,) = client._all_links()
    links.links = Leaving(links.links)
    assert client.view().nodes


def test_a_verb_has_the_same_origin_each_time(lone: Any, colour: Any, recorder: Recorder) -> None:
    """Observers may know by it what they have seen, also where caches are made by the hundred."""
    held: list[Origin] = []
    for _ in range(2):
        cache = colour.cache(lone, name="default")
        cache.get("a")
        lock = colour.plain(cache.lock("l", timeout=60))
        assert lock.acquire()
        lock.release()
        pipeline = colour.plain(cache.pipeline())
        pipeline.get("a")
        pipeline.execute()
        told = [*recorder.sents, *recorder.operations]
        held += [one.origin for one in told if one.origin is not None]
        recorder.forget()
    assert {one.operation for one in held} == {"get", "lock.acquire", "lock.release", "pipeline"}
    assert len(set(map(id, held))) == 4


# Topologies


def test_looks_at_a_topology_are_told(colour: Any, place: Any, recorder: Recorder) -> None:
    prefix = "" if colour.name == "sync" else "Async"
    client = colour.plain(place.client(prefix))
    colour.closing.append(client.close if colour.name == "sync" else client.aclose)
    client.execute(commands.ping())
    first = [(trigger, error) for _, trigger, error in recorder.of("refreshed")]
    if place.topology in ("cluster", "sentinels"):
        assert first[:1] == [("first", None)]
    else:
        assert first == []


def test_a_failover_is_told(colour: Any, cluster: Cluster, recorder: Recorder) -> None:
    client = colour.make("ClusterClient", cluster.urls, ClientOptions(read_from="primary"))
    key = next(cluster.keys_of_shard(0))
    client.execute(commands.set(key.encode(), b"v"))
    old = cluster.primary_of_shard(0)
    new = cluster.failover(0)

    def told() -> bool:
        client.execute(commands.get(key.encode()))
        return bool(recorder.of("promoted"))

    eventually(told, 10)
    assert recorder.of("promoted")[0][1:] == (f"{old.host}:{old.port}", f"{new.host}:{new.port}")


def test_a_cache_without_a_name_has_none(lone: Any, colour: Any, recorder: Recorder) -> None:
    cache = colour.cache(lone, keys=Keys("app"))
    cache.get("k")
    assert recorder.one.origin == Origin("", "get")
