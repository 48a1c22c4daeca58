"""Traces and metrics of this process: sent with OTLP, and held ready for Prometheus.

The name of the service and the receiver's address come from the environment, under the names that
OpenTelemetry gives them: OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT and others.
"""

import json
import os
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import start_http_server

import cachex_otel


def set_up():
    """Call this once in every process: after the fork where there is one, as SDKs have threads."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    readers = [PrometheusMetricReader(), PeriodicExportingMetricReader(OTLPMetricExporter())]
    metrics.set_meter_provider(MeterProvider(readers))
    cachex_otel.instrument(metrics="full")
    CeleryInstrumentor().instrument()
    server, _ = start_http_server(0, "127.0.0.1")
    _announce(server.server_port)


def _announce(port):
    """Tell Prometheus where this process is: it reads the files of a folder."""
    target = {
        "targets": [f"127.0.0.1:{port}"],
        "labels": {"service": os.environ["OTEL_SERVICE_NAME"]},
    }
    file = Path(os.environ["SHOP_TARGETS"]) / f"{os.getpid()}.json"
    file.with_suffix(".new").write_text(json.dumps([target]))
    file.with_suffix(".new").rename(file)
