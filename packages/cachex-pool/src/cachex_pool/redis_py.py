"""Our pools for redis-py's clients: pub/sub, MONITOR, and libraries that want a redis-py pool."""

from cachex_pool._async.redis_py import AsyncRedisPyPool
from cachex_pool._sync.redis_py import RedisPyPool
from cachex_pool._wire.redis_py import AsyncRedisPyPubSub, RedisPyPubSub

__all__ = ["AsyncRedisPyPool", "AsyncRedisPyPubSub", "RedisPyPool", "RedisPyPubSub"]
