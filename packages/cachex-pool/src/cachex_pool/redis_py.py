"""Our pools for redis-py's clients: pub/sub, MONITOR, and libraries that want a redis-py pool."""

from cachex_pool._async.redis_py import AsyncRedisPyPool
from cachex_pool._sync.redis_py import RedisPyPool

__all__ = ["AsyncRedisPyPool", "RedisPyPool"]
