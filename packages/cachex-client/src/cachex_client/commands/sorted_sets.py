"""Commands on sorted sets. Scores, and bounds such as `(1.5` and `-inf`, are bytes."""

from collections.abc import Iterable, Sequence
from typing import Any

from cachex_client._core.shapes import (
    integer,
    integer_or_none,
    members,
    number,
    number_or_none,
    numbers,
    page_of_scores,
    scored,
)
from cachex_client._core.specs import spec_for, spec_of
from cachex_client.command import Argument, Command, Spec
from cachex_client.commands.hashes import limits

ZCARD = spec_of("ZCARD")
ZCOUNT = spec_of("ZCOUNT")
ZINCRBY = spec_of("ZINCRBY")
ZMSCORE = spec_of("ZMSCORE")
ZPOPMAX = spec_of("ZPOPMAX")
ZPOPMIN = spec_of("ZPOPMIN")
ZRANGE = spec_of("ZRANGE")
ZRANGEBYSCORE = spec_of("ZRANGEBYSCORE")
ZRANK = spec_of("ZRANK")
ZREM = spec_of("ZREM")
ZREMRANGEBYRANK = spec_of("ZREMRANGEBYRANK")
ZREMRANGEBYSCORE = spec_of("ZREMRANGEBYSCORE")
ZREVRANGE = spec_of("ZREVRANGE")
ZREVRANGEBYSCORE = spec_of("ZREVRANGEBYSCORE")
ZREVRANK = spec_of("ZREVRANK")
ZSCAN = spec_of("ZSCAN")
ZSCORE = spec_of("ZSCORE")


def zadd(
    key: bytes, pairs: Iterable[tuple[bytes, bytes]], options: Sequence[str] = ()
) -> Command[int]:
    """Add pairs of score and member; return how many are new, or with CH how many changed.

    `options` are of NX, XX, GT, LT and CH.
    """
    scores = [word for pair in pairs for word in pair]
    words: tuple[Argument, ...] = ("ZADD", key, *options, *scores)
    return Command(words, spec_for(words), integer)


def zcard(key: bytes) -> Command[int]:
    return Command(("ZCARD", key), ZCARD, integer)


def zcount(key: bytes, low: bytes, high: bytes) -> Command[int]:
    return Command(("ZCOUNT", key, low, high), ZCOUNT, integer)


def zincrby(key: bytes, amount: bytes, member: bytes) -> Command[float]:
    """Add to a member's score and return the sum; a missing member has the score 0."""
    return Command(("ZINCRBY", key, amount, member), ZINCRBY, number)


def zpopmax(key: bytes, count: int = 1) -> Command[list[tuple[bytes, float]]]:
    """Take the members with the highest scores, highest first."""
    return Command(("ZPOPMAX", key, b"%d" % count), ZPOPMAX, scored)


def zpopmin(key: bytes, count: int = 1) -> Command[list[tuple[bytes, float]]]:
    """Take the members with the lowest scores, lowest first."""
    return Command(("ZPOPMIN", key, b"%d" % count), ZPOPMIN, scored)


def zrange(key: bytes, start: int, end: int, *, withscores: bool = False) -> Command[Any]:
    """Read the members of ranks `start` to `end`, both included, lowest score first."""
    return _range(("ZRANGE", key, b"%d" % start, b"%d" % end), ZRANGE, withscores)


def zrevrange(key: bytes, start: int, end: int, *, withscores: bool = False) -> Command[Any]:
    """Read the members of ranks `start` to `end`, both included, highest score first."""
    return _range(("ZREVRANGE", key, b"%d" % start, b"%d" % end), ZREVRANGE, withscores)


def zrangebyscore(
    key: bytes,
    low: bytes,
    high: bytes,
    *,
    withscores: bool = False,
    limit: tuple[int, int] | None = None,
) -> Command[Any]:
    """Read the members with scores between two bounds; `limit` is how many to skip and to read."""
    words = ("ZRANGEBYSCORE", key, low, high)
    return _range(words, ZRANGEBYSCORE, withscores, limit)


def zrevrangebyscore(
    key: bytes,
    high: bytes,
    low: bytes,
    *,
    withscores: bool = False,
    limit: tuple[int, int] | None = None,
) -> Command[Any]:
    """Do as `zrangebyscore`, highest score first."""
    words = ("ZREVRANGEBYSCORE", key, high, low)
    return _range(words, ZREVRANGEBYSCORE, withscores, limit)


def zrank(key: bytes, member: bytes) -> Command[int | None]:
    return Command(("ZRANK", key, member), ZRANK, integer_or_none)


def zrevrank(key: bytes, member: bytes) -> Command[int | None]:
    return Command(("ZREVRANK", key, member), ZREVRANK, integer_or_none)


def zscore(key: bytes, member: bytes) -> Command[float | None]:
    return Command(("ZSCORE", key, member), ZSCORE, number_or_none)


def zmscore(key: bytes, names: Sequence[bytes]) -> Command[list[float | None]]:
    return Command(("ZMSCORE", key, *names), ZMSCORE, numbers)


def zrem(key: bytes, names: Sequence[bytes]) -> Command[int]:
    """Remove members and return how many there were."""
    return Command(("ZREM", key, *names), ZREM, integer)


def zremrangebyscore(key: bytes, low: bytes, high: bytes) -> Command[int]:
    return Command(("ZREMRANGEBYSCORE", key, low, high), ZREMRANGEBYSCORE, integer)


def zremrangebyrank(key: bytes, start: int, end: int) -> Command[int]:
    return Command(("ZREMRANGEBYRANK", key, b"%d" % start, b"%d" % end), ZREMRANGEBYRANK, integer)


def zscan(
    key: bytes, cursor: int = 0, *, match: bytes | None = None, count: int | None = None
) -> Command[tuple[int, list[tuple[bytes, float]]]]:
    """Return the next cursor, 0 at the end, and some of the members with their scores."""
    return Command(("ZSCAN", key, b"%d" % cursor, *limits(match, count)), ZSCAN, page_of_scores)


def _range(
    words: tuple[Argument, ...],
    spec: Spec,
    withscores: bool,
    limit: tuple[int, int] | None = None,
) -> Command[Any]:
    if withscores:
        words += ("WITHSCORES",)
    if limit is not None:
        words += ("LIMIT", b"%d" % limit[0], b"%d" % limit[1])
    return Command(words, spec, scored if withscores else members)
