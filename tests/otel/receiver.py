"""What arrives at the other end: spans and metrics, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import cachex_otel


@attrs.frozen
class Metric:
    """A metric as it was collected: its points by their attributes, as sorted pairs."""

    name: str
    unit: str
    kind: str
    points: dict[tuple[tuple[str, Any], ...], Any]

    def value(self, **wanted: Any) -> Any:
        """Sum up the points whose attributes are `wanted`; "_" in a name stands for "."."""
        found = [
            point
            for labels, point in self.points.items()
            if all(
                any(name.replace(".", "_") == key and value == v for name, v in labels)
                for key, value in wanted.items()
            )
        ]
        return sum(getattr(one, "count", getattr(one, "value", 0)) for one in found)


class Receiver:
    """Providers of spans and metrics that keep what they get."""

    def __init__(self, **tracing: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(**tracing)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("tests")

    def instrument(self, **options: Any) -> None:
        """Instrument with these providers; whatever was received before is forgotten."""
        cachex_otel.instrument(self.tracers, self.meters, **options)
        self.clear()

    def clear(self) -> None:
        self.exporter.clear()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All spans that ended, in that order."""
        return self.exporter.get_finished_spans()

    @property
    def ours(self) -> list[ReadableSpan]:
        """Those that we made."""
        return [one for one in self.spans if one.instrumentation_scope.name == "cachex_otel"]

    @property
    def span(self) -> ReadableSpan:
        """The only one that we made."""
        (one,) = self.ours
        return one

    def named(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (one,) = [one for one in self.spans if one.name == name]
        return one

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        return [one for one in self.spans if one.parent and one.parent.span_id == id_of(parent)]

    def metrics(self) -> dict[str, Metric]:
        """Collect, and return our metrics by name."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: Metric(metric.name, metric.unit, _kind(metric.data), _points(metric.data))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            if scope.scope.name == "cachex_otel"
            for metric in scope.metrics
        }

    def metric(self, name: str) -> Metric:
        """Collect, and return one; without points if there is none."""
        return self.metrics().get(name) or Metric(name, "", "", {})

    def everything(self) -> str:
        """Return all that was received as text, to look for what must not be in it."""
        spans = [one.to_json() for one in self.spans]
        return "\n".join([*spans, *(repr(one) for one in self.metrics().values())])


@contextmanager
def receiving(**tracing: Any) -> Iterator[Receiver]:
    receiver = Receiver(**tracing)
    try:
        yield receiver
    finally:
        cachex_otel.uninstrument()
        receiver.tracers.shutdown()
        receiver.meters.shutdown()


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def is_client(span: ReadableSpan) -> bool:
    return span.kind is SpanKind.CLIENT


def failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def _kind(data: Any) -> str:
    if hasattr(data, "is_monotonic"):
        return "counter" if data.is_monotonic else "updowncounter"
    return type(data).__name__.lower()


def _points(data: Any) -> dict[tuple[tuple[str, Any], ...], Any]:
    return {tuple(sorted(point.attributes.items())): point for point in data.data_points}


MakeClient = Callable[..., Any]
