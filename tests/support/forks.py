"""Child processes that are copies of this one."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable


def fork_in_c() -> int:
    """
    Fork as a program written in C does, uWSGI for one: Python's own hooks are not called.

    Other threads are kept from asking for the interpreter's lock meanwhile: a child that
    inherits such a request waits for ever for a thread that it does not have.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    time.sleep(0.02)  # those who wait already give up waiting with the former interval
    child: int = ctypes.PyDLL(None).fork()
    sys.setswitchinterval(interval)
    if child == 0:
        asyncio._set_running_loop(None)  # as asyncio's own hook does
    return child


FORKS: dict[str, Callable[[], int]] = {"os.fork": os.fork, "fork-in-c": fork_in_c}


def in_child(
    work: Callable[[], object], timeout: int = 20, fork: Callable[[], int] = os.fork
) -> None:
    """Fork, do the work in the child, and wait for its end, `timeout` seconds at most.

    AssertionError if it fails; what it raised is printed.
    """
    pid = fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(timeout)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"
