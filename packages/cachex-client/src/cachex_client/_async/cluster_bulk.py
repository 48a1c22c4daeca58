# tools/unasync.py writes the sync twin of this file.
"""Many keys and many commands of a cluster: who gets which, written to all before any is read."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any

from redis.exceptions import TryAgainError

from cachex_client import commands as build
from cachex_client._async.aim import Aim, Came, Group
from cachex_client._async.cluster_links import AsyncClusterLinks, Tables
from cachex_client._async.engine import AsyncEngine
from cachex_client._async.rounds import Errand
from cachex_client._concurrency import AsyncPacer, async_all_of, last_write, monotonic
from cachex_client._core.batches import is_in_vain, may_be_done, unsent
from cachex_client._core.health import in_order
from cachex_client._core.keyslot import slot_of, slots_of
from cachex_client._core.multikey import Foldable, Part, counted, hand_out, plan
from cachex_client._core.series import Series
from cachex_client._core.slices import SLICE, Picked, Sliced, slices
from cachex_client._links import AsyncLink, async_exchange_all
from cachex_client._watch import PartsWatch
from cachex_client.command import Command, Spec

MANY_AT_ONCE = 5000
GET = Foldable(b"GET", b"MGET", build.get, nothing=None)
UNLINK = Foldable(b"UNLINK", b"UNLINK", build.unlink, nothing=0)
_SPEC = attrgetter("spec")


class AsyncClusterBulk(AsyncEngine[AsyncClusterLinks]):
    """Splits what is to be done for many keys by server, and by slot where commands fold."""

    # -- many keys

    async def get_many(self, keys: Sequence[bytes], *, timeout: float | None = None) -> list[Any]:
        """
        Return what is stored under each key, None where there is nothing: one write per server.

        A key whose read failed has the error in its place.
        """
        return await self._spread(keys, GET, timeout)

    async def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> list[int | Exception]:
        """Remove keys with UNLINK: one write per server; return how many there were, or errors."""
        return counted(await self._spread(keys, UNLINK, timeout))

    async def _spread(
        self, keys: Sequence[bytes], verb: Foldable, timeout: float | None
    ) -> list[Any]:
        """Ask all servers at once, for MANY_AT_ONCE keys at a time."""
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        if len(keys) > AsyncPacer.HUGE:
            return await self._spread_slices(keys, verb, deadline)
        values: list[Any] = []
        for start in range(0, len(keys), MANY_AT_ONCE):
            some = keys[start : start + MANY_AT_ONCE]
            values += await self._spread_some(some, verb, deadline)
        return values

    async def _spread_slices(
        self, keys: Sequence[bytes], verb: Foldable, deadline: float
    ) -> list[Any]:
        """Ask each server for very many keys slice by slice, on connections that nobody shares."""
        values: list[Any] = [verb.nothing] * len(keys)

        async def ask(positions: list[int]) -> None:
            pacer = AsyncPacer()
            for part in slices(len(positions), SLICE):
                places = positions[part]
                some = [keys[at] for at in places]
                found = await self._spread_some(some, verb, deadline, exclusive=True)
                for at, value in zip(places, found, strict=True):
                    values[at] = value
                if is_in_vain(found[-1]) and monotonic() >= deadline:
                    never = unsent(found[-1], 1)[0]
                    for at in positions[part.stop :]:
                        values[at] = never
                    break
                await pacer.pause()
            await pacer.drop(positions)

        groups = await self._by_server(lambda part: keys[part], len(keys), deadline)
        await async_all_of([partial(ask, positions) for positions in groups])
        return values

    async def _by_server(
        self, keys: Callable[[slice], Sequence[bytes | None]], count: int, deadline: float
    ) -> list[list[int]]:
        """Return which of very many keys, by their positions, each server leads; None is one's."""
        tables, pacer = await self._links.mapped(deadline), AsyncPacer()
        groups: dict[AsyncLink | None, list[int]] = {}
        for part in slices(count, SLICE):
            some = keys(part)
            found = [(at, key) for at, key in enumerate(some, part.start) if key is not None]
            if len(found) < len(some):
                groups.setdefault(None, []).extend(
                    at for at, key in enumerate(some, part.start) if key is None
                )
            for (at, _), slot in zip(found, slots_of([key for _, key in found]), strict=True):
                link = tables.primaries[slot]
                if link in groups:
                    groups[link].append(at)
                else:
                    groups[link] = [at]
            await pacer.pause()
        return list(groups.values())

    async def _send_slices(self, work: Sliced) -> None:
        """Send each server its commands slice by slice: one that hangs holds up no other."""
        commands, results = work.commands, work.results
        results += repeat(None, len(commands))
        send = super()._send_slices

        async def walk(positions: list[int]) -> None:
            own = Sliced(Picked(commands, positions), work.size, work.deadline)
            await send(own)
            work.error, own.error = work.error or own.error, None
            pacer = AsyncPacer()
            for part in slices(len(positions), SLICE):
                for at, result in zip(positions[part], own.results[part], strict=True):
                    results[at] = result
                await pacer.pause()
            await pacer.drop(positions, own.results)

        def keys(part: slice) -> Sequence[bytes | None]:
            if isinstance(commands, Series):
                return commands.keys[part]
            return [command.key for command in commands[part]]

        groups = await self._by_server(keys, len(commands), work.deadline)
        await async_all_of([partial(walk, positions) for positions in groups])

    async def _spread_some(
        self, keys: Sequence[bytes], verb: Foldable, deadline: float, exclusive: bool = False
    ) -> list[Any]:
        tables = await self._links.mapped(deadline)
        parts = plan(keys, tables.primaries, verb.one, verb.many)
        lost = parts.pop(None, None)
        asks = self._asks(tables, verb.spec)
        asked = sorted(
            ((asks(link), part) for link, part in parts.items() if link is not None), key=_by_name
        )
        watch = PartsWatch(self.address, keys, verb)
        try:
            watch.leave(asked)
            values, afresh = await self._ask_parts(keys, verb, asked, deadline, watch, exclusive)
        except BaseException as error:
            watch.break_off(error)
            raise
        finally:
            watch.break_off()
        if lost is not None:
            afresh += lost.keys()
        if afresh:
            again = [verb.single(keys[at]) for at in afresh]
            results = await self._pursue_many(again, deadline, exclusive=exclusive)
            for at, result in zip(afresh, results, strict=True):
                values[at] = verb.value(result)
        return values

    async def _ask_parts(
        self,
        keys: Sequence[bytes],
        verb: Foldable,
        asked: Sequence[tuple[AsyncLink, Part]],
        deadline: float,
        watch: PartsWatch,
        exclusive: bool,
    ) -> tuple[list[Any], list[int]]:
        """Return the values, and which keys are to be asked for anew, one by one."""
        values: list[Any] = [verb.nothing] * len(keys)
        answers = await async_exchange_all(
            [(link, b"".join(part.packed), len(part.packed), deadline) for link, part in asked],
            exclusive=exclusive,
        )
        counts = verb is UNLINK
        afresh: list[int] = []
        failed: list[tuple[Aim, int, Any]] = []
        for (link, part), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                replies = [answer] * len(part.takers)
            else:
                replies = answer
                if not link.health.ok:
                    link.health.succeeded()
            for at, error in hand_out(part.takers, replies, values, counts=counts):
                # TRYAGAIN: a command on several keys met a slot on the move; one key cannot.
                if isinstance(error, TryAgainError):
                    values[at] = error
                    afresh.append(at)
                else:
                    failed.append((Aim(link), at, error))
        if may_be_done(answers):
            self._note_write(verb.spec)
        again = watch.settle(values, [at for _, at, _ in failed])
        if failed:
            came: list[Came] = [(aim, (n,), [error]) for n, (aim, _, error) in enumerate(failed)]
            commands = [verb.single(keys[at]) for _, at, _ in failed]
            results = await self._pursue_many(
                commands, deadline, came, watch=again, exclusive=exclusive
            )
            for (_, at, _), result in zip(failed, results, strict=True):
                values[at] = verb.value(result)
            watch.settle(values)
        return values, afresh

    def _asks(self, tables: Tables, spec: Spec) -> Callable[[AsyncLink], AsyncLink]:
        """Return who is asked in a primary's stead: one choice per shard and call."""
        links = self._links
        if spec.write or not links.reads_replicas:
            return _itself
        now = monotonic()
        if now - last_write.get() < self.options.read_your_writes:
            return _itself
        links.turn += 1
        turn, policy = links.turn, self.options.read_from

        def chosen(primary: AsyncLink) -> AsyncLink:
            found: AsyncLink = in_order(
                policy, primary, tables.replicas.get(primary, ()), turn, now
            )[0]
            return found

        return chosen

    # -- many commands

    async def _group(self, errand: Errand, positions: Sequence[int]) -> list[Group]:
        if errand.aims:
            return await super()._group(errand, positions)
        tables = await self._links.mapped(errand.deadline)
        groups: dict[AsyncLink | None, list[int]] = {}
        if keys := _written_keys(errand.commands):
            for position, slot in enumerate(slots_of(keys)):
                link = tables.primaries[slot]
                if link in groups:
                    groups[link].append(position)
                else:
                    groups[link] = [position]
        else:
            await self._group_each(errand, groups, tables)
        return [
            (None if link is None else Aim(link), members)
            for link, members in sorted(groups.items(), key=_by_name)
        ]

    async def _group_each(
        self, errand: Errand, groups: dict[AsyncLink | None, list[int]], tables: Tables
    ) -> None:
        # Who reads what the same call writes has to see it: a replica may not know of it yet.
        written = {
            tables.primaries[slot_of(command.key)]
            for command in errand.commands
            if command.spec.write and command.key is not None
        }
        asked: dict[AsyncLink, AsyncLink] = {}  # by primary, for reads
        anybody: AsyncLink | None = None
        for position, command in enumerate(errand.commands):
            key = command.key
            link: AsyncLink | None
            if key is None:
                if anybody is None:
                    aim = await self._route(command.spec, None, monotonic(), errand.deadline)
                    anybody = None if aim is None else aim.link
                link = anybody
            else:
                link = tables.primaries[slot_of(key)]
                if link is not None and link not in written and not command.spec.write:
                    if link not in asked:
                        asked[link] = self._asks(tables, command.spec)(link)
                    link = asked[link]
            groups.setdefault(link, []).append(position)


def _written_keys(commands: Sequence[Command[Any]]) -> Sequence[Any]:
    """
    Return the keys of commands that write one each, all of the same spec: what set_many sends.

    Of others none. Comparing specs by value, or asking each command for its key, would take as
    long as all the rest.
    """
    if isinstance(commands, Series):
        return commands.keys
    if len(set(map(id, map(_SPEC, commands)))) != 1:
        return []
    spec = commands[0].spec
    if not spec.write or spec.key != 1:
        return []
    keys: list[Any] = [command.arguments[1] for command in commands]
    return keys if set(map(type, keys)) == {bytes} else [command.key for command in commands]


def _itself(link: AsyncLink) -> AsyncLink:
    return link


def _by_name(item: tuple[AsyncLink | None, Any]) -> str:
    return "" if item[0] is None else item[0].name
