# tools/unasync.py writes the sync twin of this file.
"""
SCAN over a cluster that does not hold still.

A key that is there throughout may be missed by a plain walk over the primaries in two ways: its
slot moves to a server that was walked before, or its server dies. So a walk that was cut short is
begun again, and servers that took slots over are walked again, as `_core.migration` says.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.exceptions import NoPermissionError, RedisError

from cachex_client._async.engine import PAUSE, AsyncEngine
from cachex_client._concurrency import async_sleep, monotonic
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.migration import Holdings, Walk, read_own_line, to_walk, walked
from cachex_client._core.retry import is_rejection
from cachex_client._core.scans import ScanProgress
from cachex_client._links import AsyncLink, async_exchange_all
from cachex_client.errors import SlotNotCovered
from cachex_client.observer import Origin
from cachex_pool import PoolError, pack

NODES = pack(("CLUSTER", "NODES"))


async def async_scan_cluster(
    client: AsyncEngine[Any], name: str, pattern: bytes, count: int, origin: Origin | None = None
) -> AsyncIterator[list[bytes]]:
    """
    Yield batches of keys from every primary until none can have been missed.

    Raises SlotNotCovered if for `options.timeout` seconds some slots have no server, and
    ScanAborted if there is no end.
    """
    walks: list[Walk[AsyncLink]] = []
    progress = ScanProgress.of(client.options, monotonic())
    patience = monotonic() + client.options.timeout
    while True:
        now = await _holdings(client)
        uncovered = SLOTS - sum(len(one.owned) for one in now.values())
        unwalked = to_walk(now, walks)
        if not unwalked and uncovered <= 0:
            return
        if not unwalked:
            if monotonic() > patience or progress.is_over(monotonic()):
                raise SlotNotCovered(name, None, uncovered)
            await client.refreshed()
            await async_sleep(PAUSE)
            continue
        for link in unwalked:
            before_this = progress.begin(link.name, monotonic())
            await async_sleep(PAUSE * before_this)  # while slots move, others may move soon
            started = monotonic()
            try:
                before = await _held(link)
                async for keys in client.scan_one(link, pattern, count, origin, progress):
                    yield keys
                ended = monotonic()
                walks.append(walked(link, before, await _held(link), started, ended))
            except (RedisError, PoolError) as error:
                if not isinstance(error, PoolError) and not is_rejection(error):
                    raise
                progress.fail(error, monotonic())
                await client.refreshed()
                await async_sleep(PAUSE)
                break
            progress.finish()
            patience = monotonic() + client.options.timeout


async def _holdings(client: AsyncEngine[Any]) -> dict[AsyncLink, Holdings]:
    """Ask every primary what it holds; one that does not answer is left out."""
    return await _ask(await client.primaries(monotonic() + client.options.timeout))


async def _held(link: AsyncLink) -> Holdings:
    """Ask a primary what it holds; PoolError if it does not say, or is no primary any more."""
    held = (await _ask([link])).get(link)
    if held is None:
        raise PoolError(f"{link.name} does not say which slots it serves")
    return held


async def _ask(links: Sequence[AsyncLink]) -> dict[AsyncLink, Holdings]:
    deadline = monotonic() + 1.0
    answers = await async_exchange_all([(link, NODES, 1, deadline) for link in links])
    found = {}
    for link, answer in zip(links, answers, strict=True):
        if isinstance(answer, Exception):
            continue
        if isinstance(answer[0], NoPermissionError):
            raise answer[0]
        if isinstance(answer[0], Exception):
            continue
        held = read_own_line(answer[0])
        if held is not None:
            found[link] = held
    return found
