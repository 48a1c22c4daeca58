"""asyncio: 50 tasks on one loop, each waiting for its own GET, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio
from ground import HOST, TASKS, Ground, django_cache
from measure import Case, Contender, Entrant

KEY = "bench:loop-get"
VALUE = "v" * 100
STORED = VALUE.encode()


def client_get(ground: Ground) -> Case:
    with redis.Redis(port=ground.port) as client:
        client.set(KEY, STORED)
    return Case(
        name="loop-get",
        title=f"GET of 100 bytes, {TASKS} tasks on one event loop",
        entrants=[
            Entrant("cachex", lambda: ground.workers("cachex", _cachex(ground))),
            Entrant("cachex Cache", lambda: _cachex_cache(ground)),
            Entrant("redis.asyncio", lambda: ground.workers("redis.asyncio", _redis_py(ground))),
            Entrant("valkey.asyncio", lambda: ground.workers("valkey.asyncio", _valkey_py(ground))),
        ],
        expected=STORED,
    )


def gather(ground: Ground) -> Case:
    """The same where each GET is a task of its own: what asyncio costs is in every row."""
    with redis.Redis(port=ground.port) as client:
        client.set(KEY, STORED)
    return Case(
        name="loop-gather",
        title=f"{TASKS} GET of 100 bytes in one asyncio.gather, a new task for each",
        entrants=[
            Entrant("cachex", lambda: _gathered(ground, "cachex", _cachex(ground))),
            Entrant("redis.asyncio", lambda: _gathered(ground, "redis.asyncio", _redis_py(ground))),
        ],
        expected=STORED,
        informative=True,
    )


def django_aget(ground: Ground) -> Case:
    names = ("cachex", "Django", "django-redis")
    return Case(
        name="django-aget",
        title=f"cache.aget of a string of 100 characters, {TASKS} tasks on one event loop",
        entrants=[*(_django(ground, name) for name in names), _django_valkey(ground)],
        expected=VALUE,
    )


def _gathered(ground: Ground, name: str, call: Callable[[], Awaitable[Any]]) -> Contender:
    async def rounds(count: int) -> None:
        for _ in range(count):
            await asyncio.gather(*(call() for _ in range(TASKS)))

    def run(count: int) -> None:
        ground.runner.run(rounds(count))

    return Contender(name, run, lambda: ground.await_(call), weight=TASKS)


def _cachex(ground: Ground) -> Callable[[], Awaitable[Any]]:
    from cachex_client import AsyncDefaultClient, commands

    client = AsyncDefaultClient([ground.url])
    ground.closing.callback(ground.await_, client.aclose)
    key, execute, make = KEY.encode(), client.execute, commands.get
    return lambda: execute(make(key))


def _cachex_cache(ground: Ground) -> Contender:
    from cachex_client import AsyncCache, AsyncDefaultClient

    client = AsyncDefaultClient([ground.url])
    ground.closing.callback(ground.await_, client.aclose)
    cache = AsyncCache(client)
    ground.await_(lambda: cache.set("k", VALUE, 60 * 60))
    turn = ground.workers("cachex Cache", lambda: cache.get("k"))
    return Contender(turn.name, turn.run, lambda: str(turn.probe()).encode(), weight=TASKS)


def _redis_py(ground: Ground) -> Callable[[], Awaitable[Any]]:
    client = redis.asyncio.Redis(host=HOST, port=ground.port)
    ground.closing.callback(ground.await_, client.aclose)
    return lambda: client.get(KEY)


def _valkey_py(ground: Ground) -> Callable[[], Awaitable[Any]]:
    import valkey.asyncio

    client = valkey.asyncio.Valkey(host=HOST, port=ground.port)
    ground.closing.callback(ground.await_, client.aclose)
    return lambda: client.get(KEY)


def _django(ground: Ground, name: str) -> Entrant:
    def make() -> Contender:
        cache = django_cache(name)
        ground.await_(lambda: cache.aset("ak", VALUE, 60 * 60))
        return ground.workers(name, lambda: cache.aget("ak"))

    return Entrant(name, make)


def _django_valkey(ground: Ground) -> Entrant:
    # It has no a-methods; its asyncio backend is a cache of its own whose get() is a coroutine.
    name = "django-valkey async"

    def make() -> Contender:
        cache = django_cache(name)
        ground.await_(lambda: cache.set("ak", VALUE, 60 * 60))
        return ground.workers(name, lambda: cache.get("ak"))

    return Entrant(name, make)
