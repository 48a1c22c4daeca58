"""
A CACHES entry becomes one frozen value, or an ImproperlyConfigured that says what was
expected, what was given and where. Secrets are never shown.

What an entry may say, `cachex_client.config` knows; here is what only a site knows of: the
classes behind CLIENT_CLASS and CONNECTION_FACTORY, SECRET_KEY, and the settings for all caches.
"""

from collections.abc import Mapping
from typing import Any

import attrs
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from cachex_client import ConfigurationError
from cachex_client.config import entry
from cachex_client.config.given import Options, kind_of, refuse
from cachex_client.config.options import BY_NAME, every_option
from cachex_pool.secrecy import keeps_secrets
from django_cachex.classes import chosen
from django_cachex.valkey_settings import compress_as_django_valkey_does

DEFAULT_LOGGER = "django_cachex.failures"

PREFIXES = ("DJANGO_CACHEX_", "DJANGO_REDIS_", "DJANGO_VALKEY_")
"""What settings for all caches begin with; the first that is there counts."""


@attrs.frozen(kw_only=True)
class ClientConfig(entry.ClientConfig):
    """
    What the connections of a cache are made from.

    Caches whose values are equal, whatever their aliases, share one client per process.
    """

    client_class: type
    connection_factory: type


@attrs.frozen(kw_only=True)
class CacheConfig(entry.CacheConfig):
    """A CACHES entry, read and checked. `timeout` is in seconds, None for never."""

    alias: str
    client: ClientConfig
    scan_itersize: int = 1000
    ignore_exceptions: bool = False
    log_ignored_exceptions: bool = False
    logger: str = DEFAULT_LOGGER


@keeps_secrets(ImproperlyConfigured)
def read_config(alias: str, location: Any, params: Mapping[str, Any]) -> CacheConfig:
    """
    Read what Django hands to a cache backend: LOCATION, and the rest of the entry.

    `alias` is only for messages. ImproperlyConfigured if anything in it cannot work.
    """
    try:
        return _read(alias, location, params)
    except ConfigurationError as error:
        raise ImproperlyConfigured(str(error)) from None


def _read(alias: str, location: Any, params: Mapping[str, Any]) -> CacheConfig:
    where = f"CACHES[{alias!r}]"
    options = entry.options_of(params, where)
    _take_global_settings(options)
    compress_as_django_valkey_does(params, options)
    _give_up_at_once(options, where)
    client_class, factory, topology = chosen(options)
    keys: tuple[str, ...] = ()
    if "SIGNING_KEY" in options.given:  # Django refuses to tell a SECRET_KEY that is empty
        fallbacks = django_settings.SECRET_KEY_FALLBACKS
        if not isinstance(fallbacks, list | tuple):
            expected = "expected a list of keys in SECRET_KEY_FALLBACKS"
            refuse(options.where("SIGNING_KEY"), f"{expected}; got a {kind_of(fallbacks)}")
        keys = (django_settings.SECRET_KEY, *fallbacks)
    read = entry.read_entry(location, params, where, options, topology, keys)
    others = dict(read.others)
    for name in ("client_class", "connection_factory"):
        others.pop(name, None)
    client = ClientConfig(
        client_class=client_class, connection_factory=factory, **_fields_of(read.client)
    )
    return CacheConfig(alias=alias, **{**_fields_of(read), **others, "client": client})


def _take_global_settings(options: Options) -> None:
    """Take the settings for all caches where no option says anything."""
    for option in every_option():
        if not option.setting or option.name in options.given:
            continue
        for prefix in PREFIXES:
            name = prefix + option.setting
            value = getattr(django_settings, name, None)
            if value is not None:
                options.take(option, value, name)
                break


def _give_up_at_once(options: Options, where: str) -> None:
    """
    Let one timeout be enough for a server to be given up for a moment, if trouble is ignored.

    A page that calls the cache fifty times would wait for as many deadlines otherwise as the
    breaker allows by itself; and to be without a cache for half a second hurts nobody here.
    """
    ignores = options.given.get("IGNORE_EXCEPTIONS")
    if ignores is not None and ignores.value and "BREAKER" not in options.given:
        options.take(BY_NAME["BREAKER"], {"failures": 1}, where)


def _fields_of(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
