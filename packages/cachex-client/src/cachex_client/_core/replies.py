"""
One shape for every reply.

Connections speak RESP3 where the server can, but redis-py's methods are typed, documented and
used with the shapes RESP2 gave. What arrives as a map, set, double or boolean is turned into
what a RESP2 server would have sent; redis-py's own callbacks go on from there. A reply that is
RESP2 already passes through unchanged, so nobody has to know which protocol it came by.
"""

from typing import Any

_SCALARS = frozenset((bytes, int, str, type(None)))

_AS_THEY_ARE = frozenset(("HGETALL", "SMEMBERS", "SINTER", "SDIFF", "SUNION"))
"""Their callbacks take a map or a set as gladly as a list."""

_PAIRS = frozenset(
    (
        "HRANDFIELD",
        "ZDIFF",
        "ZINTER",
        "ZPOPMAX",
        "ZPOPMIN",
        "ZRANDMEMBER",
        "ZRANGE",
        "ZRANGEBYSCORE",
        "ZREVRANGE",
        "ZREVRANGEBYSCORE",
        "ZUNION",
    )
)
"""RESP3 puts each member and its score into a list of their own, RESP2 one after the other."""

_STREAMS = frozenset(("XREAD", "XREADGROUP"))
"""A map in RESP3, a list of pairs (not a flat list) in RESP2."""


def as_resp2(name: str, reply: Any) -> Any:
    """Return `reply` of the command `name` (upper case, one space) in the shape of RESP2."""
    kind = type(reply)
    if kind in _SCALARS:
        return reply
    if kind is list:
        if _SCALARS.issuperset(map(type, reply)):
            return reply
        if name in _PAIRS and set(map(type, reply)) == {list}:
            reply = [item for pair in reply for item in pair]
        return [_plain(item) for item in reply]
    if name in _AS_THEY_ARE:
        return reply
    if name in _STREAMS and kind is dict:
        return [[stream, _plain(entries)] for stream, entries in reply.items()]
    return _plain(reply)


def hgetall(reply: Any, **_: Any) -> dict[Any, Any]:
    """Make the reply of HGETALL a dict, which in RESP3 it is already."""
    if isinstance(reply, dict):
        return reply
    fields = iter(reply or ())
    return dict(zip(fields, fields, strict=True))


def decoded(reply: Any, encoding: str, errors: str) -> Any:
    """Return `reply` with all bytes in it as text; UnicodeDecodeError as `errors` has it."""
    kind = type(reply)
    if kind is bytes:
        return reply.decode(encoding, errors)
    if kind is list:
        return [decoded(item, encoding, errors) for item in reply]
    if kind is dict:
        return {
            decoded(key, encoding, errors): decoded(value, encoding, errors)
            for key, value in reply.items()
        }
    if kind is set:
        return {decoded(item, encoding, errors) for item in reply}
    return reply


def _plain(reply: Any) -> Any:
    kind = type(reply)
    if kind in _SCALARS:
        return reply
    if kind is list:
        if _SCALARS.issuperset(map(type, reply)):
            return reply
        return [_plain(item) for item in reply]
    if kind is dict:
        return [_plain(item) for pair in reply.items() for item in pair]
    if kind is float:
        return _number(reply)
    if kind is bool:
        return int(reply)
    if kind is set:
        return [_plain(item) for item in reply]
    return reply  # an error inside an array


def _number(value: float) -> bytes:
    if value.is_integer() and abs(value) < 1e17:
        return b"%d" % value
    return repr(value).encode()
