"""Commands on bits of strings, and on HyperLogLogs."""

from collections.abc import Sequence

from cachex_client._core.shapes import done, flag, integer, integers_or_none
from cachex_client._core.specs import spec_of
from cachex_client.command import Argument, Arguments, Command

BITCOUNT = spec_of("BITCOUNT")
BITFIELD = spec_of("BITFIELD")
BITOP = spec_of("BITOP")
BITPOS = spec_of("BITPOS")
GETBIT = spec_of("GETBIT")
PFADD = spec_of("PFADD")
PFCOUNT = spec_of("PFCOUNT")
PFMERGE = spec_of("PFMERGE")
SETBIT = spec_of("SETBIT")


def setbit(key: bytes, offset: int, value: int) -> Command[int]:
    """Set one bit and return what it was."""
    return Command(("SETBIT", key, b"%d" % offset, b"%d" % value), SETBIT, integer)


def getbit(key: bytes, offset: int) -> Command[int]:
    return Command(("GETBIT", key, b"%d" % offset), GETBIT, integer)


def bitcount(key: bytes, limits: Arguments = ()) -> Command[int]:
    """Count the bits that are set; `limits` is what `within` returns."""
    return Command(("BITCOUNT", key, *limits), BITCOUNT, integer)


def bitpos(key: bytes, bit: int, limits: Arguments = ()) -> Command[int]:
    """Return where the first bit of this kind is, -1 if nowhere."""
    return Command(("BITPOS", key, b"%d" % bit, *limits), BITPOS, integer)


def within(start: int | None, end: int | None, unit: str) -> Arguments:
    """Return the words for a part of a string; `unit` is "BYTE" or "BIT"."""
    if start is None:
        return ()
    first: Arguments = (b"%d" % start,)
    if end is None:
        return first
    return (*first, b"%d" % end) if unit == "BYTE" else (*first, b"%d" % end, unit)


def bitop(operation: str, target: bytes, keys: Sequence[bytes]) -> Command[int]:
    """Store what AND, OR, XOR or NOT makes of strings; return how long it is in bytes."""
    return Command(("BITOP", operation, target, *keys), BITOP, integer)


def bitfield(key: bytes, words: Sequence[Argument]) -> Command[list[int | None]]:
    """Read and write numbers of any width."""
    return Command(("BITFIELD", key, *words), BITFIELD, integers_or_none)


def pfadd(key: bytes, members: Sequence[bytes]) -> Command[bool]:
    """Count members; return whether the estimate may have changed."""
    return Command(("PFADD", key, *members), PFADD, flag)


def pfcount(keys: Sequence[bytes]) -> Command[int]:
    """Return about how many different members were counted under any of the keys."""
    return Command(("PFCOUNT", *keys), PFCOUNT, integer)


def pfmerge(target: bytes, keys: Sequence[bytes]) -> Command[bool]:
    return Command(("PFMERGE", target, *keys), PFMERGE, done)
