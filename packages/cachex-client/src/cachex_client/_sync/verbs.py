# Written by tools/unasync.py from _async/verbs.py: edit that file instead.
"""What all verbs of a cache share."""

from typing import Any, TypeVar

from cachex_client._core.routes import wait_of
from cachex_client.codec import Codec
from cachex_client.command import Command
from cachex_client.executor import Executor
from cachex_client.keys import Keys
from cachex_client.observer import Origin, audience
from cachex_client.structures import CacheCommands
from cachex_client.timeouts import DEFAULT, Timeout, milliseconds

T = TypeVar("T")


class Verbs:
    """A client, and how keys, values and timeouts are to be read."""

    def __init__(
        self,
        client: Executor,
        keys: Keys | None = None,
        codec: Codec | None = None,
        timeout: float | None = 300.0,
        *,
        name: str = "",
    ) -> None:
        self.client = client
        self.keyspace = keys or Keys()
        self.codec = codec or Codec()
        self.timeout = timeout
        self.name = name
        self.commands = CacheCommands(self.keyspace, self.codec, timeout)
        self._own_px = None if timeout is None else milliseconds(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.keyspace!r} on {self.client!r}>"

    def _px(self, timeout: Timeout) -> int | None:
        """Return a timeout in milliseconds: None for ever, 0 if it is over."""
        if timeout is DEFAULT:
            return self._own_px
        return None if timeout is None else milliseconds(timeout)

    def _run(self, operation: str, command: Command[T]) -> T:
        """Execute a command on behalf of the verb `operation`.

        One that waits at the server may take that long besides the client's own deadline.
        """
        if audience.observers:
            command.origin = Origin(self.name, operation)
        if command.spec.blocking:
            deadline = self.client.options.timeout + wait_of(command.arguments)
            return self.client.execute(command, timeout=deadline)
        return self.client.execute(command)

    def _all(self, *wanted: Command[Any]) -> list[Any]:
        """Run commands in one write and return the replies; the first error is raised."""
        replies = self.client.execute_many(wanted)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies
