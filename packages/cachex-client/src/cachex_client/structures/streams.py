"""Streams: entries of fields in the order of their ids, and groups that share the reading."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cachex_client._core import stream_shapes as shapes
from cachex_client._core.stream_shapes import Entry
from cachex_client.codec import FIELD
from cachex_client.command import Argument, Command
from cachex_client.commands import streams as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Field, Terms, asked_for, name, names, text, texts


class StreamCommands(Terms):
    """Commands on streams.

    An entry is a pair of its id and a dict of its fields, whose names are text and whose values
    are what the cache can store. Ids are text such as `"1526919030474-55"`; `"-"` and `"+"` stand
    for the first and the last one, `"$"` for the last one there is now, and in a group `">"` for
    what nobody has read yet. Idle times and `block` are milliseconds, as in Redis.
    """

    def xadd(
        self,
        key: Key,
        fields: Mapping[Field, Any],
        entry_id: str = "*",
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: str | None = None,
        limit: int | None = None,
        version: Version | None = None,
    ) -> Command[str | None]:
        """Append an entry and return its id, which the server makes up if `entry_id` is `"*"`.

        The stream is cut to `maxlen` entries, or to those from `minid` on, `approximate` if that
        is cheaper, `limit` at a time. None if `nomkstream` is set and there is no stream. Never
        sent twice. Redis: XADD.
        """
        trim = _trimming(maxlen, approximate, minid, limit)
        wire, dumps = self.keyspace.wire(key, version), self.codec.dumps
        given = zip(names(fields), fields.values(), strict=True)
        stored = {field: dumps(value, wire, FIELD + field) for field, value in given}
        command = build.xadd(wire, name(entry_id), stored, trim, nomkstream=nomkstream)
        return command.then(_text_or_none)

    def xlen(self, key: Key, version: Version | None = None) -> Command[int]:
        """Return how many entries there are, 0 if there is no such key. Redis: XLEN."""
        return build.xlen(self.keyspace.wire(key, version))

    def xrange(
        self,
        key: Key,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        version: Version | None = None,
    ) -> Command[list[tuple[str, dict[str, Any]]]]:
        """Return the entries from `start` to `end`, both included, oldest first.

        At most `count`; `"(1-1"` is 1-1 excluded. Redis: XRANGE.
        """
        wire = self.keyspace.wire(key, version)
        return build.xrange(wire, name(start), name(end), count).then(self._entries(wire))

    def xrevrange(
        self,
        key: Key,
        end: str = "+",
        start: str = "-",
        count: int | None = None,
        version: Version | None = None,
    ) -> Command[list[tuple[str, dict[str, Any]]]]:
        """Return the entries from `end` back to `start`, latest first. Redis: XREVRANGE."""
        wire = self.keyspace.wire(key, version)
        return build.xrevrange(wire, name(end), name(start), count).then(self._entries(wire))

    def xread(
        self,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        version: Version | None = None,
    ) -> Command[dict[Key, list[tuple[str, dict[str, Any]]]] | None]:
        """Return what came to each stream after an id, by the stream's key; None if nothing did.

        At most `count` entries of each. With `block` it waits for up to so many milliseconds, for
        ever if 0, on a connection of its own. In a cluster all keys have to be in one slot.
        Redis: XREAD.
        """
        keys = list(streams)
        wires = self._wires(keys, version)
        command = build.xread(wires, names(streams.values(), "stream"), count, block)
        return command.then(self._by_key(keys, wires))

    def xtrim(
        self,
        key: Key,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: str | None = None,
        limit: int | None = None,
        version: Version | None = None,
    ) -> Command[int]:
        """Remove the oldest entries and return how many; what to keep is said as in `xadd`.

        Redis: XTRIM.
        """
        trim = _trimming(maxlen, approximate, minid, limit)
        if not trim:
            raise ValueError("maxlen or minid is needed")
        return build.xtrim(self.keyspace.wire(key, version), trim)

    def xdel(self, key: Key, *entry_ids: str, version: Version | None = None) -> Command[int]:
        """Remove entries and return how many there were. Redis: XDEL."""
        return build.xdel(self.keyspace.wire(key, version), names(entry_ids, "entry"))

    def xinfo_stream(
        self, key: Key, full: bool = False, version: Version | None = None
    ) -> Command[dict[str, Any]]:
        """Return what the server tells of a stream, by its names for it.

        With `full` entries, groups and consumers too. ResponseError if there is no such key.
        Redis: XINFO STREAM.
        """
        wire = self.keyspace.wire(key, version)
        command = build.xinfo_stream(wire, full=full)
        return command.then(lambda reply: shapes.described(reply, text, self._entry(wire)))

    def xinfo_groups(
        self, key: Key, version: Version | None = None
    ) -> Command[list[dict[str, Any]]]:
        """Return what the server tells of each group of a stream. Redis: XINFO GROUPS."""
        wire = self.keyspace.wire(key, version)
        command = build.xinfo_groups(wire)
        return command.then(lambda reply: shapes.described_each(reply, text, self._entry(wire)))

    def xinfo_consumers(
        self, key: Key, group: str, version: Version | None = None
    ) -> Command[list[dict[str, Any]]]:
        """Return what the server tells of each member of a group. Redis: XINFO CONSUMERS."""
        wire = self.keyspace.wire(key, version)
        command = build.xinfo_consumers(wire, name(group))
        return command.then(lambda reply: shapes.described_each(reply, text, self._entry(wire)))

    def xgroup_create(
        self,
        key: Key,
        group: str,
        entry_id: str = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> Command[bool]:
        """Make a group that begins to read after an entry; `"0"` is the beginning.

        With `mkstream` an empty stream is made if there is none. ResponseError (BUSYGROUP) if
        there is such a group. Redis: XGROUP CREATE.
        """
        wire = self.keyspace.wire(key, version)
        return build.xgroup_create(
            wire, name(group), name(entry_id), entries_read, mkstream=mkstream
        )

    def xgroup_destroy(self, key: Key, group: str, version: Version | None = None) -> Command[int]:
        """Remove a group and return how many there were. Redis: XGROUP DESTROY."""
        return build.xgroup_destroy(self.keyspace.wire(key, version), name(group))

    def xgroup_setid(
        self,
        key: Key,
        group: str,
        entry_id: str,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> Command[bool]:
        """Let a group go on after another entry. Redis: XGROUP SETID."""
        wire = self.keyspace.wire(key, version)
        return build.xgroup_setid(wire, name(group), name(entry_id), entries_read)

    def xgroup_delconsumer(
        self, key: Key, group: str, consumer: str, version: Version | None = None
    ) -> Command[int]:
        """Remove a member of a group; return how many entries were pending with it.

        Redis: XGROUP DELCONSUMER.
        """
        wire = self.keyspace.wire(key, version)
        return build.xgroup_delconsumer(wire, name(group), name(consumer))

    def xreadgroup(
        self,
        group: str,
        consumer: str,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
        version: Version | None = None,
    ) -> Command[dict[Key, list[tuple[str, dict[str, Any]]]] | None]:
        """Read as a member of a group: the id `">"` gives entries that nobody has read yet.

        They are pending until `xack`, unless `noack` is set; another id gives what is pending with
        this member after it. Otherwise as `xread`, and never sent twice. Redis: XREADGROUP.
        """
        keys = list(streams)
        wires = self._wires(keys, version)
        ids = names(streams.values(), "stream")
        command = build.xreadgroup(
            name(group), name(consumer), wires, ids, count, block, noack=noack
        )
        return command.then(self._by_key(keys, wires))

    def xack(
        self, key: Key, group: str, *entry_ids: str, version: Version | None = None
    ) -> Command[int]:
        """Say that entries are done with; return how many of them were pending. Redis: XACK."""
        return build.xack(self.keyspace.wire(key, version), name(group), names(entry_ids, "entry"))

    def xpending(
        self,
        key: Key,
        group: str,
        start: str | None = None,
        end: str | None = None,
        count: int | None = None,
        consumer: str | None = None,
        idle: int | None = None,
        version: Version | None = None,
    ) -> Command[Any]:
        """Return what members of a group have read and not acknowledged.

        With the group alone a dict of `pending`, `min`, `max` and `consumers`. With any more, a
        list of dicts of `message_id`, `consumer`, `time_since_delivered` and `times_delivered`:
        from `start` (`"-"`) to `end` (`"+"`), at most `count` (100), of one `consumer`, not
        touched for `idle` milliseconds. Redis: XPENDING.
        """
        wire = self.keyspace.wire(key, version)
        if all(one is None for one in (start, end, count, consumer, idle)):
            return build.xpending(wire, name(group)).then(_summary)
        command = build.xpending_range(
            wire,
            name(group),
            name("-" if start is None else start),
            name("+" if end is None else end),
            100 if count is None else count,
            consumer=None if consumer is None else name(consumer),
            idle=idle,
        )
        return command.then(lambda reply: [_pending(one) for one in reply])

    def xclaim(
        self,
        key: Key,
        group: str,
        consumer: str,
        min_idle_time: int,
        entry_ids: Sequence[str],
        idle: int | None = None,
        time: int | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
        version: Version | None = None,
    ) -> Command[list[Any]]:
        """Take over pending entries that were not touched for so long, and return them.

        With `justid` only their ids. `idle` and `time` (Unix milliseconds) say when they were last
        delivered, `retrycount` how often; `force` makes them pending if they are not. Never sent
        twice. Redis: XCLAIM.
        """
        options: list[Argument] = []
        for word, number in (("IDLE", idle), ("TIME", time), ("RETRYCOUNT", retrycount)):
            if number is not None:
                options += [word, b"%d" % number]
        options += [word for word, on in (("FORCE", force), ("JUSTID", justid)) if on]
        wire = self.keyspace.wire(key, version)
        command = build.xclaim(
            wire,
            name(group),
            name(consumer),
            min_idle_time,
            names(entry_ids, "entry"),
            options,
        )
        return command.then(self._ids if justid else self._claimed(wire))

    def xautoclaim(
        self,
        key: Key,
        group: str,
        consumer: str,
        min_idle_time: int,
        start_id: str = "0-0",
        count: int | None = None,
        justid: bool = False,
        version: Version | None = None,
    ) -> Command[tuple[str, list[Any], list[str]]]:
        """Take over what was pending for so long; return where to go on, and what it was.

        The first is the id for the next call, `"0-0"` at the end; the second the entries, or with
        `justid` their ids; the third the ids of entries that are no longer there. Never sent
        twice. Redis: XAUTOCLAIM.
        """
        wire = self.keyspace.wire(key, version)
        command = build.xautoclaim(
            wire,
            name(group),
            name(consumer),
            min_idle_time,
            name(start_id),
            count,
            justid=justid,
        )
        read = self._ids if justid else self._claimed(wire)
        return command.then(lambda reply: (text(reply[0]), read(reply[1]), texts(reply[2])))

    # Reading

    def _entry(self, wire: bytes) -> Callable[[Entry], tuple[str, dict[str, Any]]]:
        """Return a function that reads an entry of a stream."""
        loads = self.codec.loads

        def read(entry: Entry) -> tuple[str, dict[str, Any]]:
            fields = entry[1].items()
            return text(entry[0]), {
                text(field): loads(value, wire, FIELD + field) for field, value in fields
            }

        return read

    def _entries(self, wire: bytes) -> Callable[[Iterable[Entry]], list[tuple[str, Any]]]:
        """Return a function that reads entries of a stream."""
        read = self._entry(wire)
        return lambda found: list(map(read, found))

    def _claimed(self, wire: bytes) -> Callable[[Any], list[tuple[str, Any]]]:
        read = self._entries(wire)
        return lambda reply: read(shapes.entries(reply))

    def _ids(self, reply: Any) -> list[str]:
        return texts(reply)

    def _by_key(self, keys: Sequence[Key], wires: Sequence[bytes]) -> Any:
        """Return a function that gives the callers' keys back instead of the stored ones."""

        def read(found: list[tuple[bytes, list[Entry]]]) -> dict[Key, Any] | None:
            if not found:
                return None
            return {
                asked_for(keys, wires, one): self._entries(one)(entries) for one, entries in found
            }

        return read


def _trimming(
    maxlen: int | None, approximate: bool, minid: str | None, limit: int | None
) -> Sequence[Argument]:
    if maxlen is not None and minid is not None:
        raise ValueError("maxlen and minid exclude each other")
    first = None if minid is None else name(minid)
    return build.trimming(maxlen, first, limit, approximate=approximate)


def _text_or_none(reply: bytes | None) -> str | None:
    return None if reply is None else text(reply)


def _summary(found: Any) -> dict[str, Any]:
    count, first, last, consumers = found
    return {
        "pending": count,
        "min": _text_or_none(first),
        "max": _text_or_none(last),
        "consumers": [{"name": text(one), "pending": number} for one, number in consumers],
    }


def _pending(found: Sequence[Any]) -> dict[str, Any]:
    return {
        "message_id": text(found[0]),
        "consumer": text(found[1]),
        "time_since_delivered": found[2],
        "times_delivered": found[3],
    }
