"""How long work on very many keys keeps an event loop: `python3 dev.py bench --blocking`.

While one task works on many keys by one call, a second one counts how long each turn of the loop
takes, and a third one, the bystander, makes one GET after the other on the same client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter, thread_time
from typing import Any

from attrs import define, field
from servers import Servers

from cachex_client import AsyncCache, AsyncClusterClient, AsyncDefaultClient, ClientOptions

SIZES = (1_000, 100_000, 1_000_000)
LIMITS = {1_000: (10.0, 50.0), 100_000: (10.0, 50.0), 1_000_000: (40.0, 100.0)}
"""Milliseconds that a turn of the loop and the bystander's GET may take, by the number of keys."""


@define
class Pauses:
    """What the garbage collector took."""

    total: float = 0.0
    longest: float = 0.0
    _began: float = field(default=0.0, init=False)

    def __call__(self, phase: str, info: object) -> None:
        if phase == "start":
            self._began = perf_counter()
            return
        took = perf_counter() - self._began
        self.total += took
        self.longest = max(self.longest, took)


@define
class Found:
    """What was measured during one call, in seconds."""

    took: float = 0.0
    turn: float = 0.0
    """The longest turn of the loop, by the CPU time of its thread, without garbage collections."""
    turn_wall: float = 0.0
    waits: list[float] = field(factory=list)
    pauses: Pauses = field(factory=Pauses)


async def measured(work: Callable[[], Awaitable[Any]], get: Callable[[], Awaitable[Any]]) -> Found:
    """Do the work while a bystander makes one GET after the other."""
    found, done = Found(), False

    async def turns() -> None:
        cpu, wall, pauses = thread_time(), perf_counter(), found.pauses.total
        while not done:
            await asyncio.sleep(0)
            now, now_wall, collected = thread_time(), perf_counter(), found.pauses.total
            found.turn = max(found.turn, now - cpu - (collected - pauses))
            found.turn_wall = max(found.turn_wall, now_wall - wall - (collected - pauses))
            cpu, wall, pauses = now, now_wall, collected

    async def bystander() -> None:
        while not done:
            began, collected = perf_counter(), found.pauses.total
            await get()
            found.waits.append(perf_counter() - began - (found.pauses.total - collected))

    await get()
    gc.collect()
    gc.callbacks.append(found.pauses)
    others = [asyncio.create_task(turns()), asyncio.create_task(bystander())]
    await asyncio.sleep(0.01)
    began = perf_counter()
    try:
        result = await work()
        found.took = perf_counter() - began
    finally:
        done = True
        await asyncio.gather(*others)
        gc.callbacks.remove(found.pauses)
    del result
    return found


def calls(cache: AsyncCache, size: int) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Yield the calls to look at, each with its name; the first makes what the others want."""
    values = {f"bench:many:{number}": f"value-{number}" for number in range(size)}
    keys = list(values)
    counts = {f"bench:count:{number}": 1 for number in range(size)}
    gets = cache.pipeline()
    for key in keys:
        gets.get(key)
    yield "set_many", lambda: cache.set_many(values, 300)
    yield "get_many", lambda: cache.get_many(keys)
    yield "touch_many", lambda: cache.touch_many(keys, 300)
    yield "pipeline", gets.execute
    yield "delete_many", lambda: cache.delete_many(keys)
    yield "incr_many", lambda: cache.incr_many(counts)


async def run(name: str, client: Any, asked: argparse.Namespace) -> int:
    """Measure all calls on one client; return how many took too long."""
    cache = AsyncCache(client)
    await cache.set("bystander", "here", 3600)
    late = 0
    for size in asked.sizes:
        for call, work in calls(cache, size):
            if not any(fnmatch.fnmatch(call, one) for one in asked.calls) and call != "set_many":
                continue
            found = await measured(work, lambda: cache.get("bystander"))
            wait = max(found.waits)
            turn_ms, wait_ms = LIMITS.get(size, (float("inf"), float("inf")))
            over = found.turn * 1e3 > turn_ms or wait * 1e3 > wait_ms
            late += over
            print(
                f"{name:<9}{call:<12}{size:>10,}{found.took:>9.3f}"
                f"{found.turn * 1e3:>10.1f}{found.turn_wall * 1e3:>10.1f}{wait * 1e3:>12.1f}"
                f"{found.pauses.longest * 1e3:>12.1f}{found.pauses.total * 1e3:>9.1f}"
                f"{'  LONG' if over else ''}",
                flush=True,
            )
    await client.aclose()
    return late


def main() -> int:
    """Print the table; with `--check` 1 if anything took too long."""
    asked = _arguments()
    options = ClientOptions(timeout=600)
    print(
        f"{'':<31}{'call s':>9}{'turn CPU':>10}{'turn wall':>10}{'bystander':>12}"
        f"{'GC longest':>12}{'in all':>9}  milliseconds, without GC\n"
    )
    with contextlib.ExitStack() as stack:
        servers = Servers(stack)
        late = 0
        if "server" in asked.topologies:
            urls = [f"redis://127.0.0.1:{servers.port}/0"]
            late += asyncio.run(run("server", AsyncDefaultClient(urls, options), asked))
        if "cluster" in asked.topologies:
            client = AsyncClusterClient(servers.cluster(), options)
            late += asyncio.run(run("cluster", client, asked))
    return int(asked.check and late > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench --blocking", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="KEYS")
    parser.add_argument("--calls", nargs="+", default=["*"], metavar="PATTERN")
    parser.add_argument("--topologies", nargs="+", default=["server", "cluster"])
    parser.add_argument("--check", action="store_true", help="exit with 1 if a turn takes too long")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
