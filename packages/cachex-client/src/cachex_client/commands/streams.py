"""Commands on streams. Ids are bytes such as `1526919030474-55`, times milliseconds."""

from collections.abc import Mapping, Sequence
from typing import Any

from cachex_client._core import stream_shapes as shapes
from cachex_client._core.shapes import done, integer, members
from cachex_client._core.specs import spec_for, spec_of
from cachex_client._core.stream_shapes import Entry
from cachex_client.command import Argument, Arguments, Command

XACK = spec_of("XACK")
XADD = spec_of("XADD")
XAUTOCLAIM = spec_of("XAUTOCLAIM")
XCLAIM = spec_of("XCLAIM")
XDEL = spec_of("XDEL")
XGROUP_CREATE = spec_of("XGROUP CREATE")
XGROUP_DELCONSUMER = spec_of("XGROUP DELCONSUMER")
XGROUP_DESTROY = spec_of("XGROUP DESTROY")
XGROUP_SETID = spec_of("XGROUP SETID")
XINFO_CONSUMERS = spec_of("XINFO CONSUMERS")
XINFO_GROUPS = spec_of("XINFO GROUPS")
XINFO_STREAM = spec_of("XINFO STREAM")
XLEN = spec_of("XLEN")
XPENDING = spec_of("XPENDING")
XRANGE = spec_of("XRANGE")
XREVRANGE = spec_of("XREVRANGE")
XTRIM = spec_of("XTRIM")


def xadd(
    key: bytes,
    id_: bytes,
    fields: Mapping[bytes, bytes],
    trim: Sequence[Argument] = (),
    *,
    nomkstream: bool = False,
) -> Command[bytes | None]:
    """Append an entry and return its id; None if the stream was not to be made.

    `trim` is what `trimming` returns.
    """
    make: Arguments = ("NOMKSTREAM",) if nomkstream else ()
    words = [word for pair in fields.items() for word in pair]
    return Command(("XADD", key, *make, *trim, id_, *words), XADD)


def xtrim(key: bytes, trim: Sequence[Argument]) -> Command[int]:
    """Remove the oldest entries, as `trimming` says, and return how many."""
    return Command(("XTRIM", key, *trim), XTRIM, integer)


def trimming(
    maxlen: int | None, minid: bytes | None, limit: int | None, *, approximate: bool
) -> Arguments:
    """Return the words that say what to keep: so many entries, or those from an id on."""
    if maxlen is None and minid is None:
        return ()
    words: Arguments = ("MAXLEN",) if minid is None else ("MINID",)
    words += ("~" if approximate else "=", b"%d" % maxlen if maxlen is not None else minid or b"")
    return words if limit is None else (*words, "LIMIT", b"%d" % limit)


def xlen(key: bytes) -> Command[int]:
    return Command(("XLEN", key), XLEN, integer)


def xdel(key: bytes, ids: Sequence[bytes]) -> Command[int]:
    return Command(("XDEL", key, *ids), XDEL, integer)


def xrange(key: bytes, start: bytes, end: bytes, count: int | None) -> Command[list[Entry]]:
    """Read the entries between two ids, both included, oldest first."""
    words = ("XRANGE", key, start, end, *_option("COUNT", count))
    return Command(words, XRANGE, shapes.entries)


def xrevrange(key: bytes, end: bytes, start: bytes, count: int | None) -> Command[list[Entry]]:
    """Read the entries between two ids, both included, latest first."""
    words = ("XREVRANGE", key, end, start, *_option("COUNT", count))
    return Command(words, XREVRANGE, shapes.entries)


def xread(
    keys: Sequence[bytes], ids: Sequence[bytes], count: int | None, block: int | None
) -> Command[list[tuple[bytes, list[Entry]]]]:
    """Read what came to streams after an id each, waiting for up to `block` milliseconds."""
    options = (*_option("COUNT", count), *_option("BLOCK", block))
    words: Arguments = ("XREAD", *options, "STREAMS", *keys, *ids)
    return Command(words, spec_for(words), shapes.by_stream)


