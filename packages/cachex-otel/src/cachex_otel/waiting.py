"""What listens while there is nobody to report to."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from cachex_client import ClientObserver, Sent

LOOK_EVERY = 0.1
"""Seconds between looks for a provider that was not there yet."""


class Waiting(ClientObserver):
    """
    Stands in for `Telemetry` until there is somebody to report to.

    It hears of wire operations alone, and looks at the clock. `look` returns who listens now.
    """

    def __init__(self, look: Callable[[], ClientObserver | None]) -> None:
        self._look = look
        self._look_at = 0.0
        self._instead: ClientObserver | None = None

    def look_again(self) -> None:
        """Look for providers at the next call."""
        self._look_at = 0.0

    def asleep(self) -> bool:
        return monotonic() < self._look_at

    def sending(self, sent: Sent) -> Any:
        if self.asleep():  # it is not asked where others listen too
            return None
        self._look_at = monotonic() + LOOK_EVERY
        self._instead = self._look()
        return None if self._instead is None else self._instead.sending(sent)

    def settled(self, sent: Sent, token: Any) -> None:
        if self._instead is not None:
            self._instead.settled(sent, token)
