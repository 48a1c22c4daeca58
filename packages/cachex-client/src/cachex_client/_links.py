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
    AsyncMultiplexer,
    AsyncPooledConnection,
    Connection,
    DeadlineExceeded,
    Endpoint,
    Exchange,
    Pool,
    PooledConnection,
    PoolError,
    PoolObserver,
    PoolStats,
    SideBySide,
)
from cachex_pool.forks import StateLock

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

    def lease(self, deadline: float) -> AbstractContextManager[PooledConnection]:
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
        self.exchange_alone = self._shared.exchange_alone

    def __repr__(self) -> str:
        return f"<AsyncLink {'' if self.health.ok else 'unwell, '}{self._shared!r}>"

    async def call_alone(self, data: bytes, deadline: float) -> Any:
        """Send a command that may hold its connection up."""
        async with self.lease(deadline) as connection:
            return await connection.call(data, deadline)

    def lease(self, deadline: float) -> AbstractAsyncContextManager[AsyncPooledConnection]:
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


def exchange_all(
    requests: Sequence[Request], *, exclusive: bool = False
) -> list[list[Any] | Exception]:
    """
    Exchange with several servers side by side: one that hangs keeps only its own connection.

    A request is a link, packed commands, the number of their replies and a deadline; each gets its
    replies, or the PoolError that befell it. All that is possible without waiting is written
    before any reply is read; whichever is ready is read, and its connection goes back at once.
    Who has to connect first, or to wait for a connection, does so in a thread. `exclusive` is
    about tasks: threads share no connection.
    """
    if len(requests) == 1:
        return [_exchange(requests[0])]
    answers: list[Any] = [None] * len(requests)
    held: list[Connection | None] = []
    unsent: dict[int, int] = {}
    waiting: list[int] = []
    late: list[Exchange] = []
    called_off: _CalledOff | None = None
    try:
        for at, (link, data, _, _) in enumerate(requests):
            held.append(None)
            try:
                connection = held[at] = link.pool.checkout_now()
                if connection is None:
                    waiting.append(at)
                elif (sent := connection.start(data)) != len(data):
                    unsent[at] = sent
            except PoolError as error:
                answers[at] = _give_up(link, held, at, error)
        alone = waiting.pop() if waiting and len(waiting) == len(requests) else None
        others = []
        if waiting:
            called_off = _CalledOff()
            others = [beside(partial(_exchange_beside, requests[at], called_off)) for at in waiting]
        if alone is not None:
            answers[alone] = _exchange(requests[alone])
        for at, (link, data, count, until) in enumerate(requests):
            connection = held[at]
            if connection is None:
                continue
            replies: list[Any] = []
            try:
                if late or unsent or not connection.read_soon(count, replies):
                    sent = unsent.get(at, len(data))
                    late.append(Exchange(connection, data, sent, count, until, replies, at))
                    continue
            except PoolError as error:
                answers[at] = _give_up(link, held, at, error)
            else:
                held[at] = None
                link.pool.checkin(connection)
                answers[at] = replies
        if late:
            _await(late, requests, held, answers)
        for at, result in zip(waiting, others, strict=True):
            link, _, _, until = requests[at]
            unseen = DeadlineExceeded(link.name, "connecting", written=True)  # as far as is known
            answers[at] = result(until + IN_TIME, unseen)
    except BaseException as error:
        if called_off is not None:  # what is sent later would follow the caller's next commands
            with called_off.lock:
                called_off.yes = True
        for at in range(len(held)):
            _give_up(requests[at][0], held, at, error)
        raise
    return answers


class _CalledOff:
    """Whether the caller of exchanges in threads has left, as a signal handler raised."""

    __slots__ = ("lock", "yes")

    def __init__(self) -> None:
        self.lock = StateLock()
        self.yes = False


def _give_up(
    link: Link, held: list[Connection | None], at: int, error: BaseException
) -> BaseException:
    connection, held[at] = held[at], None
    if connection is not None:
        link.pool.checkin_failed(connection, error)
    return error


def _exchange(request: Request) -> list[Any] | Exception:
    link, data, count, until = request
    try:
        return link.exchange(data, count, until)
    except PoolError as error:
        return error


def _exchange_beside(request: Request, called_off: _CalledOff) -> list[Any] | Exception:
    """Do as `_exchange`, in a thread; nothing is sent once that is called off."""
    link, data, count, until = request
    try:
        connection = link.pool.checkout(until)
    except PoolError as error:
        return error
    try:
        with called_off.lock:
            if called_off.yes:
                link.pool.checkin(connection)
                return []
            sent = connection.start(data)
        (exchange,) = SideBySide([Exchange(connection, data, sent, count, until, [])]).next_ended()
    except PoolError as error:
        link.pool.checkin_failed(connection, error)
        return error
    end: list[Any] | Exception | None = exchange.end
    if isinstance(end, Exception):
        link.pool.checkin_failed(connection, end)
    else:
        link.pool.checkin(connection)
    return end or []


def _await(
    late: Sequence[Exchange],
    requests: Sequence[Request],
    held: list[Connection | None],
    answers: list[Any],
) -> None:
    """Wait for exchanges, whichever is ready; give back each connection at once."""
    left = SideBySide(late)
    while left:
        for exchange in left.next_ended():
            at, end = exchange.position, exchange.end
            answers[at] = end
            if isinstance(end, Exception):
                _give_up(requests[at][0], held, at, end)
            else:
                held[at] = None
                requests[at][0].pool.checkin(exchange.connection)


async def async_exchange_all(
    requests: Sequence[AsyncRequest], *, exclusive: bool = False
) -> list[list[Any] | Exception]:
    """Do as `exchange_all`, on the servers' shared connections or on `exclusive` ones."""
    if len(requests) == 1:
        link, data, count, until = requests[0]
        exchange = link.exchange_alone if exclusive else link.exchange
        try:
            return [await exchange(data, count, until)]
        except PoolError as error:
            return [error]
    if exclusive:
        return await gather_errors(
            [link.exchange_alone(data, count, until) for link, data, count, until in requests]
        )
    return await gather_errors(
        [link.exchange(data, count, until) for link, data, count, until in requests]
    )
