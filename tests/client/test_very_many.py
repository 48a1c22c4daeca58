"""Work on very many keys: what it comes to, and that others have their turn meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

import cachex_client
from cachex_client import (
    AsyncCache,
    AsyncClusterClient,
    AsyncDefaultClient,
    AsyncSentinelClient,
    Cache,
    ClientObserver,
    ClientOptions,
    Sent,
    commands,
)
from cachex_pool import PoolError, PoolOptions
from support.clients import map_of
from support.colours import Awaited, own_loop
from support.monitor import Monitor
from support.places import TOPOLOGIES, Place, place
from support.proxy import Proxy
from support.servers import Cluster, Standalone
from support.waiting import eventually

MANY = 4_000
FEW = 1_000
VALUES = {f"key{number}": f"value {number}" for number in range(MANY)}
COUNTS = {f"count{number}": number for number in range(MANY)}

Work = Callable[[AsyncCache], Awaitable[Any]]


def pipelined(cache: AsyncCache) -> Awaitable[Any]:
    pipe = cache.pipeline()
    for key in VALUES:
        pipe.get(key)
    return pipe.execute()


WORK: dict[str, Work] = {
    "get_many": lambda cache: cache.get_many(VALUES),
    "set_many": lambda cache: cache.set_many(VALUES),
    "delete_many": lambda cache: cache.delete_many(VALUES),
    "touch_many": lambda cache: cache.touch_many(VALUES, 60),
    "touch_many for ever": lambda cache: cache.touch_many(VALUES, None),
    "incr_many": lambda cache: cache.incr_many(COUNTS),
    "pipeline": pipelined,
}


@pytest.fixture
def at(topology: str, request: pytest.FixtureRequest) -> Place:
    return place(topology, request.getfixturevalue(topology))


def everywhere(test: Any) -> Any:
    """Run a test for all work on all topologies; what tells the same once more is thorough."""
    every_day = {("standalone", name) for name in WORK} | {
        (topology, name) for topology in TOPOLOGIES for name in ("get_many", "set_many")
    }
    every_day |= {("cluster", "incr_many"), ("cluster", "delete_many"), ("cluster", "pipeline")}
    cases = [
        pytest.param(
            topology, name, marks=() if (topology, name) in every_day else pytest.mark.thorough
        )
        for topology in TOPOLOGIES
        for name in WORK
    ]
    return pytest.mark.parametrize(("topology", "name"), cases)(test)


@contextlib.asynccontextmanager
async def client_of(at: Place, **settings: Any) -> AsyncIterator[Any]:
    options = ClientOptions(**{"timeout": 60.0, "read_your_writes": 0, **settings})
    client: Any
    if at.name == "cluster":
        client = AsyncClusterClient(at.servers.urls, options)
    elif at.name == "sentinels":
        client = AsyncSentinelClient(map_of(at.servers), options)
    else:
        urls = [at.servers.url] if at.name == "standalone" else at.servers.urls
        client = AsyncDefaultClient(urls, options)
    try:
        yield client
    finally:
        await client.aclose()


async def beside(work: Awaitable[Any], other: Callable[[], Awaitable[Any]]) -> None:
    """Make one call after the other until the work is done."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    while not task.done():
        await other()
    await task


async def longest_turn(work: Awaitable[Any]) -> float:
    """Do the work; return how many seconds of a processor the longest turn of the loop took."""
    task = asyncio.ensure_future(work)
    longest, began = 0.0, time.thread_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, began = max(longest, now - began), now
    await task
    return longest


@pytest.mark.timing
@pytest.mark.parametrize(
    ("topology", "name"),
    [
        *(("standalone", name) for name in WORK if name != "touch_many for ever"),
        *(("cluster", name) for name in ("get_many", "set_many")),
    ],
)
def test_the_event_loop_goes_round_while_there_is_work_on_very_many_keys(
    at: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "VALUES", dict.fromkeys(map(str, range(30_000)), "value"))
    monkeypatch.setitem(globals(), "COUNTS", dict.fromkeys(map(str, range(30_000)), 1))

    async def main() -> float:
        async with client_of(at) as client:
            cache = AsyncCache(client)
            await cache.set_many(COUNTS if name == "incr_many" else VALUES)
            gc.collect()
            gc.disable()  # its pauses are those of Python
            try:
                return await longest_turn(WORK[name](cache))
            finally:
                gc.enable()

    assert asyncio.run(main()) < 0.015  # in one piece: 0.024 s at best


