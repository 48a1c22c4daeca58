"""When to look at the topology again."""

import attrs

COOLDOWN = 0.2
SPREAD = 1.0
LONGEST = 5.0
PERIOD = 60.0
PERIOD_JITTER = 0.2
GIVEN_UP = 10.0  # a refresh that says nothing for so long died with its thread or loop


@attrs.define(eq=False)
class RefreshSchedule:
    """
    One refresh at a time, not too often, and less often while nothing changes.

    All that happens within the cooldown after a refresh is answered by one more at its end.
    """

    count: int = 0
    unchanged: int = 0  # refreshes in a row that brought nothing new
    due_at: float = float("inf")  # a refresh is wanted, not before this time
    running_since: float | None = None
    changed_at: float = float("-inf")
    _earliest: float = 0.0

    def want(self, now: float, chance: float) -> None:
        """Note a reason to look: the next refresh comes as soon as it may."""
        when = now
        if now < self._earliest:
            when = self._earliest + SPREAD * chance * (self.unchanged > 0)
        self.due_at = min(self.due_at, when)

    def may_start(self, now: float) -> bool:
        """Say whether to refresh now; who is told so has to do it."""
        if now < self.due_at or not self.may_begin(now):
            return False
        self.due_at = float("inf")
        return True

    def may_begin(self, now: float, given_up: float = GIVEN_UP) -> bool:
        """Say whether nobody is at it, whatever the time; who is told so has to do it."""
        if self.running_since is not None and now - self.running_since < given_up:
            return False
        self.running_since = now
        return True

    def left_off(self) -> None:
        """Note that a refresh broke off: it proves nothing, and anybody may begin another."""
        self.running_since = None

    def finished(self, now: float, chance: float, *, changed: bool) -> None:
        """Note the end of a refresh, with or without news."""
        self.count += 1
        self.running_since = None
        self.unchanged = 0 if changed else self.unchanged + 1
        self.changed_at = now if changed else self.changed_at
        pause = COOLDOWN if changed else min(LONGEST, 2.0 ** min(self.unchanged - 1, 10))
        self._earliest = now + pause
        period = PERIOD * (1 + PERIOD_JITTER * (2 * chance - 1))
        self.due_at = now + period if self.due_at == float("inf") else max(self.due_at, now + pause)
