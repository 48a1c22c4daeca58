"""Telling observers of what begins and how it ends: for those who do it."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any

from cachex_client._audience import all_asleep, audience, detach, tell
from cachex_client._concurrency import monotonic
from cachex_client.command import Command
from cachex_client.observer import Operation, Origin, Sent
from cachex_pool import Endpoint
from cachex_pool.forks import run_after_fork, same_process

together: ContextVar[Operation | None] = ContextVar("cachex_together", default=None)
"""The verb for many keys that is its one `Sent`."""


@lru_cache(1024)
def origin_of(cache: str, operation: str) -> Origin:
    """Return the origin of a verb: the same one for each call, so that observers know it again."""
    return Origin(cache, operation)


class Origins(dict[str, Origin]):
    """The origins of one cache by operation, found faster than `origin_of` finds them."""

    def __init__(self, cache: str) -> None:
        super().__init__()
        self._cache = cache

    def __missing__(self, operation: str) -> Origin:
        made = self[operation] = origin_of(self._cache, operation)
        return made


def announced(
    server: Endpoint,
    commands: "Sequence[Command[Any]] | Callable[[], Sequence[Command[Any]]]",
    *,
    link: Any = None,
    atomic: bool = False,
) -> Sent | None:
    """
    Tell of a wire operation; return its `Sent` if anybody wants to hear of the end.

    `settle` has to be called then, whatever happens.
    """
    if not same_process:
        run_after_fork()
    if audience.sleeper is not None and all_asleep():
        return None
    sent = Sent()
    sent.server = server
    sent._commands = commands
    if atomic:
        sent.atomic = True
    if link is not None:
        sent.link = link
    if (whole := together.get()) is not None:
        sent._whole = whole
    try:
        for observer in audience.senders:
            try:  # between a token and its place is nothing where an interrupt could come
                if (token := observer.sending(sent)) is not None:
                    sent.tokens += ((observer, token),)
            except Exception as error:
                detach(observer, error)
        return sent if sent.tokens else None
    except BaseException as error:
        sent.error = error
        settle(sent)
        raise


def tell_refreshed(
    topology: str, trigger: str, started: float, found: Any, errors: Sequence[Exception]
) -> None:
    """Tell of a look at a topology: an error only if nothing was found."""
    if audience.observers:
        error = errors[0] if errors and found is None else None
        tell("refreshed", topology, trigger=trigger, took=monotonic() - started, error=error)


def settle(sent: Sent) -> None:
    """Tell the end of a wire operation to those who want to know and were not told."""
    while sent.tokens:
        (observer, token), sent.tokens = sent.tokens[-1], sent.tokens[:-1]
        try:
            observer.settled(sent, token)
        except Exception as error:
            detach(observer, error)


class Telling:
    """
    Tells of a wire operation that does not go through `execute`: on a connection of one's own.

    What stands behind `with` has the `Sent`, None if nobody wants to hear of it.
    """

    def __init__(
        self, server: Endpoint, commands: Sequence[Command[Any]], *, atomic: bool = False
    ) -> None:
        self._server, self._commands, self._atomic = server, commands, atomic
        self._sent: Sent | None = None

    def __enter__(self) -> Sent | None:
        if audience.senders and self._commands:
            self._sent = announced(self._server, self._commands, atomic=self._atomic)
        return self._sent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sent = self._sent
        if sent is not None:
            sent.error = error or sent.error
            settle(sent)


def begin(operation: Operation) -> bool:
    """Tell of a verb; say whether anybody wants to hear of its end."""
    if not same_process:
        run_after_fork()
    for observer in audience.beginners:
        try:
            if (token := observer.began(operation)) is not None:
                operation.tokens += ((observer, token),)
        except Exception as error:
            detach(observer, error)
    return bool(operation.tokens)


def end(operation: Operation) -> None:
    """Tell the end of a verb to those who want to know and were not told."""
    while operation.tokens:
        (observer, token), operation.tokens = operation.tokens[-1], operation.tokens[:-1]
        try:
            observer.ended(operation, token)
        except Exception as error:
            detach(observer, error)
