"""Nothing may be left behind: no thread, no file descriptor, no child process."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
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
