# Written by tools/unasync.py from _async/counters.py: edit that file instead.
"""Counting, and moving values from version to version."""

from redis.exceptions import NoScriptError

from cachex_client import commands
from cachex_client._sync.verbs import Verbs
from cachex_client._audience import audience, tell
from cachex_client._core.increment import increment, whole
from cachex_client._core.shapes import stored as as_stored
from cachex_client.codec import discreet
from cachex_client.command import on_primary
from cachex_client.errors import SerializerError
from cachex_client.keys import Key, Version

MISSING = -2  # what a server says of a key that is not there


class CounterVerbs(Verbs):
    """The verbs of a cache that count."""

    def incr(
        self, key: Key, delta: int = 1, version: Version | None = None, *, create: bool = False
    ) -> int:
        """Add to a stored whole number and return the sum; its end stays as it was.

        One round trip, and no other client comes in between. If there is no such key, `ValueError`,
        or with `create` it begins at 0 and never ends; `redis.exceptions.ResponseError` if the
        value is no whole number, or the sum none of 64 bits. Never sent twice, so that a lost
        connection does not count twice.
        """
        self.codec.refuse_counting("incr")
        wire = self.keyspace.wire(key, version)
        if create:
            total: int | None = self._run("incr", commands.incrby(wire, whole(delta)))
        else:
            try:
                total = self._run("incr", increment(wire, delta))
            except NoScriptError:
                total = self._run("incr", increment(wire, delta, by_text=True))
        if total is None:
            raise ValueError(f"Key '{key}' not found")
        if audience.counters:
            tell("wrote", self.name, "incr", 1)
        return total

    def decr(self, key: Key, delta: int = 1, version: Version | None = None) -> int:
        """Subtract from a stored whole number: `incr` with the sign turned."""
        return self.incr(key, -delta, version)

    def incr_version(self, key: Key, delta: int = 1, version: Version | None = None) -> int:
        """Move a value to another version, with what is left of its time, and return that version.

        Three round trips: read both, write, remove the old key. The keys may be on different
        servers of a cluster; whoever looks in between finds the value under both versions.
        `ValueError` if there is no such key.
        """
        if audience.observers:
            work = self._incr_version
            moved: int = self._whole("incr_version", work, key, delta, version)
            return moved
        return self._incr_version(key, delta, version)

    def _incr_version(self, key: Key, delta: int, version: Version | None) -> int:
        old = self.keyspace.version if version is None else version
        new = int(old) + delta
        source = self.keyspace.wire(key, old)
        stored, left = self._all(
            on_primary(commands.get(source).then(as_stored)), on_primary(commands.pttl(source))
        )
        if stored is None or left == MISSING:
            raise ValueError(f"Key '{key}' not found")
        target = self.keyspace.wire(key, new)
        if target == source:  # a `delta` of 0, or a key function that leaves versions out
            return new
        px = None if left < 0 else max(1, left)
        try:
            command = commands.set(target, self.codec.moved(stored, source, target), px=px)
        except SerializerError as error:
            del stored
            raise discreet(error.at(source))  # noqa: B904  without what led to it
        self.client.execute(command)
        self.client.execute(commands.unlink(source))
        if audience.counters:
            tell("wrote", self.name, "incr_version", 1)
        return new

    def decr_version(self, key: Key, delta: int = 1, version: Version | None = None) -> int:
        """Move a value to an earlier version: `incr_version` with the sign turned."""
        return self.incr_version(key, -delta, version)
