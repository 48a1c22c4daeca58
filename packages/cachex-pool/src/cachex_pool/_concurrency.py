"""
Everything that differs between threads and asyncio, written by hand once.

Each sync name has an `Async` (`async_`) twin with the same shape. Besides `_wire`, nothing
in this package may import `threading` or `asyncio`.
"""

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
import weakref
from bisect import insort
from collections.abc import Callable, Coroutine
from copy import copy
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import Any, Generic, TypeVar

from cachex_pool.forks import register, run_after_fork, same_process

T = TypeVar("T")

FORK_PATIENCE = 0.1
"""Seconds for which a fork waits until the thread of the timers has ended."""
LONGEST = 3600.0
"""Seconds that the thread of the timers sleeps at most."""
TIMERS = "cachex-pool timers"
"""The name of that thread."""
NO_LOOP = "no running event loop of asyncio: this needs one (trio is not supported)"
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


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop; RuntimeError without one, as under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(NO_LOOP) from None


async def async_outlive(
    work: Callable[[], Coroutine[Any, Any, T]], rescue: Callable[[T], None], seconds: float
) -> T:
    """
    Do the work in a task that goes on when the caller is cancelled or out of time.

    Its result then goes to `rescue`. OutOfTime after `seconds`. The context is an empty one: what
    is made here, connections for instance, keeps its context for as long as it lives.
    """
    task = event_loop().create_task(work(), context=contextvars.Context())
    try:
        done = await _done_within(task, seconds)
    except BaseException:
        task.add_done_callback(_rescuer(rescue))
        raise
    if not done:
        task.add_done_callback(_rescuer(rescue))
        raise OutOfTime
    return task.result()


def in_background(work: Callable[[], T], rescue: Callable[[T], None], seconds: float) -> T:
    """
    Do the work in a thread that goes on when the caller is out of time.

    Its result then goes to `rescue`. OutOfTime after `seconds`.
    """
    errand = _Background(work, rescue)
    if spawn(errand.run) is None:
        return work()
    return errand.wait(seconds)


class _Background(Generic[T]):
    """Work of another thread, whose result goes to the caller, or to `rescue` without one."""

    def __init__(self, work: Callable[[], T], rescue: Callable[[T], None]) -> None:
        self._work = work
        self._rescue = rescue
        self._lock = threading.Lock()
        self._ended = threading.Lock()
        self._ended.acquire()
        self._left = False
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            result = self._work()
        except BaseException as error:  # the caller's, if there is one
            self._error = error
            self._ended.release()
            return
        with self._lock:
            left = self._left
            if not left:
                self._results.append(result)
        if left:
            self._rescue(result)
        self._ended.release()

    def wait(self, seconds: float) -> T:
        try:
            self._ended.acquire(timeout=max(0.0, seconds))
        finally:
            with self._lock:
                self._left = True
        if self._results:
            return self._results.pop()
        if self._error is not None:
            raise self._error
        raise OutOfTime


