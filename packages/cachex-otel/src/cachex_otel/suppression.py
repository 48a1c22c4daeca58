"""The keys by which others ask for silence: exporters, and other instrumentations."""

from opentelemetry import context
from opentelemetry.context import Context

_KEYS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            # The SDK's exporters set the first one, instrumentations of before 2024 the second.
            str(getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")),
            "suppress_instrumentation",
        )
    )
)


def is_suppressed(current: Context) -> bool:
    """Say whether nothing is to be told of what happens in this context."""
    # Hardly ever is there anything but a span in a context.
    if len(current) < 2:
        return any(key in current for key in _KEYS) and any(current.get(key) for key in _KEYS)
    return any(current.get(key) for key in _KEYS)
