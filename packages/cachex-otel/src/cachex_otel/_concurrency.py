"""A lock that a forked child finds open; nothing else here may import `threading`."""

import os
from _thread import RLock
from collections.abc import Callable


class StateLock(RLock):  # type: ignore[misc]  # final in the stubs alone
    """
    Held for moments; made anew in a child process, where nobody is left to free it.

    What `with` calls of it is C: a signal handler that raises cannot leave it taken.
    """

    def after_fork(self) -> None:
        """Open it in a child process, whoever held it."""
        self._at_fork_reinit()  # type: ignore[attr-defined]


def in_every_child(work: Callable[[], None]) -> None:
    """Have this called in every process that is forked from this one, for ever."""
    os.register_at_fork(after_in_child=work)
