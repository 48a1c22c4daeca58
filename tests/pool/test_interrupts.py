"""Whatever kills a caller between two steps: no connection is lost, no reply goes astray."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from cachex_pool import AsyncMultiplexer, AsyncPool, Endpoint, Pool, PoolError, PoolOptions, pack
from support.alarms import KINDS, alarm
from support.waiting import eventually

FEW = pytest.param(2_000, id="few")
MANY = pytest.param(100_000, id="many", marks=pytest.mark.soak)


def check(pool: Pool, limit: int) -> None:
    """Nobody holds anything; all that may be lent can be lent, and talks sense."""
    gc.collect()
    eventually(lambda: pool.stats().lent == pool.stats().opening == 0)
    stats = pool.stats()
    assert stats.waiting == 0
    assert stats.size <= limit
    held = [pool.acquire(monotonic() + 5) for _ in range(limit)]
    assert len(set(map(id, held))) == limit
    for number, connection in enumerate(held):
        assert connection.call(pack(("ECHO", number)), monotonic() + 5) == b"%d" % number
        pool.release(connection)
    assert (pool.stats().idle, pool.stats().lent) == (limit, 0)


class Worker:
    """Asks for things that only it can have asked for."""

    def __init__(self, pool: Pool, name: str, dice: random.Random) -> None:
        self._pool, self._name, self._dice = pool, name, dice
        self.done = 0

    def once(self) -> None:
        self.done += 1
        words = [f"{self._name}-{self.done}-{part}".encode() for part in range(3)]
        what = self._dice.random()
        if what < 0.5:
            assert self._pool.call(pack(("ECHO", words[0])), monotonic() + 10) == words[0]
        elif what < 0.8:
            data = b"".join(pack(("ECHO", word)) for word in words)
            assert self._pool.exchange(data, 3, monotonic() + 10) == words
        elif what < 0.9:
            with self._pool.connection(monotonic() + 10) as connection:
                assert connection.call(pack(("ECHO", words[1])), monotonic() + 10) == words[1]
        else:
            connection = self._pool.acquire(monotonic() + 10)
            self._pool.release(connection)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_signal_handlers_that_raise_at_any_point(endpoint: Endpoint, count: int) -> None:
    dice = random.Random(count)
    pool = Pool(endpoint, PoolOptions(max_size=3, backoff=0.001, max_backoff=0.001))
    stop = threading.Event()
    troubles: list[BaseException] = []

    def others(number: int) -> None:
        worker = Worker(pool, f"other-{number}", random.Random(number))
        try:
            while not stop.wait(0.001):
                worker.once()
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=others, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    worker = Worker(pool, "main", dice)
    raised = 0
    with alarm(dice) as clock:
        for _ in range(count):
            try:
                clock.interrupt(worker.once)
            except KINDS as error:
                raised += "at any time" in str(error)  # which codecs wrap
    stop.set()
    for thread in threads:
        thread.join()
    assert not troubles
    assert raised > count * 0.98
    check(pool, 3)
    pool.close()


@pytest.mark.parametrize("count", [FEW, MANY])
def test_signal_handlers_that_use_the_pool_themselves(endpoint: Endpoint, count: int) -> None:
    dice = random.Random(count)
    pool = Pool(endpoint, PoolOptions(max_size=4))
    handled = 0
    inner = Worker(pool, "inner", dice)
    outer = Worker(pool, "outer", dice)

    def ring(*_: object) -> None:
        nonlocal handled
        inner.once()
        handled += 1

    before = signal.signal(signal.SIGALRM, ring)
    try:
        while handled < count:
            seen = handled
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + dice.random() * 2e-4)
            while handled == seen:
                outer.once()
    finally:
        signal.signal(signal.SIGALRM, before)
    check(pool, 4)
    pool.close()


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("kind", [AsyncPool, AsyncMultiplexer])
def test_tasks_cancelled_at_any_point(
    endpoint: Endpoint, run: Any, kind: Callable[..., Any], count: int
) -> None:
    async def main() -> None:
        dice = random.Random(count)
        one = kind(endpoint, PoolOptions(max_size=3))
        pool = getattr(one, "pool", one)
        cancelled = 0

        async def ask(name: str) -> None:
            words = [f"{name}-{part}".encode() for part in range(3)]
            if dice.random() < 0.6:
                assert await one.call(pack(("ECHO", words[0])), monotonic() + 10) == words[0]
                return
            data = b"".join(pack(("ECHO", word)) for word in words)
            assert await one.exchange(data, 3, monotonic() + 10) == words

        async def work(number: int) -> None:
            nonlocal cancelled
            sequence = 0
            while cancelled < count:
                sequence += 1
                task = asyncio.create_task(ask(f"{number}-{sequence}"))
                for _ in range(dice.randrange(12)):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    cancelled += 1

        await asyncio.gather(*(work(number) for number in range(8)))
        assert (await one.call(pack(("ECHO", "last")), monotonic() + 5)) == b"last"
        while pool.stats().lent != (0 if one is pool else 1) or pool.stats().opening:
            await asyncio.sleep(0.001)  # what is dialled for one who left comes back by itself
        if one is not pool:
            assert pool.stats().opened == 1
        assert pool.stats().waiting == 0
        held = [await pool.acquire(monotonic() + 5) for _ in range(3 - pool.stats().lent)]
        for number, connection in enumerate(held):
            reply = await connection.call(pack(("ECHO", number)), monotonic() + 5)
            assert reply == b"%d" % number
            pool.release(connection)
        await one.aclose()

    run(main(), timeout=300)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(4_000, id="few"),
        pytest.param(1_000_000, id="million", marks=pytest.mark.soak),
    ],
)
def test_any_operations_in_any_order_leave_a_whole_pool(
    standalone: Any, endpoint: Endpoint, count: int
) -> None:
    """Threads that call, hold, drop, break, retire and close, with timeouts near to none."""
    limit = 4
    pool = Pool(endpoint, PoolOptions(max_size=limit, backoff=0.001, max_backoff=0.002))
    budget = iter(range(count))
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        dice = random.Random(number)
        worker = Worker(pool, f"worker-{number}", dice)
        try:
            for _ in budget:
                one_of_many(pool, worker, dice)
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles, troubles
    check(pool, limit)
    pool.close()
    eventually(lambda: standalone.connected_clients() == 0)


def one_of_many(pool: Pool, worker: Worker, dice: random.Random) -> None:
    what = dice.random()
    if what < 0.8:
        worker.once()
        return
    try:
        if what < 0.9:  # impatient
            connection = pool.acquire(monotonic() + dice.random() * 2e-4)
        else:
            connection = pool.acquire(monotonic() + 10)
    except PoolError:
        return
    if what < 0.92:
        pool.release(connection)
    elif what < 0.94:
        del connection  # dropped
    elif what < 0.95:
        pool.discard(connection)
    elif what < 0.97:
        connection.write(pack(("ECHO", "left unread")), monotonic() + 5)
        pool.release(connection)
    elif what < 0.98:
        pool.release(connection)
        pool.release(connection)
    elif what < 0.985:
        pool.retire()
        pool.release(connection)
    else:
        pool.abandon(connection, ValueError())
