# tools/unasync.py writes the sync twin of this file.
"""The verbs of a cache for many keys: one call down, results and failures per key."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from cachex_client import commands
from cachex_client._async.verbs import AsyncVerbs
from cachex_client._audience import audience, tell
from cachex_client._core.increment import increment
from cachex_client.command import on_primary
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
        wires = self.keyspace.wire_many(names, version)
        if audience.observers:
            return await self._get_many_told(names, wires, on_error)
        found = await self.client.get_many(wires)
        return self._load_all(names, wires, found, on_error)

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
        if not audience.counters:
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

        try:
            return self._load_all(names, wires, found, note)
        finally:
            errors = max(failed, sum(isinstance(one, Exception) for one in found))
            hits = len(names) - misses - errors
            tell("looked_up", self.name, "get_many", hits, misses, errors)

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

        return self.codec.loads_found(names, found, failed)

    async def set_many(
        self,
        values: Mapping[K, Any],
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        on_error: OnError | None = None,
    ) -> list[K]:
        """Store values, all for the same time; return the keys that could not be stored.

        If none could, the first error is raised.
        """
        if not values:
            return []
        px = self._px(timeout)
        if px == 0:
            return await self._store_none(values, version, on_error)
        wires = self.keyspace.wire_many(values, version)
        stored = self.codec.dumps_many(values.values())
        wanted = commands.set_each(wires, stored, px)
        replies = await self._many("set_many", wanted)
        written = replies.count(True)
        if written and audience.counters:
            tell("wrote", self.name, "set_many", written)
        if written == len(values):
            return []
        failed = {
            name: reply for name, reply in zip(values, replies, strict=True) if reply is not True
        }
        if on_error is not None or len(failed) == len(values):
            settle(list(failed), failed.values(), on_error)
        return list(failed)

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
        wires = self.keyspace.wire_many(keys, version)
        if audience.observers and wires:
            delete = self.client.delete_many
            parts = await self._together("delete_many", len(wires), delete, wires)
        else:
            parts = await self.client.delete_many(wires)
        removed = 0
        for part in parts:
            if not isinstance(part, Exception):
                removed += part
            elif on_error is None:
                raise part
            else:
                on_error(None, part)
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
        wires = self.keyspace.wire_many(names, version)
        if px is None:  # PERSIST does not tell a missing key from one without an end
            wanted = [
                command
                for wire in wires
                for command in (on_primary(commands.exists(wire)), commands.persist(wire))
            ]
            replies = (await self._many("touch_many", wanted, len(wires)))[::2]
        elif px == 0:
            replies = await self._many("touch_many", [commands.unlink(wire) for wire in wires])
        else:
            wanted = [commands.pexpire(wire, px) for wire in wires]
            replies = await self._many("touch_many", wanted)
        there = settle(names, replies, on_error)
        return [name for name in names if not there.get(name)]

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
        names = list(deltas)
        wires = self.keyspace.wire_many(names, version)
        amounts = list(deltas.values())
        if audience.observers and wires:
            add = self._incr_each
            totals = await self._together("incr_many", len(wires), add, wires, amounts)
        else:
            totals = await self._incr_each(wires, amounts)
        sums = settle(names, totals, on_error)
        found = {name: total for name, total in sums.items() if total is not None}
        if found and audience.counters:
            tell("wrote", self.name, "incr_many", len(found))
        return found

    async def _incr_each(self, wires: list[bytes], amounts: list[int]) -> list[Any]:
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
