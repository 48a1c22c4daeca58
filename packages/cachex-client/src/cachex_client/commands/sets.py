"""Commands on sets."""

from collections.abc import Sequence
from typing import Any

from cachex_client._core.shapes import booleans, flag, integer, members, page
from cachex_client._core.specs import spec_of
from cachex_client.command import Command
from cachex_client.commands.hashes import limits

SADD = spec_of("SADD")
SCARD = spec_of("SCARD")
SDIFF = spec_of("SDIFF")
SDIFFSTORE = spec_of("SDIFFSTORE")
SINTER = spec_of("SINTER")
SINTERSTORE = spec_of("SINTERSTORE")
SISMEMBER = spec_of("SISMEMBER")
SMEMBERS = spec_of("SMEMBERS")
SMISMEMBER = spec_of("SMISMEMBER")
SMOVE = spec_of("SMOVE")
SPOP = spec_of("SPOP")
SRANDMEMBER = spec_of("SRANDMEMBER")
SREM = spec_of("SREM")
SSCAN = spec_of("SSCAN")
SUNION = spec_of("SUNION")
SUNIONSTORE = spec_of("SUNIONSTORE")


def sadd(key: bytes, values: Sequence[bytes]) -> Command[int]:
    """Add members and return how many of them are new."""
    return Command(("SADD", key, *values), SADD, integer)


def srem(key: bytes, values: Sequence[bytes]) -> Command[int]:
    """Remove members and return how many there were."""
    return Command(("SREM", key, *values), SREM, integer)


def smembers(key: bytes) -> Command[list[bytes]]:
    return Command(("SMEMBERS", key), SMEMBERS, members)


def sismember(key: bytes, value: bytes) -> Command[bool]:
    return Command(("SISMEMBER", key, value), SISMEMBER, flag)


def smismember(key: bytes, values: Sequence[bytes]) -> Command[list[bool]]:
    return Command(("SMISMEMBER", key, *values), SMISMEMBER, booleans)


def scard(key: bytes) -> Command[int]:
    return Command(("SCARD", key), SCARD, integer)


def spop(key: bytes, count: int | None = None) -> Command[Any]:
    """Take a member at random, None if there is none; or a list of so many."""
    if count is None:
        return Command(("SPOP", key), SPOP)
    return Command(("SPOP", key, b"%d" % count), SPOP, members)


def srandmember(key: bytes, count: int | None = None) -> Command[Any]:
    """Read a member at random, None if there is none; or a list of so many.

    With a negative count members may come more than once.
    """
    if count is None:
        return Command(("SRANDMEMBER", key), SRANDMEMBER)
    return Command(("SRANDMEMBER", key, b"%d" % count), SRANDMEMBER, members)


def smove(source: bytes, target: bytes, value: bytes) -> Command[bool]:
    """Move a member from one set to another; False if it is not there."""
    return Command(("SMOVE", source, target, value), SMOVE, flag)


def sdiff(keys: Sequence[bytes]) -> Command[list[bytes]]:
    """Return the members of the first set that are in none of the others."""
    return Command(("SDIFF", *keys), SDIFF, members)


def sinter(keys: Sequence[bytes]) -> Command[list[bytes]]:
    """Return the members that all sets have."""
    return Command(("SINTER", *keys), SINTER, members)


def sunion(keys: Sequence[bytes]) -> Command[list[bytes]]:
    """Return the members that any of the sets has."""
    return Command(("SUNION", *keys), SUNION, members)


def sdiffstore(target: bytes, keys: Sequence[bytes]) -> Command[int]:
    """Store what `sdiff` returns and return how many members that is."""
    return Command(("SDIFFSTORE", target, *keys), SDIFFSTORE, integer)


def sinterstore(target: bytes, keys: Sequence[bytes]) -> Command[int]:
    """Store what `sinter` returns and return how many members that is."""
    return Command(("SINTERSTORE", target, *keys), SINTERSTORE, integer)


def sunionstore(target: bytes, keys: Sequence[bytes]) -> Command[int]:
    """Store what `sunion` returns and return how many members that is."""
    return Command(("SUNIONSTORE", target, *keys), SUNIONSTORE, integer)


def sscan(
    key: bytes, cursor: int = 0, *, match: bytes | None = None, count: int | None = None
) -> Command[tuple[int, list[bytes]]]:
    """Return the next cursor, 0 at the end, and some of the members."""
    return Command(("SSCAN", key, b"%d" % cursor, *limits(match, count)), SSCAN, page)
