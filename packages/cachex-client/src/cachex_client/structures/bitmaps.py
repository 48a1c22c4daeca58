"""Bitmaps: bits of a string, one by one."""

from collections.abc import Iterable
from typing import Any, Literal

from cachex_client.command import Argument, Command
from cachex_client.commands import bits as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, needed, several


class BitmapCommands(Terms):
    """Commands on bits, the first of which is 0.

    What they leave under a key are bytes, no value of the cache: `get` cannot read them.
    """

    def setbit(
        self, key: Key, offset: int, value: int, version: Version | None = None
    ) -> Command[int]:
        """Set a bit to 0 or 1 and return what it was; the string grows as far. Redis: SETBIT."""
        return build.setbit(self.keyspace.wire(key, version), offset, value)

    def getbit(self, key: Key, offset: int, version: Version | None = None) -> Command[int]:
        """Return a bit, 0 beyond the end. Redis: GETBIT."""
        return build.getbit(self.keyspace.wire(key, version), offset)

    def bitcount(
        self,
        key: Key,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> Command[int]:
        """Return how many bits are set, of all or from `start` to `end`, both included.

        These count bytes, or bits if `unit` is `"BIT"`; negative ones from the end.
        Redis: BITCOUNT.
        """
        if start is not None and end is None:
            end = -1
        limits = build.within(start, end, unit)
        return build.bitcount(self.keyspace.wire(key, version), limits)

    def bitpos(
        self,
        key: Key,
        bit: int,
        start: int | None = None,
        end: int | None = None,
        unit: Literal["BYTE", "BIT"] = "BYTE",
        version: Version | None = None,
    ) -> Command[int]:
        """Return where the first bit is that is 0 or 1, -1 if there is none.

        `start`, `end` and `unit` are as in `bitcount`. Redis: BITPOS.
        """
        if unit != "BYTE" and start is not None and end is None:
            end = -1
        limits = build.within(start, end, unit)
        return build.bitpos(self.keyspace.wire(key, version), bit, limits)

    def bitop(
        self,
        operation: Literal["AND", "OR", "XOR", "NOT"],
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Command[int]:
        """Store what an operation makes of the bits under keys; return its length in bytes.

        In a cluster all keys have to be in one slot. Never sent twice. Redis: BITOP.
        """
        found, version = several(keys, more, version)
        target = self.keyspace.wire(dest, version if version_dest is None else version_dest)
        wires = self._wires(found, version if version_keys is None else version_keys)
        return build.bitop(operation, target, wires)

    def bitfield(
        self, key: Key, *operations: Iterable[Any], version: Version | None = None
    ) -> Command[list[int | None]]:
        """Read and write numbers of any width; return one for each operation.

        Operations are `("GET", "u8", 0)`, `("SET", "u8", "#1", 200)`, `("INCRBY", "i5", 100, 1)`;
        `("OVERFLOW", "SAT")`, which returns nothing, says what the next ones do at the limits,
        `"FAIL"` makes them None. Never sent twice. Redis: BITFIELD.
        """
        words: list[Argument] = [
            word if isinstance(word, bytes) else str(word).encode()
            for operation in needed(operations, "operation")
            for word in operation
        ]
        return build.bitfield(self.keyspace.wire(key, version), words)
