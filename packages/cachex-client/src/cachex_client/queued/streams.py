"""Streams, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue
from cachex_client.structures.terms import Field


class QueuedStreamVerbs(Queue):
    """The methods of a pipeline for streams."""

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
    ) -> Self:
        """Queue what `Cache.xadd` does."""
        return self._queue(
            "xadd",
            self.commands.xadd(
                key, fields, entry_id, maxlen, approximate, nomkstream, minid, limit, version
            ),
            key,
            fields,
            entry_id,
            maxlen,
            approximate,
            nomkstream,
            minid,
            limit,
        )

    def xlen(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.xlen` does."""
        return self._queue("xlen", self.commands.xlen(key, version), key)

    def xrange(
        self,
        key: Key,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xrange` does."""
        return self._queue(
            "xrange", self.commands.xrange(key, start, end, count, version), key, start, end, count
        )

    def xrevrange(
        self,
        key: Key,
        end: str = "+",
        start: str = "-",
        count: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xrevrange` does."""
        return self._queue(
            "xrevrange",
            self.commands.xrevrange(key, end, start, count, version),
            key,
            end,
            start,
            count,
        )

    def xread(
        self,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xread` does."""
        return self._queue(
            "xread", self.commands.xread(streams, count, block, version), streams, count, block
        )

    def xtrim(
        self,
        key: Key,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: str | None = None,
        limit: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xtrim` does."""
        return self._queue(
            "xtrim",
            self.commands.xtrim(key, maxlen, approximate, minid, limit, version),
            key,
            maxlen,
            approximate,
            minid,
            limit,
        )

    def xdel(self, key: Key, *entry_ids: str, version: Version | None = None) -> Self:
        """Queue what `Cache.xdel` does."""
        return self._queue(
            "xdel", self.commands.xdel(key, *entry_ids, version=version), key, *entry_ids
        )

    def xinfo_stream(self, key: Key, full: bool = False, version: Version | None = None) -> Self:
        """Queue what `Cache.xinfo_stream` does."""
        return self._queue(
            "xinfo_stream", self.commands.xinfo_stream(key, full, version), key, full
        )

    def xinfo_groups(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.xinfo_groups` does."""
        return self._queue("xinfo_groups", self.commands.xinfo_groups(key, version), key)

    def xinfo_consumers(self, key: Key, group: str, version: Version | None = None) -> Self:
        """Queue what `Cache.xinfo_consumers` does."""
        return self._queue(
            "xinfo_consumers", self.commands.xinfo_consumers(key, group, version), key, group
        )

    def xgroup_create(
        self,
        key: Key,
        group: str,
        entry_id: str = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xgroup_create` does."""
        return self._queue(
            "xgroup_create",
            self.commands.xgroup_create(key, group, entry_id, mkstream, entries_read, version),
            key,
            group,
            entry_id,
            mkstream,
            entries_read,
        )

    def xgroup_destroy(self, key: Key, group: str, version: Version | None = None) -> Self:
        """Queue what `Cache.xgroup_destroy` does."""
        return self._queue(
            "xgroup_destroy", self.commands.xgroup_destroy(key, group, version), key, group
        )

    def xgroup_setid(
        self,
        key: Key,
        group: str,
        entry_id: str,
        entries_read: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xgroup_setid` does."""
        return self._queue(
            "xgroup_setid",
            self.commands.xgroup_setid(key, group, entry_id, entries_read, version),
            key,
            group,
            entry_id,
            entries_read,
        )

    def xgroup_delconsumer(
        self, key: Key, group: str, consumer: str, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.xgroup_delconsumer` does."""
        return self._queue(
            "xgroup_delconsumer",
            self.commands.xgroup_delconsumer(key, group, consumer, version),
            key,
            group,
            consumer,
        )

    def xreadgroup(
        self,
        group: str,
        consumer: str,
        streams: Mapping[Key, str],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.xreadgroup` does."""
        return self._queue(
            "xreadgroup",
            self.commands.xreadgroup(group, consumer, streams, count, block, noack, version),
            group,
            consumer,
            streams,
            count,
            block,
            noack,
        )

    def xack(self, key: Key, group: str, *entry_ids: str, version: Version | None = None) -> Self:
        """Queue what `Cache.xack` does."""
        return self._queue(
            "xack",
            self.commands.xack(key, group, *entry_ids, version=version),
            key,
            group,
            *entry_ids,
        )

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
    ) -> Self:
        """Queue what `Cache.xpending` does."""
        return self._queue(
            "xpending",
            self.commands.xpending(key, group, start, end, count, consumer, idle, version),
            key,
            group,
            start,
            end,
            count,
            consumer,
            idle,
        )

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
    ) -> Self:
        """Queue what `Cache.xclaim` does."""
        return self._queue(
            "xclaim",
            self.commands.xclaim(
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
            ),
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
    ) -> Self:
        """Queue what `Cache.xautoclaim` does."""
        return self._queue(
            "xautoclaim",
            self.commands.xautoclaim(
                key, group, consumer, min_idle_time, start_id, count, justid, version
            ),
            key,
            group,
            consumer,
            min_idle_time,
            start_id,
            count,
            justid,
        )
