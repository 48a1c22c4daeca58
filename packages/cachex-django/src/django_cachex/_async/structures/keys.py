# tools/unasync.py writes the sync twin of this file.
"""Keys of any type, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from datetime import datetime

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class AsyncKeyMethods(CacheCore):
    """Methods for keys of any type."""

    async def aexists(self, key: Key, version: Version | None = None) -> bool:
        """Return whether there is such a key: `has_key` as Redis calls it. Redis: EXISTS."""
        return await self._acache.exists(key, version)

    async def arename(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> bool:
        """Give what is under a key another one, in place of what is there, and return True.

        It ends when it would have. If there is no such key, the server's ResponseError. In a
        cluster both have to be in one slot. Never sent twice. Redis: RENAME.
        """
        return await self._acache.rename(src, dst, version, version_src, version_dst)

    async def arenamenx(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> bool:
        """Give what is under a key another one; False if there is something already.

        Otherwise as `rename`. Never sent twice. Redis: RENAMENX.
        """
        return await self._acache.renamenx(src, dst, version, version_src, version_dst)

    async def atype(self, key: Key, version: Version | None = None) -> str | None:
        """Return `"string"`, `"hash"`, `"list"`, `"set"`, `"zset"` or `"stream"`, None if missing.

        Redis: TYPE.
        """
        return await self._acache.type(key, version)

    async def amemory_usage(
        self, key: Key, version: Version | None = None, *, samples: int | None = None
    ) -> int | None:
        """Return how many bytes a key takes at the server, None if there is no such key.

        Of large ones `samples` members are looked at, 5 if not said, and 0 for all.
        Redis: MEMORY USAGE.
        """
        return await self._acache.memory_usage(key, version, samples=samples)

    async def aexpiretime(self, key: Key, version: Version | None = None) -> int | None:
        """Return when a key ends in Unix seconds, None if never, -2 if there is no such key.

        Redis: EXPIRETIME.
        """
        return await self._acache.expiretime(key, version)

    async def aexpireat(
        self, key: Key, when: float | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in seconds: `expire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        return await self._acache.expireat(key, when, version)

    async def apexpireat(
        self, key: Key, when: int | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in milliseconds: `pexpire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        return await self._acache.pexpireat(key, when, version)
