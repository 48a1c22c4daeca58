"""Lists, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedListVerbs(Queue):
    """The methods of a pipeline for lists."""

    def lpush(self, key: Key, *values: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.lpush` does."""
        return self._queue(
            "lpush", self.commands.lpush(key, *values, version=version), key, *values
        )

    def rpush(self, key: Key, *values: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.rpush` does."""
        return self._queue(
            "rpush", self.commands.rpush(key, *values, version=version), key, *values
        )

    def lpop(self, key: Key, count: int | None = None, version: Version | None = None) -> Self:
        """Queue what `Cache.lpop` does."""
        return self._queue("lpop", self.commands.lpop(key, count, version), key, count)

    def rpop(self, key: Key, count: int | None = None, version: Version | None = None) -> Self:
        """Queue what `Cache.rpop` does."""
        return self._queue("rpop", self.commands.rpop(key, count, version), key, count)

    def lrange(self, key: Key, start: int, end: int, version: Version | None = None) -> Self:
        """Queue what `Cache.lrange` does."""
        return self._queue(
            "lrange", self.commands.lrange(key, start, end, version), key, start, end
        )

    def lindex(self, key: Key, index: int, version: Version | None = None) -> Self:
        """Queue what `Cache.lindex` does."""
        return self._queue("lindex", self.commands.lindex(key, index, version), key, index)

    def llen(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.llen` does."""
        return self._queue("llen", self.commands.llen(key, version), key)

    def lpos(
        self,
        key: Key,
        value: Any,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.lpos` does."""
        return self._queue(
            "lpos",
            self.commands.lpos(key, value, rank, count, maxlen, version),
            key,
            value,
            rank,
            count,
            maxlen,
        )

    def lmove(
        self,
        src: Key,
        dst: Key,
        wherefrom: str,
        whereto: str,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Self:
        """Queue what `Cache.lmove` does."""
        return self._queue(
            "lmove",
            self.commands.lmove(src, dst, wherefrom, whereto, version, version_src, version_dst),
            src,
            dst,
            wherefrom,
            whereto,
            version_src,
            version_dst,
        )

    def lrem(self, key: Key, count: int, value: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.lrem` does."""
        return self._queue(
            "lrem", self.commands.lrem(key, count, value, version), key, count, value
        )

    def ltrim(self, key: Key, start: int, end: int, version: Version | None = None) -> Self:
        """Queue what `Cache.ltrim` does."""
        return self._queue("ltrim", self.commands.ltrim(key, start, end, version), key, start, end)

    def lset(self, key: Key, index: int, value: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.lset` does."""
        return self._queue(
            "lset", self.commands.lset(key, index, value, version), key, index, value
        )

    def linsert(
        self, key: Key, where: str, pivot: Any, value: Any, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.linsert` does."""
        return self._queue(
            "linsert",
            self.commands.linsert(key, where, pivot, value, version),
            key,
            where,
            pivot,
            value,
        )
