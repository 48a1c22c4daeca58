"""Full keys as Django makes them, with Django's warnings."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from django.core.cache.backends.base import (
    MEMCACHE_MAX_KEY_LENGTH,
    BaseCache,
    CacheKeyWarning,
    memcache_key_warnings,
)

from cachex_client.keys import ERRORS, Keys, Version

NOT_IN_MEMCACHED = bytes(range(0x21)) + b"\x7f"


def warn(stored: bytes) -> None:
    """Warn of a key that memcached would refuse, as Django's `validate_key` does."""
    for warning in memcache_key_warnings(stored.decode("utf-8", ERRORS)):
        warnings.warn(warning, CacheKeyWarning, stacklevel=2)


class DjangoKeys(Keys):
    """
    Keys with a glance at each full key for what memcached would refuse.

    Deleting the characters in question takes half the time of looking for them with Django's
    regular expression, and for many keys at once it is done once.
    """

    def wire(self, key: Any, version: Version | None = None) -> bytes:
        stored = Keys.wire(self, key, version)
        size = len(stored)
        if size > MEMCACHE_MAX_KEY_LENGTH or len(stored.translate(None, NOT_IN_MEMCACHED)) != size:
            warn(stored)
        return stored

    def wire_many(self, keys: Iterable[Any], version: Version | None = None) -> list[bytes]:
        stored = Keys.wire_many(self, keys, version)
        if stored:
            joined = b"".join(stored)
            if max(map(len, stored)) > MEMCACHE_MAX_KEY_LENGTH or len(
                joined.translate(None, NOT_IN_MEMCACHED)
            ) != len(joined):
                for one in stored:
                    warn(one)
        return stored


def has_own_keys(kind: type[BaseCache]) -> bool:
    """Return whether a backend class makes or checks keys in its own way."""
    return (
        kind.make_key is not BaseCache.make_key
        or kind.validate_key is not BaseCache.validate_key
        or kind.make_and_validate_key is not BaseCache.make_and_validate_key
    )


class OverriddenKeys(Keys):
    """Keys of a backend class with its own `make_key` or `validate_key`."""

    def __init__(
        self, cache: BaseCache, reverse: Callable[[str], str] | None, **about_database: Any
    ) -> None:
        def function(key: Any, prefix: str, version: Any) -> str:
            return cache.make_key(key, version=version)

        super().__init__(cache.key_prefix, cache.version, function, reverse, **about_database)
        self._cache = cache

    def wire(self, key: Any, version: Version | None = None) -> bytes:
        full = self._cache.make_and_validate_key(key, version=version)  # type: ignore[arg-type]
        return full.encode("utf-8", ERRORS)

    def wire_many(self, keys: Iterable[Any], version: Version | None = None) -> list[bytes]:
        return [self.wire(key, version) for key in keys]
