"""One example of every method for data structures: what is there, what is called, what comes of it.

Tests of results, of costs, of pipelines, of failures and of documents go through these tables. The
keys `K` and `L` share a slot of a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from support.resp import RespClient
from support.server import Server

K, L = "{tag}k", "{tag}l"
SAME: Any = object()
"""As before the call."""


class Scores(dict[Any, float]):
    """The content of a sorted set."""


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
    call("sscan", K, 0, "1*", 10, given={K: {1, 11, 2}}, returns=(0, {1, 11}), away=(0, set())),
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
    call("zincrby", K, 2, "new", returns=2.0, holds={K: Scores({"new": 2.0})}, away=0.0),
    call("zpopmax", K, given=RANKED, returns=PAIRS[2:], holds={K: Scores({"a": 1.0, 2: 2.5})},
         away=[]),
    call("zpopmin", K, 2, given=RANKED, returns=PAIRS[:2],
         holds={K: Scores({(3,): float("inf")})}, away=[]),
    call("zpopmin", K, returns=[], away=[]),
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
    call("zscan", K, 0, "2*", 10, given=RANKED, returns=(0, [(2, 2.5)]), away=(0, [])),
]  # fmt: skip

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
    call("decr", K, 3, given={K: 1}, returns=-2, holds={K: -2}, away=ValueError),
    call("ttl", K, given={K: 1}, returns=None, away=-2),
    call("ttl", K, returns=-2, away=-2),
    call("pttl", K, given={K: 1}, returns=None, away=-2),
    call("expire", K, 60, given={K: 1}, returns=True, away=False),
    call("expire", K, 60, returns=False, away=False),
    call("pexpire", K, 60_000, given={K: 1}, returns=True, away=False),
    call("expire_at", K, SOON, given={K: 1}, returns=True, away=False),
    call("pexpire_at", K, 1, given={K: 1}, returns=True, holds={K: None}, away=False),
    call("persist", K, given={K: 1}, returns=False, away=False),
]  # fmt: skip

FAMILIES: dict[str, list[Call]] = {
    "hashes": HASHES,
    "lists": LISTS,
    "sets": SETS,
    "sorted_sets": SORTED_SETS,
}
"""The calls by the module of `cachex_client.structures` that their methods are in."""

WAITING = frozenset(("blpop", "brpop", "blmove"))
"""Methods that pipelines do not have."""


def as_expected(value: Any, wanted: Any) -> bool:
    """Tell whether a result, or the error that was raised, is what a `Call` returns."""
    if isinstance(wanted, type) and issubclass(wanted, Exception):
        return isinstance(value, wanted)
    if isinstance(wanted, Between):
        return wanted.fits(value)
    if isinstance(wanted, AnyOf):
        return value in wanted.values
    return type(value) is type(wanted) and bool(value == wanted)


# What a server holds, seen and changed without the packages under test


def commands_known(server: Server) -> set[str]:
    """Return the names of the commands that a server has."""
    return {name.decode().upper() for name in server.command("COMMAND", "LIST")}


def fill(server: Server, key: str, content: Any, stored: Any, replicas: int = 0) -> None:
    """Put something under a full key, and wait for the replicas; `stored` makes bytes of values."""
    words: list[Any]
    if content is None:
        return
    if isinstance(content, Scores):
        pairs = ((repr(score), stored(member)) for member, score in content.items())
        words = ["ZADD", key, *(word for pair in pairs for word in pair)]
    elif isinstance(content, dict):
        words = ["HSET", key]
        for field, value in content.items():
            words += [field, stored(value)]
    elif isinstance(content, list):
        words = ["RPUSH", key, *map(stored, content)]
    elif isinstance(content, set):
        words = ["SADD", key, *map(stored, content)]
    else:
        words = ["SET", key, stored(content)]
    client: RespClient = server.client()
    try:
        client.command(*words)
        if replicas:
            client.command("WAIT", replicas, 10_000)
    finally:
        client.close()


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
    return server.command("GET", key)


def as_stored(wanted: Any, stored: Any) -> Any:
    """Turn the content that a `Call` holds into what `content` returns; bytes are stored as is."""

    def one(value: Any) -> Any:
        return value if isinstance(value, bytes) else stored(value)

    if wanted is None:
        return None
    if isinstance(wanted, Scores):
        return Scores({one(member): score for member, score in wanted.items()})
    if isinstance(wanted, dict):
        return {str(field): one(value) for field, value in wanted.items()}
    if isinstance(wanted, list):
        return [one(value) for value in wanted]
    if isinstance(wanted, set):
        return {one(value) for value in wanted}
    return one(wanted)
