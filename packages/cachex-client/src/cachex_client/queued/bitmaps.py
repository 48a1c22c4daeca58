"""Bitmaps, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any, Literal, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedBitmapVerbs(Queue):
    """The methods of a pipeline for bitmaps."""

    def setbit(self, key: Key, offset: int, value: int, version: Version | None = None) -> Self:
        """Queue what `Cache.setbit` does."""
        return self._queue(
            "setbit", self.commands.setbit(key, offset, value, version), key, offset, value
        )

    def getbit(self, key: Key, offset: int, version: Version | None = None) -> Self:
        """Queue what `Cache.getbit` does."""
        return self._queue("getbit", self.commands.getbit(key, offset, version), key, offset)

    def bitcount(
        self,
        key: Key,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.bitcount` does."""
        return self._queue(
            "bitcount",
            self.commands.bitcount(key, start, end, unit, version),
            key,
            start,
            end,
            unit,
        )

    def bitpos(
        self,
        key: Key,
        bit: int,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.bitpos` does."""
        return self._queue(
            "bitpos",
            self.commands.bitpos(key, bit, start, end, unit, version),
            key,
            bit,
            start,
            end,
            unit,
        )

    def bitop(
        self,
        operation: Literal["AND", "OR", "XOR", "NOT"],
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Self:
        """Queue what `Cache.bitop` does."""
        return self._queue(
            "bitop",
            self.commands.bitop(
                operation,
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
            operation,
            dest,
            keys,
            *more,
        )

    def bitfield(
        self, key: Key, *operations: Iterable[Any], version: Version | None = None
    ) -> Self:
        """Queue what `Cache.bitfield` does."""
        return self._queue(
            "bitfield", self.commands.bitfield(key, *operations, version=version), key, *operations
        )
