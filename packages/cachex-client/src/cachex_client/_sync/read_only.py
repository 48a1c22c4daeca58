# Written by tools/unasync.py from _async/read_only.py: edit that file instead.
"""A client that writes nothing, for a LOCATION that asks for replicas only."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from cachex_client._sync.sentinel import SentinelClient
from cachex_client.command import Command
from cachex_client.commands import custom
from cachex_client.errors import CacheIsReadOnly
from cachex_pool import Connection

T = TypeVar("T")


class ReadOnlyClient(SentinelClient):
    """Reads from the servers of a service, and refuses to send anything else."""

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """Send a command that reads, return its parsed reply; CacheIsReadOnly for others."""
        self._refuse_writes((command,))
        return super().execute(command, timeout=timeout)

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Send commands that read, return their results in order; CacheIsReadOnly for others."""
        self._refuse_writes(commands)
        return super().execute_many(commands, timeout=timeout)

    def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Run commands that read as one transaction; CacheIsReadOnly for others."""
        self._refuse_writes(commands)
        return super().execute_atomic(commands, timeout=timeout)

    def execute_everywhere(
        self, command: Command[Any], *, timeout: float | None = None
    ) -> list[Any]:
        """Send a command that reads to the primary; CacheIsReadOnly for others."""
        self._refuse_writes((command,))
        return super().execute_everywhere(command, timeout=timeout)

    @contextmanager
    def lease(
        self, *, key: bytes | None = None, timeout: float | None = None
    ) -> Iterator[Connection]:
        """Raise CacheIsReadOnly: what is sent on a connection of one's own is not looked at."""
        raise CacheIsReadOnly(self.map.service, "a connection to the primary")
        yield

    def _refuse_writes(self, commands: Sequence[Command[Any]]) -> None:
        for command in commands:
            # A read that only the primary may answer looks like a write: see what it is by name.
            if command.spec.write and custom(*command.arguments).spec.write:
                raise CacheIsReadOnly(self.map.service, command.name)
