# tools/unasync.py writes the sync twin of this file.
"""A cache that answers when no server does, for IGNORE_EXCEPTIONS."""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import Any

from cachex_client import AsyncCache
from django_cachex.failures import (
    FALLBACKS,
    FALLBACKS_OF_BULK,
    TROUBLE,
    Failures,
    may_be_ignored,
)


class AsyncForgivingCache:
    """
    Has the verbs of an `AsyncCache`; where that cannot reach a server, `failures` answers.

    It stands around the cache instead of above it, so that what verbs use of each other still
    fails inside.
    """

    def __init__(self, cache: AsyncCache, failures: Failures) -> None:
        self._inner = cache
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def iter_keys(self, *args: Any, **kwargs: Any) -> AsyncIterator[str]:
        """Yield keys until there are no more, or no server."""
        try:
            async for key in self._inner.iter_keys(*args, **kwargs):
                yield key
        except TROUBLE as error:
            self._failures.ignore("iter_keys", error)


def _forgiving(name: str, fallback: Callable[..., Any]) -> Any:
    verb = getattr(AsyncCache, name)

    @wraps(verb)
    async def forgiving(self: AsyncForgivingCache, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = await verb(self._inner, *args, **kwargs)
        except TROUBLE as error:
            self._failures.ignore(name, error)
            return fallback(error, *args, **kwargs)
        if self._failures.away:
            self._failures.succeeded()
        return answer

    return forgiving


def _forgiving_in_part(name: str, fallback: Callable[..., Any]) -> Any:
    verb = getattr(AsyncCache, name)

    @wraps(verb)
    async def forgiving(self: AsyncForgivingCache, *args: Any, **kwargs: Any) -> Any:
        ignored: list[Exception] = []

        def on_error(key: Any, error: Exception) -> None:
            if not may_be_ignored(error):
                raise error
            ignored.append(error)

        try:
            answer = await verb(self._inner, *args, **kwargs, on_error=on_error)
        except TROUBLE as error:
            self._failures.ignore(name, error)
            return fallback(error, *args, **kwargs)
        if ignored:
            self._failures.ignore(name, ignored[0])
        elif self._failures.away:
            self._failures.succeeded()
        return answer

    return forgiving


for _name, _fallback in FALLBACKS.items():
    setattr(AsyncForgivingCache, _name, _forgiving(_name, _fallback))
for _name, _fallback in FALLBACKS_OF_BULK.items():
    setattr(AsyncForgivingCache, _name, _forgiving_in_part(_name, _fallback))
