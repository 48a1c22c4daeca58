"""What a client sees of its servers, as one frozen value for people, admin pages and telemetry."""

from collections.abc import Iterable
from typing import Any

import attrs

from cachex_pool import PoolStats


@attrs.frozen(kw_only=True, slots=True)
class NodeView:
    """
    One server: `role` is "primary" or "replica", `slots` how many it serves (0 outside a cluster).

    `primary` names the primary of a replica; `latency` is a moving average in seconds, measured
    only where reads go to the nearest.
    """

    name: str
    role: str
    primary: str | None
    slots: int
    healthy: bool
    latency: float
    pools: tuple[PoolStats, ...]


@attrs.frozen(kw_only=True, slots=True)
class TopologyView:
    """
    The servers as the client sees them now.

    `kind` is "standalone", "replicated", "sentinel" or "cluster"; `refreshes` counts how often the
    client looked, `uncovered_slots` what no server of a cluster serves.
    """

    kind: str
    nodes: tuple[NodeView, ...]
    uncovered_slots: int = 0
    refreshes: int = 0


def node_view(
    links: Iterable[Any], *, role: str, primary: str | None = None, slots: int = 0
) -> NodeView:
    """Make the view of one server out of its links, one for each event loop that uses it."""
    several = list(links)
    first = several[0]
    return NodeView(
        name=first.name,
        role=role,
        primary=primary,
        slots=slots,
        healthy=all(link.health.ok for link in several),
        latency=max(link.health.latency for link in several),
        pools=tuple(link.stats() for link in several),
    )
