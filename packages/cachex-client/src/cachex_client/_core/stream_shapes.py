"""Replies about streams: the same from a server that speaks RESP2 as from one with RESP3."""

from collections.abc import Callable
from typing import Any, TypeAlias

from cachex_client._core.shapes import fields_of, integer, mapping, members
from cachex_client._core.wrong_replies import reads

Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""The id of an entry and its fields; none if the entry is only remembered as pending."""

Text: TypeAlias = Callable[[bytes], str]
Read: TypeAlias = Callable[[Entry], Any]


@reads("a list of entries")
def entries(reply: Any) -> list[Entry]:
    """Read what XRANGE answers, or XCLAIM, leaving out entries that are not there any more."""
    there = [one for one in members(reply) if one is not None]
    return [(id_, fields_of(fields)) for id_, fields in there]


@reads("streams and their entries")
def by_stream(reply: Any) -> list[tuple[bytes, list[Entry]]]:
    """Read what XREAD answers: streams in the order they were asked for, nothing if None."""
    pairs = reply.items() if isinstance(reply, dict) else members(reply)
    return [(stream, entries(found)) for stream, found in pairs]


@reads("how many entries are pending")
def summary(reply: Any) -> tuple[int, bytes | None, bytes | None, list[tuple[bytes, int]]]:
    """Read how many entries are pending, the first and the last of them, and who has how many."""
    count, first, last, consumers = reply
    return integer(count), first, last, [(name, int(number)) for name, number in consumers or ()]


@reads("a list of pending entries")
def pending(reply: Any) -> list[tuple[bytes, bytes, int, int]]:
    """Read id, consumer, idle time and number of deliveries of each."""
    return [
        (id_, consumer, integer(idle), integer(times))
        for id_, consumer, idle, times in members(reply)
    ]


@reads("an id and a list of entries")
def claimed(reply: Any) -> tuple[bytes, Any, list[bytes]]:
    """Read where to go on, what XAUTOCLAIM gave, and which entries were gone."""
    following, found, *gone = members(reply)
    return following, members(found), members(gone[0]) if gone else []


@reads("names and values")
def described(reply: Any, text: Text, read: Read) -> dict[str, Any]:
    """Read XINFO: names become text, entries what `read` makes of them, the rest stays."""
    return {
        text(name): _told(text(name), value, text, read) for name, value in mapping(reply).items()
    }


@reads("a list of names and values")
def described_each(reply: Any, text: Text, read: Read) -> list[dict[str, Any]]:
    return [described(one, text, read) for one in members(reply)]


def _told(name: str, value: Any, text: Text, read: Read) -> Any:
    if name in ("first-entry", "last-entry"):
        return None if value is None else read(_entry(value))
    if name == "entries" and isinstance(value, list):
        return [read(one) for one in entries(value)]
    if name in ("groups", "consumers") and isinstance(value, list):
        return described_each(value, text, read)
    if isinstance(value, list):  # what is pending: lists of ids, names and numbers
        return [_told("", one, text, read) for one in value]
    return text(value) if isinstance(value, bytes) else value


def _entry(told: Any) -> Entry:
    id_, fields = members(told)
    return id_, fields_of(fields)
