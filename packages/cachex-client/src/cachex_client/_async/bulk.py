# tools/unasync.py writes the sync twin of this file.
"""The verbs of a cache for many keys: one call down, results and failures per key."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, repeat
from typing import Any, TypeVar

import attrs
from redis.exceptions import NoScriptError

from cachex_client import commands
from cachex_client._async.verbs import AsyncVerbs
from cachex_client._audience import audience, tell
from cachex_client._concurrency import AsyncPacer
from cachex_client._core.increment import increment
from cachex_client._core.slices import SLICE, slices
from cachex_client.codec import discreet
from cachex_client.command import Command, on_primary
from cachex_client.errors import SerializerError
from cachex_client.keys import Version
from cachex_client.outcomes import OnError, settle
from cachex_client.timeouts import DEFAULT, Timeout

K = TypeVar("K")


class AsyncBulkVerbs(AsyncVerbs):
    """The verbs of a cache for many keys.

    Each takes `on_error`, which a failure policy sets: it is called with every key that failed and
    its error, and the others keep their results. Without it, an error is raised once all servers
    have answered.
    """

    async def get_many(
        self,
        keys: Iterable[K],
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> dict[K, Any]:
        """Return the values that there are, by the caller's keys."""
        names = keys if isinstance(keys, list) else list(keys)
        if not names:
            return {}
        found: Sequence[Any] = ()
        try:
            if len(names) > AsyncPacer.HUGE:
                return await self._get_very_many(list(names), version, on_error)
            wires = self.keyspace.wire_many(names, version)
            if audience.observers:
                return await self._get_many_told(names, wires, on_error)
            found = await self.client.get_many(wires)
            return self._load_all(names, wires, found, on_error)
        except SerializerError as error:
            del found
            raise discreet(error)  # noqa: B904  without what led to it

    async def _get_very_many(
        self, names: list[K], version: Version | None, on_error: OnError | None
    ) -> dict[K, Any]:
        wires = await self._wires(names, version)
        if audience.observers:
            values = await self._get_many_told(names, wires, on_error)
        else:
            found = await self.client.get_many(wires)
            values = await self._load_slices(names, wires, found, on_error)
        await self._drop(wires)
        return values

    async def _get_many_told(
        self, names: list[K], wires: list[bytes], on_error: OnError | None
    ) -> dict[K, Any]:
        """Do the rest of `get_many`, and tell observers what came of it."""
        read = self.client.get_many
        try:
            found = await self._together("get_many", len(wires), read, wires, finds=True)
        except Exception:
            tell("looked_up", self.name, "get_many", 0, 0, len(names))
            raise
        huge = len(names) > AsyncPacer.HUGE
        if not audience.counters:
            if huge:
                return await self._load_slices(names, wires, found, on_error)
            return self._load_all(names, wires, found, on_error)
        misses, failed = found.count(None), 0

        def note(name: Any, error: Exception) -> None:
            nonlocal failed
            failed += 1
            if on_error is not None:
                on_error(name, error)
                return
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame: no cycle keeps it

        errors = _count_errors(found)
        try:
            if huge:
                return await self._load_slices(names, wires, found, note)
            return self._load_all(names, wires, found, note)
        finally:
            errors = max(failed, errors)
            hits = len(names) - misses - errors
            tell("looked_up", self.name, "get_many", hits, misses, errors)

    async def _load_slices(
        self,
        names: list[K],
        wires: list[bytes],
        found: Sequence[Any],
        on_error: OnError | None,
    ) -> dict[K, Any]:
        """Do as `_load_all` for very many, and let go of what was read."""
        values: dict[K, Any] = {}
        pacer = AsyncPacer()
        for part in slices(len(names)):
            values |= self._load_all(names[part], wires[part], found[part], on_error)
            if isinstance(found, list):
                found[part] = repeat(None, len(found[part]))
            await pacer.pause()
        return values

    def _load_all(
        self,
        names: list[K],
        wires: list[bytes],
        found: Sequence[Any],
        on_error: OnError | None,
    ) -> dict[K, Any]:
        where: dict[K, bytes] = {}

        def failed(name: K, error: Exception) -> None:
            if isinstance(error, SerializerError):
                where.update(() if where else zip(names, wires, strict=True))
                error.at(where[name])
            if on_error is not None:
                on_error(name, error)
                return
            try:
                raise error
            finally:
                del error

        return self.codec.loads_found(names, found, failed, wires)

    async def set_many(
        self,
        values: Mapping[K, Any],
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> list[K]:
        """Store values, all for the same time; return the keys that could not be stored.

        If none could, the first error is raised. While this works, the mapping must not change.
        """
        if not values:
            return []
        px = self._px(timeout)
        if px == 0:
            return await self._store_none(values, version, on_error)
        if len(values) > AsyncPacer.HUGE:
            replies = await self._set_very_many(values, px, version)
        else:
            wires = self.keyspace.wire_many(values, version)
            stored = self.codec.dumps_many(values.values(), wires)
            wanted = commands.set_each(wires, stored, px)
            replies = await self._many("set_many", wanted)
        written = replies.count(True)
        if written and audience.counters:
            tell("wrote", self.name, "set_many", written)
        if written == len(replies):
            return []
        failed = {
            name: reply for name, reply in zip(values, replies, strict=True) if reply is not True
        }
        if on_error is not None or len(failed) == len(values):
            settle(list(failed), failed.values(), on_error)
        return list(failed)

    async def _set_very_many(
        self, values: Mapping[K, Any], px: int | None, version: Version | None
    ) -> list[Any]:
        pacer, left = AsyncPacer(), iter(values.items())
        lists: list[list[bytes]] = []
        for _ in range(3):
            lists.append([b""] * len(values))  # one that grows is copied over and over again
            await pacer.pause()
        wires, stored, packed = lists
        for part in slices(len(values)):
            some = list(islice(left, part.stop - part.start))  # raises if the mapping has changed
            wires[part] = self.keyspace.wire_many([name for name, _ in some], version)
            stored[part] = self.codec.dumps_many([value for _, value in some], wires[part])
            packed[part] = commands.set_each(wires[part], stored[part], px).packed
            await pacer.pause()
        wanted = attrs.evolve(
            commands.set_each((), (), px), keys=wires, values=stored, packed=packed
        )
        replies = await self._many("set_many", wanted)
        await self._drop(*lists)
        return replies

    async def _store_none(
        self, values: Mapping[K, Any], version: Version | None, on_error: OnError | None
    ) -> list[K]:
        """Do as if values had been stored and their time were over."""
        failed = False

        def note(name: Any, error: Exception) -> None:
            nonlocal failed
            failed = True
            if on_error is None:
                raise error
            on_error(name, error)

        await self.delete_many(values, version, on_error=note)
        return list(values) if failed else []  # which of them, their server did not say

    async def delete_many(
        self,
        keys: Iterable[K],
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> int:
        """Remove keys and return how many there were.

        Keys are removed in groups: `on_error` is called with None for the keys of a group.
        """
        names = keys if isinstance(keys, list) else list(keys)
        huge = len(names) > AsyncPacer.HUGE
        if huge:
            wires = await self._wires(list(names), version)
        else:
            wires = self.keyspace.wire_many(names, version)
        if audience.observers and wires:
            delete = self.client.delete_many
            parts = await self._together("delete_many", len(wires), delete, wires)
        else:
            parts = await self.client.delete_many(wires)
        if huge:
            removed, pacer = 0, AsyncPacer()
            for part in slices(len(parts)):
                removed += _count_removed(parts[part], on_error)
                await pacer.pause()
            await self._drop(wires)
        else:
            removed = _count_removed(parts, on_error)
        if removed and audience.counters:
            tell("deleted", self.name, "delete_many", removed)
        return removed

    async def touch_many(
        self,
        keys: Iterable[K],
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> list[K]:
        """Give keys a new time to live; return those that there are not, or that failed."""
        names, px = list(keys), self._px(timeout)
        if len(names) > AsyncPacer.HUGE:
            return await self._touch_very_many(names, px, version, on_error)
        wanted = _touches(self.keyspace.wire_many(names, version), px)
        replies = await self._many("touch_many", wanted, len(names))
        if px is None:
            replies = replies[::2]
        return _missing(names, replies, on_error)

    async def _touch_very_many(
        self, names: list[K], px: int | None, version: Version | None, on_error: OnError | None
    ) -> list[K]:
        pacer = AsyncPacer()
        wanted, missing = list[Command[Any]](), list[K]()
        for part in slices(len(names)):
            wanted += _touches(self.keyspace.wire_many(names[part], version), px)
            await pacer.pause()
        replies = await self._many("touch_many", wanted, len(names))
        await self._drop(wanted)
        if px is None:
            replies = replies[::2]
        for part in slices(len(names)):
            missing += _missing(names[part], replies[part], on_error)
            await pacer.pause()
        return missing

    async def incr_many(
        self,
        deltas: Mapping[K, int],
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> dict[K, int]:
        """Add to stored whole numbers and return the sums, leaving out keys that are missing.

        Each as `incr` does it.
        """
        self.codec.refuse_counting("incr_many")
        names = list(deltas)
        huge = len(names) > AsyncPacer.HUGE
        if huge:
            wires = await self._wires(names, version)
        else:
            wires = self.keyspace.wire_many(names, version)
        amounts = list(deltas.values())
        if audience.observers and wires:
            add = self._incr_each
            totals = await self._together("incr_many", len(wires), add, wires, amounts)
        else:
            totals = await self._incr_each(wires, amounts)
        if huge:
            found, pacer = dict[K, int](), AsyncPacer()
            for part in slices(len(names)):
                found |= _sums(names[part], totals[part], on_error)
                await pacer.pause()
            await self._drop(wires)
        else:
            found = _sums(names, totals, on_error)
        if found and audience.counters:
            tell("wrote", self.name, "incr_many", len(found))
        return found

    async def _incr_each(self, wires: list[bytes], amounts: list[int]) -> list[Any]:
        if len(wires) > AsyncPacer.HUGE // 4:  # each takes four times as long as a GET
            return await self._incr_slices(wires, amounts)
        totals = await self.client.execute_many(list(map(increment, wires, amounts)))
        # A server that does not know the script has done nothing: send it the text.
        unknown = [at for at, total in enumerate(totals) if isinstance(total, NoScriptError)]
        if unknown:
            again = await self.client.execute_many(
                [increment(wires[at], amounts[at], by_text=True) for at in unknown]
            )
            for at, total in zip(unknown, again, strict=True):
                totals[at] = total
        return totals

    async def _incr_slices(self, wires: list[bytes], amounts: list[int]) -> list[Any]:
        """Do as `_incr_each` for very many; that does the work for those that need the text."""
        wanted, unknown = list[Command[Any]](), list[int]()
        pacer = AsyncPacer()
        for part in slices(len(wires)):
            wanted += map(increment, wires[part], amounts[part])
            await pacer.pause()
        totals = await self.client.execute_many(wanted)
        await self._drop(wanted)
        for part in slices(len(totals)):
            if NoScriptError in set(map(type, totals[part])):
                found = enumerate(totals[part], part.start)
                unknown += [at for at, total in found if isinstance(total, NoScriptError)]
            await pacer.pause()
        if unknown:
            await self._incr_by_text(wires, amounts, unknown, totals)
        return totals

    async def _incr_by_text(
        self, wires: list[bytes], amounts: list[int], unknown: list[int], totals: list[Any]
    ) -> None:
        """Add to the keys at some positions by a script's text, and put in what comes of it."""
        wanted, pacer = list[Command[Any]](), AsyncPacer()
        for part in slices(len(unknown)):
            wanted += [increment(wires[at], amounts[at], by_text=True) for at in unknown[part]]
            await pacer.pause()
        again = await self.client.execute_many(wanted)
        await self._drop(wanted)
        for part in slices(len(unknown)):
            for at, total in zip(unknown[part], again[part], strict=True):
                totals[at] = total
            await pacer.pause()

    async def _wires(self, names: list[K], version: Version | None) -> list[bytes]:
        """Return the full keys of very many."""
        wires, pacer = list[bytes](), AsyncPacer()
        for part in slices(len(names), SLICE):
            wires += self.keyspace.wire_many(names[part], version)
            await pacer.pause()
        return wires


def _count_errors(results: Sequence[Any]) -> int:
    return sum(map(isinstance, results, repeat(Exception)))


def _count_removed(parts: Iterable[int | Exception], on_error: OnError | None) -> int:
    """Return how many keys were removed; each error goes to `on_error`, or is raised."""
    removed = 0
    for part in parts:
        if not isinstance(part, Exception):
            removed += part
        elif on_error is None:
            raise part
        else:
            on_error(None, part)
    return removed


def _touches(wires: Iterable[bytes], px: int | None) -> list[Command[Any]]:
    """Make the commands that give keys a new end, two for each if that is none."""
    if px is None:  # PERSIST does not tell a missing key from one without an end
        return [
            command
            for wire in wires
            for command in (on_primary(commands.exists(wire)), commands.persist(wire))
        ]
    if px == 0:
        return [commands.unlink(wire) for wire in wires]
    return [commands.pexpire(wire, px) for wire in wires]


def _missing(names: Sequence[K], replies: Sequence[Any], on_error: OnError | None) -> list[K]:
    """Return the names whose reply is 0 or an error."""
    there = settle(names, replies, on_error)
    return [name for name in names if not there.get(name)]


def _sums(names: Sequence[K], totals: Sequence[Any], on_error: OnError | None) -> dict[K, int]:
    """Return the sums of the keys that there are."""
    sums = settle(names, totals, on_error)
    return {name: total for name, total in sums.items() if total is not None}
