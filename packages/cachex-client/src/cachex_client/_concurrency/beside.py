"""Work that is done beside the caller."""

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from cachex_pool import logger

log = logger("cachex_client")

T = TypeVar("T")

AT_ONCE = 16
"""So many questions are asked at a time: each has a thread, or a task, and a connection."""

Enough: TypeAlias = int | Callable[[list[Any]], bool]
"""How many answers, or which, are enough."""


def ask_all(
    work: Sequence[Callable[[], T]],
    enough: Enough,
    seconds: float,
    grace: float | None = None,
    nearly: Enough = 1,
) -> list[tuple[int, T | Exception]]:
    """
    Do all of it side by side, `AT_ONCE` at a time and in this order; return what came, each with
    its position, as soon as it is `enough`.

    What raised is there as its exception; what is not done after `seconds`, or `grace` seconds
    after there was `nearly` enough, is left out, and what it brings later is dropped. Where no
    thread can be started, as in exit handlers since Python 3.12, it is done here, one by one.
    """
    came: queue.SimpleQueue[tuple[int, T | Exception]] = queue.SimpleQueue()
    todo = deque(enumerate(work))

    def take_one() -> bool:
        try:
            position, one = todo.popleft()
        except IndexError:
            return False
        try:
            came.put((position, one()))
        except Exception as error:
            came.put((position, error))
        return True

    def take_all() -> None:
        while take_one():
            pass

    until = monotonic() + seconds
    answers: list[tuple[int, T | Exception]] = []
    try:
        for _ in range(min(len(work), AT_ONCE)):
            if _no_thread_for(take_all):
                while not _are_enough(answers, enough) and take_one():
                    answers.append(came.get())
        while len(answers) < len(work) and not _are_enough(answers, enough):
            try:
                answers.append(came.get(timeout=max(0.0, until - monotonic())))
            except queue.Empty:
                break
            if grace is not None and _are_enough(answers, nearly):
                until, grace = min(until, monotonic() + grace), None
    finally:
        todo.clear()
    return answers


async def async_ask_all(
    work: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    enough: Enough,
    seconds: float,
    grace: float | None = None,
    nearly: Enough = 1,
) -> list[tuple[int, T | Exception]]:
    """Do as `ask_all`, in tasks; those that are not done in time are cancelled."""
    todo = deque(enumerate(work))
    tasks: dict[asyncio.Task[T], int] = {}
    until = monotonic() + seconds
    answers: list[tuple[int, T | Exception]] = []
    waiting: set[asyncio.Task[T]] = set()
    try:
        while (waiting or todo) and not _are_enough(answers, enough):
            while todo and len(waiting) < AT_ONCE:
                position, one = todo.popleft()
                task = asyncio.ensure_future(one())
                tasks[task] = position
                waiting.add(task)
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
            if grace is not None and _are_enough(answers, nearly):
                until, grace = min(until, monotonic() + grace), None
    finally:
        for task in waiting:
            task.cancel()
    return answers


def _no_thread_for(work: Callable[[], object]) -> RuntimeError | None:
    """Do the work in a daemon thread; return why not if none can be started, as at Python's end."""
    try:
        threading.Thread(target=work, name="cachex-client", daemon=True).start()
    except RuntimeError as error:
        return error
    except KeyError as error:  # Python's, if a signal handler raises while a thread starts
        raise error.__context__ or error from None
    return None


def _worked(answers: Sequence[tuple[int, Any]]) -> list[Any]:
    return [answer for _, answer in answers if not isinstance(answer, Exception)]


def _are_enough(answers: Sequence[tuple[int, Any]], enough: Enough) -> bool:
    worked = _worked(answers)
    return len(worked) >= enough if isinstance(enough, int) else enough(worked)


def beside(work: Callable[[], T]) -> Callable[[float, T], T]:
    """
    Do the work in a daemon thread; return a function that waits for its result.

    That function takes a time of `time.monotonic()` and what to return if the work is not done by
    then; it raises what the work did. Where there can be no thread the work is done at once.
    """
    came: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def guarded() -> None:
        try:
            came.put((work(), None))
        except BaseException as error:
            came.put((None, error))

    if _no_thread_for(guarded):
        guarded()

    def result(until: float, otherwise: T) -> T:
        try:
            found, error = came.get(timeout=max(0.0, until - monotonic()))
        except queue.Empty:
            return otherwise
        if error is not None:
            raise error
        return found  # type: ignore[return-value]

    return result


def all_of(work: Sequence[Callable[[], object]]) -> None:
    """Do all of it, one after the other."""
    for one in work:
        one()


async def async_all_of(work: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    """Do all of it side by side; if one raises, the others are cancelled."""
    tasks = [asyncio.ensure_future(one()) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def gather_errors(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do all of it side by side; what raised an Exception has it in its place."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
    return results


def spawn(work: Callable[[], object], *, needed: bool = False) -> None:
    """
    Do the work in the background, in a daemon thread; what it raises is logged.

    Where no thread can be started, as in exit handlers since Python 3.12, work that is `needed`
    is done before this returns, and other work is not done.
    """

    def guarded() -> None:
        try:
            work()
        except Exception as error:
            log.warning("background work failed", error=repr(error))

    def work_alone() -> None:
        contextvars.Context().run(guarded)  # some Pythons pass theirs on

    error = _no_thread_for(work_alone)
    if error and needed:
        work_alone()
    elif error:
        log.warning("no background work", error=repr(error))


_tasks: set["asyncio.Task[Any]"] = set()


def async_spawn(work: Callable[[], Coroutine[Any, Any, object]], *, needed: bool = False) -> None:
    """Do the work beside the caller, in a task with an empty context; what it raises is logged."""

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:
            log.warning("background work failed", error=repr(error))

    task = asyncio.get_running_loop().create_task(guarded(), context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
