"""Calls that say nothing, or two things that exclude each other: refused before they are sent."""

from __future__ import annotations

from typing import Any, NamedTuple


class Refused(NamedTuple):
    """A call that is a ValueError; `says` is a part of what that says."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    says: str

    def __str__(self) -> str:
        words = [*map(repr, self.arguments), *(f"{k}={v!r}" for k, v in self.options.items())]
        return f"{self.method}({', '.join(words)})"


def refused(method: str, *arguments: Any, says: str, **options: Any) -> Refused:
    return Refused(method, arguments, options, says)


K, L = "{tag}k", "{tag}l"

ABOUT_NOTHING = [
    *(
        refused(method, K, says="at least one member is needed")
        for method in ("sadd", "srem", "smismember", "zrem", "zmscore", "geopos", "geohash")
    ),
    *(
        refused(method, K, {}, says="at least one member is needed")
        for method in ("zadd", "geoadd")
    ),
    *(
        refused(method, K, says="at least one value is needed")
        for method in ("lpush", "rpush", "pfadd")
    ),
    *(
        refused(method, K, says="at least one field is needed")
        for method in ("hdel", "hmget", "httl", "hpttl", "hexpiretime", "hpersist", "hgetex")
    ),
    *(
        refused(method, K, 60, says="at least one field is needed")
        for method in ("hexpire", "hpexpire", "hexpireat", "hpexpireat")
    ),
    *(
        refused(method, K, says="at least one field and its value is needed")
        for method in ("hset", "hsetex")
    ),
    refused("hset", K, None, 1, says="at least one field and its value is needed"),
    refused("hset", K, mapping={}, items=[], says="at least one field and its value is needed"),
    refused("hmset", K, {}, says="at least one field and its value is needed"),
    refused("xadd", K, {}, says="at least one field is needed"),
    *(
        refused(method, [], says="at least one key is needed")
        for method in ("sdiff", "sinter", "sunion", "pfcount")
    ),
    *(
        refused(method, K, [], says="at least one key is needed")
        for method in ("sdiffstore", "sinterstore", "sunionstore", "pfmerge")
    ),
    *(refused(method, [], 1, says="at least one key is needed") for method in ("blpop", "brpop")),
    refused("bitop", "AND", K, [], says="at least one key is needed"),
    refused("bitfield", K, says="at least one operation is needed"),
    refused("xread", {}, says="at least one stream is needed"),
    refused("xreadgroup", "group", "reader", {}, says="at least one stream is needed"),
    refused("xdel", K, says="at least one entry is needed"),
    refused("xack", K, "group", says="at least one entry is needed"),
    refused("xclaim", K, "group", "reader", 0, [], says="at least one entry is needed"),
]
"""Every method that takes any number of something, with none of it."""

CONTRADICTIONS = [
    refused("set", K, 1, nx=True, xx=True, says="NX and XX exclude each other"),
    refused("set", K, 1, 0, nx=True, xx=True, says="NX and XX exclude each other"),
    refused("zadd", K, {"a": 1}, nx=True, xx=True, says="NX and XX exclude each other"),
    refused("zadd", K, {"a": 1}, nx=True, gt=True, says="NX and GT exclude each other"),
    refused("zadd", K, {"a": 1}, gt=True, lt=True, says="GT and LT exclude each other"),
    refused("geoadd", K, {"a": (1, 1)}, nx=True, xx=True, says="NX and XX exclude each other"),
    refused("hexpire", K, 60, "a", nx=True, lt=True, says="NX and LT exclude each other"),
    refused("hsetex", K, "a", 1, fnx=True, fxx=True, says="FNX and FXX exclude each other"),
    refused("hgetex", K, "a", timeout=1, persist=True, says="TIMEOUT and PERSIST exclude"),
    refused("xadd", K, {"a": 1}, maxlen=1, minid="1-1", says="maxlen and minid exclude each other"),
    refused("xtrim", K, maxlen=1, minid="1-1", says="maxlen and minid exclude each other"),
]

REFUSED = [*ABOUT_NOTHING, *CONTRADICTIONS]
