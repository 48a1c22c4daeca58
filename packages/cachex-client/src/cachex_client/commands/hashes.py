"""Commands on hashes."""

from collections.abc import Mapping, Sequence
from operator import index

from cachex_client._core.shapes import (
    flag,
    integer,
    integers,
    mapping,
    members,
    number,
    page_of_fields,
)
from cachex_client._core.specs import spec_for, spec_of
from cachex_client.command import Argument, Command

HDEL = spec_of("HDEL")
HEXISTS = spec_of("HEXISTS")
HEXPIRETIME = spec_of("HEXPIRETIME")
HGET = spec_of("HGET")
HGETALL = spec_of("HGETALL")
HGETEX = spec_of("HGETEX")
HINCRBY = spec_of("HINCRBY")
HINCRBYFLOAT = spec_of("HINCRBYFLOAT")
HKEYS = spec_of("HKEYS")
HLEN = spec_of("HLEN")
HMGET = spec_of("HMGET")
HPERSIST = spec_of("HPERSIST")
HPTTL = spec_of("HPTTL")
HSCAN = spec_of("HSCAN")
HSET = spec_of("HSET")
HSETNX = spec_of("HSETNX")
HTTL = spec_of("HTTL")
HVALS = spec_of("HVALS")


def hset(key: bytes, values: Mapping[bytes, bytes]) -> Command[int]:
    """Store fields and return how many of them are new."""
    return Command(("HSET", key, *_flat(values)), HSET, integer)


def hsetnx(key: bytes, field: bytes, value: bytes) -> Command[bool]:
    """Store a field if it is not there, and return whether it was stored."""
    return Command(("HSETNX", key, field, value), HSETNX, flag)


def hget(key: bytes, field: bytes) -> Command[bytes | None]:
    return Command(("HGET", key, field), HGET)


def hmget(key: bytes, fields: Sequence[bytes]) -> Command[list[bytes | None]]:
    return Command(("HMGET", key, *fields), HMGET)


def hgetall(key: bytes) -> Command[dict[bytes, bytes]]:
    return Command(("HGETALL", key), HGETALL, mapping)


def hkeys(key: bytes) -> Command[list[bytes]]:
    return Command(("HKEYS", key), HKEYS, members)


def hvals(key: bytes) -> Command[list[bytes]]:
    return Command(("HVALS", key), HVALS, members)


def hlen(key: bytes) -> Command[int]:
    return Command(("HLEN", key), HLEN, integer)


def hexists(key: bytes, field: bytes) -> Command[bool]:
    return Command(("HEXISTS", key, field), HEXISTS, flag)


def hdel(key: bytes, fields: Sequence[bytes]) -> Command[int]:
    """Remove fields and return how many there were."""
    return Command(("HDEL", key, *fields), HDEL, integer)


def hincrby(key: bytes, field: bytes, amount: int) -> Command[int]:
    """Add to a whole number and return the sum; a missing field counts as 0."""
    return Command(("HINCRBY", key, field, b"%d" % index(amount)), HINCRBY, integer)


def hincrbyfloat(key: bytes, field: bytes, amount: float) -> Command[float]:
    """Add to a number and return the sum; a missing field counts as 0."""
    return Command(("HINCRBYFLOAT", key, field, repr(float(amount)).encode()), HINCRBYFLOAT, number)


def hscan(
    key: bytes, cursor: int = 0, *, match: bytes | None = None, count: int | None = None
) -> Command[tuple[int, dict[bytes, bytes]]]:
    """Return the next cursor, 0 at the end, and some of the fields."""
    return Command(("HSCAN", key, b"%d" % cursor, *limits(match, count)), HSCAN, page_of_fields)


def hpexpire(
    key: bytes, milliseconds: int, fields: Sequence[bytes], condition: str | None = None
) -> Command[list[int]]:
    """Let fields end in so many milliseconds, each if NX, XX, GT or LT holds.

    1 for each field that will, 0 if the condition kept it, 2 if it ended at once, -2 if missing.
    """
    return _ending("HPEXPIRE", key, milliseconds, fields, condition)


def hpexpireat(
    key: bytes, milliseconds: int, fields: Sequence[bytes], condition: str | None = None
) -> Command[list[int]]:
    """Let fields end at a Unix time in milliseconds; else as `hpexpire`."""
    return _ending("HPEXPIREAT", key, milliseconds, fields, condition)


def httl(key: bytes, fields: Sequence[bytes]) -> Command[list[int]]:
    """Return the seconds that fields have left, -1 for ever, -2 if missing."""
    return Command(("HTTL", key, *counted(fields)), HTTL, integers)


def hpttl(key: bytes, fields: Sequence[bytes]) -> Command[list[int]]:
    """Return the milliseconds that fields have left, -1 for ever, -2 if missing."""
    return Command(("HPTTL", key, *counted(fields)), HPTTL, integers)


def hexpiretime(key: bytes, fields: Sequence[bytes]) -> Command[list[int]]:
    """Return the Unix times in seconds at which fields end, -1 for never, -2 if missing."""
    return Command(("HEXPIRETIME", key, *counted(fields)), HEXPIRETIME, integers)


def hpersist(key: bytes, fields: Sequence[bytes]) -> Command[list[int]]:
    """Let fields never end: 1 for each that had an end, -1 if it had none, -2 if missing."""
    return Command(("HPERSIST", key, *counted(fields)), HPERSIST, integers)


def hsetex(
    key: bytes,
    values: Mapping[bytes, bytes],
    *,
    px: int | None = None,
    fnx: bool = False,
    fxx: bool = False,
    keepttl: bool = False,
) -> Command[bool]:
    """Store fields, for `px` milliseconds if given, and return whether they were stored.

    `fnx` stores only if none of the fields is there, `fxx` only if all are.
    """
    options: list[Argument] = [
        word for word, wanted in (("FNX", fnx), ("FXX", fxx), ("KEEPTTL", keepttl)) if wanted
    ]
    words = ("HSETEX", key, *options, *_end(px), "FIELDS", b"%d" % len(values), *_flat(values))
    return Command(words, spec_for(words), flag)


def hgetex(
    key: bytes, fields: Sequence[bytes], *, px: int | None = None, persist: bool = False
) -> Command[list[bytes | None]]:
    """Read fields and let them end in `px` milliseconds, or never with `persist`."""
    end = ("PERSIST",) if persist else _end(px)
    return Command(("HGETEX", key, *end, *counted(fields)), HGETEX)


def counted(fields: Sequence[bytes]) -> tuple[Argument, ...]:
    """Return fields as newer commands want them: after a word and their number."""
    return ("FIELDS", b"%d" % len(fields), *fields)


def limits(match: bytes | None, count: int | None) -> tuple[Argument, ...]:
    """Return the options of HSCAN, SSCAN and ZSCAN."""
    words: tuple[Argument, ...] = () if match is None else ("MATCH", match)
    return words if count is None else (*words, "COUNT", b"%d" % count)


def _ending(
    name: str, key: bytes, milliseconds: int, fields: Sequence[bytes], condition: str | None
) -> Command[list[int]]:
    words: tuple[Argument, ...] = (name, key, b"%d" % milliseconds)
    if condition is not None:
        words += (condition,)
    words += counted(fields)
    return Command(words, spec_for(words), integers)


def _end(px: int | None) -> tuple[Argument, ...]:
    """A time that is over is one in the past: not every server takes PX 0."""
    if px is None:
        return ()
    return ("PX", b"%d" % px) if px > 0 else ("PXAT", b"1")


def _flat(values: Mapping[bytes, bytes]) -> list[bytes]:
    return [word for pair in values.items() for word in pair]