def xreadgroup(
    group: bytes,
    consumer: bytes,
    keys: Sequence[bytes],
    ids: Sequence[bytes],
    count: int | None,
    block: int | None,
    *,
    noack: bool = False,
) -> Command[list[tuple[bytes, list[Entry]]]]:
    """Read as a member of a group: what nobody has read yet (`>`), or what is pending."""
    options: Arguments = (*_option("COUNT", count), *_option("BLOCK", block))
    if noack:
        options += ("NOACK",)
    words: Arguments = ("XREADGROUP", "GROUP", group, consumer, *options, "STREAMS", *keys, *ids)
    return Command(words, spec_for(words), shapes.by_stream)


def xack(key: bytes, group: bytes, ids: Sequence[bytes]) -> Command[int]:
    return Command(("XACK", key, group, *ids), XACK, integer)


def xgroup_create(
    key: bytes, group: bytes, id_: bytes, entries_read: int | None, *, mkstream: bool
) -> Command[bool]:
    make: Arguments = ("MKSTREAM",) if mkstream else ()
    words = ("XGROUP", "CREATE", key, group, id_, *make, *_option("ENTRIESREAD", entries_read))
    return Command(words, XGROUP_CREATE, done)


def xgroup_setid(key: bytes, group: bytes, id_: bytes, entries_read: int | None) -> Command[bool]:
    words = ("XGROUP", "SETID", key, group, id_, *_option("ENTRIESREAD", entries_read))
    return Command(words, XGROUP_SETID, done)


def xgroup_destroy(key: bytes, group: bytes) -> Command[int]:
    return Command(("XGROUP", "DESTROY", key, group), XGROUP_DESTROY, integer)


def xgroup_delconsumer(key: bytes, group: bytes, consumer: bytes) -> Command[int]:
    """Remove a member of a group and return how many entries were pending with it."""
    return Command(("XGROUP", "DELCONSUMER", key, group, consumer), XGROUP_DELCONSUMER, integer)


def xpending(key: bytes, group: bytes) -> Command[Any]:
    """Return how many entries are pending, the first, the last, and who has how many."""
    return Command(("XPENDING", key, group), XPENDING, shapes.summary)


def xpending_range(
    key: bytes,
    group: bytes,
    start: bytes,
    end: bytes,
    count: int,
    *,
    consumer: bytes | None = None,
    idle: int | None = None,
) -> Command[list[Any]]:
    """Return id, consumer, idle time and number of deliveries of pending entries."""
    whose: Arguments = () if consumer is None else (consumer,)
    words = ("XPENDING", key, group, *_option("IDLE", idle), start, end, b"%d" % count, *whose)
    return Command(words, XPENDING, shapes.pending)


def xclaim(
    key: bytes,
    group: bytes,
    consumer: bytes,
    min_idle: int,
    ids: Sequence[bytes],
    options: Sequence[Argument],
) -> Command[Any]:
    """Take over pending entries; return them, or their ids if `options` have JUSTID."""
    words = ("XCLAIM", key, group, consumer, b"%d" % min_idle, *ids, *options)
    return Command(words, XCLAIM, members)


def xautoclaim(
    key: bytes,
    group: bytes,
    consumer: bytes,
    min_idle: int,
    start: bytes,
    count: int | None,
    *,
    justid: bool,
) -> Command[tuple[bytes, Any, list[bytes]]]:
    """Take over what others have left pending; return where to go on, what, and what is gone."""
    just: Arguments = ("JUSTID",) if justid else ()
    words = ("XAUTOCLAIM", key, group, consumer, b"%d" % min_idle, start)
    return Command((*words, *_option("COUNT", count), *just), XAUTOCLAIM, shapes.claimed)


def xinfo_stream(key: bytes, *, full: bool = False) -> Command[Any]:
    return Command(("XINFO", "STREAM", key, *(("FULL",) if full else ())), XINFO_STREAM)


def xinfo_groups(key: bytes) -> Command[Any]:
    return Command(("XINFO", "GROUPS", key), XINFO_GROUPS)


def xinfo_consumers(key: bytes, group: bytes) -> Command[Any]:
    return Command(("XINFO", "CONSUMERS", key, group), XINFO_CONSUMERS)


def _option(word: str, number: int | None) -> Arguments:
    return () if number is None else (word, b"%d" % number)
