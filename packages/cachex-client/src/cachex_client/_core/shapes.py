"""Replies of data structures: the same from a server that speaks RESP2 as from one with RESP3."""

from collections.abc import Sequence
from typing import Any


def mapping(reply: Any) -> dict[bytes, Any]:
    """Read a map, or a flat list of names and values."""
    if isinstance(reply, dict):
        return reply
    words = iter(reply or ())
    return dict(zip(words, words, strict=True))


def members(reply: Any) -> list[bytes]:
    """Read a list or a set."""
    return reply if isinstance(reply, list) else list(reply or ())


def number(reply: Any) -> float | None:
    """Read a floating-point number, which may come as text; None stays None."""
    return None if reply is None else float(reply)


def numbers(reply: Any) -> list[float | None]:
    return [None if one is None else float(one) for one in reply]


def scored(reply: Any) -> list[tuple[bytes, float]]:
    """Read members with scores: a list of pairs, or a flat list."""
    if not reply:
        return []
    if isinstance(reply[0], list):
        return [(member, float(score)) for member, score in reply]
    return _pairs(reply)


def page(reply: Any) -> tuple[int, list[bytes]]:
    """Read the next cursor and what SSCAN found."""
    return int(reply[0]), reply[1]


def page_of_fields(reply: Any) -> tuple[int, dict[bytes, bytes]]:
    """Read the next cursor and what HSCAN found."""
    return int(reply[0]), mapping(reply[1])


def page_of_scores(reply: Any) -> tuple[int, list[tuple[bytes, float]]]:
    """Read the next cursor and what ZSCAN found."""
    return int(reply[0]), scored(reply[1])


def booleans(reply: Any) -> list[bool]:
    return [bool(one) for one in reply]


def _pairs(words: Sequence[Any]) -> list[tuple[bytes, float]]:
    turn = iter(words)
    return [(member, float(score)) for member, score in zip(turn, turn, strict=True)]
