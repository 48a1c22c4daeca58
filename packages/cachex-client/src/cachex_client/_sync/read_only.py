# Written by tools/unasync.py from _async/read_only.py: edit that file instead.
"""A client that writes nothing, for a LOCATION that asks for replicas only."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs

from cachex_client._sync.sentinel import SentinelClient
from cachex_client._core.read_only import ReadGuard
from cachex_client.command import Command
from cachex_client.errors import CacheIsReadOnly
from cachex_client.options import ClientOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_pool import PooledConnection, PoolObserver

T = TypeVar("T")


class ReadOnlyClient(SentinelClient):
    """
    Reads from the servers of a service, and refuses to send anything else.

    Sent is what the server flags `readonly`, and what touches no data (PING, INFO, SUBSCRIBE, a
    transaction around reads). A command that is not known, as one of a module, is refused unless
    it was made with `write=False`. What redis-py's own connections send is looked at, too.
    """

    def __init__(
        self,
        map: SentinelMap,
        options: ClientOptions | None = None,
        *,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        self._guard = ReadGuard(map.service)
        options = options or ClientOptions()
        pool = attrs.evolve(options.pool, guard=self._guard)
        super().__init__(map, attrs.evolve(options, pool=pool), observers=observers)

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
    ) -> Iterator[PooledConnection]:
        """Raise CacheIsReadOnly: what is sent on a connection of one's own is not looked at."""
        raise CacheIsReadOnly(self.map.service, "a connection to the primary")
        yield

    def _refuse_writes(self, commands: Sequence[Command[Any]]) -> None:
        for command in commands:
            self._guard.check(command)
