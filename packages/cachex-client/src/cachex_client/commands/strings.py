"""Commands on plain values."""

from collections.abc import Sequence
from operator import index
from typing import Any

import attrs

from cachex_client._core.series import Series
from cachex_client._core.shapes import done, integer
from cachex_client._core.specs import spec_of
from cachex_client.command import Argument, Command, as_is
from cachex_pool import pack

DECRBY = spec_of("DECRBY")
GET = spec_of("GET")
GETDEL = spec_of("GETDEL")
GETEX = spec_of("GETEX")
INCRBY = spec_of("INCRBY")
MGET = spec_of("MGET")
SET = spec_of("SET")
SET_ONCE = attrs.evolve(SET, idempotent=False)  # the reply says who came first
STRLEN = spec_of("STRLEN")

# What these commands are on the wire, since a template costs half of packing word by word.
GET_PACKED = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"
SET_START = b"*3\r\n$3\r\nSET\r\n"
SET_PACKED = SET_START + b"$%d\r\n%b\r\n$%d\r\n%b\r\n"
SET_PX_START = b"*5\r\n$3\r\nSET\r\n"
SET_PX_PACKED = SET_PX_START + b"$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nPX\r\n$%d\r\n%b\r\n"

LENGTHS = [b"$%d\r\n" % size for size in range(1024)]
"""The lines before words of so many bytes: finding one takes a third of making it."""


def get(key: bytes) -> Command[bytes | None]:
    """Read a value; None if there is no such key."""
    return Command(("GET", key), GET, as_is, GET_PACKED % (len(key), key))


def mget(keys: Sequence[bytes]) -> Command[list[bytes | None]]:
    """Read many values; in a cluster all keys have to be in one slot."""
    return Command(("MGET", *keys), MGET)


def set(
    key: bytes,
    value: bytes,
    *,
    px: int | None = None,
    nx: bool = False,
    xx: bool = False,
    get: bool = False,
    keepttl: bool = False,
) -> Command[Any]:
    """Store a value, for `px` milliseconds if given, and return whether it was stored.

    `nx` stores only a key that is not there, `xx` only one that is; `keepttl` leaves the end of
    the key as it was; with `get` the result is the value before, None if there was none.
    """
    if not (nx or xx or get or keepttl):
        size, length = len(key), len(value)
        if px is None:
            return Command(("SET", key, value), SET, done, SET_PACKED % (size, key, length, value))
        digits = b"%d" % px
        packed = SET_PX_PACKED % (size, key, length, value, len(digits), digits)
        return Command(("SET", key, value, "PX", digits), SET, done, packed)
    if nx and xx:
        raise ValueError("NX and XX exclude each other")
    arguments: list[Argument] = ["SET", key, value]
    if px is not None:
        arguments += ("PX", b"%d" % px)
    arguments += [
        word
        for word, wanted in (("NX", nx), ("XX", xx), ("GET", get), ("KEEPTTL", keepttl))
        if wanted
    ]
    return Command(tuple(arguments), SET_ONCE if nx or get else SET, as_is if get else done)


def set_each(keys: Sequence[bytes], values: Sequence[bytes], px: int | None = None) -> Series[bool]:
    """Make a SET for each key and its value, all with the same end in milliseconds."""
    if px is None:
        words: tuple[Argument, ...] = ()
        head, tail = SET_START, b"\r\n"
    else:
        words = ("PX", b"%d" % px)
        head, tail = SET_PX_START, b"\r\n" + pack(words).partition(b"\r\n")[2]
    join = b"".join
    try:
        packed = [
            join((head, LENGTHS[len(key)], key, b"\r\n", LENGTHS[len(value)], value, tail))
            for key, value in zip(keys, values, strict=True)
        ]
    except IndexError:
        packed = [
            join((head, b"$%d\r\n" % len(key), key, b"\r\n$%d\r\n" % len(value), value, tail))
            for key, value in zip(keys, values, strict=True)
        ]
    return Series(SET, done, keys, values, words, packed)


def getdel(key: bytes) -> Command[bytes | None]:
    """Read a value and remove it."""
    return Command(("GETDEL", key), GETDEL)


def getex(key: bytes, *, px: int | None = None, persist: bool = False) -> Command[bytes | None]:
    """Read a value and let it end in `px` milliseconds, or never with `persist`."""
    if persist:
        return Command(("GETEX", key, "PERSIST"), GETEX)
    if px is not None:
        return Command(("GETEX", key, "PX", b"%d" % px), GETEX)
    return Command(("GETEX", key), GETEX)


def incrby(key: bytes, delta: int) -> Command[int]:
    """Add to a whole number and return the sum; a missing key counts as 0.

    `TypeError` if `delta` is no whole number.
    """
    return Command(("INCRBY", key, b"%d" % index(delta)), INCRBY, integer)


def decrby(key: bytes, delta: int) -> Command[int]:
    return Command(("DECRBY", key, b"%d" % index(delta)), DECRBY, integer)


def strlen(key: bytes) -> Command[int]:
    """Return how many bytes are stored, 0 if there is no such key."""
    return Command(("STRLEN", key), STRLEN, integer)
