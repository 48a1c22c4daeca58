# Written by tools/unasync.py from _async/cache.py: edit that file instead.
"""The verbs of a cache, without Django: keys and values in, one call down, values out."""

from collections.abc import Callable
from typing import Any

from cachex_client import commands
from cachex_client._sync.bulk import BulkVerbs
from cachex_client._sync.cache_pipeline import PipelineVerbs
from cachex_client._sync.configured import Configured
from cachex_client._sync.coordination import CoordinationVerbs
from cachex_client._sync.counters import CounterVerbs
from cachex_client._sync.expiry import ExpiryVerbs
from cachex_client._sync.flights import flights
from cachex_client._sync.keyspace import KeyspaceVerbs
from cachex_client._sync.scans import ScanVerbs
from cachex_client._sync.structures import StructureVerbs
from cachex_client._concurrency import monotonic
from cachex_client.command import on_primary
from cachex_client.defaults import value_of
from cachex_client.keys import Key, Version
from cachex_client.timeouts import DEFAULT, Timeout

NOTHING = object()  # what no cache holds


class Cache(
    BulkVerbs,
    CoordinationVerbs,
    CounterVerbs,
    ExpiryVerbs,
    KeyspaceVerbs,
    PipelineVerbs,
    ScanVerbs,
    StructureVerbs,
    Configured,
):
    """Keeps values under keys on the servers of a client.

    `keys` says where a value is stored, `codec` how, `timeout` how long in seconds if a call does
    not say, None for ever. Errors are raised: the server's as `redis.exceptions`, trouble with
    connections as `cachex_pool.PoolError`, a value that cannot be read as `SerializerError`.

    Timeouts are seconds with a precision of a millisecond; 0 and less remove a key, or store
    nothing. A verb for many keys makes one call to the client, which writes to every server before
    it reads from any.
    """

    def get(self, key: Key, default: Any = None, version: Version | None = None) -> Any:
        """Return a value, or `default` if there is none; a stored None is a value."""
        stored = self.client.execute(commands.get(self.keyspace.wire(key, version)))
        return default if stored is None else self.codec.loads(stored)

    def set(
        self,
        key: Key,
        value: Any,
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> bool:
        """Store a value; return False if `nx` or `xx` kept it from being stored.

        `nx` stores only where there is nothing, `xx` only where there is something.
        """
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px == 0:
            return self._store_nothing(wire, nx=nx, xx=xx)
        stored: bool = self.client.execute(
            commands.set(wire, self.codec.dumps(value), px=px, nx=nx, xx=xx)
        )
        return stored

    def add(
        self, key: Key, value: Any, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> bool:
        """Store a value where there is none; return False if there is one."""
        return self.set(key, value, timeout, version, nx=True)

    def get_or_set(
        self,
        key: Key,
        default: Any | Callable[[], Any],
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
    ) -> Any:
        """Return a value; if there is none, store `default`, or what it returns if it is callable.

        Of those in this process who ask for the same key side by side, one calls his `default`,
        and all get a copy of what he got; if that fails, he gets the error and the next one tries.
        Another process may find nothing too: then all get what was stored first.
        """
        since = monotonic()
        value = self.get(key, NOTHING, version)
        if value is not NOTHING:
            return value
        if not callable(default):
            value = value_of(default)
            if self.add(key, value, timeout, version):
                return value
            return self.get(key, value, version)
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        made: list[Any] = []

        def look() -> bytes | None:
            return self.client.execute(on_primary(commands.get(wire)))

        def make() -> bytes:
            value = value_of(default)
            stored = self.codec.dumps(value)
            if px == 0:
                first = look()
            elif self.client.execute(commands.set(wire, stored, px=px, nx=True)):
                first = None
            else:
                first = look()
            if first is not None:
                return first
            made.append(value)
            return stored

        stored = flights.bring((id(self.client), wire), since, look, make)
        return made[0] if made else self.codec.loads(stored)

    def delete(self, key: Key, version: Version | None = None) -> bool:
        """Remove a key; return False if there was none."""
        return self.client.execute(commands.unlink(self.keyspace.wire(key, version))) > 0

    def has_key(self, key: Key, version: Version | None = None) -> bool:
        """Return whether there is such a key."""
        return self.client.execute(commands.exists(self.keyspace.wire(key, version))) > 0

    def touch(
        self, key: Key, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> bool:
        """Give a key a new time to live; return False if there is no such key."""
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px is None:  # PERSIST does not tell a missing key from one without an end
            there, _ = self._all(on_primary(commands.exists(wire)), commands.persist(wire))
            return bool(there)
        if px == 0:
            return self.client.execute(commands.unlink(wire)) > 0
        return self.client.execute(commands.pexpire(wire, px))

    def _store_nothing(self, wire: bytes, *, nx: bool, xx: bool) -> bool:
        """Do as if a value had been stored and its time were over."""
        if nx:
            return self.client.execute(on_primary(commands.exists(wire))) == 0
        removed = self.client.execute(commands.unlink(wire))
        return removed > 0 if xx else True
