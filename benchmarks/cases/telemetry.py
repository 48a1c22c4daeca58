"""What telemetry adds to a call: ours, and what there is for redis-py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import repeat
from typing import Any

import redis
from attrs import evolve
from ground import HOST, Ground
from measure import Case, Contender, Entrant, contender

KEY = "bench:telemetry"
STORED = b"v" * 100
TURNS = 1000

Around = Callable[[], AbstractContextManager[object]]

MODES = ("no provider", "sampled out", "spans", "metrics", "spans + metrics")


def look(ground: Ground) -> Case:
    """Look whether anybody observes: all that a call costs more as long as nobody does."""
    return Case(
        name="telemetry-look",
        title="see that nobody observes, 1,000 times",
        entrants=[Entrant("cachex", _look), Entrant("nothing", _nothing)],
        over={"cachex": "nothing"},
        rounds=51,
        seconds=0.005,
    )


def inside(ground: Ground) -> Case:
    """GET through a client whose server answers at once: what is measured is all our own."""
    return Case(
        name="telemetry-inside",
        title="GET through a client whose server answers at once",
        entrants=_in_all_modes(_answered),
        expected=STORED,
        over=dict.fromkeys(MODES, "cachex"),
        rounds=101,
        seconds=0.005,
    )


def get(ground: Ground) -> Case:
    """GET of 100 bytes, with telemetry of every kind and without."""
    with redis.Redis(port=ground.port) as client:
        client.set(KEY, STORED)

    contrib = ("contrib, no provider", "contrib, sampled out", "contrib, spans")
    return Case(
        name="telemetry-get",
        title="GET of 100 bytes with telemetry; spans go through a batch to an exporter of nothing",
        entrants=[
            *_in_all_modes(lambda: _cachex(ground)),
            Entrant("redis-py", lambda: _redis_py(ground)),
            *(Entrant(name, lambda name=name: _contrib(ground, name)) for name in contrib),
            Entrant("redis-py's metrics", lambda: _own_metrics(ground)),
        ],
        expected=STORED,
        over=dict.fromkeys(MODES, "cachex")
        | dict.fromkeys((*contrib, "redis-py's metrics"), "redis-py"),
        rounds=61,
        seconds=0.02,
    )


def _look() -> Contender:
    from cachex_client._audience import audience

    def run(count: int) -> None:
        for _ in repeat(None, count * TURNS):
            if audience.observers:
                raise AssertionError("somebody observes")

    return Contender("cachex", run, lambda: None, weight=TURNS)


def _nothing() -> Contender:
    def run(count: int) -> None:
        for _ in repeat(None, count * TURNS):
            pass

    return Contender("nothing", run, lambda: None, weight=TURNS)


def _answered() -> Contender:
    from cachex_client import DefaultClient, commands

    client = DefaultClient([f"redis://{HOST}:1/0"])
    client._links.primary.call = lambda data, deadline: STORED  # type: ignore[method-assign]
    return _getting(client, commands.get)


def _cachex(ground: Ground) -> Contender:
    from cachex_client import DefaultClient, commands

    client = DefaultClient([ground.url])
    ground.closing.callback(client.close)
    return _getting(client, commands.get)


def _getting(client: Any, make: Callable[[bytes], Any]) -> Contender:
    key, execute = KEY.encode(), client.execute

    def run(count: int) -> None:
        for _ in repeat(None, count):
            execute(make(key))

    return Contender("cachex", run, lambda: execute(make(key)))


def _in_all_modes(make: Callable[[], Contender]) -> Sequence[Entrant]:
    """Return contenders that share a connection: no two are alike to the microsecond."""
    plain = cache(make)
    modes = [
        Entrant(mode, lambda mode=mode: evolve(plain(), name=mode, around=_instrumented(mode)))
        for mode in MODES
    ]
    return [Entrant("cachex", plain), *modes]


def _instrumented(mode: str) -> Around:
    import cachex_otel

    # Without metrics, as another contender may have set a provider of those for the process.
    options: dict[str, Any] = {"metrics": "off"}
    if mode == "sampled out":
        options["tracer_provider"] = _tracers(sampled=False)
    if "spans" in mode:
        options["tracer_provider"] = _tracers(sampled=True)
    if "metrics" in mode:
        options |= {"metrics": "on", "meter_provider": _meters()}
    if mode == "metrics":
        options["spans"] = "off"

    @contextmanager
    def around() -> Iterator[None]:
        cachex_otel.instrument(**options)
        try:
            yield
        finally:
            cachex_otel.uninstrument()

    return around


def _tracers(*, sampled: bool) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Dropping(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    return provider


def _meters() -> Any:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    return MeterProvider([InMemoryMetricReader()])


def _redis_py(ground: Ground, name: str = "redis-py") -> Contender:
    client = redis.Redis(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    return contender(name, client.get, KEY)


def _contrib(ground: Ground, name: str) -> Contender:
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.trace import NoOpTracerProvider

    client = redis.Redis(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    provider: Any = NoOpTracerProvider()
    if "no provider" not in name:
        provider = _tracers(sampled="spans" in name)
    RedisInstrumentor.instrument_client(client, tracer_provider=provider)
    return contender(name, client.get, KEY)


def _own_metrics(ground: Ground) -> Contender:
    """What redis-py measures itself, in all its groups that concern a GET."""
    from opentelemetry import metrics
    from redis.observability import recorder
    from redis.observability.config import MetricGroup, OTelConfig
    from redis.observability.providers import get_observability_instance

    metrics.set_meter_provider(_meters())
    groups = [MetricGroup.COMMAND, MetricGroup.CONNECTION_BASIC, MetricGroup.RESILIENCY]
    get_observability_instance().init(OTelConfig(metric_groups=groups))
    made = _redis_py(ground, "redis-py's metrics")
    made.probe()
    collector: Any = recorder._metrics_collector
    assert collector is not None, "redis-py measures nothing"
    get_observability_instance().shutdown()
    recorder._metrics_collector = None

    @contextmanager
    def around() -> Iterator[None]:
        recorder._metrics_collector = collector
        try:
            yield
        finally:
            recorder._metrics_collector = None

    return evolve(made, around=around)
