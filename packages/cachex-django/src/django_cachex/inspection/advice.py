"""What there is to say about the servers of a cache: pure, from settings and facts."""

from collections.abc import Iterator, Sequence

import attrs

from django_cachex.inspection.facts import Facts
from django_cachex.inspection.places import Places
from django_cachex.settings import CacheConfig

ERROR, WARNING, INFO = "error", "warning", "info"
SLOTS = 16384
SLOW = 0.005
"""Seconds of a round trip's median beyond which a server is far away."""
SLOW_TAIL = 0.05
NEARLY = 0.9


@attrs.frozen
class Finding:
    """Something to know about a cache or one of its servers (`where`), and what to do about it."""

    level: str
    where: str
    text: str
    hint: str = ""
    id: str = ""


def findings(
    config: CacheConfig, places: Places, servers: Sequence[Facts], processes: int | None
) -> list[Finding]:
    """Return what is wrong or remarkable, errors first; `processes` is how many use the cache."""
    found = list(_of_the_whole(places, servers))
    for one in servers:
        if one.error:
            # A replica or a Sentinel that is away is made up for by the others.
            level = ERROR if one.expected_role in ("primary", "") else WARNING
            found.append(Finding(level, one.name, one.error))
        elif one.untold:
            text = f"answers, but this user is not told how it is: {one.untold}"
            found.append(Finding(WARNING, one.name, text, "ACL SETUSER: +info"))
            found += _of_latency(one)
        elif one.expected_role == "sentinel":
            found += _of_sentinel(one, servers)
        else:
            found += _of_role(one, places, servers)
            found += _of_memory(one, config)
            found += _of_connections(one, config, processes)
            found += _of_latency(one)
    order = (ERROR, WARNING, INFO)
    return sorted(found, key=lambda finding: order.index(finding.level))


def _of_the_whole(places: Places, servers: Sequence[Facts]) -> Iterator[Finding]:
    if places.error is not None:
        text = f"{type(places.error).__name__}: {places.error}"
        yield Finding(ERROR, places.kind, text)
    elif places.uncovered_slots:
        yield Finding(
            ERROR,
            "cluster",
            f"{places.uncovered_slots} of {SLOTS} slots are served by no server",
            "keys in them cannot be used until a primary for them is back",
        )
    if places.kind == "cluster":
        leaders = {one.name for one in servers if one.role == "primary" and not one.error}
        followed = {place.primary for place in places.servers}
        for name in sorted(leaders - followed):
            text = "this primary has no replica: if it fails, its slots are gone with it"
            yield Finding(INFO, name, text)


def _of_role(one: Facts, places: Places, servers: Sequence[Facts]) -> Iterator[Finding]:
    if one.loading:
        yield Finding(ERROR, one.name, "loads its data and does not answer yet")
    if one.mode == "sentinel":
        hint = "name it in SENTINELS, and the service in LOCATION: redis://service_name/0"
        yield Finding(ERROR, one.name, "is a Sentinel, which holds no keys", hint)
        return
    if (one.mode == "cluster") != (places.kind == "cluster") and one.mode:
        hint = "CLIENT_CLASS: django_cachex.client.ClusterClient" if one.mode == "cluster" else ""
        yield Finding(ERROR, one.name, f"runs in {one.mode} mode", hint)
    if one.cluster_state and one.cluster_state != "ok":
        text = f"says cluster_state:{one.cluster_state}, {one.slots_ok} of {SLOTS} slots ok"
        yield Finding(ERROR, one.name, text)
    if one.full_coverage:
        text = "has cluster-require-full-coverage: if one shard is gone, it refuses all keys"
        hint = "for a cache, most keys are better than none: cluster-require-full-coverage no"
        yield Finding(INFO, one.name, text, hint)
    if one.expected_role and one.role and one.role != one.expected_role:
        hint = "the first URL of LOCATION has to be the primary's"
        yield Finding(
            ERROR if one.expected_role == "primary" else WARNING,
            one.name,
            f"is a {one.role}, not the {one.expected_role}",
            hint if places.kind in ("standalone", "replicated") else "",
        )
    elif one.role == "replica":
        yield from _of_replica(one, servers)


def _of_replica(one: Facts, servers: Sequence[Facts]) -> Iterator[Finding]:
    if not one.link_up:
        yield Finding(ERROR, one.name, "has lost its primary: what it answers may be old")
        return
    known = {other.replication_id for other in servers if other.role == "primary"}
    if known and one.replication_id not in known:
        yield Finding(ERROR, one.name, "follows a primary that is not one of this cache's")
    if one.link_silent is not None and one.link_silent > 10:
        text = f"has not heard of its primary for {one.link_silent} s"
        yield Finding(WARNING, one.name, text)
    if one.behind > 1024 * 1024:
        text = f"is {one.behind} bytes behind its primary"
        yield Finding(WARNING, one.name, text, "reads from it are that old: READ_FROM='primary'")


