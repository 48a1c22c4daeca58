# tools/unasync.py writes the sync twin of this file.
"""Keys of any type, on the cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from datetime import datetime

from cachex_client._async.verbs import AsyncVerbs
from cachex_client.keys import Key, Version


class AsyncKeyVerbs(AsyncVerbs):
    """The verbs of a cache for keys of any type."""

    async def exists(self, key: Key, version: Version | None = None) -> bool:
        """Return whether there is such a key: `has_key` as Redis calls it. Redis: EXISTS."""
        return await self._run("exists", self.commands.exists(key, version))

    async def rename(
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
        return await self._run(
            "rename", self.commands.rename(src, dst, version, version_src, version_dst)
        )

    async def renamenx(
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
        return await self._run(
            "renamenx", self.commands.renamenx(src, dst, version, version_src, version_dst)
        )

    async def type(self, key: Key, version: Version | None = None) -> str | None:
        """Return `"string"`, `"hash"`, `"list"`, `"set"`, `"zset"` or `"stream"`, None if missing.

        Redis: TYPE.
        """
        return await self._run("type", self.commands.type(key, version))

    async def memory_usage(
        self, key: Key, version: Version | None = None, *, samples: int | None = None
    ) -> int | None:
        """Return how many bytes a key takes at the server, None if there is no such key.

        Of large ones `samples` members are looked at, 5 if not said, and 0 for all.
        Redis: MEMORY USAGE.
        """
        return await self._run(
            "memory_usage", self.commands.memory_usage(key, version, samples=samples)
        )

    async def expiretime(self, key: Key, version: Version | None = None) -> int | None:
        """Return when a key ends in Unix seconds, None if never, -2 if there is no such key.

        Redis: EXPIRETIME.
        """
        return await self._run("expiretime", self.commands.expiretime(key, version))

    async def expireat(
        self, key: Key, when: float | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in seconds: `expire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        return await self._run("expireat", self.commands.expireat(key, when, version))

    async def pexpireat(
        self, key: Key, when: int | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in milliseconds: `pexpire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        return await self._run("pexpireat", self.commands.pexpireat(key, when, version))
