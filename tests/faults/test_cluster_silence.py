"""A cluster's primary that says nothing while callers wait: it may hang, or only be slow."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import redis

from cachex_client import AsyncClusterClient, ClientOptions, ClusterClient, ClusterMap
from cachex_client._core.specs import spec_for
from cachex_client._core.topology import Address, Shard, Topology
from cachex_client.command import Command
from cachex_client.commands import strings
from cachex_pool import ConnectionLost, PoolOptions
from support import load
from support.history import History, Outcome
from support.leaks import no_leaks
from support.proxy import Proxies
from support.servers import Cluster, Server
from support.topologies import role_of
from support.waiting import Pulse, eventually

EXPECTED = (redis.RedisError, OSError)
PATIENT = ClientOptions(read_from="primary", timeout=15.0)
"""Its deadlines are longer than any promotion takes."""
PROMPT = 0.3
"""Seconds after a promotion in which everything has to work again."""


def partial_coverage(cluster: Cluster) -> None:
    """Let the other shards go on while one has no primary."""
    for server in cluster.servers:
        server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")


class Counting:
    """Counts in a key per worker, all of one shard, in one or several clients of one map."""

    def __init__(
        self, cluster: Cluster, shard: int, workers: int, map: ClusterMap | None = None
    ) -> None:
        names = cluster.keys_of_shard(shard, "count")
        self.keys = [next(names) for _ in range(workers)]
        self.history = History(EXPECTED)
        self.map = map or ClusterMap(cluster.urls)

    def work_of(self, client: ClusterClient, first: int = 0) -> Callable[[int], None]:
        def work(number: int) -> None:
            with self.history.add(number, self.keys[first + number]) as event:
                event.result = client.execute(strings.incrby(event.key.encode(), 1))
            time.sleep(0.005)

        return work

    def async_work_of(self, client: AsyncClusterClient, first: int = 0) -> Callable[[int], Any]:
        async def work(number: int) -> None:
            with self.history.add(number, self.keys[first + number]) as event:
                event.result = await client.execute(strings.incrby(event.key.encode(), 1))
            await asyncio.sleep(0.02)

        return work

    def run(self, colour: str, happening: Callable[[], None]) -> None:
        """Count in 8 threads or in 64 tasks while something happens."""
        if colour == "async":
            self.run_async(PATIENT, 64, happening)
        else:
            with self.sync(PATIENT, 8):
                happening()

    @contextlib.contextmanager
    def sync(self, options: ClientOptions, threads: int, first: int = 0) -> Iterator[None]:
        client = ClusterClient([], options, map=self.map)
        client.warm_up()
        with load.threads(threads, self.work_of(client, first)):
            time.sleep(0.3)
            yield
        client.close()

    def run_async(
        self, options: ClientOptions, tasks: int, happening: Callable[[], None], first: int = 0
    ) -> None:
        async def main() -> None:
            client = AsyncClusterClient([], options, map=self.map)
            await client.warm_up()
            async with load.tasks(tasks, self.async_work_of(client, first)):
                await asyncio.sleep(0.3)
                await asyncio.to_thread(happening)
            await client.aclose()

        asyncio.run(main())


def served_since(history: History, when: float) -> bool:
    """Tell whether a call that began after that has succeeded."""
    return any(e.outcome is Outcome.OK and e.start > when for e in list(history.events))


def leader_of(map: ClusterMap, server: Server) -> bool:
    return leader_at(map, server.port)


def leader_at(map: ClusterMap, port: int) -> bool:
    known = map.topology
    return known is not None and any(one.primary.port == port for one in known.shards)


@pytest.mark.timing
@pytest.mark.parametrize("how", ["sync", "few connections", "async", "both"])
def test_who_waits_for_a_primary_that_hangs_is_let_go_and_nothing_is_sent_twice(
    cluster: Cluster, how: str
) -> None:
    """A counter that was sent to the old primary is not sent to the new one; the next is."""
    partial_coverage(cluster)
    cluster.be_quick()
    counting = Counting(cluster, 1, 64)
    history = counting.history
    victim = cluster.primary_of_shard(1)
    heir = next(one for one in cluster.members(1) if one is not victim)
    at: dict[str, float] = {}

    def happening() -> None:
        victim.pause()
        eventually(lambda: role_of(heir) == "master", 10, interval=0.005)
        at["promoted"] = time.monotonic()
        eventually(lambda: served_since(history, at["promoted"]), 10)

    # All connections are there beforehand: what waits for a new one was not sent, and is repeated.
    few = how == "few connections"
    pool = PoolOptions(min_size=3, max_size=3) if few else PoolOptions(min_size=8)
    options = attrs.evolve(PATIENT, pool=pool)
    with no_leaks(4), Pulse() as pulse:
        if how == "async":
            counting.run_async(PATIENT, 64, happening)
        elif how == "both":  # one of them watches, for both
            with counting.sync(options, 8):
                counting.run_async(PATIENT, 32, happening, first=8)
        else:
            with counting.sync(options, 8):
                happening()
    slack = PROMPT + 3 * pulse.worst
    waited = [e for e in history.events if e.start < at["promoted"] < e.end]
    last = max(e.end for e in waited) - at["promoted"]
    print(f"{len(waited)} waited, let go after {last:.3f} s, late threads {pulse.worst:.3f}")
    assert len(waited) == {"async": 64, "both": 40}.get(how, 8)
    assert last <= slack
    sent = [e for e in waited if getattr(e.error, "written", None)]
    if few:
        assert len(sent) == 3
        assert all(e.error is None for e in waited if e not in sent)
    else:
        assert sent == waited
    for key in counting.keys:
        events = [e for e in history.events if e.key == key]
        total = int(heir.command("GET", key) or 0)
        assert total <= len([e for e in events if e.outcome is not Outcome.NOT_APPLIED])


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_primary_that_is_slow_loses_nobody(cluster: Cluster, colour: str) -> None:
    cluster.be_patient(15_000)
    counting = Counting(cluster, 1, 64)
    victim = cluster.primary_of_shard(1)
    watched: list[bool] = []

    def happening() -> None:
        victim.pause()
        watched.append(eventually(lambda: bool(counting.map.watched), 5))
        time.sleep(0.5)
        victim.resume()
        eventually(lambda: not counting.map.watched, 5)

    with no_leaks(4):
        counting.run(colour, happening)
    history = counting.history
    assert watched == [True]
    assert not [event for event in history.events if event.error is not None]
    for key in counting.keys:
        results = [event.result for event in history.events if event.key == key]
        assert results == list(range(1, len(results) + 1))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_primary_that_holds_callers_up_and_is_deposed_answers_them_itself(
    cluster: Cluster, colour: str
) -> None:
    """As in a planned failover that takes long: who is alive says MOVED, and nothing is lost."""
    hold_up_and_depose(cluster, Counting(cluster, 1, 64), colour)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_deposed_primary_that_is_far_away_has_the_time_to_answer_its_callers(
    cluster: Cluster, colour: str
) -> None:
    """Connecting to it takes longer than a server nearby would take for everything."""
    with Proxies(cluster.servers) as fronts:
        for front in fronts:
            front.delay(0.05)
        counting = Counting(cluster, 1, 64, ClusterMap(fronts.urls, fronts.remap))
        hold_up_and_depose(cluster, counting, colour, lambda server: fronts[server].port)


def hold_up_and_depose(
    cluster: Cluster,
    counting: Counting,
    colour: str,
    port_of: Callable[[Server], int] = lambda server: server.port,
) -> None:
    """Have another primary while the old one holds all callers up; check that nothing is lost."""
    old = cluster.primary_of_shard(1)
    heir = next(one for one in cluster.members(1) if one is not old)
    at: dict[str, float] = {}

    def happening() -> None:
        old.command("CLIENT", "PAUSE", 2500, "WRITE")
        at["held up"] = time.monotonic()
        eventually(lambda: bool(counting.map.watched), 5)
        heir.command("CLUSTER", "FAILOVER", "TAKEOVER")
        eventually(lambda: leader_at(counting.map, port_of(heir)), 5)
        at["known"] = time.monotonic()
        eventually(lambda: role_of(old) == "slave", 5)
        time.sleep(max(0.0, at["held up"] + 3.0 - time.monotonic()))

    with no_leaks(4):
        counting.run(colour, happening)
    history = counting.history
    assert at["known"] < at["held up"] + 2.0  # nobody was answered yet: it was looked for
    assert not [event for event in history.events if event.error is not None]


def sends(*words: str | int) -> Callable[[Any], Any]:
    return lambda client: client.execute(Command(words, spec_for(words)))


def call_in(
    colour: str,
    map: ClusterMap,
    happening: Callable[[], None],
    ask: Callable[[Any], Any],
    once_connected: Callable[[], None] | None = None,
) -> tuple[Any, float]:
    """Ask a client while something happens; return the result or error, and when that came."""
    ended: list[tuple[Any, float]] = []

    def call() -> None:
        client = ClusterClient([], PATIENT, map=map)
        if once_connected is not None:
            client.warm_up()
            once_connected()
        try:
            result: Any = ask(client)
        except redis.RedisError as error:
            result = error
        ended.append((result, time.monotonic()))
        client.close()

    async def async_call() -> None:
        client = AsyncClusterClient([], PATIENT, map=map)
        if once_connected is not None:
            await client.warm_up()
            once_connected()
        try:
            result: Any = await ask(client)
        except redis.RedisError as error:
            result = error
        ended.append((result, time.monotonic()))
        await client.aclose()

    work = call if colour == "sync" else lambda: asyncio.run(async_call())
    thread = threading.Thread(target=work)
    thread.start()
    try:
        happening()
    finally:
        thread.join(30)
    return ended[0]


@pytest.mark.timing
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_replica_that_hangs_too_does_not_hide_the_one_that_leads(colour: str) -> None:
    with Cluster(shards=1, replicas=2) as cluster:
        map = ClusterMap(cluster.urls)
        old = cluster.primary_of_shard(0)
        hanging, heir = cluster.replicas
        client = ClusterClient([], PATIENT, map=map)
        client.warm_up()
        client.close()
        at: dict[str, float] = {}

        def happening() -> None:
            eventually(lambda: bool(map.watched), 5)
            heir.command("CLUSTER", "FAILOVER", "TAKEOVER")
            eventually(lambda: role_of(heir) == "master", 5, interval=0.005)
            at["promoted"] = time.monotonic()

        with Pulse() as pulse:
            for server in (old, hanging):
                server.pause()
            result, ended = call_in(colour, map, happening, sends("SET", "key", "value"))
            for server in (old, hanging):
                server.resume()
        assert result == b"OK"
        assert ended <= at["promoted"] + PROMPT + 3 * pulse.worst
        assert heir.command("GET", "key") == b"value"


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_callers_that_wait_for_a_silent_primary_are_released_once_a_promotion_is_known(
    cluster: Cluster, colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the watcher finds nothing out: a redirect or a refresh may bring the news."""
    # After a second of silence the connection that tasks share would release them anyway.
    monkeypatch.setattr("cachex_pool._wire.streams.STUCK_AFTER", 3600.0)
    key = next(cluster.keys_of_shard(1)).encode()
    old = cluster.primary_of_shard(1)
    (heir,) = (one for one in cluster.members(1) if one is not old)
    increment = strings.incrby(key, 1)
    options = attrs.evolve(PATIENT, timeout=20.0, pool=PoolOptions(min_size=2))
    failures: list[BaseException] = []

    with Proxies(cluster.servers) as fronts:
        map = ClusterMap(fronts.urls, fronts.remap)
        silent = fronts[old]
        primary, replica = (Address(one.host, one.port) for one in (silent, fronts[heir]))

        def fall_silent() -> None:
            silent.drop_reply(to="INCRBY", times=1000)
            map.overdue(primary, time.monotonic() + 3600)  # no watcher is started

        def learn() -> None:
            assert map.promoted(primary, replica)
            map.spread()

        def wait(client: ClusterClient) -> None:
            with pytest.raises(redis.RedisError) as caught:
                client.execute(increment)
            failures.append(caught.value)

        def in_threads() -> None:
            client = ClusterClient([], options, map=map)
            client.warm_up()
            fall_silent()
            waiting = threading.Thread(target=wait, args=(client,))
            waiting.start()
            eventually(lambda: silent.count("INCRBY") == 1)
            with pytest.raises(redis.TimeoutError):
                client.execute(increment, timeout=0.1)
            learn()
            waiting.join()
            client.close()

        async def in_tasks() -> None:
            client = AsyncClusterClient([], options, map=map)
            await client.warm_up()
            fall_silent()
            waiting = asyncio.create_task(client.execute(increment))
            while silent.count("INCRBY") < 1:
                await asyncio.sleep(0.001)
            with pytest.raises(redis.TimeoutError):
                await client.execute(increment, timeout=0.1)
            learn()
            failures.extend(await asyncio.gather(waiting, return_exceptions=True))
            await client.aclose()

        in_threads() if colour == "sync" else asyncio.run(in_tasks())
    (failure,) = failures
    assert isinstance(failure, ConnectionLost)  # not a deadline that passed
    assert failure.written


