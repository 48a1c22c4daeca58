"""What is idle for too long, or leads nowhere any more, is closed by itself."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from time import monotonic
from typing import Any

import pytest

from cachex_pool import AsyncMultiplexer, DeadlineExceeded, Endpoint, Pool, PoolOptions, pack
from cachex_pool._concurrency import _timers
from support.forks import FORKS, in_child
from support.leaks import no_leaks
from support.scripted import HELLO, Scripted
from support.servers import Standalone
from support.waiting import eventually


def hold(pool: Any, count: int) -> None:
    """Have so many connections idle."""
    held = [pool.acquire(monotonic() + 5) for _ in range(count)]
    for connection in held:
        pool.release(connection)


def wait_until(pool: Any, state: Any) -> None:
    """Wait for a state; a loop that is not asked to run sees nothing."""

    def there() -> bool:
        if hasattr(pool, "loop"):
            pool.loop.run_until_complete(asyncio.sleep(0.01))
        return bool(state())

    eventually(there)


def test_what_is_idle_for_too_long_is_closed_though_nobody_uses_the_pool(
    make_pool: Any, standalone: Standalone
) -> None:
    pool = make_pool(standalone, PoolOptions(max_idle=0.2))
    hold(pool, 5)
    wait_until(pool, lambda: standalone.connected_clients() == 0)
    wait_until(pool, lambda: pool.stats().closed == {"idle": 5})
    hold(pool, 2)
    wait_until(pool, lambda: standalone.connected_clients() == 0)
    wait_until(pool, lambda: pool.stats().closed == {"idle": 7})


def test_min_size_connections_stay_however_idle(make_pool: Any, standalone: Standalone) -> None:
    pool = make_pool(standalone, PoolOptions(max_idle=0.1, min_size=2))
    hold(pool, 4)
    wait_until(pool, lambda: pool.stats().closed == {"idle": 2})
    wait_until(pool, lambda: standalone.connected_clients() == 2)  # counted, and then closed
    assert pool.stats().size == 2


def test_a_pool_that_is_forgotten_is_not_kept_by_its_timer(standalone: Standalone) -> None:
    with no_leaks(timeout=10):
        pool = Pool(Endpoint(host=standalone.host, port=standalone.port))
        hold(pool, 1)
        gone = weakref.ref(pool)
        del pool
        gc.collect()
        assert gone() is None


def test_a_pool_without_connections_leaves_no_thread(standalone: Standalone) -> None:
    pool = Pool(Endpoint(host=standalone.host, port=standalone.port))
    with no_leaks(timeout=10):
        hold(pool, 2)
        lent = pool.acquire(monotonic() + 5)
        pool.retire()
        pool.release(lent)
    hold(pool, 1)
    assert "cachex-pool timers" in [thread.name for thread in threading.enumerate()]
    pool.close()


def test_a_pool_that_is_closed_leaves_no_thread(standalone: Standalone) -> None:
    endpoint = Endpoint(host=standalone.host, port=standalone.port)
    with no_leaks(timeout=10):
        pools = [Pool(endpoint) for _ in range(3)]
        for pool in pools:
            dials = [threading.Thread(target=hold, args=(pool, 2)) for _ in range(8)]
            for dial in dials:
                dial.start()
            for dial in dials:
                dial.join()
        for pool in pools:
            pool.close()


def test_one_thread_keeps_the_time_also_if_a_signal_handler_broke_off_its_start(
    standalone: Standalone,
) -> None:
    endpoint = Endpoint(host=standalone.host, port=standalone.port)
    with no_leaks(timeout=10):
        pools = [Pool(endpoint) for _ in range(2)]
        hold(pools[0], 1)
        _timers._thread = None  # it runs, and nobody has noted that
        hold(pools[1], 1)
        for pool in pools:
            pool.close()


@pytest.mark.parametrize("fork", FORKS)
def test_idle_connections_are_closed_on_both_sides_of_a_fork(
    standalone: Standalone, fork: str
) -> None:
    pool = Pool(Endpoint(host=standalone.host, port=standalone.port), PoolOptions(max_idle=0.2))
    hold(pool, 1)

    def use() -> None:
        hold(pool, 2)
        eventually(lambda: pool.stats().closed == {"idle": 2})

    in_child(use, fork=FORKS[fork])  # warns from Python 3.12 on if there is a thread of ours
    eventually(lambda: pool.stats().closed == {"idle": 1})


@pytest.mark.parametrize(("proven_for", "closed"), [(0.0, 8), (60.0, 1)])
def test_one_silent_timeout_is_enough_for_all_that_were_idle(
    make_pool: Any, say: Any, monkeypatch: pytest.MonkeyPatch, proven_for: float, closed: int
) -> None:
    for colour in ("_sync", "_async"):
        monkeypatch.setattr(f"cachex_pool.{colour}.members.PROVEN_FOR", proven_for)
    dead = False

    def reply(words: tuple[bytes, ...]) -> bytes:
        nonlocal dead
        if words[0] == b"HELLO":
            dead = False  # as where the network forgot the connections, and lets new ones pass
            return HELLO
        return b"" if dead else b"+OK\r\n"

    with Scripted(reply, greet=False) as server:
        pool = make_pool(server)
        hold(pool, 8)
        dead = True
        with pytest.raises(DeadlineExceeded):
            pool.call(say("PING"), say.soon(0.2))
        assert pool.stats().closed == {"timeout": closed}
        dead = closed == 8
        for _ in range(9):
            assert pool.call(say("PING"), say.soon()) == b"OK"


class Request:
    """Something that a request has in its context."""


def test_a_shared_connection_keeps_nothing_of_the_request_that_opened_it(
    standalone: Standalone,
) -> None:
    current: contextvars.ContextVar[Request] = contextvars.ContextVar("current")

    async def handle(shared: AsyncMultiplexer) -> weakref.ref[Request]:
        request = Request()
        current.set(request)
        await shared.call(pack(("PING",)), monotonic() + 2)
        await shared.pool.call(pack(("PING",)), monotonic() + 2)
        return weakref.ref(request)

    async def main() -> None:
        shared = AsyncMultiplexer(Endpoint(host=standalone.host, port=standalone.port))
        started = monotonic()
        requests = [await asyncio.create_task(handle(shared)) for _ in range(3)]
        while any(request() for request in requests):  # at most until the deadlines have passed
            assert monotonic() < started + 20
            await asyncio.sleep(0.05)
            gc.collect()
        await shared.aclose()

    asyncio.run(main())
