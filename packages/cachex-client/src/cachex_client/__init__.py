"""Redis and Valkey client for caches; needs no Django."""

from cachex_client._async.cache import AsyncCache
from cachex_client._async.cache_pipeline import AsyncCachePipeline
from cachex_client._async.cluster import AsyncClusterClient
from cachex_client._async.default import AsyncDefaultClient
from cachex_client._async.facade import AsyncRedis
from cachex_client._async.read_only import AsyncReadOnlyClient
from cachex_client._async.sentinel import AsyncSentinelClient
from cachex_client._async.told import async_as_operation
from cachex_client._audience import observe, unobserve
from cachex_client._live import live_clients
from cachex_client._sync.cache import Cache
from cachex_client._sync.cache_pipeline import CachePipeline
from cachex_client._sync.cluster import ClusterClient
from cachex_client._sync.default import DefaultClient
from cachex_client._sync.facade import Redis
from cachex_client._sync.read_only import ReadOnlyClient
from cachex_client._sync.sentinel import SentinelClient
from cachex_client._sync.told import as_operation
from cachex_client.cluster_map import ClusterMap
from cachex_client.codec import Codec
from cachex_client.command import Command, Spec
from cachex_client.errors import (
    AddressReused,
    BadAddress,
    BadRedirect,
    CacheIsReadOnly,
    ClientError,
    ClusterUnreachable,
    CompressorError,
    ConfigurationError,
    LockError,
    LockNotOwnedError,
    RemapFailed,
    ScanAborted,
    SentinelRefused,
    SentinelsDisagree,
    SerializerError,
    SlotNotCovered,
    UnhashableMember,
    ValueTooLarge,
)
from cachex_client.executor import AsyncExecutor, Executor
from cachex_client.keys import Keys, escape_pattern
from cachex_client.observer import ClientObserver, Operation, Origin, Sent
from cachex_client.options import Candidate, ClientOptions, ReadFrom, RetryOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_client.structures import CacheCommands
from cachex_client.timeouts import DEFAULT
from cachex_client.view import NodeView, TopologyView

__version__ = "0.1.0"

__all__ = [
    "AddressReused",
    "DEFAULT",
    "BadAddress",
    "BadRedirect",
    "AsyncCache",
    "AsyncCachePipeline",
    "AsyncClusterClient",
    "AsyncDefaultClient",
    "AsyncExecutor",
    "AsyncReadOnlyClient",
    "AsyncRedis",
    "AsyncSentinelClient",
    "Cache",
    "CacheCommands",
    "CachePipeline",
    "CacheIsReadOnly",
    "Candidate",
    "ClientError",
    "ClientObserver",
    "ClientOptions",
    "ClusterClient",
    "ClusterMap",
    "ClusterUnreachable",
    "Codec",
    "Command",
    "CompressorError",
    "ConfigurationError",
    "DefaultClient",
    "Executor",
    "Keys",
    "LockError",
    "LockNotOwnedError",
    "NodeView",
    "Operation",
    "Origin",
    "ReadFrom",
    "ReadOnlyClient",
    "Redis",
    "RemapFailed",
    "RetryOptions",
    "ScanAborted",
    "Sent",
    "SentinelClient",
    "SentinelMap",
    "SentinelRefused",
    "SentinelsDisagree",
    "SerializerError",
    "SlotNotCovered",
    "UnhashableMember",
    "ValueTooLarge",
    "Spec",
    "TopologyView",
    "as_operation",
    "async_as_operation",
    "escape_pattern",
    "live_clients",
    "observe",
    "unobserve",
]
