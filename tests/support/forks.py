"""Child processes that are copies of this one."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable


def fork_in_c() -> int:
    """
    Fork as a program written in C does, uWSGI for one: Python's own hooks are not called.

    A child that is made while another thread waits for the interpreter's lock inherits that
    thread's place in the queue, and hangs once it lets go of the lock itself. No program can
    mend that. So the threads are kept from asking for the lock beforehand; if one of them came
    for it all the same, that child ends and another one is made.
    """
    for _ in range(TRIES):
        child = _fork_while_nobody_waits()
        if child is not None:
            return child
    raise AssertionError(f"some thread waited for the interpreter in each of {TRIES} forks")


def _fork_while_nobody_waits() -> int | None:
    answer, ask = os.pipe()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    time.sleep(0.02)  # those who wait already give up waiting with the former interval
    child: int = C.fork()
    if child == 0:
        sys.setswitchinterval(interval)
        os.close(ask)
        if os.read(answer, 1) != b"y":
            os._exit(0)
        os.close(answer)
        asyncio._set_running_loop(None)  # as asyncio's own hook does
        return 0
    clean = not any(map(_waits_for_the_interpreter, list(threading._active.values())))
    sys.setswitchinterval(interval)
    os.close(answer)
    try:
        if clean:
            os.write(ask, b"y")
            return child
    finally:
        os.close(ask)
    os.kill(child, signal.SIGKILL)  # it may hang already
    os.waitpid(child, 0)
    return None


def _waits_for_the_interpreter(thread: threading.Thread) -> bool:
    """
    Say whether a thread waits for the interpreter's lock, or may be about to.

    Asks without letting go of the lock: who waited when the fork was made waits still.
    """
    if thread is threading.current_thread():
        return False
    file = C.open(b"/proc/self/task/%d/syscall" % (thread.native_id or 0), os.O_RDONLY)
    if file < 0:  # it has ended, or is another process's thread, or this is no Linux
        return False
    text = ctypes.create_string_buffer(200)
    length = C.read(file, text, 200)
    C.close(file)
    words = text.raw[: max(0, length)].split()
    if len(words) < 2 or int(words[0]) != FUTEX:
        return words[:1] == [b"running"]
    return 0 <= int(words[1], 16) - RUNTIME < RUNTIME_SIZE


TRIES = 100
C = ctypes.PyDLL(None)  # its functions are called with the interpreter's lock held
RUNTIME = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
RUNTIME_SIZE = 1 << 22  # more than that; its lock is in there
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), -1)

FORKS: dict[str, Callable[[], int]] = {"os.fork": os.fork, "fork-in-c": fork_in_c}


def in_child(
    work: Callable[[], object], timeout: int = 20, fork: Callable[[], int] = os.fork
) -> None:
    """Fork, do the work in the child, and wait for its end, `timeout` seconds at most.

    AssertionError if it fails; what it raised, or where it hung, is printed.
    """
    pid = fork()
    if pid == 0:
        status = 1
        try:
            faulthandler.register(signal.SIGALRM, sys.__stderr__, all_threads=False, chain=True)
            signal.alarm(timeout)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"
