"""
Django's system checks: the commonest mistakes in CACHES, found without asking any server.

Each has an id, `django_cachex.W...`, for SILENCED_SYSTEM_CHECKS. `apps.py` registers them.
"""

import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import combinations
from typing import Any

from django.conf import settings as django_settings
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.utils.module_loading import import_string

from cachex_client import Codec, SerializerError
from cachex_client.config.given import nearest
from cachex_client.config.options import every_option
from cachex_client.config.topologies import CLUSTER, REPLICATED
from cachex_client.keys import overlap
from cachex_pool import Endpoint
from django_cachex.core import CacheCore
from django_cachex.neighbours import keys_of
from django_cachex.settings import CacheConfig, read_config

YEAR = 365 * 24 * 3600
MINUTE = 60.0
PREFIX = "DJANGO_CACHEX_"
PAGE_CACHE = "django.middleware.cache."
PROBE = ["probe"]
"""A value that every serializer can store."""
SESSIONS = "django.contrib.sessions.backends.cache"

TITLES: Mapping[str, str] = {
    "E001": "the entry cannot work: an unknown option, a value of the wrong kind",
    "W001": "a setting `DJANGO_CACHEX_…` that nobody reads, as it is misspelled",
    "W002": "`TIMEOUT` is more than a year: milliseconds?",
    "W003": "the deadline, `OPTIONS['TIMEOUT']`, is more than a minute: milliseconds?",
    "W004": "two entries share a database and a `KEY_PREFIX`: the same keys, and `clear()` of one"
    " clears both",
    "W005": "two entries share keys, but cannot read each other's values",
    "W006": "sessions in a cache with `IGNORE_EXCEPTIONS`: logging in fails while it is away",
    "W007": "sessions in a cache whose reads replicas answer",
    "W008": "Django caches whole pages here, and the `SERIALIZER` cannot store them",
    "W009": "`LOCATION` names one server twice",
    "W010": "a cluster, and a database other than 0: Redis has none, Valkey has from 9 on",
    "W011": "one Sentinel alone in `SENTINELS`",
    "W012": "fewer connections than threads",
    "W013": "`KEY_FUNCTION` without `REVERSE_KEY_FUNCTION`: keys cannot be listed",
    "W016": "the URLs of `LOCATION` name different databases: replicas find nothing there",
    "W017": "keys cannot be listed, or not be told from those of others: `clear()`, `keys()` and"
    " `delete_pattern()` are refused",
    "W018": "two entries share a database, and the `KEY_PREFIX` of one is that of the other and a"
    " version: some keys are the same",
    "W019": '`CLEAR="database"`, and another entry shares the database: `clear()` empties both',
    "W014": "with `--deploy`: unsigned pickles on a server that others may reach",
    "W015": "with `--deploy`: TLS that does not look whom it talks to, or is older than 1.2",
    "W020": "with `--deploy`: `SIGNING_ACCEPT_UNSIGNED`, so that signatures protect nothing",
    "W021": "with `--deploy`: servers are spoken to with TLS, and their Sentinels without",
    "W022": "with `--deploy`: TLS with some servers of an entry, and none with others",
    "W023": "with `--deploy`: a password goes to another host in plain",
    "W024": "with `--deploy`: a `SIGNING_KEY` that can be guessed",
    "W025": "with `--deploy`: two entries share a database, and the `KEY_PREFIX` of one begins with"
    " that of the other and a colon",
}
"""All checks, for the reference: id and what it finds."""

Check = Callable[[str, CacheConfig], Iterator[CheckMessage]]


