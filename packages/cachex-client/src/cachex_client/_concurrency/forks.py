"""What a child process has to forget, and the lock that survives a fork."""

import _thread
import os
import weakref
from typing import Any

_forkable: "weakref.WeakSet[Any]" = weakref.WeakSet()


def on_fork(one: Any) -> None:
    """Have `one.after_fork()` called in child processes, for as long as there is such an object."""
    _forkable.add(one)


class StateLock(_thread.RLock):  # type: ignore[misc]  # final in the stubs alone
    """
    A lock for what threads and loops share; held for moments, never over a wait.

    No Python runs when it is taken and given back: a signal handler that raises right then
    would leave it taken for ever.
    """

    def __init__(self) -> None:
        on_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process: who held it there is not here to free it."""
        self._at_fork_reinit()  # type: ignore[attr-defined]


def _in_child() -> None:
    for one in list(_forkable):
        one.after_fork()


os.register_at_fork(after_in_child=_in_child)
