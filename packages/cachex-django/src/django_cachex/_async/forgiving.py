# tools/unasync.py writes the sync twin of this file.
"""A cache that answers when no server does, for IGNORE_EXCEPTIONS."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import wraps
from typing import Any

from cachex_client import AsyncCache, AsyncCachePipeline, Command
from cachex_client.keys import Version
from cachex_client.queued.queue import Queued
from django_cachex._async.pickling import AsyncPicklingCache
from django_cachex.failures import (
    ENDING_EARLY,
    FALLBACKS,
    FALLBACKS_IN_PIPELINES,
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

    def pipeline(
        self, transaction: bool = False, version: Version | None = None
    ) -> AsyncCachePipeline:
        """Return a pipeline each of whose results is answered for where no server can."""
        return AsyncForgivingPipeline(self._inner, transaction, version, self._failures)


class AsyncForgivingPipeline(AsyncCachePipeline):
    """A pipeline whose results are what the verbs would answer one by one."""

    def __init__(
        self, cache: AsyncCache, transaction: bool, version: Version | None, failures: Failures
    ) -> None:
        super().__init__(cache, transaction, cache.commands.at(version))
        self._failures = failures
        self.instead = self._answer
        self._asked: Sequence[Queued] = ()

    def _taken(self) -> list[Queued]:
        taken = super()._taken()
        self._asked = taken
        return taken

    def _answer(self, verb: str, error: Exception, arguments: tuple[Any, ...]) -> Any:
        self._failures.ignore(verb, error)
        return FALLBACKS_IN_PIPELINES[verb](error, *arguments)

    async def _send(self, commands: Sequence[Command[Any]]) -> Sequence[Any]:
        replies = await super()._send(commands)
        if self._failures.away and not any(map(_is_trouble, replies)):
            self._failures.succeeded(*{one.verb for one in self._asked})
        return replies


def _is_trouble(reply: Any) -> bool:
    return isinstance(reply, TROUBLE) and may_be_ignored(reply)


def _forgiving(name: str, fallback: Callable[..., Any]) -> Any:
    verb = getattr(AsyncPicklingCache, name)

    @wraps(verb)
    async def forgiving(self: AsyncForgivingCache, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = await verb(self._inner, *args, **kwargs)
        except TROUBLE as error:
            self._failures.ignore(name, error)
            return fallback(error, *args, **kwargs)
        if self._failures.away:
            self._failures.succeeded(name)
        return answer

    return forgiving


def _forgiving_in_part(name: str, fallback: Callable[..., Any]) -> Any:
    verb = getattr(AsyncPicklingCache, name)

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
            self._failures.succeeded(name)
        return answer

    return forgiving


def _ending_early(name: str) -> Any:
    verb = getattr(AsyncPicklingCache, name)

    @wraps(verb)
    async def forgiving(self: AsyncForgivingCache, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async for item in verb(self._inner, *args, **kwargs):
                yield item
        except TROUBLE as error:
            self._failures.ignore(name, error)

    return forgiving


for _name, _fallback in FALLBACKS.items():
    setattr(AsyncForgivingCache, _name, _forgiving(_name, _fallback))
for _name, _fallback in FALLBACKS_OF_BULK.items():
    setattr(AsyncForgivingCache, _name, _forgiving_in_part(_name, _fallback))
for _name in ENDING_EARLY:
    setattr(AsyncForgivingCache, _name, _ending_early(_name))
