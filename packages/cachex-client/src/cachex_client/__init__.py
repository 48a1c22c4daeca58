"""Redis and Valkey client for caches; needs no Django."""

from cachex_client._async.cache import AsyncCache
from cachex_client._async.default import AsyncDefaultClient
from cachex_client._async.facade import AsyncRedis
from cachex_client._sync.cache import Cache
from cachex_client._sync.default import DefaultClient
from cachex_client._sync.facade import Redis
from cachex_client.codec import Codec
from cachex_client.command import Command, Spec
from cachex_client.errors import (
    ClientError,
    CompressorError,
    ConfigurationError,
    LockError,
    LockNotOwnedError,
    SerializerError,
)
from cachex_client.executor import AsyncExecutor, Executor
from cachex_client.keys import Keys
from cachex_client.options import Candidate, ClientOptions, ReadFrom, RetryOptions
from cachex_client.timeouts import DEFAULT

__version__ = "0.1.0"

__all__ = [
    "DEFAULT",
    "AsyncCache",
    "AsyncDefaultClient",
    "AsyncExecutor",
    "AsyncRedis",
    "Cache",
    "Candidate",
    "ClientError",
    "ClientOptions",
    "Codec",
    "Command",
    "CompressorError",
    "ConfigurationError",
    "DefaultClient",
    "Executor",
    "Keys",
    "LockError",
    "LockNotOwnedError",
    "ReadFrom",
    "Redis",
    "RetryOptions",
    "SerializerError",
    "Spec",
]
