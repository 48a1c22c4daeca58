# Written by tools/unasync.py from _async/keyspace.py: edit that file instead.
"""Finding keys by pattern, and removing many."""

from collections.abc import Iterator, Callable, Sequence
from typing import Any

from cachex_client import commands
from cachex_client._sync.verbs import Verbs
from cachex_client._audience import audience, tell
from cachex_client.keys import Version

BATCH = 1_000  # keys in one SCAN or UNLINK: what a server does in about a millisecond


class KeyspaceVerbs(Verbs):
    """The verbs of a cache that look through all its keys.

    They read every key of every primary in batches of `itersize`, whether it matches or not: for
    maintenance, not for requests. Keys that come or go meanwhile may or may not be seen.
    """

    def iter_keys(
        self, pattern: str = "*", version: Version | None = None, itersize: int = BATCH
    ) -> Iterator[str]:
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
        for batch in batches:
            for key in self.keyspace.callers(search.own(batch), version):
                yield key

    def keys(self, pattern: str = "*", version: Version | None = None) -> list[str]:
        """Return the callers' keys that match a glob pattern, each once; see `iter_keys`."""
        if audience.observers:
            return self._whole("keys", self._keys, pattern, version)  # type: ignore[no-any-return]
        return self._keys(pattern, version)

    def _keys(self, pattern: str, version: Version | None) -> list[str]:
        search = self.keyspace.search(pattern, version)
        found: dict[str, None] = {}
        for batch in self.client.scan(search.pattern, BATCH):
            found |= dict.fromkeys(self.keyspace.callers(search.own(batch), version))
        return list(found)

    def delete_pattern(
        self, pattern: str, version: Version | None = None, itersize: int = BATCH
    ) -> int:
        """Remove the keys of one version that match a glob pattern; return how many there were.

        `ConfigurationError` if a function makes keys that no pattern finds.
        """
        search = self.keyspace.search(pattern, version)
        found = self.client.scan(search.pattern, itersize)
        return self._unlink_told("delete_pattern", found, search.own)

    def clear(self) -> int:
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
            removed = self._told_of_removal("clear", self._empty)
        else:
            search = self.keyspace.search_all()
            found = self.client.scan(search.pattern, BATCH)
            removed = self._unlink_told("clear", found, search.own)
        return removed

    def flush_db(self) -> None:
        """Remove every key of the database on every primary, whoever wrote it."""
        if audience.observers:
            self._whole("flush_db", self._flush_db)
        else:
            self._flush_db()

    def _empty(self) -> int:
        """Empty the database on every primary; return how many keys there were."""
        counts = self.client.execute_everywhere(commands.dbsize())
        self._flush_db()
        return sum(0 if isinstance(one, Exception) else one for one in counts)

    def _flush_db(self) -> None:
        for result in self.client.execute_everywhere(commands.flushdb()):
            if isinstance(result, Exception):
                raise result

    def _unlink_told(
        self,
        operation: str,
        found: Iterator[list[bytes]],
        select: Callable[[list[bytes]], list[bytes]],
    ) -> int:
        """Remove what is found, and tell observers of it."""
        return self._told_of_removal(operation, self._unlink, found, select)

    def _told_of_removal(self, operation: str, work: Any, *arguments: Any) -> int:
        """Do what removes keys and returns how many, and tell observers of it."""
        if not audience.observers:
            return work(*arguments)  # type: ignore[no-any-return]
        removed: int = self._whole(operation, work, *arguments)
        if removed:
            tell("deleted", self.name, operation, removed)
        return removed

    def _unlink(
        self,
        found: Iterator[list[bytes]],
        select: Callable[[list[bytes]], list[bytes]],
    ) -> int:
        """Remove what is found, in batches that are neither large nor, as far as can be, small."""
        removed, pending = 0, list[bytes]()
        for batch in found:
            pending += select(batch)
            while len(pending) >= BATCH:
                removed += self._unlink_batch(pending[:BATCH])
                del pending[:BATCH]
        return removed + self._unlink_batch(pending)

    def _unlink_batch(self, keys: Sequence[bytes]) -> int:
        removed = 0
        for part in self.client.delete_many(keys) if keys else ():
            if isinstance(part, Exception):
                raise part
            removed += part
        return removed
