"""Sets, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedSetVerbs(Queue):
    """The methods of a pipeline for sets."""

    def sadd(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.sadd` does."""
        return self._queue(
            "sadd", self.commands.sadd(key, *members, version=version), key, *members
        )

    def srem(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.srem` does."""
        return self._queue(
            "srem", self.commands.srem(key, *members, version=version), key, *members
        )

    def smembers(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.smembers` does."""
        return self._queue("smembers", self.commands.smembers(key, version), key)

    def sismember(self, key: Key, member: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.sismember` does."""
        return self._queue("sismember", self.commands.sismember(key, member, version), key, member)

    def smismember(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.smismember` does."""
        return self._queue(
            "smismember", self.commands.smismember(key, *members, version=version), key, *members
        )

    def scard(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.scard` does."""
        return self._queue("scard", self.commands.scard(key, version), key)

    def spop(self, key: Key, count: int | None = None, version: Version | None = None) -> Self:
        """Queue what `Cache.spop` does."""
        return self._queue("spop", self.commands.spop(key, count, version), key, count)

    def srandmember(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.srandmember` does."""
        return self._queue(
            "srandmember", self.commands.srandmember(key, count, version), key, count
        )

    def smove(
        self,
        src: Key,
        dst: Key,
        member: Any,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Self:
        """Queue what `Cache.smove` does."""
        return self._queue(
            "smove",
            self.commands.smove(src, dst, member, version, version_src, version_dst),
            src,
            dst,
            member,
            version_src,
            version_dst,
        )

    def sdiff(self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.sdiff` does."""
        return self._queue("sdiff", self.commands.sdiff(keys, *more, version=version), keys, *more)

    def sinter(self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.sinter` does."""
        return self._queue(
            "sinter", self.commands.sinter(keys, *more, version=version), keys, *more
        )

    def sunion(self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.sunion` does."""
        return self._queue(
            "sunion", self.commands.sunion(keys, *more, version=version), keys, *more
        )

    def sdiffstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Self:
        """Queue what `Cache.sdiffstore` does."""
        return self._queue(
            "sdiffstore",
            self.commands.sdiffstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
            dest,
            keys,
            *more,
        )

    def sinterstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Self:
        """Queue what `Cache.sinterstore` does."""
        return self._queue(
            "sinterstore",
            self.commands.sinterstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
            dest,
            keys,
            *more,
        )

    def sunionstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Self:
        """Queue what `Cache.sunionstore` does."""
        return self._queue(
            "sunionstore",
            self.commands.sunionstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
            dest,
            keys,
            *more,
        )

    def sscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.sscan` does."""
        return self._queue(
            "sscan",
            self.commands.sscan(key, cursor, match, count, version),
            key,
            cursor,
            match,
            count,
        )
