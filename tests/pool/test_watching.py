"""What a pool tells of itself: numbers, events, leaks, log lines; and what it does not keep."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from time import monotonic
from typing import Any

import attrs
import pytest
import redis
import redis.asyncio

from cachex_pool import (
    AsyncMultiplexer,
    AsyncPool,
    DeadlineExceeded,
    Endpoint,
    Pool,
    PoolObserver,
    PoolOptions,
    PoolTimeout,
)
from cachex_pool.redis_py import AsyncRedisPyPool, RedisPyPool
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import eventually


def test_numbers_add_up(make_pool: Any, endpoint: Endpoint, say: Any) -> None:
    pool = make_pool(endpoint, PoolOptions(max_size=3, min_size=1))
    connections = [pool.acquire(monotonic() + 5) for _ in range(3)]
    with pytest.raises(PoolTimeout):
        pool.acquire(monotonic() + 0.05)
    pool.release(connections[0])
    pool.discard(connections[1], "why not")
    stats = pool.stats()
    assert attrs.asdict(
        stats, filter=lambda field, _: field.name not in ("name", "wait_time", "dial_time")
    ) == {
        "max_size": 3,
        "min_size": 1,
        "size": 2,
        "idle": 1,
        "lent": 1,
        "opening": 0,
        "waiting": 0,
        "uses": 3,
        "opened": 3,
        "closed": {"why not": 1},
        "waits": 1,
        "timeouts": 1,
        "dial_failures": 0,
        "breaker": "closed",
        "generation": 0,
    }
    assert stats.dial_time > 0
    assert "1 idle, 1 lent, 0 opening, 0 waiting, limit 3" in repr(
        pool if make_pool.colour == "sync" else pool.one
    )


class Listener(PoolObserver):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in vars(PoolObserver):
            heard = self.heard

            def hear(endpoint: Endpoint, **facts: Any) -> None:
                assert isinstance(endpoint, Endpoint)
                heard.append((name, facts))

            return hear
        return super().__getattribute__(name)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


def test_observers_hear_of_everything(make_pool: Any, endpoint: Endpoint, say: Any) -> None:
    ears = Listener()
    pool = make_pool(endpoint, PoolOptions(max_size=1), (ears,))
    connection = pool.acquire(monotonic() + 5)
    with pytest.raises(PoolTimeout):
        pool.acquire(monotonic() + 0.02)
    pool.release(connection)
    with pytest.raises(DeadlineExceeded):
        pool.call(say("BLPOP", "nothing", 0), monotonic() + 0.02)
    assert ears.names == ["opened", "timed_out", "released", "closed"]
    facts = dict(ears.heard)
    assert facts["closed"] == {"reason": "timeout"}
    assert facts["timed_out"]["waited"] >= 0.02
    assert facts["opened"]["took"] > 0
    assert facts["released"]["used"] >= 0.02


def test_observers_hear_that_the_breaker_opens_and_closes(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    ears = Listener()
    with Proxy(standalone) as front:
        pool = make_pool(front, PoolOptions(backoff=0.001, max_backoff=0.001), (ears,))
        pool.call(say("PING"), say.soon())
        front.refuse()
        front.cut_all()
        eventually(lambda: _fails(pool, say) and pool.stats().breaker == "open", interval=0.002)
        front.heal()
        eventually(lambda: pool.call(say("PING"), say.soon()), ignore=(redis.ConnectionError,))
    told = [facts["state"] for name, facts in ears.heard if name == "breaker_changed"]
    assert told == ["open", "closed"]
    assert ears.names.count("dial_failed") == pool.stats().dial_failures >= 5


def _fails(pool: Any, say: Any) -> bool:
    with pytest.raises(redis.ConnectionError):
        pool.call(say("PING"), say.soon())
    return True


def test_one_who_keeps_a_connection_too_long_is_named_once(
    make_pool: Any, endpoint: Endpoint, upkeep_always: None, caplog: pytest.LogCaptureFixture
) -> None:
    ears = Listener()
    pool = make_pool(endpoint, PoolOptions(leak_after=0.02), (ears,))
    leaked = pool.checkout(monotonic() + 5)
    eventually(lambda: monotonic() - leaked.lent_at > 0.02)
    for _ in range(3):
        pool.checkin(pool.checkout(monotonic() + 5))
    told = [facts for name, facts in ears.heard if name == "leaked"]
    assert len(told) == 1
    assert told[0]["owner"] == ("MainThread" if make_pool.colour == "sync" else told[0]["owner"])
    assert told[0]["lent_for"] >= 0.02
    assert sum("connection leaked" in record.getMessage() for record in caplog.records) == 1


def test_a_thread_that_gives_back_what_another_has_acquired_is_reported(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    pool = Pool(endpoint, PoolOptions(leak_after=60))
    connection = pool.checkout(monotonic() + 5)
    pool.checkin(connection)
    assert pool.checkout(monotonic() + 5) is connection
    thread = threading.Thread(target=pool.checkin, args=(connection,), name="the other")
    thread.start()
    thread.join()
    said = [one for one in caplog.records if "was released by the other" in one.getMessage()]
    assert len(said) == 1
    assert "acquired by MainThread" in said[0].getMessage()
    pool.close()


def test_a_task_that_gives_back_what_another_has_acquired_is_reported(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, run: Any
) -> None:
    async def main() -> None:
        pool = AsyncPool(endpoint, PoolOptions(leak_after=60))
        connection = await pool.acquire(monotonic() + 5)

        async def release() -> None:
            pool.release(connection)

        await asyncio.create_task(release(), name="the other")
        await pool.aclose()

    run(main())
    said = [one for one in caplog.records if "was released by the other" in one.getMessage()]
    assert len(said) == 1


def test_who_keeps_the_last_connection_is_named_while_others_wait_for_it(
    make_pool: Any, endpoint: Endpoint
) -> None:
    ears = Listener()
    pool = make_pool(endpoint, PoolOptions(max_size=1, leak_after=0.02), (ears,))
    leaked = pool.checkout(monotonic() + 5)
    eventually(lambda: monotonic() - leaked.lent_at > 0.02)
    with pytest.raises(PoolTimeout):
        pool.checkout(monotonic() + 0.2)
    assert "leaked" in ears.names
    pool.checkin(leaked)


def test_connections_that_are_kept_on_purpose_are_no_leak(
    endpoint: Endpoint, upkeep_always: None, say: Any, run: Any
) -> None:
    ears, options = Listener(), PoolOptions(max_size=20, leak_after=0.01)
    pool = Pool(endpoint, options, (ears,))
    kept = RedisPyPool(pool)
    redis.Redis(connection_pool=kept).ping()
    time.sleep(0.02)
    pool.call(say("PING"), say.soon())
    assert pool.stats().lent == 1
    kept.disconnect()
    pool.close()

    async def main() -> None:
        shared = AsyncMultiplexer(endpoint, options, (ears,))
        client: Any = redis.asyncio.Redis(connection_pool=AsyncRedisPyPool(shared.pool))
        await client.ping()
        await shared.call(say("PING"), say.soon())
        await asyncio.sleep(0.02)
        await shared.pool.call(say("PING"), say.soon())
        assert shared.pool.stats().lent == 2
        await client.connection_pool.aclose()
        await shared.aclose()

    run(main())
    assert "leaked" not in ears.names


def test_a_failed_caller_and_what_he_held_are_not_kept_alive_by_the_pool(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    class Precious:
        pass

    def use_and_fail() -> Any:
        precious = Precious()
        alive = weakref.ref(precious)
        try:
            pool.call(say("PING"), monotonic() + 0.3)
        except redis.RedisError:
            return alive
        pytest.fail("the server was to be unreachable")

    with Proxy(standalone) as front:
        pool = make_pool(front, PoolOptions(connect_timeout=0.2))
        front.blackhole()
        alive = use_and_fail()
        gc.collect()
        assert alive() is None
        front.heal()
        eventually(lambda: pool.call(say("PING"), say.soon()), ignore=(redis.RedisError,))
        front.blackhole()
        alive = use_and_fail()
        gc.collect()
        assert alive() is None
