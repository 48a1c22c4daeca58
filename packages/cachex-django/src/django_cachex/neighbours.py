"""The caches of a site that may share a database: what is whose, decided from CACHES alone."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import default_key_func
from django.utils.module_loading import import_string

from cachex_client.keys import Keys
from django_cachex.keys import has_own_keys
from django_cachex.settings import CacheConfig, read_config

_ELSEWHERE = tuple(
    f"django.core.cache.backends.{name}."
    for name in ("db", "dummy", "filebased", "locmem", "memcached")
)
"""Backends of Django that keep nothing on a server of ours."""


def others_of(config: CacheConfig) -> list[Keys]:
    """
    Return the keys of the entries of CACHES that may share a database with one, itself included.

    Only databases with different numbers are certainly different, as a server may have many names.
    What OTHER_PREFIXES names comes with them.
    """
    return [*_sharing(config), *map(Keys, config.other_prefixes or ())]


def keys_of(alias: str, config: CacheConfig) -> Keys:
    """Return the keys of an entry of CACHES as its cache has them, for listing."""
    own = _keys_of(alias, caches.settings[alias])
    return Keys(
        own.prefix,
        own.version,
        own.function,
        others=partial(others_of, config),
        owns_database=config.owns_database,
    )


def _sharing(config: CacheConfig) -> Iterator[Keys]:
    for alias, entry in caches.settings.items():
        try:
            if str(entry["BACKEND"]).startswith(_ELSEWHERE):
                continue
            keys = _keys_of(alias, entry)
            Keys(keys.prefix, keys.version).wire("")  # fails if nothing can be stored with these
        except Exception:  # there is no such cache
            continue
        if not _matter(config, keys) or _may_share(config, alias, entry):
            yield keys


def _matter(config: CacheConfig, keys: Keys) -> bool:
    """Return whether the two may make keys that look alike; if not, nothing else has to be read."""
    one, other = f"{config.key_prefix}:", f"{keys.prefix}:"
    usual = config.key_function is None and keys.function is None
    return not usual or one.startswith(other) or other.startswith(one)


def _may_share(config: CacheConfig, alias: str, entry: Mapping[str, Any]) -> bool:
    params = {name: entry[name] for name in entry if name not in ("BACKEND", "LOCATION")}
    try:
        other = read_config(alias, entry.get("LOCATION", ""), params)
    except Exception:  # one of the site's classes may raise anything
        return True  # of another package, or to be corrected: its prefix counts anyway
    return bool(_databases(config) & _databases(other))


def _databases(config: CacheConfig) -> set[int]:
    return {server.db for server in config.client.servers}


def _keys_of(alias: str, entry: Mapping[str, Any]) -> Keys:
    try:
        kind = import_string(entry.get("BACKEND", ""))
        if hasattr(kind, "_keys") and has_own_keys(kind):
            keys: Keys = caches[alias]._keys  # type: ignore[attr-defined]
            return keys
        function = entry.get("KEY_FUNCTION")
        function = import_string(function) if isinstance(function, str) else function
    except Exception:  # whatever a module raises that is imported, or a class that is made
        function = None  # its own use raises that
    if function is default_key_func:
        function = None
    return Keys(str(entry.get("KEY_PREFIX", "")), entry.get("VERSION", 1), function)
