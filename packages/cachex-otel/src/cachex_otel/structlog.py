"""Trace and span in structlog's events."""

from collections.abc import MutableMapping
from typing import Any

from opentelemetry.trace import get_current_span


def add_trace_context(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """
    Add `trace_id`, `span_id` and `trace_flags` of the current span, in hex as W3C writes them.

    A processor for `structlog.configure(processors=[...])`; without a span nothing is added.
    """
    span = get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = format(span.trace_id, "032x")
        event["span_id"] = format(span.span_id, "016x")
        event["trace_flags"] = format(span.trace_flags, "02x")
    return event
