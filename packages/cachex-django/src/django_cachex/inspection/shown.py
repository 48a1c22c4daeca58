"""Reports as text for people; pure."""

from collections.abc import Iterator, Sequence

import attrs

from cachex_pool import PoolStats
from django_cachex.inspection.advice import SLOTS, Finding
from django_cachex.inspection.facts import Facts
from django_cachex.inspection.report import Report
from django_cachex.inspection.tables import amount, milliseconds, share, table

CHECKED = ("server", "role", "runs", "median", "p99", "clients", "memory", "policy", "behind")
COUNTED = ("server", "role", "keys", "hits", "misses", "hit rate", "evicted", "expired")
LOAD = ("server", "commands/s", "hits/s", "misses/s", "memory", "clients", "blocked")
POOLS = ("pool of this process", "open", "idle", "lent", "waiting", "most", "uses", "breaker")


def heading(report: Report) -> str:
    """Return the line above a report."""
    kind = f", {report.kind}" if report.kind else ""
    if report.slots is not None:
        kind += f" with {report.slots} of {SLOTS} slots served"
    return f"{report.alias}{kind}: {report.name}" if report.name else f"{report.alias}{kind}"


def check_table(report: Report) -> list[str]:
    """Return what was found at each server."""
    return table(CHECKED, map(_checked, report.servers))


def _checked(one: Facts) -> Sequence[str]:
    if one.error:
        return (one.name, one.expected_role, "does not answer", "", "", "", "", "", "")
    if one.untold:
        median = milliseconds(one.latency.median) if one.latency else ""
        p99 = milliseconds(one.latency.p99) if one.latency else ""
        return (one.name, one.expected_role, "answers; no INFO", median, p99, "", "", "", "")
    limit = amount(one.max_memory) if one.max_memory else "no limit"
    return (
        one.name,
        one.role,
        one.product,
        milliseconds(one.latency.median) if one.latency else "",
        milliseconds(one.latency.p99) if one.latency else "",
        f"{one.clients} of {one.max_clients}" if one.max_clients else "",
        "" if one.role == "sentinel" else f"{amount(one.memory)} of {limit}",
        one.policy,
        f"{one.behind} B" if one.role == "replica" else "",
    )


def findings(found: Sequence[Finding]) -> Iterator[tuple[str, list[str]]]:
    """Yield level and lines of what was found; what is so at several servers is told once."""
    places: dict[Finding, list[str]] = {}
    for one in found:
        places.setdefault(attrs.evolve(one, where=""), []).append(one.where)
    for one, where in places.items():
        number = f" ({one.id})" if one.id else ""
        lines = [f"  {one.level}: {', '.join(where)}: {one.text}{number}"]
        yield one.level, [*lines, f"      {one.hint}"] if one.hint else lines


def stats_tables(report: Report, earlier: Report | None, seconds: float) -> list[str]:
    """Return the counters of each server, its load since the earlier report, and the pools."""
    servers = [one for one in report.servers if one.expected_role != "sentinel"]
    before = {one.name: one for one in earlier.servers} if earlier is not None else {}
    load = [_load(one, before.get(one.name), seconds) for one in servers]
    lines = [*table(COUNTED, map(_counted, servers)), "", *table(LOAD, load)]
    pools = [_pool(one) for one in report.pools]
    return [*lines, "", *table(POOLS, pools)] if pools else lines


def _counted(one: Facts) -> Sequence[str]:
    if one.error:
        return (one.name, "does not answer", "", "", "", "", "", "")
    if one.untold:
        return (one.name, "answers; no INFO", "", "", "", "", "", "")
    return (
        one.name,
        one.role,
        ", ".join(f"db{db}: {count}" for db, count in sorted(one.keys.items())) or "none",
        str(one.hits),
        str(one.misses),
        share(one.hits, one.hits + one.misses),
        str(one.evicted),
        str(one.expired),
    )


def _load(one: Facts, before: Facts | None, seconds: float) -> Sequence[str]:
    if one.error or one.untold:
        return (one.name, "", "", "", "", "", "")

    def rate(name: str) -> str:
        if before is None or before.error or before.untold or seconds <= 0:
            return ""
        return f"{max(0, getattr(one, name) - getattr(before, name)) / seconds:.0f}"

    limit = f" of {amount(one.max_memory)}" if one.max_memory else ""
    return (
        one.name,
        rate("commands") or str(one.per_second),
        rate("hits"),
        rate("misses"),
        f"{amount(one.memory)}{limit}",
        f"{one.clients} of {one.max_clients}" if one.max_clients else str(one.clients or ""),
        str(one.blocked_clients),
    )


def _pool(one: PoolStats) -> Sequence[str]:
    numbers = (one.size, one.idle, one.lent, one.waiting, one.max_size, one.uses)
    return (one.name, *map(str, numbers), one.breaker)
