"""Many keys at once, by the methods of a cache: in a thread, on an event loop, in a cluster.

Our own alone: what the peers do with many keys is in `django_calls` and `cluster`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ground import Ground
from measure import Case, Contender, Entrant, contender

SIZES = (100, 1000)


def in_thread(ground: Ground) -> Case:
    def make(name: str, call: Callable[[Any], Any]) -> Contender:
        from cachex_client import Cache, DefaultClient

        client = DefaultClient([ground.url])
        ground.closing.callback(client.close)
        cache = Cache(client)
        return contender(name, call, cache)

    return _case("bulk", "many keys at once, in a thread", make)


def on_loop(ground: Ground) -> Case:
    def make(name: str, call: Callable[[Any], Any]) -> Contender:
        from cachex_client import AsyncCache, AsyncDefaultClient

        client = AsyncDefaultClient([ground.url])
        ground.closing.callback(ground.await_, client.aclose)
        cache = AsyncCache(client)
        return _awaiting(ground, name, lambda: call(cache))

    return _case("loop-bulk", "many keys at once, on an event loop", make)


def in_cluster(ground: Ground) -> Case:
    urls = ground.cluster()

    def make(name: str, call: Callable[[Any], Any]) -> Contender:
        from cachex_client import AsyncCache, AsyncClusterClient

        client = AsyncClusterClient(urls)
        ground.closing.callback(ground.await_, client.aclose)
        cache = AsyncCache(client)
        return _awaiting(ground, name, lambda: call(cache))

    return _case("loop-bulk-cluster", "many keys of a cluster at once, on an event loop", make)


def _awaiting(ground: Ground, name: str, call: Callable[[], Awaitable[Any]]) -> Contender:
    async def again(count: int) -> None:
        for _ in range(count):
            await call()

    def run(count: int) -> None:
        ground.runner.run(again(count))

    return Contender(name, run, lambda: ground.await_(call))


def _case(name: str, title: str, make: Callable[[str, Callable[[Any], Any]], Contender]) -> Case:
    return Case(
        name=name,
        title=title,
        entrants=[
            Entrant(f"cachex {what}", lambda what=what, call=call: make(f"cachex {what}", call))
            for what, call in _calls()
        ],
        informative=True,
    )


def _calls() -> list[tuple[str, Callable[[Any], Any]]]:
    calls: list[tuple[str, Callable[[Any], Any]]] = []
    for size in SIZES:
        values = {f"bench:bulk:{number}": f"value-{number}" for number in range(size)}
        counts = dict.fromkeys([f"bench:count:{number}" for number in range(size)], 1)
        keys = list(values)
        calls += [  # the first stores what the others are about
            (f"set_many {size}", lambda cache, values=values: cache.set_many(values, 300)),
            (f"get_many {size}", lambda cache, keys=keys: cache.get_many(keys)),
        ]
        if size < max(SIZES):
            continue
        calls += [
            (f"touch_many {size}", lambda cache, keys=keys: cache.touch_many(keys, 300)),
            (f"incr_many {size}", lambda cache, counts=counts: cache.incr_many(counts)),
            (f"delete_many {size}", lambda cache, counts=counts: cache.delete_many(counts)),
            (f"pipeline {size}", lambda cache, keys=keys: _pipeline(cache, keys)),
        ]
    return calls


def _pipeline(cache: Any, keys: list[str]) -> Any:
    pipe = cache.pipeline()
    for key in keys:
        pipe.get(key)
    return pipe.execute()
