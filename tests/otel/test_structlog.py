"""Trace and span in log events."""

from __future__ import annotations

import re

import structlog
from opentelemetry.trace import format_span_id, format_trace_id

from cachex_otel.structlog import add_trace_context
from otel.receiver import Receiver


def test_an_event_inside_a_span_says_which(receiver: Receiver) -> None:
    with receiver.tracer.start_as_current_span("request") as span:
        event = add_trace_context(None, "info", {"event": "hello"})
    found = span.get_span_context()
    assert event["event"] == "hello"
    assert event["trace_id"] == format_trace_id(found.trace_id)
    assert event["span_id"] == format_span_id(found.span_id)
    assert re.fullmatch("[0-9a-f]{2}", event["trace_flags"])


def test_an_event_outside_is_left_alone() -> None:
    assert add_trace_context(None, "info", {"event": "hello"}) == {"event": "hello"}


def test_structlog_takes_it_for_a_processor(receiver: Receiver) -> None:
    log = structlog.wrap_logger(
        structlog.testing.CapturingLogger(),
        processors=[add_trace_context, structlog.processors.KeyValueRenderer(sort_keys=True)],
    )
    with receiver.tracer.start_as_current_span("request"):
        log.info("hello")
    (call,) = log.calls if hasattr(log, "calls") else log._logger.calls
    assert "trace_id=" in call.args[0]
