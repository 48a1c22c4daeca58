"""More threads than connections, to see the pool at work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import attrs
from demo.site.work import PIECES
from django.core.cache import cache

THREADS = 32
LOOKUPS = 60
"""Of each thread."""


@attrs.frozen
class Burst:
    """What became of the lookups; `connections` is the most that existed in one pool."""

    lookups: int
    seconds: float
    waits: int
    connections: int

    @property
    def per_second(self) -> str:
        return f"{self.lookups / self.seconds:,.0f}"


def burst() -> Burst:
    """Look results up from many threads at once."""
    client = cache.client.executor  # one for the process: the threads below use it too
    together = threading.Barrier(THREADS)

    def look_up() -> None:
        together.wait(10)
        for number in range(LOOKUPS):
            cache.get(PIECES[number % len(PIECES)].key)

    waits = sum(pool.waits for pool in client.stats())
    started = perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(look_up) for _ in range(THREADS)]:
            done.result()
    seconds = perf_counter() - started
    pools = client.stats()
    return Burst(
        lookups=THREADS * LOOKUPS,
        seconds=seconds,
        waits=sum(pool.waits for pool in pools) - waits,
        connections=max(pool.size for pool in pools),
    )
