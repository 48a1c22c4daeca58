"""Replies of data structures: the same from a server that speaks RESP2 as from one with RESP3.

A reply of another type raises `ProtocolError`, see `wrong_replies`.
"""

from collections.abc import Sequence
from typing import Any

from cachex_client._core.wrong_replies import reads, wrong_reply

_LISTS = (list, tuple)
_LISTS_AND_SETS = (list, tuple, set, frozenset)
_WHOLE = frozenset((int, bool))
_WHOLE_OR_NONE = _WHOLE | {type(None)}


def integer(reply: Any) -> int:
    """Read a whole number, as commands that count give it."""
    if isinstance(reply, int):
        return reply
    raise wrong_reply(reply, "a whole number")


def integer_or_none(reply: Any) -> int | None:
    if reply is None or isinstance(reply, int):
        return reply
    raise wrong_reply(reply, "a whole number")


def integers(reply: Any) -> list[int]:
    if isinstance(reply, list) and _WHOLE.issuperset(map(type, reply)):
        return reply
    raise wrong_reply(reply, "a list of whole numbers")


def integers_or_none(reply: Any) -> list[int | None]:
    if isinstance(reply, list) and _WHOLE_OR_NONE.issuperset(map(type, reply)):
        return reply
    raise wrong_reply(reply, "a list of whole numbers")


def one_or_several_integers(reply: Any) -> int | list[int] | None:
    """Read what LPOS answers: an index or None, with a count a list of indices."""
    return integers(reply) if isinstance(reply, list) else integer_or_none(reply)


def flag(reply: Any) -> bool:
    """Read 1 or 0, which stand for yes and no."""
    if isinstance(reply, int):
        return reply != 0
    raise wrong_reply(reply, "1 or 0")


def done(reply: Any) -> bool:
    """Read OK, or whatever word stands for it; None if a condition kept it from being done."""
    if reply is None or isinstance(reply, bytes):
        return reply is not None
    raise wrong_reply(reply, "OK")


def stored(reply: Any) -> bytes | None:
    """Read a value as it is stored, None if there is none."""
    if reply is None or isinstance(reply, bytes):
        return reply
    raise wrong_reply(reply, "a value")


def fields_of(reply: Any) -> dict[bytes, Any]:
    """Read a map, or a flat list of names and values, as a part of a reply."""
    if isinstance(reply, dict):
        return reply
    words = iter(_listed(reply))
    return dict(zip(words, words, strict=True))


mapping = reads("fields and values")(fields_of)


def members(reply: Any) -> list[Any]:
    """Read a list or a set."""
    if isinstance(reply, list):
        return reply
    if reply is None or isinstance(reply, _LISTS_AND_SETS):
        return list(reply or ())
    raise wrong_reply(reply, "a list")


@reads("a number")
def number(reply: Any) -> float:
    """Read a floating-point number, which may come as text."""
    return float(reply)


@reads("a number")
def number_or_none(reply: Any) -> float | None:
    return None if reply is None else float(reply)


@reads("a list of numbers")
def numbers(reply: Any) -> list[float | None]:
    return [None if one is None else float(one) for one in _listed(reply)]


@reads("members and scores")
def scored(reply: Any) -> list[tuple[bytes, float]]:
    """Read members with scores: a list of pairs, or a flat list."""
    words = _listed(reply)
    if not words:
        return []
    if isinstance(words[0], list):
        return [(member, float(score)) for member, score in words]
    return _pairs(words)


@reads("a cursor and a list")
def page(reply: Any) -> tuple[int, list[bytes]]:
    """Read the next cursor and what SSCAN found."""
    cursor, found = _listed(reply)
    return int(cursor), members(found)


@reads("a cursor and a list")
def page_of_fields(reply: Any) -> tuple[int, dict[bytes, bytes]]:
    """Read the next cursor and what HSCAN found."""
    cursor, found = _listed(reply)
    return int(cursor), fields_of(found)


@reads("a cursor and a list")
def page_of_scores(reply: Any) -> tuple[int, list[tuple[bytes, float]]]:
    """Read the next cursor and what ZSCAN found."""
    cursor, found = _listed(reply)
    return int(cursor), scored(found)


@reads("a cursor and a list of keys")
def page_of_keys(reply: Any) -> tuple[bytes, list[bytes]]:
    """Read the next cursor and what SCAN found."""
    cursor, found = _listed(reply)
    keys = members(found)
    if not isinstance(cursor, bytes) or not {bytes}.issuperset(map(type, keys)):
        raise wrong_reply(found, "a cursor and a list of keys")
    return cursor, keys


@reads("a key and a value")
def popped(reply: Any) -> tuple[bytes, bytes] | None:
    """Read the key that had something, and what was taken from it; None if none had."""
    if reply is None:
        return None
    key, value = _listed(reply)
    return key, value


def booleans(reply: Any) -> list[bool]:
    return [one != 0 for one in integers(reply)]


@reads("a list of positions")
def positions(reply: Any) -> list[tuple[float, float] | None]:
    """Read longitudes and latitudes; None where there is no such member."""
    return [None if one is None else _position(one) for one in _listed(reply)]


@reads("members with what was asked for")
def places(reply: Any, wanted: Sequence[str]) -> list[tuple[bytes, list[Any]]]:
    """Read members, and what GEOSEARCH gives besides for the options `wanted`."""
    return [
        (member, [_of_place(*pair) for pair in zip(wanted, rest, strict=True)])
        for member, *rest in _listed(reply)
    ]


def _of_place(option: str, told: Any) -> Any:
    if option == "WITHDIST":
        return float(told)
    return _position(told) if option == "WITHCOORD" else integer(told)


def _position(told: Any) -> tuple[float, float]:
    longitude, latitude = told
    return float(longitude), float(latitude)


def _listed(reply: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list as it is, an empty one for None; TypeError for anything else."""
    if isinstance(reply, _LISTS):
        return reply
    if reply is None:
        return ()
    raise TypeError(f"{type(reply).__name__} is no list")


def _pairs(words: Sequence[Any]) -> list[tuple[bytes, float]]:
    turn = iter(words)
    return [(member, float(score)) for member, score in zip(turn, turn, strict=True)]
