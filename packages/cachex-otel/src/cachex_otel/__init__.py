"""OpenTelemetry traces and metrics for cachex-pool and cachex-client."""

from cachex_otel.instrumentation import instrument, is_instrumented, uninstrument
from cachex_otel.options import TelemetryOptions

__version__ = "0.1.0"

__all__ = ["TelemetryOptions", "instrument", "is_instrumented", "uninstrument"]
