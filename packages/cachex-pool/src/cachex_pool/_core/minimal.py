"""Which servers are greeted with the minimal handshake, as they hang up on the full one."""

from collections.abc import Hashable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 60.0
"""Seconds for which a server gets the minimal handshake before the full one is tried again."""
MAX_PAUSE = 3600.0
"""The same for one that hung up again and again: each time the pause is twice as long."""
IN_VAIN = 1.0
"""Seconds for which the minimal handshake is not tried after the server hung up on that, too."""
REMEMBERED = 1024
"""Servers that are remembered at most."""


class MinimalHandshakes:
    """
    What became of handshakes, by server.

    A server that restarts hangs up as a proxy does that knows no HELLO, so that the full handshake
    is tried again after a while: it may be known by then.
    """

    def __init__(self) -> None:
        self._until: dict[Hashable, tuple[float, float]] = {}
        self._in_vain: dict[Hashable, float] = {}
        self._tried_until: dict[Hashable, float] = {}

    def wanted(self, server: Hashable, now: float) -> bool:
        """Tell whether a server gets the minimal handshake at once."""
        found = self._until.get(server)
        return found is not None and now < found[0]

    def may_try(self, server: Hashable, now: float, until: float) -> bool | None:
        """
        Say whether the minimal handshake may work after a hang-up on the full one.

        None while another caller finds that out. Who is told to try has until `until`, and calls
        `tried` after `worked` or `hung_up`.
        """
        if now < self._in_vain.get(server, now):
            return False
        if self.wanted(server, now):
            return True
        others = self._tried_until.setdefault(server, until)
        if others is not until and now < others:
            return None
        self._tried_until[server] = until
        return True

    def tried(self, server: Hashable) -> None:
        """Let others try, or use what was found out."""
        self._tried_until.pop(server, None)

    def worked(self, server: Hashable, now: float) -> None:
        """Note that the minimal handshake worked right after a hang-up on the full one."""
        _, pause = self._until.get(server, (0.0, FIRST_PAUSE / 2))
        pause = min(2 * pause, MAX_PAUSE)
        _note(self._until, server, (now + pause, pause))
        self._in_vain.pop(server, None)

    def hung_up(self, server: Hashable, now: float) -> None:
        """Note that the server hung up on the minimal handshake."""
        self._until.pop(server, None)
        _note(self._in_vain, server, now + IN_VAIN)

    def greeted(self, server: Hashable) -> None:
        """Note that the full handshake worked."""
        if self._until or self._in_vain:
            self._until.pop(server, None)
            self._in_vain.pop(server, None)


def _note(notes: dict[Hashable, T], server: Hashable, what: T) -> None:
    if len(notes) >= REMEMBERED:
        notes.clear()
    notes[server] = what
