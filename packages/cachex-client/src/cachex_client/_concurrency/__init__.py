"""
Everything that differs between threads and asyncio, written by hand once.

Each sync name has an `Async` (`async_`) twin. Nothing else in this package may import
`threading`, `asyncio` or `time`.
"""

from time import monotonic, sleep

from cachex_client._concurrency.beside import (
    ask_all,
    async_ask_all,
    async_spawn,
    gather_errors,
    spawn,
)
from cachex_client._concurrency.forks import StateLock, on_fork
from cachex_client._concurrency.links import AsyncClosable, AsyncLinked, Closable, Linked, close_now
from cachex_client._concurrency.listening import AsyncOutside, Ear, Listeners, Outside
from cachex_client._concurrency.pacing import AsyncPacer, Pacer
from cachex_client._concurrency.waiting import (
    Arrival,
    AsyncArrival,
    async_identity,
    async_place,
    async_sleep,
    identity,
    last_write,
    place,
)

__all__ = [
    "Arrival",
    "AsyncArrival",
    "AsyncClosable",
    "AsyncLinked",
    "AsyncOutside",
    "AsyncPacer",
    "Closable",
    "Ear",
    "Linked",
    "Listeners",
    "Outside",
    "Pacer",
    "StateLock",
    "ask_all",
    "async_ask_all",
    "async_identity",
    "async_place",
    "async_sleep",
    "async_spawn",
    "close_now",
    "gather_errors",
    "identity",
    "last_write",
    "monotonic",
    "on_fork",
    "place",
    "sleep",
    "spawn",
]
