"""
What a cache answers while no server does, if IGNORE_EXCEPTIONS is on.

Only trouble with reaching a server is ignored. An error that would be there with the best
of connections (WRONGTYPE, OOM, a wrong password, a value that cannot be pickled) is raised.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NoReturn

import structlog
from django.conf import settings
from django.contrib.sessions.backends.cache import KEY_PREFIX as STOCK_SESSIONS
from redis import exceptions as redis_errors

from cachex_client import ClusterUnreachable, SentinelRefused
from cachex_client.limits import RateLimit
from cachex_pool import ConfigurationError, HandshakeRefused, PoolError
from cachex_pool.forks import StateLock, in_this_process
from django_cachex.errors import CacheUnavailable
from django_cachex.fallbacks import FALLBACKS_OF_STRUCTURES

logging.getLogger("django_cachex").addHandler(logging.NullHandler())

TROUBLE = (
    PoolError,
    redis_errors.ConnectionError,  # LOADING among them
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,  # the primary is a replica now
    redis_errors.MasterDownError,
    redis_errors.ClusterDownError,
    redis_errors.TryAgainError,
    SentinelRefused,
)
"""What may be ignored: nobody answered, or only a server that is not in charge."""

_SERIOUS = (
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
    ConfigurationError,
    HandshakeRefused,
)
"""Of those, what does not go away by itself and has to be put right."""


def may_be_ignored(error: Exception) -> bool:
    """Tell whether an error is trouble with reaching a server, and of the passing kind."""
    if isinstance(error, ClusterUnreachable):
        return all(map(may_be_ignored, error.errors))
    if isinstance(error, SentinelRefused):  # mostly, that it does not know the service
        return isinstance(error.cause, Exception) and may_be_ignored(error.cause)
    return isinstance(error, TROUBLE) and not isinstance(error, _SERIOUS)


QUIET = 1.0
"""Seconds without trouble after which a success ends an outage."""


class Failures:
    """
    The outages of one cache in this process.

    `ignored` counts what was ignored by the name of the method, `outages` how often it
    began; `away` is true while one lasts.
    """

    def __init__(self, alias: str, logger: str, *, log_each: bool = False) -> None:
        self.alias = alias
        self.outages = 0
        self.away = False
        self._ignored: dict[str, int] = {}
        self._log_each = log_each
        self._began = 0.0
        self._latest = 0.0
        self._own_lock = StateLock()
        self._log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            logging.getLogger(logger),
            processors=[structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache=alias,
        )

    @property
    def _lock(self) -> StateLock:
        """The lock of the counts; a child process opens it before it is taken there."""
        return in_this_process(self._own_lock)

    @property
    def ignored(self) -> dict[str, int]:
        """How many errors were ignored since the process began, by method."""
        with self._lock:
            return dict(self._ignored)

    def ignore(self, method: str, error: Exception) -> None:
        """Count an error and log it, or raise it if it is none to be ignored."""
        if not may_be_ignored(error):
            raise error
        with self._lock:
            self._ignored[method] = self._ignored.get(method, 0) + 1
            self._latest = monotonic()
            begins = not self.away
            if begins:
                self.away = True
                self.outages += 1
                self._began = self._latest
        if begins:
            self._log.error(
                f"cache {self.alias!r} is away and answers as if it were empty: {error}",
                error=type(error).__name__,
                method=method,
            )
        elif self._log_each:
            self._log.error(
                f"cache {self.alias!r}: {method} ignored {type(error).__name__}: {error}",
                error=type(error).__name__,
                method=method,
            )

    def succeeded(self) -> None:
        """Hear of a success while `away`; the outage ends once there was no trouble for a while."""
        now = monotonic()
        with self._lock:
            if not self.away or now - self._latest < QUIET:
                return
            self.away = False
        self._log.warning(
            f"cache {self.alias!r} is back after {now - self._began:.1f} s",
            seconds=round(now - self._began, 3),
        )


def _is_session(key: str) -> bool:
    """Tell whether a key belongs to the session engine in use or to Django's own."""
    engine = sys.modules.get(settings.SESSION_ENGINE)
    prefix = getattr(getattr(engine, "SessionStore", None), "cache_key_prefix", None)
    return key.startswith(tuple(filter(None, (prefix, STOCK_SESSIONS))))


def _add(error: Exception, key: Any, *_: Any, **__: Any) -> bool:
    if _is_session(str(key)):
        # Django's session engine takes False for a key that exists, and tries 10,000 others.
        raise CacheUnavailable(
            "no session can be created, as the cache does not answer: IGNORE_EXCEPTIONS covers"
            " reading sessions, not creating them; with the SESSION_ENGINE"
            " 'django.contrib.sessions.backends.cached_db' they are in the database too"
        ) from error
    return False


def _default(error: Exception, key: Any, default: Any = None, version: Any = None) -> Any:
    return default


def _missing(error: Exception, key: Any, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"Key {key!r} not found: the cache does not answer") from error


def _raised(error: Exception, *_: Any, **__: Any) -> NoReturn:
    raise error


def _allowed(error: Exception, key: Any, limit: int, *_: Any, cost: int = 1, **__: Any) -> Any:
    return RateLimit(True, limit, max(0, limit - cost))


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


def _new(kind: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *_, **__: kind()


FALLBACKS: Mapping[str, Callable[..., Any]] = {
    "get": _default,
    "set": _always(False),
    "add": _add,
    "delete": _always(False),
    "touch": _always(False),
    "has_key": _always(False),
    "incr": _missing,
    "incr_version": _missing,
    "ttl": _always(-2),
    "pttl": _always(-2),
    "expire": _always(False),
    "pexpire": _always(False),
    "expire_at": _always(False),
    "pexpire_at": _always(False),
    "persist": _always(False),
    "delete_pattern": _always(0),
    "clear": _always(0),
    "flush_db": _always(None),
    "rate_limit": _allowed,
    "throttle": _allowed,
    **FALLBACKS_OF_STRUCTURES,
}
"""
What each verb answers instead: what it would answer if nothing were in the cache. Called with
the error and the verb's arguments. `incr` and `incr_version` raise the ValueError that their
callers have to be ready for anyway.
"""

FALLBACKS_OF_BULK: Mapping[str, Callable[..., Any]] = {
    "get_many": _new(dict),
    "set_many": lambda error, data, *_, **__: list(data),
    "delete_many": _always(0),
    "touch_many": lambda error, keys, *_, **__: list(keys),
    "incr_many": _new(dict),
}
"""The same where each key has an answer of its own, if not even that can be had."""

ENDING_EARLY = ("iter_keys", "hscan_iter", "sscan_iter", "zscan_iter")
"""Iterators, which end where the server does."""

FALLBACKS_IN_PIPELINES: Mapping[str, Callable[..., Any]] = {
    **FALLBACKS,
    "decr": _missing,
    "eval_script": _raised,
}
"""What each result of a pipeline is instead: what its verb would answer alone."""