async_in_background = async_outlive
"""A task goes on without its caller anyway."""


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

        The work has an empty context. If it fails, each caller gets an exception of his own.
        """
        task = self._task
        if task is None or task.done():
            loop, context = event_loop(), contextvars.Context()
            task = self._task = loop.create_task(work(), context=context)
            task.add_done_callback(_look)
        if not await _done_within(task, seconds):
            raise OutOfTime
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise copy(error) from error.__cause__
        return task.result()  # type: ignore[no-any-return]


async def _done_within(task: "asyncio.Task[Any]", seconds: float) -> bool:
    """
    Wait until a task is done, for at most `seconds`; say whether it is.

    A loop keeps timers until their time, cancelled ones too, and with them their context: that of
    the timer of `asyncio.wait` would be the caller's.
    """
    loop, context = asyncio.get_running_loop(), contextvars.Context()
    waiter = loop.create_future()

    def wake(*_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(max(0.0, seconds), wake, context=context)
    task.add_done_callback(wake, context=context)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(wake)
    return task.done()


def _look(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()  # callers who left must not leave a complaint behind


def later_for(whose: T, seconds: float, what: Callable[[T], object]) -> Callable[[], object]:
    """
    Call `what(whose)` later, in a daemon thread that all of the process share.

    Not if nobody knows `whose` any more, and not in a child process. Returns what takes it back.
    """
    entry = _Entry(monotonic() + max(0.0, seconds), what)
    entry.whose = weakref.ref(whose, lambda _: _timers.take_back(entry))
    _timers.add(entry)
    return partial(_timers.take_back, entry)


class _Entry:
    """Something to be called; None in the place of `whose` if it was taken back."""

    __slots__ = ("what", "when", "whose")

    def __init__(self, when: float, what: Callable[[Any], object]) -> None:
        self.when = when
        self.what = what
        self.whose: weakref.ref[Any] | None = None


class _Timers:
    """Calls things when it is time, in a thread that is there while something is to be called."""

    def __init__(self) -> None:
        self.after_fork()
        register(self)

    def after_fork(self) -> None:
        """Begin anew in a child process: the thread is the parent's."""
        self._lock = StateLock()
        self._woken = threading.Lock()
        self._woken.acquire()
        self._due: list[_Entry] = []
        self._paused = False
        self._thread: threading.Thread | None = None

    def add(self, entry: _Entry) -> None:
        if not same_process:
            run_after_fork()
        with self._lock:
            insort(self._due, entry, key=_WHEN)
            if self._thread is None or not self._thread.is_alive():
                self._start()
            elif self._due[0] is entry:
                self._wake()

    def take_back(self, entry: _Entry) -> None:
        """Forget an entry; takes no lock, as a finalizer may run in whoever has it."""
        entry.whose = None
        self._wake()

    def pause(self) -> None:
        """Have no thread while the process forks: Python warns of those that have one."""
        if not same_process:
            run_after_fork()
        with self._lock:
            thread, self._paused = self._thread, True
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(FORK_PATIENCE)

    def resume(self) -> None:
        with self._lock:
            self._paused = False
            if self._due and self._thread is None:
                self._start()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is awake, or will not go to sleep
            self._woken.release()

    def _start(self) -> None:
        self._thread = spawn(self._run, TIMERS)
        if self._thread is None:
            self._due.clear()  # the process has no thread to spare, or is ending

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._lock:
                if self._thread is not me:  # as a signal handler broke off what started this one
                    return
                self._due = [one for one in self._due if one.whose is not None]
                if not self._due or self._paused:
                    self._thread = None
                    self._wake()  # such another, which ends, too
                    return
                left = self._due[0].when - monotonic()
                entry = self._due.pop(0) if left <= 0 else None
            if entry is None:
                self._woken.acquire(timeout=min(left, LONGEST))
                continue
            found, entry.whose = entry.whose, None
            whose = None if found is None else found()
            if whose is not None:
                entry.what(whose)
            del entry, found, whose  # nothing is kept alive by waiting


_WHEN = attrgetter("when")
_timers = _Timers()


def async_later_for(whose: T, seconds: float, what: Callable[[T], object]) -> Callable[[], object]:
    """Do as `later_for`, on the running loop, in an empty context: it is nobody's."""
    return async_later(seconds, _if_known, weakref.ref(whose), what)


def _if_known(found: "weakref.ref[Any]", what: Callable[[Any], object]) -> None:
    whose = found()
    if whose is not None:
        what(whose)


def async_later(
    seconds: float, what: Callable[..., object], *arguments: Any
) -> Callable[[], object]:
    """
    Call something later on the running loop, in an empty context: it is nobody's.

    Returns what takes it back.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.Context()
    return loop.call_later(max(0.0, seconds), what, *arguments, context=context).cancel


def _rescuer(rescue: Callable[[T], None]) -> Callable[["asyncio.Task[T]"], None]:
    def done(task: "asyncio.Task[T]") -> None:
        if not task.cancelled() and task.exception() is None:  # asked, so nobody complains
            rescue(task.result())

    return done


def spawn(work: Callable[[], object], name: str = "cachex-pool") -> threading.Thread | None:
    """Do the work beside the caller, in a daemon thread, which is returned if there can be one."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads, or the interpreter is ending
        return None
    except KeyError as error:  # Python's, if a signal handler raises while a thread starts
        raise error.__context__ or error from None
    return thread


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
    if not same_process:
        run_after_fork()
    for one in list(_to_close):
        one.at_exit()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # a fork done in C just leaves the thread behind
    os.register_at_fork(before=_timers.pause, after_in_parent=_timers.resume)

__all__ = [
    "SLICE",
    "AsyncOnce",
    "AsyncStateLock",
    "AsyncTicket",
    "OutOfTime",
    "StateLock",
    "Ticket",
    "async_dial_until",
    "async_in_background",
    "async_later",
    "async_later_for",
    "async_outlive",
    "async_owner",
    "async_spawn",
    "close_at_exit",
    "dial_until",
    "in_background",
    "later_for",
    "monotonic",
    "outlive",
    "owner",
    "spawn",
]
