"""What the cache objects of one CACHES entry have in common."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import attrs
from django.core.cache.backends.base import default_key_func

from cachex_client import AsyncCache, Cache, Codec, Redis
from cachex_client.keys import Keys
from django_cachex._async.forgiving import AsyncForgivingCache
from django_cachex._async.pickling import AsyncPicklingCache
from django_cachex._sync.forgiving import ForgivingCache
from django_cachex.client import DefaultClient
from django_cachex.commands import DjangoCommands
from django_cachex.failures import Failures
from django_cachex.keys import DjangoKeys
from django_cachex.neighbours import others_of
from django_cachex.settings import CacheConfig


@attrs.frozen
class Halves:
    """
    The verbs for threads and those for asyncio, with the same keys.

    The verbatim ones take values that are encoded already.
    """

    keys: Keys
    cache: Cache
    async_cache: AsyncCache
    verbatim: Cache
    async_verbatim: AsyncCache


@attrs.define
class Shared:
    """What all cache objects of one CACHES entry have in common."""

    config: CacheConfig
    client: DefaultClient
    failures: Failures
    _latest: tuple[tuple[Any, ...], Halves] | None = None

    @property
    def about_database(self) -> dict[str, Any]:
        """What `Keys` has to know of the database: who else stores there, if anybody."""
        return {
            "others": partial(others_of, self.config),
            "knows_others": self.config.other_prefixes is not None,
            "owns_database": self.config.owns_database,
        }

    def with_key_parts(self, prefix: str, version: int | str, function: Any) -> Halves:
        """Return the halves for Django's three parts of a key, made once for the latest."""
        parts = (prefix, version, function)
        latest = self._latest
        if latest is not None and latest[0] == parts:
            return latest[1]
        rule = None if function is default_key_func else function
        reverse = self.config.reverse_key_function
        keys = DjangoKeys(prefix, version, rule, reverse, **self.about_database)
        self._latest = (parts, self.with_keys(keys))
        return self._latest[1]

    def with_keys(self, keys: Keys) -> Halves:
        """Make the halves for other keys."""
        sync, asynchronous = self.client.executor, self.client.async_executor
        codec, name = self.config.codec, self.config.alias
        made: list[Any] = [
            _CacheWithClient(sync, keys, codec, name=name),
            AsyncPicklingCache(asynchronous, keys, codec, name=name),
            Cache(sync, keys, VERBATIM, name=name),
            AsyncCache(asynchronous, keys, VERBATIM, name=name),
        ]
        for one in made[:2]:
            one.commands = DjangoCommands(keys, codec, self.config.timeout)
        made[0].raw = self.client
        if self.config.ignore_exceptions:
            made = [
                ForgivingCache(one, self.failures)
                if isinstance(one, Cache)
                else AsyncForgivingCache(one, self.failures)
                for one in made
            ]
        return Halves(keys, *made)


class _CacheWithClient(Cache):
    """Has `get_client` too: code for Django's own backend says `cache._cache.get_client()`."""

    raw: DefaultClient

    def get_client(self, key: object = None, *, write: bool = False) -> Redis:
        """Return a `redis.Redis`; READ_FROM says who answers its reads, unless to `write`."""
        return self.raw.get_client(write)


class _Verbatim(Codec):
    """Stores bytes as they are."""

    def dumps(self, value: Any, place: bytes = b"", part: bytes = b"") -> bytes:
        return bytes(value)

    def dumps_many(
        self,
        values: Iterable[Any],
        places: Sequence[bytes] | bytes = b"",
        part: bytes = b"",
    ) -> list[bytes]:
        return list(values)


VERBATIM = _Verbatim()
