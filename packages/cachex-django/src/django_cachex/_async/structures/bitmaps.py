# tools/unasync.py writes the sync twin of this file.
"""Bitmaps, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any, Literal

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class AsyncBitmapMethods(CacheCore):
    """Methods for bitmaps."""

    async def asetbit(
        self, key: Key, offset: int, value: int, version: Version | None = None
    ) -> int:
        """Set a bit to 0 or 1 and return what it was; the string grows as far. Redis: SETBIT."""
        return await self._acache.setbit(key, offset, value, version)

    async def agetbit(self, key: Key, offset: int, version: Version | None = None) -> int:
        """Return a bit, 0 beyond the end. Redis: GETBIT."""
        return await self._acache.getbit(key, offset, version)

    async def abitcount(
        self,
        key: Key,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> int:
        """Return how many bits are set, of all or from `start` to `end`, both included.

        These count bytes, or bits if `unit` is `"BIT"`; negative ones from the end.
        Redis: BITCOUNT.
        """
        return await self._acache.bitcount(key, start, end, unit, version)

    async def abitpos(
        self,
        key: Key,
        bit: int,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> int:
        """Return where the first bit is that is 0 or 1, -1 if there is none.

        `start`, `end` and `unit` are as in `bitcount`. Redis: BITPOS.
        """
        return await self._acache.bitpos(key, bit, start, end, unit, version)

    async def abitop(
        self,
        operation: Literal["AND", "OR", "XOR", "NOT"],
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what an operation makes of the bits under keys; return its length in bytes.

        In a cluster all keys have to be in one slot. Never sent twice. Redis: BITOP.
        """
        return await self._acache.bitop(
            operation,
            dest,
            keys,
            *more,
            version=version,
            version_dest=version_dest,
            version_keys=version_keys,
        )

    async def abitfield(
        self, key: Key, *operations: Iterable[Any], version: Version | None = None
    ) -> list[int | None]:
        """Read and write numbers of any width; return one for each operation.

        Operations are `("GET", "u8", 0)`, `("SET", "u8", "#1", 200)`, `("INCRBY", "i5", 100, 1)`;
        `("OVERFLOW", "SAT")`, which returns nothing, says what the next ones do at the limits,
        `"FAIL"` makes them None. Never sent twice. Redis: BITFIELD.
        """
        return await self._acache.bitfield(key, *operations, version=version)
