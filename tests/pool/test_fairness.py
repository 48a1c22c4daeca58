"""Many callers and few connections: who gets one, when, and what the server sees of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
import redis

from cachex_pool import (
    AsyncPool,
    BreakerOptions,
    Endpoint,
    NodeUnavailable,
    Pool,
    PoolClosed,
    PoolOptions,
    PoolTimeout,
    pack,
)
from support import load
from support.scripted import HELLO, Scripted
from support.servers import Standalone
from support.waiting import Pulse, eventually, lasting

PING = pack(("PING",))


def in_threads(count: int, work: Callable[[int], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_threads_are_served_in_the_order_they_came(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1, max_waiting=30))
    held = pool.acquire(monotonic() + 5)
    served: list[int] = []

    def work(number: int) -> None:
        connection = pool.acquire(monotonic() + 10)
        served.append(number)
        pool.release(connection)

    threads = []
    for number in range(30):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        eventually(lambda: pool.stats().waiting == len(threads), interval=0.0005)
    pool.release(held)
    for thread in threads:
        thread.join()
    assert served == list(range(30))
    pool.close()


async def _order(endpoint: Endpoint) -> None:
    pool = AsyncPool(endpoint, PoolOptions(max_size=1, max_waiting=200))
    held = await pool.acquire(monotonic() + 5)
    served: list[int] = []

    async def work(number: int) -> None:
        connection = await pool.acquire(monotonic() + 10)
        served.append(number)
        await asyncio.sleep(0)
        pool.release(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(work(number))
        await asyncio.sleep(0)
        pool.release(held)
    assert served == list(range(200))
    await pool.aclose()


def test_tasks_are_served_in_the_order_they_came(endpoint: Endpoint, run: Any) -> None:
    run(_order(endpoint))


def test_sixteen_threads_on_two_connections_each_get_their_share(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=2))
    done: Counter[int] = Counter()
    all_there = threading.Barrier(16)  # who is started first would be ahead

    def work(number: int) -> None:
        if number not in done:
            all_there.wait(30)
        assert pool.call(PING, monotonic() + 5) == b"PONG"
        done[number] += 1

    with load.threads(16, work) as progress:
        progress.wait_for(4000, timeout=30)
    mean = sum(done.values()) / 16
    assert len(done) == 16
    assert min(done.values()) > mean * 0.5
    assert max(done.values()) < mean * 2
    stats = pool.stats()
    assert (stats.opened, stats.size, stats.idle, stats.waiting) == (2, 2, 2, 0)
    pool.close()


async def _shares(endpoint: Endpoint) -> None:
    pool = AsyncPool(endpoint, PoolOptions(max_size=2))
    done: Counter[int] = Counter()

    async def work(number: int) -> None:
        assert await pool.call(PING, monotonic() + 5) == b"PONG"
        done[number] += 1

    async with load.tasks(16, work):
        while sum(done.values()) < 2000:
            await asyncio.sleep(0.01)
    assert max(done.values()) - min(done.values()) <= 3
    assert pool.stats().opened == 2
    await pool.aclose()


def test_sixteen_tasks_on_two_connections_each_get_their_share(
    endpoint: Endpoint, run: Any
) -> None:
    run(_shares(endpoint))


def test_who_waits_is_woken_when_something_comes_free_not_by_the_clock(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    delays = []
    for _ in range(40):
        held = pool.acquire(monotonic() + 5)
        got: list[float] = []

        def wait(got: list[float] = got) -> None:
            connection = pool.acquire(monotonic() + 5)
            got.append(monotonic())
            pool.release(connection)

        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: pool.stats().waiting == 1, interval=0.0005)
        released = monotonic()
        pool.release(held)
        thread.join()
        delays.append(got[0] - released)
    assert sorted(delays)[20] < 0.01
    pool.close()


def came_back_unseen(pool: Any, connection: Any) -> None:
    """Leave what a release leaves that was killed before it looked for waiters."""
    connection.idle_since = monotonic()
    pool.state.idle.append(connection)


def lost_its_turn(pool: Any, connection: Any) -> None:
    """Leave what a release leaves that was killed with the next waiter in its hands."""
    pool.state.waiting.popitem(last=False)
    pool.checkin(connection)


CUT_SHORT = pytest.mark.parametrize("cut_short", [came_back_unseen, lost_its_turn])


@CUT_SHORT
def test_a_waiting_thread_finds_the_connection_of_a_release_that_was_cut_short(
    endpoint: Endpoint, cut_short: Callable[[Any, Any], None]
) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    held = pool.checkout(monotonic() + 5)
    got: list[Any] = []

    def wait(_: int) -> None:
        try:
            got.append(pool.checkout(monotonic() + 20))
        except PoolTimeout as error:
            got.append(error)

    (thread,) = in_threads(1, wait)
    eventually(lambda: pool.stats().waiting == 1)
    cut_short(pool, held)
    thread.join()
    assert got == [held]
    pool.checkin(held)
    pool.close()


@CUT_SHORT
def test_a_waiting_task_finds_the_connection_of_a_release_that_was_cut_short(
    endpoint: Endpoint, cut_short: Callable[[Any, Any], None], run: Any
) -> None:
    async def main() -> None:
        pool = AsyncPool(endpoint, PoolOptions(max_size=1))
        held = await pool.checkout(monotonic() + 5)
        waiting = asyncio.create_task(pool.checkout(monotonic() + 20))
        while not pool.stats().waiting:
            await asyncio.sleep(0)
        cut_short(pool, held)
        try:
            assert await waiting is held
        finally:
            pool.checkin(held)
            await pool.aclose()

    run(main(), timeout=60)


@pytest.mark.timing
def test_each_waits_as_long_as_he_said(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    held = pool.acquire(monotonic() + 5)
    late: list[float] = []

    def work(number: int) -> None:
        until = monotonic() + 0.05 + number * 0.03
        with pytest.raises(PoolTimeout):
            pool.acquire(until)
        late.append(monotonic() - until)

    with Pulse() as pulse:
        for thread in in_threads(12, work):
            thread.join()
    assert all(-0.001 <= seconds < 0.02 + 3 * pulse.worst for seconds in late)
    assert len(late) == pool.stats().timeouts == 12
    pool.release(held)
    pool.close()


@pytest.mark.timing
def test_closing_tells_those_who_wait_at_once(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    held = pool.acquire(monotonic() + 5)
    told: list[bool] = []

    def work(_: int) -> None:
        with pytest.raises(PoolClosed):
            pool.acquire(monotonic() + 10)
        told.append(True)

    threads = in_threads(8, work)
    eventually(lambda: pool.stats().waiting == 8)
    with lasting(0, 0.1):
        pool.close()
        for thread in threads:
            thread.join()
    assert told == [True] * 8
    pool.release(held)
    assert pool.stats().size == 0


async def _closing(endpoint: Endpoint) -> None:
    pool = AsyncPool(endpoint, PoolOptions(max_size=1))
    held = await pool.acquire(monotonic() + 5)
    tasks = [asyncio.create_task(pool.acquire(monotonic() + 10)) for _ in range(8)]
    await asyncio.sleep(0)
    await pool.aclose()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [PoolClosed] * 8
    pool.release(held)
    assert pool.stats().size == 0


def test_closing_tells_tasks_who_wait_at_once(endpoint: Endpoint, run: Any) -> None:
    run(_closing(endpoint))


def slow_to_greet(seconds: float) -> Callable[[tuple[bytes, ...]], bytes]:
    def reply(words: tuple[bytes, ...]) -> bytes:
        if words[0] == b"HELLO":
            time.sleep(seconds)
            return HELLO
        return b"+OK\r\n"

    return reply


def test_a_spike_of_callers_opens_few_connections(run: Any) -> None:
    with Scripted(slow_to_greet(0.1), greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port)
        pool = Pool(endpoint, PoolOptions(max_size=50, max_dials=4))
        for thread in in_threads(50, lambda _: pool.call(PING, monotonic() + 5)):
            thread.join()
        assert server.accepted == pool.stats().opened <= 10
        pool.close()

        async def spike() -> int:
            pool = AsyncPool(endpoint, PoolOptions(max_size=50, max_dials=4))
            await asyncio.gather(*(pool.call(PING, monotonic() + 5) for _ in range(50)))
            await pool.aclose()
            return pool.stats().opened

        assert run(spike()) <= 10


def test_a_dead_server_is_dialled_a_few_times_not_by_everybody() -> None:
    def hang_up(_: tuple[bytes, ...]) -> None:
        return None

    with Scripted(hang_up, greet=False) as server:
        pool = Pool(Endpoint(host=server.host, port=server.port))
        started = monotonic()

        def work(_: int) -> None:
            with pytest.raises(redis.ConnectionError):
                pool.call(PING, monotonic() + 5)
            time.sleep(0.002)

        with load.threads(8, work) as progress:
            eventually(lambda: monotonic() > started + 0.5 and progress.done > 200, timeout=30)
        assert 5 <= server.accepted <= 10 + 4 * (monotonic() - started)  # one probe each 0.25 s
        pool.close()


@pytest.mark.timing
def test_a_server_that_comes_back_is_found_soon(standalone: Standalone) -> None:
    options = PoolOptions(breaker=BreakerOptions(max_open_for=0.5))
    pool = Pool(Endpoint(host=standalone.host, port=standalone.port), options)
    pool.call(PING, monotonic() + 5)
    standalone.kill()
    end = monotonic() + 0.3
    while monotonic() < end:
        with pytest.raises(redis.ConnectionError):
            pool.call(PING, monotonic() + 5)
    standalone.restart()
    with lasting(0, 0.5):  # the breaker's longest pause
        eventually(
            lambda: pool.call(PING, monotonic() + 5),
            ignore=(redis.ConnectionError,),
            interval=0.002,
        )
    pool.close()


@pytest.mark.timing
def test_the_last_word_on_a_dead_server_costs_next_to_nothing(standalone: Standalone) -> None:
    with Scripted(lambda _: None, greet=False) as server:
        pool = Pool(Endpoint(host=server.host, port=server.port))
        took: list[float] = []
        texts: set[str] = set()
        while len(took) < 1000:
            started = time.perf_counter()
            try:
                pool.call(PING, monotonic() + 5)
            except NodeUnavailable as error:
                took.append(time.perf_counter() - started)
                texts.add(str(error))
            except redis.ConnectionError:
                pass
        assert sorted(took)[500] < 200e-6
        assert all("closed by the server" in text for text in texts)
        pool.close()
