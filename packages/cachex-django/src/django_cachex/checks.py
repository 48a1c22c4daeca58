"""
Django's system checks: the commonest mistakes in CACHES, found without asking any server.

Each has an id, `django_cachex.W...`, for SILENCED_SYSTEM_CHECKS. `apps.py` registers them.
"""

import os
import pickle
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import combinations
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.utils.module_loading import import_string

from cachex_client import Codec, SerializerError
from cachex_client.config.given import nearest
from cachex_client.config.options import every_option
from cachex_client.config.topologies import CLUSTER, REPLICATED
from cachex_client.keys import escape_pattern, overlap
from cachex_pool import Endpoint
from django_cachex.core import CacheCore
from django_cachex.hosts import canonical, is_here
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
    "W021": "with `--deploy`: servers are spoken to with TLS, and their Sentinels without, or the"
    " other way round",
    "W022": "with `--deploy`: TLS with some servers of an entry, and none with others",
    "W023": "with `--deploy`: a password goes to another host in plain",
    "W024": "with `--deploy`: a `SIGNING_KEY` that can be guessed",
    "W025": "with `--deploy`: two entries share a server, and the `KEY_PREFIX` of one begins with"
    " that of the other and a colon",
    "W026": "with `--deploy`: a `KEY_PREFIX` with `*`, `?`, `[`, `]` or a backslash, which stand"
    " for other characters in ACL rules",
    "W027": "with `--deploy`: values go to another host in plain, without a password",
}
"""All checks, for the reference: id and what it finds."""

Configured = tuple[str, CacheConfig]
Check = Callable[[str, CacheConfig], Iterator[CheckMessage]]
CheckOfTwo = Callable[[Configured, Configured], Iterator[CheckMessage]]
DjangosCheck = Callable[..., Sequence[CheckMessage]]


