"""A visit of the traced demo that nobody has to watch: requests in, traces and metrics out."""

from __future__ import annotations

import json
import secrets
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from demo.expecting import CheckFailed, expect
from demo.visitor import Visitor
from observability import series
from observability.stage import PROCESSES, TracedStage
from observability.traces import Span, drawn, metrics, spans

from cachex_otel import attributes as names
from support.servers import Server
from support.waiting import eventually

ARRIVAL = 20.0
"""Seconds that spans and metrics may take until they have arrived."""
SHARDS = 3

COMPUTED = """\
site SERVER GET price/<slug:name>/
  site INTERNAL get_or_set default
    site CLIENT GET
    site CLIENT SELECT article
    site CLIENT SET
"""
FOUND = """\
site SERVER GET price/<slug:name>/
  site INTERNAL get_or_set default
    site CLIENT GET
"""
MANY = (
    "site SERVER GET prices/\n"
    + ("  site INTERNAL get_many default\n" + "    site CLIENT PIPELINE GET\n" * SHARDS)
    + ("  site INTERNAL set_many default\n" + "    site CLIENT PIPELINE SET\n" * SHARDS)
    + ("  site INTERNAL delete_many default\n" + "    site CLIENT PIPELINE UNLINK\n" * SHARDS)
)
ORDERED = """\
site SERVER GET order/<slug:name>/
  site CLIENT SET
  site CLIENT EVALSHA
  site PRODUCER apply_async/worker.deliver
    worker CONSUMER run/worker.deliver
      worker CLIENT SET
      worker CLIENT EVALSHA
      worker CLIENT GET
"""
CROWD = "site SERVER GET crowd/\n" + "  site CLIENT GET\n" * 4
WRONG = """\
site SERVER GET wrong/
  site CLIENT SET
  site CLIENT LPUSH
"""


class TracedVisitor(Visitor):
    """A visitor whose requests belong to traces that he knows."""

    def __init__(self, stage: TracedStage) -> None:
        super().__init__(stage.url)
        self._received = stage.received

    def trace(self, path: str) -> tuple[str, str]:
        """Ask for a page; return the ids of the trace and of the span that asked."""
        trace, span = secrets.token_hex(16), secrets.token_hex(8)
        request = urllib.request.Request(urllib.parse.urljoin(self.url, path))
        request.add_header("traceparent", f"00-{trace}-{span}-01")
        self._read(request)
        return trace, span

    def draws(self, path: str, expected: str) -> list[Span]:
        """Ask for a page and wait until its trace looks as expected; return its spans."""
        trace, root = self.trace(path)
        seen: list[Span] = []

        def arrived() -> bool:
            seen[:] = spans(self._received, trace)
            return drawn(seen, root) == expected

        try:
            eventually(arrived, ARRIVAL, interval=0.05)
        except AssertionError:
            drawing = drawn(seen, root)
            raise CheckFailed(f"{path}: expected\n\n{expected}\ngot\n\n{drawing}") from None
        expect(len(seen) == expected.count("\n"), f"{path}: no span is lost: {seen}")
        return seen


def check(stage: TracedStage) -> None:
    """Make requests and tasks, look at what arrives; raise CheckFailed unless it is all there."""
    visitor = TracedVisitor(stage)
    parts: list[Callable[[TracedStage, TracedVisitor], str]] = [
        request_cache_database,
        many_keys,
        producer_task_cache,
        errors,
        waiting,
        failover,
        scraped,
        exported,
        existing,
        panels,
        alerts,
    ]
    for part in parts:
        print(f"{part.__doc__:66}", end=" ", flush=True)
        print(part(stage, visitor), flush=True)


def request_cache_database(stage: TracedStage, visitor: TracedVisitor) -> str:
    """A request looks into the cache, then into the database."""
    first = visitor.draws("price/tea/", COMPUTED)
    second = visitor.draws("price/tea/", FOUND)
    results = [span.attributes.get(names.LOOKUP_RESULT) for span in (first[2], second[2])]
    expect(results == [names.MISS, names.HIT], f"the lookups of the two requests: {results}")
    ports = {server.port for server in stage.cluster.servers}
    for span in (first[2], first[4], second[2]):
        expect(span.attributes[names.DB_SYSTEM_NAME] == "redis", f"{span}: {span.attributes}")
        peer = int(str(span.attributes.get(names.NETWORK_PEER_PORT, 0)))
        expect(peer in ports, f"{span} says who has answered: {span.attributes}")
        expect(span.status == "UNSET", f"{span} went well: {span.status}")
    return f"{len(first)} spans, then {len(second)}"


