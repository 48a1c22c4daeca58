"""What CONNECTION_FACTORY names: from a configuration to clients that know their servers."""

from typing import TYPE_CHECKING

import cachex_client

if TYPE_CHECKING:
    from django_cachex.settings import ClientConfig


class ConnectionFactory:
    """
    Makes clients for the servers of LOCATION: the first is the primary, the rest replicas.

    Subclass it to add observers or to change endpoints on the way.
    """

    def __init__(self, config: "ClientConfig") -> None:
        self.config = config

    def connect(self) -> cachex_client.DefaultClient:
        """Return the client for threads. Nothing is connected before it is used."""
        return cachex_client.DefaultClient(self.config.servers, self.config.options)

    def async_connect(self) -> cachex_client.AsyncDefaultClient:
        """Return the client for asyncio. Nothing is connected before it is used."""
        return cachex_client.AsyncDefaultClient(self.config.servers, self.config.options)
