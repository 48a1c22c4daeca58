"""A server that hangs costs each caller one deadline; a probe in the background finds it back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from cachex_pool import (
    AsyncMultiplexer,
    BreakerOptions,
    DeadlineExceeded,
    Endpoint,
    NodeUnavailable,
    Pool,
    PoolError,
    PoolOptions,
    pack,
)
from cachex_pool._wire.streams import STUCK_AFTER
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import eventually

PING = pack(("PING",))
PATIENCE = 0.5
CALLERS = 20
CALLS = 25

# A connect may take long, so that a caller who waits for one is told from one who does not.
OPTIONS = PoolOptions(connect_timeout=10.0)


@pytest.fixture
def hung(standalone: Standalone) -> Iterator[Standalone]:
    """A server whose tests stop it; it goes on at the end."""
    yield standalone
    standalone.resume()


def at(server: Any) -> Endpoint:
    return Endpoint(host=server.host, port=server.port)


def outcome(error: Exception | None) -> str:
    return "answered" if error is None else type(error).__name__


def inner(pool: Any) -> Any:
    """The pool of a multiplexer, or itself."""
    return getattr(pool, "pool", pool)


def test_after_one_deadline_a_caller_is_told_at_once(
    make_caller: Any, hung: Standalone, say: Any
) -> None:
    pool = make_caller(hung, OPTIONS)
    assert pool.call(PING, say.soon()) == b"PONG"
    hung.pause()
    with pytest.raises(DeadlineExceeded):
        pool.call(PING, say.soon(STUCK_AFTER + 0.2))
    for _ in range(3):
        with pytest.raises(NodeUnavailable):  # and no ConnectTimeout, which takes 10 s here
            pool.call(PING, say.soon(9.0))
    hung.resume()
    eventually(lambda: pool.call(PING, say.soon()) == b"PONG", ignore=(PoolError,))


def test_threads_lose_one_deadline_each(hung: Standalone) -> None:
    pool = Pool(at(hung), OPTIONS)
    assert pool.call(PING, monotonic() + 5) == b"PONG"
    hung.pause()

    def caller(_: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        for _ in range(CALLS):
            try:
                pool.call(PING, monotonic() + PATIENCE)
            except PoolError as error:
                seen[outcome(error)] += 1
        return seen

    with ThreadPoolExecutor(CALLERS) as threads:
        seen = list(threads.map(caller, range(CALLERS)))
    # One deadline each, and perhaps the error of a connect that others waited for, at once.
    assert all(one["NodeUnavailable"] >= CALLS - 2 for one in seen), seen
    hung.resume()
    eventually(lambda: pool.call(PING, monotonic() + 5) == b"PONG", ignore=(PoolError,))
    assert pool.stats().breaker == "closed"
    pool.close()


def test_tasks_lose_one_deadline_each(hung: Standalone, run: Any) -> None:
    async def caller(shared: AsyncMultiplexer) -> Counter[str]:
        seen: Counter[str] = Counter()
        for _ in range(CALLS):
            try:
                await shared.call(PING, monotonic() + PATIENCE)
            except PoolError as error:
                seen[outcome(error)] += 1
        return seen

    async def main() -> None:
        shared = AsyncMultiplexer(at(hung), OPTIONS)
        assert await shared.call(PING, monotonic() + 5) == b"PONG"
        hung.pause()
        seen = await asyncio.gather(*(caller(shared) for _ in range(CALLERS)))
        assert all(one["NodeUnavailable"] >= CALLS - 1 for one in seen), seen
        hung.resume()
        async with asyncio.timeout(10):
            while shared.pool.stats().breaker != "closed":
                try:
                    await shared.call(PING, monotonic() + 5)
                except PoolError:
                    await asyncio.sleep(0.01)
        await shared.aclose()

    run(main())


def test_tasks_that_time_out_together_open_the_breaker(hung: Standalone, run: Any) -> None:
    async def main() -> None:
        shared = AsyncMultiplexer(at(hung), OPTIONS)
        await shared.call(PING, monotonic() + 5)
        hung.pause()
        deadline = monotonic() + PATIENCE
        calls = (shared.call(PING, deadline) for _ in range(10))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in errors] == [DeadlineExceeded] * 10
        stats = shared.pool.stats()
        assert (stats.breaker, stats.opened) == ("open", 1)
        with pytest.raises(NodeUnavailable, match="failed 10 times in a row"):
            await shared.call(PING, monotonic() + 5)
        await shared.aclose()

    run(main())


def test_while_a_probe_hangs_no_second_one_is_started(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    breaker = BreakerOptions(failures=1, open_for=0.01, max_open_for=0.01)
    with Proxy(standalone) as front:
        pool = make_caller(front, PoolOptions(connect_timeout=2.0, breaker=breaker))
        assert pool.call(PING, say.soon()) == b"PONG"
        front.blackhole()
        with pytest.raises(DeadlineExceeded):
            pool.call(PING, say.soon(PATIENCE))
        front.forget()
        before = len(
            front.connections
        )  # a shared one is not closed before it was silent for longer
        ends = monotonic() + 0.5
        while monotonic() < ends:  # fifty pauses of the breaker
            with pytest.raises(NodeUnavailable):
                pool.call(PING, say.soon(9.0))
        assert len(front.connections) == before + 1
        front.heal()
        eventually(lambda: pool.call(PING, say.soon()) == b"PONG", ignore=(PoolError,))


def test_the_connection_that_a_probe_opened_is_kept(
    make_pool: Any, hung: Standalone, say: Any
) -> None:
    breaker = BreakerOptions(failures=1, open_for=0.01, max_open_for=0.01)
    pool = make_pool(hung, PoolOptions(connect_timeout=10.0, breaker=breaker))
    pool.call(PING, say.soon())
    hung.pause()
    with pytest.raises(DeadlineExceeded):
        pool.call(PING, say.soon(PATIENCE))
    closed = inner(pool).stats().closed
    eventually(lambda: _unavailable(pool, say) and inner(pool).stats().opening == 1)
    hung.resume()
    eventually(lambda: pool.call(PING, say.soon()) == b"PONG", ignore=(PoolError,))
    stats = inner(pool).stats()
    assert (stats.closed, stats.breaker) == (closed, "closed")


def _unavailable(pool: Any, say: Any) -> bool:
    with pytest.raises(NodeUnavailable):
        pool.call(PING, say.soon(9.0))
    return True
