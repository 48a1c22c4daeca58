# Written by tools/unasync.py from _async/structures/streams.py: edit that file instead.
"""Streams, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Field
from django_cachex.core import CacheCore


class StreamMethods(CacheCore):
    """Methods for streams."""

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
    ) -> str | None:
        """Append an entry and return its id, which the server makes up if `entry_id` is `"*"`.

        The stream is cut to `maxlen` entries, or to those from `minid` on, `approximate` if that
        is cheaper, `limit` at a time. None if `nomkstream` is set and there is no stream. Never
        sent twice. Redis: XADD.
        """
        return self._cache.xadd(
            key, fields, entry_id, maxlen, approximate, nomkstream, minid, limit, version
        )

    def xlen(self, key: Key, version: Version | None = None) -> int:
        """Return how many entries there are, 0 if there is no such key. Redis: XLEN."""
        return self._cache.xlen(key, version)

    def xrange(
        self,
        key: Key,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        version: Version | None = None,
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return the entries from `start` to `end`, both included, oldest first.

        At most `count`; `"(1-1"` is 1-1 excluded. Redis: XRANGE.
        """
        return self._cache.xrange(key, start, end, count, version)

    def xrevrange(
        self,
        key: Key,
        end: str = "+",
        start: str = "-",
        count: int | None = None,
        version: Version | None = None,
    ) -> list[tuple[str, dict[str, Any]]]:
        """Return the entries from `end` back to `start`, latest first. Redis: XREVRANGE."""
        return self._cache.xrevrange(key, end, start, count, version)

    def xread(
        self,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        version: Version | None = None,
    ) -> dict[Key, list[tuple[str, dict[str, Any]]]] | None:
        """Return what came to each stream after an id, by the stream's key; None if nothing did.

        At most `count` entries of each. With `block` it waits for up to so many milliseconds, for
        ever if 0, on a connection of its own. In a cluster all keys have to be in one slot.
        Redis: XREAD.
        """
        return self._cache.xread(streams, count, block, version)

    def xtrim(
        self,
        key: Key,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: str | None = None,
        limit: int | None = None,
        version: Version | None = None,
    ) -> int:
        """Remove the oldest entries and return how many; what to keep is said as in `xadd`.

        Redis: XTRIM.
        """
        return self._cache.xtrim(key, maxlen, approximate, minid, limit, version)

    def xdel(self, key: Key, *entry_ids: str, version: Version | None = None) -> int:
        """Remove entries and return how many there were. Redis: XDEL."""
        return self._cache.xdel(key, *entry_ids, version=version)

    def xinfo_stream(
        self, key: Key, full: bool = False, version: Version | None = None
    ) -> dict[str, Any]:
        """Return what the server tells of a stream, by its names for it.

        With `full` entries, groups and consumers too. ResponseError if there is no such key.
        Redis: XINFO STREAM.
        """
        return self._cache.xinfo_stream(key, full, version)

    def xinfo_groups(self, key: Key, version: Version | None = None) -> list[dict[str, Any]]:
        """Return what the server tells of each group of a stream. Redis: XINFO GROUPS."""
        return self._cache.xinfo_groups(key, version)

    def xinfo_consumers(
        self, key: Key, group: str, version: Version | None = None
    ) -> list[dict[str, Any]]:
        """Return what the server tells of each member of a group. Redis: XINFO CONSUMERS."""
        return self._cache.xinfo_consumers(key, group, version)

    def xgroup_create(
        self,
        key: Key,
        group: str,
        entry_id: str = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> bool:
        """Make a group that begins to read after an entry; `"0"` is the beginning.

        With `mkstream` an empty stream is made if there is none. ResponseError (BUSYGROUP) if
        there is such a group. Redis: XGROUP CREATE.
        """
        return self._cache.xgroup_create(
            key, group, entry_id, mkstream, entries_read, version
        )

    def xgroup_destroy(self, key: Key, group: str, version: Version | None = None) -> int:
        """Remove a group and return how many there were. Redis: XGROUP DESTROY."""
        return self._cache.xgroup_destroy(key, group, version)

    def xgroup_setid(
        self,
        key: Key,
        group: str,
        entry_id: str,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> bool:
        """Let a group go on after another entry. Redis: XGROUP SETID."""
        return self._cache.xgroup_setid(key, group, entry_id, entries_read, version)

    def xgroup_delconsumer(
        self, key: Key, group: str, consumer: str, version: Version | None = None
    ) -> int:
        """Remove a member of a group; return how many entries were pending with it.

        Redis: XGROUP DELCONSUMER.
        """
        return self._cache.xgroup_delconsumer(key, group, consumer, version)

    def xreadgroup(
        self,
        group: str,
        consumer: str,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
        version: Version | None = None,
    ) -> dict[Key, list[tuple[str, dict[str, Any]]]] | None:
        """Read as a member of a group: the id `">"` gives entries that nobody has read yet.

        They are pending until `xack`, unless `noack` is set; another id gives what is pending with
        this member after it. Otherwise as `xread`, and never sent twice. Redis: XREADGROUP.
        """
        return self._cache.xreadgroup(group, consumer, streams, count, block, noack, version)

    def xack(
        self, key: Key, group: str, *entry_ids: str, version: Version | None = None
    ) -> int:
        """Say that entries are done with; return how many of them were pending. Redis: XACK."""
        return self._cache.xack(key, group, *entry_ids, version=version)

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
    ) -> Any:
        """Return what members of a group have read and not acknowledged.

        With the group alone a dict of `pending`, `min`, `max` and `consumers`. With any more, a
        list of dicts of `message_id`, `consumer`, `time_since_delivered` and `times_delivered`:
        from `start` (`"-"`) to `end` (`"+"`), at most `count` (100), of one `consumer`, not
        touched for `idle` milliseconds. Redis: XPENDING.
        """
        return self._cache.xpending(key, group, start, end, count, consumer, idle, version)

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
    ) -> list[Any]:
        """Take over pending entries that were not touched for so long, and return them.

        With `justid` only their ids. `idle` and `time` (Unix milliseconds) say when they were last
        delivered, `retrycount` how often; `force` makes them pending if they are not. Never sent
        twice. Redis: XCLAIM.
        """
        return self._cache.xclaim(
            key,
            group,
            consumer,
            min_idle_time,
            entry_ids,
            idle,
            time,
            retrycount,
            force,
            justid,
            version,
        )

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
    ) -> tuple[str, list[Any], list[str]]:
        """Take over what was pending for so long; return where to go on, and what it was.

        The first is the id for the next call, `"0-0"` at the end; the second the entries, or with
        `justid` their ids; the third the ids of entries that are no longer there. Never sent
        twice. Redis: XAUTOCLAIM.
        """
        return self._cache.xautoclaim(
            key, group, consumer, min_idle_time, start_id, count, justid, version
        )
