"""Semaphores that processes and machines share; the caches' `semaphore()` makes them."""

from cachex_client._async.semaphore import AsyncSemaphore
from cachex_client._sync.semaphore import Semaphore
from cachex_client.errors import SemaphoreError, SemaphoreLostError, SemaphoreTimeoutError

__all__ = [
    "AsyncSemaphore",
    "Semaphore",
    "SemaphoreError",
    "SemaphoreLostError",
    "SemaphoreTimeoutError",
]
