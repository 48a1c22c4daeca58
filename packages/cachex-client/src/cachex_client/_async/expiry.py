# tools/unasync.py writes the sync twin of this file.
"""How long keys live."""

from datetime import datetime, timedelta

from cachex_client import commands
from cachex_client._async.verbs import AsyncVerbs
from cachex_client.keys import Key, Version
from cachex_client.timeouts import (
    NEVER_ENDS,
    PER_MILLISECOND,
    PER_SECOND,
    Default,
    ending,
    unix_milliseconds,
)


class AsyncExpiryVerbs(AsyncVerbs):
    """The verbs of a cache that read and set the end of a key; one round trip each."""

    async def ttl(self, key: Key, version: Version | None = None) -> int | None:
        """Return the whole seconds left, None if the key never ends, -2 if there is no such key."""
        left = await self._run("ttl", commands.ttl(self.keyspace.wire(key, version)))
        return None if left == NEVER_ENDS else left

    async def pttl(self, key: Key, version: Version | None = None) -> int | None:
        """Return the milliseconds left, None if the key never ends, -2 if there is no such key."""
        left = await self._run("pttl", commands.pttl(self.keyspace.wire(key, version)))
        return None if left == NEVER_ENDS else left

    async def expire(
        self, key: Key, timeout: float | timedelta | Default, version: Version | None = None
    ) -> bool:
        """Let a key end in `timeout` seconds, at once if there are none; False if it is missing.

        With `DEFAULT` in the cache's own timeout.
        """
        wire = self.keyspace.wire(key, version)
        return await self._run("expire", commands.pexpire(wire, ending(self._px(timeout))))

    async def pexpire(
        self, key: Key, timeout: int | timedelta | Default, version: Version | None = None
    ) -> bool:
        """Let a key end in `timeout` milliseconds; False if it is missing."""
        if isinstance(timeout, (int, float)):
            timeout = timedelta(milliseconds=timeout)
        wire = self.keyspace.wire(key, version)
        return await self._run("pexpire", commands.pexpire(wire, ending(self._px(timeout))))

    async def expire_at(
        self, key: Key, when: float | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in seconds; False if it is missing."""
        wire, end = self.keyspace.wire(key, version), unix_milliseconds(when, PER_SECOND)
        return await self._run("expire_at", commands.pexpireat(wire, end))

    async def pexpire_at(
        self, key: Key, when: int | datetime, version: Version | None = None
    ) -> bool:
        """Let a key end at a date or a Unix time in milliseconds; False if it is missing."""
        wire, end = self.keyspace.wire(key, version), unix_milliseconds(when, PER_MILLISECOND)
        return await self._run("pexpire_at", commands.pexpireat(wire, end))

    async def persist(self, key: Key, version: Version | None = None) -> bool:
        """Let a key never end; False if it is missing or had no end."""
        return await self._run("persist", commands.persist(self.keyspace.wire(key, version)))
