"""Connections to one Redis or Valkey server and who may use which, for threads and asyncio."""

from cachex_pool._async.pool import AsyncPool
from cachex_pool._core.backoff import full_jitter
from cachex_pool._sync.pool import Pool
from cachex_pool._wire import AsyncConnection, Connection, Exchange, SideBySide, pack, pack_many
from cachex_pool.endpoint import Credentials, Endpoint, Tls, parse_url
from cachex_pool.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    HandshakeRefused,
    NodeUnavailable,
    PoolClosed,
    PoolError,
    PoolTimeout,
    ProtocolError,
    ReplyTooLarge,
    TooManyWaiting,
)
from cachex_pool.logs import logger
from cachex_pool.multiplexer import AsyncMultiplexer
from cachex_pool.observer import PoolObserver, live_stats, observe, unobserve
from cachex_pool.options import BreakerOptions, Guard, PoolOptions
from cachex_pool.pooled import AsyncPooledConnection, PooledConnection
from cachex_pool.stats import PoolStats

__version__ = "0.1.0"

__all__ = [
    "AsyncConnection",
    "AsyncMultiplexer",
    "AsyncPool",
    "AsyncPooledConnection",
    "AuthenticationFailed",
    "BreakerOptions",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectTimeout",
    "Connection",
    "ConnectionLost",
    "Credentials",
    "DeadlineExceeded",
    "Endpoint",
    "Exchange",
    "Guard",
    "HandshakeRefused",
    "NodeUnavailable",
    "Pool",
    "PoolClosed",
    "PoolError",
    "PoolObserver",
    "PoolOptions",
    "PoolStats",
    "PoolTimeout",
    "PooledConnection",
    "ProtocolError",
    "ReplyTooLarge",
    "SideBySide",
    "Tls",
    "TooManyWaiting",
    "full_jitter",
    "live_stats",
    "logger",
    "observe",
    "pack",
    "pack_many",
    "parse_url",
    "unobserve",
]
