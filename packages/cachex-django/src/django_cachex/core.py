"""What the two halves of a cache share: settings, keys, the client. No input, no output."""

from copy import copy
from datetime import timedelta
from typing import Any, NoReturn, Self, TypeAlias

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import cached_property

from cachex_client import AsyncCache, Cache, Codec, Redis
from cachex_client.keys import Keys
from cachex_pool.secrecy import keeps_secrets
from django_cachex import registry
from django_cachex.client import DefaultClient
from django_cachex.failures import Failures
from django_cachex.keys import OverriddenKeys, has_own_keys
from django_cachex.shared import Halves, Shared

Timeout: TypeAlias = Any
"""Seconds, a timedelta, None for ever, or Django's DEFAULT_TIMEOUT."""

Version: TypeAlias = int | str | None


def held_for(
    timeout: float | timedelta | None, lease: float | timedelta | None
) -> float | timedelta | None:
    """Return for how long a lock holds; TypeError if both names for that are used."""
    if timeout is not None and lease is not None:
        # Elsewhere `timeout` beside `lease` is how long to wait.
        raise TypeError("lock() got both timeout= and lease=: waiting is blocking_timeout=")
    return timeout if lease is None else lease


_MADE_OF_KEYS = ("_halves", "_cache", "_acache", "_verbatim", "_averbatim")


class _PartOfKeys:
    """An attribute of Django's that keys are made of: setting it makes the keys anew."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, cache: Any, owner: type | None = None) -> Any:
        return self if cache is None else cache.__dict__[self.name]

    def __set__(self, cache: Any, value: Any) -> None:
        cache.__dict__[self.name] = value
        for made_of_keys in _MADE_OF_KEYS:
            cache.__dict__.pop(made_of_keys, None)


class CacheCore(BaseCache):
    """
    A cache object: cheap, one for each thread and each ASGI request; the rest is shared.

    `client` is the client behind it, `failures` what IGNORE_EXCEPTIONS has ignored.
    """

    key_prefix = _PartOfKeys()
    version = _PartOfKeys()
    key_func = _PartOfKeys()

    @keeps_secrets(ImproperlyConfigured)
    def __init__(self, location: Any, params: dict[str, Any]) -> None:
        self._shared: Shared = registry.shared_by(location, params)
        super().__init__(params)
        config = self._shared.config
        self.default_timeout = config.timeout  # Django would cut off the fraction of a second
        self._itersize = config.scan_itersize

    def __copy__(self) -> Self:
        """Return another cache object on the same client, with keys of its own to change."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for made_of_keys in _MADE_OF_KEYS:  # they may refer to this object
            twin.__dict__.pop(made_of_keys, None)
        return twin

    def __deepcopy__(self, memo: object) -> Self:
        return copy(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: its client belongs to this process;"
            " use caches[alias] in the other process"
        )

    @property
    def client(self) -> DefaultClient:
        """The client of this cache; `client.get_client()` has redis-py's methods."""
        return self._shared.client

    @property
    def _client(self) -> Redis:
        """A `redis.Redis`, where django-rq without django-redis looks for it."""
        return self.client.get_client()

    def get_client(self, key: object = None, *, write: bool = False) -> Redis:
        """
        Return a `redis.Redis` on the connections of this cache: `client.get_client`.

        READ_FROM says who answers its reads, unless to `write`.
        """
        return self.client.get_client(write)

    @property
    def failures(self) -> Failures:
        """What was ignored so far by IGNORE_EXCEPTIONS, in this process."""
        return self._shared.failures

    @property
    def codec(self) -> Codec:
        """How values are stored."""
        return self._shared.config.codec

    @cached_property
    def _halves(self) -> Halves:
        if has_own_keys(type(self)):
            reverse = self._shared.config.reverse_key_function
            keys = OverriddenKeys(self, reverse, **self._shared.about_database)
            return self._shared.with_keys(keys)
        parts = (self.key_prefix, self.version, self.key_func)
        return self._shared.with_key_parts(*parts)

    @cached_property
    def _cache(self) -> Cache:
        return self._halves.cache

    @cached_property
    def _acache(self) -> AsyncCache:
        return self._halves.async_cache

    @cached_property
    def _verbatim(self) -> Cache:
        return self._halves.verbatim

    @cached_property
    def _averbatim(self) -> AsyncCache:
        return self._halves.async_verbatim

    def get_backend_timeout(self, timeout: Timeout = DEFAULT_TIMEOUT) -> Any:
        """Return a timeout in seconds, None for ever; nothing below 0, which means at once."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        if timeout is None:
            return None
        if isinstance(timeout, timedelta):
            timeout = timeout.total_seconds()
        try:
            return 0 if timeout <= 0 else timeout
        except TypeError:  # what is no number at all is refused where it is used
            return timeout

    def _lasting(self, timeout: Timeout) -> Any:
        """Return a timeout, which may be the cache's own, for what takes that in its unit."""
        if timeout is not DEFAULT_TIMEOUT:
            return timeout
        own = self.default_timeout
        return None if own is None else timedelta(seconds=own)

    def make_pattern(self, pattern: str, version: Version = None) -> str:
        """Return the glob pattern of full keys for a pattern of keys."""
        return self._keys.pattern(pattern, version)

    def reverse_key(self, key: str, version: Version = None) -> str:
        """Return the key that was stored under a full key."""
        return self._keys.caller(key, version)

    @property
    def _keys(self) -> Keys:
        return self._halves.keys

    def __repr__(self) -> str:
        shared = self.__dict__.get("_shared")  # not there in a traceback of refused settings
        about = "" if shared is None else f" {shared.config.alias!r} on {shared.client!r}"
        return f"<{type(self).__name__}{about}>"
