"""One asyncio connection for everybody: commands of one loop turn leave in one write."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import ref

from cachex_pool._async.pool import AsyncPool
from cachex_pool._concurrency import AsyncOnce, OutOfTime, async_later, monotonic
from cachex_pool._wire import AsyncConnection
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import PoolClosed, PoolTimeout
from cachex_pool.forks import register, run_after_fork, same_process
from cachex_pool.observer import PoolObserver
from cachex_pool.options import PoolOptions

LARGE = 65536
"""Bytes from which a command gets a connection of its own, so that nobody waits behind it."""


class AsyncMultiplexer:
    """
    Sends the commands of any number of tasks over one connection to one server.

    For quick commands: nothing may block the connection (BLPOP), hold it (WATCH, MULTI, pub/sub) or
    fill it for long (large values); for those there is `pool`, which lends exclusive
    connections and which the shared one is borrowed from. With a `max_size` of 1 there is no other:
    large values then go over the shared one, and who wants an exclusive one waits in vain. Belongs
    to one event loop.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: PoolOptions | None = None,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        self.pool = AsyncPool(endpoint, options, observers)
        self.endpoint = endpoint
        self._state = self.pool.state
        self._room_beside = self.pool.options.max_size > 1
        self._shared: AsyncConnection | None = None
        self._draining: set[AsyncConnection] = set()
        self.after_fork()
        register(self)

    def __repr__(self) -> str:
        return f"<AsyncMultiplexer on {self._shared!r} of {self.pool!r}>"

    async def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is a value.

        `deadline` is a time of `time.monotonic()`. Raises PoolError's kinds; one with
        `written` False never reached the server. May be cancelled at any time.
        """
        if len(data) > LARGE and self._room_beside:
            return await self.pool.call(data, deadline)
        if not same_process:
            run_after_fork()
        connection = self._shared
        if connection is None or connection.generation != self._state.generation:
            connection = await self._share(deadline)
        self._state.uses += 1
        if connection.paused is not None:
            reply = await connection.call_unchecked(data, deadline)
        else:
            reply = await connection.submit(data, deadline)
        if self._state.breaker.consecutive:
            self.pool.answered()
        return reply

    async def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; as `call` otherwise."""
        if len(data) > LARGE and self._room_beside:
            return await self.pool.exchange(data, count, deadline)
        if not same_process:
            run_after_fork()
        connection = self._shared
        if connection is None or connection.generation != self._state.generation:
            connection = await self._share(deadline)
        self._state.uses += 1
        replies = await connection.exchange_unchecked(data, count, deadline)
        self.pool.answered()
        return replies

    async def exchange_alone(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Do as `exchange` on an exclusive connection, for one part of work that goes on for long.

        With a `max_size` of 1 there is none but the shared one; nor is another waited for while
        all are lent.
        """
        if self._room_beside and (self._state.idle or not self._is_full()):
            return await self.pool.exchange(data, count, deadline)
        return await self.exchange(data, count, deadline)

    def _is_full(self) -> bool:
        return sum(self._state.census()) >= self.pool.options.max_size

    async def warm_up(self) -> None:
        """Open the shared connection; raises as `call` does."""
        if not same_process:
            run_after_fork()
        if self._shared is None:
            await self._share(monotonic() + self.pool.options.connect_timeout)

    def disconnect(self, reason: str = "closed by its user") -> None:
        """
        Close what is idle now, the rest once the replies under way are in.

        The next call opens a connection again.
        """
        if not same_process:
            run_after_fork()
        shared, self._shared = self._shared, None
        if shared is not None:
            self._drain(shared, reason)
        self.pool.retire(reason)

    async def aclose(self) -> None:
        """Close the shared connection, those it replaced, and the pool."""
        if not same_process:
            run_after_fork()
        shared, self._shared = self._shared, None
        await self.pool.aclose()
        for connection in (*self._draining, *(() if shared is None else (shared,))):
            connection.on_end = None
            self.pool.checkin_closed(connection, "pool closed")
        self._draining.clear()

    def after_fork(self) -> None:
        """Start without a connection in a child process."""
        self._sharing = AsyncOnce()
        self._shared = None
        self._draining = set()

    # -- inside

    async def _share(self, deadline: float) -> AsyncConnection:
        """Borrow the connection to share, together with all who ask meanwhile."""
        started = monotonic()
        breaker = self._state.breaker
        if not breaker.closed and (breaker.remaining(started) > 0 or self._sharing.running):
            raise self.pool.unavailable(started)
        while True:
            try:
                borrow = partial(self._borrow, deadline)
                return await self._sharing.run(borrow, deadline - monotonic())
            except PoolTimeout:
                if monotonic() >= deadline:  # else it was the patience of who came first
                    raise
            except OutOfTime:
                raise self._too_late(monotonic() - started) from None

    def _too_late(self, waited: float) -> Exception:
        stats = self.pool.stats()
        if stats.size >= stats.max_size:
            self.pool.waited_in_vain(waited)
            return PoolTimeout(self.endpoint.name, waited, stats)
        return self.pool.not_connected(waited)

    async def _borrow(self, deadline: float) -> AsyncConnection:
        old, self._shared = self._shared, None
        if old is not None:
            self._drain(old, "retired")
        at_least = monotonic() + self.pool.options.connect_timeout
        connection = await self.pool.checkout(max(deadline, at_least))
        if self._state.closed:  # meanwhile
            self.pool.checkin_closed(connection, "pool closed")
            raise PoolClosed(self.endpoint.name)
        connection.on_end = self._ended
        connection.on_silence = self.pool.report
        connection.owner = None  # nobody in particular has it: lent for long, it is no leak
        self._shared = connection
        async_later(connection.expires_at - monotonic(), _expire, ref(self), ref(connection))
        return connection

    def _ended(self, connection: AsyncConnection, why: Exception) -> None:
        if self._shared is connection:
            self._shared = None
        connection.on_end = None
        self.pool.checkin_closed(connection, "lost")

    def expire(self, connection: AsyncConnection) -> None:
        """Share another connection from now on, if it is still this one."""
        if self._shared is connection:
            self._shared = None
            self._drain(connection, "lifetime")

    def _drain(self, connection: AsyncConnection, reason: str) -> None:
        """Close a connection that nobody joins any more, once nobody waits for a reply on it."""
        if connection.closed:
            self._draining.discard(connection)
            return
        if connection.awaited:
            self._draining.add(connection)
            async_later(0.05, self._drain, connection, reason)
            return
        self._draining.discard(connection)
        connection.on_end = None
        self.pool.checkin_closed(connection, reason)


def _expire(multiplexer: "ref[AsyncMultiplexer]", connection: "ref[AsyncConnection]") -> None:
    """End a connection's time; by then it, or who shares it, may be long gone."""
    sharer, shared = multiplexer(), connection()
    if sharer is not None and shared is not None:
        sharer.expire(shared)
