# tools/unasync.py writes the sync twin of this file.
"""Finding keys by pattern, and removing many."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from cachex_client import commands
from cachex_client._async.verbs import AsyncVerbs
from cachex_client._audience import audience, tell
from cachex_client.keys import Version

BATCH = 1_000  # keys in one SCAN or UNLINK: what a server does in about a millisecond


class AsyncKeyspaceVerbs(AsyncVerbs):
    """The verbs of a cache that look through all its keys.

    They read every key of every primary in batches of `itersize`, whether it matches or not: for
    maintenance, not for requests. Keys that come or go meanwhile may or may not be seen.
    """

    async def iter_keys(
        self, pattern: str = "*", version: Version | None = None, itersize: int = BATCH
    ) -> AsyncIterator[str]:
        """Yield the callers' keys that match a glob pattern, of one version.

        A key may come twice, as SCAN says. `ConfigurationError` if a function makes the keys and
        nothing reverses it.
        """
        search = self.keyspace.search(pattern, version)
        if audience.observers:
            origin = self._origins["iter_keys"]
            batches = self.client.scan(search.pattern, itersize, origin=origin)
        else:
            batches = self.client.scan(search.pattern, itersize)
        async for batch in batches:
            for key in self.keyspace.callers(search.own(batch), version):
                yield key

    async def keys(self, pattern: str = "*", version: Version | None = None) -> list[str]:
        """Return the callers' keys that match a glob pattern, each once; see `iter_keys`."""
        if audience.observers:
            return await self._whole("keys", self._keys, pattern, version)  # type: ignore[no-any-return]
        return await self._keys(pattern, version)

    async def _keys(self, pattern: str, version: Version | None) -> list[str]:
        search = self.keyspace.search(pattern, version)
        found: dict[str, None] = {}
        async for batch in self.client.scan(search.pattern, BATCH):
            found |= dict.fromkeys(self.keyspace.callers(search.own(batch), version))
        return list(found)

    async def delete_pattern(
        self, pattern: str, version: Version | None = None, itersize: int = BATCH
    ) -> int:
        """Remove the keys of one version that match a glob pattern; return how many there were.

        `ConfigurationError` if a function makes keys that no pattern finds.
        """
        search = self.keyspace.search(pattern, version)
        found = self.client.scan(search.pattern, itersize)
        return await self._unlink_told("delete_pattern", found, search.own)

    async def clear(self) -> int:
        """Remove the keys of this prefix, of all versions, and nobody else's; return how many.

        Without a prefix these are the keys that begin with a colon. `Keys.search_all` says how keys
        and those of longer prefixes are distinguished. If the cache owns the database
        (CLEAR="database"), it is emptied on every primary, and the number is what was there just
        before.

        Raises:
            ConfigurationError: keys made by a function cannot be listed, or not be distinguished
                from those of other caches. `flush_db` empties the database, other programs' keys
                included.
        """
        if self.keyspace.owns_database:
            removed = await self._told_of_removal("clear", self._empty)
        else:
            search = self.keyspace.search_all()
            found = self.client.scan(search.pattern, BATCH)
            removed = await self._unlink_told("clear", found, search.own)
        return removed

    async def flush_db(self) -> None:
        """Remove every key of the database on every primary, whoever wrote it."""
        if audience.observers:
            await self._whole("flush_db", self._flush_db)
        else:
            await self._flush_db()

    async def _empty(self) -> int:
        """Empty the database on every primary; return how many keys there were."""
        counts = await self.client.execute_everywhere(commands.dbsize())
        await self._flush_db()
        return sum(0 if isinstance(one, Exception) else one for one in counts)

    async def _flush_db(self) -> None:
        for result in await self.client.execute_everywhere(commands.flushdb()):
            if isinstance(result, Exception):
                raise result

    async def _unlink_told(
        self,
        operation: str,
        found: AsyncIterator[list[bytes]],
        select: Callable[[list[bytes]], list[bytes]],
    ) -> int:
        """Remove what is found, and tell observers of it."""
        return await self._told_of_removal(operation, self._unlink, found, select)

    async def _told_of_removal(self, operation: str, work: Any, *arguments: Any) -> int:
        """Do what removes keys and returns how many, and tell observers of it."""
        if not audience.observers:
            return await work(*arguments)  # type: ignore[no-any-return]
        removed: int = await self._whole(operation, work, *arguments)
        if removed:
            tell("deleted", self.name, operation, removed)
        return removed

    async def _unlink(
        self,
        found: AsyncIterator[list[bytes]],
        select: Callable[[list[bytes]], list[bytes]],
    ) -> int:
        """Remove what is found, in batches that are neither large nor, as far as can be, small."""
        removed, pending = 0, list[bytes]()
        async for batch in found:
            pending += select(batch)
            while len(pending) >= BATCH:
                removed += await self._unlink_batch(pending[:BATCH])
                del pending[:BATCH]
        return removed + await self._unlink_batch(pending)

    async def _unlink_batch(self, keys: Sequence[bytes]) -> int:
        removed = 0
        for part in await self.client.delete_many(keys) if keys else ():
            if isinstance(part, Exception):
                raise part
            removed += part
        return removed
