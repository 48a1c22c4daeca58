"""
A connection that a caller has acquired from a pool.

Sync and async are written by hand: in threads one writes and reads, in asyncio one awaits.
"""

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from cachex_pool._wire import AsyncConnection, Connection
from cachex_pool.errors import ConnectionLost

Held = TypeVar("Held", Connection, AsyncConnection)


class _Pooled(Generic[Held]):
    __slots__ = ("_held", "name")

    def __init__(self, connection: Held) -> None:
        # Among threads only one can take it out of the list.
        self._held: list[Held] = [connection]
        self.name = connection.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self._held[0] if self._held else 'released'}>"

    @property
    def closed(self) -> bool:
        """Whether it was closed, by either side, or released."""
        return all(connection.closed for connection in self._held)

    @property
    def busy(self) -> bool:
        """Whether replies are outstanding."""
        return any(connection.busy for connection in self._held)

    @property
    def protocol(self) -> int:
        """The version of RESP it speaks: 2 or 3."""
        return self._connection.protocol

    @property
    def server(self) -> dict[str, Any]:
        """What the server said of itself in its reply to HELLO; empty if that was refused."""
        return self._connection.server

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address and port of the server it leads to; None with a Unix socket."""
        return self._connection.peer

    def spend(self) -> Held | None:
        """Return the connection to the pool that takes it back; None if it has it already."""
        try:
            return self._held.pop()
        except IndexError:
            return None

    @property
    def _connection(self) -> Held:
        try:
            return self._held[0]
        except IndexError:
            raise ConnectionLost(self.name, "it was released", written=False) from None


class PooledConnection(_Pooled[Connection]):
    """
    A connection that was acquired from a `Pool`, until it is released.

    Each `acquire` returns an object of its own, also when the connection is the same again. After
    its release calls on it raise ConnectionLost, and to release it again changes nothing. After
    any error in a call, `abandon` it. Deadlines are times of `time.monotonic()`.
    """

    __slots__ = ()

    def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is returned, not raised.

        Raises ConnectionLost, DeadlineExceeded or ProtocolError.
        """
        return self._connection.call(data, deadline)

    def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; errors as in `call`."""
        return self._connection.exchange(data, count, deadline)

    def write(self, data: bytes, deadline: float) -> None:
        """Send packed commands; `read` has to follow. Errors as in `call`."""
        self._connection.write(data, deadline)

    def read(self, count: int, deadline: float) -> list[Any]:
        """Return the next `count` replies; error replies are values in the list."""
        return self._connection.read(count, deadline)


class AsyncPooledConnection(_Pooled[AsyncConnection]):
    """
    A connection that was acquired from an `AsyncPool`, until it is released.

    Each `acquire` returns an object of its own, also when the connection is the same again. After
    its release calls on it raise ConnectionLost, and to release it again changes nothing. After
    any error in a call, `abandon` it. Deadlines are times of `time.monotonic()`.
    """

    __slots__ = ()

    async def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is returned, not raised.

        Raises ConnectionLost, DeadlineExceeded or ProtocolError.
        """
        return await self._connection.call(data, deadline)

    async def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; errors as in `call`."""
        return await self._connection.exchange(data, count, deadline)

    def submit(self, data: bytes, deadline: float) -> Awaitable[Any]:
        """Send one packed command; what is returned gets its reply, or an error as in `call`."""
        return self._connection.submit(data, deadline)

    def submit_many(self, data: bytes, count: int, deadline: float) -> Awaitable[Any]:
        """Send packed commands; what is returned gets the list of their replies."""
        return self._connection.submit_many(data, count, deadline)
