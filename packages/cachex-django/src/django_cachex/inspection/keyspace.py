"""Walking over the keys of a cache, batch by batch."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from cachex_client import Cache, commands
from cachex_client.command import on_primary
from cachex_client.keys import Keys, Search

BATCH = 1000


@attrs.frozen
class Key:
    """A key as callers know it; milliseconds it has left, None for ever, -2 if it is gone."""

    name: str
    pttl: int | None = None


@attrs.frozen(kw_only=True)
class Scope:
    """
    Which keys are meant: a glob pattern in a version; without a pattern, all of the prefix.

    Without a version it is the cache's own, or, if there is no pattern either, all of them.
    """

    pattern: str | None = None
    version: int | str | None = None
    whole_database: bool = False

    def is_everything(self, keys: Keys) -> bool:
        """Return whether the whole database is meant, as by `clear()` with CLEAR="database"."""
        return self.whole_database or (self._whole_cache and keys.owns_database)

    @property
    def _whole_cache(self) -> bool:
        return self.pattern is None and self.version is None

    def search(self, keys: Keys) -> Search:
        """Return what finds the keys; ConfigurationError if nothing does."""
        if self.is_everything(keys):
            return Search(b"*", lambda stored: True)
        if self._whole_cache:
            return keys.search_all()
        return keys.search(self.pattern or "*", self.version)

    def told(self, cache: Any) -> str:
        """Return the words for it."""
        if self.is_everything(cache._keys):
            return "ALL keys of the database, whoever wrote them"
        prefix = f"KEY_PREFIX {cache.key_prefix!r}" if cache.key_prefix else "no KEY_PREFIX"
        if self._whole_cache:
            return f"the keys of all versions with {prefix}"
        version = cache.version if self.version is None else self.version
        return f"the keys of version {version} with {prefix} that match {self.pattern or '*'!r}"


def plain(cache: Any) -> Cache:
    """
    Return the verbs of a Django cache as its client has them.

    With IGNORE_EXCEPTIONS a cache that is away looks empty, which is not what whoever asks here
    wants to hear.
    """
    return Cache(cache.client.executor, cache._keys, cache.codec)


def size(verbs: Cache) -> int:
    """Return how many keys there are in the databases of all primaries, whoever wrote them."""
    counts = verbs.client.execute_everywhere(commands.dbsize())
    for one in counts:
        if isinstance(one, Exception):
            raise one
    return sum(counts)


def stored(
    verbs: Cache, scope: Scope, advance: Callable[[int], None] = lambda scanned: None
) -> Iterator[list[bytes]]:
    """
    Yield the stored keys of a scope, batch by batch, as SCAN finds them.

    As with SCAN, a key may come twice. `advance` hears how many keys were looked at, roughly.
    """
    search = scope.search(verbs.keyspace)
    for batch in verbs.client.scan(search.pattern, BATCH):
        advance(BATCH)
        if found := search.own(batch):
            yield found


def listed(
    verbs: Cache,
    scope: Scope,
    *,
    ttl: bool = False,
    advance: Callable[[int], None] = lambda scanned: None,
) -> Iterator[Key]:
    """Yield the keys of a scope as callers know them, with the time they have left if `ttl`."""
    for batch in stored(verbs, scope, advance):
        names = verbs.keyspace.callers(batch, scope.version)
        if not ttl:
            yield from map(Key, names)
            continue
        left = verbs.client.execute_many([on_primary(commands.pttl(key)) for key in batch])
        for name, milliseconds in zip(names, left, strict=True):
            if isinstance(milliseconds, Exception):
                raise milliseconds
            yield Key(name, None if milliseconds == -1 else milliseconds)


def remove(
    verbs: Cache, scope: Scope, advance: Callable[[int], None] = lambda scanned: None
) -> int:
    """Remove the keys of a scope; return how many there were."""
    removed = 0
    for batch in stored(verbs, scope, advance):
        for part in verbs.client.delete_many(batch):
            if isinstance(part, Exception):
                raise part
            removed += part
    return removed
