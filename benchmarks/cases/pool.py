"""A connection taken from the pool and given back, nobody else about."""

from __future__ import annotations

import time
from itertools import repeat
from typing import Any

import redis
from ground import HOST, Ground
from measure import Case, Contender, Entrant


def turn(ground: Ground) -> Case:
    return Case(
        name="pool",
        title="take a connection from the pool and give it back, one thread",
        entrants=[
            Entrant("cachex", lambda: _cachex(ground)),
            Entrant("cachex acquire", lambda: _cachex_acquire(ground)),
            Entrant("redis-py", lambda: _redis_py(ground)),
            Entrant("redis-py blocking", lambda: _redis_py_blocking(ground)),
            Entrant("valkey-py", lambda: _valkey_py(ground)),
        ],
        expected=True,
    )


def _cachex(ground: Ground) -> Contender:
    from cachex_pool import Endpoint, Pool

    pool = Pool(Endpoint(host=HOST, port=ground.port))
    ground.closing.callback(pool.close)
    deadline = time.monotonic() + 24 * 60 * 60

    try:
        checkout, checkin = pool.checkout, pool.checkin
    except AttributeError:  # an older version, where `acquire` passed the connection itself
        checkout, checkin = pool.acquire, pool.release  # type: ignore[assignment]

    def run(count: int) -> None:
        take, give_back = checkout, checkin
        for _ in repeat(None, count):
            give_back(take(deadline))

    def probe() -> bool:
        connection = checkout(deadline)
        checkin(connection)
        again = checkout(deadline)
        checkin(again)
        return again is connection

    return Contender("cachex", run, probe)


def _cachex_acquire(ground: Ground) -> Contender:
    """By `acquire`, which makes an object for each time, so that a second release does nothing."""
    from cachex_pool import Endpoint, Pool, PooledConnection

    pool = Pool(Endpoint(host=HOST, port=ground.port))
    ground.closing.callback(pool.close)
    deadline = time.monotonic() + 24 * 60 * 60

    def run(count: int) -> None:
        acquire, release = pool.acquire, pool.release
        for _ in repeat(None, count):
            release(acquire(deadline))

    def probe() -> bool:
        one, other = pool.acquire(deadline), pool.acquire(deadline)
        pool.release(one)
        pool.release(other)
        return isinstance(one, PooledConnection) and pool.stats().lent == 0

    return Contender("cachex acquire", run, probe)


def _peer(name: str, pool: Any) -> Contender:
    def run(count: int) -> None:
        acquire, release = pool.get_connection, pool.release
        for _ in repeat(None, count):
            release(acquire())

    def probe() -> bool:
        connection = pool.get_connection()
        pool.release(connection)
        again = pool.get_connection()
        pool.release(again)
        return again is connection

    return Contender(name, run, probe)


def _redis_py(ground: Ground) -> Contender:
    pool = redis.ConnectionPool(host=HOST, port=ground.port)
    ground.closing.callback(pool.close)
    return _peer("redis-py", pool)


def _redis_py_blocking(ground: Ground) -> Contender:
    make: Any = redis.BlockingConnectionPool  # not typed
    pool = make(host=HOST, port=ground.port)
    ground.closing.callback(pool.close)
    return _peer("redis-py blocking", pool)


def _valkey_py(ground: Ground) -> Contender:
    import valkey

    pool = valkey.ConnectionPool(host=HOST, port=ground.port)
    ground.closing.callback(pool.disconnect)
    acquire, release = pool.get_connection, pool.release

    def run(count: int) -> None:
        for _ in repeat(None, count):
            release(acquire("GET"))

    def probe() -> bool:
        run(1)
        return True

    return Contender("valkey-py", run, probe)