def _of_memory(one: Facts, config: CacheConfig) -> Iterator[Finding]:
    if one.max_memory is None:
        return
    if one.max_memory == 0:
        yield Finding(
            WARNING,
            one.name,
            "has no maxmemory: it grows until the machine has no more",
            "set maxmemory, and maxmemory-policy allkeys-lru or allkeys-lfu for a cache",
        )
        return
    nearly = one.memory is not None and one.memory > NEARLY * one.max_memory
    if one.policy == "noeviction":
        full = "is nearly full, and" if nearly else "has"
        yield Finding(
            ERROR if nearly else WARNING,
            one.name,
            f"{full} maxmemory-policy noeviction: writes fail when memory is full",
            "set maxmemory-policy allkeys-lru or allkeys-lfu for a cache",
        )
    elif one.policy.startswith("volatile") and config.timeout is None:
        yield Finding(
            WARNING,
            one.name,
            f"has maxmemory-policy {one.policy}, but TIMEOUT is None: keys without an end are kept",
            "set a TIMEOUT, or maxmemory-policy allkeys-lru",
        )
    if one.evicted:
        yield Finding(INFO, one.name, f"has removed {one.evicted} keys for want of memory")


def _of_connections(one: Facts, config: CacheConfig, processes: int | None) -> Iterator[Finding]:
    limits = config.client.options.pool
    if one.max_clients:
        most = limits.max_size * (processes or 1)
        fit = one.max_clients // limits.max_size
        if most > one.max_clients:
            yield Finding(
                ERROR,
                one.name,
                f"lets {one.max_clients} clients in; {processes or 1} processes with"
                f" MAX_CONNECTIONS {limits.max_size} may want {most}",
                f"MAX_CONNECTIONS at most {max(1, one.max_clients // (processes or 1))},"
                " or a higher maxclients",
            )
        elif processes is None:
            text = (
                f"has room for {fit} processes with MAX_CONNECTIONS {limits.max_size}"
                f" (maxclients {one.max_clients}); threads and event loops of one count apart"
            )
            yield Finding(INFO, one.name, text, "--processes N compares that with yours")
    if one.clients and one.max_clients and one.clients > NEARLY * one.max_clients:
        text = f"has {one.clients} clients of {one.max_clients} at most"
        yield Finding(WARNING, one.name, text, "raise maxclients, or lower MAX_CONNECTIONS")
    if one.rejected:
        text = f"has turned {one.rejected} connections away since it began (maxclients)"
        yield Finding(WARNING, one.name, text)
    if one.idle_timeout and limits.max_idle and one.idle_timeout < limits.max_idle:
        text = (
            f"closes idle connections after {one.idle_timeout} s, MAX_IDLE is {limits.max_idle:g}"
        )
        yield Finding(WARNING, one.name, text, f"set MAX_IDLE below {one.idle_timeout}")


def _of_latency(one: Facts) -> Iterator[Finding]:
    if one.latency is None:
        return
    if one.latency.median > SLOW:
        text = f"a round trip takes {one.latency.median * 1000:.1f} ms: is it far away?"
        yield Finding(WARNING, one.name, text, "get_many and set_many make one of many")
    elif one.latency.p99 > SLOW_TAIL:
        text = f"one round trip in a hundred takes {one.latency.p99 * 1000:.0f} ms or more"
        yield Finding(INFO, one.name, text, "SLOWLOG GET names commands that keep it busy")


def _of_sentinel(one: Facts, servers: Sequence[Facts]) -> Iterator[Finding]:
    state = one.sentinel
    if one.mode != "sentinel":
        yield Finding(ERROR, one.name, "is in SENTINELS, but no Sentinel")
    elif "error" in state:
        yield Finding(WARNING, one.name, f"does not know the service: {state['error']}")
    else:
        if "no-quorum" in state:
            yield Finding(ERROR, one.name, f"cannot fail over: {state['no-quorum']}")
        if "quorum-unknown" in state:
            text = "does not let this user ask whether a failover is possible"
            yield Finding(WARNING, one.name, text, "ACL SETUSER: +sentinel|ckquorum")
        if state.get("flags", "master") != "master":
            yield Finding(ERROR, one.name, f"finds the primary {state['flags']}")
        named = f"{state.get('ip')}:{state.get('port')}"
        others = {
            f"{other.sentinel.get('ip')}:{other.sentinel.get('port')}"
            for other in servers
            if other.sentinel and "error" not in other.sentinel
        }
        if len(others) > 1:
            yield Finding(WARNING, one.name, f"takes {named} for the primary; others do not")
