# tools/unasync.py writes the sync twin of this file.
"""Django's cache API and what this package adds to it, written once for both colours."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.exceptions import SynchronousOnlyOperation

from cachex_client import AsyncCachePipeline, async_as_operation
from django_cachex._async.coordination import AsyncCoordination
from django_cachex._async.scans import AsyncScans
from django_cachex._async.structures import AsyncStructures
from django_cachex._concurrency import async_encoded
from django_cachex.core import Timeout, Version, held_for


class AsyncOperations(AsyncCoordination, AsyncScans, AsyncStructures):
    """
    The verbs of a cache, each on one call of `cachex_client`.

    `version` is the one of the cache if not given. Timeouts are seconds; None never expires, 0
    and less expires at once, and without one the TIMEOUT of the cache holds. Errors of the server
    are raised as redis-py's, trouble with connections as those of `cachex_pool`, which are
    redis-py's too; with IGNORE_EXCEPTIONS trouble is answered as `failures` tells.
    """

    # One key

    async def aget(self, key: Any, default: Any = None, version: Version = None) -> Any:
        """Return the value, which may be None, or `default` if there is none."""
        return await self._acache.get(key, default, version)

    async def aset(  # type: ignore[override]  # Django's stubs say that it returns nothing
        self,
        key: Any,
        value: Any,
        timeout: Timeout = DEFAULT_TIMEOUT,
        version: Version = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> bool:
        """
        Store a value and return whether it was stored.

        `nx` stores only what is not there yet, `xx` only what is.
        """
        seconds = self.get_backend_timeout(timeout)
        try:
            return await self._acache.set(key, value, seconds, version, nx=nx, xx=xx)
        except SynchronousOnlyOperation:  # pickling has to ask the database
            wire = self._keys.wire(key, version)
            stored = await async_encoded(self.codec.dumps, value, wire)
            return await self._averbatim.set(key, stored, seconds, version, nx=nx, xx=xx)

    async def aadd(
        self,
        key: Any,
        value: Any,
        timeout: Timeout = DEFAULT_TIMEOUT,
        version: Version = None,
    ) -> bool:
        """Store a value if the key is not there yet, and return whether it was stored."""
        seconds = self.get_backend_timeout(timeout)
        try:
            return await self._acache.add(key, value, seconds, version)
        except SynchronousOnlyOperation:
            wire = self._keys.wire(key, version)
            stored = await async_encoded(self.codec.dumps, value, wire)
            return await self._averbatim.add(key, stored, seconds, version)

    async def aget_or_set(
        self,
        key: Any,
        default: Any,
        timeout: Timeout = DEFAULT_TIMEOUT,
        version: Version = None,
    ) -> Any:
        """
        Return the value; if there is none, store `default`, or what it returns if callable.

        Of the threads of a process, or the tasks of a loop, one calls its `default` at a time for
        a key; the others wait, and get a copy of what it got.
        """
        alias, make = self._shared.config.alias, self._async_get_or_make
        return await async_as_operation(alias, "get_or_set", make, key, default, timeout, version)

    async def _async_get_or_make(
        self, key: Any, default: Any, timeout: Timeout, version: Version
    ) -> Any:
        since = monotonic()
        value = await self.aget(key, self._missing_key, version)
        if value is not self._missing_key:
            return value
        if callable(default):
            return await self._async_made(key, default, timeout, version, since)
        if await self.aadd(key, default, timeout, version):
            return default
        return await self.aget(key, default, version)  # somebody else was faster

    async def adelete(self, key: Any, version: Version = None) -> bool:
        """Remove a key and return whether it was there."""
        return await self._acache.delete(key, version)

    async def atouch(
        self, key: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: Version = None
    ) -> bool:
        """Let a key expire after `timeout` from now; False if it is not there."""
        return await self._acache.touch(key, self.get_backend_timeout(timeout), version)

    async def ahas_key(self, key: Any, version: Version = None) -> bool:
        """Tell whether a key is there."""
        return await self._acache.has_key(key, version)

    # Numbers and versions

    async def aincr(
        self, key: Any, delta: int = 1, version: Version = None, *, ignore_key_check: bool = False
    ) -> int:
        """
        Add to a whole number and return the sum, atomically; the key keeps its timeout.

        ValueError if the key is not there, or with `ignore_key_check` a key that begins at 0 and
        never expires; redis-py's ResponseError if it holds something else.
        """
        return await self._acache.incr(key, delta, version, create=ignore_key_check)

    async def adecr(self, key: Any, delta: int = 1, version: Version = None) -> int:
        """Subtract from a whole number and return the difference, as when adding."""
        return await self.aincr(key, -delta, version)

    async def aincr_version(self, key: Any, delta: int = 1, version: Version = None) -> int:
        """Move a value to a later version, which is returned; ValueError if it is not there."""
        return await self._acache.incr_version(key, delta, version)

    async def adecr_version(self, key: Any, delta: int = 1, version: Version = None) -> int:
        """Move a value to an earlier version, which is returned."""
        return await self.aincr_version(key, -delta, version)

    # Many keys

    async def aget_many(self, keys: Iterable[Any], version: Version = None) -> dict[Any, Any]:
        """Return the values that are there, by key."""
        return await self._acache.get_many(keys, version)

    async def aset_many(
        self,
        data: Mapping[Any, Any],
        timeout: Timeout = DEFAULT_TIMEOUT,
        version: Version = None,
    ) -> list[Any]:
        """Store many values, all with one timeout; return the keys that could not be stored."""
        seconds = self.get_backend_timeout(timeout)
        try:
            return await self._acache.set_many(data, seconds, version)
        except SynchronousOnlyOperation:
            wires = self._keys.wire_many(data, version)
            stored = await async_encoded(self.codec.dumps_many, data.values(), wires)
            ready = dict(zip(data, stored, strict=True))
            return await self._averbatim.set_many(ready, seconds, version)

    async def adelete_many(  # type: ignore[override]  # Django's stubs say: nothing
        self, keys: Iterable[Any], version: Version = None
    ) -> int | None:
        """Remove many keys and return how many there were; without keys nothing, as Django's."""
        names = list(keys)
        return await self._acache.delete_many(names, version) if names else None

    async def atouch_many(
        self,
        keys: Iterable[Any],
        timeout: Timeout = DEFAULT_TIMEOUT,
        version: Version = None,
    ) -> Any:
        """Let many keys expire after `timeout` from now."""
        return await self._acache.touch_many(keys, self.get_backend_timeout(timeout), version)

    async def aincr_many(
        self, deltas: Mapping[Any, int], version: Version = None
    ) -> dict[Any, int]:
        """Add to many numbers and return the sums by key; keys that are not there are left out."""
        return await self._acache.incr_many(deltas, version)

    # Timeouts

    async def attl(self, key: Any, version: Version = None) -> int | None:
        """Return the seconds a key has left: None if it never expires, -2 if it is not there."""
        return await self._acache.ttl(key, version)

    async def apttl(self, key: Any, version: Version = None) -> int | None:
        """Return the milliseconds a key has left: None for ever, -2 if it is not there."""
        return await self._acache.pttl(key, version)

    async def aexpire(self, key: Any, timeout: Timeout, version: Version = None) -> bool:
        """Let a key expire after `timeout` seconds; False if it is not there."""
        return await self._acache.expire(key, self._lasting(timeout), version)

    async def apexpire(self, key: Any, timeout: Timeout, version: Version = None) -> bool:
        """
        Let a key expire after `timeout` milliseconds; False if it is not there.

        With DEFAULT_TIMEOUT after the TIMEOUT of the cache, which is in seconds.
        """
        return await self._acache.pexpire(key, self._lasting(timeout), version)

    async def aexpire_at(self, key: Any, when: float | datetime, version: Version = None) -> bool:
        """Let a key expire at a time, as date or in Unix seconds; False if it is not there."""
        return await self._acache.expire_at(key, when, version)

    async def apexpire_at(self, key: Any, when: int | datetime, version: Version = None) -> bool:
        """Let a key expire at a time, as date or in Unix milliseconds; False if it is not there."""
        return await self._acache.pexpire_at(key, when, version)

    async def apersist(self, key: Any, version: Version = None) -> bool:
        """Let a key never expire; False if it is not there or never did."""
        return await self._acache.persist(key, version)

    # Patterns

    async def akeys(self, pattern: str = "*", version: Version = None) -> list[str]:
        """Return the keys that match a glob pattern, as they were given."""
        found: dict[str, None] = {}  # SCAN may name a key twice
        async for key in self.aiter_keys(pattern, version=version):
            found[key] = None
        return list(found)

    def aiter_keys(
        self, pattern: str = "*", *, version: Version = None, itersize: int | None = None
    ) -> AsyncIterator[str]:
        """
        Yield the keys that match a glob pattern, fetched by `itersize`, without blocking.

        `version` has to be named: what other backends take in its place is `itersize`.
        """
        size = self._itersize if itersize is None else itersize
        return self._acache.iter_keys(pattern, version, itersize=size)

    async def adelete_pattern(
        self, pattern: str, version: Version = None, *, itersize: int | None = None
    ) -> int:
        """Remove the keys that match a glob pattern and return how many there were."""
        size = self._itersize if itersize is None else itersize
        return await self._acache.delete_pattern(pattern, version, itersize=size)

    async def aclear(self) -> Any:
        """
        Remove all keys of this cache's KEY_PREFIX, of all versions, and no others; return how many.

        What another entry of CACHES with a longer prefix may have stored is left alone. With
        CLEAR="database" everything in the database goes, on every primary. ConfigurationError if a
        KEY_FUNCTION makes keys that cannot be listed, or not be distinguished from those of others.
        """
        return await self._acache.clear()

    async def aflush_db(self) -> Any:
        """Remove all keys of the database, whoever wrote them."""
        return await self._acache.flush_db()

    # The rest

    def apipeline(self, transaction: bool = False, version: Version = None) -> AsyncCachePipeline:
        """
        Return a pipeline: methods that are kept until its `execute`, then sent in one write.

        With `transaction` they run between MULTI and EXEC; `version` is that of all keys for which
        a call names no other. With IGNORE_EXCEPTIONS each result is what its method would answer.
        """
        pipeline = self._acache.pipeline(transaction, version)
        if self.default_timeout != self._shared.config.timeout:
            pipeline.commands = pipeline.commands.at(timeout=self.default_timeout)
        return pipeline

    def alock(
        self,
        key: Any,
        version: Version = None,
        timeout: float | timedelta | None = None,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | timedelta | None = None,
        thread_local: bool = True,
        *,
        lease: float | timedelta | None = None,
    ) -> Any:
        """
        Return a lock that all processes share, for `with` or `acquire` and `release`.

        `timeout` seconds after it was acquired it is free again, None for never; who waits for it
        tries every `sleep` seconds, for `blocking_timeout` seconds at most. `lease` is `timeout`
        by another name. IGNORE_EXCEPTIONS does not cover locks: to pretend to hold one would be
        worse than an error.
        """
        return self.client.async_redis.lock(
            self._keys.wire(key, version),
            timeout=held_for(timeout, lease),
            sleep=sleep,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            thread_local=thread_local,
        )

    def aget_lock(self, key: Any, version: Version = None, **options: Any) -> Any:
        """Return a lock: `lock` by another name."""
        return self.alock(key, version, **options)

    async def aclose(self, **kwargs: Any) -> None:
        """Do nothing: connections belong to the process and outlive a request."""
