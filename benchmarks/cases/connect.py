"""Opening a connection: TCP, TLS, the handshake of the protocol, and closing it again."""

from __future__ import annotations

import time
from itertools import repeat
from pathlib import Path
from typing import Any

import redis
from ground import HOST, Ground
from measure import Case, Contender, Entrant


def plain(ground: Ground) -> Case:
    return Case(
        name="connect",
        title="open a connection, ready to use, and close it",
        entrants=[
            Entrant("cachex", lambda: _cachex(ground, ground.port, None)),
            Entrant("redis-py", lambda: _redis_py(ground, ground.port)),
            Entrant("valkey-py", lambda: _valkey_py(ground, ground.port)),
        ],
        expected=True,
        informative=True,
    )


def tls(ground: Ground) -> Case:
    port, ca = ground.tls()
    verify = {"ssl_ca_certs": str(ca)}
    return Case(
        name="connect-tls",
        title="open a connection over TLS with a verified certificate, and close it",
        entrants=[
            Entrant("cachex", lambda: _cachex(ground, port, ca)),
            Entrant(
                "redis-py",
                lambda: _redis_py(ground, port, connection_class=redis.SSLConnection, **verify),
            ),
            Entrant("valkey-py", lambda: _valkey_py_tls(ground, port, verify)),
        ],
        expected=True,
        seconds=0.1,
    )


def _cachex(ground: Ground, port: int, ca: Path | None) -> Contender:
    from cachex_pool import Endpoint, Pool, Tls

    endpoint = Endpoint(host=HOST, port=port, tls=Tls(ca_certs=str(ca)) if ca else None)
    pool = Pool(endpoint)
    ground.closing.callback(pool.close)
    deadline = time.monotonic() + 24 * 60 * 60

    def run(count: int) -> None:
        for _ in repeat(None, count):
            pool.discard(pool.acquire(deadline))

    def probe() -> bool:
        opened = pool.stats().opened
        run(2)
        return bool(pool.stats().opened == opened + 2)

    return Contender("cachex", run, probe)


def _peer(name: str, pool: Any, *command: str) -> Contender:
    # get_connection() connects a connection that is not connected: the object is used again, only
    # the socket is new.
    def run(count: int) -> None:
        for _ in repeat(None, count):
            connection = pool.get_connection(*command)
            connection.disconnect()
            pool.release(connection)

    def probe() -> bool:
        connection = pool.get_connection(*command)
        ports = set()
        for _ in range(2):
            ports.add(connection._sock.getsockname()[1])
            connection.disconnect()
            connection.connect()
        pool.release(connection)
        return len(ports) == 2

    return Contender(name, run, probe)


def _redis_py(ground: Ground, port: int, **options: Any) -> Contender:
    pool = redis.ConnectionPool(host=HOST, port=port, **options)
    ground.closing.callback(pool.close)
    return _peer("redis-py", pool)


def _valkey_py(ground: Ground, port: int, **options: Any) -> Contender:
    import valkey

    pool = valkey.ConnectionPool(host=HOST, port=port, **options)
    ground.closing.callback(pool.disconnect)
    return _peer("valkey-py", pool, "PING")


def _valkey_py_tls(ground: Ground, port: int, verify: dict[str, str]) -> Contender:
    import valkey

    return _valkey_py(ground, port, connection_class=valkey.SSLConnection, **verify)
