"""
The clients of this process: one for each configuration, however many threads, requests
and aliases use it.

Django makes a cache object for every thread and for every ASGI request. What costs
something (reading settings, connections, knowledge of servers) is kept here instead.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from cachex_pool.forks import StateLock, in_this_process, run_after_fork, same_process
from django_cachex.client import DefaultClient
from django_cachex.failures import Failures
from django_cachex.settings import PREFIXES, ClientConfig, read_config
from django_cachex.shared import Shared

_lock = StateLock()
_clients: dict[ClientConfig, DefaultClient] = {}
_entries: dict[Hashable, tuple[Shared, object]] = {}


def shared_by(location: Any, params: Mapping[str, Any]) -> Shared:
    """Return what belongs to a CACHES entry, read and made at the first call."""
    if not same_process:
        run_after_fork()
    try:
        key = _identity((location, params))
        found = _entries.get(key)
    except Exception:  # what holds itself, or raises when it is hashed or compared
        raise _incomparable(location, params) from None
    if found is None:
        config = read_config(_alias_of(location, params), location, params)
        client = client_of(config.client)
        failures = Failures(config.alias, config.logger, log_each=config.log_ignored_exceptions)
        with _lock:
            # The entry is kept with it: the key has the ids of what is in there.
            found = _entries.setdefault(key, (Shared(config, client, failures), (location, params)))
    return found[0]


def client_of(config: ClientConfig) -> DefaultClient:
    """Return the one client of this process for `config`, made if there is none yet."""
    if not same_process:
        run_after_fork()
    client = _clients.get(config)
    if client is None:
        with _lock:
            client = _clients.get(config)
            if client is None:  # another greenlet of this thread may be here too
                client = _clients.setdefault(config, config.client_class(config))
    return client


def clients() -> tuple[DefaultClient, ...]:
    """Return the clients there are in this process."""
    with in_this_process(_lock):
        return tuple(_clients.values())


def warm_up(*aliases: str) -> None:
    """
    Open the connections that caches want to keep (MIN_CONNECTIONS) before the first request.

    Call it in a worker, after the fork: in gunicorn's `post_fork`, say. Without `aliases`
    every cache of CACHES is meant that has a client of this package. The errors of the first
    call are raised: ImproperlyConfigured, or those of connecting.
    """
    for alias in aliases or caches:
        client = getattr(caches[alias], "client", None)
        if isinstance(client, DefaultClient):
            client.warm_up()


def close_all() -> None:
    """
    Close the connections of all threads and forget every client.

    For the end of a process and for tests: settings are read anew afterwards. A cache object that
    exists keeps its client, which opens connections again if it is used. Connections of event
    loops are closed with their loop.
    """
    with in_this_process(_lock):
        found = tuple(_clients.values())
        _clients.clear()
        _entries.clear()
    for client in found:
        client.close()


def _alias_of(location: Any, params: Mapping[str, Any]) -> str:
    """Find the alias of an entry; Django does not tell a backend."""
    for alias, entry in caches.settings.items():
        try:
            rest = {name: entry[name] for name in entry if name not in ("BACKEND", "LOCATION")}
            if rest == params and entry.get("LOCATION", "") == location:
                return str(alias)
        except Exception:  # another entry is no dict, or a value in it refuses to be compared
            continue
    return "?"


def _incomparable(location: Any, params: Mapping[str, Any]) -> ImproperlyConfigured:
    """Return what is wrong with an entry of which something cannot be hashed or compared."""
    alias = _alias_of(location, params)
    read_config(alias, location, params)  # knows more, if it refuses that
    return ImproperlyConfigured(f"CACHES[{alias!r}]: a value in it cannot be hashed or compared")


def _identity(value: Any) -> Hashable:
    """Make something hashable of settings; objects that have no hash count as themselves."""
    if isinstance(value, Mapping):
        return frozenset((name, _identity(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_identity(item) for item in value)
    try:
        hash(value)
    except TypeError:
        return (type(value), id(value))
    return (type(value), value)  # True, 1 and 1.0 are equal, but not the same setting


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith((*PREFIXES, "CACHE", "SECRET_KEY", "COMPRESS_", "DECOMPRESS_")):
        with in_this_process(_lock):
            _entries.clear()


setting_changed.connect(_forget)
