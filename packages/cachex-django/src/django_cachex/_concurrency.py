"""What differs between threads and event loops, and what a fork leaves behind."""

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async


class ForkSafeLock:
    """
    A lock that a forked child finds open.

    The thread that held it in the parent does not exist in the child, so nobody there
    would ever open it again. Its own thread may take it again: a CONNECTION_FACTORY may use
    another cache.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()


_locks: "weakref.WeakSet[ForkSafeLock]" = weakref.WeakSet()


def _in_child() -> None:
    for lock in list(_locks):
        lock._renew()


os.register_at_fork(after_in_child=_in_child)


def encoded(encode: Callable[[Any], Any], value: Any) -> Any:
    """Raise the error that is being handled: who is not awaited cannot leave the event loop."""
    raise


async def async_encoded(encode: Callable[[Any], Any], value: Any) -> Any:
    """Encode a value outside the event loop, where Django lets it ask the database."""
    return await sync_to_async(encode)(value)
