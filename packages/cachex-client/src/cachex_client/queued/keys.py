"""Keys of any type, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from datetime import datetime
from typing import Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedKeyVerbs(Queue):
    """The methods of a pipeline for keys of any type."""

    def exists(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.exists` does."""
        return self._queue("exists", self.commands.exists(key, version), key)

    def rename(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Self:
        """Queue what `Cache.rename` does."""
        return self._queue(
            "rename",
            self.commands.rename(src, dst, version, version_src, version_dst),
            src,
            dst,
            version_src,
            version_dst,
        )

    def renamenx(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Self:
        """Queue what `Cache.renamenx` does."""
        return self._queue(
            "renamenx",
            self.commands.renamenx(src, dst, version, version_src, version_dst),
            src,
            dst,
            version_src,
            version_dst,
        )

    def type(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.type` does."""
        return self._queue("type", self.commands.type(key, version), key)

    def memory_usage(
        self, key: Key, version: Version | None = None, *, samples: int | None = None
    ) -> Self:
        """Queue what `Cache.memory_usage` does."""
        return self._queue(
            "memory_usage", self.commands.memory_usage(key, version, samples=samples), key
        )

    def expiretime(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.expiretime` does."""
        return self._queue("expiretime", self.commands.expiretime(key, version), key)

    def expireat(self, key: Key, when: float | datetime, version: Version | None = None) -> Self:
        """Queue what `Cache.expireat` does."""
        return self._queue("expireat", self.commands.expireat(key, when, version), key, when)

    def pexpireat(self, key: Key, when: int | datetime, version: Version | None = None) -> Self:
        """Queue what `Cache.pexpireat` does."""
        return self._queue("pexpireat", self.commands.pexpireat(key, when, version), key, when)
