"""Whether a walk with SCAN, HSCAN, SSCAN or ZSCAN still gets anywhere."""

import attrs

from cachex_client.errors import ScanAborted

TURNS = 8
"""So often may the same cursor come again: a server that walks forward gives each only once."""


@attrs.define(eq=False, slots=True)
class ScanProgress:
    """
    What one scan has spent, of all servers that it walks.

    `limit` is how many seconds it may wait for servers in all; the time that its caller takes
    between two steps does not count. A cursor is remembered after 1, 2, 4, 8, ... steps, so that a
    circle of any length is noticed, with no more memory than one cursor.
    """

    limit: float
    spent: float = 0.0
    keys: int = 0
    _server: str = ""
    _steps: int = 0
    _remembered: object = None
    _again: int = 0

    def begin(self, server: str) -> None:
        """Start at a server, whose cursors are its own."""
        self._server, self._steps, self._remembered, self._again = server, 0, None, 0

    def step(self, cursor: object, keys: int, seconds: float) -> None:
        """
        Note a step: the cursor that came of it, how many keys, and how long it took.

        Raises ScanAborted if the scan goes in circles, or has waited too long.
        """
        self.keys += keys
        self.spent += seconds
        self._steps += 1
        if cursor == self._remembered:
            self._again += 1
            if self._again >= TURNS:
                why = f"the cursor {cursor!r} came {self._again} times again"
                raise ScanAborted(self._server, why, self.keys)
        if self._steps & (self._steps - 1) == 0:
            self._remembered, self._again = cursor, 0
        if self.spent > self.limit:
            why = f"its steps took {self.spent:.1f} s, and {self.limit:g} s are allowed"
            raise ScanAborted(self._server, why, self.keys)
