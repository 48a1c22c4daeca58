"""Finding out who receives: the providers given, or the global ones once there are any."""

from weakref import WeakKeyDictionary

from opentelemetry.metrics import MeterProvider, NoOpMeter, get_meter_provider
from opentelemetry.trace import NoOpTracer, Tracer, TracerProvider, get_tracer_provider

from cachex_otel.attributes import SCHEMA_URL, SCOPE
from cachex_otel.metrics import Meters

_APIS_OWN = ("opentelemetry.trace", "opentelemetry.metrics")
"""Where the providers live that stand for none: the API's. An SDK is somewhere else."""

_meters: "WeakKeyDictionary[MeterProvider, Meters]" = WeakKeyDictionary()


def global_tracer_provider() -> TracerProvider | None:
    """Return the process's provider of tracers, None as long as nobody has set one."""
    provider = get_tracer_provider()
    return None if _is_none(provider) else provider


def global_meter_provider() -> MeterProvider | None:
    """Return the process's provider of meters, None as long as nobody has set one."""
    provider = get_meter_provider()
    return None if _is_none(provider) else provider


def tracer_of(provider: TracerProvider, version: str) -> Tracer | None:
    """Return our tracer; None if the provider has only one that does nothing (SDK disabled)."""
    tracer = provider.get_tracer(SCOPE, version, schema_url=SCHEMA_URL)
    return None if isinstance(tracer, NoOpTracer) else tracer


def meters_of(provider: MeterProvider, version: str) -> Meters | None:
    """Return our instruments, the same ones for each call; None if the provider does nothing."""
    known = _meters.get(provider)
    if known is not None:
        return known
    meter = provider.get_meter(SCOPE, version, schema_url=SCHEMA_URL)
    if isinstance(meter, NoOpMeter):
        return None
    made = _meters[provider] = Meters(meter)
    return made


def reset_counts() -> None:
    """Count from nothing, in a child process."""
    for meters in list(_meters.values()):
        meters.counts.reset()


def _is_none(provider: object) -> bool:
    return type(provider).__module__.startswith(_APIS_OWN)
