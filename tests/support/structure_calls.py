"""One example of every method for data structures: what is there, what is called, what comes of it.

Tests of results, of costs, of pipelines, of failures and of documents go through these tables. The
keys `K` and `L` share a slot of a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from cachex_client.limits import RateLimit
from cachex_client.scripting import decode_single_post
from cachex_client.timeouts import DEFAULT
from support.resp import RespClient
from support.server import Server

K, L = "{tag}k", "{tag}l"
SAME: Any = object()
"""As before the call."""


class Scores(dict[Any, float]):
    """The content of a sorted set."""


class Places(dict[Any, tuple[float, float]]):
    """Members of a sorted set that have a longitude and a latitude."""


class Counted(set[Any]):
    """What a HyperLogLog has counted."""


class Raw(bytes):
    """A plain value that no serializer has seen."""


class Stream(NamedTuple):
    """Entries of a stream; a `group` has read the first ones, which are `pending` with "other"."""

    entries: list[tuple[str, dict[str, Any]]]
    group: str = ""
    pending: int = 0


class Between(NamedTuple):
    """A number, or a list of them, of which only the limits are known; both are included."""

    low: float
    high: float

    def fits(self, value: Any) -> bool:
        values = value if isinstance(value, list) else [value]
        return all(self.low <= one <= self.high for one in values)


class AnyOf(NamedTuple):
    """One of several values; chance decides."""

    values: tuple[Any, ...]


class Call(NamedTuple):
    """A call of `method` where the cache holds what `given` says.

    It `returns` something and leaves what `holds` says, by key: a dict for a hash, a list, a set,
    `Scores`, anything else for a plain value, None for no such key. `away` is what it answers under
    IGNORE_EXCEPTIONS while no server does, `needs` a command that not all servers have.
    """

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    given: Mapping[str, Any]
    returns: Any
    holds: Mapping[str, Any]
    away: Any
    needs: str

    def __str__(self) -> str:
        words = [*map(repr, self.arguments), *(f"{k}={v!r}" for k, v in self.options.items())]
        return f"{self.method}({', '.join(words)})"


def call(
    method: str,
    *arguments: Any,
    given: Mapping[str, Any] | None = None,
    returns: Any,
    holds: Mapping[str, Any] = SAME,
    away: Any = None,
    needs: str = "",
    **options: Any,
) -> Call:
    there = given or {}
    left = there if holds is SAME else holds
    return Call(method, arguments, options, there, returns, left, away, needs)


NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=1)
HASH = {K: {"a": 1, "b": "two", "ä": None}}
HASHES = [
    call("hset", K, "a", [1], returns=1, holds={K: {"a": [1]}}, away=0),
    call("hset", K, "a", 2, given={K: {"a": 1}}, returns=0, holds={K: {"a": 2}}, away=0),
    call(
        "hset",
        K,
        "a",
        1,
        mapping={"b": 2.5, 3: None},
        items=["c", "d"],
        returns=4,
        holds={K: {"a": 1, "b": 2.5, "3": None, "c": "d"}},
        away=0,
    ),
    call("hmset", K, {"a": 1, "b": ()}, returns=True, holds={K: {"a": 1, "b": ()}}, away=False),
    call("hsetnx", K, "a", 1, returns=True, holds={K: {"a": 1}}, away=False),
    call("hsetnx", K, "a", 2, given={K: {"a": 1}}, returns=False, away=False),
    call("hget", K, "b", given=HASH, returns="two"),
    call("hget", K, "ä", given=HASH, returns=None),
    call("hget", K, "none", given=HASH, returns=None),
    call("hgetall", K, given=HASH, returns=HASH[K], away={}),
    call("hgetall", K, returns={}, away={}),
    call("hmget", K, "b", "none", "a", given=HASH, returns=["two", None, 1], away=[None] * 3),
    call("hdel", K, "a", "b", "c", given=HASH, returns=2, holds={K: {"ä": None}}, away=0),
    call("hlen", K, given=HASH, returns=3, away=0),
    call("hkeys", K, given=HASH, returns=["a", "b", "ä"], away=[]),
    call("hvals", K, given={K: {"a": 1, "b": [2]}}, returns=[1, [2]], away=[]),
    call("hexists", K, "a", given=HASH, returns=True, away=False),
    call("hexists", K, "none", given=HASH, returns=False, away=False),
    call("hincrby", K, "a", given={K: {"a": 1}}, returns=2, holds={K: {"a": 2}}, away=0),
    call("hincrby", K, "a", -3, returns=-3, holds={K: {"a": -3}}, away=0),
    call("hincrbyfloat", K, "a", 0.5, given={K: {"a": 1}}, returns=1.5, holds={K: {"a": b"1.5"}},
         away=0.0),
    call("hscan", K, given=HASH, returns=(0, HASH[K]), away=(0, {})),
    call("hscan", K, 0, "b*", 10, given=HASH, returns=(0, {"b": "two"}), away=(0, {})),
    call("hexpire", K, 100, "a", "none", given=HASH, returns=[1, -2], away=[-2, -2],
         needs="HPEXPIRE"),
    call("hexpire", K, 0, "a", "b", given={K: {"a": 1, "b": 1, "c": 1}}, returns=[2, 2],
         holds={K: {"c": 1}}, away=[-2, -2], needs="HPEXPIRE"),
    call("hexpire", K, timedelta(minutes=1), "a", xx=True, given=HASH, returns=[0], away=[-2],
         needs="HPEXPIRE"),
    call("hpexpire", K, 100_000, "a", nx=True, given=HASH, returns=[1], away=[-2],
         needs="HPEXPIRE"),
    call("hexpireat", K, SOON, "a", gt=True, given=HASH, returns=[0], away=[-2],
         needs="HPEXPIREAT"),
    call("hexpireat", K, time.time() + 1000, "a", lt=True, given=HASH, returns=[1], away=[-2],
         needs="HPEXPIREAT"),
    call("hpexpireat", K, round(SOON.timestamp() * 1000), "a", given=HASH, returns=[1], away=[-2],
         needs="HPEXPIREAT"),
    call("httl", K, "a", "none", given=HASH, returns=[None, -2], away=[-2, -2], needs="HTTL"),
    call("hpttl", K, "a", "none", given=HASH, returns=[None, -2], away=[-2, -2], needs="HPTTL"),
    call("hexpiretime", K, "a", "none", given=HASH, returns=[None, -2], away=[-2, -2],
         needs="HEXPIRETIME"),
    call("hpersist", K, "a", "none", given=HASH, returns=[-1, -2], away=[-2, -2],
         needs="HPERSIST"),
    call("hsetex", K, "a", [1], 100, returns=True, holds={K: {"a": [1]}}, away=False,
         needs="HSETEX"),
    call("hsetex", K, mapping={"a": 1, "b": 2}, returns=True, holds={K: {"a": 1, "b": 2}},
         away=False, needs="HSETEX"),
    call("hsetex", K, "a", 2, None, fnx=True, given={K: {"a": 1}}, returns=False, away=False,
         needs="HSETEX"),
    call("hsetex", K, "a", 2, fxx=True, keepttl=True, given={K: {"a": 1}}, returns=True,
         holds={K: {"a": 2}}, away=False, needs="HSETEX"),
    call("hsetex", K, "a", 2, 0, given={K: {"a": 1, "b": 1}}, returns=True, holds={K: {"b": 1}},
         away=False, needs="HSETEX"),
    call("hgetex", K, "b", "none", given=HASH, returns=["two", None], away=[None, None],
         needs="HGETEX"),
    call("hgetex", K, "b", timeout=60, given=HASH, returns=["two"], away=[None], needs="HGETEX"),
    call("hgetex", K, "a", persist=True, given=HASH, returns=[1], away=[None], needs="HGETEX"),
]  # fmt: skip

LIST = {K: [1, "two", [3], 1]}
LISTS = [
    call("lpush", K, 1, "two", returns=2, holds={K: ["two", 1]}, away=0),
    call("rpush", K, 1, "two", given={K: [None]}, returns=3, holds={K: [None, 1, "two"]}, away=0),
    call("lpop", K, given=LIST, returns=1, holds={K: ["two", [3], 1]}),
    call("lpop", K, 2, given=LIST, returns=[1, "two"], holds={K: [[3], 1]}),
    call("lpop", K, 2, returns=None),
    call("rpop", K, given=LIST, returns=1, holds={K: [1, "two", [3]]}),
    call("rpop", K, count=9, given=LIST, returns=[1, [3], "two", 1], holds={K: None}),
    call("lrange", K, 1, -2, given=LIST, returns=["two", [3]], away=[]),
    call("lrange", K, 0, -1, returns=[], away=[]),
    call("lindex", K, -2, given=LIST, returns=[3]),
    call("lindex", K, 9, given=LIST, returns=None),
    call("llen", K, given=LIST, returns=4, away=0),
    call("lpos", K, [3], given=LIST, returns=2),
    call("lpos", K, "none", given=LIST, returns=None),
    call("lpos", K, 1, count=0, given=LIST, returns=[0, 3], away=[]),
    call("lpos", K, 1, -1, 1, 3, given=LIST, returns=[3], away=[]),
    call("lmove", K, L, "LEFT", "RIGHT", given={K: [1, 2], L: ["a"]}, returns=1,
         holds={K: [2], L: ["a", 1]}),
    call("lmove", K, L, "RIGHT", "LEFT", returns=None),
    call("lrem", K, 0, 1, given=LIST, returns=2, holds={K: ["two", [3]]}, away=0),
    call("lrem", K, -1, 1, given=LIST, returns=1, holds={K: [1, "two", [3]]}, away=0),
    call("ltrim", K, 1, 2, given=LIST, returns=True, holds={K: ["two", [3]]}, away=False),
    call("lset", K, 1, {"x": 2}, given=LIST, returns=True, holds={K: [1, {"x": 2}, [3], 1]},
         away=False),
    call("linsert", K, "BEFORE", "two", 0, given=LIST, returns=5, holds={K: [1, 0, "two", [3], 1]},
         away=0),
    call("linsert", K, "AFTER", "none", 0, given=LIST, returns=-1, away=0),
    call("blpop", [L, K], 0.01, given={K: [1, 2]}, returns=(K, 1), holds={K: [2], L: None}),
    call("blpop", K, L, timeout=1, given={K: [1], L: [2]}, returns=(K, 1),
         holds={K: None, L: [2]}),
    call("blpop", K, timeout=0.01, returns=None),
    call("blpop", K, 0.01, returns=None),
    call("brpop", (K,), timeout=1, given={K: [1, 2]}, returns=(K, 2), holds={K: [1]}),
    call("blmove", K, L, 1, given={K: [1, 2]}, returns=1, holds={K: [2], L: [1]}),
    call("blmove", K, L, 0.01, "RIGHT", "LEFT", returns=None),
]  # fmt: skip

SET = {K: {1, "two", (3,)}}
TWO = {K: {1, 2, 3}, L: {2, "x"}}
SETS = [
    call("sadd", K, 1, "two", 1, returns=2, holds={K: {1, "two"}}, away=0),
    call("srem", K, 1, "none", given=SET, returns=1, holds={K: {"two", (3,)}}, away=0),
    call("smembers", K, given=SET, returns=SET[K], away=set()),
    call("smembers", K, returns=set(), away=set()),
    call("sismember", K, (3,), given=SET, returns=True, away=False),
    call("sismember", K, 3, given=SET, returns=False, away=False),
    call("smismember", K, 1, 2, "two", given=SET, returns=[True, False, True], away=[False] * 3),
    call("scard", K, given=SET, returns=3, away=0),
    call("spop", K, given={K: {"only"}}, returns="only", holds={K: None}),
    call("spop", K, 5, given=SET, returns=SET[K], holds={K: None}, away=set()),
    call("spop", K, returns=None),
    call("spop", K, count=2, returns=set(), away=set()),
    call("srandmember", K, given=SET, returns=AnyOf((1, "two", (3,)))),
    call("srandmember", K, returns=None),
    call("srandmember", K, -3, given={K: {"only"}}, returns=["only"] * 3, away=[]),
    call("smove", K, L, 1, given=TWO, returns=True, holds={K: {2, 3}, L: {1, 2, "x"}}, away=False),
    call("smove", K, L, "none", given=TWO, returns=False, away=False),
    call("sdiff", [K, L], given=TWO, returns={1, 3}, away=set()),
    call("sdiff", K, L, given=TWO, returns={1, 3}, away=set()),
    call("sinter", [K, L], given=TWO, returns={2}, away=set()),
    call("sunion", K, L, given=TWO, returns={1, 2, 3, "x"}, away=set()),
    call("sdiffstore", L, [K, L], given=TWO, returns=2, holds={K: {1, 2, 3}, L: {1, 3}}, away=0),
    call("sinterstore", L, K, L, given=TWO, returns=1, holds={K: {1, 2, 3}, L: {2}}, away=0),
    call("sunionstore", K, [L], given=TWO, returns=2, holds={K: {2, "x"}, L: {2, "x"}}, away=0),
    call("sscan", K, given=SET, returns=(0, SET[K]), away=(0, set())),
    call("sscan", K, 0, b"1*", 10, given={K: {1, 11, 2}}, returns=(0, {1, 11}), away=(0, set())),
    call("sscan", K, 0, "t*o", given=SET, returns=(0, {"two"}), away=(0, set())),
]  # fmt: skip

RANKED = {K: Scores({"a": 1.0, 2: 2.5, (3,): float("inf")})}
PAIRS = [("a", 1.0), (2, 2.5), ((3,), float("inf"))]
SORTED_SETS = [
    call("zadd", K, {"a": 1, 2: -0.5}, returns=2, holds={K: Scores({"a": 1.0, 2: -0.5})}, away=0),
    call("zadd", K, {"a": 5, "b": 1}, nx=True, given={K: Scores({"a": 1.0})}, returns=1,
         holds={K: Scores({"a": 1.0, "b": 1.0})}, away=0),
    call("zadd", K, {"a": 5, "b": 1}, xx=True, ch=True, gt=True, given={K: Scores({"a": 1.0})},
         returns=1, holds={K: Scores({"a": 5.0})}, away=0),
    call("zadd", K, {"a": 5}, lt=True, given={K: Scores({"a": 1.0})}, returns=0, away=0),
    call("zcard", K, given=RANKED, returns=3, away=0),
    call("zcount", K, 1, 2.5, given=RANKED, returns=2, away=0),
    call("zcount", K, "(1", "+inf", given=RANKED, returns=2, away=0),
    call("zincrby", K, 0.5, 2, given=RANKED, returns=3.0,
         holds={K: Scores({"a": 1.0, 2: 3.0, (3,): float("inf")})}, away=0.0),
    call("zadd", K, {"a": Fraction(1, 2)}, returns=1, holds={K: Scores({"a": 0.5})}, away=0),
    call("zincrby", K, 2, "new", returns=2.0, holds={K: Scores({"new": 2.0})}, away=0.0),
    call("zpopmax", K, given=RANKED, returns=PAIRS[2], holds={K: Scores({"a": 1.0, 2: 2.5})}),
    call("zpopmax", K, 1, given=RANKED, returns=PAIRS[2:],
         holds={K: Scores({"a": 1.0, 2: 2.5})}, away=[]),
    call("zpopmin", K, 2, given=RANKED, returns=PAIRS[:2],
         holds={K: Scores({(3,): float("inf")})}, away=[]),
    call("zpopmin", K, returns=None),
    call("zpopmin", K, 1, returns=[], away=[]),
    call("zrange", K, 0, 1, given=RANKED, returns=["a", 2], away=[]),
    call("zrange", K, 0, -1, withscores=True, given=RANKED, returns=PAIRS, away=[]),
    call("zrange", K, 0, -1, withscores=True, returns=[], away=[]),
    call("zrevrange", K, 0, 1, given=RANKED, returns=[(3,), 2], away=[]),
    call("zrevrange", K, 0, -1, withscores=True, given=RANKED, returns=PAIRS[::-1], away=[]),
    call("zrangebyscore", K, "-inf", 2.5, given=RANKED, returns=["a", 2], away=[]),
    call("zrangebyscore", K, float("-inf"), float("inf"), withscores=True, start=1, num=1,
         given=RANKED, returns=PAIRS[1:2], away=[]),
    call("zrangebyscore", K, 0, 9, start=1, given=RANKED, returns=[2], away=[]),
    call("zrevrangebyscore", K, 2.5, "(1", given=RANKED, returns=[2], away=[]),
    call("zrevrangebyscore", K, "+inf", 0, withscores=True, num=2, given=RANKED,
         returns=PAIRS[:0:-1], away=[]),
    call("zrank", K, 2, given=RANKED, returns=1),
    call("zrank", K, "none", given=RANKED, returns=None),
    call("zrevrank", K, "a", given=RANKED, returns=2),
    call("zscore", K, 2, given=RANKED, returns=2.5),
    call("zscore", K, "none", given=RANKED, returns=None),
    call("zmscore", K, "a", "none", (3,), given=RANKED, returns=[1.0, None, float("inf")],
         away=[None] * 3),
    call("zrem", K, "a", "none", (3,), given=RANKED, returns=2, holds={K: Scores({2: 2.5})},
         away=0),
    call("zremrangebyscore", K, 1, "(2.5", given=RANKED, returns=1,
         holds={K: Scores({2: 2.5, (3,): float("inf")})}, away=0),
    call("zremrangebyrank", K, 0, -2, given=RANKED, returns=2,
         holds={K: Scores({(3,): float("inf")})}, away=0),
    call("zscan", K, given=RANKED, returns=(0, PAIRS), away=(0, [])),
    call("zscan", K, 0, b"2*", 10, given=RANKED, returns=(0, [(2, 2.5)]), away=(0, [])),
    call("zscan", K, 0, "?", given=RANKED, returns=(0, [("a", 1.0)]), away=(0, [])),
]  # fmt: skip

ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("1-1", {"a": 1}), ("1-2", {"a": [2], "ä": "two"}), ("2-0", {"b": None}),
]  # fmt: skip
STREAM = {K: Stream(ENTRIES)}
GROUP = {K: Stream(ENTRIES, "g", 2)}
NONE_PENDING = {"pending": 0, "min": None, "max": None, "consumers": []}


def _told(**wanted: Any) -> Callable[[Any], bool]:
    """Return a judge of what a server tells, which is more than what is wanted."""
    words = {name.replace("_", "-"): value for name, value in wanted.items()}
    return lambda told: isinstance(told, dict) and words.items() <= told.items()


def _in_detail(told: Any) -> bool:
    (group,) = told["groups"]
    (consumer,) = group["consumers"]
    return (
        bool(
            told["length"] == 3
            and told["entries"] == ENTRIES
            and group["name"] == "g"
            and [one[:2] for one in group["pending"]] == [["1-1", "other"], ["1-2", "other"]]
            and consumer["name"] == "other"
            and consumer["pending"][0][0] == "1-1"
        )
        if "pending" in group and isinstance(group["pending"], list)
        else bool(
            told["entries"] == ENTRIES and group["name"] == "g" and consumer["name"] == "other"
        )
    )


def _delivered(*ids: str) -> Callable[[Any], bool]:
    def judge(told: Any) -> bool:
        return [one["message_id"] for one in told] == list(ids) and all(
            one["consumer"] == "other"
            and one["times_delivered"] == 1
            and one["time_since_delivered"] >= 0
            for one in told
        )

    return judge


STREAMS = [
    call("xadd", K, {"a": 1, "ä": [2]}, "5-5", returns="5-5",
         holds={K: Stream([("5-5", {"a": 1, "ä": [2]})])}),
    call("xadd", K, {"a": 1}, given=STREAM, holds={}, returns=lambda got: got.partition("-")[2]),
    call("xadd", K, {"c": 1}, "3-*", 2, False, given=STREAM, returns="3-0",
         holds={K: Stream([ENTRIES[2], ("3-0", {"c": 1})])}),
    call("xadd", K, {"c": 1}, "3-0", minid="2", approximate=False, given=STREAM, returns="3-0",
         holds={K: Stream([ENTRIES[2], ("3-0", {"c": 1})])}),
    call("xadd", K, {"c": 1}, "3-0", maxlen=100, limit=100, given=STREAM, returns="3-0",
         holds={K: Stream([*ENTRIES, ("3-0", {"c": 1})])}),
    call("xadd", K, {"a": 1}, nomkstream=True, returns=None, holds={K: None}),
    call("xlen", K, given=STREAM, returns=3, away=0),
    call("xlen", K, returns=0, away=0),
    call("xrange", K, given=STREAM, returns=ENTRIES, away=[]),
    call("xrange", K, "(1-1", "+", 1, given=STREAM, returns=ENTRIES[1:2], away=[]),
    call("xrange", K, returns=[], away=[]),
    call("xrevrange", K, given=STREAM, returns=ENTRIES[::-1], away=[]),
    call("xrevrange", K, "1", "-", count=1, given=STREAM, returns=ENTRIES[1:2], away=[]),
    call("xread", {K: "1-1"}, given=STREAM, returns={K: ENTRIES[1:]}),
    call("xread", {K: "0", L: "0"}, 1, given={**STREAM, L: Stream(ENTRIES[1:])},
         returns={K: ENTRIES[:1], L: ENTRIES[1:2]}),
    call("xread", {K: "$"}, given=STREAM, returns=None),
    call("xread", {K: "0"}, block=1000, given=STREAM, returns={K: ENTRIES}),
    call("xread", {K: "$"}, block=10, given=STREAM, returns=None),
    call("xtrim", K, 1, False, given=STREAM, returns=2, holds={K: Stream(ENTRIES[2:])}, away=0),
    call("xtrim", K, minid="1-2", approximate=False, given=STREAM, returns=1,
         holds={K: Stream(ENTRIES[1:])}, away=0),
    call("xtrim", K, 0, limit=10, returns=0, away=0),
    call("xdel", K, "1-1", "9-9", given=STREAM, returns=1, holds={K: Stream(ENTRIES[1:])}, away=0),
    call("xinfo_stream", K, given=GROUP, away={},
         returns=_told(length=3, groups=1, last_generated_id="2-0", first_entry=ENTRIES[0],
                       last_entry=ENTRIES[2])),
    call("xinfo_stream", K, True, given=GROUP, away={}, returns=_in_detail),
    call("xinfo_groups", K, given=STREAM, returns=[], away=[]),
    call("xinfo_groups", K, given=GROUP, away=[],
         returns=lambda told: _told(name="g", pending=2, consumers=1)(told[0])),
    call("xinfo_consumers", K, "g", given=GROUP, away=[],
         returns=lambda told: _told(name="other", pending=2)(told[0])),
    call("xgroup_create", K, "h", given=GROUP, returns=True, away=False),
    call("xgroup_create", K, "h", "0", True, 0, returns=True, holds={K: Stream([])}, away=False),
    call("xgroup_destroy", K, "g", given=GROUP, returns=1, away=0),
    call("xgroup_destroy", K, "none", given=STREAM, returns=0, away=0),
    call("xgroup_setid", K, "g", "0", given=GROUP, returns=True, away=False),
    call("xgroup_setid", K, "g", "1-1", 1, given=GROUP, returns=True, away=False),
    call("xgroup_delconsumer", K, "g", "other", given=GROUP, returns=2, away=0),
    call("xreadgroup", "g", "me", {K: ">"}, given=GROUP, returns={K: ENTRIES[2:]}),
    call("xreadgroup", "g", "me", {K: ">"}, 1, noack=True, given={K: Stream(ENTRIES, "g")},
         returns={K: ENTRIES[:1]}),
    call("xreadgroup", "g", "other", {K: "0"}, given=GROUP, returns={K: ENTRIES[:2]}),
    call("xreadgroup", "g", "me", {K: ">"}, block=10, given={K: Stream([], "g")}, returns=None),
    call("xack", K, "g", "1-1", "2-0", given=GROUP, returns=1, away=0),
    call("xpending", K, "g", given=GROUP, away=NONE_PENDING,
         returns={"pending": 2, "min": "1-1", "max": "1-2",
                  "consumers": [{"name": "other", "pending": 2}]}),
    call("xpending", K, "g", given={K: Stream(ENTRIES, "g")}, returns=NONE_PENDING,
         away=NONE_PENDING),
    call("xpending", K, "g", "-", "+", 10, given=GROUP, returns=_delivered("1-1", "1-2"), away=[]),
    call("xpending", K, "g", count=1, given=GROUP, returns=_delivered("1-1"), away=[]),
    call("xpending", K, "g", consumer="other", idle=0, given=GROUP,
         returns=_delivered("1-1", "1-2"), away=[]),
    call("xpending", K, "g", consumer="none", given=GROUP, returns=[], away=[]),
    call("xclaim", K, "g", "me", 0, ["1-1", "9-9"], given=GROUP, returns=ENTRIES[:1], away=[]),
    call("xclaim", K, "g", "me", 0, ["1-2"], justid=True, given=GROUP, returns=["1-2"], away=[]),
    call("xclaim", K, "g", "me", 10**9, ["1-1"], given=GROUP, returns=[], away=[]),
    call("xclaim", K, "g", "me", 0, ["2-0"], 5, retrycount=3, force=True, given=GROUP,
         returns=ENTRIES[2:], away=[]),
    call("xclaim", K, "g", "me", 0, ["1-1"], time=1, given=GROUP, returns=ENTRIES[:1], away=[]),
    call("xautoclaim", K, "g", "me", 0, given=GROUP, returns=("0-0", ENTRIES[:2], []),
         away=("0-0", [], [])),
    call("xautoclaim", K, "g", "me", 0, "0-0", 1, True, given=GROUP,
         returns=("1-2", ["1-1"], []), away=("0-0", [], [])),
]  # fmt: skip

BITS = {K: Raw(b"\xf0\x01"), L: Raw(b"\x0f")}
BITMAPS = [
    call("setbit", K, 7, 1, returns=0, holds={K: b"\x01"}, away=0),
    call("setbit", K, 0, 0, given=BITS, returns=1, holds={K: b"\x70\x01"}, away=0),
    call("getbit", K, 1, given=BITS, returns=1, away=0),
    call("getbit", K, 1000, given=BITS, returns=0, away=0),
    call("bitcount", K, given=BITS, returns=5, away=0),
    call("bitcount", K, 1, given=BITS, returns=1, away=0),
    call("bitcount", K, 0, 0, given=BITS, returns=4, away=0),
    call("bitcount", K, 2, -1, "BIT", given=BITS, returns=3, away=0),
    call("bitpos", K, 0, given=BITS, returns=4, away=0),
    call("bitpos", K, 1, 1, given=BITS, returns=15, away=-1),
    call("bitpos", K, 1, 4, unit="BIT", given=BITS, returns=15, away=-1),
    call("bitpos", K, 1, returns=-1, away=-1),
    call("bitop", "OR", L, [K, L], given=BITS, returns=2, holds={L: b"\xff\x01"}, away=0),
    call("bitop", "AND", L, K, L, given=BITS, returns=2, holds={L: b"\x00\x00"}, away=0),
    call("bitop", "NOT", L, K, given=BITS, returns=2, holds={L: b"\x0f\xfe"}, away=0),
    call("bitfield", K, ("GET", "u8", 0), ("SET", "u8", "#1", 255), ("INCRBY", "i5", 16, 1),
         given=BITS, returns=[240, 1, 1], holds={K: b"\xf0\xff\x08"}, away=[0, 0, 0]),
    call("bitfield", K, ("OVERFLOW", "FAIL"), ("INCRBY", "u2", 0, 5), returns=[None], away=[0],
         holds={}),
]  # fmt: skip

HYPERLOGLOGS = [
    call("pfadd", K, 1, "two", [3], returns=True, holds={}, away=False),
    call("pfadd", K, 1, given={K: Counted({1, 2})}, returns=False, holds={}, away=False),
    call("pfcount", K, given={K: Counted({1, "two"})}, returns=2, holds={}, away=0),
    call("pfcount", [K, L], given={K: Counted({1, 2}), L: Counted({2, 3})}, returns=3, holds={},
         away=0),
    call("pfcount", K, returns=0, away=0),
    call("pfmerge", L, [K], given={K: Counted({1, 2}), L: Counted({3})}, returns=True, holds={},
         away=False),
]  # fmt: skip

PALERMO, CATANIA = (13.361389, 38.115556), (15.087269, 37.502669)
SICILY = {K: Places({"Palermo": PALERMO, ("Catania",): CATANIA})}
HASH_OF_PALERMO = 3479099956230698


def _near(wanted: Any, error: float = 0.01) -> Callable[[Any], bool]:
    """Return a judge of numbers, alone or inside lists and tuples, that may be a little off."""

    def judge(got: Any, wanted: Any = wanted) -> bool:
        if isinstance(wanted, (list, tuple)):
            return (
                type(got) is type(wanted)
                and len(got) == len(wanted)
                and all(map(judge, got, wanted))
            )
        if isinstance(wanted, float):
            return isinstance(got, float) and abs(got - wanted) <= error
        return bool(got == wanted)

    return judge


GEO = [
    call("geoadd", K, {"Palermo": PALERMO}, returns=1, away=0,
         holds={K: Scores({"Palermo": float(HASH_OF_PALERMO)})}),
    call("geoadd", K, {"Palermo": (0, 0)}, nx=True, given=SICILY, returns=0, holds={}, away=0),
    call("geoadd", K, {"Palermo": (0, 0), "new": (1, 1)}, xx=True, ch=True, given=SICILY,
         returns=1, holds={}, away=0),
    call("geodist", K, "Palermo", ("Catania",), given=SICILY, returns=_near(166274.15), holds={}),
    call("geodist", K, "Palermo", ("Catania",), "km", given=SICILY, returns=_near(166.27),
         holds={}),
    call("geodist", K, "Palermo", "none", given=SICILY, returns=None, holds={}),
    call("geopos", K, "Palermo", "none", given=SICILY, returns=_near([PALERMO, None]), holds={},
         away=[None, None]),
    call("geohash", K, "Palermo", "none", given=SICILY, returns=["sqc8b49rny0", None], holds={},
         away=[None, None]),
    call("geosearch", K, longitude=15, latitude=37, radius=200, unit="km", sort="ASC",
         given=SICILY, returns=[("Catania",), "Palermo"], holds={}, away=[]),
    call("geosearch", K, member="Palermo", width=400, height=400, unit="km", sort="DESC", count=1,
         given=SICILY, returns=[("Catania",)], holds={}, away=[]),
    call("geosearch", K, member="Palermo", radius=1, count=1, any=True, given=SICILY,
         returns=["Palermo"], holds={}, away=[]),
    call("geosearch", K, longitude=15, latitude=37, radius=100, unit="km", withdist=True,
         given=SICILY, returns=_near([(("Catania",), 56.44)]), holds={}, away=[]),
    call("geosearch", K, member="Palermo", radius=1, withdist=True, withhash=True, withcoord=True,
         given=SICILY, returns=_near([("Palermo", 0.0, HASH_OF_PALERMO, PALERMO)]), holds={},
         away=[]),
    call("geosearchstore", L, K, member="Palermo", radius=1, given=SICILY, returns=1,
         holds={L: Scores({"Palermo": float(HASH_OF_PALERMO)})}, away=0),
    call("geosearchstore", L, K, longitude=PALERMO[0], latitude=PALERMO[1], radius=1000, sort="ASC",
         count=1, storedist=True, unit="km", given=SICILY, returns=1, holds={}, away=0),
]  # fmt: skip

KEYS = [
    call("exists", K, given={K: 1}, returns=True, away=False),
    call("exists", K, returns=False, away=False),
    call("rename", K, L, given={K: "v", L: [1]}, returns=True, holds={K: None, L: "v"},
         away=False),
    call("renamenx", K, L, given={K: [1, 2]}, returns=True, holds={K: None, L: [1, 2]},
         away=False),
    call("renamenx", K, L, given={K: 1, L: 2}, returns=False, away=False),
    call("type", K, given={K: 1}, returns="string"),
    call("type", K, given={K: {"a": 1}}, returns="hash"),
    call("type", K, given={K: Scores({"a": 1.0})}, returns="zset"),
    call("type", K, returns=None),
    call("memory_usage", K, given={K: "v"}, returns=Between(1, 10_000)),
    call("memory_usage", K, samples=0, given={K: [1] * 100}, returns=Between(1, 100_000)),
    call("memory_usage", K, returns=None),
    call("expiretime", K, given={K: 1}, returns=None, away=-2),
    call("expiretime", K, returns=-2, away=-2),
    call("expireat", K, SOON, given={K: 1}, returns=True, away=False),
    call("expireat", K, 1, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("expireat", K, SOON, returns=False, away=False),
    call("pexpireat", K, 1, given={K: [1]}, returns=True, holds={K: None}, away=False),
]  # fmt: skip

GET_OF = "return redis.call('GET', KEYS[1])"
# Verbs of plain values: tests of their own say more; here for pipelines.
VALUES = [
    call("get", K, given={K: ("a", 1)}, returns=("a", 1)),
    call("get", K, 5, returns=5, away=5),
    call("set", K, "v", returns=True, holds={K: "v"}, away=False),
    call("set", K, 2, nx=True, given={K: 1}, returns=False, away=False),
    call("set", K, 2, 60, xx=True, given={K: 1}, returns=True, holds={K: 2}, away=False),
    call("set", K, 2, 0, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("set", K, 2, 0, nx=True, given={K: 1}, returns=False, away=False),
    call("set", K, 2, 0, xx=True, returns=False, away=False),
    call("add", K, 1, returns=True, holds={K: 1}, away=False),
    call("add", K, 2, given={K: 1}, returns=False, away=False),
    call("delete", K, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("delete", K, returns=False, away=False),
    call("has_key", K, given={K: 1}, returns=True, away=False),
    call("has_key", K, returns=False, away=False),
    call("touch", K, given={K: 1}, returns=True, away=False),
    call("touch", K, None, given={K: 1}, returns=True, away=False),
    call("touch", K, None, returns=False, away=False),
    call("touch", K, 0, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("incr", K, given={K: 1}, returns=2, holds={K: 2}, away=ValueError),
    call("incr", K, 5, returns=ValueError, away=ValueError),
    call("incr", K, 5, create=True, returns=5, holds={K: 5}, away=ValueError),
    call("decr", K, 3, given={K: 1}, returns=-2, holds={K: -2}, away=ValueError),
    call("rate_limit", K, 5, 60, returns=RateLimit(True, 5, 4, 0.0, 12.0), holds={},
         away=RateLimit(True, 5, 4)),
    call("eval_script", "return {KEYS[1], ARGV[1]}", args=[5], keys=["x"], away=RedisError,
         returns=lambda got: got[0].endswith(b":x") and got[1] == b"5"),
    call("eval_script", GET_OF, keys=[K], post_hook=decode_single_post, given={K: ("a", 1)},
         returns=("a", 1), away=RedisError),
    call("ttl", K, given={K: 1}, returns=None, away=-2),
    call("ttl", K, returns=-2, away=-2),
    call("pttl", K, given={K: 1}, returns=None, away=-2),
    call("expire", K, 60, given={K: 1}, returns=True, away=False),
    call("expire", K, 60, returns=False, away=False),
    call("expire", K, DEFAULT, given={K: 1}, returns=True, away=False),
    call("pexpire", K, DEFAULT, given={K: 1}, returns=True, away=False),
    call("pexpire", K, 60_000, given={K: 1}, returns=True, away=False),
    call("expire_at", K, SOON, given={K: 1}, returns=True, away=False),
    call("pexpire_at", K, 1, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("persist", K, given={K: 1}, returns=False, away=False),
]  # fmt: skip

FAMILIES: dict[str, list[Call]] = {
    "bitmaps": BITMAPS,
    "geo": GEO,
    "hashes": HASHES,
    "hyperloglogs": HYPERLOGLOGS,
    "keys": KEYS,
    "lists": LISTS,
    "sets": SETS,
    "sorted_sets": SORTED_SETS,
    "streams": STREAMS,
}
"""The calls by the module of `cachex_client.structures` that their methods are in."""

WAITING = frozenset(("blpop", "brpop", "blmove"))
"""Methods that pipelines do not have."""

OF_ANY_TYPE = "keys"
"""The family whose methods do not mind what is under a key."""

OF_STRINGS = ("bitmaps", "hyperloglogs")
"""Families whose keys are strings to the server."""


def minding() -> list[Call]:
    """Return the calls whose methods work on one type alone."""
    return [one for name, calls in FAMILIES.items() if name != OF_ANY_TYPE for one in calls]


def put_another_type(server: Server, call: Call, key: str) -> None:
    """Put something under a full key that the method of a call cannot work on."""
    make = "RPUSH" if any(call in FAMILIES[family] for family in OF_STRINGS) else "SET"
    server.command("DEL", key)
    server.command(make, key, "text")


def waits(call: Call) -> bool:
    """Tell whether a call may wait at the server, which pipelines refuse."""
    return call.method in WAITING or "block" in call.options


def as_expected(value: Any, wanted: Any) -> bool:
    """Tell whether a result, or the error that was raised, is what a `Call` returns."""
    if isinstance(wanted, type) and issubclass(wanted, Exception):
        return isinstance(value, wanted)
    if isinstance(wanted, Between):
        return wanted.fits(value)
    if isinstance(wanted, AnyOf):
        return value in wanted.values
    if callable(wanted):
        return bool(wanted(value))
    return type(value) is type(wanted) and bool(value == wanted)


# What a server holds, seen and changed without the packages under test


def commands_known(server: Server) -> set[str]:
    """Return the names of the commands that a server has."""
    return {name.decode().upper() for name in server.command("COMMAND", "LIST")}


def fill(server: Server, key: str, content: Any, stored: Any, replicas: int = 0) -> None:
    """Put something under a full key, and wait for the replicas; `stored` makes bytes of values."""
    if content is None:
        return
    client: RespClient = server.client()
    try:
        for words in _making(key, content, stored):
            client.command(*words)
        if replicas:
            client.command("WAIT", replicas, 10_000)
    finally:
        client.close()


def _making(key: str, content: Any, stored: Any) -> Iterator[list[Any]]:
    """Yield the commands that put something under a key."""
    if isinstance(content, Stream):
        yield ["XGROUP", "CREATE", key, content.group or "to be gone", "0", "MKSTREAM"]
        for number, fields in content.entries:
            words = (word for name, value in fields.items() for word in (name, stored(value)))
            yield ["XADD", key, number, *words]
        if not content.group:
            yield ["XGROUP", "DESTROY", key, "to be gone"]
        if content.pending:
            read = ["COUNT", content.pending, "STREAMS", key, ">"]
            yield ["XREADGROUP", "GROUP", content.group, "other", *read]
    elif isinstance(content, Scores):
        pairs = ((repr(score), stored(member)) for member, score in content.items())
        yield ["ZADD", key, *(word for pair in pairs for word in pair)]
    elif isinstance(content, Places):
        places = ((*map(repr, at), stored(member)) for member, at in content.items())
        yield ["GEOADD", key, *(word for place in places for word in place)]
    elif isinstance(content, dict):
        pairs = ((field, stored(value)) for field, value in content.items())
        yield ["HSET", key, *(word for pair in pairs for word in pair)]
    elif isinstance(content, list):
        yield ["RPUSH", key, *map(stored, content)]
    elif isinstance(content, Counted):
        yield ["PFADD", key, *map(stored, content)]
    elif isinstance(content, set):
        yield ["SADD", key, *map(stored, content)]
    else:
        yield ["SET", key, content if isinstance(content, Raw) else stored(content)]


def content(server: Server, key: str) -> Any:
    """Return what is under a full key, in the form of `Call.holds`, values as they are stored."""
    kind = server.command("TYPE", key)
    kind = kind.decode() if isinstance(kind, bytes) else kind
    if kind == "none":
        return None
    if kind == "hash":
        flat = server.command("HGETALL", key)
        return {field.decode(): value for field, value in zip(flat[::2], flat[1::2], strict=True)}
    if kind == "list":
        return server.command("LRANGE", key, 0, -1)
    if kind == "set":
        return set(server.command("SMEMBERS", key))
    if kind == "zset":
        flat = server.command("ZRANGE", key, 0, -1, "WITHSCORES")
        return Scores({m: float(s) for m, s in zip(flat[::2], flat[1::2], strict=True)})
    if kind == "stream":
        return [
            (number.decode(), dict(zip(map(bytes.decode, flat[::2]), flat[1::2], strict=True)))
            for number, flat in server.command("XRANGE", key, "-", "+")
        ]
    return server.command("GET", key)


def as_stored(wanted: Any, stored: Any) -> Any:
    """Turn the content that a `Call` holds into what `content` returns; bytes are stored as is."""

    def one(value: Any) -> Any:
        return value if isinstance(value, bytes) else stored(value)

    if wanted is None:
        return None
    if isinstance(wanted, Stream):
        return [(number, as_stored(fields, stored)) for number, fields in wanted.entries]
    if isinstance(wanted, Scores):
        return Scores({one(member): score for member, score in wanted.items()})
    if isinstance(wanted, dict):
        return {str(field): one(value) for field, value in wanted.items()}
    if isinstance(wanted, list):
        return [one(value) for value in wanted]
    if isinstance(wanted, set):
        return {one(value) for value in wanted}
    return one(wanted)
