"""When those who know the servers say nothing: who still waits for them, and who asks."""

import attrs

LONG = 0.1
"""Seconds without an answer from which on a failure to ask counts as silence."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 1.5


@attrs.define(eq=False)
class Silence:
    """
    What a circuit breaker is to one server, for the Sentinels or the seeds of a service.

    After a question that took long and that nobody answered, callers are not held up any more:
    one of them asks in the background from time to time. A quick failure costs a caller nothing,
    so that each may ask for himself.
    """

    silent: bool = False
    _pause: float = FIRST_PAUSE
    _next: float = 0.0

    def note(self, now: float, took: float, chance: float, *, answered: bool) -> None:
        """Take how a question ended that took so many seconds."""
        self.silent = not answered and took >= LONG
        if not self.silent:
            self._pause = FIRST_PAUSE
            return
        self._next = now + self._pause * (0.75 + 0.5 * chance)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def may_ask(self, now: float) -> bool:
        """Say whether it is time to ask again."""
        return now >= self._next
