"""What the methods for data structures answer under IGNORE_EXCEPTIONS while no server does."""

from collections.abc import Callable, Mapping
from typing import Any


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


def _new(kind: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *_, **__: kind()


def _each(answer: Any, after: int = 1) -> Callable[..., Any]:
    """One answer for each of the names that come behind the first arguments."""
    return lambda error, *arguments, **_: [answer] * len(arguments[after:])


def _one_or_many(kind: Callable[[], Any], place: int = 1) -> Callable[..., Any]:
    """None, or an empty collection if the argument `count`, the one at `place`, asks for many."""

    def answer(error: Exception, *arguments: Any, count: int | None = None, **_: Any) -> Any:
        if len(arguments) > place:
            count = arguments[place]
        return None if count is None else kind()

    return answer


def _pending(error: Exception, key: Any, group: Any, *limits: Any, **named: Any) -> Any:
    """A summary, or a list if there are any limits but the version, which is the sixth."""
    if [one for one in limits[:5] if one is not None] or named.keys() - {"version"}:
        return []
    return {"pending": 0, "min": None, "max": None, "consumers": []}


def _first_bit(error: Exception, key: Any, bit: int, *_: Any, **__: Any) -> int:
    """Where nothing is, all bits are 0."""
    return -1 if bit else 0


def _numbers(error: Exception, key: Any, *operations: Any, **_: Any) -> list[int]:
    """0 for each number that was to be read or written."""
    return [0 for operation in operations if str(next(iter(operation))).upper() != "OVERFLOW"]


_NOTHING: tuple[tuple[Callable[..., Any], str], ...] = (
    (_always(None), "hget lindex lpop rpop lmove blpop brpop blmove zrank zrevrank zscore"),
    (_one_or_many(list), "srandmember zpopmax zpopmin"),
    (_one_or_many(set), "spop"),
    (_one_or_many(list, place=3), "lpos"),
    (_always(False), "hmset hsetnx hexists hsetex ltrim lset sismember smove"),
    (_always(0), "hset hdel hlen hincrby"),
    (_always(0), "lpush rpush llen lrem linsert"),
    (_always(0), "sadd srem scard sdiffstore sinterstore sunionstore"),
    (_always(0), "zadd zcard zcount zrem zremrangebyscore zremrangebyrank"),
    (_always(0.0), "hincrbyfloat zincrby"),
    (_new(dict), "hgetall"),
    (_new(set), "smembers sdiff sinter sunion"),
    (_new(list), "hkeys hvals lrange"),
    (_new(list), "zrange zrevrange zrangebyscore zrevrangebyscore"),
    (lambda *_, **__: (0, {}), "hscan"),
    (lambda *_, **__: (0, set()), "sscan"),
    (lambda *_, **__: (0, []), "zscan"),
    (_each(None), "hmget hgetex zmscore geopos geohash"),
    (_each(False), "smismember"),
    (_always(None), "type memory_usage"),
    (_always(-2), "expiretime"),
    (_always(False), "exists rename renamenx expireat pexpireat"),
    (_always(None), "xadd xread xreadgroup geodist"),
    (_always(False), "xgroup_create xgroup_setid pfadd pfmerge"),
    (_always(0), "xlen xtrim xdel xgroup_destroy xgroup_delconsumer xack"),
    (_always(0), "pfcount setbit getbit bitcount bitop geoadd geosearchstore"),
    (_new(dict), "xinfo_stream"),
    (_new(list), "xrange xrevrange xinfo_groups xinfo_consumers xclaim geosearch"),
    (_pending, "xpending"),
    (lambda *_, **__: ("0-0", [], []), "xautoclaim"),
    (_first_bit, "bitpos"),
    (_numbers, "bitfield"),
    (_each(-2), "httl hpttl hexpiretime hpersist"),
    (_each(-2, after=2), "hexpire hpexpire hexpireat hpexpireat"),
)

FALLBACKS_OF_STRUCTURES: Mapping[str, Callable[..., Any]] = {
    verb: fallback for fallback, verbs in _NOTHING for verb in verbs.split()
}
"""What a verb says of a key that is not there; of a sum, 0, as nothing was added."""
