"""A client's connections: one set for all threads, or one for each event loop."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, Protocol, TypeVar

from cachex_pool.forks import register, run_after_fork, same_process

NO_LOOP = "no running event loop of asyncio: this needs one (trio is not supported)"

_inherited: list[Any] = []


class Closable(Protocol):
    def disconnect(self) -> None: ...

    def close(self) -> None: ...


class AsyncClosable(Protocol):
    def disconnect(self) -> None: ...

    async def aclose(self) -> None: ...


L = TypeVar("L", bound=Closable)
C = TypeVar("C", bound=AsyncClosable)


class Linked(Generic[L]):
    """Keeps a client's connections: one set for the process."""

    def _connect_with(self, make: Callable[[], L]) -> None:
        if not same_process:
            run_after_fork()
        self._links_here = make()  # for those who go straight on to a pool

    @property
    def _links(self) -> L:
        if not same_process:
            run_after_fork()
        return self._links_here

    def _all_links(self) -> list[L]:
        return [self._links]


class AsyncLinked(Generic[C]):
    """
    Keeps a client's connections: one set for each event loop that uses it.

    A set is closed with its loop: `asyncio.run` finishes the asynchronous generators that
    were started in it, and each set has one. Loops that end without doing so are swept up when
    the next loop comes.
    """

    def _connect_with(self, make: Callable[[], C]) -> None:
        if not same_process:
            run_after_fork()
        self._make = make
        self._lock = threading.Lock()
        self._by_loop: dict[int, tuple[Any, C, Any]] = {}
        self._latest: tuple[Any, Any] = (_nothing, None)
        register(self)

    @property
    def _links(self) -> C:
        if not same_process:
            run_after_fork()
        return self._links_here

    @property
    def _links_here(self) -> C:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(NO_LOOP) from None
        which, links = self._latest
        if which() is loop:
            return links  # type: ignore[no-any-return]
        return self._links_of(loop)

    def _links_of(self, loop: asyncio.AbstractEventLoop) -> C:
        if not same_process:
            run_after_fork()
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
        if not same_process:
            run_after_fork()
        return [links for _, links, _ in list(self._by_loop.values())]

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
