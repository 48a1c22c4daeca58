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
from cachex_client.errors import ScanAborted, SlotNotCovered
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
    progress = ScanProgress(client.options.scan_timeout)
    patience = monotonic() + client.options.timeout
    while True:
        now = await _holdings(client)
        uncovered = SLOTS - sum(len(one.owned) for one in now.values())
        unwalked = to_walk(now, walks)
        if not unwalked and uncovered <= 0:
            return
        if not unwalked:
            if monotonic() > patience:
                raise SlotNotCovered(name, None, uncovered)
            await client.refreshed()
            await async_sleep(PAUSE)
            continue
        for link in unwalked:
            started = monotonic()
            try:
                before = (await _ask([link]))[link]
                async for keys in client.scan_one(link, pattern, count, origin, progress):
                    yield keys
                    patience = monotonic() + client.options.timeout
                ended = monotonic()
                after = (await _ask([link]))[link]
                walks.append(walked(link, before, after, started, ended))
            except (RedisError, KeyError) as error:  # KeyError: it is no primary any more
                if not isinstance(error, PoolError | KeyError) and not is_rejection(error):
                    raise
                if isinstance(error, ScanAborted) or monotonic() > patience:
                    raise
                await client.refreshed()
                await async_sleep(PAUSE)
                break


async def _holdings(client: AsyncEngine[Any]) -> dict[AsyncLink, Holdings]:
    """Ask every primary what it holds; one that does not answer is left out."""
    return await _ask(await client.primaries(monotonic() + client.options.timeout))


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
