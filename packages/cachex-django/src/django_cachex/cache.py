"""The cache backends: what BACKEND names."""

from django_cachex._async.operations import AsyncOperations
from django_cachex._sync.operations import Operations


class RedisCache(AsyncOperations, Operations):
    """
    Django's cache on a Redis or Valkey server, for threads and for asyncio.

    LOCATION is a URL or a list of them: redis://, valkey://, their TLS forms rediss:// and
    valkeys://, or unix://. Every method has an asynchronous twin whose name begins with `a`.
    """


class ValkeyCache(RedisCache):
    """The same by another name: all servers and all schemes work with both."""
