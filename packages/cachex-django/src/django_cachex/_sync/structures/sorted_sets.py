# Written by tools/unasync.py from _async/structures/sorted_sets.py: edit that file instead.
"""Sorted sets, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class SortedSetMethods(CacheCore):
    """Methods for sorted sets."""

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
    ) -> int:
        """Add members with their scores, or change these; return how many are new.

        With `ch` how many are new or changed. `nx` only adds, `xx` only changes, `gt` changes only
        to a higher score, `lt` only to a lower one. With `nx` never sent twice. Redis: ZADD.
        """
        return self._cache.zadd(
            key, mapping, nx=nx, xx=xx, ch=ch, gt=gt, lt=lt, version=version
        )

    def zcard(self, key: Key, version: Version | None = None) -> int:
        """Return how many members there are, 0 if there is no such key. Redis: ZCARD."""
        return self._cache.zcard(key, version)

    def zcount(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> int:
        """Return how many members have scores between two bounds. Redis: ZCOUNT."""
        return self._cache.zcount(key, min_score, max_score, version)

    def zincrby(
        self, key: Key, amount: float, member: Any, version: Version | None = None
    ) -> float:
        """Add to a member's score and return the sum; a missing one has the score 0.

        Never sent twice. Redis: ZINCRBY.
        """
        return self._cache.zincrby(key, amount, member, version)

    def zpopmax(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the member with the highest score and return it with that; None if there is none.

        With `count` a list of so many, highest first. Never sent twice. Redis: ZPOPMAX.
        """
        return self._cache.zpopmax(key, count, version)

    def zpopmin(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take the member with the lowest score and return it with that; None if there is none.

        With `count` a list of so many, lowest first. Never sent twice. Redis: ZPOPMIN.
        """
        return self._cache.zpopmin(key, count, version)

    def zrange(
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
        return self._cache.zrange(key, start, end, withscores=withscores, version=version)

    def zrevrange(
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
        return self._cache.zrevrange(key, start, end, withscores=withscores, version=version)

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
    ) -> list[Any]:
        """Return the members with scores between two bounds, lowest score first.

        Of these `num` after the first `start`, if given; with `withscores` pairs of member and
        score. Redis: ZRANGEBYSCORE.
        """
        return self._cache.zrangebyscore(
            key, min_score, max_score, withscores=withscores, start=start, num=num, version=version
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
    ) -> list[Any]:
        """Return the members with scores between two bounds, highest score first.

        Else as `zrangebyscore`; the upper bound comes first. Redis: ZREVRANGEBYSCORE.
        """
        return self._cache.zrevrangebyscore(
            key, max_score, min_score, withscores=withscores, start=start, num=num, version=version
        )

    def zrank(self, key: Key, member: Any, version: Version | None = None) -> int | None:
        """Return the rank of a member, None if it is not there; 0 is the lowest score.

        Redis: ZRANK.
        """
        return self._cache.zrank(key, member, version)

    def zrevrank(self, key: Key, member: Any, version: Version | None = None) -> int | None:
        """Return the rank of a member, None if it is not there; 0 is the highest score.

        Redis: ZREVRANK.
        """
        return self._cache.zrevrank(key, member, version)

    def zscore(self, key: Key, member: Any, version: Version | None = None) -> float | None:
        """Return the score of a member, None if it is not there. Redis: ZSCORE."""
        return self._cache.zscore(key, member, version)

    def zmscore(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[float | None]:
        """Return the scores of members, None for each that is not there. Redis: ZMSCORE."""
        return self._cache.zmscore(key, *members, version=version)

    def zrem(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Remove members and return how many there were. Redis: ZREM."""
        return self._cache.zrem(key, *members, version=version)

    def zremrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> int:
        """Remove the members with scores between two bounds; return how many there were.

        Redis: ZREMRANGEBYSCORE.
        """
        return self._cache.zremrangebyscore(key, min_score, max_score, version)

    def zremrangebyrank(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> int:
        """Remove the members of ranks `start` to `end`, both included; return how many there were.

        Never sent twice. Redis: ZREMRANGEBYRANK.
        """
        return self._cache.zremrangebyrank(key, start, end, version)

    def zscan(
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
        return self._cache.zscan(key, cursor, match, count, version)
