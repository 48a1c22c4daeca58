"""
One server as a client sees it: its connections, its health, its share of retries.

Written by hand for both colours: threads take an exclusive connection for each call, tasks
share one, and borrow an exclusive one for what would hold the others up.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any, TypeAlias

from cachex_client._concurrency import beside, close_now, gather_errors
from cachex_client._core.health import Health
from cachex_client._core.retry import Budget
from cachex_client.options import ClientOptions
from cachex_pool import (
    AsyncConnection,
    AsyncMultiplexer,
    Connection,
    DeadlineExceeded,
    Endpoint,
    Exchange,
    Pool,
    PoolError,
    PoolObserver,
    PoolStats,
    SideBySide,
)

CLOSED = "closed by its user"
"""Why connections go that a client's `close()` closes."""


class Link:
    """A server's connections for threads."""

    def __init__(
        self, endpoint: Endpoint, options: ClientOptions, observers: Sequence[PoolObserver] = ()
    ) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.node_id = ""  # of the cluster's node that is expected there, once it is known
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

    def disconnect(self) -> None:
        """Close what is idle now, the rest when it comes back; the next call opens again."""
        self.pool.retire(CLOSED)

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
        self.node_id = ""
        self.left = False
        self.deposed = False
        self._shared = AsyncMultiplexer(endpoint, options.pool, observers)
        self.pool = self._shared.pool
        self.health = Health()
        self.budget = Budget(options.retry)
        self.call = self._shared.call
        self.exchange = self._shared.exchange

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

    def disconnect(self) -> None:
        """Close what is idle now, the rest when it comes back; the next call opens again."""
        self._shared.disconnect(CLOSED)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._shared.aclose()


IN_TIME = 0.05
"""Seconds after its deadline in which a thread should have ended what it does for a caller."""

Request: TypeAlias = tuple[Link, bytes, int, float]
AsyncRequest: TypeAlias = tuple[AsyncLink, bytes, int, float]


def exchange_all(requests: Sequence[Request]) -> list[list[Any] | Exception]:
    """
    Exchange with several servers side by side: one that hangs keeps only its own connection.

    A request is a link, packed commands, the number of their replies and a deadline; each gets its
    replies, or the PoolError that befell it. All that is possible without waiting is written
    before any reply is read; whichever is ready is read, and its connection goes back at once.
    Who has to connect first, or to wait for a connection, does so in a thread.
    """
    if len(requests) == 1:
        link, data, count, until = requests[0]
        try:
            return [link.exchange(data, count, until)]
        except PoolError as error:
            return [error]
    answers: list[Any] = [None] * len(requests)
    under_way: dict[Exchange, int] = {}
    waiting: list[int] = []
    try:
        for at, (link, data, count, until) in enumerate(requests):
            try:
                connection = link.pool.acquire_now()
            except PoolError as error:
                answers[at] = error
                continue
            if connection is None:
                waiting.append(at)
                continue
            try:
                exchange = Exchange(connection, data, count, until)
                under_way[exchange] = at
            except BaseException as error:
                link.pool.abandon(connection, error)
                raise
        alone = None if under_way or not waiting else waiting.pop()
        others = [beside(partial(_exchange, requests[at])) for at in waiting]
        if alone is not None:
            answers[alone] = _exchange(requests[alone])
        prompt = True
        for exchange in list(under_way):
            prompt = prompt and exchange.read_soon()
            if exchange.end is not None:
                _end(exchange, under_way, requests, answers)
        if under_way:
            left = SideBySide(under_way)
            while left:
                for exchange in left.next_ended():
                    _end(exchange, under_way, requests, answers)
        for at, result in zip(waiting, others, strict=True):
            link, _, _, until = requests[at]
            try:
                answers[at] = result(until + IN_TIME)
            except TimeoutError:  # nobody can say how far it came
                answers[at] = DeadlineExceeded(link.name, "connecting", written=True)
    except BaseException as error:
        for exchange, at in under_way.items():
            requests[at][0].pool.abandon(exchange.connection, error)
        raise
    return answers


def _exchange(request: Request) -> list[Any] | Exception:
    link, data, count, until = request
    try:
        return link.exchange(data, count, until)
    except PoolError as error:
        return error


def _end(
    exchange: Exchange,
    under_way: dict[Exchange, int],
    requests: Sequence[Request],
    answers: list[Any],
) -> None:
    """Give a connection back, and note what came."""
    at = under_way[exchange]
    pool, end = requests[at][0].pool, exchange.end
    answers[at] = end
    if isinstance(end, Exception):
        pool.abandon(exchange.connection, end)
    else:
        pool.release(exchange.connection)
    del under_way[exchange]


async def async_exchange_all(requests: Sequence[AsyncRequest]) -> list[list[Any] | Exception]:
    """Do as `exchange_all`, on the servers' shared connections."""
    if len(requests) == 1:
        link, data, count, until = requests[0]
        try:
            return [await link.exchange(data, count, until)]
        except PoolError as error:
            return [error]
    return await gather_errors(
        [link.exchange(data, count, until) for link, data, count, until in requests]
    )
