"""Callers of a client killed between any two steps: everybody else gets what is his."""

from __future__ import annotations

import asyncio
import gc
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cachex_client import (
    AsyncClusterClient,
    AsyncDefaultClient,
    ClientOptions,
    ClusterClient,
    DefaultClient,
)
from cachex_client.commands import strings
from cachex_pool import PoolOptions, PoolStats
from cachex_pool.forks import StateLock
from support.alarms import KINDS, alarm
from support.servers import Cluster
from support.waiting import eventually

FEW = pytest.param(800, id="few")
MANY = pytest.param(50_000, id="many", marks=pytest.mark.soak)
LIMIT = 3


def options() -> ClientOptions:
    pool = PoolOptions(max_size=LIMIT, backoff=0.001, max_backoff=0.001)
    return ClientOptions(timeout=10.0, read_from="primary", pool=pool)


class Asker:
    """Writes and reads keys of its own, and knows what has to be in them."""

    def __init__(self, name: str, dice: random.Random) -> None:
        self.keys = [f"{name}-{number}".encode() for number in range(12)]
        self.sure: dict[bytes, set[bytes | None]] = {key: {None} for key in self.keys}
        self.dice = dice
        self.number = 0

    def writes(self) -> dict[bytes, bytes]:
        """Choose what to write; until it is known to be done, the old value may be there too."""
        self.number += 1
        chosen = self.dice.sample(self.keys, self.dice.choice((1, 1, 6)))
        values = {key: b"%b=%d" % (key, self.number) for key in chosen}
        for key, value in values.items():
            self.sure[key].add(value)
        return values

    def wrote(self, values: dict[bytes, bytes]) -> None:
        for key, value in values.items():
            self.sure[key] = {value}

    def read(self, keys: list[bytes], results: list[Any]) -> None:
        for key, result in zip(keys, results, strict=True):
            assert result in self.sure[key], f"{key!r} is {result!r}, not of {self.sure[key]}"


def once(client: Any, asker: Asker) -> None:
    if asker.dice.random() < 0.4:
        values = asker.writes()
        commands = [strings.set(key, value) for key, value in values.items()]
        if len(commands) > 1:
            assert client.execute_many(commands) == [True] * len(commands)
        else:
            assert client.execute(*commands) is True
        asker.wrote(values)
    elif asker.dice.random() < 0.5:
        asker.read(asker.keys, client.get_many(asker.keys))
    else:
        key = asker.dice.choice(asker.keys)
        asker.read([key], [client.execute(strings.get(key))])


def steady(servers: Any) -> Any:
    """Keep a cluster on a machine that stalls from electing others, who miss the last writes."""
    if isinstance(servers, Cluster):
        servers.be_patient()
    return servers


def in_use(stats: PoolStats) -> int:
    return stats.lent + stats.opening + stats.waiting


def adds_up(stats: PoolStats) -> bool:
    """Tell whether the statistics say of each connection that it is there or why it is not."""
    return stats.opened == stats.size + sum(stats.closed.values())


# Python's own: a thread whose `start` was broken off finds itself in no list, and ends.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in thread started by. <bound method Thread._bootstrap"
)
@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("topology", ["standalone", "cluster"])
def test_signal_handlers_that_raise_at_any_point(
    request: pytest.FixtureRequest, topology: str, count: int
) -> None:
    servers = steady(request.getfixturevalue(topology))
    client: Any = (
        DefaultClient([servers.url], options())
        if topology == "standalone"
        else ClusterClient(servers.urls, options())
    )
    dice = random.Random(count)
    asker = Asker("main", dice)
    once(client, asker)
    raised = 0
    with alarm(dice) as clock:
        for _ in range(count):
            try:
                clock.interrupt(lambda: once(client, asker))
            except KINDS as error:
                raised += "at any time" in str(error)  # which codecs wrap
    assert raised > count * 0.97
    gc.collect()
    eventually(lambda: not any(map(in_use, client.stats())))
    asker.read(asker.keys, client.get_many(asker.keys))
    assert all(stats.size <= LIMIT for stats in client.stats())
    assert all(map(adds_up, client.stats()))
    client.close()


def test_a_lock_is_free_after_a_signal_handler_that_raised_at_any_point() -> None:
    with ThreadPoolExecutor(1) as somebody, alarm(random.Random(1)) as clock:
        for _ in range(1_000):
            lock = StateLock()

            def work(lock: Any = lock) -> None:
                with lock:
                    pass

            try:
                clock.interrupt(work)
            except KINDS:
                pass
            assert somebody.submit(lock.acquire, False).result()


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("topology", ["standalone", "cluster"])
def test_tasks_cancelled_at_any_point(
    request: pytest.FixtureRequest, run: Any, topology: str, count: int
) -> None:
    servers = steady(request.getfixturevalue(topology))

    async def main() -> None:
        client: Any = (
            AsyncDefaultClient([servers.url], options())
            if topology == "standalone"
            else AsyncClusterClient(servers.urls, options())
        )
        dice = random.Random(count)
        cancelled = 0

        async def work(number: int) -> None:
            nonlocal cancelled
            asker = Asker(f"task-{number}", dice)
            while cancelled < count:
                task = asyncio.create_task(async_once(client, asker))
                for _ in range(dice.randrange(14)):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    cancelled += 1
            asker.read(asker.keys, await client.get_many(asker.keys))

        await asyncio.gather(*(work(number) for number in range(6)))
        while any(stats.lent > 1 for stats in client.stats()):  # the shared one stays lent
            await asyncio.sleep(0.001)
        gc.collect()
        assert all(map(adds_up, client.stats()))
        await client.aclose()

    run(main(), timeout=300)


async def async_once(client: Any, asker: Asker) -> None:
    if asker.dice.random() < 0.4:
        values = asker.writes()
        await client.execute_many([strings.set(key, value) for key, value in values.items()])
        asker.wrote(values)
    else:
        asker.read(asker.keys, await client.get_many(asker.keys))
