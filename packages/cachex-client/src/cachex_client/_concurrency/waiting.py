"""Waiting, and who it is that waits."""

import asyncio
import contextvars
import math
import threading
import weakref
from itertools import count
from typing import Any

last_write: contextvars.ContextVar[float] = contextvars.ContextVar(
    "cachex_last_write", default=-math.inf
)
"""When the running thread or task last wrote; a task starts with what its parent knew.

Never is not 0: that is when the machine was started, which may be a minute ago.
"""


async def async_sleep(seconds: float) -> None:
    """Pause the running task."""
    await asyncio.sleep(seconds)


_numbers = count(1)


class _OfThread(threading.local):
    """What each thread has for itself."""

    def __init__(self) -> None:
        self.number = next(_numbers)


_of_thread = _OfThread()
_of_tasks: "weakref.WeakKeyDictionary[Any, int]" = weakref.WeakKeyDictionary()


def identity() -> int:
    """Return the running thread's number, which no other gets, not even when it has ended."""
    return _of_thread.number


def async_identity() -> int:
    """Return the running task's number, which no other gets, not even when it has ended."""
    task = asyncio.current_task()
    return _of_tasks.get(task, 0) or _of_tasks.setdefault(task, next(_numbers))


class Local(threading.local):
    """A value of its own for each thread, None at first."""

    value: Any = None


class AsyncLocal:
    """A value of its own for each task, None at first; it ends with the task."""

    def __init__(self) -> None:
        self._values: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    @property
    def value(self) -> Any:
        task = _running_task()
        return None if task is None else self._values.get(task)

    @value.setter
    def value(self, value: Any) -> None:
        task = _running_task()
        if task is not None:
            self._values[task] = value


def _running_task() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None


def place() -> object:
    """Return what those have in common who may wait for each other: threads, all of them."""
    return None


def async_place() -> object:
    """Return what those have in common who may wait for each other: tasks, their loop."""
    return asyncio.get_running_loop()


class Arrival:
    """Something that several threads wait for.

    A lock that is closed until then, as no signal handler that raises can leave that half done.
    """

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()

    def come(self) -> None:
        """Let all who wait go on, one after the other."""
        try:
            self._gate.release()
        except RuntimeError:  # it is open already
            return

    def wait(self, seconds: float) -> None:
        """Return when it has come, or after so many seconds."""
        if self._gate.acquire(timeout=max(0.0, seconds)):
            self.come()


class AsyncArrival:
    """Something that several tasks of one loop wait for."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def come(self) -> None:
        """Let all who wait go on."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when it has come, or after so many seconds."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        except TimeoutError:
            return


def know_servers(backing: Any) -> None:
    """Have a client find its servers, if it does not know them."""
    backing.ready()


def async_know_servers(backing: Any) -> None:
    """Leave it at what a client knows: a property cannot wait."""
