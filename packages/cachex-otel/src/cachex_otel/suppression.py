"""The keys by which others ask for silence: exporters, and other instrumentations."""

from opentelemetry import context
from opentelemetry.context import Context

PLAIN = "suppress_instrumentation"
# The SDK's exporters use this one, instrumentations of before 2024 the other.
MADE = str(getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", PLAIN))


def is_suppressed(current: Context) -> bool:
    """Say whether nothing is to be told of what happens in this context."""
    return bool(current.get(MADE) or current.get(PLAIN))
