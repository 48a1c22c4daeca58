"""What can go wrong above the connection.

An error reply of the server is raised unchanged, as the class of `redis.exceptions` that belongs
to it; trouble with connections is an error of `cachex_pool`. The rest is here.
"""

from redis.exceptions import LockError as RedisLockError
from redis.exceptions import LockNotOwnedError as RedisLockNotOwnedError


class ClientError(Exception):
    """Base of every error that cachex_client raises itself."""


class ConfigurationError(ClientError, ValueError):
    """A setting cannot work; the text says what was given and what was expected."""


class SerializerError(ClientError):
    """A value cannot be turned into bytes, or stored bytes into a value."""


class CompressorError(ClientError):
    """Bytes cannot be compressed, or are not what the compressor wrote."""


class LockError(ClientError, RedisLockError):
    """A lock could not be acquired, extended or released."""


class LockNotOwnedError(LockError, RedisLockNotOwnedError):
    """The lock is held by somebody else now, most likely because it timed out."""
