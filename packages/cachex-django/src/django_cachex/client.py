"""What CLIENT_CLASS names: the two halves of a client, and redis-py's methods on them."""

from typing import TYPE_CHECKING

import cachex_client
from cachex_client import AsyncRedis, Redis
from django_cachex._async.primary import AsyncOnPrimary
from django_cachex._sync.primary import OnPrimary
from django_cachex.pool import ConnectionFactory

if TYPE_CHECKING:
    from django_cachex.settings import ClientConfig


class DefaultClient:
    """
    One primary, and replicas if there are any.

    Shared by all threads, event loops and cache objects of one configuration. `executor` is
    the client of `cachex_client` for threads, `async_executor` the one for asyncio.
    """

    connection_factory = ConnectionFactory

    def __init__(self, config: "ClientConfig") -> None:
        self.config = config
        factory = config.connection_factory(config)
        self.executor: cachex_client.DefaultClient = factory.connect()
        self.async_executor: cachex_client.AsyncDefaultClient = factory.async_connect()
        self._primary = Redis(OnPrimary(self.executor))
        self._async_primary = AsyncRedis(AsyncOnPrimary(self.async_executor))

    @property
    def redis(self) -> Redis:
        """A `redis.Redis` with all its methods; READ_FROM says who answers its reads."""
        return self.executor.redis

    @property
    def async_redis(self) -> AsyncRedis:
        """A `redis.asyncio.Redis` with all its methods; READ_FROM says who answers its reads."""
        return self.async_executor.redis

    def get_client(self, key: object = None, write: bool = True) -> Redis:
        """
        Return a `redis.Redis` on this client's connections.

        Its reads are answered by the primary, unless `write` is False: then READ_FROM says by
        whom. Writes always go to the primary. `key` is there for code written for other backends.
        """
        return self._primary if write else self.redis

    def get_async_client(self, key: object = None, write: bool = True) -> AsyncRedis:
        """Return a `redis.asyncio.Redis`: `get_client` for tasks."""
        return self._async_primary if write else self.async_redis

    def warm_up(self) -> None:
        """Open the connections that are to be there before anybody needs them."""
        self.executor.warm_up()

    def close(self) -> None:
        """Close the connections of all threads."""
        self.executor.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self.async_executor.aclose()

    def __repr__(self) -> str:
        servers = ", ".join(server.name for server in self.config.servers)
        return f"<{type(self).__name__} of {servers}>"
