"""Sets: different values under one key, in no order."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from cachex_client.command import Command, on_primary
from cachex_client.commands import sets as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, several


class SetCommands(Terms):
    """Commands on sets. Members are whatever the cache can store, and equal if stored alike."""

    def sadd(self, key: Key, *members: Any, version: Version | None = None) -> Command[int]:
        """Add members and return how many of them are new. Redis: SADD."""
        wire = self.keyspace.wire(key, version)
        return build.sadd(wire, self._stored(wire, members))

    def srem(self, key: Key, *members: Any, version: Version | None = None) -> Command[int]:
        """Remove members and return how many there were. Redis: SREM."""
        wire = self.keyspace.wire(key, version)
        return build.srem(wire, self._each_form(wire, members))

    def smembers(self, key: Key, version: Version | None = None) -> Command[set[Any]]:
        """Return all members of a set. Redis: SMEMBERS."""
        wire = self.keyspace.wire(key, version)
        return build.smembers(wire).then(self._set(wire))

    def sismember(self, key: Key, member: Any, version: Version | None = None) -> Command[bool]:
        """Return whether a set has a member. Redis: SISMEMBER."""
        wire = self.keyspace.wire(key, version)
        if self.codec.has_forms:
            return self._first_found(build.smismember, wire, (member,)).then(itemgetter(0))
        return build.sismember(wire, self._stored_member(wire, member))

    def smismember(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> Command[list[bool]]:
        """Return of each member whether a set has it. Redis: SMISMEMBER."""
        wire = self.keyspace.wire(key, version)
        return self._first_found(build.smismember, wire, members)

    def scard(self, key: Key, version: Version | None = None) -> Command[int]:
        """Return how many members a set has, 0 if there is no such key. Redis: SCARD."""
        return build.scard(self.keyspace.wire(key, version))

    def spop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Take a member at random, None if there is none; with `count` a set of so many.

        Never sent twice. Redis: SPOP.
        """
        wire = self.keyspace.wire(key, version)
        return build.spop(wire, count).then(
            self._member(wire) if count is None else self._set(wire)
        )

    def srandmember(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Return a member at random, None if there is none; with `count` a list of so many.

        If `count` is negative a member may come more than once. Redis: SRANDMEMBER.
        """
        wire = self.keyspace.wire(key, version)
        return build.srandmember(wire, count).then(self._member_or_members(wire))

    def smove(
        self,
        src: Key,
        dst: Key,
        member: Any,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Command[bool]:
        """Move a member from one set to another; False if it is not there.

        In a cluster both keys have to be in one slot. Never sent twice. Redis: SMOVE.
        """
        source, target = self._two(src, dst, version, version_src, version_dst)
        place = self._one_place("smove", source, target)
        return build.smove(source, target, self._stored_member(place, member))

    def sdiff(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> Command[set[Any]]:
        """Return the members of the first set that none of the others has.

        Keys come one by one or as a collection; in a cluster they have to be in one slot.
        Redis: SDIFF.
        """
        wires = self._wires(*several(keys, more, version))
        return build.sdiff(wires).then(self._set(self._one_place("sdiff", *wires)))

    def sinter(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> Command[set[Any]]:
        """Return the members that all sets have; keys as in `sdiff`. Redis: SINTER."""
        wires = self._wires(*several(keys, more, version))
        return build.sinter(wires).then(self._set(self._one_place("sinter", *wires)))

    def sunion(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> Command[set[Any]]:
        """Return the members that any of the sets has; keys as in `sdiff`. Redis: SUNION."""
        wires = self._wires(*several(keys, more, version))
        return build.sunion(wires).then(self._set(self._one_place("sunion", *wires)))

    def sdiffstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Command[int]:
        """Store what `sdiff` returns under `dest`; return how many members that is.

        `version_dest` and `version_keys` go before `version`. In a cluster all keys have to be in
        one slot. Never sent twice. Redis: SDIFFSTORE.
        """
        target, wires = self._store(dest, keys, more, version, version_dest, version_keys)
        self._one_place("sdiffstore", target, *wires)
        return build.sdiffstore(target, wires)

    def sinterstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Command[int]:
        """Store what `sinter` returns under `dest`; else as `sdiffstore`. Redis: SINTERSTORE."""
        target, wires = self._store(dest, keys, more, version, version_dest, version_keys)
        self._one_place("sinterstore", target, *wires)
        return build.sinterstore(target, wires)

    def sunionstore(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Command[int]:
        """Store what `sunion` returns under `dest`; else as `sdiffstore`. Redis: SUNIONSTORE."""
        target, wires = self._store(dest, keys, more, version, version_dest, version_keys)
        self._one_place("sunionstore", target, *wires)
        return build.sunionstore(target, wires)

    def sscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Command[tuple[int, set[Any]]]:
        """Return the next cursor, 0 at the end, and some of the members.

        `match` is a glob pattern: text is serialized as members are, bytes are about what is
        stored. `count` is how many to look at, about. The primary answers, as a cursor means
        nothing to another server. Redis: SSCAN.
        """
        read = self._set(self.keyspace.wire(key, version))
        command = self._sscan(key, cursor, match, count, version)
        return command.then(lambda page: (page[0], read(page[1])))

    def _sscan(
        self,
        key: Key,
        cursor: int,
        match: str | bytes | None,
        count: int | None,
        version: Version | None,
    ) -> Command[tuple[int, list[bytes]]]:
        pattern = None if match is None else self.codec.pattern(match)
        wire = self.keyspace.wire(key, version)
        return on_primary(build.sscan(wire, cursor, match=pattern, count=count))

    def _store(
        self,
        dest: Key,
        keys: Any,
        more: tuple[Any, ...],
        version: Version | None,
        version_dest: Version | None,
        version_keys: Version | None,
    ) -> tuple[bytes, list[bytes]]:
        names, version = several(keys, more, version)
        into = version if version_dest is None else version_dest
        of = version if version_keys is None else version_keys
        return self.keyspace.wire(dest, into), self._wires(names, of)
