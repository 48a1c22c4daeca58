# tools/unasync.py writes the sync twin of this file.
"""Sets, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class AsyncSetMethods(CacheCore):
    """Methods for sets."""

    async def asadd(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Add members and return how many of them are new. Redis: SADD."""
        return await self._acache.sadd(key, *members, version=version)

    async def asrem(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Remove members and return how many there were. Redis: SREM."""
        return await self._acache.srem(key, *members, version=version)

    async def asmembers(self, key: Key, version: Version | None = None) -> set[Any]:
        """Return all members of a set. Redis: SMEMBERS."""
        return await self._acache.smembers(key, version)

    async def asismember(self, key: Key, member: Any, version: Version | None = None) -> bool:
        """Return whether a set has a member. Redis: SISMEMBER."""
        return await self._acache.sismember(key, member, version)

    async def asmismember(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[bool]:
        """Return of each member whether a set has it. Redis: SMISMEMBER."""
        return await self._acache.smismember(key, *members, version=version)

    async def ascard(self, key: Key, version: Version | None = None) -> int:
        """Return how many members a set has, 0 if there is no such key. Redis: SCARD."""
        return await self._acache.scard(key, version)

    async def aspop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take a member at random, None if there is none; with `count` a set of so many.

        Never sent twice. Redis: SPOP.
        """
        return await self._acache.spop(key, count, version)

    async def asrandmember(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Return a member at random, None if there is none; with `count` a list of so many.

        If `count` is negative a member may come more than once. Redis: SRANDMEMBER.
        """
        return await self._acache.srandmember(key, count, version)

    async def asmove(
        self,
        src: Key,
        dst: Key,
        member: Any,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> bool:
        """Move a member from one set to another; False if it is not there.

        In a cluster both keys have to be in one slot. Never sent twice. Redis: SMOVE.
        """
        return await self._acache.smove(src, dst, member, version, version_src, version_dst)

    async def asdiff(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members of the first set that none of the others has.

        Keys come one by one or as a collection; in a cluster they have to be in one slot.
        Redis: SDIFF.
        """
        return await self._acache.sdiff(keys, *more, version=version)

    async def asinter(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that all sets have; keys as in `sdiff`. Redis: SINTER."""
        return await self._acache.sinter(keys, *more, version=version)

    async def asunion(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that any of the sets has; keys as in `sdiff`. Redis: SUNION."""
        return await self._acache.sunion(keys, *more, version=version)

    async def asdiffstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what `sdiff` returns under `dest`; return how many members that is.

        `version_dest` and `version_keys` go before `version`. In a cluster all keys have to be in
        one slot. Never sent twice. Redis: SDIFFSTORE.
        """
        return await self._acache.sdiffstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    async def asinterstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what `sinter` returns under `dest`; else as `sdiffstore`. Redis: SINTERSTORE."""
        return await self._acache.sinterstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    async def asunionstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what `sunion` returns under `dest`; else as `sdiffstore`. Redis: SUNIONSTORE."""
        return await self._acache.sunionstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    async def asscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> tuple[int, set[Any]]:
        """Return the next cursor, 0 at the end, and some of the members.

        `match` is a glob pattern: text is serialized as members are, bytes are about what is
        stored. `count` is how many to look at, about. The primary answers, as a cursor means
        nothing to another server. Redis: SSCAN.
        """
        return await self._acache.sscan(key, cursor, match, count, version)
