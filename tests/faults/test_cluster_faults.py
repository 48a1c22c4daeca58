"""A cluster that loses primaries, swaps them and moves slots, while it is used."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import AsyncClusterClient, ClientOptions, ClusterClient
from cachex_client.commands import strings
from cachex_pool import PoolOptions
from support import load
from support.history import History
from support.leaks import no_leaks
from support.servers import Cluster, Server, slot_of
from support.topologies import role_of
from support.waiting import Pulse, eventually

EXPECTED = (redis.RedisError, OSError)
OPTIONS = ClientOptions(read_from="primary", timeout=2.0)
KEYS = [f"key-{n}" for n in range(60)]
PATIENT = ClientOptions(read_from="primary", timeout=15.0, pool=PoolOptions(min_size=8))
"""
Its deadlines are longer than any promotion takes, and each thread has its connection beforehand.

Who has to connect to a server that hangs is told so after two seconds.
"""
PROMPT = 0.3
"""Seconds after a promotion in which everything has to work again."""


def work_of(client: Any, history: History, dice: random.Random) -> Callable[[int], Any]:
    """Return what a thread does over and over; a task awaits what it returns."""

    def work(number: int) -> Any:
        key = dice.choice(KEYS)
        if dice.random() < 0.5:
            return read(client, history, number, key)
        return write(client, history, number, key)

    return work


def read(client: Any, history: History, number: int, key: str) -> None:
    with history.read(number, key) as event:
        event.result = client.execute(strings.get(key.encode()))
    time.sleep(0.002)


def write(client: Any, history: History, number: int, key: str) -> None:
    with history.write(number, key) as event:
        client.execute(strings.set(key.encode(), event.value))
    time.sleep(0.002)


async def async_work(
    client: AsyncClusterClient, history: History, dice: random.Random, number: int
) -> None:
    key = dice.choice(KEYS)
    if dice.random() < 0.5:
        with history.read(number, key) as event:
            event.result = await client.execute(strings.get(key.encode()))
    else:
        with history.write(number, key) as event:
            await client.execute(strings.set(key.encode(), event.value))
    await asyncio.sleep(0.01)


def under_load(
    colour: str,
    cluster: Cluster,
    history: History,
    happening: Callable[[Any], None],
    *,
    threads: int = 8,
    tasks: int = 64,
    options: ClientOptions = OPTIONS,
) -> Any:
    """Use the cluster with many threads or tasks while something happens; return the client."""
    dice = random.Random(1)
    if colour == "sync":
        client = ClusterClient(cluster.urls, options)
        client.warm_up()
        with load.threads(threads, work_of(client, history, dice)):
            time.sleep(0.5)
            happening(client)
        stats = client.stats()
        client.close()
        return stats

    async def main() -> Any:
        client = AsyncClusterClient(cluster.urls, options)
        await client.warm_up()
        async with load.tasks(tasks, lambda n: async_work(client, history, dice, n)):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(happening, client)
        stats = client.stats()
        await client.aclose()
        return stats

    return asyncio.run(main())


def p99(durations: list[float]) -> float:
    return sorted(durations)[int(len(durations) * 0.99)] if durations else 0.0


def queries(servers: list[Server]) -> int:
    return sum(server.commands_seen()["CLUSTER|SLOTS"] for server in servers)


def partial_coverage(cluster: Cluster) -> None:
    """Let the other shards go on while one has no primary."""
    for server in cluster.servers:
        server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")


@pytest.mark.timing
@pytest.mark.parametrize(
    ("colour", "how"),
    [
        ("sync", "kill"),
        ("async", "pause"),
        pytest.param("async", "kill", marks=pytest.mark.thorough),
        pytest.param("sync", "pause", marks=pytest.mark.thorough),
    ],
)
def test_a_primary_that_dies_costs_its_own_keys_until_another_is_promoted(
    cluster: Cluster, colour: str, how: str
) -> None:
    partial_coverage(cluster)
    cluster.be_quick()
    options = PATIENT if how == "pause" else OPTIONS
    history = History(EXPECTED)
    victim = cluster.primary_of_shard(1)
    heir = next(one for one in cluster.members(1) if one is not victim)
    others = [server for server in cluster.servers if server is not victim]
    at: dict[str, float] = {}

    def happening(client: Any) -> None:
        asked = queries(others)
        at["dead"] = time.monotonic()
        getattr(victim, how)()
        eventually(lambda: role_of(heir) == "master", 10, interval=0.005)
        at["promoted"] = time.monotonic()
        time.sleep(1.5)
        at["queries"] = queries(others) - asked

    with no_leaks(4), Pulse() as pulse:
        stats = under_load(colour, cluster, history, happening, options=options)
    slack = PROMPT + 3 * pulse.worst
    failed = [event for event in history.events if event.error is not None]
    waiting = [e for e in history.events if e.start < at["promoted"] < e.end]
    print(
        f"promoted after {at['promoted'] - at['dead']:.2f} s, last error"
        f" {max([e.end for e in failed], default=0) - at['promoted']:.3f} s after that,"
        f" {len(failed)} of {len(history.events)} failed, {at['queries']} queries, who waited then"
        f" for {max([e.end for e in waiting], default=0) - at['promoted']:.3f} s more,"
        f" late threads {pulse.worst:.3f}, opened {[one.opened for one in stats]}"
    )
    history.check()
    assert not [event for event in failed if cluster.shard_of(event.key) != 1]
    if how == "pause":  # no deadline ends before the promotion, which is found out all the same
        assert at["promoted"] - at["dead"] < PATIENT.timeout / 2
        assert not [e for e in failed if e.end < at["promoted"]]
    assert not [e for e in (*failed, *waiting) if e.end > at["promoted"] + slack]
    assert at["queries"] <= 5
    assert all(one.opened <= 9 + OPTIONS.retry.attempts for one in stats)
    healthy = [e for e in history.events if cluster.shard_of(e.key) != 1 and e.error is None]
    before = p99([e.end - e.start for e in healthy if e.end < at["dead"]])
    after = p99([e.end - e.start for e in healthy if at["dead"] < e.start < at["promoted"] + 1])
    # A machine that is busy with an election is late for all; waiting for the dead is longer.
    assert after <= 2 * before + 2 * pulse.worst + OPTIONS.timeout / 10, (before, after)


@pytest.mark.timing
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_failovers_by_command_fail_no_call(cluster: Cluster, colour: str, times: int) -> None:
    history = History()

    def happening(client: Any) -> None:
        for number in range(times):
            cluster.failover(number % 3)

    with Pulse() as pulse:
        under_load(colour, cluster, history, happening)
    print(len(history.events), "calls, longest", history.longest(), pulse.worst)
    history.check()
    assert not list(history.stale_reads())


@pytest.mark.parametrize(
    ("colour", "slots"),
    [
        ("sync", 30),
        ("async", 30),
        pytest.param("sync", 2500, marks=pytest.mark.soak),
        pytest.param("async", 500, marks=pytest.mark.soak),
    ],
)
def test_moving_slots_there_and_back_fails_no_call(
    cluster: Cluster, colour: str, slots: int
) -> None:
    history = History()
    source, target, _ = cluster.primaries
    ours = sorted({slot_of(key) for key in KEYS if cluster.shard_of(key) == 0})
    moving = (ours + [slot for slot in range(5000) if slot not in ours])[:slots]

    def happening(client: Any) -> None:
        for one, other in ((source, target), (target, source)):
            for slot in moving:
                cluster.begin_migration(slot, one, other)
                if slot in ours:
                    time.sleep(0.003)
                cluster.finish_migration(slot, one, other)

    under_load(colour, cluster, history, happening)
    history.check()
    assert not list(history.stale_reads())


@contextlib.contextmanager
def disturbed(work: Callable[[], None]) -> Iterator[threading.Event]:
    """Do something in a thread for as long as the block lasts; raises what it raised."""
    done, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not done.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        done.set()
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_walk_over_all_keys_misses_none_that_is_there_throughout(
    cluster: Cluster, colour: str, times: int
) -> None:
    names = {f"there-{n}".encode() for n in range(3000)}
    client = ClusterClient(cluster.urls, OPTIONS)
    client.execute_many([strings.set(name, b"1") for name in names])
    slots = sorted({slot_of(name) for name in names if cluster.shard_of(name) == 0})[:40]

    def trouble() -> None:
        first, second, _ = cluster.primaries
        for slot in slots:
            cluster.begin_migration(slot, first, second)
            cluster.finish_migration(slot, first, second)
        cluster.failover(2)
        for slot in slots:
            cluster.begin_migration(slot, second, first)
            cluster.finish_migration(slot, second, first)

    def walk() -> set[bytes]:
        return {key for keys in client.scan(b"there-*", 50) for key in keys}

    async def async_walk() -> set[bytes]:
        async_client = AsyncClusterClient(cluster.urls, OPTIONS)
        found = {key async for keys in async_client.scan(b"there-*", 50) for key in keys}
        await async_client.aclose()
        return found

    with disturbed(trouble):
        for _ in range(times):
            found = walk() if colour == "sync" else asyncio.run(async_walk())
            assert found == names
    client.close()


def test_a_takeover_is_followed(cluster: Cluster) -> None:
    client = ClusterClient(cluster.urls, OPTIONS)
    key = next(cluster.keys_of_shard(0))
    client.execute(strings.set(key.encode(), b"1"))
    cluster.failover(0, "TAKEOVER")
    assert client.execute(strings.set(key.encode(), b"2")) is True
    assert client.execute(strings.get(key.encode())) == b"2"
    client.close()
