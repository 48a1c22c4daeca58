"""
One server as a client sees it: its connections, its health, its share of retries.

Written by hand for both colours: threads take an exclusive connection for each call, tasks
share one, and borrow an exclusive one for what would hold the others up.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias

from cachex_client._concurrency import close_now, gather_errors
from cachex_client._core.health import Health
from cachex_client._core.retry import Budget
from cachex_client.options import ClientOptions
from cachex_pool import (
    AsyncConnection,
    AsyncMultiplexer,
    Connection,
    Endpoint,
    Pool,
    PoolError,
    PoolObserver,
    PoolStats,
)


class Link:
    """A server's connections for threads."""

    def __init__(
        self, endpoint: Endpoint, options: ClientOptions, observers: Sequence[PoolObserver] = ()
    ) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.left = False  # gone from the map: who still holds it has to ask for another
        self.deposed = False  # it led a shard, and leads no more
        self.pool = Pool(endpoint, options.pool, observers)
        self.health = Health()
        self.budget = Budget(options.retry)
        self.call = self.pool.call
        self.exchange = self.pool.exchange

    def __repr__(self) -> str:
        return f"<Link {'' if self.health.ok else 'unwell, '}{self.pool!r}>"

    def call_alone(self, data: bytes, deadline: float) -> Any:
        """Send a command that may hold its connection up."""
        with self.lease(deadline) as connection:
            return connection.call(data, deadline)

    def lease(self, deadline: float) -> AbstractContextManager[Connection]:
        """Borrow a connection for a block."""
        return self.pool.connection(deadline)

    def warm_up(self) -> None:
        """Open the connections that `min_size` asks for, at least one."""
        self.pool.warm_up()

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        return self.pool.stats()

    def leave(self) -> None:
        """Close all connections, also those that wait for a reply: the server has left."""
        self.left = True
        self.pool.retire("left", sever=True)
        self.pool.close()

    def close(self) -> None:
        """Close the pool."""
        self.pool.close()


class AsyncLink:
    """A server's connections for the tasks of one event loop."""

    def __init__(
        self, endpoint: Endpoint, options: ClientOptions, observers: Sequence[PoolObserver] = ()
    ) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.left = False
        self.deposed = False
        self._shared = AsyncMultiplexer(endpoint, options.pool, observers)
        self.pool = self._shared.pool
        self.health = Health()
        self.budget = Budget(options.retry)
        self.call = self._shared.call
        self.exchange = self._shared.exchange
        self.exchange_alone = self._shared.exchange_alone

    def __repr__(self) -> str:
        return f"<AsyncLink {'' if self.health.ok else 'unwell, '}{self._shared!r}>"

    async def call_alone(self, data: bytes, deadline: float) -> Any:
        """Send a command that may hold its connection up."""
        async with self.lease(deadline) as connection:
            return await connection.call(data, deadline)

    def lease(self, deadline: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Borrow a connection for a block."""
        return self.pool.connection(deadline)

    async def warm_up(self) -> None:
        """Open the shared connection."""
        await self._shared.warm_up()

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        return self.pool.stats()

    def leave(self) -> None:
        """Close all connections, also those that wait for a reply: the server has left."""
        self.left = True
        self.pool.retire("left", sever=True)
        close_now(self._shared)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._shared.aclose()


Request: TypeAlias = tuple[Link, bytes, int, float]
AsyncRequest: TypeAlias = tuple[AsyncLink, bytes, int, float]


def exchange_all(
    requests: Sequence[Request], *, alone: bool = False
) -> list[list[Any] | Exception]:
    """
    Write to every server before reading from any, so that they work side by side.

    A request is a link, packed commands, the number of their replies and a deadline; each gets its
    replies, or the PoolError that befell it. `alone` is about tasks: threads share no connection.
    Links come in the order of their names: two
    callers who borrow from the same pools then queue behind each other, not for each other.
    """
    if len(requests) == 1:
        link, data, count, until = requests[0]
        try:
            return [link.exchange(data, count, until)]
        except PoolError as error:
            return [error]
    answers: list[list[Any] | Exception] = []
    held: list[Connection | None] = []
    try:
        for link, data, _, until in requests:
            held.append(None)
            answers.append([])
            try:
                connection = held[-1] = link.pool.acquire(until)
                connection.write(data, until)
            except PoolError as error:
                _give_up(link, held, len(held) - 1, error)
                answers[-1] = error
        for at, (link, _, count, until) in enumerate(requests):
            reading = held[at]
            if reading is None:
                continue
            try:
                answers[at] = reading.read(count, until)
            except PoolError as error:
                _give_up(link, held, at, error)
                answers[at] = error
            else:
                held[at] = None
                link.pool.release(reading)
    except BaseException as error:
        for at in range(len(held)):
            _give_up(requests[at][0], held, at, error)
        raise
    return answers


def _give_up(link: Link, held: list[Connection | None], at: int, error: BaseException) -> None:
    connection, held[at] = held[at], None
    if connection is not None:
        link.pool.abandon(connection, error)


async def async_exchange_all(
    requests: Sequence[AsyncRequest], *, alone: bool = False
) -> list[list[Any] | Exception]:
    """Do as `exchange_all`, on the servers' shared connections or, `alone`, on exclusive ones."""
    if len(requests) == 1:
        link, data, count, until = requests[0]
        exchange = link.exchange_alone if alone else link.exchange
        try:
            return [await exchange(data, count, until)]
        except PoolError as error:
            return [error]
    if alone:
        return await gather_errors(
            [link.exchange_alone(data, count, until) for link, data, count, until in requests]
        )
    return await gather_errors(
        [link.exchange(data, count, until) for link, data, count, until in requests]
    )
