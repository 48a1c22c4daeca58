"""What one server says of itself, as a frozen value read from its replies."""

import re
from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen(kw_only=True)
class Latency:
    """Round trips from here, in seconds, over one connection."""

    samples: int
    median: float
    p99: float


@attrs.frozen(kw_only=True)
class Facts:
    """
    One server: what it should be, and what it says it is.

    `error` is why nothing is known of it, `untold` what a server that answers said to the question
    how it is. Sizes are bytes; `idle_timeout` are the seconds after
    which the server closes idle connections (0 never), None if it does not tell. `keys` are the
    numbers of keys by database. With `full_coverage` a node of a cluster refuses everything as soon
    as one slot has no server.
    """

    name: str
    expected_role: str
    error: str = ""
    untold: str = ""
    role: str = ""
    server: str = ""
    version: str = ""
    mode: str = ""
    uptime: int = 0
    loading: bool = False
    replication_id: str = ""
    replicas: int = 0
    link_up: bool = True
    link_silent: int | None = None
    behind: int = 0
    offset: int = 0
    clients: int | None = None
    max_clients: int | None = None
    blocked_clients: int = 0
    rejected: int = 0
    memory: int | None = None
    max_memory: int | None = None
    policy: str = ""
    fragmentation: float = 0.0
    hits: int = 0
    misses: int = 0
    expired: int = 0
    evicted: int = 0
    commands: int = 0
    per_second: int = 0
    keys: Mapping[int, int] = attrs.field(factory=dict)
    idle_timeout: int | None = None
    cluster_state: str = ""
    slots_ok: int = 0
    full_coverage: bool = False
    latency: Latency | None = None
    sentinel: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def product(self) -> str:
        """Name and version: `valkey 9.1.2`."""
        return f"{self.server} {self.version}".strip()


def fields(report: str) -> dict[str, str]:
    """Read the lines `name:value` of INFO and CLUSTER INFO."""
    lines = (line.partition(":") for line in report.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def read(name: str, expected_role: str, info: Mapping[str, str]) -> Facts:
    """Return what INFO tells."""
    replica = info.get("role") == "slave"
    valkey = "valkey_version" in info or info.get("server_name") == "valkey"
    return Facts(
        name=name,
        expected_role=expected_role,
        role=_ROLES.get(info.get("role", ""), ""),
        server="valkey" if valkey else "redis",
        version=info.get("valkey_version") or info.get("redis_version", ""),
        mode=info.get("server_mode") or info.get("redis_mode", ""),
        uptime=_number(info, "uptime_in_seconds"),
        loading=info.get("loading") == "1",
        replication_id=info.get("master_replid", ""),
        replicas=_number(info, "connected_slaves"),
        link_up=not replica or info.get("master_link_status") == "up",
        link_silent=_number(info, "master_last_io_seconds_ago") if replica else None,
        offset=_number(info, "slave_repl_offset" if replica else "master_repl_offset"),
        clients=_maybe(info, "connected_clients"),
        max_clients=_maybe(info, "maxclients"),
        blocked_clients=_number(info, "blocked_clients"),
        rejected=_number(info, "rejected_connections"),
        memory=_maybe(info, "used_memory"),
        max_memory=_maybe(info, "maxmemory"),
        policy=info.get("maxmemory_policy", ""),
        fragmentation=float(info.get("mem_fragmentation_ratio") or 0),
        hits=_number(info, "keyspace_hits"),
        misses=_number(info, "keyspace_misses"),
        expired=_number(info, "expired_keys"),
        evicted=_number(info, "evicted_keys"),
        commands=_number(info, "total_commands_processed"),
        per_second=_number(info, "instantaneous_ops_per_sec"),
        keys={
            int(found[1]): int(found[2])
            for one, value in info.items()
            if (found := _KEYS.fullmatch(f"{one}:{value}"))
        },
    )


_ROLES = {"master": "primary", "slave": "replica", "sentinel": "sentinel"}
_KEYS = re.compile(r"db(\d+):keys=(\d+)(?:,.*)?")


def _number(info: Mapping[str, str], name: str) -> int:
    return _maybe(info, name) or 0


def _maybe(info: Mapping[str, str], name: str) -> int | None:
    try:
        return int(info[name])
    except (KeyError, ValueError):
        return None


def latency(seconds: Sequence[float]) -> Latency:
    """Return median and 99th percentile of round trips."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return Latency(
        samples=len(ordered),
        median=ordered[round(last * 0.5)],
        p99=ordered[round(last * 0.99)],
    )


def compared(servers: Sequence[Facts]) -> list[Facts]:
    """Return the same with how many bytes each replica is behind the primary it belongs to."""
    offsets = {one.replication_id: one.offset for one in servers if one.role == "primary"}
    return [
        attrs.evolve(one, behind=max(0, offsets[one.replication_id] - one.offset))
        if one.role == "replica" and one.replication_id in offsets
        else one
        for one in servers
    ]
