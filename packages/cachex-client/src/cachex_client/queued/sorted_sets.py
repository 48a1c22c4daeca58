"""Sorted sets, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedSortedSetVerbs(Queue):
    """The methods of a pipeline for sorted sets."""

    def zadd(
        self,
        key: Key,
        mapping: Mapping[Any, float],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        gt: bool = False,
        lt: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zadd` does."""
        return self._queue(
            "zadd",
            self.commands.zadd(key, mapping, nx=nx, xx=xx, ch=ch, gt=gt, lt=lt, version=version),
            key,
            mapping,
        )

    def zcard(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.zcard` does."""
        return self._queue("zcard", self.commands.zcard(key, version), key)

    def zcount(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zcount` does."""
        return self._queue(
            "zcount",
            self.commands.zcount(key, min_score, max_score, version),
            key,
            min_score,
            max_score,
        )

    def zincrby(self, key: Key, amount: float, member: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zincrby` does."""
        return self._queue(
            "zincrby", self.commands.zincrby(key, amount, member, version), key, amount, member
        )

    def zpopmax(self, key: Key, count: int | None = None, version: Version | None = None) -> Self:
        """Queue what `Cache.zpopmax` does."""
        return self._queue("zpopmax", self.commands.zpopmax(key, count, version), key, count)

    def zpopmin(self, key: Key, count: int | None = None, version: Version | None = None) -> Self:
        """Queue what `Cache.zpopmin` does."""
        return self._queue("zpopmin", self.commands.zpopmin(key, count, version), key, count)

    def zrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zrange` does."""
        return self._queue(
            "zrange",
            self.commands.zrange(key, start, end, withscores=withscores, version=version),
            key,
            start,
            end,
        )

    def zrevrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zrevrange` does."""
        return self._queue(
            "zrevrange",
            self.commands.zrevrange(key, start, end, withscores=withscores, version=version),
            key,
            start,
            end,
        )

    def zrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zrangebyscore` does."""
        return self._queue(
            "zrangebyscore",
            self.commands.zrangebyscore(
                key,
                min_score,
                max_score,
                withscores=withscores,
                start=start,
                num=num,
                version=version,
            ),
            key,
            min_score,
            max_score,
        )

    def zrevrangebyscore(
        self,
        key: Key,
        max_score: float | str,
        min_score: float | str,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zrevrangebyscore` does."""
        return self._queue(
            "zrevrangebyscore",
            self.commands.zrevrangebyscore(
                key,
                max_score,
                min_score,
                withscores=withscores,
                start=start,
                num=num,
                version=version,
            ),
            key,
            max_score,
            min_score,
        )

    def zrank(self, key: Key, member: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zrank` does."""
        return self._queue("zrank", self.commands.zrank(key, member, version), key, member)

    def zrevrank(self, key: Key, member: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zrevrank` does."""
        return self._queue("zrevrank", self.commands.zrevrank(key, member, version), key, member)

    def zscore(self, key: Key, member: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zscore` does."""
        return self._queue("zscore", self.commands.zscore(key, member, version), key, member)

    def zmscore(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zmscore` does."""
        return self._queue(
            "zmscore", self.commands.zmscore(key, *members, version=version), key, *members
        )

    def zrem(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.zrem` does."""
        return self._queue(
            "zrem", self.commands.zrem(key, *members, version=version), key, *members
        )

    def zremrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zremrangebyscore` does."""
        return self._queue(
            "zremrangebyscore",
            self.commands.zremrangebyscore(key, min_score, max_score, version),
            key,
            min_score,
            max_score,
        )

    def zremrangebyrank(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.zremrangebyrank` does."""
        return self._queue(
            "zremrangebyrank",
            self.commands.zremrangebyrank(key, start, end, version),
            key,
            start,
            end,
        )

    def zscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.zscan` does."""
        return self._queue(
            "zscan",
            self.commands.zscan(key, cursor, match, count, version),
            key,
            cursor,
            match,
            count,
        )
