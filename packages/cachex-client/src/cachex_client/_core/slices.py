"""Cutting work on very many keys or commands into slices."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from cachex_client._core.batches import parse_all, unsent
from cachex_client._core.series import Series
from cachex_client.command import Command
from cachex_pool import PoolError

if TYPE_CHECKING:
    from cachex_client.observer import Sent

T_co = TypeVar("T_co", covariant=True)

SLICE = 1000
"""How many keys or commands are sent at a time."""
STEP = 100
"""After how many values it is worth looking at the clock: some take long to read."""


def slices(count: int, size: int = STEP) -> Iterator[slice]:
    """Yield the slices that `count` things make."""
    return (slice(start, start + size) for start in range(0, count, size))


class Parts(Sequence[Command[T_co]]):
    """Commands on a slice of very many keys each, none of which is made before it is needed."""

    def __init__(
        self, keys: Sequence[bytes], size: int, make: Callable[[Sequence[bytes]], Command[T_co]]
    ) -> None:
        self._keys = keys
        self._size = size
        self._make = make

    def __len__(self) -> int:
        return -(-len(self._keys) // self._size)

    @overload
    def __getitem__(self, at: int) -> Command[T_co]: ...
    @overload
    def __getitem__(self, at: slice) -> list[Command[T_co]]: ...
    def __getitem__(self, at: int | slice) -> Command[T_co] | list[Command[T_co]]:
        if isinstance(at, slice):
            return [self[one] for one in range(len(self))[at]]
        start = range(len(self))[at] * self._size
        return self._make(self._keys[start : start + self._size])


class Picked(Sequence[Command[T_co]]):
    """Some of very many commands, which are looked up when they are needed."""

    def __init__(self, commands: Sequence[Command[T_co]], positions: Sequence[int]) -> None:
        self._commands = commands
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, at: int) -> Command[T_co]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Command[T_co]]: ...
    def __getitem__(self, at: int | slice) -> Command[T_co] | Sequence[Command[T_co]]:
        if not isinstance(at, slice):
            return self._commands[self._positions[at]]
        if isinstance(self._commands, Series):
            return self._commands.pick(self._positions[at])
        return [self._commands[one] for one in self._positions[at]]


@attrs.define(eq=False, slots=True)
class Sliced:
    """Very many commands that are sent slice by slice, and what has come of them."""

    commands: Sequence[Command[Any]]
    size: int  # of a slice
    deadline: float
    sent: "Sent | None" = None
    results: list[Any] = attrs.field(factory=list)
    replies: list[Any] = attrs.field(factory=list)  # kept for an observer only
    error: Exception | None = None  # the first that the reading of a reply has raised

    def take(self, some: Sequence[Command[Any]], replies: list[Any]) -> None:
        """Read the replies to a slice. One that cannot be read keeps no other from being sent."""
        if self.sent is not None:
            self.replies += replies
        try:
            self.results += parse_all(some, replies)
        except Exception as error:
            self.error = self.error or error
            self.results += replies

    def end(self, lost: PoolError) -> None:
        """Say of the commands that are left that they were not sent because of an error."""
        never = unsent(lost, len(self.commands) - len(self.results))
        self.results += never
        if self.sent is not None:
            self.replies += never
