"""
One server as a client sees it: its connections, its health, its share of retries.

Written by hand for both colours: threads take an exclusive connection for each call, tasks
share one, and borrow an exclusive one for what would hold the others up.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from cachex_client._core.health import Health
from cachex_client._core.retry import Budget
from cachex_client.options import ClientOptions
from cachex_pool import (
    AsyncConnection,
    AsyncMultiplexer,
    Connection,
    Endpoint,
    Pool,
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
        self.pool = Pool(endpoint, options.pool, observers)
        self.health = Health()
        self.budget = Budget(options.retry)
        self.call = self.pool.call
        self.exchange = self.pool.exchange

    def __repr__(self) -> str:
        return f"<Link {'' if self.health.ok else 'unwell, '}{self.pool!r}>"

    def call_alone(self, data: bytes, deadline: float) -> Any:
        """Send a command that may hold its connection up."""
        return self.pool.call(data, deadline)

    def lease(self, deadline: float) -> AbstractContextManager[Connection]:
        """Borrow a connection for a block."""
        return self.pool.connection(deadline)

    def warm_up(self) -> None:
        """Open the connections that `min_size` asks for, at least one."""
        self.pool.warm_up()

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        return self.pool.stats()

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
        return await self.pool.call(data, deadline)

    def lease(self, deadline: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Borrow a connection for a block."""
        return self.pool.connection(deadline)

    async def warm_up(self) -> None:
        """Open the shared connection."""
        await self._shared.warm_up()

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        return self.pool.stats()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._shared.aclose()