@pytest.mark.parametrize(
    ("how", "question"),
    [("SOFT", "CLUSTER|NODES"), ("HARD", "CLUSTER|SLOTS")],
    ids=["same node", "another node"],
)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_replica_that_leads_nothing_any_more_is_not_taken_for_the_successor(
    colour: str, how: str, question: str
) -> None:
    with Cluster(shards=1, replicas=1) as cluster:
        map = ClusterMap(cluster.urls)
        client = ClusterClient([], PATIENT, map=map)
        client.warm_up()
        client.close()
        slow = cluster.primary_of_shard(0)
        (replica,) = cluster.replicas
        replica.command("CLUSTER", "RESET", how)
        assert role_of(replica) == "master"

        def happening() -> None:
            asked = replica.commands_seen()[question]
            eventually(lambda: replica.commands_seen()[question] >= asked + 2, 5)
            slow.resume()

        slow.pause()
        result, _ = call_in(colour, map, happening, sends("INCR", "key"))
        assert result == 1
        assert leader_of(map, slow)


@pytest.mark.timing
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_many_keys_are_read_to_the_end_from_the_new_primary(cluster: Cluster, colour: str) -> None:
    partial_coverage(cluster)
    cluster.be_quick()
    keys = [b"many-%d" % number for number in range(200)]
    map = ClusterMap(cluster.urls)
    client = ClusterClient([], PATIENT, map=map)
    client.execute_many([strings.set(key, key) for key in keys])
    client.close()
    victim = cluster.primary_of_shard(1)
    heir = next(one for one in cluster.members(1) if one is not victim)
    eventually(lambda: heir.command("DBSIZE") == victim.command("DBSIZE"))
    at: dict[str, float] = {}

    def happening() -> None:
        eventually(lambda: role_of(heir) == "master", 10, interval=0.005)
        at["promoted"] = time.monotonic()

    def ask(client: Any) -> Any:
        return client.get_many(keys)

    with Pulse() as pulse:
        values, ended = call_in(colour, map, happening, ask, once_connected=victim.pause)
    assert values == keys
    assert ended <= at["promoted"] + PROMPT + 3 * pulse.worst


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_command_that_waits_for_something_sets_nothing_off(cluster: Cluster, colour: str) -> None:
    map = ClusterMap(cluster.urls)
    seen: list[Any] = []

    def happening() -> None:
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            seen.extend(map.watched)
            time.sleep(0.02)

    with Pulse() as pulse:
        result, _ = call_in(colour, map, happening, sends("BLPOP", "nothing", 1))
    assert result is None
    assert not seen or pulse.worst > 0.3


