"""
`db.query.text`: what a command looked like, without its values.

Every argument is "?" unless the table below says that it is a key, and then only if keys were asked
for. A command that is not in the table shows nothing but its name.
"""

from collections.abc import Iterator, Sequence

from cachex_client import Command

LONGEST = 1024
"""Characters; longer texts end in "..."."""
SHOWN = 16
"""Arguments of one command, and commands of a batch, that are shown; a rest is "..."."""

# Which arguments are keys: (first, step), and every argument from there if the step is not 0.
FIRST, ALL, PAIRS, SECOND_ON = (1, 0), (1, 1), (1, 2), (2, 1)

_FIRST = (
    "APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS DECR DECRBY DUMP EXPIRE EXPIREAT EXPIRETIME"
    " GEOADD GEODIST GEOHASH GEOPOS GEOSEARCH GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL"
    " HEXISTS HEXPIRE HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE"
    " HPTTL HRANDFIELD HSCAN HSET HSETNX HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT LINDEX"
    " LINSERT LLEN LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM PERSIST PEXPIRE PEXPIREAT"
    " PEXPIRETIME PFADD PSETEX PTTL RESTORE RPOP RPUSH RPUSHX SADD SCARD SET SETBIT SETEX SETNX"
    " SETRANGE SISMEMBER SMEMBERS SMISMEMBER SORT SORT_RO SPOP SRANDMEMBER SREM SSCAN STRLEN"
    " SUBSTR TTL TYPE XACK XADD XDEL XLEN XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT ZINCRBY"
    " ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREM"
    " ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE"
    " ZREVRANK ZSCAN ZSCORE"
)
_ALL = (
    "DEL EXISTS MGET PFCOUNT PFMERGE RENAME RENAMENX RPOPLPUSH SDIFF SDIFFSTORE SINTER"
    " SINTERSTORE SUNION SUNIONSTORE TOUCH UNLINK WATCH"
)
KEYS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_FIRST.split(), FIRST),
    **dict.fromkeys(_ALL.split(), ALL),
    "BITOP": SECOND_ON,
    "MSET": PAIRS,
    "MSETNX": PAIRS,
}


def query_text(commands: Sequence[Command[object]], *, keys: bool) -> str:
    """
    Return the text of a command or a batch; `keys` leaves the names of keys readable.

    As the conventions ask for: a text that all commands of a batch share stands there once.
    """
    first = commands[0]
    text = _text(first, keys)
    if not all(_is_like(first, text, one, keys) for one in commands[1:]):
        parts = [_text(one, keys) for one in commands[:SHOWN]]
        text = "; ".join(parts + ["..."] * (len(commands) > SHOWN))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _is_like(first: Command[object], text: str, other: Command[object], keys: bool) -> bool:
    if keys:
        return _text(other, keys) == text
    # There may be thousands, and where nothing of arguments is shown their number says it all.
    return other.name == first.name and len(other.arguments) == len(first.arguments)


def _text(command: Command[object], keys: bool) -> str:
    return " ".join(_words(command, keys))


def _words(command: Command[object], keys: bool) -> Iterator[str]:
    name = command.name
    yield name
    first, step = KEYS.get(name.upper(), (0, 0)) if keys else (0, 0)
    begin = 1 if " " in _readable(command.arguments[0]) else len(name.split())
    for at, argument in enumerate(command.arguments[begin:], 1):
        if at > SHOWN:
            yield "..."
            return
        shown = first and (at == first if not step else at >= first and (at - first) % step == 0)
        yield _readable(argument) if shown else "?"


def _readable(key: object) -> str:
    text = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
    return text if len(text) <= 256 else text[:253] + "..."
