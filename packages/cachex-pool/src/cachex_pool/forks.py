"""
Noticing that this process was forked, however that was done.

Python's own hook, `os.register_at_fork`, is not called when a program written in C forks: uWSGI
does so. So code that is about to use what a fork makes invalid (a connection, a thread) looks at
`same_process` first; for a lock, `in_this_process` does:

    if not same_process:
        run_after_fork()

In a child process `same_process` is false until `run_after_fork` has called the `after_fork`
method of everything that was registered. On Linux that look costs no system call: the kernel gives
a child an empty page in the place of this one (MADV_WIPEONFORK). And it takes 6 ns in place of the
16 of a look into a `mmap`: the truth of an object of ctypes is that of its memory.

This module is for the other cachex packages: it is documented, but not stable.
"""

import ctypes
import mmap
import os
import weakref
from _thread import RLock
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, Self, TypeVar

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

    def __bool__(self) -> bool:
        return self._process == os.getpid()

    def renew(self) -> None:
        """Be true in the running process."""
        self._process = os.getpid()


class ByPage(ctypes.c_byte):
    """`same_process` in a page that the kernel gives to no child process."""

    @classmethod
    def make(cls) -> Self:
        """Make one; OSError or the like where that cannot be done."""
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(MADV_WIPEONFORK)
        made = cls.from_buffer(page)
        made.renew()
        return made

    def renew(self) -> None:
        """Be true in the running process."""
        self.value = 1


def _wiped_on_fork() -> ByPage | ByProcessId:
    """Return what is false in a child process."""
    try:
        return ByPage.make()
    except (AttributeError, OSError, ValueError):  # not Linux, or an old one
        return ByProcessId()


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
        if same_process:
            return
        for found in list(_registered.values()):
            one = found()
            if one is not None:
                one.after_fork()
            if same_process:
                return  # a signal handler has done it
        same_process.renew()
    for other in list(_turns):
        if other != process:
            _turns.pop(other, None)


def in_this_process(lock: L) -> L:
    """Return a lock, opened first if this is a child process: `with in_this_process(lock):`."""
    if not same_process:
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
