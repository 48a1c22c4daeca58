# tools/unasync.py writes the sync twin of this file.
"""Lists, on the cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client._async.verbs import AsyncVerbs
from cachex_client.keys import Key, Version


class AsyncListVerbs(AsyncVerbs):
    """The verbs of a cache for lists."""

    async def lpush(self, key: Key, *values: Any, version: Version | None = None) -> int:
        """Put values at the front, one after the other; return how long the list is then.

        Never sent twice. Redis: LPUSH.
        """
        return await self._run("lpush", self.commands.lpush(key, *values, version=version))

    async def rpush(self, key: Key, *values: Any, version: Version | None = None) -> int:
        """Put values at the end, one after the other; return how long the list is then.

        Never sent twice. Redis: RPUSH.
        """
        return await self._run("rpush", self.commands.rpush(key, *values, version=version))

    async def lpop(self, key: Key, count: int | None = None, version: Version | None = None) -> Any:
        """Take the first value, or with `count` a list of the first ones; None if there is no list.

        Never sent twice. Redis: LPOP.
        """
        return await self._run("lpop", self.commands.lpop(key, count, version))

    async def rpop(self, key: Key, count: int | None = None, version: Version | None = None) -> Any:
        """Take the last value, or with `count` a list of the last ones; None if there is no list.

        The last one comes first. Never sent twice. Redis: RPOP.
        """
        return await self._run("rpop", self.commands.rpop(key, count, version))

    async def lrange(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> list[Any]:
        """Return the values from `start` to `end`, both included. Redis: LRANGE."""
        return await self._run("lrange", self.commands.lrange(key, start, end, version))

    async def lindex(self, key: Key, index: int, version: Version | None = None) -> Any:
        """Return a value by its index, None if there is none. Redis: LINDEX."""
        return await self._run("lindex", self.commands.lindex(key, index, version))

    async def llen(self, key: Key, version: Version | None = None) -> int:
        """Return how long a list is, 0 if there is no such key. Redis: LLEN."""
        return await self._run("llen", self.commands.llen(key, version))

    async def lpos(
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
        return await self._run("lpos", self.commands.lpos(key, value, rank, count, maxlen, version))

    async def lmove(
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
        return await self._run(
            "lmove",
            self.commands.lmove(src, dst, wherefrom, whereto, version, version_src, version_dst),
        )

    async def lrem(self, key: Key, count: int, value: Any, version: Version | None = None) -> int:
        """Remove a value where it comes first, `count` times; return how many were removed.

        From the end if `count` is negative, everywhere if it is 0. Never sent twice. Redis: LREM.
        """
        return await self._run("lrem", self.commands.lrem(key, count, value, version))

    async def ltrim(self, key: Key, start: int, end: int, version: Version | None = None) -> bool:
        """Keep the values from `start` to `end`, both included, and return True.

        Never sent twice. Redis: LTRIM.
        """
        return await self._run("ltrim", self.commands.ltrim(key, start, end, version))

    async def lset(self, key: Key, index: int, value: Any, version: Version | None = None) -> bool:
        """Replace the value at an index and return True; ResponseError if there is none.

        Redis: LSET.
        """
        return await self._run("lset", self.commands.lset(key, index, value, version))

    async def linsert(
        self, key: Key, where: str, pivot: Any, value: Any, version: Version | None = None
    ) -> int:
        """Put a value "BEFORE" or "AFTER" another one; return how long the list is then.

        -1 if the other one is not there, 0 if there is no such key. Never sent twice.
        Redis: LINSERT.
        """
        return await self._run("linsert", self.commands.linsert(key, where, pivot, value, version))

    async def blpop(
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
        return await self._run(
            "blpop", self.commands.blpop(keys, *more, timeout=timeout, version=version)
        )

    async def brpop(
        self,
        keys: Key | Iterable[Key],
        *more: Key,
        timeout: float = 0,
        version: Version | None = None,
    ) -> tuple[Key, Any] | None:
        """Take the last value of the first list that has one; else as `blpop`. Redis: BRPOP."""
        return await self._run(
            "brpop", self.commands.brpop(keys, *more, timeout=timeout, version=version)
        )

    async def blmove(
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
        return await self._run(
            "blmove",
            self.commands.blmove(
                src, dst, timeout, wherefrom, whereto, version, version_src, version_dst
            ),
        )
