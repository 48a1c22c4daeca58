# Written by tools/unasync.py from _async/structures/sets.py: edit that file instead.
"""Sets, on the cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client._sync.verbs import Verbs
from cachex_client.keys import Key, Version


class SetVerbs(Verbs):
    """The verbs of a cache for sets."""

    def sadd(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Add members and return how many of them are new. Redis: SADD."""
        return self._run("sadd", self.commands.sadd(key, *members, version=version))

    def srem(self, key: Key, *members: Any, version: Version | None = None) -> int:
        """Remove members and return how many there were. Redis: SREM."""
        return self._run("srem", self.commands.srem(key, *members, version=version))

    def smembers(self, key: Key, version: Version | None = None) -> set[Any]:
        """Return all members of a set. Redis: SMEMBERS."""
        return self._run("smembers", self.commands.smembers(key, version))

    def sismember(self, key: Key, member: Any, version: Version | None = None) -> bool:
        """Return whether a set has a member. Redis: SISMEMBER."""
        return self._run("sismember", self.commands.sismember(key, member, version))

    def smismember(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[bool]:
        """Return of each member whether a set has it. Redis: SMISMEMBER."""
        return self._run(
            "smismember", self.commands.smismember(key, *members, version=version)
        )

    def scard(self, key: Key, version: Version | None = None) -> int:
        """Return how many members a set has, 0 if there is no such key. Redis: SCARD."""
        return self._run("scard", self.commands.scard(key, version))

    def spop(self, key: Key, count: int | None = None, version: Version | None = None) -> Any:
        """Take a member at random, None if there is none; with `count` a set of so many.

        Never sent twice. Redis: SPOP.
        """
        return self._run("spop", self.commands.spop(key, count, version))

    def srandmember(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Any:
        """Return a member at random, None if there is none; with `count` a list of so many.

        If `count` is negative a member may come more than once. Redis: SRANDMEMBER.
        """
        return self._run("srandmember", self.commands.srandmember(key, count, version))

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
        return self._run(
            "smove", self.commands.smove(src, dst, member, version, version_src, version_dst)
        )

    def sdiff(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members of the first set that none of the others has.

        Keys come one by one or as a collection; in a cluster they have to be in one slot.
        Redis: SDIFF.
        """
        return self._run("sdiff", self.commands.sdiff(keys, *more, version=version))

    def sinter(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that all sets have; keys as in `sdiff`. Redis: SINTER."""
        return self._run("sinter", self.commands.sinter(keys, *more, version=version))

    def sunion(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> set[Any]:
        """Return the members that any of the sets has; keys as in `sdiff`. Redis: SUNION."""
        return self._run("sunion", self.commands.sunion(keys, *more, version=version))

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
        return self._run(
            "sdiffstore",
            self.commands.sdiffstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
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
        return self._run(
            "sinterstore",
            self.commands.sinterstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
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
        return self._run(
            "sunionstore",
            self.commands.sunionstore(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
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
        return self._run("sscan", self.commands.sscan(key, cursor, match, count, version))
