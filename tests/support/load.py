"""Many threads or tasks that do the same over and over while something breaks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from support.waiting import eventually


@dataclass
class Load:
    """What the workers have done so far."""

    done: int = 0
    errors: list[Exception] = field(default_factory=list)
    stopping: bool = False

    def wait_for(self, more: int, timeout: float = 10.0) -> None:
        """Wait until `more` rounds than now are done; in threads only."""
        wanted = self.done + more
        eventually(lambda: self.done >= wanted, timeout, what=f"{more} more rounds of work")


@contextlib.contextmanager
def threads(
    count: int, work: Callable[[int], object], expected: tuple[type[Exception], ...] = ()
) -> Iterator[Load]:
    """Let `count` threads call `work(number)` again and again until the block ends.

    Errors named in `expected` are kept in `errors`; any other ends its thread and is raised, with
    those of other threads, at the end of the block. A thread that does not end in 30 s is an error.
    """
    load, unexpected, lock = Load(), [], threading.Lock()

    def run(number: int) -> None:
        while not load.stopping:
            try:
                work(number)
            except expected as error:
                load.errors.append(error)
            except Exception as error:
                unexpected.append(error)
                return
            with lock:
                load.done += 1

    workers = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for worker in workers:
        worker.start()
    try:
        yield load
    finally:
        load.stopping = True
        for worker in workers:
            worker.join(30)
        stuck = sum(worker.is_alive() for worker in workers)
    assert not stuck, f"{stuck} of {count} threads are stuck"
    if unexpected:
        raise ExceptionGroup("in the threads", unexpected)


@contextlib.asynccontextmanager
async def tasks(
    count: int,
    work: Callable[[int], Awaitable[object]],
    expected: tuple[type[Exception], ...] = (),
) -> AsyncIterator[Load]:
    """Let `count` tasks await `work(number)` again and again until the block ends.

    As `threads`; a task that does not end in 30 s raises TimeoutError.
    """
    load = Load()

    async def run(number: int) -> None:
        while not load.stopping:
            try:
                await work(number)
            except expected as error:
                load.errors.append(error)
            load.done += 1

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(run(number))
        try:
            yield load
        finally:
            load.stopping = True
