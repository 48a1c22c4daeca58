"""OpenTelemetry for cachex: traces and metrics of cachex-pool and cachex-client."""

__version__ = "0.1.0"
