# tools/unasync.py writes the sync twin of this file.
"""What all verbs of a cache share."""

from collections.abc import Sequence
from copy import copy
from itertools import repeat
from typing import Any, NoReturn, Self, TypeVar

from cachex_client._async.told import async_as_operation, async_told
from cachex_client._audience import all_asleep, audience
from cachex_client._concurrency import AsyncPacer
from cachex_client._core.routes import wait_of
from cachex_client._telling import Origins, together
from cachex_client.codec import Codec, discreet
from cachex_client.command import Command
from cachex_client.errors import SerializerError
from cachex_client.executor import AsyncExecutor
from cachex_client.keys import Keys
from cachex_client.observer import Operation
from cachex_client.structures import CacheCommands
from cachex_client.timeouts import DEFAULT, Timeout, milliseconds

T = TypeVar("T")


class AsyncVerbs:
    """A client, and how keys, values and timeouts are to be read; `name` is for observers."""

    def __init__(
        self,
        client: AsyncExecutor,
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
        self._origins = Origins(name)
        self._own_px = None if timeout is None else milliseconds(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.keyspace!r} on {self.client!r}>"

    def __copy__(self) -> Self:
        """Return another cache on the same client."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: object) -> Self:
        return copy(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: its client belongs to this process;"
            " make a cache in each process"
        )

    def _px(self, timeout: Timeout) -> int | None:
        """Return a timeout in milliseconds: None for ever, 0 if it is over."""
        if timeout is DEFAULT:
            return self._own_px
        return None if timeout is None else milliseconds(timeout)

    async def _run(self, operation: str, command: Command[T]) -> T:
        """Execute a command on behalf of the verb `operation`.

        One that waits at the server may take that long besides the client's own deadline.
        """
        if audience.observers:
            command.origin = self._origins[operation]
        try:
            if command.spec.blocking:
                deadline = self.client.options.timeout + wait_of(command.arguments)
                return await self.client.execute(command, timeout=deadline)
            return await self.client.execute(command)
        except SerializerError as error:
            raise discreet(error.at(command.key))  # noqa: B904  without what led to it

    async def _whole(self, operation: str, work: Any, *arguments: Any) -> Any:
        """Do what takes several calls, and tell observers of it as one."""
        return await async_as_operation(self.name, operation, work, *arguments)

    async def _together(
        self, operation: str, keys: int, work: Any, *arguments: Any, finds: bool = False
    ) -> Any:
        """
        Make the one call of a verb for many keys, and tell observers of it.

        In a cluster as an `Operation`, elsewhere as what is sent.
        """
        if not audience.beginners and all_asleep():
            return await work(*arguments)
        whole = Operation(self._origins[operation], keys)
        if not getattr(self.client, "clustered", True):
            before = together.get()
            try:
                together.set(whole)
                return await work(*arguments)
            finally:
                together.set(before)

        async def counted() -> Any:
            results = await work(*arguments)
            if finds:
                nothing = results.count(None)
                errors = sum(map(isinstance, results, repeat(Exception)))
                whole.found = len(results) - nothing - errors
            return results

        return await async_told(whole, counted)

    async def _many(
        self, operation: str, wanted: Sequence[Command[Any]], keys: int | None = None
    ) -> list[Any]:
        """Execute commands on behalf of a verb for many keys, a command for each by default."""
        if audience.observers and wanted:
            keys = len(wanted) if keys is None else keys
            execute = self.client.execute_many
            made = wanted if len(wanted) > AsyncPacer.HUGE else list(wanted)
            return await self._together(operation, keys, execute, made)  # type: ignore[no-any-return]
        return await self.client.execute_many(wanted)

    async def _drop(self, *lists: list[Any]) -> None:
        """Let go of what was made for very many keys: nobody but an observer may want it."""
        if not audience.observers:
            await AsyncPacer().drop(*lists)

    async def _all(self, *wanted: Command[Any]) -> list[Any]:
        """Run commands in one write and return the replies; the first error is raised."""
        replies = await self.client.execute_many(wanted)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies
