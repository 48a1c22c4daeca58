"""A lock that a forked child finds open; nothing else here may import `threading`."""

import os
import threading
from collections.abc import Callable


class StateLock:
    """Held for moments; made anew in a child process, where nobody is left to free it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def after_fork(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def in_every_child(work: Callable[[], None]) -> None:
    """Have this called in every process that is forked from this one, for ever."""
    os.register_at_fork(after_in_child=work)
