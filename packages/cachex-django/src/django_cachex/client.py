"""What CLIENT_CLASS names: the two halves of a client, and redis-py's methods on them."""

from typing import TYPE_CHECKING

import cachex_client
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

    @property
    def redis(self) -> "cachex_client.Redis":
        """A `redis.Redis` with all its methods, on this client's connections."""
        return self.executor.redis

    @property
    def async_redis(self) -> "cachex_client.AsyncRedis":
        """A `redis.asyncio.Redis` with all its methods, on this client's connections."""
        return self.async_executor.redis

    def get_client(self, key: object = None, write: bool = True) -> "cachex_client.Redis":
        """
        Return `redis`, under the name other backends have for it.

        Each command goes where it belongs, so `key` and `write` are not needed here.
        """
        return self.executor.redis

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
