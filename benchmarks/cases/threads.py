"""Eight threads that share one client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
from ground import HOST, Ground
from measure import Case, Contender, Entrant, calling

KEY = "bench:threads-get"
STORED = b"v" * 100
THREADS = 8


def get(ground: Ground) -> Case:
    with redis.Redis(port=ground.port) as client:
        client.set(KEY, STORED)
    threads = ThreadPoolExecutor(THREADS)
    ground.closing.callback(threads.shutdown)
    return Case(
        name="threads-get",
        title=f"GET of 100 bytes, {THREADS} threads share one client",
        entrants=[
            Entrant("cachex", lambda: _together(threads, "cachex", _cachex(ground))),
            Entrant("redis-py", lambda: _together(threads, "redis-py", _redis_py(ground))),
            Entrant("valkey-py", lambda: _together(threads, "valkey-py", _valkey_py(ground))),
        ],
        expected=STORED,
        informative=True,
        seconds=0.06,
    )


def _together(threads: ThreadPoolExecutor, name: str, call: Callable[[], Any]) -> Contender:
    turn = calling(call)

    def run(count: int) -> None:
        for done in [threads.submit(turn, count) for _ in range(THREADS)]:
            done.result()

    return Contender(name, run, call, weight=THREADS)


def _cachex(ground: Ground) -> Callable[[], Any]:
    from cachex_client import DefaultClient, commands

    client = DefaultClient([ground.url])
    ground.closing.callback(client.close)
    key, execute, make = KEY.encode(), client.execute, commands.get
    return lambda: execute(make(key))


def _redis_py(ground: Ground) -> Callable[[], Any]:
    client = ground.closing.enter_context(contextlib.closing(redis.Redis(HOST, ground.port)))
    return lambda: client.get(KEY)


def _valkey_py(ground: Ground) -> Callable[[], Any]:
    import valkey

    client = ground.closing.enter_context(contextlib.closing(valkey.Valkey(HOST, ground.port)))
    return lambda: client.get(KEY)
