"""Sorted sets: different values under one key, in the order of their scores."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

from cachex_client.command import Command, on_primary
from cachex_client.commands import sorted_sets as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, exclusive, first_of, score

Scored: TypeAlias = Callable[[Sequence[tuple[bytes, float]]], list[tuple[Any, float]]]


class SortedSetCommands(Terms):
    """Commands on sorted sets.

    Scores are floats. A bound may also be text: `"-inf"`, `"+inf"`, or `"(1.5"` for 1.5 excluded.
    Ranks begin with 0; negative ones count from the end, -1 the last.
    """

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
    ) -> Command[int]:
        """Add members with their scores, or change these; return how many are new.

        With `ch` how many are new or changed. `nx` only adds, `xx` only changes, `gt` changes only
        to a higher score, `lt` only to a lower one. With `nx` never sent twice. Redis: ZADD.
        """
        exclusive(nx=nx, xx=xx)
        exclusive(nx=nx, gt=gt, lt=lt)
        given = (("NX", nx), ("XX", xx), ("GT", gt), ("LT", lt), ("CH", ch))
        options = [word for word, wanted in given if wanted]
        wire = self.keyspace.wire(key, version)
        pairs = zip(map(score, mapping.values()), self._stored(wire, mapping), strict=True)
        return build.zadd(wire, pairs, options)

    def zcard(self, key: Key, version: Version | None = None) -> Command[int]:
        """Return how many members there are, 0 if there is no such key. Redis: ZCARD."""
        return build.zcard(self.keyspace.wire(key, version))

    def zcount(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> Command[int]:
        """Return how many members have scores between two bounds. Redis: ZCOUNT."""
        return build.zcount(self.keyspace.wire(key, version), score(min_score), score(max_score))

    def zincrby(
        self, key: Key, amount: float, member: Any, version: Version | None = None
    ) -> Command[float]:
        """Add to a member's score and return the sum; a missing one has the score 0.

        Never sent twice. Redis: ZINCRBY.
        """
        wire = self.keyspace.wire(key, version)
        return build.zincrby(wire, score(amount), self._stored_member(wire, member))

    def zpopmax(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Take the member with the highest score and return it with that; None if there is none.

        With `count` a list of so many, highest first. Never sent twice. Redis: ZPOPMAX.
        """
        wire = self.keyspace.wire(key, version)
        command = build.zpopmax(wire, 1 if count is None else count).then(self._scored(wire))
        return command.then(_first) if count is None else command

    def zpopmin(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Take the member with the lowest score and return it with that; None if there is none.

        With `count` a list of so many, lowest first. Never sent twice. Redis: ZPOPMIN.
        """
        wire = self.keyspace.wire(key, version)
        command = build.zpopmin(wire, 1 if count is None else count).then(self._scored(wire))
        return command.then(_first) if count is None else command

    def zrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> Command[list[Any]]:
        """Return the members of ranks `start` to `end`, both included, lowest score first.

        With `withscores` pairs of member and score. Redis: ZRANGE.
        """
        wire = self.keyspace.wire(key, version)
        command = build.zrange(wire, start, end, withscores=withscores)
        return command.then(self._scored(wire) if withscores else self._members(wire))

    def zrevrange(
        self,
        key: Key,
        start: int,
        end: int,
        *,
        withscores: bool = False,
        version: Version | None = None,
    ) -> Command[list[Any]]:
        """Return the members of ranks `start` to `end`, both included, highest score first.

        With `withscores` pairs of member and score. Redis: ZREVRANGE.
        """
        wire = self.keyspace.wire(key, version)
        command = build.zrevrange(wire, start, end, withscores=withscores)
        return command.then(self._scored(wire) if withscores else self._members(wire))

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
    ) -> Command[list[Any]]:
        """Return the members with scores between two bounds, lowest score first.

        Of these `num` after the first `start`, if given; with `withscores` pairs of member and
        score. Redis: ZRANGEBYSCORE.
        """
        wire, limit = self.keyspace.wire(key, version), _limit(start, num)
        low, high = score(min_score), score(max_score)
        command = build.zrangebyscore(wire, low, high, withscores=withscores, limit=limit)
        return command.then(self._scored(wire) if withscores else self._members(wire))

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
    ) -> Command[list[Any]]:
        """Return the members with scores between two bounds, highest score first.

        Else as `zrangebyscore`; the upper bound comes first. Redis: ZREVRANGEBYSCORE.
        """
        wire, limit = self.keyspace.wire(key, version), _limit(start, num)
        low, high = score(min_score), score(max_score)
        command = build.zrevrangebyscore(wire, high, low, withscores=withscores, limit=limit)
        return command.then(self._scored(wire) if withscores else self._members(wire))

    def zrank(self, key: Key, member: Any, version: Version | None = None) -> Command[int | None]:
        """Return the rank of a member, None if it is not there; 0 is the lowest score.

        Redis: ZRANK.
        """
        wire = self.keyspace.wire(key, version)
        if each := self._by_form(wire, member, partial(build.zrank, wire)):
            return each.then(first_of)
        return build.zrank(wire, self._stored_member(wire, member))

    def zrevrank(
        self, key: Key, member: Any, version: Version | None = None
    ) -> Command[int | None]:
        """Return the rank of a member, None if it is not there; 0 is the highest score.

        Redis: ZREVRANK.
        """
        wire = self.keyspace.wire(key, version)
        if each := self._by_form(wire, member, partial(build.zrevrank, wire)):
            return each.then(first_of)
        return build.zrevrank(wire, self._stored_member(wire, member))

    def zscore(
        self, key: Key, member: Any, version: Version | None = None
    ) -> Command[float | None]:
        """Return the score of a member, None if it is not there. Redis: ZSCORE."""
        wire = self.keyspace.wire(key, version)
        if self.codec.has_forms:
            return self._first_found(build.zmscore, wire, (member,)).then(itemgetter(0))
        return build.zscore(wire, self._stored_member(wire, member))

    def zmscore(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> Command[list[float | None]]:
        """Return the scores of members, None for each that is not there. Redis: ZMSCORE."""
        wire = self.keyspace.wire(key, version)
        return self._first_found(build.zmscore, wire, members)

    def zrem(self, key: Key, *members: Any, version: Version | None = None) -> Command[int]:
        """Remove members and return how many there were. Redis: ZREM."""
        wire = self.keyspace.wire(key, version)
        return build.zrem(wire, self._each_form(wire, members))

    def zremrangebyscore(
        self,
        key: Key,
        min_score: float | str,
        max_score: float | str,
        version: Version | None = None,
    ) -> Command[int]:
        """Remove the members with scores between two bounds; return how many there were.

        Redis: ZREMRANGEBYSCORE.
        """
        wire = self.keyspace.wire(key, version)
        return build.zremrangebyscore(wire, score(min_score), score(max_score))

    def zremrangebyrank(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> Command[int]:
        """Remove the members of ranks `start` to `end`, both included; return how many there were.

        Never sent twice. Redis: ZREMRANGEBYRANK.
        """
        return build.zremrangebyrank(self.keyspace.wire(key, version), start, end)

    def zscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Command[tuple[int, list[tuple[Any, float]]]]:
        """Return the next cursor, 0 at the end, and some members with their scores.

        `match` is a glob pattern, as in `sscan`, `count` how many to look at, about. The primary
        answers, as a cursor means nothing to another server. Redis: ZSCAN.
        """
        pattern = None if match is None else self.codec.pattern(match)
        wire = self.keyspace.wire(key, version)
        command = on_primary(build.zscan(wire, cursor, match=pattern, count=count))
        read = self._scored(wire)
        return command.then(lambda page: (page[0], read(page[1])))

    def _scored(self, wire: bytes) -> Scored:
        """Return a function that reads members of a key with their scores."""

        def read(pairs: Sequence[tuple[bytes, float]]) -> list[tuple[Any, float]]:
            members = self.codec.loads_each([member for member, _ in pairs], wire)
            return [(member, its) for member, (_, its) in zip(members, pairs, strict=True)]

        return read


def _first(pairs: list[tuple[Any, float]]) -> tuple[Any, float] | None:
    return pairs[0] if pairs else None


def _limit(start: int | None, num: int | None) -> tuple[int, int] | None:
    """Return how many to skip and to read, -1 for all the rest; None without a limit."""
    if start is None and num is None:
        return None
    return (start or 0, -1 if num is None else num)
