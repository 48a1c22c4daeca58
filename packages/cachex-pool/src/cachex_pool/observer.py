"""The seam for metrics and tracing: the pool tells, observers listen."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cachex_pool.endpoint import Endpoint


class PoolObserver:
    """
    Override what you want to hear; the rest stays silent.

    Methods are called outside the pool's lock, in the thread or task that caused
    the event, and must neither block nor raise. Times are seconds.
    """

    def opened(self, endpoint: "Endpoint", *, took: float) -> None:
        """Hear of a new connection: dialled, TLS and handshake done."""

    def dial_failed(self, endpoint: "Endpoint", *, took: float, error: Exception) -> None:
        """Hear that no connection could be opened."""

    def closed(self, endpoint: "Endpoint", *, reason: str) -> None:
        """Hear of a connection's end: idle, lifetime, retired, lost, timeout, error, ..."""

    def acquired(self, endpoint: "Endpoint", *, waited: float) -> None:
        """Hear that somebody got a connection after queueing."""

    def released(self, endpoint: "Endpoint", *, used: float) -> None:
        """Hear that somebody gave a connection back."""

    def timed_out(self, endpoint: "Endpoint", *, waited: float) -> None:
        """Hear that somebody waited in vain."""

    def breaker_changed(self, endpoint: "Endpoint", *, state: str) -> None:
        """Hear that the breaker is now "closed", "open" or "half-open"."""

    def leaked(self, endpoint: "Endpoint", *, owner: str, lent_for: float) -> None:
        """Hear of a connection that has been lent for longer than `leak_after`."""
