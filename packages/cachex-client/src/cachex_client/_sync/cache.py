# Written by tools/unasync.py from _async/cache.py: edit that file instead.
"""The verbs of a cache, without Django: keys and values in, one call down, values out."""

from collections.abc import Callable
from typing import Any

from cachex_client import commands
from cachex_client._sync.bulk import BulkVerbs
from cachex_client._sync.configured import Configured
from cachex_client._sync.counters import CounterVerbs
from cachex_client._sync.expiry import ExpiryVerbs
from cachex_client._sync.keyspace import KeyspaceVerbs
from cachex_client._sync.lock import Lock
from cachex_client.command import on_primary
from cachex_client.defaults import value_of
from cachex_client.keys import Key, Version
from cachex_client.timeouts import DEFAULT, Timeout

NOTHING = object()  # what no cache holds


class Cache(
    BulkVerbs, CounterVerbs, ExpiryVerbs, KeyspaceVerbs, Configured
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

        Two callers may both find nothing and call `default`: both get what the first one stored.
        """
        value = self.get(key, NOTHING, version)
        if value is not NOTHING:
            return value
        value = value_of(default)
        if self.add(key, value, timeout, version):
            return value
        return self.get(key, value, version)

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

    def lock(
        self,
        key: Key,
        version: Version | None = None,
        *,
        timeout: float | None = None,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | None = None,
        thread_local: bool = True,
    ) -> Lock:
        """Return a lock under a key of this cache, which `with` or `acquire` then takes.

        `timeout` is for how many seconds the lock holds at most, None for ever; `blocking_timeout`
        how many to wait for it, pausing for about `sleep` between attempts.
        """
        return Lock(
            self.client.redis,
            self.keyspace.wire(key, version),
            timeout=timeout,
            sleep=sleep,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            thread_local=thread_local,
        )

    def _store_nothing(self, wire: bytes, *, nx: bool, xx: bool) -> bool:
        """Do as if a value had been stored and its time were over."""
        if nx:
            return self.client.execute(on_primary(commands.exists(wire))) == 0
        removed = self.client.execute(commands.unlink(wire))
        return removed > 0 if xx else True
