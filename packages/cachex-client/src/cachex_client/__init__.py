"""Redis and Valkey client for caches; needs no Django."""

from cachex_client._async.default import AsyncDefaultClient
from cachex_client._sync.default import DefaultClient
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
from cachex_client.options import Candidate, ClientOptions, ReadFrom, RetryOptions

__version__ = "0.1.0"

__all__ = [
    "AsyncDefaultClient",
    "AsyncExecutor",
    "Candidate",
    "ClientError",
    "ClientOptions",
    "Command",
    "CompressorError",
    "ConfigurationError",
    "DefaultClient",
    "Executor",
    "LockError",
    "LockNotOwnedError",
    "ReadFrom",
    "RetryOptions",
    "SerializerError",
    "Spec",
]
