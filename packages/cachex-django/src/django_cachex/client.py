"""What CLIENT_CLASS names: the two halves of a client, and redis-py's methods on them."""

from typing import TYPE_CHECKING, Any, NoReturn, Self

from cachex_client import AsyncRedis, Redis, TopologyView
from django_cachex._async.primary import AsyncOnPrimary
from django_cachex._sync.primary import OnPrimary
from django_cachex.pool import (
    AsyncClient,
    Client,
    ClusterConnectionFactory,
    ConnectionFactory,
    SentinelConnectionFactory,
)
from django_cachex.views import merged

if TYPE_CHECKING:
    from django_cachex.settings import ClientConfig


class DefaultClient:
    """
    One primary, and replicas if there are any.

    Shared by all threads, event loops and cache objects of one configuration. `executor` is
    the client of `cachex_client` for threads, `async_executor` the one for asyncio.
    """

    connection_factory: type[ConnectionFactory] = ConnectionFactory

    def __init__(self, config: "ClientConfig") -> None:
        self.config = config
        factory = config.connection_factory(config)
        self.executor: Client = factory.connect()
        self.async_executor: AsyncClient = factory.async_connect()
        on_primary: Any = OnPrimary(self.executor)
        async_on_primary: Any = AsyncOnPrimary(self.async_executor)
        self._primary = Redis(on_primary)
        self._async_primary = AsyncRedis(async_on_primary)

    def __copy__(self) -> Self:
        """Return the client itself: there is one for each configuration and process."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: its connections belong to this process;"
            " use caches[alias].client in the other process"
        )

    @property
    def redis(self) -> Redis:
        """A `redis.Redis` with all its methods; READ_FROM says who answers its reads."""
        return self.executor.redis

    @property
    def async_redis(self) -> AsyncRedis:
        """A `redis.asyncio.Redis` with all its methods; READ_FROM says who answers its reads."""
        return self.async_executor.redis

    def get_client(self, write: bool = True, key: object = None) -> Redis:
        """
        Return a `redis.Redis` on this client's connections.

        Its reads are answered by the primary, unless `write` is False: then READ_FROM says by
        whom. Writes always go to the primary. `key` is there for code written for other backends.
        """
        return self._primary if write else self.redis

    def get_async_client(self, write: bool = True, key: object = None) -> AsyncRedis:
        """Return a `redis.asyncio.Redis`: `get_client` for tasks."""
        return self._async_primary if write else self.async_redis

    def view(self) -> TopologyView:
        """Return the servers as this process sees them: roles, slots, health, pools."""
        return merged(self.executor.view(), self.async_executor.view())

    def warm_up(self) -> None:
        """Learn who is there; open the connections that are to be there before they are needed."""
        self.executor.warm_up()

    def close(self) -> None:
        """
        Close the connections of threads that are idle, and those in use when they come back.

        No call fails by that, whoever makes it: the next one opens a connection again.
        """
        self._primary.connection_pool.disconnect(inuse_connections=False)
        self.executor.close()

    async def aclose(self) -> None:
        """Do as `close` for the connections of the running event loop."""
        await self._async_primary.connection_pool.disconnect(inuse_connections=False)
        await self.async_executor.aclose()

    def __getattr__(self, name: str) -> Any:
        """Say where other backends' methods are: this client knows neither prefix nor version."""
        from django_cachex.cache import RedisCache

        hint = f": write cache.{name}" if hasattr(RedisCache, name) else ""
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.config.name}>"


class SentinelClient(DefaultClient):
    """
    The primary and the replicas of a service that Sentinels watch, through all failovers.

    LOCATION is `redis://service_name/db`; SENTINELS has the Sentinels. With a second URL,
    `redis://service_name/db?is_master=0`, replicas answer reads; alone, that URL makes a cache
    that is only read from.
    """

    connection_factory = SentinelConnectionFactory


class ClusterClient(DefaultClient):
    """
    A cluster: LOCATION names any nodes of it, the others are found.

    Commands on many keys are split by node; each key's command goes to the node that holds it.
    """

    connection_factory = ClusterConnectionFactory
