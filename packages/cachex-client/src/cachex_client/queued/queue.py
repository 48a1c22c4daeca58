"""What the methods of a pipeline stand on."""

from collections.abc import Callable
from typing import Any, Self, TypeAlias

import attrs

from cachex_client._core.wrong_replies import as_reply_to
from cachex_client.codec import discreet
from cachex_client.command import Command
from cachex_client.errors import SerializerError
from cachex_client.structures import CacheCommands
from cachex_pool import ProtocolError

Instead: TypeAlias = Callable[[str, Exception, tuple[Any, ...]], Any]
"""A failure policy: called with a verb, its error and its arguments; returns another result.

Raises the error, or one of its own, if there is none.
"""


@attrs.frozen(slots=True)
class Queued:
    """A command of the verb `verb`, which was called with `arguments`."""

    verb: str
    command: Command[Any]
    arguments: tuple[Any, ...]


@attrs.frozen(slots=True)
class Failed:
    """What a command came to if not to a result."""

    error: Exception


class Queue:
    """Commands of a cache, in the order in which they were asked for."""

    def __init__(self, commands: CacheCommands, instead: Instead | None = None) -> None:
        self.commands = commands
        self.instead = instead
        self._queued: list[Queued] = []

    def __len__(self) -> int:
        """How many commands there are."""
        return len(self._queued)

    def __bool__(self) -> bool:
        return True

    def _queue(self, verb: str, command: Command[Any], *arguments: Any) -> Self:
        if command.spec.blocking:
            raise ValueError(f"{verb} may wait, which would hold up all the rest of a pipeline")
        self._queued.append(Queued(verb, command, arguments))
        return self

    def _taken(self) -> list[Queued]:
        """Empty the queue and return what was in it."""
        taken, self._queued = self._queued, []
        return taken

    def _read(self, queued: Queued, reply: Any) -> Any:
        """Return the result of a command, or `Failed`."""
        try:
            if not isinstance(reply, Exception):
                try:
                    return queued.command.parse(reply)
                except ProtocolError as error:  # without its traceback, which refers to this frame
                    reply = as_reply_to(queued.command.name, error).with_traceback(None)
            if self.instead is not None:
                return self.instead(queued.verb, reply, queued.arguments)
        except Exception as error:
            if isinstance(error, SerializerError):
                discreet(error.at(queued.command.key))
            return Failed(error)
        return Failed(reply)
