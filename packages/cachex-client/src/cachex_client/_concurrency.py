"""
Everything that differs between threads and asyncio, written by hand once.

Each sync name has an `Async` (`async_`) twin. Nothing else in this package may import
`threading`, `asyncio` or `time`.
"""

import _thread
import asyncio
import contextvars
import os
import queue
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from functools import partial
from itertools import count
from time import monotonic, sleep
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from cachex_pool import logger

log = logger("cachex_client")

_forkable: "weakref.WeakSet[Any]" = weakref.WeakSet()


def on_fork(one: Any) -> None:
    """Have `one.after_fork()` called in child processes, for as long as there is such an object."""
    _forkable.add(one)


T = TypeVar("T")

last_write: contextvars.ContextVar[float] = contextvars.ContextVar("cachex_last_write", default=0.0)
"""When the running thread or task last wrote; a task starts with what its parent knew."""


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


Enough: TypeAlias = int | Callable[[list[Any]], bool]
"""How many answers, or which, are enough."""


def ask_all(
    work: Sequence[Callable[[], T]], enough: Enough, seconds: float, grace: float | None = None
) -> list[tuple[int, T | Exception]]:
    """
    Do all of it side by side; return what came, each with its position, as soon as it is `enough`.

    What raised is there as its exception; what is not done after `seconds`, or `grace` seconds
    after the first that worked, is left out, and what it brings later is dropped.
    """
    came: queue.SimpleQueue[tuple[int, T | Exception]] = queue.SimpleQueue()

    def one(position: int) -> None:
        try:
            came.put((position, work[position]()))
        except Exception as error:
            came.put((position, error))

    for position in range(len(work)):
        thread = threading.Thread(target=one, args=(position,), name="cachex-client", daemon=True)
        thread.start()
    until = monotonic() + seconds
    answers: list[tuple[int, T | Exception]] = []
    while len(answers) < len(work) and not _are_enough(answers, enough):
        try:
            answers.append(came.get(timeout=max(0.0, until - monotonic())))
        except queue.Empty:
            break
        if grace is not None and _worked(answers):
            until = min(until, monotonic() + grace)
    return answers


