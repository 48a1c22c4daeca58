"""
Noticing that this process was forked, however that was done.

Python's own hook, `os.register_at_fork`, is not called when a program written in C forks: uWSGI
does so. So code that is about to use what a fork makes invalid (a connection, a thread) looks at
`same_process` first; for a lock, `in_this_process` does:

    if not same_process[0]:
        run_after_fork()

In a child process `same_process[0]` is 0 until `run_after_fork` has called the `after_fork`
method of everything that was registered. On Linux that look costs no system call: the kernel gives
a child an empty page in the place of this one (MADV_WIPEONFORK).

This module is for the other cachex packages: it is documented, but not stable.
"""

import mmap
import os
import weakref
from _thread import RLock
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, TypeVar

L = TypeVar("L")

MADV_WIPEONFORK = 18
"""Linux 4.14 and newer; Python has no name for it before 3.13."""


class Forkable(Protocol):
    """Something that has to be made ready for use in a child process."""

    def after_fork(self) -> None:
        """Let go of what is the parent's; called again if it was interrupted."""


class ByProcessId:
    """`same_process` where the kernel empties no page: compares process ids, which takes longer."""

    def __init__(self) -> None:
        self._process = os.getpid()

    def __getitem__(self, at: int) -> int:
        return self._process == os.getpid()

    def __setitem__(self, at: int, value: int) -> None:
        self._process = os.getpid()


def _wiped_on_fork() -> Any:
    """Return a page that a child process finds empty, or a substitute for one."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):  # not Linux, or an old one
        return ByProcessId()
    page[0] = 1
    return page


same_process = _wiped_on_fork()

_registered: dict[int, "weakref.ref[Any]"] = {}  # in the order in which they came
_numbers = count()
_turns: dict[int, Any] = {}  # a lock by process id: the parent's may have been taken at the fork


def register(one: Forkable) -> None:
    """Call `one.after_fork()` in child processes, for as long as there is such an object."""
    number = next(_numbers)

    def forget(_: Any, forget: Callable[..., Any] = _registered.pop) -> None:
        forget(number, None)  # not by its name, which is gone when the interpreter ends

    _registered[number] = weakref.ref(one, forget)


def run_after_fork() -> None:
    """
    Make everything that was registered ready for this process, if that is not done yet.

    Threads that come meanwhile wait. If a signal handler breaks it off by raising, the next
    caller begins again; if one uses a cache, everything is ready for it.
    """
    process = os.getpid()
    with _turns.setdefault(process, RLock()):
        if same_process[0]:
            return
        for found in list(_registered.values()):
            one = found()
            if one is not None:
                one.after_fork()
            if same_process[0]:
                return  # a signal handler has done it
        same_process[0] = 1
    for other in list(_turns):
        if other != process:
            _turns.pop(other, None)


def in_this_process(lock: L) -> L:
    """Return a lock, opened first if this is a child process: `with in_this_process(lock):`."""
    if not same_process[0]:
        run_after_fork()
    return lock


class StateLock(RLock):  # type: ignore[misc]  # final in the stubs alone
    """
    A lock that is open in a child process; to be held for moments, never over a wait.

    No Python runs when it is taken and given back: a signal handler that raises right then
    would otherwise leave it taken. The thread that has it may take it again.
    """

    def __init__(self) -> None:
        register(self)

    def after_fork(self) -> None:
        """Open it: the thread that held it does not exist here."""
        self._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):  # sooner than at the first use
    os.register_at_fork(after_in_child=run_after_fork)
