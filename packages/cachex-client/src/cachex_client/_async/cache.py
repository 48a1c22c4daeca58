# tools/unasync.py writes the sync twin of this file.
"""The verbs of a cache, without Django: keys and values in, one call down, values out."""

from collections.abc import Callable
from typing import Any

from cachex_client import commands
from cachex_client._async.bulk import AsyncBulkVerbs
from cachex_client._async.cache_pipeline import AsyncPipelineVerbs
from cachex_client._async.configured import AsyncConfigured
from cachex_client._async.coordination import AsyncCoordinationVerbs
from cachex_client._async.counters import AsyncCounterVerbs
from cachex_client._async.expiry import AsyncExpiryVerbs
from cachex_client._async.flights import async_flights
from cachex_client._async.keyspace import AsyncKeyspaceVerbs
from cachex_client._async.renames import AsyncRenameVerbs
from cachex_client._async.scans import AsyncScanVerbs
from cachex_client._audience import audience, tell
from cachex_client._concurrency import monotonic
from cachex_client.codec import discreet
from cachex_client.command import Command, on_primary
from cachex_client.defaults import async_value_of
from cachex_client.errors import SerializerError
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import exclusive
from cachex_client.timeouts import DEFAULT, Timeout

NOTHING = object()  # what no cache holds


class AsyncCache(
    AsyncBulkVerbs,
    AsyncCoordinationVerbs,
    AsyncCounterVerbs,
    AsyncExpiryVerbs,
    AsyncKeyspaceVerbs,
    AsyncPipelineVerbs,
    AsyncRenameVerbs,
    AsyncScanVerbs,
    AsyncConfigured,
):
    """Keeps values under keys on the servers of a client.

    `keys` says where a value is stored, `codec` how, `timeout` how long in seconds if a call does
    not say, None for ever. Errors are raised: the server's as `redis.exceptions`, trouble with
    connections as `cachex_pool.PoolError`, a value that cannot be read as `SerializerError`.

    Timeouts are seconds with a precision of a millisecond; 0 and less remove a key, or store
    nothing. A verb for many keys makes one call to the client, which writes to every server before
    it reads from any.
    """

    async def get(self, key: Key, default: Any = None, version: Version | None = None) -> Any:
        """Return a value, or `default` if there is none; a stored None is a value."""
        wire = self.keyspace.wire(key, version)
        command = commands.get(wire)
        if audience.observers:
            command.origin = self._origins["get"]
            if audience.counters:
                return await self._get_counted("get", wire, command, default)
        stored = await self.client.execute(command)
        try:
            return default if stored is None else self.codec.loads(stored, wire)
        except SerializerError as error:
            del stored  # no traceback shows it
            error.at(wire)
            raise

    async def _get_counted(
        self, operation: str, wire: bytes, command: Command[bytes | None], default: Any
    ) -> Any:
        """Do as `get`, and tell observers what came of it."""
        try:
            stored = await self.client.execute(command)
            value = default if stored is None else self.codec.loads(stored, wire)
        except Exception as error:
            tell("looked_up", self.name, operation, 0, 0, 1)
            if isinstance(error, SerializerError):
                del stored  # no traceback shows it
                error.at(wire)
            raise
        if stored is None:
            tell("looked_up", self.name, operation, 0, 1, 0)
        else:
            tell("looked_up", self.name, operation, 1, 0, 0)
        return value

    async def set(
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

        `nx` stores only where there is nothing, `xx` only where there is something; ValueError for
        both.
        """
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px == 0:
            return await self._store_nothing(wire, nx=nx, xx=xx)
        command = commands.set(wire, self.codec.dumps(value, wire), px=px, nx=nx, xx=xx)
        if audience.observers:
            command.origin = self._origins["add" if nx else "set"]
        stored: bool = await self.client.execute(command)
        if stored and audience.counters:
            tell("wrote", self.name, "add" if nx else "set", 1)
        return stored

    async def add(
        self, key: Key, value: Any, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> bool:
        """Store a value where there is none; return False if there is one."""
        return await self.set(key, value, timeout, version, nx=True)

    async def get_or_set(
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
        try:
            if audience.observers:
                work = self._get_or_set
                return await self._whole("get_or_set", work, key, default, timeout, version)
            return await self._get_or_set(key, default, timeout, version)
        except SerializerError as error:
            raise discreet(error)  # noqa: B904  without what led to it

    def _loads(self, wire: bytes, stored: bytes) -> Any:
        try:
            return self.codec.loads(stored, wire)
        except SerializerError as error:
            error.at(wire)
            raise

    async def _get_or_set(
        self, key: Key, default: Any, timeout: Timeout, version: Version | None
    ) -> Any:
        since = monotonic()
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if audience.counters:
            value = await self._get_counted("get_or_set", wire, commands.get(wire), NOTHING)
        else:
            stored = await self.client.execute(commands.get(wire))
            value = NOTHING if stored is None else self._loads(wire, stored)
        if value is not NOTHING:
            return value
        made: list[Any] = []

        async def look() -> bytes | None:
            return await self.client.execute(on_primary(commands.get(wire)))

        async def make() -> bytes:
            value = await async_value_of(default)
            stored = self.codec.dumps(value, wire)
            if px == 0:
                first = await look()
            elif await self.client.execute(commands.set(wire, stored, px=px, nx=True)):
                first = None
                if audience.counters:
                    tell("wrote", self.name, "get_or_set", 1)
            else:
                first = await look()
            if first is not None:
                return first
            made.append(value)
            return stored

        if not callable(default):
            stored = await make()
            return made[0] if made else self._loads(wire, stored)
        stored = await async_flights.bring(self.client, (wire, self.codec), since, look, make)
        return made[0] if made else self._loads(wire, stored)

    async def delete(self, key: Key, version: Version | None = None) -> bool:
        """Remove a key; return False if there was none."""
        removed = await self._run("delete", commands.unlink(self.keyspace.wire(key, version)))
        if removed and audience.counters:
            tell("deleted", self.name, "delete", 1)
        return removed > 0

    async def has_key(self, key: Key, version: Version | None = None) -> bool:
        """Return whether there is such a key."""
        return await self._run("has_key", commands.exists(self.keyspace.wire(key, version))) > 0

    async def touch(
        self, key: Key, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> bool:
        """Give a key a new time to live; return False if there is no such key."""
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px is None:  # PERSIST does not tell a missing key from one without an end
            exists, persist = on_primary(commands.exists(wire)), commands.persist(wire)
            if audience.observers:
                exists.origin = persist.origin = self._origins["touch"]
            there, _ = await self._all(exists, persist)
            return bool(there)
        if px == 0:
            return await self._run("touch", commands.unlink(wire)) > 0
        return await self._run("touch", commands.pexpire(wire, px))

    async def _store_nothing(self, wire: bytes, *, nx: bool, xx: bool) -> bool:
        """Do as if a value had been stored and its time were over."""
        if exclusive(nx=nx, xx=xx) == "NX":
            return await self._run("add", on_primary(commands.exists(wire))) == 0
        removed = await self._run("set", commands.unlink(wire))
        if removed and audience.counters:
            tell("deleted", self.name, "set", 1)
        return removed > 0 if xx else True
