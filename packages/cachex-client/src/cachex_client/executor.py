"""What the cache verbs need of a client, in both colours.

Every client of this package is an executor, whatever topology is behind it, and so is anything
else with these members. Keys are bytes as they are on the wire, prefix and version included.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from cachex_client.command import Command
from cachex_client.observer import Origin
from cachex_client.options import ClientOptions

T = TypeVar("T")


class Executor(Protocol):
    """Sends commands to the servers that have to answer them, and waits for the replies."""

    @property
    def options(self) -> ClientOptions:
        """The client's options, of which `timeout` is the deadline of calls that have no other."""
        ...

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """Send one command and return its parsed reply.

        `timeout` is the deadline of this call in seconds; None stands for the client's own. Error
        replies and connection trouble are raised.
        """
        ...

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Send all commands, one write per server, and return as many results in their order.

        A command that failed has its exception in its place.
        """
        ...

    def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Run all commands as one transaction on a primary, and return their results.

        What keeps the transaction from running is raised; a command that failed in it has its
        exception in its place.
        """
        ...

    def execute_everywhere(
        self, command: Command[Any], *, timeout: float | None = None
    ) -> list[Any]:
        """Send a command without a key to every primary and return their results.

        A server that failed has its exception in its place.
        """
        ...

    def get_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[bytes | Exception | None]:
        """Return what is stored under each key, None if nothing is, in the order of the keys.

        The client decides how: one MGET, one per slot, or GETs. A key that could not be read has
        its exception in its place.
        """
        ...

    def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[int | Exception]:
        """Remove the keys with UNLINK and return how many there were, in as many parts as suits.

        A part that failed is its exception. The parts do not tell which keys they stand for.
        """
        ...

    def scan(
        self, pattern: bytes, count: int, *, origin: Origin | None = None
    ) -> Iterator[list[bytes]]:
        """Yield the keys that match a glob pattern, batch by batch, from every primary.

        `count` is the hint given to SCAN. As with SCAN, a key may come twice, and a batch may be
        empty. `origin` is for observers, and given only if there are any.
        """
        ...

    @property
    def redis(self) -> Any:
        """The methods of redis-py on this client's connections, on which locks are built."""
        ...


class AsyncExecutor(Protocol):
    """`Executor`, awaited."""

    @property
    def options(self) -> ClientOptions: ...

    async def execute(self, command: Command[T], *, timeout: float | None = None) -> T: ...

    async def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]: ...

    async def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]: ...

    async def execute_everywhere(
        self, command: Command[Any], *, timeout: float | None = None
    ) -> list[Any]: ...

    async def get_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[bytes | Exception | None]: ...

    async def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[int | Exception]: ...

    def scan(
        self, pattern: bytes, count: int, *, origin: Origin | None = None
    ) -> AsyncIterator[list[bytes]]: ...

    @property
    def redis(self) -> Any: ...
