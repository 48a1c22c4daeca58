# tools/unasync.py writes the sync twin of this file.
"""Lists, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class AsyncListMethods(CacheCore):
    """Methods for lists."""

    async def alpush(self, key: Key, *values: Any, version: Version | None = None) -> int:
        """Put values at the front, one after the other; return how long the list is then.

        Never sent twice. Redis: LPUSH.
        """
        return await self._acache.lpush(key, *values, version=version)

    async def arpush(self, key: Key, *values: Any, version: Version | None = None) -> int:
        """Put values at the end, one after the other; return how long the list is then.

        Never sent twice. Redis: RPUSH.
        """
        return await self._acache.rpush(key, *values, version=version)

    async def alpop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the first value, or with `count` a list of the first ones; None if there is no list.

        Never sent twice. Redis: LPOP.
        """
        return await self._acache.lpop(key, count, version)

    async def arpop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the last value, or with `count` a list of the last ones; None if there is no list.

        The last one comes first. Never sent twice. Redis: RPOP.
        """
        return await self._acache.rpop(key, count, version)

    async def alrange(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> list[Any]:
        """Return the values from `start` to `end`, both included. Redis: LRANGE."""
        return await self._acache.lrange(key, start, end, version)

    async def alindex(self, key: Key, index: int, version: Version | None = None) -> Any:
        """Return a value by its index, None if there is none. Redis: LINDEX."""
        return await self._acache.lindex(key, index, version)

    async def allen(self, key: Key, version: Version | None = None) -> int:
        """Return how long a list is, 0 if there is no such key. Redis: LLEN."""
        return await self._acache.llen(key, version)

    async def alpos(
        self,
        key: Key,
        value: Any,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
        version: Version | None = None,
    ) -> int | list[int] | None:
        """Return the index of a value, None if there is none; with `count` a list of indices.

        `count` is how many to find, 0 for all; `rank` which one to begin with, from the end if
        negative; `maxlen` how many values to look at. Redis: LPOS.
        """
        return await self._acache.lpos(key, value, rank, count, maxlen, version)

    async def almove(
        self,
        src: Key,
        dst: Key,
        wherefrom: str,
        whereto: str,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Any:
        """Move a value from an end of one list to an end of another, and return it; or None.

        Ends are "LEFT" and "RIGHT". In a cluster both keys have to be in one slot. Never sent
        twice. Redis: LMOVE.
        """
        return await self._acache.lmove(
            src, dst, wherefrom, whereto, version, version_src, version_dst
        )

    async def alrem(self, key: Key, count: int, value: Any, version: Version | None = None) -> int:
        """Remove a value where it comes first, `count` times; return how many were removed.

        From the end if `count` is negative, everywhere if it is 0. Never sent twice. Redis: LREM.
        """
        return await self._acache.lrem(key, count, value, version)

    async def altrim(self, key: Key, start: int, end: int, version: Version | None = None) -> bool:
        """Keep the values from `start` to `end`, both included, and return True.

        Never sent twice. Redis: LTRIM.
        """
        return await self._acache.ltrim(key, start, end, version)

    async def alset(self, key: Key, index: int, value: Any, version: Version | None = None) -> bool:
        """Replace the value at an index and return True; ResponseError if there is none.

        Redis: LSET.
        """
        return await self._acache.lset(key, index, value, version)

    async def alinsert(
        self, key: Key, where: str, pivot: Any, value: Any, version: Version | None = None
    ) -> int:
        """Put a value "BEFORE" or "AFTER" another one; return how long the list is then.

        -1 if the other one is not there, 0 if there is no such key. Never sent twice.
        Redis: LINSERT.
        """
        return await self._acache.linsert(key, where, pivot, value, version)

    async def ablpop(
        self,
        keys: Key | Iterable[Key],
        *more: Key,
        timeout: float = 0,
        version: Version | None = None,
    ) -> tuple[Key, Any] | None:
        """Take the first value of the first list that has one; return the list's key and it.

        Keys come one by one, or as a collection; behind one key or a collection a number is the
        timeout. Waits for `timeout` seconds at most, for ever if 0, on a connection of its own;
        None if nothing came. In a cluster all keys have to be in one slot. Never sent twice.
        Redis: BLPOP.
        """
        return await self._acache.blpop(keys, *more, timeout=timeout, version=version)

    async def abrpop(
        self,
        keys: Key | Iterable[Key],
        *more: Key,
        timeout: float = 0,
        version: Version | None = None,
    ) -> tuple[Key, Any] | None:
        """Take the last value of the first list that has one; else as `blpop`. Redis: BRPOP."""
        return await self._acache.brpop(keys, *more, timeout=timeout, version=version)

    async def ablmove(
        self,
        src: Key,
        dst: Key,
        timeout: float,
        wherefrom: str = "LEFT",
        whereto: str = "RIGHT",
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Any:
        """Do as `lmove`, waiting for a value for `timeout` seconds at most, for ever if 0.

        Redis: BLMOVE.
        """
        return await self._acache.blmove(
            src, dst, timeout, wherefrom, whereto, version, version_src, version_dst
        )
