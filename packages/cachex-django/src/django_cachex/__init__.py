"""Django cache backend for Redis and Valkey."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cachex_client import AsyncRedis, Redis
    from django_cachex.client import DefaultClient

__version__ = "0.1.0"

__all__ = [
    "get_async_redis_connection",
    "get_redis_connection",
    "get_valkey_connection",
    "warm_up",
]


def get_redis_connection(alias: str = "default", write: bool = True) -> "Redis":
    """
    Return a `redis.Redis` on the connections of the cache `alias`.

    It has all of redis-py's methods and speaks of keys as they are stored: prefix and version
    are the caller's business. The primary answers its reads, unless `write` is False: then
    READ_FROM says who does. NotImplementedError if the cache is not one of this package's.
    """
    return _client(alias).get_client(write=write)


def get_valkey_connection(
    alias: str = "default", write: bool = True, key: object = None
) -> "Redis":
    """Return what `get_redis_connection` does: by this name, code for django-valkey finds it."""
    return get_redis_connection(alias, write)


def get_async_redis_connection(alias: str = "default", write: bool = True) -> "AsyncRedis":
    """Return a `redis.asyncio.Redis`: `get_redis_connection` for tasks."""
    return _client(alias).get_async_client(write=write)


def warm_up(*aliases: str) -> None:
    """
    Open the connections that caches want to keep (MIN_CONNECTIONS) before the first request.

    Call it in a worker, after the fork: in gunicorn's `post_fork`, say. Without `aliases` every
    cache of this package is meant. Raises what is wrong with settings or server.
    """
    from django_cachex import registry

    registry.warm_up(*aliases)


def _client(alias: str) -> "DefaultClient":
    from django.core.cache import caches

    from django_cachex.client import DefaultClient

    client = getattr(caches[alias], "client", None)
    if not isinstance(client, DefaultClient):
        raise NotImplementedError(f"the cache {alias!r} is not one of django_cachex")
    return client