def test_a_child_process_watches_for_itself(
    cluster: Cluster, in_a_child: Callable[..., None]
) -> None:
    map = ClusterMap(cluster.urls)
    node = map.seeds[0]
    assert map.overdue(node, 1.0)
    assert not map.overdue(node, 1.1)

    def child() -> None:
        assert map.overdue(node, 1.2)

    in_a_child(child)


def test_who_watched_and_died_is_replaced(cluster: Cluster) -> None:
    map = ClusterMap(cluster.urls)
    node = map.seeds[0]
    assert map.overdue(node, 1.0)
    assert map.still_silent(node, 1.4)
    assert not map.overdue(node, 2.3)
    assert map.overdue(node, 2.5)
    assert not map.still_silent(node, 3.5)  # nobody has complained for a while


def test_a_promotion_is_not_forgotten_for_the_word_of_those_who_have_not_heard_of_it() -> None:
    old, new, other = (Address("127.0.0.1", port) for port in (1, 2, 3))
    owners = (0,) * 8192 + (1,) * 8192
    before = Topology((Shard(old, (new,)), Shard(other)), owners)
    for how in ("watched", "redirected"):
        map = ClusterMap(["redis://127.0.0.1:1"])
        now = time.monotonic()
        map.learn(before, now - 60, 0.5)
        if how == "watched":
            map.promoted(old, new)
        else:
            map.moved(7, new)
        assert not map.learn(before, now + 0.5, 0.5)
        assert leader_at(map, 2)
        assert map.schedule.due_at < now + 3  # somebody looks again, soon
        assert map.learn(before, now + 60, 0.5)  # by then they should know
        assert leader_at(map, 1)
