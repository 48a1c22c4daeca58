"""
The semantic conventions for database clients, and our own names, as a table to check against.

Written down a second time on purpose, from the conventions and not from `cachex_otel.attributes`:
what both say is right, and a name that changes has to change twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from otel.receiver import Metric

# name: type
DB: dict[str, type | tuple[type, ...]] = {
    "db.system.name": str,
    "db.operation.name": str,
    "db.namespace": str,
    "db.operation.batch.size": int,
    "db.query.text": str,
    "db.response.status_code": str,
    "db.stored_procedure.name": str,
    "error.type": str,
    "network.peer.address": str,
    "network.peer.port": int,
    "server.address": str,
    "server.port": int,
}
CACHE: dict[str, type | tuple[type, ...]] = {
    "cachex.cache.name": str,
    "cachex.key": str,
    "cachex.key.hash": str,
    "cachex.keys.found": int,
    "cachex.keys.requested": int,
    "cachex.lookup.result": str,
    "cachex.operation.name": str,
    "cachex.redirect.count": int,
    "cachex.retry.count": int,
}
SENTRY: dict[str, type | tuple[type, ...]] = {
    "cache.hit": bool,
    "cache.item_size": int,
    "cache.key": tuple,
    "sentry.op": str,
}
REQUIRED = {"db.system.name", "db.operation.name"}
AT_START = {"db.system.name", "db.operation.name", "db.namespace", "server.address"}
INTERNAL = {
    "cachex.cache.name",
    "cachex.keys.found",
    "cachex.keys.requested",
    "cachex.lookup.result",
    "cachex.operation.name",
    "error.type",
}
RESULTS = {"hit", "miss", "error"}

OF_DURATION = {
    "db.system.name",
    "db.operation.name",
    "db.namespace",
    "db.response.status_code",
    "error.type",
    "network.peer.address",
    "network.peer.port",
    "server.address",
    "server.port",
}
POOL = {"db.client.connection.pool.name"}

# name: kind, unit, required attributes, all attributes
METRICS: dict[str, tuple[str, str, set[str], set[str]]] = {
    "db.client.operation.duration": ("histogram", "s", REQUIRED, OF_DURATION),
    "db.client.connection.create_time": ("histogram", "s", POOL, POOL),
    "db.client.connection.wait_time": ("histogram", "s", POOL, POOL),
    "db.client.connection.use_time": ("histogram", "s", POOL, POOL),
    "db.client.connection.count": (
        "updowncounter",
        "{connection}",
        POOL | {"db.client.connection.state"},
        POOL | {"db.client.connection.state"},
    ),
    "db.client.connection.max": ("updowncounter", "{connection}", POOL, POOL),
    "db.client.connection.idle.max": ("updowncounter", "{connection}", POOL, POOL),
    "db.client.connection.idle.min": ("updowncounter", "{connection}", POOL, POOL),
    "db.client.connection.pending_requests": ("updowncounter", "{request}", POOL, POOL),
    "db.client.connection.timeouts": ("counter", "{timeout}", POOL, POOL),
    "cachex.operation.duration": (
        "histogram",
        "s",
        {"cachex.operation.name"},
        {"cachex.operation.name", "cachex.cache.name", "error.type"},
    ),
    "cachex.lookups": (
        "counter",
        "{key}",
        {"cachex.lookup.result", "cachex.tier"},
        {"cachex.cache.name", "cachex.lookup.result", "cachex.tier"},
    ),
    "cachex.writes": ("counter", "{key}", set(), {"cachex.cache.name"}),
    "cachex.deletes": ("counter", "{key}", set(), {"cachex.cache.name"}),
    "cachex.io": ("counter", "By", {"network.io.direction"}, {"network.io.direction"}),
    "cachex.retries": ("counter", "{retry}", {"cachex.retry.reason"}, {"cachex.retry.reason"}),
    "cachex.redirects": (
        "counter",
        "{redirect}",
        {"cachex.redirect.type"},
        {"cachex.redirect.type"},
    ),
    "cachex.topology.refreshes": (
        "counter",
        "{refresh}",
        {"cachex.refresh.trigger"},
        {"cachex.refresh.trigger", "error.type"},
    ),
    "cachex.topology.node.count": (
        "updowncounter",
        "{node}",
        {"cachex.node.role"},
        {"cachex.node.role"},
    ),
    "cachex.failovers": ("counter", "{failover}", set(), set()),
    "cachex.connection.closes": (
        "counter",
        "{connection}",
        POOL | {"cachex.close.reason"},
        POOL | {"cachex.close.reason"},
    ),
    "cachex.breaker.state": (
        "updowncounter",
        "{pool}",
        POOL | {"cachex.breaker.state"},
        POOL | {"cachex.breaker.state"},
    ),
}


def findings(spans: Iterable[ReadableSpan], metrics: Iterable[Metric]) -> list[str]:
    """Return what is not as the conventions have it."""
    found = [f"{one.name}: {what}" for one in spans for what in _of_span(one)]
    return found + [f"{one.name}: {what}" for one in metrics for what in _of_metric(one)]


def _of_span(span: ReadableSpan) -> Iterator[str]:
    labels = dict(span.attributes or {})
    known = DB | CACHE | SENTRY
    for name, value in labels.items():
        if name not in known:
            yield f"has {name}"
        elif type(value) is not known[name]:
            yield f"{name} is {value!r}"
    if span.events:
        yield "has events"
    if span.status.description:
        yield "has a text for its status"
    if span.status.status_code is StatusCode.OK:
        yield "is OK; success is left unset"
    if (span.status.status_code is StatusCode.ERROR) != ("error.type" in labels):
        yield f"status {span.status.status_code} with error.type {labels.get('error.type')}"
    if labels.get("cachex.lookup.result", "hit") not in RESULTS:
        yield f"result {labels['cachex.lookup.result']}"
    if span.instrumentation_scope is None or not span.instrumentation_scope.schema_url:
        yield "has no schema"
    if span.kind is SpanKind.INTERNAL:
        yield from (f"has {name}" for name in labels.keys() - INTERNAL - SENTRY.keys())
        return
    if span.kind is not SpanKind.CLIENT:
        yield f"is {span.kind}"
    yield from (f"lacks {name}" for name in AT_START - labels.keys())
    yield from _of_command(span.name, labels)


def _of_command(name: str, labels: dict[str, Any]) -> Iterator[str]:
    operation = labels.get("db.operation.name", "")
    if not name.startswith(operation) or len(name) > 40:
        yield f"is not called {operation}"
    if labels.get("db.operation.batch.size") == 1:
        yield "is a batch of one"
    if ("db.operation.batch.size" in labels) != (operation.split()[0] in ("PIPELINE", "MULTI")):
        yield "is a batch by name or by size only"
    if labels.get("server.port") == 6379:
        yield "has the port that is understood"
    if "network.peer.port" in labels and "network.peer.address" not in labels:
        yield "has a port of nobody"
    code = labels.get("db.response.status_code")
    if code is not None and code != labels.get("error.type"):
        yield "has a status code that is not its error.type"


def _of_metric(metric: Metric) -> Iterator[str]:
    if metric.name not in METRICS:
        yield "is not in the table"
        return
    kind, unit, required, allowed = METRICS[metric.name]
    if (metric.kind, metric.unit) != (kind, unit):
        yield f"is a {metric.kind} of {metric.unit}"
    for labels in metric.points:
        names = {name for name, _ in labels}
        if not required <= names <= allowed:
            yield f"has {sorted(names)}"
    if kind == "histogram":
        bounds = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
        for point in metric.points.values():
            if not bounds <= set(point.explicit_bounds):
                yield f"has the buckets {point.explicit_bounds}"
