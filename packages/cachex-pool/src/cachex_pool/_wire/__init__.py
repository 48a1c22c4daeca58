"""Sockets and bytes: the only modules that touch `socket`, `ssl`, hiredis and transports."""

from cachex_pool._wire.dial import dial
from cachex_pool._wire.protocol import pack, pack_many
from cachex_pool._wire.side_by_side import Exchange, SideBySide
from cachex_pool._wire.streams import AsyncConnection, async_dial
from cachex_pool._wire.threads import Connection

__all__ = [
    "AsyncConnection",
    "Connection",
    "Exchange",
    "SideBySide",
    "async_dial",
    "dial",
    "pack",
    "pack_many",
]
