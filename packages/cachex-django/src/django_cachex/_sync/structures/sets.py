# Written by tools/unasync.py from _async/structures/sets.py: edit that file instead.
"""Sets, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class SetMethods(CacheCore):
    """Methods for sets."""

    def sadd(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Add members and return how many of them are new. Redis: SADD."""
        return self._cache.sadd(key, *members, version=version)

    def srem(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Remove members and return how many there were. Redis: SREM."""
        return self._cache.srem(key, *members, version=version)

    def smembers(self, key: Key, version: Version | None = None) -> set[Any]:
        """Return all members of a set. Redis: SMEMBERS."""
        return self._cache.smembers(key, version)

    def sismember(self, key: Key, member: Any, version: Version | None = None) -> bool:
        """Return whether a set has a member. Redis: SISMEMBER."""
        return self._cache.sismember(key, member, version)

    def smismember(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[bool]:
        """Return of each member whether a set has it. Redis: SMISMEMBER."""
        return self._cache.smismember(key, *members, version=version)

    def scard(self, key: Key, version: Version | None = None) -> int:
        """Return how many members a set has, 0 if there is no such key. Redis: SCARD."""
        return self._cache.scard(key, version)

    def spop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Take a member at random, None if there is none; with `count` a set of so many.

        Never sent twice. Redis: SPOP.
        """
        return self._cache.spop(key, count, version)

    def srandmember(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Return a member at random, None if there is none; with `count` a list of so many.

        If `count` is negative a member may come more than once. Redis: SRANDMEMBER.
        """
        return self._cache.srandmember(key, count, version)

    def smove(
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
        return self._cache.smove(src, dst, member, version, version_src, version_dst)

    def sdiff(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members of the first set that none of the others has.

        Keys come one by one or as a collection; in a cluster they have to be in one slot.
        Redis: SDIFF.
        """
        return self._cache.sdiff(keys, *more, version=version)

    def sinter(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that all sets have; keys as in `sdiff`. Redis: SINTER."""
        return self._cache.sinter(keys, *more, version=version)

    def sunion(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that any of the sets has; keys as in `sdiff`. Redis: SUNION."""
        return self._cache.sunion(keys, *more, version=version)

    def sdiffstore(
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
        return self._cache.sdiffstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    def sinterstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what `sinter` returns under `dest`; else as `sdiffstore`. Redis: SINTERSTORE."""
        return self._cache.sinterstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    def sunionstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> int:
        """Store what `sunion` returns under `dest`; else as `sdiffstore`. Redis: SUNIONSTORE."""
        return self._cache.sunionstore(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )

    def sscan(
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
        return self._cache.sscan(key, cursor, match, count, version)