def check_caches(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong with the entries of CACHES and with settings that go with them."""
    return [*_unknown_settings(), *_invalid(), *_found(CHECKS, _together)]


def check_deployed_caches(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what is fine while developing, but not where others can reach servers."""
    return _found(DEPLOYED, _nested)


def messages_about(alias: str) -> list[CheckMessage]:
    """Return what all checks say about one entry, for `cachex_check`."""
    both = [*check_caches(), *check_deployed_caches()]
    return [one for one in both if one.obj == alias or str(one.obj).startswith(f"{alias}, ")]


def guarded(check: DjangosCheck) -> DjangosCheck:
    """Return a check of Django's that leaves it to E001 to say why a cache cannot be made."""

    @wraps(check)
    def guarded_check(app_configs: Any = None, **kwargs: Any) -> Sequence[CheckMessage]:
        try:
            return check(app_configs, **kwargs)
        except Exception:
            if not any(_invalid()):
                raise  # of a backend that is not of this package
            return []

    return guarded_check


# -- entries


def own_entries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the entries whose BACKEND is ours or made of ours, those that cannot work included."""
    for alias, entry in django_settings.CACHES.items():
        try:
            named = entry.get("BACKEND", "")
            backend = named if isinstance(named, type) else import_string(named)
        except Exception:  # whatever a module raises that is imported; Django says so
            continue
        if isinstance(backend, type) and issubclass(backend, CacheCore):
            yield alias, entry


def _read(alias: str, entry: Mapping[str, Any]) -> CacheConfig:
    params = {name: value for name, value in entry.items() if name not in ("BACKEND", "LOCATION")}
    return read_config(alias, entry.get("LOCATION", ""), params)


def _readable() -> list[Configured]:
    found = []
    for alias, entry in own_entries():
        try:
            found.append((alias, _read(alias, entry)))
        except Exception:  # E001
            continue
    return found


def _invalid() -> Iterator[CheckMessage]:
    for alias, entry in own_entries():
        try:
            _read(alias, entry)
            caches[alias]  # which asks no server
        except Exception as error:
            yield _unusable(alias, error)


def _unusable(who: str, error: Exception) -> CheckMessage:
    """Say that an entry cannot work. What errors of other classes say may hold a secret."""
    ours = isinstance(error, ImproperlyConfigured) and set(map(type, error.args)) == {str}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__}, raised in {frame.filename}, line {frame.lineno}"
    text = str(error) if ours else f"CACHES[{who!r}] cannot be used: {where}"
    return Error(text, obj=who, id="django_cachex.E001")


def _found(checks: Sequence[Check], check_of_two: CheckOfTwo) -> list[CheckMessage]:
    configs = _readable()
    found = [
        one
        for alias, config in configs
        for check in checks
        for one in _said(alias, check, alias, config)
    ]
    for one, other in combinations(configs, 2):
        found += _said(f"{one[0]}, {other[0]}", check_of_two, one, other)
    return found


def _said(
    who: str, check: Callable[..., Iterator[CheckMessage]], *about: Any
) -> list[CheckMessage]:
    """Return what a check says. It fails where a value, or code of the site that it names, does."""
    try:
        return list(check(*about))
    except Exception as error:
        return [_unusable(who, error)]


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


class _Anything:
    """A class that only a serializer can make which makes objects of any class."""


def _pickles(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if not _runs_code(config.codec):
        return
    for one in config.client.servers:
        if _is_elsewhere(one, config):
            who = "whoever else can" if _logs_in(one) else "it has no password, and whoever can"
            yield _warn(
                alias,
                "W014",
                f"values are unsigned pickles on a server elsewhere: {who} write to it can run code"
                " here.",
                "Set SIGNING_KEY=True, or SERIALIZER='json'; and a password, with rediss://.",
            )
            return


def _runs_code(codec: Codec) -> bool:
    """Say whether something that is stored could run code when it is read."""
    return codec.accepts_unsigned and (
        _can_read(codec, pickle.dumps(PROBE)) or any(map(_makes_anything, codec.serializers))
    )


def _makes_anything(serializer: Any) -> bool:
    code = _makes_anything.__code__  # what marshal brings back
    return getattr(serializer, "executes", False) is True or any(
        _survives(serializer, one) for one in (_Anything(), code)
    )


def _survives(serializer: Any, value: object) -> bool:
    try:
        return type(serializer.loads(serializer.dumps(value))) is type(value)
    except Exception:  # as one should that makes no such objects
        return False


def _signing(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    codec = config.codec
    if codec.signs and codec.accepts_unsigned:
        text = "SIGNING_ACCEPT_UNSIGNED is set: what anybody writes is read without a signature."
        yield _warn(alias, "W020", text, "Take it out once the old values have expired.")
    if codec.has_weak_key:
        text = (
            "a SIGNING_KEY has fewer than 16 characters, hardly any that differ, or repeats itself."
        )
        yield _warn(alias, "W024", text, "Use True for SECRET_KEY, or 32 random characters.")


def _tls(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    servers, sentinels = _endpoints(config)
    for what, endpoints in (("its servers", servers), ("its Sentinels", sentinels)):
        found = [one for each in endpoints if each.tls is not None for one in each.tls.weaknesses()]
        if found:
            text = f"with {what}, {' and '.join(dict.fromkeys(found))}: whoever stands in between"
            hint = "Name the authority in SSL_CA_CERTS, and leave the other TLS settings out."
            yield _warn(alias, "W015", f"{text} can pass for them, or read along.", hint)


def _encryption(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    servers, sentinels = _endpoints(config)
    encrypted = [one for one in servers if one.tls is not None]
    if encrypted and any(one.tls is None for one in sentinels):
        text = "its servers are spoken to with TLS, and its Sentinels, which name them, without."
        yield _warn(alias, "W021", text, "SENTINEL_KWARGS={'SSL': True}.")
    if not encrypted and any(one.tls is not None for one in sentinels):
        text = "its Sentinels are spoken to with TLS, and its servers, which have all, without."
        yield _warn(alias, "W021", text, "Use rediss:// in LOCATION.")
    if encrypted and len(encrypted) < len(servers):
        text = "some URLs of LOCATION are rediss://, and others are not: reads go to either."
        yield _warn(alias, "W022", text, "Use rediss:// for all.")


def _plain(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    servers, sentinels = _endpoints(config)
    hint = "Use rediss://, or a tunnel on this host."
    plain = [one for one in servers if one.tls is None and _is_elsewhere(one, config)]
    for one in (*plain, *sentinels):
        if _logs_in(one) and one.tls is None and _is_elsewhere(one, config):
            what = "a password and all values go" if one in plain else "a password goes"
            yield _warn(alias, "W023", f"{what} to {_where(one, config)} in plain.", hint)
            break
    if plain and not (any(map(_logs_in, plain)) or _runs_code(config.codec)):  # W023, W014
        text = f"all values go to {_where(plain[0], config)} in plain: others can read along."
        yield _warn(alias, "W027", text, hint)


def _logs_in(endpoint: Endpoint) -> bool:
    return bool(endpoint.password or endpoint.credentials)


def _where(endpoint: Endpoint, config: CacheConfig) -> str:
    service = config.client.service
    if service is not None and endpoint in config.client.servers:
        return f"the servers of {service.name!r}"
    return f"{endpoint.host}:{endpoint.port}"


def _patterns(alias: str, config: CacheConfig) -> Iterator[CheckMessage]:
    if escape_pattern(config.key_prefix) != config.key_prefix:
        text = f"the KEY_PREFIX {config.key_prefix!r} has characters that stand for others in the"
        yield _warn(
            alias,
            "W026",
            f"{text} patterns of ACL rules: a user for its keys may have those of others, too.",
            "Leave *, ?, [, ] and backslashes out of KEY_PREFIX, or escape them in the rule.",
        )


def _endpoints(config: CacheConfig) -> tuple[Sequence[Endpoint], Sequence[Endpoint]]:
    """Return how servers are connected to, and Sentinels if there are such."""
    service = config.client.service
    return config.client.servers, () if service is None else service.sentinels


def _is_elsewhere(endpoint: Endpoint, config: CacheConfig) -> bool:
    """Say whether a server is on another host, as far as the settings name hosts.

    Those that Sentinels or a cluster name are where these are, and on ALLOWED_HOSTS.
    """
    service = config.client.service
    hosts = [] if endpoint.path else [endpoint.host]
    if endpoint in config.client.servers:
        if service is not None:
            hosts = [one.host for one in service.sentinels]
        hosts += config.client.allowed_hosts or ()
    return not all(map(is_here, hosts))


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
DEPLOYED: Sequence[Check] = (_pickles, _signing, _tls, _encryption, _plain, _patterns)


# -- two entries


def _together(one: Configured, other: Configured) -> Iterator[CheckMessage]:
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


def _emptied(one: Configured, other: Configured) -> Iterator[CheckMessage]:
    for alias, config in (one, other):
        if config.owns_database:
            yield Warning(
                f"CACHES[{one[0]!r}] and CACHES[{other[0]!r}] share a database, which clear() of"
                f" {alias!r} empties.",
                hint="Leave out CLEAR, or give each a database of its own.",
                obj=f"{one[0]}, {other[0]}",
                id="django_cachex.W019",
            )


def _overlapping(one: Configured, other: Configured) -> Iterator[CheckMessage]:
    (first, a), (second, b) = one, other
    if overlap(keys_of(first, a), keys_of(second, b)):
        yield Warning(
            f"CACHES[{first!r}] and CACHES[{second!r}] share a database, and with the KEY_PREFIX"
            f" {a.key_prefix!r} and {b.key_prefix!r} some of their keys are stored under one name.",
            hint="Let no KEY_PREFIX be another one with a colon and a version behind it.",
            obj=f"{first}, {second}",
            id="django_cachex.W018",
        )


def _nested(one: Configured, other: Configured) -> Iterator[CheckMessage]:
    (first, a), (second, b) = one, other
    shorter, longer = sorted((a.key_prefix, b.key_prefix), key=len)
    if not (longer.startswith(f"{shorter}:") and _same_server(a, b)):
        return
    yield Warning(
        f"CACHES[{first!r}] and CACHES[{second!r}] share a server, and the KEY_PREFIX {longer!r}"
        f" begins like {shorter!r}: a user of the server who may use the keys {shorter}:* has those"
        " of the other, too, in whatever database.",
        hint="Let no KEY_PREFIX begin with another one and a colon, or use two servers.",
        obj=f"{first}, {second}",
        id="django_cachex.W025",
    )


def _same_server(a: CacheConfig, b: CacheConfig) -> bool:
    """Say whether two entries name one server, be it a seed of a cluster, or one service."""
    return not {where for where, _ in _databases(a)}.isdisjoint(where for where, _ in _databases(b))


def _same_database(a: CacheConfig, b: CacheConfig) -> bool:
    return not _databases(a).isdisjoint(_databases(b))


def _databases(config: CacheConfig) -> set[tuple[Any, int]]:
    """Return the places of an entry's values, each with the number of the database there."""
    service = config.client.service
    if service is not None:
        db = config.client.servers[0].db
        return {((service.name, *_address(one)), db) for one in service.sentinels}
    return {(_address(one), one.db) for one in config.client.servers}


def _address(endpoint: Endpoint) -> tuple[str, int]:
    if endpoint.path:
        return os.path.normpath(endpoint.path), 0
    return canonical(endpoint.host), endpoint.port


def _reads(reader: CacheConfig, writer: CacheConfig) -> bool:
    try:
        stored = writer.codec.dumps(PROBE)
    except Exception:  # of a serializer that writes no lists: nothing can be said
        return True
    return _can_read(reader.codec, stored)


def _can_read(codec: Codec, stored: bytes) -> bool:
    try:
        return bool(codec.loads(stored) == PROBE)
    except SerializerError:
        return False
