"""A server in redis-py's words: the class of its connections, and their settings."""

from collections.abc import Callable
from typing import Any

import redis.asyncio.connection
import redis.connection
from redis.credentials import CredentialProvider

from cachex_pool.endpoint import Endpoint, Tls


class FromFunction(CredentialProvider):
    """A function that says user name and password, as redis-py's provider."""

    def __init__(self, function: Callable[[], tuple[str | None, str]]) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FromFunction) and self.function == other.function

    __hash__ = None  # type: ignore[assignment]

    def get_credentials(self) -> Any:
        """Return user name and password, or the password alone."""
        user, password = self.function()
        return (password,) if user is None else (user, password)


def connection_class(endpoint: Endpoint) -> type[Any]:
    """Return the class of redis-py's connections to a server."""
    if endpoint.path is not None:
        return redis.connection.UnixDomainSocketConnection
    return redis.connection.SSLConnection if endpoint.tls else redis.connection.Connection


def async_connection_class(endpoint: Endpoint) -> type[Any]:
    """Return the class of redis-py's asyncio connections to a server."""
    if endpoint.path is not None:
        return redis.asyncio.connection.UnixDomainSocketConnection
    if endpoint.tls:
        return redis.asyncio.connection.SSLConnection
    return redis.asyncio.connection.Connection


def connection_settings(endpoint: Endpoint) -> dict[str, Any]:
    """Return with what redis-py connects to a server, without what is as by default."""
    settings: dict[str, Any] = {"db": endpoint.db}
    if endpoint.path is None:
        settings |= {"host": endpoint.host, "port": endpoint.port}
    else:
        settings |= {"path": endpoint.path}
    if endpoint.credentials is None:
        settings |= {"username": endpoint.username, "password": endpoint.password}
    elif isinstance(endpoint.credentials, CredentialProvider):
        settings |= {"credential_provider": endpoint.credentials}
    else:
        settings |= {"credential_provider": FromFunction(endpoint.credentials)}
    settings |= {"client_name": endpoint.client_name}
    if endpoint.minimal_handshake:
        settings |= {"client_name": None, "protocol": 2}
    if endpoint.tls is not None:
        settings |= _tls(endpoint.tls)
    return {name: value for name, value in settings.items() if value is not None}


def _tls(tls: Tls) -> dict[str, Any]:
    return {
        "ssl_ca_certs": tls.ca_certs,
        "ssl_ca_path": tls.ca_path,
        "ssl_ca_data": tls.ca_data,
        "ssl_certfile": tls.certfile,
        "ssl_keyfile": tls.keyfile,
        "ssl_password": tls.keyfile_password,
        "ssl_cert_reqs": tls.verify,
        "ssl_check_hostname": tls.check_hostname and tls.verify != "none",
        "ssl_min_version": tls.min_version,
        "ssl_ciphers": tls.ciphers,
    }
