"""All there is to know about a cache, gathered once, to be shown or to be read by a machine."""

from collections.abc import Callable
from typing import Any

import attrs
from django.core.cache import caches

from cachex_pool import PoolStats
from django_cachex import checks
from django_cachex.core import CacheCore
from django_cachex.inspection import advice, facts, places, probes
from django_cachex.inspection.advice import ERROR, SLOTS, WARNING, Finding
from django_cachex.inspection.facts import Facts


@attrs.frozen(kw_only=True)
class Report:
    """A cache and its servers; `slots` are those that are served. `pools` are of this process."""

    alias: str
    kind: str = ""
    name: str = ""
    slots: int | None = None
    servers: tuple[Facts, ...] = ()
    findings: tuple[Finding, ...] = ()
    pools: tuple[PoolStats, ...] = ()

    def ok(self, *, strict: bool = False) -> bool:
        """Say whether there are no errors, and if `strict` no warnings either."""
        bad = (ERROR, WARNING) if strict else (ERROR,)
        return not any(finding.level in bad for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """Return the report as what JSON knows."""
        told = attrs.asdict(self, value_serializer=_plain)
        return {"ok": self.ok(), **told}


def _plain(_: Any, __: Any, value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def is_ours(alias: str) -> bool:
    """Say whether a cache is one of this package's, also if it cannot be made."""
    return alias in ours() or isinstance(caches[alias], CacheCore)


def ours() -> list[str]:
    """Return the aliases of CACHES that belong to this package, also those that cannot be made."""
    return [alias for alias, _ in checks.own_entries()]


def examine(
    alias: str,
    *,
    samples: int = 0,
    processes: int | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
    look: Callable[..., Facts] = probes.look,
) -> Report:
    """
    Look at settings and servers of a cache; `advance` hears how many of them
    have been looked at.

    Raises nothing that has to do with them: what is wrong is among the findings. `samples` round
    trips to each server are measured; `processes` is how many processes will use the cache.
    """
    settings = [
        Finding(
            ERROR if message.is_serious() else WARNING,
            "settings",
            str(message.msg),
            str(message.hint or ""),
            str(message.id),
        )
        for message in checks.messages_about(alias)
    ]
    try:
        cache: Any = caches[alias]
    except Exception:  # E001 says what it is
        return Report(alias=alias, findings=tuple(settings))
    config = cache._shared.config
    found = places.find(cache.client)
    servers = []
    for place in found.servers:
        servers.append(look(place, config.client, samples=samples))
        advance(len(servers), len(found.servers))
    servers = facts.compared(servers)
    return Report(
        alias=alias,
        kind=found.kind,
        name=config.client.name,
        slots=SLOTS - found.uncovered_slots if found.kind == "cluster" else None,
        servers=tuple(servers),
        findings=(*settings, *advice.findings(config, found, servers, processes)),
        pools=tuple(cache.client.executor.stats()),
    )
