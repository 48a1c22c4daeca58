"""Whether a walk with SCAN, HSCAN, SSCAN or ZSCAN still gets anywhere."""

from typing import Self

import attrs

from cachex_client.errors import ScanAborted
from cachex_client.options import ClientOptions
from cachex_pool import ProtocolError

TURNS = 8
"""So often may the same cursor come again: a server that walks forward gives each only once."""
BREAKS = 8
"""So many walks that had begun may break off before one is finished: failovers are rarer."""
WALKS = 32
"""So often may a server be walked in one scan, as slots move on or primaries change."""


@attrs.define(eq=False, slots=True)
class ScanProgress:
    """
    What one scan has spent, of all servers that it walks.

    `limit` is how many seconds it may take from `started` on, whatever they are spent on: steps,
    failures, questions, pauses. Only the time that its caller takes between two steps does not
    count: it is to be added to `idle`. `patience` is for how many seconds all may fail. A cursor
    is remembered after 1, 2, 4, 8, ... steps, so that a circle of any length is noticed, with no
    more memory than one cursor.
    """

    limit: float
    patience: float
    started: float
    idle: float = 0.0
    keys: int = 0
    _server: str = ""
    _steps: int = 0
    _remembered: object = None
    _again: int = 0
    _breaks: int = 0
    _failing_since: float | None = None
    _walks: dict[str, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, options: ClientOptions, now: float) -> Self:
        """Return that of a scan that starts now, with the limits of a client."""
        return cls(options.scan_timeout, options.timeout, now)

    def begin(self, server: str, now: float) -> int:
        """
        Start at a server, whose cursors are its own; return how often it was walked before.

        Raises ScanAborted if that was often enough, or the scan has taken too long.
        """
        self._server, self._steps, self._remembered, self._again = server, 0, None, 0
        walks = self._walks.get(server, 0)
        if walks >= WALKS:
            raise self._aborted(f"it was walked {walks} times, and may hold other keys by now")
        self.check(now)
        return walks

    def step(self, cursor: object, keys: int, now: float) -> None:
        """
        Note a step: the cursor that came of it, how many keys.

        Raises ScanAborted if the scan goes in circles, or has taken too long.
        """
        self.keys += keys
        self._steps += 1
        self._failing_since = None
        if cursor == self._remembered:
            self._again += 1
            if self._again >= TURNS:
                shown = repr(cursor)[:40]
                raise self._aborted(f"the cursor {shown} came {self._again} times again")
        if self._steps & (self._steps - 1) == 0:
            self._remembered, self._again = cursor, 0
        self.check(now)

    def finish(self) -> None:
        """Note that the server was walked to its end."""
        self._walks[self._server] = self._walks.get(self._server, 0) + 1
        self._steps = self._breaks = 0

    def fail(self, error: Exception, now: float) -> None:
        """
        Note that the walk of a server ended in an error; return if it may begin again.

        Raises the error, or ScanAborted, if it may not.
        """
        if isinstance(error, ScanAborted | ProtocolError):  # it would say that again
            raise error
        self.check(now)
        self._breaks += self._steps > 0
        self._steps = 0
        if self._breaks > BREAKS:
            raise self._aborted(f"its walk broke off {self._breaks} times") from error
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since > self.patience:
            raise error

    def check(self, now: float) -> None:
        """Raise ScanAborted if the scan has taken too long."""
        if self.is_over(now):
            spent = now - self.started - self.idle
            why = f"its steps took {spent:.1f} s, and {self.limit:g} s are allowed"
            raise self._aborted(why)

    def is_over(self, now: float) -> bool:
        """Say whether the scan has taken too long."""
        return now - self.started - self.idle > self.limit

    def _aborted(self, why: str) -> ScanAborted:
        return ScanAborted(self._server, why, self.keys)
