"""Commands on lists."""

from collections.abc import Sequence
from typing import Any

from cachex_client._core.shapes import done, integer, one_or_several_integers, popped
from cachex_client._core.specs import spec_of
from cachex_client.command import Argument, Command

BLMOVE = spec_of("BLMOVE")
BLPOP = spec_of("BLPOP")
BRPOP = spec_of("BRPOP")
LINDEX = spec_of("LINDEX")
LINSERT = spec_of("LINSERT")
LLEN = spec_of("LLEN")
LMOVE = spec_of("LMOVE")
LPOP = spec_of("LPOP")
LPOS = spec_of("LPOS")
LPUSH = spec_of("LPUSH")
LRANGE = spec_of("LRANGE")
LREM = spec_of("LREM")
LSET = spec_of("LSET")
LTRIM = spec_of("LTRIM")
RPOP = spec_of("RPOP")
RPUSH = spec_of("RPUSH")


def lpush(key: bytes, values: Sequence[bytes]) -> Command[int]:
    """Put values at the front, one after the other, and return how long the list is."""
    return Command(("LPUSH", key, *values), LPUSH, integer)


def rpush(key: bytes, values: Sequence[bytes]) -> Command[int]:
    """Put values at the end and return how long the list is."""
    return Command(("RPUSH", key, *values), RPUSH, integer)


def lpop(key: bytes, count: int | None = None) -> Command[Any]:
    """Take the first value, or a list of so many; None if there is no such key."""
    return Command(("LPOP", key) if count is None else ("LPOP", key, b"%d" % count), LPOP)


def rpop(key: bytes, count: int | None = None) -> Command[Any]:
    """Take the last value, or a list of so many; None if there is no such key."""
    return Command(("RPOP", key) if count is None else ("RPOP", key, b"%d" % count), RPOP)


def lrange(key: bytes, start: int, end: int) -> Command[list[bytes]]:
    """Read the values from `start` to `end`, both included, -1 being the last."""
    return Command(("LRANGE", key, b"%d" % start, b"%d" % end), LRANGE)


def lindex(key: bytes, index: int) -> Command[bytes | None]:
    return Command(("LINDEX", key, b"%d" % index), LINDEX)


def llen(key: bytes) -> Command[int]:
    return Command(("LLEN", key), LLEN, integer)


def lpos(
    key: bytes,
    value: bytes,
    *,
    rank: int | None = None,
    count: int | None = None,
    maxlen: int | None = None,
) -> Command[Any]:
    """Return where a value is, None if nowhere; with `count` a list of places, all for 0."""
    words: tuple[Argument, ...] = ("LPOS", key, value)
    for word, number in (("RANK", rank), ("COUNT", count), ("MAXLEN", maxlen)):
        if number is not None:
            words += (word, b"%d" % number)
    return Command(words, LPOS, one_or_several_integers)


def lmove(source: bytes, target: bytes, wherefrom: str, whereto: str) -> Command[bytes | None]:
    """Move a value from one end ("LEFT" or "RIGHT") of a list to one of another list."""
    return Command(("LMOVE", source, target, wherefrom, whereto), LMOVE)


def lrem(key: bytes, count: int, value: bytes) -> Command[int]:
    """Remove the first `count` of a value, the last ones if negative, all for 0."""
    return Command(("LREM", key, b"%d" % count, value), LREM, integer)


def ltrim(key: bytes, start: int, end: int) -> Command[bool]:
    """Keep the values from `start` to `end`, both included."""
    return Command(("LTRIM", key, b"%d" % start, b"%d" % end), LTRIM, done)


def lset(key: bytes, index: int, value: bytes) -> Command[bool]:
    return Command(("LSET", key, b"%d" % index, value), LSET, done)


def linsert(key: bytes, where: str, pivot: bytes, value: bytes) -> Command[int]:
    """Put a value "BEFORE" or "AFTER" another; return the length, -1 if that is not there."""
    return Command(("LINSERT", key, where, pivot, value), LINSERT, integer)


def blpop(keys: Sequence[bytes], seconds: float) -> Command[tuple[bytes, bytes] | None]:
    """Take the first value of the first list that has one, waiting so long for it, 0 for ever."""
    return Command(("BLPOP", *keys, repr(float(seconds)).encode()), BLPOP, popped)


def brpop(keys: Sequence[bytes], seconds: float) -> Command[tuple[bytes, bytes] | None]:
    """Take the last value of the first list that has one, waiting so long for it, 0 for ever."""
    return Command(("BRPOP", *keys, repr(float(seconds)).encode()), BRPOP, popped)


def blmove(
    source: bytes, target: bytes, seconds: float, wherefrom: str, whereto: str
) -> Command[bytes | None]:
    """Do as `lmove`, waiting so long for a value, 0 for ever."""
    words = ("BLMOVE", source, target, wherefrom, whereto, repr(float(seconds)).encode())
    return Command(words, BLMOVE)