async def async_ask_all(
    work: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    enough: Enough,
    seconds: float,
    grace: float | None = None,
) -> list[tuple[int, T | Exception]]:
    """Do as `ask_all`, in tasks; those that are not done in time are cancelled."""
    tasks = {asyncio.ensure_future(one()): position for position, one in enumerate(work)}
    until = monotonic() + seconds
    answers: list[tuple[int, T | Exception]] = []
    waiting = set(tasks)
    try:
        while waiting and not _are_enough(answers, enough):
            left = max(0.0, until - monotonic())
            done, waiting = await asyncio.wait(
                waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                answers.append((tasks[task], task.result() if error is None else error))
            if grace is not None and _worked(answers):
                until = min(until, monotonic() + grace)
    finally:
        for task in waiting:
            task.cancel()
    return answers


def _worked(answers: Sequence[tuple[int, Any]]) -> list[Any]:
    return [answer for _, answer in answers if not isinstance(answer, Exception)]


def _are_enough(answers: Sequence[tuple[int, Any]], enough: Enough) -> bool:
    worked = _worked(answers)
    return len(worked) >= enough if isinstance(enough, int) else enough(worked)


class StateLock(_thread.RLock):  # type: ignore[misc]  # final in the stubs alone
    """
    A lock for what threads and loops share; held for moments, never over a wait.

    No Python runs when it is taken and given back: a signal handler that raises right then
    would leave it taken for ever.
    """

    def __init__(self) -> None:
        on_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process: who held it there is not here to free it."""
        self._at_fork_reinit()  # type: ignore[attr-defined]


class Outside:
    """A way for other threads to call into this one's world: with threads, just calling."""

    def call(self, what: Callable[[], None]) -> None:
        """Call it, in the calling thread."""
        what()


class AsyncOutside:
    """A way for other threads to call into an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()

    def call(self, what: Callable[[], None]) -> None:
        """Have the loop call it, unless it is closed or a parent process's."""
        if self._process != os.getpid():
            return
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # closed meanwhile
            return


class Ear:
    """One listening thread's side: whether to go on, and how to wake it up."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.interrupt: Callable[[], object] | None = None

    def __call__(self) -> bool:
        return not self.stopped.is_set()

    def stop(self) -> None:
        """Have the thread end, at once if it said how to interrupt it."""
        self.stopped.set()
        if self.interrupt is not None:
            self.interrupt()


class Listeners:
    """
    Daemon threads that listen, one for each source, started by the first who asks for them.

    `listen(source, ear)` returns or raises when it breaks off, and soon after `ear()` says False.
    The threads end when this object is gone.
    """

    def __init__(self, listen: Callable[[Any, Ear], None], sources: Sequence[Any]) -> None:
        self._listen = listen
        self._sources = tuple(sources)
        self._process = 0
        self._ears: list[Ear] = []

    def start(self) -> None:
        """Start the threads, unless they run in this process."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._ears = [Ear() for _ in self._sources]
        for ear, source in zip(self._ears, self._sources, strict=True):
            weakref.finalize(self, ear.stopped.set).atexit = False
            try:
                threading.Thread(
                    target=_go_on_listening,
                    args=(self._listen, source, ear),
                    name="cachex-listener",
                    daemon=True,
                ).start()
            except RuntimeError as error:  # no more threads, or the interpreter is ending
                log.warning("no listener", source=str(source), error=repr(error))

    def stop(self) -> None:
        """Have the threads end."""
        ears, self._ears = self._ears, []
        self._process = 0
        for ear in ears:
            ear.stop()


def _go_on_listening(listen: Callable[[Any, Ear], None], source: Any, ear: Ear) -> None:
    """Listen again whenever it breaks off, after a pause."""
    pause = 0.1
    while ear():
        started = monotonic()
        try:
            listen(source, ear)
        except Exception as error:
            if ear():
                log.info("listener broke off", source=str(source), error=str(error))
        pause = 0.1 if monotonic() - started > 5 else min(2 * pause, 5.0)
        ear.stopped.wait(pause)


def spawn(work: Callable[[], object]) -> None:
    """Do the work beside the caller, in a daemon thread; what it raises is logged."""

    def guarded() -> None:
        try:
            work()
        except Exception as error:
            log.warning("background work failed", error=repr(error))

    try:
        work_alone = partial(contextvars.Context().run, guarded)  # some Pythons pass theirs on
        threading.Thread(target=work_alone, name="cachex-client", daemon=True).start()
    except RuntimeError as error:  # no more threads, or the interpreter is ending
        log.warning("no background work", error=repr(error))


_tasks: set["asyncio.Task[Any]"] = set()


def async_spawn(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Do the work beside the caller, in a task with an empty context; what it raises is logged."""

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:
            log.warning("background work failed", error=repr(error))

    task = asyncio.get_running_loop().create_task(guarded(), context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def gather_errors(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do all of it side by side; what raised an Exception has it in its place."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
    return results


class Closable(Protocol):
    def close(self) -> None: ...


class AsyncClosable(Protocol):
    async def aclose(self) -> None: ...


L = TypeVar("L", bound=Closable)
C = TypeVar("C", bound=AsyncClosable)


class Linked(Generic[L]):
    """Keeps a client's connections: one set for the process."""

    def _connect_with(self, make: Callable[[], L]) -> None:
        self._links = make()

    def _all_links(self) -> list[L]:
        return [self._links]

    def _forget_links(self) -> None:
        """Threads go on sharing the one set there is."""


class AsyncLinked(Generic[C]):
    """
    Keeps a client's connections: one set for each event loop that uses it.

    A set is closed with its loop: `asyncio.run` finishes the asynchronous generators that
    were started in it, and each set has one. Loops that end without doing so are swept up when
    the next loop comes.
    """

    def _connect_with(self, make: Callable[[], C]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._by_loop: dict[int, tuple[Any, C, Any]] = {}
        self._latest: tuple[Any, Any] = (_nothing, None)
        on_fork(self)

    @property
    def _links(self) -> C:
        loop = asyncio.get_running_loop()
        which, links = self._latest
        if which() is loop:
            return links  # type: ignore[no-any-return]
        return self._links_of(loop)

    def _links_of(self, loop: asyncio.AbstractEventLoop) -> C:
        with self._lock:
            for key, (which, _, _) in list(self._by_loop.items()):
                if which() is None or which().is_closed():
                    close_now(self._by_loop.pop(key)[1])
            found = self._by_loop.get(id(loop))
            if found is None:
                links = self._make()
                guard = _until_loop_ends(self, id(loop), links)
                _start(guard)
                found = self._by_loop[id(loop)] = (weakref.ref(loop), links, guard)
            self._latest = found[:2]
            return found[1]

    def _all_links(self) -> list[C]:
        return [links for _, links, _ in list(self._by_loop.values())]

    def _forget_links(self) -> None:
        """Forget the running loop's set, which is being closed; a later use makes a new one."""
        with self._lock:
            self._by_loop.pop(id(asyncio.get_running_loop()), None)
            self._latest = (_nothing, None)

    def after_fork(self) -> None:
        """Start without loops in a child process; the parent's connections stay the parent's."""
        _inherited.append(self._by_loop)
        self._lock = threading.Lock()
        self._by_loop = {}
        self._latest = (_nothing, None)


def _nothing() -> None:
    return None


_NOBODY = (None, None, None)


async def _until_loop_ends(
    owner: Any, key: int, links: AsyncClosable
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        if owner._by_loop.get(key, _NOBODY)[1] is links:  # else others have taken their place
            owner._by_loop.pop(key, None)
            owner._latest = (_nothing, None)
        await links.aclose()
        await asyncio.sleep(0)  # lets the transports say goodbye to the loop


def _start(guard: AsyncGenerator[None, None]) -> None:
    try:
        guard.__anext__().send(None)
    except StopIteration:
        pass  # it is at its `yield`, and known to the loop


def close_now(links: AsyncClosable) -> None:
    """Close connections whose loop is gone: `aclose` then has nothing to wait for."""
    try:
        links.aclose().send(None)
    except StopIteration:
        pass


_inherited: list[Any] = []


def _in_child() -> None:
    for one in list(_forkable):
        one.after_fork()


os.register_at_fork(after_in_child=_in_child)

__all__ = [
    "Arrival",
    "AsyncArrival",
    "AsyncClosable",
    "AsyncLinked",
    "AsyncOutside",
    "Closable",
    "Ear",
    "Linked",
    "Listeners",
    "Outside",
    "StateLock",
    "ask_all",
    "async_ask_all",
    "async_identity",
    "async_place",
    "async_sleep",
    "async_spawn",
    "close_now",
    "gather_errors",
    "identity",
    "last_write",
    "monotonic",
    "on_fork",
    "place",
    "sleep",
    "spawn",
]
