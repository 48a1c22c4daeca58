"""Many commands that differ in key and value only, none of which is made before it is needed."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import attrs

from cachex_client.command import Argument, Command, Spec

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen(slots=True, eq=False, repr=False)
class Series(Sequence[Command[T_co]]):
    """
    The commands NAME key value word ..., for each key and its value.

    `packed` are the bytes of each on the wire, which is all that a write needs: making a hundred
    commands besides, and forgetting them, takes longer than packing them does. A command is made
    anew each time somebody looks at it.
    """

    spec: Spec
    parse: Callable[[Any], T_co]
    keys: Sequence[bytes]
    _values: Sequence[bytes]
    _words: tuple[Argument, ...]
    packed: list[bytes]

    def __repr__(self) -> str:
        return f"<Series of {len(self)} {self.spec.name}>"

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, at: int) -> Command[T_co]: ...
    @overload
    def __getitem__(self, at: slice) -> "Series[T_co]": ...
    def __getitem__(self, at: int | slice) -> "Command[T_co] | Series[T_co]":
        if isinstance(at, slice):
            keys, values, packed = self.keys[at], self._values[at], self.packed[at]
            return Series(self.spec, self.parse, keys, values, self._words, packed)
        words = (self.spec.name, self.keys[at], self._values[at], *self._words)
        return Command(words, self.spec, self.parse, self.packed[at])

    def pick(self, positions: Sequence[int]) -> "Series[T_co]":
        """Return the commands at some positions."""
        keys, values, packed = (
            list(map(one.__getitem__, positions)) for one in (self.keys, self._values, self.packed)
        )
        return Series(self.spec, self.parse, keys, values, self._words, packed)
