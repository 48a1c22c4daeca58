"""Nothing may be left behind: no thread, no file descriptor, no task."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator

from support.processes import the_watchdog
from support.waiting import eventually


def open_files() -> dict[int, str]:
    """Return the open file descriptors and what each is."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    found = {}
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            fd = int(name)
            os.fstat(fd)
            found[fd] = os.readlink(f"{folder}/{name}") if folder != "/dev/fd" else "open"
    return found


@contextlib.contextmanager
def no_leaks(timeout: float = 2.0) -> Iterator[None]:
    """Check that all threads and files that come up in the block are gone soon after it.

    `timeout` is in seconds. Garbage is collected once first, so that what only waits for that is
    not called a leak. Raises AssertionError with what is left.
    """
    the_watchdog()  # Stays until the end, once there.
    threads, files = set(threading.enumerate()), set(open_files().items())
    yield
    gc.collect()

    def left() -> list[object]:
        more_threads = [thread for thread in threading.enumerate() if thread not in threads]
        return [*more_threads, *(item for item in open_files().items() if item not in files)]

    with contextlib.suppress(AssertionError):
        eventually(lambda: not left(), timeout)
    assert not left(), f"left behind: {left()}"


EXECUTOR = "ThreadPoolExecutor-"
"""What threads of executors are called: Django has some, which end when nobody knows them."""

TIMERS = "cachex-pool timers"
"""The thread that closes idle connections: there while any pool of any test has one."""


class LeftOpen:
    """Finds out what a test leaves open, so that this test fails and not a later one.

    Looking for garbage takes too long to do it after each test: it is done if there are other
    threads, open sockets or event loops than before, or a task whose loop is closed. What is found
    then is a ResourceWarning, an error of the test. `asyncio` only logs that a task is forgotten
    while it runs, or that nobody looks at its error: both are kept by `handler`.
    """

    def __init__(self) -> None:
        self.handler = _Forgotten()
        self._collected = False

    def before(self) -> None:
        if getattr(sys, "last_value", None) is not None:
            _forget_what_failed()
        if self._collected:  # what is in use now is not searched again: it takes 0.1 s each time
            self._collected = False
            gc.collect()  # what pytest has kept of the last test until after its check
            gc.freeze()
        self.handler.messages.clear()
        self._threads = set(threading.enumerate())
        self._sockets = _sockets()

    def check(self) -> None:
        """Raise AssertionError with what is left, after a short while for what is ending."""
        if self._running() or _sockets() - self._sockets or _tasks_of_closed_loops():
            gc.collect()
            self._collected = True
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self._running(), 5.0)
        assert not self._running(), f"threads left running: {self._running()}"
        assert not self.handler.messages, "\n".join(self.handler.messages)

    def _running(self) -> list[threading.Thread]:
        # Python keeps a thread whose `start` a signal handler left; that is not alive.
        new = (one for one in threading.enumerate() if one not in self._threads and one.is_alive())
        return [one for one in new if not one.name.startswith((EXECUTOR, TIMERS))]


def _tasks_of_closed_loops() -> bool:
    """Tell whether there are tasks that can never end."""
    name = "_scheduled_tasks" if hasattr(asyncio.tasks, "_scheduled_tasks") else "_all_tasks"
    for _ in range(100):
        try:
            tasks = list(getattr(asyncio.tasks, name, ()))
        except RuntimeError:  # another thread has made one meanwhile
            continue
        return any(not task.done() and task.get_loop().is_closed() for task in tasks)
    return True


def _forget_what_failed() -> None:
    """Let go of what a test that failed has left, so that no other fails for it."""
    sys.last_type = sys.last_value = sys.last_traceback = None
    if hasattr(sys, "last_exc"):
        del sys.last_exc
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


class _Forgotten(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "destroyed but it is pending" in message or "was never retrieved" in message:
            self.messages.append(message)


def _sockets() -> set[str]:
    """Return which sockets and event loops are open, on Linux."""
    found: set[str] = set()
    if not os.path.isdir("/proc/self/fd"):
        return found
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(entry.path))
    return {name for name in found if name.startswith(("socket:", "anon_inode:"))}
