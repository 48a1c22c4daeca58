"""When to give a node up for a moment, and when to try again."""

import attrs

from cachex_pool._core.backoff import equal_jitter
from cachex_pool.options import BreakerOptions

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


@attrs.define(eq=False)
class Breaker:
    """
    Counts failures of one node: connect failures and timeouts, nothing else.

    While it is open nobody gets through; then one probe at a time does. A probe that
    never reports (its caller was killed) gives way to another after `open_for`.
    """

    options: BreakerOptions
    consecutive: int = 0
    state: str = CLOSED
    last_error: Exception | None = None
    _trips: int = 0
    _until: float = 0.0
    _window_start: float = 0.0
    _window_failures: int = 0
    _window_uses: int = 0

    def lets_through(self, now: float) -> bool:
        """Say whether a caller may try; if the breaker was open, that caller is the probe."""
        if self.state == CLOSED:
            return True
        if now < self._until:
            return False
        self.state = HALF_OPEN
        self._until = now + max(self.options.open_for, 1.0)
        return True

    def remaining(self, now: float) -> float:
        """Return the seconds until the next probe may go."""
        return max(0.0, self._until - now) if self.state != CLOSED else 0.0

    def succeeded(self) -> bool:
        """Note that the node answered; True if that closed the breaker."""
        reopened = self.state != CLOSED
        self.consecutive = self._trips = 0
        self.state = CLOSED
        if reopened:
            self._window_failures = 0
        return reopened

    def failed(self, error: Exception, now: float, uses: int, chance: float) -> bool:
        """
        Note a connect failure or a timeout; True if it opened the breaker.

        `uses` is how often connections were lent so far; `chance`, from 0 to 1, is the jitter.
        """
        self.last_error = error
        self.consecutive += 1
        if now - self._window_start > self.options.window:
            self._window_start, self._window_failures, self._window_uses = now, 0, uses
        self._window_failures += 1
        if not self.options.enabled or not self._too_many(uses):
            return False
        if self.state == OPEN and now < self._until:
            return False  # a straggler from before it opened
        pause = equal_jitter(self._trips, self.options.open_for, self.options.max_open_for, chance)
        self.state, self._until = OPEN, now + pause
        self._trips += 1
        return True

    def _too_many(self, uses: int) -> bool:
        if self.state == HALF_OPEN or self.consecutive >= self.options.failures:
            return True
        total = max(uses - self._window_uses, self._window_failures)
        return total >= self.options.volume and (
            self._window_failures >= total * self.options.ratio
        )
