"""
Everything that differs between threads and asyncio, written by hand once.

Each sync name has an `Async` (`async_`) twin. Nothing else in this package may import
`threading`, `asyncio` or `time`.
"""

from time import monotonic, sleep

from cachex_client._concurrency.beside import (
    all_of,
    ask_all,
    async_all_of,
    async_ask_all,
    async_spawn,
    beside,
    gather_errors,
    spawn,
)
from cachex_client._concurrency.links import AsyncClosable, AsyncLinked, Closable, Linked, close_now
from cachex_client._concurrency.listening import AsyncOutside, Ear, Listeners, Outside
from cachex_client._concurrency.pacing import AsyncPacer, Pacer
from cachex_client._concurrency.waiting import (
    Arrival,
    AsyncArrival,
    AsyncLocal,
    Local,
    async_identity,
    async_know_servers,
    async_place,
    async_sleep,
    identity,
    know_servers,
    last_write,
    place,
)

__all__ = [
    "Arrival",
    "AsyncArrival",
    "AsyncClosable",
    "AsyncLinked",
    "AsyncLocal",
    "AsyncOutside",
    "AsyncPacer",
    "Closable",
    "Ear",
    "Linked",
    "Listeners",
    "Local",
    "Outside",
    "Pacer",
    "all_of",
    "ask_all",
    "async_all_of",
    "async_ask_all",
    "async_identity",
    "async_know_servers",
    "async_place",
    "async_sleep",
    "async_spawn",
    "beside",
    "close_now",
    "gather_errors",
    "identity",
    "know_servers",
    "last_write",
    "monotonic",
    "place",
    "sleep",
    "spawn",
]
