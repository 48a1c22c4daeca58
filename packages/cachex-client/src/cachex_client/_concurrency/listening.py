"""Threads that listen, and how they call into an event loop."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from cachex_pool import logger
from cachex_pool.forks import register

log = logger("cachex_client")


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
        interrupt = self.interrupt  # which the thread takes away when it ends
        if interrupt is not None:
            interrupt()


class Listeners:
    """
    Daemon threads that listen, one for each source, started by the first who asks for them.

    `listen(source, ear)` returns or raises when it breaks off, and soon after `ear()` says False.
    The threads end when this object is gone.
    """

    def __init__(self, listen: Callable[[Any, Ear], None], sources: Sequence[Any]) -> None:
        self._listen = listen
        self._sources = tuple(sources)
        self._ears: list[Ear] = []
        self._endings: list[Any] = []
        register(self)

    def after_fork(self) -> None:
        """Start anew in a child process, where these threads do not exist."""
        for ending in self._endings:
            ending.detach()  # it would take a lock that one of those threads may hold
        self._ears, self._endings = [], []

    def start(self) -> None:
        """Start the threads, unless they run."""
        if self._ears:
            return
        self._ears, self._endings = [Ear() for _ in self._sources], []
        for ear, source in zip(self._ears, self._sources, strict=True):
            ending = weakref.finalize(self, ear.stopped.set)
            ending.atexit = False
            self._endings.append(ending)
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