def many_keys(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Many keys at once are one span, with one for each server."""
    found = visitor.draws("prices/", MANY)
    asked = found[1].attributes
    expect(asked[names.KEYS_REQUESTED] in (23, "23"), f"keys requested: {asked}")
    sizes = [int(str(span.attributes[names.DB_OPERATION_BATCH_SIZE])) for span in found[2:5]]
    expect(sum(sizes) == 23, f"the servers' shares: {sizes}")
    return f"{len(found)} spans, servers got {' + '.join(map(str, sizes))} keys"


def producer_task_cache(stage: TracedStage, visitor: TracedVisitor) -> str:
    """A request makes a task; the worker's cache is in its trace."""
    for _ in range(2 * PROCESSES):  # the first ones teach servers and processes the script
        visitor.trace("order/tea/")
    found = visitor.draws("order/tea/", ORDERED)
    services = [span.service for span in found]
    return f"{services.count('site')} spans of the site, {services.count('worker')} of the worker"


def errors(stage: TracedStage, visitor: TracedVisitor) -> str:
    """A command that the server refuses is an error, without its words."""
    refused = visitor.draws("wrong/", WRONG)[-1]
    told = refused.attributes
    expect(refused.status == "ERROR", f"{refused}: {refused.status}")
    expect(told[names.ERROR_TYPE] == "WRONGTYPE", f"{refused}: {told}")
    expect("text" not in json.dumps(told), f"neither keys nor values are told: {told}")
    return str(told[names.ERROR_TYPE])


def waiting(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Threads are part of the request, served or not."""
    found = visitor.draws("crowd/", CROWD)
    failed = [span.attributes[names.ERROR_TYPE] for span in found[1:] if span.status == "ERROR"]
    expect(failed == ["cachex_pool.PoolTimeout"] * 2, f"two are not served: {failed}")
    return f"{len(failed)} in vain"


def failover(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Another server becomes primary, and connections break."""
    for shard in range(SHARDS):
        stage.cluster.failover(shard)
        visitor.trace("prices/")
        visitor.trace("order/tea/")
    cut_off(stage.cluster.primaries[0], visitor)

    def seen() -> bool:
        return bool(value(stage, "sum(cachex_failovers_total)"))

    eventually(seen, ARRIVAL, interval=0.2, what="the failovers in Prometheus")
    return f"{value(stage, 'sum(cachex_failovers_total)'):.0f} seen by all processes together"


def cut_off(server: Server, visitor: TracedVisitor) -> None:
    """Close a connection while its reply is waited for: what was asked is sent again."""

    def waits() -> bool:
        return any("b" in client["flags"] for client in server.clients())

    server.command("CLIENT", "PAUSE", 60_000, "WRITE")
    with ThreadPoolExecutor(1) as thread:
        try:
            request = thread.submit(visitor.trace, "prices/")
            eventually(waits, ARRIVAL, what=f"a request that waits for {server}")
            server.kill_clients()
        finally:
            server.command("CLIENT", "UNPAUSE")
        request.result()


def scraped(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Prometheus scrapes the site and every process of the worker."""

    def up() -> bool:
        found = {one["metric"]["instance"]: one for one in ask(stage, "up == 1")}
        services = {name: one["metric"]["service"] for name, one in found.items()}
        return services == stage.scraped()

    eventually(up, ARRIVAL, interval=0.2, what="every process being scraped")
    services = sorted(stage.scraped().values())
    expect(services == ["site", *["worker"] * PROCESSES], f"scraped: {services}")
    return ", ".join(services)


def exported(stage: TracedStage, visitor: TracedVisitor) -> str:
    """The OTLP receiver gets the metrics of both, too."""
    both = {
        (service, metric.name)
        for service in ("site", "worker")
        for metric in (names.OPERATION_DURATION, names.CONNECTION_COUNT, names.LOOKUPS)
    }
    eventually(
        lambda: both <= metrics(stage.received), ARRIVAL, interval=0.2, what=f"{both} at OTLP's"
    )
    got = metrics(stage.received)
    of = {service: sum(1 for one, _ in got if one == service) for service in ("site", "worker")}
    return f"{of['site']} of the site, {of['worker']} of the worker"


def existing(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Every series that dashboard and alerts read exists."""
    wanted = {
        name for _, query in series.panels() + series.alerts() for name in series.metrics_of(query)
    }
    missing: set[str] = set()

    def all_there() -> bool:
        missing.clear()
        missing.update(name for name in wanted if not ask(stage, f"count({name})"))
        return not missing

    try:
        eventually(all_there, ARRIVAL, interval=0.5)
    except AssertionError:
        raise CheckFailed(f"Prometheus has no series {', '.join(sorted(missing))}") from None
    return f"{len(wanted)} series"


def panels(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Every panel of the dashboard has something to show."""
    queries = series.panels()
    for title, query in queries:
        filled = query.replace("$__rate_interval", "1m").replace("$service", ".*")
        eventually(
            partial(ask, stage, filled),
            ARRIVAL,
            interval=0.5,
            what=f"the panel {title!r}: {filled}",
        )
    ratio = value(
        stage,
        'sum(cachex_lookups_total{service="site", cachex_lookup_result="hit"})'
        ' / sum(cachex_lookups_total{service="site"})',
    )
    expect(ratio is not None and 0 < ratio < 1, f"the hit ratio: {ratio}")
    return f"{len(queries)} queries; the hit ratio is {ratio:.0%}"


def alerts(stage: TracedStage, visitor: TracedVisitor) -> str:
    """Prometheus evaluates every alert."""

    def rules() -> list[Any]:
        groups = get(f"{stage.prometheus}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    eventually(
        lambda: {rule["health"] for rule in rules()} == {"ok"}, ARRIVAL, what="the alerts' health"
    )
    expected = [name for name, _ in series.alerts()]
    expect([rule["name"] for rule in rules()] == expected, f"the alerts: {rules()}")

    def firing() -> set[str]:
        return {rule["name"] for rule in rules() if rule["state"] == "firing"}

    wanted = {"CacheFailover", "CacheCallersWaitInVain"}
    eventually(lambda: wanted <= firing(), ARRIVAL, interval=0.2, what=f"{wanted} firing")
    return f"{len(expected)} rules; firing: {', '.join(sorted(firing()))}"


# Asking Prometheus


def get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.load(answer)


def ask(stage: TracedStage, query: str) -> list[Any]:
    """Return what a query finds; its error, if it is wrong, is raised by urllib."""
    words = urllib.parse.urlencode({"query": query})
    found: list[Any] = get(f"{stage.prometheus}/api/v1/query?{words}")["data"]["result"]
    return found


def value(stage: TracedStage, query: str) -> float | None:
    """Return the one number that a query finds, None if it finds nothing."""
    found = ask(stage, query)
    return float(found[0]["value"][1]) if found else None
