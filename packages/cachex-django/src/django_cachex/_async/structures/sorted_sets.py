# tools/unasync.py writes the sync twin of this file.
"""Sorted sets, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class AsyncSortedSetMethods(CacheCore):
    """Methods for sorted sets."""

    async def azadd(
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
    ) -> int:
        """Add members with their scores, or change these; return how many are new.

        With `ch` how many are new or changed. `nx` only adds, `xx` only changes, `gt` changes only
        to a higher score, `lt` only to a lower one. With `nx` never sent twice. Redis: ZADD.
        """
        return await self._acache.zadd(
            key, mapping, nx=nx, xx=xx, ch=ch, gt=gt, lt=lt, version=version
        )

    async def azcard(self, key: Key, version: Version | None = None) -> int:
        """Return how many members there are, 0 if there is no such key. Redis: ZCARD."""
        return await self._acache.zcard(key, version)

    async def azcount(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> int:
        """Return how many members have scores between two bounds. Redis: ZCOUNT."""
        return await self._acache.zcount(key, min_score, max_score, version)

    async def azincrby(
        self, key: Key, amount: float, member: Any, version: Version | None = None
    ) -> float:
        """Add to a member's score and return the sum; a missing one has the score 0.

        Never sent twice. Redis: ZINCRBY.
        """
        return await self._acache.zincrby(key, amount, member, version)

    async def azpopmax(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the member with the highest score and return it with that; None if there is none.

        With `count` a list of so many, highest first. Never sent twice. Redis: ZPOPMAX.
        """
        return await self._acache.zpopmax(key, count, version)

    async def azpopmin(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the member with the lowest score and return it with that; None if there is none.

        With `count` a list of so many, lowest first. Never sent twice. Redis: ZPOPMIN.
        """
        return await self._acache.zpopmin(key, count, version)

    async def azrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> list[Any]:
        """Return the members of ranks `start` to `end`, both included, lowest score first.

        With `withscores` pairs of member and score. Redis: ZRANGE.
        """
        return await self._acache.zrange(key, start, end, withscores=withscores, version=version)

    async def azrevrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> list[Any]:
        """Return the members of ranks `start` to `end`, both included, highest score first.

        With `withscores` pairs of member and score. Redis: ZREVRANGE.
        """
        return await self._acache.zrevrange(key, start, end, withscores=withscores, version=version)

    async def azrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: Version | None = None,
    ) -> list[Any]:
        """Return the members with scores between two bounds, lowest score first.

        Of these `num` after the first `start`, if given; with `withscores` pairs of member and
        score. Redis: ZRANGEBYSCORE.
        """
        return await self._acache.zrangebyscore(
            key, min_score, max_score, withscores=withscores, start=start, num=num, version=version
        )

    async def azrevrangebyscore(
        self,
        key: Key,
        max_score: float | str,
        min_score: float | str,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: Version | None = None,
    ) -> list[Any]:
        """Return the members with scores between two bounds, highest score first.

        Else as `zrangebyscore`; the upper bound comes first. Redis: ZREVRANGEBYSCORE.
        """
        return await self._acache.zrevrangebyscore(
            key, max_score, min_score, withscores=withscores, start=start, num=num, version=version
        )

    async def azrank(self, key: Key, member: Any, version: Version | None = None) -> int | None:
        """Return the rank of a member, None if it is not there; 0 is the lowest score.

        Redis: ZRANK.
        """
        return await self._acache.zrank(key, member, version)

    async def azrevrank(self, key: Key, member: Any, version: Version | None = None) -> int | None:
        """Return the rank of a member, None if it is not there; 0 is the highest score.

        Redis: ZREVRANK.
        """
        return await self._acache.zrevrank(key, member, version)

    async def azscore(self, key: Key, member: Any, version: Version | None = None) -> float | None:
        """Return the score of a member, None if it is not there. Redis: ZSCORE."""
        return await self._acache.zscore(key, member, version)

    async def azmscore(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[float | None]:
        """Return the scores of members, None for each that is not there. Redis: ZMSCORE."""
        return await self._acache.zmscore(key, *members, version=version)

    async def azrem(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Remove members and return how many there were. Redis: ZREM."""
        return await self._acache.zrem(key, *members, version=version)

    async def azremrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> int:
        """Remove the members with scores between two bounds; return how many there were.

        Redis: ZREMRANGEBYSCORE.
        """
        return await self._acache.zremrangebyscore(key, min_score, max_score, version)

    async def azremrangebyrank(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> int:
        """Remove the members of ranks `start` to `end`, both included; return how many there were.

        Never sent twice. Redis: ZREMRANGEBYRANK.
        """
        return await self._acache.zremrangebyrank(key, start, end, version)

    async def azscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> tuple[int, list[tuple[Any, float]]]:
        """Return the next cursor, 0 at the end, and some members with their scores.

        `match` is a glob pattern, as in `sscan`, `count` how many to look at, about. The primary
        answers, as a cursor means nothing to another server. Redis: ZSCAN.
        """
        return await self._acache.zscan(key, cursor, match, count, version)
