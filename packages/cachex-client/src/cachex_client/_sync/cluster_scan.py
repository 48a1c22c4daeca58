# Written by tools/unasync.py from _async/cluster_scan.py: edit that file instead.
"""
SCAN over a cluster that does not hold still.

A key that is there throughout may be missed by a plain walk over the primaries in two ways: its
slot moves to a server that was walked before, or its server dies. So a walk that was cut short is
begun again, and servers that took slots over are walked again, as `_core.migration` says.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import NoPermissionError, RedisError

from cachex_client._sync.engine import PAUSE, Engine
from cachex_client._concurrency import sleep, monotonic
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.migration import Holdings, Walk, read_own_line, to_walk, walked
from cachex_client._core.retry import is_rejection
from cachex_client._core.scans import ScanProgress
from cachex_client._links import Link, exchange_all
from cachex_client.errors import SlotNotCovered
from cachex_client.observer import Origin
from cachex_pool import PoolError, pack

NODES = pack(("CLUSTER", "NODES"))


def scan_cluster(
    client: Engine[Any], name: str, pattern: bytes, count: int, origin: Origin | None = None
) -> Iterator[list[bytes]]:
    """
    Yield batches of keys from every primary until none can have been missed.

    Raises SlotNotCovered if for `options.timeout` seconds some slots have no server, and
    ScanAborted if there is no end.
    """
    walks: list[Walk[Link]] = []
    progress = ScanProgress.of(client.options, monotonic())
    patience = monotonic() + client.options.timeout
    while True:
        now = _holdings(client)
        uncovered = SLOTS - sum(len(one.owned) for one in now.values())
        unwalked = to_walk(now, walks)
        if not unwalked and uncovered <= 0:
            return
        if not unwalked:
            if monotonic() > patience or progress.is_over(monotonic()):
                raise SlotNotCovered(name, None, uncovered)
            client.refreshed()
            sleep(PAUSE)
            continue
        for link in unwalked:
            before_this = progress.begin(link.name, monotonic())
            sleep(PAUSE * before_this)  # while slots move, others may move soon
            started = monotonic()
            try:
                before = _held(link)
                for keys in client.scan_one(link, pattern, count, origin, progress):
                    yield keys
                ended = monotonic()
                walks.append(walked(link, before, _held(link), started, ended))
            except (RedisError, PoolError) as error:
                if not isinstance(error, PoolError) and not is_rejection(error):
                    raise
                progress.fail(error, monotonic())
                client.refreshed()
                sleep(PAUSE)
                break
            progress.finish()
            patience = monotonic() + client.options.timeout


def _holdings(client: Engine[Any]) -> dict[Link, Holdings]:
    """Ask every primary what it holds; one that does not answer is left out."""
    return _ask(client.primaries(monotonic() + client.options.timeout))


def _held(link: Link) -> Holdings:
    """Ask a primary what it holds; PoolError if it does not say, or is no primary any more."""
    held = (_ask([link])).get(link)
    if held is None:
        raise PoolError(f"{link.name} does not say which slots it serves")
    return held


def _ask(links: Sequence[Link]) -> dict[Link, Holdings]:
    deadline = monotonic() + 1.0
    answers = exchange_all([(link, NODES, 1, deadline) for link in links])
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
