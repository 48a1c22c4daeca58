"""
Everything that differs between threads and asyncio, written by hand once.

Each sync name has an `Async` (`async_`) twin with the same shape. Besides `_wire`, nothing
in this package may import `threading` or `asyncio`.
"""

import asyncio
import atexit
import contextvars
import threading
import weakref
from collections.abc import Callable, Coroutine
from copy import copy
from time import monotonic
from typing import Any, TypeVar

from cachex_pool.forks import run_after_fork, same_process

T = TypeVar("T")

SLICE = 0.05
"""Seconds after which who waits looks again for what came free unnoticed."""


def StateLock() -> Any:
    """
    Make the lock of a pool's state.

    It can be taken twice by one thread: a signal handler or a finalizer may use the pool
    while its thread is in the middle of it. It is looked up when called, as gevent may have
    replaced it since the import.
    """
    return threading.RLock()


class AsyncStateLock:
    """Does nothing: on one event loop, code without `await` is already alone."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class Ticket:
    """A caller's place in the queue, waiting on a lock of its own."""

    __slots__ = ("__weakref__", "_woken", "granted")

    def __init__(self) -> None:
        self.granted: Any = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def grant(self, what: Any) -> None:
        self.granted = what
        self._woken.release()

    def wait(self, seconds: float) -> bool:
        """Sleep until something is granted, for at most `seconds`."""
        # Who grants may be killed between the two steps of it, hence the second look.
        return self._woken.acquire(timeout=max(0.0, seconds)) or self.granted is not None


class AsyncTicket:
    """A caller's place in the queue, waiting on a future."""

    __slots__ = ("__weakref__", "_woken", "granted")

    def __init__(self) -> None:
        self.granted: Any = None
        self._woken = asyncio.get_running_loop().create_future()

    def grant(self, what: Any) -> None:
        self.granted = what
        if not self._woken.done():
            self._woken.set_result(None)

    async def wait(self, seconds: float) -> bool:
        if self._woken.done():
            return True
        done, _ = await asyncio.wait((self._woken,), timeout=max(0.0, seconds))
        return bool(done) or self.granted is not None


class OutOfTime(Exception):
    """Work goes on without the caller. Not a TimeoutError: that may be anybody's."""


def dial_until(cap: float, deadline: float) -> float:
    """Return when a dial has to end: a thread cannot leave it, so with the caller at the latest."""
    return min(cap, deadline)


def async_dial_until(cap: float, deadline: float) -> float:
    """Return when a dial has to end: it goes on without the caller, for the next one's sake."""
    return cap


def outlive(work: Callable[[], T], rescue: Callable[[T], None], seconds: float) -> T:
    """Do the work; a thread cannot walk away from it, so nothing has to be rescued."""
    return work()


async def async_outlive(
    work: Callable[[], Coroutine[Any, Any, T]], rescue: Callable[[T], None], seconds: float
) -> T:
    """
    Do the work in a task that goes on when the caller is cancelled or out of time.

    Its result then goes to `rescue`. OutOfTime after `seconds`.
    """
    task = asyncio.get_running_loop().create_task(work())
    try:
        done, _ = await asyncio.wait((task,), timeout=max(0.0, seconds))
    except BaseException:
        task.add_done_callback(_rescuer(rescue))
        raise
    if not done:
        task.add_done_callback(_rescuer(rescue))
        raise OutOfTime
    return task.result()


class AsyncOnce:
    """Work that many callers want and one task does; it goes on when callers leave."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None

    @property
    def running(self) -> bool:
        """Whether somebody's work is being done."""
        return self._task is not None and not self._task.done()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """
        Do the work, or join those who wait for it; OutOfTime after `seconds`.

        If it fails, each caller gets an exception of his own.
        """
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.get_running_loop().create_task(work())
            task.add_done_callback(_look)
        done, _ = await asyncio.wait((task,), timeout=max(0.0, seconds))
        if not done:
            raise OutOfTime
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise copy(error) from error.__cause__
        return task.result()  # type: ignore[no-any-return]


def _look(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()  # callers who left must not leave a complaint behind


def async_later(seconds: float, what: Callable[..., object], *arguments: Any) -> None:
    """Call something later on the running loop, in an empty context: it is nobody's."""
    loop = asyncio.get_running_loop()
    loop.call_later(max(0.0, seconds), what, *arguments, context=contextvars.Context())


def _rescuer(rescue: Callable[[T], None]) -> Callable[["asyncio.Task[T]"], None]:
    def done(task: "asyncio.Task[T]") -> None:
        if not task.cancelled() and task.exception() is None:  # asked, so nobody complains
            rescue(task.result())

    return done


def spawn(work: Callable[[], object]) -> None:
    """Do the work beside the caller, in a daemon thread, if there can be one more."""
    try:
        threading.Thread(target=work, name="cachex-pool", daemon=True).start()
    except RuntimeError:  # no more threads, or the interpreter is ending: the caller has his reply
        return


_tasks: set["asyncio.Task[Any]"] = set()


def async_spawn(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Do the work beside the caller, in a task with an empty context: it is nobody's."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work(), context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def owner() -> str:
    """Name the running thread, for leak reports."""
    return threading.current_thread().name


def async_owner() -> str:
    """Name the running task, for leak reports."""
    task = asyncio.current_task()
    return task.get_name() if task is not None else "no task"


_to_close: "weakref.WeakSet[Any]" = weakref.WeakSet()


def close_at_exit(one: Any) -> None:
    """Call `one.at_exit()` when the interpreter ends."""
    _to_close.add(one)


def _at_exit() -> None:
    if not same_process[0]:
        run_after_fork()
    for one in list(_to_close):
        one.at_exit()


atexit.register(_at_exit)

__all__ = [
    "SLICE",
    "AsyncOnce",
    "AsyncStateLock",
    "AsyncTicket",
    "OutOfTime",
    "StateLock",
    "Ticket",
    "async_dial_until",
    "async_later",
    "async_outlive",
    "async_owner",
    "async_spawn",
    "close_at_exit",
    "dial_until",
    "monotonic",
    "outlive",
    "owner",
    "spawn",
]
