"""When to give a node up for a moment, and when to try again."""

import attrs

from cachex_pool._core.backoff import equal_jitter
from cachex_pool.options import BreakerOptions

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"

LEAST_PAUSE = 0.25
"""Share of `open_for` that lies at least between the end of one probe and the next one."""


@attrs.define(eq=False)
class Breaker:
    """
    Counts failures of one node: connect failures and timeouts, nothing else.

    While it is open nobody gets through; then one probe at a time does. A probe that never
    reports (its caller was killed) gives way to another once it had its time.
    """

    options: BreakerOptions
    consecutive: int = 0
    state: str = CLOSED
    last_error: Exception | None = None
    _trips: int = 0
    _until: float = 0.0
    _probed_at: float | None = None  # None: no probe is under way
    _timed_out: bool = False  # a call, since the node answered last
    _dial_failed: bool = False  # since the node answered last
    _window_start: float = 0.0
    _window_failures: int = 0
    _window_uses: int = 0

    @property
    def closed(self) -> bool:
        """Whether everybody gets through."""
        return self.state == CLOSED

    @property
    def suspects(self) -> bool:
        """Whether a call timed out and nothing was heard of the node since."""
        return self._timed_out and self.options.enabled

    def lets_through(self, now: float, lasting: float = 1.0) -> bool:
        """
        Say whether a caller may try; if the breaker was open, that caller is the probe.

        `lasting` is the number of seconds that a probe may take.
        """
        if self.state == CLOSED:
            return True
        if now < self._until:
            return False
        self.state = HALF_OPEN
        self._probed_at = now
        self._until = now + max(self.options.open_for, lasting)
        return True

    def remaining(self, now: float) -> float:
        """Return the seconds until the next probe may go."""
        return max(0.0, self._until - now) if self.state != CLOSED else 0.0

    def succeeded(self) -> bool:
        """Note that the node answered; True if that closed the breaker."""
        reopened = self.state != CLOSED
        self.consecutive = self._trips = 0
        self._timed_out = self._dial_failed = False
        self.state = CLOSED
        self._probed_at = None
        if reopened:
            self._window_failures = 0
        return reopened

    def failed(
        self,
        error: Exception,
        now: float,
        uses: int,
        chance: float,
        *,
        times: int = 1,
        dial: bool = False,
    ) -> bool:
        """
        Note connect failures or timeouts; True if they opened the breaker.

        `uses` is how often connections were lent so far; `chance`, from 0 to 1, is the jitter;
        `times` is how many callers saw this failure; `dial` tells a failed connect from a call
        that timed out.
        """
        self.last_error = error
        self.consecutive += times
        self._dial_failed |= dial
        self._timed_out |= not dial
        if now - self._window_start > self.options.window:
            self._window_start, self._window_failures, self._window_uses = now, 0, uses
        self._window_failures += times
        if not self.options.enabled or not self._too_many(uses):
            return False
        if self.state == OPEN:
            return False  # a straggler from before it opened
        pause = equal_jitter(self._trips, self.options.open_for, self.options.max_open_for, chance)
        until = now + pause
        if self._probed_at is not None:
            # The time that the probe took is a part of the pause: a node that hangs is looked at
            # as often as one that refuses connections.
            until = max(self._probed_at + pause, now + self.options.open_for * LEAST_PAUSE)
        self.state, self._until, self._probed_at = OPEN, until, None
        self._trips += 1
        return True

    def _too_many(self, uses: int) -> bool:
        if self.state == HALF_OPEN or self.consecutive >= self.options.failures:
            return True
        if self._timed_out and self._dial_failed:  # silent twice, on two connections
            return True
        total = max(uses - self._window_uses, self._window_failures)
        return total >= self.options.volume and (
            self._window_failures >= total * self.options.ratio
        )
