"""Turning telemetry on and off, for the whole process."""

from typing import Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

import cachex_client
import cachex_pool
from cachex_client import ClientObserver
from cachex_otel.observer import Telemetry
from cachex_otel.options import TelemetryOptions
from cachex_otel.pools import FullPoolTelemetry, PoolTelemetry
from cachex_otel.providers import (
    global_meter_provider,
    global_tracer_provider,
    meters_of,
    reset_counts,
    tracer_of,
)
from cachex_otel.waiting import Waiting
from cachex_pool.forks import StateLock, in_this_process, register

_lock = StateLock()
_running: "Instrumentation | None" = None


class Instrumentation:
    """Our observers, and the providers they report to as soon as there are some."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        options: TelemetryOptions,
    ) -> None:
        self.asked = (tracer_provider, meter_provider, options)
        self._tracer_provider, self._meter_provider = tracer_provider, meter_provider
        self._wants_spans = options.spans != "off"
        self._wants_metrics = options.metrics != "off"
        self._on_pools = FullPoolTelemetry if options.metrics == "full" else PoolTelemetry
        self._pools: PoolTelemetry | None = None
        self._telemetry = Telemetry(options, self.look)
        self._waiting = Waiting(self._awake)
        self._listening: ClientObserver | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to listen, or to wait for somebody to report to."""
        self.look()

    def stop(self) -> None:
        """Stop listening; what is under way is still told to the end."""
        self._stopped = True
        self._listen(None)
        if self._pools is not None:
            cachex_pool.unobserve(self._pools)
        if self._telemetry.meters is not None:
            self._telemetry.meters.active = False
        self._telemetry.tracer = self._telemetry.meters = None

    def look(self) -> bool:
        """Take the providers that have come; return whether one may still come."""
        with in_this_process(_lock):
            if self._stopped:
                return False
            if self._wants_spans:
                self._wants_spans = not self._found_tracer()
            if self._wants_metrics:
                self._wants_metrics = not self._found_meters()
            wants = self._wants_spans or self._wants_metrics
            if self._telemetry.live:
                self._listen(self._telemetry)
            else:
                self._listen(self._waiting if wants else None)
            return wants

    def look_again(self) -> None:
        """Look at the next call, in a child process that may have got providers of its own."""
        self._telemetry.look_again()
        self._waiting.look_again()

    def _awake(self) -> ClientObserver | None:
        self.look()
        return self._telemetry if self._telemetry.live else None

    def _listen(self, listener: ClientObserver | None) -> None:
        """Have this observer hear of clients, and not the one of before."""
        before, self._listening = self._listening, listener
        if before is listener:
            return
        if listener is not None:
            cachex_client.observe(listener)
        if before is not None:
            cachex_client.unobserve(before)

    def _found_tracer(self) -> bool:
        provider = self._tracer_provider or global_tracer_provider()
        if provider is None:
            return False
        self._telemetry.tracer = tracer_of(provider, _version())
        return True

    def _found_meters(self) -> bool:
        provider = self._meter_provider or global_meter_provider()
        if provider is None:
            return False
        meters = self._telemetry.meters = meters_of(provider, _version())
        if meters is not None:
            meters.active = True
            self._pools = self._on_pools(meters)
            cachex_pool.observe(self._pools)
        return True


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Any,
) -> None:
    """
    Make spans and metrics of what all clients, caches and pools of this process do.

    Without providers the global ones are used; if they are set later, they are found within a tenth
    of a second, and until then nothing is told. `options` are those of `TelemetryOptions`.

    To call it again with the same arguments changes nothing; with others, they replace
    those of before. Raises TypeError for an unknown option, ValueError for a wrong value.
    """
    global _running
    made = Instrumentation(tracer_provider, meter_provider, TelemetryOptions.of(options))
    with in_this_process(_lock):
        if _running is not None:
            if _running.asked == made.asked:
                return
            _running.stop()
            _running = None
        made.start()
        _running = made


def uninstrument() -> None:
    """Tell nothing any more; calls then cost what they cost before `instrument`."""
    global _running
    with in_this_process(_lock):
        if _running is not None:
            _running.stop()
            _running = None


def is_instrumented() -> bool:
    """Say whether `instrument` is in force."""
    return _running is not None


def _version() -> str:
    from cachex_otel import __version__  # here, because that module imports this one

    return __version__


class _InChild:
    def after_fork(self) -> None:
        """Count from nothing in a child process, and look for providers that it has of its own."""
        reset_counts()
        if _running is not None:
            _running.look_again()


_in_child = _InChild()
register(_in_child)
