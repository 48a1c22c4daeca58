"""Replies about streams: the same from a server that speaks RESP2 as from one with RESP3."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from cachex_client._core.shapes import mapping

Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""The id of an entry and its fields; none if the entry is only remembered as pending."""

Text: TypeAlias = Callable[[bytes], str]
Read: TypeAlias = Callable[[Entry], Any]


def entries(reply: Any) -> list[Entry]:
    """Read what XRANGE answers, or XCLAIM, leaving out entries that are not there any more."""
    return [(one[0], mapping(one[1])) for one in reply or () if one is not None]


def by_stream(reply: Any) -> list[tuple[bytes, list[Entry]]]:
    """Read what XREAD answers: streams in the order they were asked for, nothing if None."""
    pairs = reply.items() if isinstance(reply, dict) else reply or ()
    return [(stream, entries(found)) for stream, found in pairs]


def summary(reply: Any) -> tuple[int, bytes | None, bytes | None, list[tuple[bytes, int]]]:
    """Read how many entries are pending, the first and the last of them, and who has how many."""
    count, first, last, consumers = reply
    return count, first, last, [(name, int(number)) for name, number in consumers or ()]


def claimed(reply: Any) -> tuple[bytes, Any, list[bytes]]:
    """Read where to go on, what XAUTOCLAIM gave, and which entries were gone."""
    return reply[0], reply[1], reply[2] if len(reply) > 2 else []


def described(reply: Any, text: Text, read: Read) -> dict[str, Any]:
    """Read XINFO: names become text, entries what `read` makes of them, the rest stays."""
    return {text(name): _told(text(name), value, text, read) for name, value in _pairs(reply)}


def described_each(reply: Any, text: Text, read: Read) -> list[dict[str, Any]]:
    return [described(one, text, read) for one in reply]


def _told(name: str, value: Any, text: Text, read: Read) -> Any:
    if name in ("first-entry", "last-entry"):
        return None if value is None else read((value[0], mapping(value[1])))
    if name == "entries" and isinstance(value, list):
        return [read(one) for one in entries(value)]
    if name in ("groups", "consumers") and isinstance(value, list):
        return described_each(value, text, read)
    if isinstance(value, list):  # what is pending: lists of ids, names and numbers
        return [_told("", one, text, read) for one in value]
    return text(value) if isinstance(value, bytes) else value


def _pairs(reply: Any) -> Iterable[tuple[bytes, Any]]:
    return mapping(reply).items()
