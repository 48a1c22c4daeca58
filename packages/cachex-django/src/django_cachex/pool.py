"""What CONNECTION_FACTORY names: from a configuration to clients that know their servers."""

from typing import TYPE_CHECKING, TypeAlias

import cachex_client
from cachex_client import AsyncReadOnlyClient, ReadOnlyClient
from cachex_client.config.topologies import CLUSTER, REPLICATED, SENTINEL

if TYPE_CHECKING:
    from django_cachex.settings import ClientConfig

Client: TypeAlias = cachex_client.DefaultClient | cachex_client.ClusterClient
"""A client for threads; that for Sentinel is a DefaultClient."""

AsyncClient: TypeAlias = cachex_client.AsyncDefaultClient | cachex_client.AsyncClusterClient
"""A client for asyncio."""


class ConnectionFactory:
    """
    Makes clients for the servers of LOCATION: the first is the primary, the rest replicas.

    Subclass it to add observers or to change endpoints on the way. There is one object for
    each configuration and process.
    """

    topology = REPLICATED

    def __init__(self, config: "ClientConfig") -> None:
        self.config = config

    def connect(self) -> Client:
        """Return the client for threads. Nothing is connected before it is used."""
        return cachex_client.DefaultClient(self.config.servers, self.config.options)

    def async_connect(self) -> AsyncClient:
        """Return the client for asyncio. Nothing is connected before it is used."""
        return cachex_client.AsyncDefaultClient(self.config.servers, self.config.options)


class SentinelConnectionFactory(ConnectionFactory):
    """
    Makes clients for a service that Sentinels watch.

    `map` is what the process knows of the service: both clients share it.
    """

    topology = SENTINEL

    def __init__(self, config: "ClientConfig") -> None:
        super().__init__(config)
        self.map = config.sentinel_map()
        self._read_only = config.service is not None and config.service.read_only

    def connect(self) -> Client:
        """Return the client for threads. Nothing is connected before it is used."""
        kind = ReadOnlyClient if self._read_only else cachex_client.SentinelClient
        return kind(self.map, self.config.options)

    def async_connect(self) -> AsyncClient:
        """Return the client for asyncio. Nothing is connected before it is used."""
        kind = AsyncReadOnlyClient if self._read_only else cachex_client.AsyncSentinelClient
        return kind(self.map, self.config.options)


class ClusterConnectionFactory(ConnectionFactory):
    """
    Makes clients for a cluster, of which LOCATION names some nodes.

    `map` is what the process knows of the cluster: both clients share it.
    """

    topology = CLUSTER

    def __init__(self, config: "ClientConfig") -> None:
        super().__init__(config)
        self.map = config.cluster_map()

    def connect(self) -> Client:
        """Return the client for threads. Nothing is connected before it is used."""
        return cachex_client.ClusterClient((), self.config.options, map=self.map)

    def async_connect(self) -> AsyncClient:
        """Return the client for asyncio. Nothing is connected before it is used."""
        return cachex_client.AsyncClusterClient((), self.config.options, map=self.map)