def senders(monitors: list[Monitor], about: bytes) -> set[str]:
    """Return from where came what was asked about a key."""
    return {
        entry.sender
        for monitor in monitors
        for entry in monitor.entries
        if entry.sender != "lua" and any(about in word for word in entry.command)
    }


@everywhere
def test_very_many_keys_go_over_connections_of_their_own(at: Place, name: str) -> None:
    async def main() -> None:
        async with client_of(at, read_from="primary") as client:
            cache = AsyncCache(client)
            await cache.get("other")
            with contextlib.ExitStack() as stack:
                monitors = [stack.enter_context(one.monitor()) for one in at.primaries]
                await beside(WORK[name](cache), lambda: cache.get("other"))
            others = senders(monitors, b"other")
            assert len(others) == 1
            assert not others & (senders(monitors, b"key") | senders(monitors, b"count"))

    asyncio.run(main())


class Growing:
    """A value that adds another one to those it is stored with."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __reduce__(self) -> Any:
        self.values["one more"] = 1
        return (dict, ())


def test_very_many_values_that_change_meanwhile_are_not_sent(standalone: Standalone) -> None:
    values: dict[str, Any] = dict(VALUES)
    values["key10"] = Growing(values)

    async def main() -> None:
        async with client_of(place("standalone", standalone)) as client:
            cache = AsyncCache(client)
            with standalone.monitor() as monitor:
                with pytest.raises(RuntimeError, match="changed size"):
                    await cache.set_many(values)
                assert await cache.get("key0") is None
            assert monitor.count("GET") == 1
            assert monitor.count("SET") == 0

    asyncio.run(main())


def test_values_that_change_meanwhile_are_stored_as_they_were(cache: Cache) -> None:
    values: dict[str, Any] = {"key0": 0}
    values["key1"] = Growing(values)
    assert cache.set_many(values) == []
    assert cache.get_many(["key0", "key1", "one more"]) == {"key0": 0, "key1": {}}


def test_a_thousand_keys_go_over_the_connection_that_all_share(standalone: Standalone) -> None:
    async def main() -> None:
        async with client_of(place("standalone", standalone)) as client:
            cache = AsyncCache(client)
            with standalone.monitor() as monitor:
                await cache.get("other")
                await cache.get_many(list(VALUES)[:FEW])
                await cache.touch_many(list(VALUES)[:300])
            assert senders([monitor], b"key") == senders([monitor], b"other")
            assert [stats.size for stats in client.stats()] == [1]

    asyncio.run(main())


def test_very_many_keys_share_the_connection_if_there_may_be_no_other(
    standalone: Standalone,
) -> None:
    async def main() -> None:
        pool = PoolOptions(max_size=1)
        async with client_of(place("standalone", standalone), pool=pool) as client:
            cache = AsyncCache(client)
            assert await cache.set_many(VALUES) == []
            assert await cache.get_many(VALUES) == VALUES
            assert [stats.size for stats in client.stats()] == [1]

    asyncio.run(main())


def test_very_many_keys_do_not_wait_for_a_connection_while_all_are_lent(
    standalone: Standalone,
) -> None:
    async def main() -> None:
        pool = PoolOptions(max_size=2)
        async with client_of(place("standalone", standalone), pool=pool, timeout=10.0) as client:
            keys = [b"key%d" % number for number in range(2_500)]
            await client.execute(commands.get(b"key"))
            async with client.lease():
                assert await client.get_many(keys) == [None] * 2_500

    asyncio.run(main())


@everywhere
def test_work_on_very_many_keys_that_is_cancelled_leaves_nothing_open(at: Place, name: str) -> None:
    async def main() -> None:
        async with client_of(at) as client:
            cache = AsyncCache(client)
            await cache.set("other", 1)
            tasks = asyncio.all_tasks()

            def lent() -> int:
                return max(stats.lent for stats in client.stats())

            for turns in (1, 3, 6):
                work = asyncio.ensure_future(WORK[name](cache))
                for _ in range(turns):
                    await cache.get("other")
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work
                assert await cache.get("other") == 1
                async with asyncio.timeout(30):  # what was being dialled is kept for others
                    while asyncio.all_tasks() - tasks or lent() > 1:  # the shared one
                        await asyncio.sleep(0.001)
        for server in at.primaries:
            await asyncio.to_thread(eventually, lambda s=server: s.connected_clients() == 0)

    asyncio.run(main())


class SlowToRead:
    """A value that takes a moment to be pickled, and to be read again."""

    def __reduce__(self) -> Any:
        time.sleep(0.003)
        return time.sleep, (0.003,)


def test_others_have_their_turn_while_values_are_written_and_read(standalone: Standalone) -> None:
    values = {f"key{number}": SlowToRead() if number % 100 == 0 else 1 for number in range(3_000)}

    async def main() -> None:
        async with client_of(place("standalone", standalone)) as client:
            cache = AsyncCache(client)
            sending: list[int] = []
            receiving: list[int] = []

            class Watching:
                """Counts turns of the loop before anything is sent, and after all has come."""

                def __getattr__(self, name: str) -> Any:
                    return getattr(client, name)

                async def execute_many(self, *arguments: Any, **options: Any) -> Any:
                    sending.append(self.turns)
                    return await client.execute_many(*arguments, **options)

                async def get_many(self, *arguments: Any, **options: Any) -> Any:
                    found = await client.get_many(*arguments, **options)
                    receiving.append(self.turns)
                    return found

                turns = 0

            watching = Watching()
            cache.client = watching

            async def count() -> None:
                while True:
                    await asyncio.sleep(0)
                    watching.turns += 1

            counting = asyncio.create_task(count())
            await cache.set_many(values)
            assert sending[0] >= 29
            await cache.get_many(list(values))
            assert watching.turns - receiving[0] >= 29
            counting.cancel()

    asyncio.run(main())


# What it comes to, in both colours


def test_very_many_keys_are_set_got_touched_and_removed(cache: Cache) -> None:
    assert cache.set_many(VALUES) == []
    assert list(cache.get_many([*VALUES, "none"]).items()) == list(VALUES.items())
    assert cache.touch_many([*VALUES, "none"], 60) == ["none"]
    assert cache.ttl("key3999") == 60
    assert cache.touch_many(["none", *VALUES], None) == ["none"]
    assert cache.ttl("key0") is None
    assert cache.delete_many([*VALUES, "none"]) == MANY
    assert cache.get_many(VALUES) == {}


def test_very_many_counters_are_added_to(cache: Cache) -> None:
    cache.set_many(dict.fromkeys(COUNTS, 1))
    sums = cache.incr_many(COUNTS | {"none": 1})
    assert sums == {key: number + 1 for key, number in COUNTS.items()}


def test_errors_of_very_many_keys_are_told_by_key(cache: Cache, standalone: Standalone) -> None:
    cache.set_many(VALUES | dict.fromkeys(COUNTS, 1))
    for key in ("count5", "count3000"):
        standalone.command("SET", f":1:{key}", "no number")
    failed: list[tuple[Any, type]] = []
    found = cache.incr_many(COUNTS, on_error=lambda key, error: failed.append((key, type(error))))
    assert [key for key, _ in failed] == ["count5", "count3000"]
    assert all(issubclass(kind, ResponseError) for _, kind in failed)
    assert len(found) == MANY - 2
    with pytest.raises(ResponseError):
        cache.incr_many(COUNTS)

    standalone.command("SET", ":1:key3500", b"\x80no pickle")
    failed.clear()
    assert (
        len(cache.get_many(VALUES, on_error=lambda key, _: failed.append((key, int)))) == MANY - 1
    )
    assert failed == [("key3500", int)]


def test_an_error_in_a_long_pipeline_names_its_place(cache: Cache, standalone: Standalone) -> None:
    standalone.command("LPUSH", ":1:key3210", "x")

    def execute(**options: Any) -> Any:
        pipe = cache.pipeline()
        for key in VALUES:
            pipe.get(key)
        results = pipe.execute(**options)
        if inspect.isawaitable(results):
            return cache._loop.run_until_complete(results)  # type: ignore[attr-defined]
        return results

    results = execute(raise_on_error=False)
    assert [at for at, one in enumerate(results) if one is not None] == [3210]
    with pytest.raises(ResponseError) as caught:
        execute()
    assert "get, number 3211 of a pipeline" in str(caught.value.__notes__)


@pytest.mark.parametrize("topology", ["replicated", "sentinels", "cluster"])
def test_reads_after_writes_of_the_same_long_list_see_them(at: Place) -> None:
    async def main() -> None:
        async with client_of(at, read_from="replica") as client:
            keys = [f"key{number}".encode() for number in range(3_000)]
            wanted = [*(commands.set(key, key) for key in keys), *map(commands.get, keys)]
            replies = await client.execute_many(wanted)
            assert replies[3_000:] == keys

    asyncio.run(main())


@pytest.mark.parametrize("topology", ["replicated", "sentinels", "cluster"])
def test_reads_before_a_write_of_the_same_long_list_go_to_primaries(at: Place) -> None:
    async def main() -> None:
        async with client_of(at, read_from="replica") as client:
            keys = [f"key{number}".encode() for number in range(3_000)]
            last = keys if at.name == "cluster" else keys[:1]  # there each server has its own part
            replies = await client.execute_many(
                [*map(commands.get, keys), *(commands.set(key, key) for key in last)]
            )
            assert replies == [None] * 3_000 + [True] * len(last)

    asyncio.run(main())
    seen = [server.commands_seen()["GET"] for server in at.servers.replicas]
    assert seen == [0] * len(seen)
    assert sum(server.commands_seen()["GET"] for server in at.primaries) == 3_000


class Unreadable:
    """What makes of a reply what cannot be made."""

    def read(self, reply: Any) -> Any:
        return 1 / 0


@pytest.mark.parametrize("topology", ["standalone", "cluster"])
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_a_reply_that_a_user_cannot_read_keeps_nothing_from_being_sent(
    at: Place, prefix: str
) -> None:
    keys = [f"key{number}".encode() for number in range(MANY)]
    wanted: list[Any] = [commands.set(key, key) for key in keys]
    unreadable = Unreadable()
    wanted[5] = wanted[5].then(unreadable.read)
    kept = weakref.ref(unreadable)
    recorder = Recorder()
    with own_loop() as loop:
        kind = "ClusterClient" if at.name == "cluster" else "DefaultClient"
        urls = at.servers.urls if at.name == "cluster" else [at.servers.url]
        own: Any = getattr(cachex_client, f"{prefix}{kind}")(urls, ClientOptions(timeout=60.0))
        client = Awaited(own, loop) if prefix else own

        async def in_a_task() -> None:  # which would keep what it ends with
            with contextlib.suppress(ZeroDivisionError):
                await own.execute_many(wanted)

        def in_a_thread() -> None:
            with contextlib.suppress(ZeroDivisionError):
                own.execute_many(wanted)

        cachex_client.observe(recorder)
        try:
            with pytest.raises(ZeroDivisionError):
                client.execute_many(wanted)
            cachex_client.unobserve(recorder)
            assert {reply for sent in recorder.sent for reply in sent.replies or ()} == {b"OK"}
            assert sum(sent.size for sent in recorder.sent) == MANY
            recorder.sent.clear()
            gc.collect()
            gc.disable()
            if prefix:
                loop.run_until_complete(in_a_task())
            else:
                in_a_thread()
            wanted.clear()
            del unreadable
            assert kept() is None  # nor any reply: they would be kept together
        finally:
            gc.enable()
            cachex_client.unobserve(recorder)
            client.close()
    assert sum(server.command("DBSIZE") for server in at.primaries) == MANY


def test_what_follows_a_slice_that_nobody_answered_is_not_sent(standalone: Standalone) -> None:
    async def main() -> None:
        async with client_of(place("standalone", standalone), timeout=0.5) as client:
            await client.execute_many([commands.get(b"key")] * MANY)
            standalone.pause()
            began = time.monotonic()
            results = await client.execute_many([commands.get(b"key")] * MANY)
            assert time.monotonic() - began < 10
            standalone.resume()
            assert len(results) == MANY
            assert all(isinstance(one, PoolError) for one in results)
            assert results[0].written
            assert not results[-1].written

    asyncio.run(main())


@pytest.mark.parametrize("prefix", ["", "Async"])
def test_a_shard_that_hangs_costs_very_many_keys_of_others_nothing(
    cluster: Cluster, prefix: str
) -> None:
    cluster.be_patient()  # nobody takes over meanwhile
    with own_loop() as loop:
        options = ClientOptions(timeout=0.8, read_from="primary")
        client: Any = getattr(cachex_client, f"{prefix}ClusterClient")(cluster.urls, options)
        client = Awaited(client, loop) if prefix else client
        keys = [f"key{number}".encode() for number in range(7_000)]
        hung = {key for key in keys if cluster.shard_of(key) == 0}
        sets = [commands.set(key, key) for key in keys]
        client.execute_many(sets, timeout=30.0)
        client.get_many(keys, timeout=30.0)
        cluster.primaries[0].pause()
        for work in (lambda: client.execute_many(sets), lambda: client.get_many(keys)):
            for key, result in zip(keys, work(), strict=True):
                assert isinstance(result, PoolError) is (key in hung), (key, result)
        client.close()


def test_very_many_keys_are_read_on_when_their_connection_is_lost(standalone: Standalone) -> None:
    async def main() -> None:
        with Proxy(standalone) as proxy:
            async with client_of(place("standalone", proxy)) as client:
                cache = AsyncCache(client)
                await cache.set_many(VALUES)
                proxy.cut_reply(to="MGET", nth=3)
                assert await cache.get_many(VALUES) == VALUES

    asyncio.run(main())


class Recorder(ClientObserver):
    """Keeps what was sent, and the counts."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.counts: list[tuple[Any, ...]] = []

    def sending(self, sent: Sent) -> Any:
        return "token"

    def settled(self, sent: Sent, token: Any) -> None:
        self.sent.append(sent)

    def looked_up(self, *counts: Any) -> None:
        self.counts.append(counts[1:])

    def wrote(self, *counts: Any) -> None:
        self.counts.append(counts[1:])


def test_an_observer_that_declines_very_many_keys_is_not_asked_again(cache: Cache) -> None:
    class Declining(Recorder):
        def sending(self, sent: Sent) -> Any:
            self.sent.append(sent)

    recorder = Declining()
    cachex_client.observe(recorder)
    try:
        cache.get_many(VALUES)
    finally:
        cachex_client.unobserve(recorder)
    assert len(recorder.sent) == 1


def test_very_many_keys_of_one_server_are_one_sent(cache: Cache) -> None:
    recorder = Recorder()
    cachex_client.observe(recorder)
    try:
        cache.set_many(VALUES)
        cache.get_many([*VALUES, "none"])
    finally:
        cachex_client.unobserve(recorder)
    assert recorder.counts == [("set_many", MANY), ("get_many", MANY, 1, 0)]
    stored, read = recorder.sent
    assert (stored.common, stored.size) == ("SET", MANY)
    assert (read.found, read.requested) == (MANY, MANY + 1)
    for sent in (stored, read):
        assert (sent.error, sent.failed) == (None, 0)
        assert sent.peer is not None
        assert sent.bytes_out > 10 * MANY
        assert sent.origin is not None
