"""What observers are told of one call of many commands: a `Sent` for each server it leaves for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from cachex_client._audience import audience
from cachex_client._core.multikey import Foldable, Part
from cachex_client._telling import announced, settle
from cachex_client.command import Command
from cachex_client.observer import Sent
from cachex_pool import Endpoint


class _Open:
    """Keeps `Sent`s that were announced until they are settled, each with what it is about."""

    _open: list[tuple[Sent, Any]]

    def break_off(self, error: BaseException | None = None) -> None:
        """Tell the end of what is not settled, whatever kept it from that."""
        for sent, _ in self._open:
            if sent.tokens:
                sent.error = sent.error or error
                settle(sent)
        self._open = []


class Watch(_Open):
    """
    The `Sent`s of one call, and which command belongs to which.

    They are made when commands leave for the first time. What is sent again later stays with the
    `Sent` it began with, whatever server it goes to.
    """

    def __init__(self, server: Endpoint, commands: Sequence[Command[Any]]) -> None:
        self._server = server
        self._commands = commands
        self._left = False  # whether the commands have left for the first time
        self._open: list[tuple[Sent, Sequence[int]]] = []
        self._first: list[tuple[Any, Sent]] = []
        self._of: dict[int, Sent] | None = None

    @classmethod
    def of_parts(cls, sents: dict[int, Sent]) -> "Watch":
        """Make one for commands that were sent already, by somebody who settles."""
        watch = cls.__new__(cls)
        watch._left, watch._open, watch._first, watch._of = True, [], [], sents
        return watch

    @classmethod
    def of_one(cls, sent: Sent, commands: Sequence[Command[Any]]) -> "Watch":
        """Make one for commands that all leave as a `Sent` which was announced already."""
        watch = cls(sent.server, commands)
        watch._left, watch._open = True, [(sent, range(len(commands)))]
        return watch

    @classmethod
    def of_slice(cls, sent: Sent, commands: Sequence[Command[Any]]) -> "Watch":
        """Make one for a slice of what leaves as a `Sent`, whose end somebody else tells."""
        return _SliceWatch.of_one(sent, commands)

    def leave(self, groups: Iterable[tuple[Any, Sequence[int]]]) -> None:
        """Tell of the groups of a first round, each with an aim or None."""
        if self._left:
            return
        self._left = True
        for aim, positions in groups:
            commands = self._commands
            if len(positions) < len(commands):
                commands = [commands[at] for at in positions]
            link = None if aim is None else aim.link
            sent = announced(self._server, commands, link=link)
            if sent is not None:
                self._open.append((sent, positions))
                self._first.append((aim, sent))

    def reach(self, aim: Any, positions: Sequence[int]) -> None:
        """Note whom commands went to, and how many bytes they were."""
        if aim is None or not (self._open or self._of):
            return
        first = next((sent for one, sent in self._first if one is aim), None)
        if first is None and len(self._open) == 1:
            first = self._open[0][0]
        sents = {self._sent_of(at) for at in positions} if first is None else {first}
        for sent in sents:
            if sent is not None:
                sent.link = aim.link
                sent.bytes_out, aim.size = sent.bytes_out + aim.size, 0

    def go_on(self, causes: Mapping[int, Exception]) -> None:
        """Note that commands are sent again, by position: thousands, if a write was lost."""
        several: dict[Sent, list[Exception]] = {}
        for position, error in causes.items():
            sent = self._sent_of(position)
            if sent is not None:
                several.setdefault(sent, []).append(error)
        for sent, errors in several.items():
            sent.again(*errors)

    def settle(self, results: Sequence[Any], pending: Collection[int] = ()) -> None:
        """Tell the end of those of which nothing is pending."""
        waiting, still = set(pending), []
        for sent, positions in self._open:
            if waiting and not waiting.isdisjoint(positions):
                still.append((sent, positions))
                continue
            sent.came([results[at] for at in positions])
            settle(sent)
        self._open = still

    def _sent_of(self, position: int) -> Sent | None:
        if self._of is None:
            self._of = {at: sent for sent, positions in self._open for at in positions}
        return self._of.get(position)


class _SliceWatch(Watch):
    """Notes what becomes of a slice, and leaves the end to others."""

    def settle(self, results: Sequence[Any], pending: Collection[int] = ()) -> None:
        """Leave it to who has all the slices."""

    def break_off(self, error: BaseException | None = None) -> None:
        """Leave it to who has all the slices."""


class PartsWatch(_Open):
    """
    The `Sent`s of one call on many keys of a cluster.

    Its commands were packed without being made, a key at a time or a slot at a time.
    """

    def __init__(self, server: Endpoint, keys: Sequence[bytes], verb: Foldable) -> None:
        self._server = server
        self._keys = keys
        self._verb = verb
        self._open: list[tuple[Sent, Part]] = []

    def leave(self, asked: Iterable[tuple[Any, Part]]) -> None:
        """Tell of what leaves for each server, if anybody observes."""
        if not audience.senders:
            return
        for link, part in asked:
            made = partial(self._commands, part)
            sent = announced(self._server, made, link=link)
            if sent is not None:
                self._open.append((sent, part))
                sent.bytes_out = sum(map(len, part.packed))

    def settle(self, values: Sequence[Any], failed: Sequence[int] = ()) -> Watch:
        """
        Tell the end of those of which nothing failed.

        Returns who watches over those keys that did, in their order.
        """
        if not self._open:
            return UNWATCHED
        waiting, still = set(failed), []
        for sent, part in self._open:
            if waiting and not waiting.isdisjoint(part.keys()):
                still.append((sent, part))
                continue
            sent.came([_reply(taker, values) for taker in part.takers])
            settle(sent)
        self._open = still
        of = {at: sent for sent, part in still for at in part.keys()}  # noqa: SIM118
        return Watch.of_parts({n: of[at] for n, at in enumerate(failed) if at in of})

    def _commands(self, part: Part) -> Sequence[Command[Any]]:
        many = self._verb.many.decode()
        spec = attrs.evolve(self._verb.spec, name=many)
        return [
            self._verb.single(self._keys[taker])
            if isinstance(taker, int)
            else Command((many, *(self._keys[at] for at in taker)), spec)
            for taker in part.takers
        ]


def _reply(taker: int | list[int], values: Sequence[Any]) -> Any:
    """Return what a command on one key or several was answered: an error, if any key has one."""
    if isinstance(taker, int):
        return values[taker]
    several = [values[at] for at in taker]
    return next((one for one in several if isinstance(one, Exception)), several)


UNWATCHED = Watch.of_parts({})
"""Watches over what nobody wants to hear of."""


def watch_over(server: Endpoint, commands: Sequence[Command[Any]]) -> Watch:
    """Return who watches over commands: UNWATCHED if nobody observes."""
    return Watch(server, commands) if audience.senders else UNWATCHED
