"""Locks that processes and machines share; the caches' `lock()` makes them."""

from cachex_client._async.lock import AsyncLock
from cachex_client._sync.lock import Lock
from cachex_client.errors import LockError, LockNotOwnedError

__all__ = ["AsyncLock", "Lock", "LockError", "LockNotOwnedError"]
