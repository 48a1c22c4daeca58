# Written by tools/unasync.py from _async/cluster_watch.py: edit that file instead.
"""
Watching a primary that says nothing, beside those who wait for it.

A cluster announces nothing, and a server that hangs fails no call before its deadline. So whoever
waits for long has the replicas of that shard looked at, by one watcher in the process, for as long
as somebody waits. A slow server is watched too; nothing comes of it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cachex_client._background import BackgroundWork
from cachex_client._concurrency import ask_all, sleep, monotonic
from cachex_client._core.addresses import Address
from cachex_client._core.migration import read_own_line
from cachex_client._links import Link
from cachex_pool import PoolError, logger, pack

if TYPE_CHECKING:
    from cachex_client._sync.cluster_links import ClusterLinks

log = logger("cachex_client")

LOOK_EVERY = 0.05
"""Seconds between two looks whether a replica was promoted."""
ASK_WITHIN = 0.3
"""Seconds that a replica may take to say what it is."""
GRACE = 0.03
"""Seconds that who is slow to answer is waited for once another has answered."""
LAST_WORD = 0.08
"""Seconds in which a primary that was demoted may show that it is alive after all, at least."""
AS_OTHERS = 4
"""How many times as long as the quickest other primary it may take, if that is more."""
INFO = pack(("INFO", "replication"))  # ROLE says the same, but few users may ask for that
NODES = pack(("CLUSTER", "NODES"))
PING = pack(("PING",))


def watch(
    links: "ClusterLinks", silent: Link, background: BackgroundWork
) -> None:
    """
    Look for a successor until the silent server answers, or nobody waits for it any more.

    Once another leads, by whomever that was found out, those who still wait are let go, unless the
    server turns out to be alive: a planned failover holds callers up too, and answers them all.
    """
    map, node = links.map, links.address_of(silent)
    try:
        while map.still_silent(node, monotonic()):
            replicas = links.up_to_date().replicas.get(silent)
            if replicas is None:
                if not _is_alive(silent, links, background):
                    log.info("callers let go", server=silent.name)
                    map.let_go(node)
                return
            heir = _heir_among(links, node, replicas, background)
            if heir is None or not links.promoted(node, links.address_of(heir)):
                sleep(LOOK_EVERY)
    finally:
        map.unwatched(node)


def _heir_among(
    links: "ClusterLinks",
    primary: Address,
    replicas: tuple[Link, ...],
    background: BackgroundWork,
) -> Link | None:
    """Return the replica that leads the primary's shard now."""

    def question(link: Link) -> Callable[[], Any]:
        def ask() -> Link | None:
            with background.on(link):
                return link if _leads(links, primary, link) else None

        return ask

    work = [question(link) for link in replicas]
    if len(work) == 1:
        try:
            return work[0]()  # type: ignore[no-any-return]
        except PoolError:
            return None
    answers = ask_all(work, any, ASK_WITHIN, GRACE)
    return next((one for _, one in answers if isinstance(one, Link)), None)


def _leads(links: "ClusterLinks", primary: Address, link: Link) -> bool:
    """
    Say whether a replica leads, and holds slots that we know to be its primary's.

    One that was taken out of the cluster leads, too, but nothing.
    """
    deadline = monotonic() + ASK_WITHIN
    told = link.call(INFO, deadline)
    if not isinstance(told, bytes) or b"role:master" not in told:
        return False
    nodes = link.call(NODES, deadline)
    held = None if isinstance(nodes, Exception) else read_own_line(nodes)
    return held is not None and links.map.holds_any(primary, held.owned)


def _is_alive(
    silent: Link, links: "ClusterLinks", background: BackgroundWork
) -> bool:
    """
    Ask a server whether it is alive; if all are slow to say so, it has more time.

    It may have to be connected to, which a busy machine or a long way can make slow.
    """
    until = monotonic() + LAST_WORD
    asked = [silent, *links.tables.replicas]
    work = [partial(_time_of_ping, link, until, background) for link in asked]
    answers = ask_all(work, len(work), LAST_WORD)
    took = {asked[at]: seconds for at, seconds in answers if isinstance(seconds, float)}
    if silent in took:
        return True
    patience = AS_OTHERS * min(took.values(), default=LAST_WORD)
    if patience <= LAST_WORD:
        return False
    try:
        _time_of_ping(silent, monotonic() + patience, background)
    except PoolError:
        return False
    return True


def _time_of_ping(link: Link, deadline: float, background: BackgroundWork) -> float:
    started = monotonic()
    with background.on(link):
        link.call_alone(PING, deadline)
    return monotonic() - started