def check_caches(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong with the entries of CACHES and with settings that go with them."""
    found = [*_unknown_settings(), *_invalid()]
    configs = _readable()
    found += [message for alias, config in configs for message in _alone(alias, config, CHECKS)]
    return found + [
        message for one, other in combinations(configs, 2) for message in _together(one, other)
    ]


def check_deployed_caches(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what is fine while developing, but not where others can reach servers."""
    configs = _readable()
    found = [message for one in configs for message in _alone(*one, DEPLOYED)]
    return found + [
        message for one, other in combinations(configs, 2) for message in _nested(one, other)
    ]


def messages_about(alias: str) -> list[CheckMessage]:
    """Return what all checks say about one entry, for `cachex_check`."""
    both = [*check_caches(), *check_deployed_caches()]
    return [one for one in both if one.obj == alias or (one.obj or "").startswith(f"{alias}, ")]


# -- entries


def _entries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the entries whose BACKEND is ours or made of ours."""
    for alias, entry in django_settings.CACHES.items():
        try:
            backend = import_string(entry.get("BACKEND", ""))
        except (ImportError, InvalidCacheBackendError):
            continue  # Django says so
        if isinstance(backend, type) and issubclass(backend, CacheCore):
            yield alias, entry


def _read(alias: str, entry: Mapping[str, Any]) -> CacheConfig:
    params = {name: value for name, value in entry.items() if name not in ("BACKEND", "LOCATION")}
    return read_config(alias, entry.get("LOCATION", ""), params)


def _readable() -> list[tuple[str, CacheConfig]]:
    found = []
    for alias, entry in _entries():
        try:
            found.append((alias, _read(alias, entry)))
        except Exception:  # E001
            continue
    return found


def _invalid() -> Iterator[CheckMessage]:
    for alias, entry in _entries():
        try:
            _read(alias, entry)
        except ImproperlyConfigured as error:
            yield Error(str(error), obj=alias, id="django_cachex.E001")
        except Exception as error:  # of a class or function that the entry names
            text = f"CACHES[{alias!r}] cannot be read: {type(error).__name__}: {error}"
            yield Error(text, obj=alias, id="django_cachex.E001")


def _alone(alias: str, config: CacheConfig, checks: Sequence[Check]) -> list[CheckMessage]:
    return [message for check in checks for message in check(alias, config)]


def _warn(alias: str, number: str, text: str, hint: str) -> CheckMessage:
    return Warning(f"CACHES[{alias!r}]: {text}", hint=hint, obj=alias, id=f"django_cachex.{number}")


# -- checks


def _unknown_settings() -> Iterator[CheckMessage]:
    known = [PREFIX + option.setting for option in every_option() if option.setting]
    for name in dir(django_settings):
        if name.startswith(PREFIX) and name not in known:
            yield Warning(
                f"{name}: there is no such setting{nearest(name, known)}",
                hint=f"There are {', '.join(known)}.",
                id="django_cachex.W001",
            )


def _lifetime(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if config.timeout is not None and config.timeout > YEAR:
        text = f"values live for {config.timeout:g} s, which is {config.timeout / YEAR:.1f} years."
        yield _warn(alias, "W002", text, "TIMEOUT is in seconds; None is for ever.")


def _deadline(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if config.client.options.timeout > MINUTE:
        text = f"a call may take {config.client.options.timeout:g} s."
        hint = "TIMEOUT (SOCKET_TIMEOUT) in OPTIONS is the deadline of a call, in seconds."
        yield _warn(alias, "W003", text, hint)


def _sessions(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if django_settings.SESSION_ENGINE not in (
        SESSIONS,
        "django.contrib.sessions.backends.cached_db",
    ):
        return
    if getattr(django_settings, "SESSION_CACHE_ALIAS", "default") != alias:
        return
    if config.ignore_exceptions and django_settings.SESSION_ENGINE == SESSIONS:
        yield _warn(
            alias,
            "W006",
            "it holds the sessions and has IGNORE_EXCEPTIONS: while it is away users are logged"
            " out, and logging in ends in CacheUnavailable.",
            "Use the SESSION_ENGINE 'django.contrib.sessions.backends.cached_db', or give sessions"
            " an entry of their own without IGNORE_EXCEPTIONS.",
        )
    several = len(config.client.servers) > 1 or (
        config.client.service is not None and config.client.service.has_replicas
    )
    if config.client.options.read_from not in ("primary", "primary_preferred") and (
        several or config.client.topology is CLUSTER
    ):
        yield _warn(
            alias,
            "W007",
            "it holds the sessions, and replicas answer reads: the request after a login may not"
            " find its session yet.",
            "Give sessions an entry of their own with READ_FROM='primary'.",
        )


def _pages(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    uses = any(str(one).startswith(PAGE_CACHE) for one in django_settings.MIDDLEWARE or ())
    if not uses or alias != django_settings.CACHE_MIDDLEWARE_ALIAS:
        return
    try:
        config.codec.dumps(HttpResponse("page"))
    except Exception:  # whatever its serializer raises
        yield _warn(
            alias,
            "W008",
            "the middleware for pages stores responses, which its SERIALIZER cannot.",
            "Set CACHE_MIDDLEWARE_ALIAS to an entry whose SERIALIZER is pickle.",
        )


def _servers(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    names = [(one.path or one.host, one.port) for one in config.client.servers]
    for one in dict.fromkeys(name for name in names if names.count(name) > 1):
        text = f"LOCATION names {one[0]}:{one[1]} more than once."
        hint = "The first URL is the primary, the others are its replicas: servers of their own."
        yield _warn(alias, "W009", text, hint)


def _replicas(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    numbers = sorted({one.db for one in config.client.servers})
    if config.client.topology is REPLICATED and len(numbers) > 1:
        text = f"its servers are asked in the databases {', '.join(map(str, numbers))}."
        hint = "A replica has under each number what its primary has: use one for all."
        yield _warn(alias, "W016", text, hint)


def _database(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    db = config.client.servers[0].db
    if config.client.topology is CLUSTER and db:
        text = f"a cluster with the database {db}: Redis has only 0, Valkey has others from 9 on."
        yield _warn(alias, "W010", text, "Use 0 and tell caches apart by KEY_PREFIX.")


def _sentinels(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    service = config.client.service
    if service is not None and len(service.sentinels) == 1:
        text = "SENTINELS has one Sentinel: while that is away no process can start."
        yield _warn(alias, "W011", text, "Name all of them.")


def _threads(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    given = os.environ.get("GUNICORN_CMD_ARGS", "")
    found = re.search(r"--threads[ =](\d+)", given)
    size = config.client.options.pool.max_size
    if found and int(found[1]) > size:
        text = f"{found[1]} threads (GUNICORN_CMD_ARGS) share {size} connections."
        yield _warn(alias, "W012", text, f"Set MAX_CONNECTIONS to {found[1]}, or expect waiting.")


def _listing(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    refusal = keys_of(alias, config).refusal()
    if refusal:
        what = "keys(), iter_keys(), delete_pattern()"
        what += " are refused" if config.owns_database else " and clear() are refused"
        hint = "Let KEY_FUNCTION return prefix, version and key, each as it is."
        yield _warn(alias, "W017", f"{what}: {refusal}.", hint)
    elif config.key_function is not None and config.reverse_key_function is None:
        text = "keys are made by KEY_FUNCTION and cannot be listed: keys(), iter_keys() will fail."
        yield _warn(alias, "W013", text, "Set REVERSE_KEY_FUNCTION, which takes a full key apart.")


def _pickles(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if not _can_read(config.codec, pickle.dumps(PROBE)):
        return
    for one in config.client.servers:
        if _is_elsewhere(one, config):
            guarded = one.password or one.credentials
            who = "whoever else can" if guarded else "it has no password, and whoever can"
            yield _warn(
                alias,
                "W014",
                f"values are unsigned pickles on a server elsewhere: {who} write to it can run code"
                " here.",
                "Set SIGNING_KEY=True, or SERIALIZER='json'; and a password.",
            )
            return


def _signing(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    codec = config.codec
    if codec.signs and codec.accepts_unsigned:
        text = "SIGNING_ACCEPT_UNSIGNED is set: what anybody writes is read without a signature."
        yield _warn(alias, "W020", text, "Take it out once the old values have expired.")
    if codec.has_weak_key:
        text = "a SIGNING_KEY has fewer than 16 characters, or hardly any that differ."
        yield _warn(alias, "W024", text, "Use True for SECRET_KEY, or 32 random characters.")


def _tls(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    servers, sentinels = _endpoints(config)
    for what, endpoints in (("its servers", servers), ("its Sentinels", sentinels)):
        found = [one for each in endpoints if each.tls is not None for one in each.tls.weaknesses()]
        if found:
            text = f"with {what}, {' and '.join(dict.fromkeys(found))}: whoever stands in between"
            hint = "Name the authority that signed the certificate in SSL_CA_CERTS."
            yield _warn(alias, "W015", f"{text} can pass for them, or read along.", hint)


def _plain(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    service, (servers, sentinels) = config.client.service, _endpoints(config)
    encrypted = [one for one in servers if one.tls is not None]
    if encrypted and any(one.tls is None for one in sentinels):
        text = "its servers are spoken to with TLS, and its Sentinels, which name them, without."
        yield _warn(alias, "W021", text, "SENTINEL_KWARGS={'SSL': True}.")
    if encrypted and len(encrypted) < len(servers):
        text = "some URLs of LOCATION are rediss://, and others are not: reads go to either."
        yield _warn(alias, "W022", text, "Use rediss:// for all.")
    for one in (*servers, *sentinels):
        told = one.password or one.credentials
        if told and one.tls is None and _is_elsewhere(one, config):
            if service is not None and one in servers:
                where = f"the servers of {service.name!r}"
            else:
                where = f"{one.host}:{one.port}"
            text = f"a password and all values go to {where} in plain."
            yield _warn(alias, "W023", text, "Use rediss://, or a tunnel on this host.")
            return


def _endpoints(config: CacheConfig) -> tuple[Sequence[Endpoint], Sequence[Endpoint]]:
    """Return how servers are connected to, and Sentinels if there are such."""
    service = config.client.service
    return config.client.servers, () if service is None else service.sentinels


def _is_elsewhere(endpoint: Endpoint, config: CacheConfig) -> bool:
    """Say whether a server is on another host; those of a service are where its Sentinels are."""
    service = config.client.service
    if service is not None and endpoint in config.client.servers:
        return not all(_is_here(one.host) for one in service.sentinels)
    return endpoint.path is None and not _is_here(endpoint.host)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS: Sequence[Check] = (
    _lifetime,
    _deadline,
    _sessions,
    _pages,
    _servers,
    _replicas,
    _database,
    _sentinels,
    _threads,
    _listing,
)
DEPLOYED: Sequence[Check] = (_pickles, _signing, _tls, _plain)


# -- two entries


def _together(
    one: tuple[str, CacheConfig], other: tuple[str, CacheConfig]
) -> Iterator[CheckMessage]:
    (first, a), (second, b) = one, other
    if not _same_database(a, b):
        return
    who = f"{first}, {second}"
    yield from _emptied(one, other)
    if a.key_prefix != b.key_prefix:
        yield from _overlapping(one, other)
        return
    if a.version == b.version and not (_reads(a, b) and _reads(b, a)):
        yield Warning(
            f"CACHES[{first!r}] and CACHES[{second!r}] store values under the same keys, but one"
            " cannot read what the other writes.",
            hint="Give each a KEY_PREFIX, or both the same SERIALIZER and SIGNING_KEY.",
            obj=who,
            id="django_cachex.W005",
        )
    yield Warning(
        f"CACHES[{first!r}] and CACHES[{second!r}] share a database and the KEY_PREFIX"
        f" {a.key_prefix!r}: clear() of one clears both.",
        hint="Give each a KEY_PREFIX, or a database of its own.",
        obj=who,
        id="django_cachex.W004",
    )


def _emptied(
    one: tuple[str, CacheConfig], other: tuple[str, CacheConfig]
) -> Iterator[CheckMessage]:
    for alias, config in (one, other):
        if config.owns_database:
            yield Warning(
                f"CACHES[{one[0]!r}] and CACHES[{other[0]!r}] share a database, which clear() of"
                f" {alias!r} empties.",
                hint="Leave out CLEAR, or give each a database of its own.",
                obj=f"{one[0]}, {other[0]}",
                id="django_cachex.W019",
            )


def _overlapping(
    one: tuple[str, CacheConfig], other: tuple[str, CacheConfig]
) -> Iterator[CheckMessage]:
    (first, a), (second, b) = one, other
    if overlap(keys_of(first, a), keys_of(second, b)):
        yield Warning(
            f"CACHES[{first!r}] and CACHES[{second!r}] share a database, and with the KEY_PREFIX"
            f" {a.key_prefix!r} and {b.key_prefix!r} some of their keys are stored under one name.",
            hint="Let no KEY_PREFIX be another one with a colon and a version behind it.",
            obj=f"{first}, {second}",
            id="django_cachex.W018",
        )


def _nested(one: tuple[str, CacheConfig], other: tuple[str, CacheConfig]) -> Iterator[CheckMessage]:
    (first, a), (second, b) = one, other
    shorter, longer = sorted((a.key_prefix, b.key_prefix), key=len)
    if not (shorter and longer.startswith(f"{shorter}:") and _same_database(a, b)):
        return
    yield Warning(
        f"CACHES[{first!r}] and CACHES[{second!r}] share a database, and the KEY_PREFIX {longer!r}"
        f" begins like {shorter!r}: a user of the server who may use the keys {shorter}:* has those"
        " of the other, too.",
        hint="Let no KEY_PREFIX begin with another one and a colon, or use two databases.",
        obj=f"{first}, {second}",
        id="django_cachex.W025",
    )


def _same_database(a: CacheConfig, b: CacheConfig) -> bool:
    if (a.client.service is None) != (b.client.service is None):
        return False
    if a.client.service is not None and b.client.service is not None:
        shared = set(_addresses(a.client.service.sentinels)) & set(
            _addresses(b.client.service.sentinels)
        )
        named = a.client.service.name == b.client.service.name
        return named and bool(shared) and a.client.servers[0].db == b.client.servers[0].db
    return bool(set(_databases(a)) & set(_databases(b)))


def _addresses(endpoints: Sequence[Endpoint]) -> list[tuple[Any, ...]]:
    return [(one.path or one.host, one.port) for one in endpoints]


def _databases(config: CacheConfig) -> list[tuple[Any, ...]]:
    servers = config.client.servers
    return [(one.path or one.host, one.port, one.db) for one in servers]


def _reads(reader: CacheConfig, writer: CacheConfig) -> bool:
    return _can_read(reader.codec, writer.codec.dumps(PROBE))


def _can_read(codec: Codec, stored: bytes) -> bool:
    try:
        return bool(codec.loads(stored) == PROBE)
    except SerializerError:
        return False
