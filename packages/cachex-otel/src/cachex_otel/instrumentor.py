"""The class that `opentelemetry-instrument` finds, with or without its package installed."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from cachex_otel.instrumentation import instrument, uninstrument

INSTRUMENTS = ("cachex-client >= 0.1, < 0.2",)

if TYPE_CHECKING:
    BaseInstrumentor: Any
else:
    try:
        from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
    except ImportError:

        class BaseInstrumentor:
            """What is used of the one in opentelemetry-instrumentation, which is not installed."""

            def instrument(self, **options: Any) -> None:
                options.pop("skip_dep_check", None)
                options.pop("raise_exception_on_conflict", None)
                self._instrument(**options)

            def uninstrument(self, **options: Any) -> None:
                self._uninstrument(**options)


class CachexInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`instrument()` and `uninstrument()` with the face that all instrumentations have."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed."""
        return INSTRUMENTS

    def _instrument(self, **options: Any) -> None:
        instrument(**options)

    def _uninstrument(self, **options: Any) -> None:
        uninstrument()
