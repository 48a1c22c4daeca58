# Written by tools/unasync.py from _async/rounds.py: edit that file instead.
"""Many commands, sent round by round until all are done: one write for each server."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import attrs

from cachex_client._sync.aim import ASKING, Aim, Came, Group, first_cause
from cachex_client._sync.pursuit import Pursuit
from cachex_client._concurrency import Closable, monotonic
from cachex_client._core.batches import (
    Batch,
    any_error,
    batches,
    is_in_vain,
    may_be_done,
    outcomes,
    parse_all,
    strictest,
    unsent,
)
from cachex_client._core.retry import Verdict, is_rejection, note_attempts
from cachex_client._links import exchange_all
from cachex_client._watch import UNWATCHED, Watch, watch_over
from cachex_client.command import Command

C = TypeVar("C", bound=Closable)


@attrs.define(eq=False, slots=True)
class Errand:
    """A call of many commands: what came of them so far, and where they go next."""

    commands: Sequence[Command[Any]]
    deadline: float
    aims: dict[int, Aim]  # by position; of what was not sent yet there may be none
    results: list[Any]
    started: float
    exclusive: bool = False  # on connections that nobody shares
    attempt: int = 0

    def give_up(self, position: int) -> None:
        """Let the error of a command be its end."""
        note_attempts(self.results[position], self.attempt, monotonic() - self.started)


class Rounds(Pursuit[C]):
    """Sends many commands at once, and those again where `_core.retry` says so."""

    def _pursue_many(
        self,
        commands: Sequence[Command[Any]],
        deadline: float,
        came: Sequence[Came] | None = None,
        aims: dict[int, Aim] | None = None,
        watch: Watch | None = None,
        exclusive: bool = False,
    ) -> list[Any]:
        """Go round until all commands are done; return their results."""
        replies = self._replies_of(commands, deadline, came, aims, watch, exclusive)
        return parse_all(commands, replies)

    def _replies_of(
        self,
        commands: Sequence[Command[Any]],
        deadline: float,
        came: Sequence[Came] | None = None,
        aims: dict[int, Aim] | None = None,
        watch: Watch | None = None,
        exclusive: bool = False,
    ) -> list[Any]:
        """
        Go round until all commands are done; return their replies, and errors in their places.

        `came` is what a first round brought already, `aims` where commands at positions have to go.
        With `exclusive` they go over connections that nobody shares.
        """
        if not commands:
            return []
        if watch is None:
            watch = UNWATCHED if came is not None else watch_over(self.address, commands)
        started = monotonic()
        errand = Errand(commands, deadline, aims or {}, [None] * len(commands), started, exclusive)
        try:
            self._go_round(errand, came, watch)
        except BaseException as error:
            watch.break_off(error)
            raise
        finally:
            watch.break_off()  # does nothing, unless an interrupt kept it from being told
        if may_be_done(errand.results):
            self._note_write(strictest(commands))
        return errand.results

    def _go_round(self, errand: Errand, came: Sequence[Came] | None, watch: Watch) -> None:
        pending: Sequence[int] = range(len(errand.commands))
        while True:
            errand.attempt += 1
            if came is None:
                groups = self._group(errand, pending)
                watch.leave(groups)
                came = self._round(errand, groups)
            for aim, positions, _ in came:
                watch.reach(aim, positions)
            again = self._take(errand, came)
            watch.settle(errand.results, again)
            if not again:
                return
            aims = [errand.aims[at] for at in again]
            if not self._may_go_on(aims, errand.attempt, errand.deadline):
                break
            watch.go_on(again)
            pending, came = list(again), None
        for position in again:
            errand.give_up(position)
        watch.settle(errand.results)

    def _take(self, errand: Errand, came: Iterable[Came]) -> dict[int, Exception]:
        """Take what a round brought; return which commands are to be sent again, and why."""
        again: dict[int, Exception] = {}
        learned: set[tuple[int, Verdict]] = set()
        for aim, positions, replies in came:
            for position, reply in zip(positions, replies, strict=True):
                errand.results[position] = reply
            if aim is None:
                continue
            if aim.heir_of or any_error(replies):
                again |= self._judge_each(errand, aim, positions, replies, learned)
            elif not aim.link.health.ok:
                aim.link.health.succeeded()
            if aim.patient and not any(map(is_rejection, replies)):
                aim.link.health.accepted(monotonic())
        return again

    def _judge_each(
        self,
        errand: Errand,
        aim: Aim,
        positions: Sequence[int],
        replies: Sequence[Any],
        learned: set[tuple[int, Verdict]],
    ) -> dict[int, Exception]:
        """Look at what one server answered; return what is to be sent again, as `_take` does."""
        again: dict[int, Exception] = {}
        last: tuple[Any, Any, Any] = (None, None, None)  # error, spec, what came of it
        for position, reply in zip(positions, replies, strict=True):
            command = errand.commands[position]
            if not isinstance(reply, Exception):
                if aim.heir_of is not None:
                    self._promoted(command, aim)
                continue
            if reply is last[0] and command.spec is last[1]:
                errand.results[position] = last[2]  # one write was lost, thousands may be in it
                continue
            failure, following = self._after(
                reply, command, aim, errand.attempt, errand.deadline, learned
            )
            error = self._explained(first_cause(failure, aim), command, aim)
            errand.results[position] = error
            if following is None:
                errand.give_up(position)
                last = (reply, command.spec, error)
                continue
            following.written = aim.written or getattr(failure, "written", False)
            errand.aims[position] = following
            again[position] = failure
        return again

    def _group(self, errand: Errand, positions: Sequence[int]) -> list[Group]:
        """Gather the commands that go to the same server, in a fixed order of servers."""
        groups: dict[Any, tuple[Aim | None, list[int]]] = {}
        now = monotonic()
        for position in positions:
            command = errand.commands[position]
            aim = errand.aims.get(position)
            if aim is None:
                aim = self._route(command.spec, command.key, now, errand.deadline)
            place = None if aim is None else (id(aim.link), aim.asking)
            groups.setdefault(place, (aim, []))[1].append(position)
        return sorted(groups.values(), key=lambda one: "" if one[0] is None else one[0].link.name)

    def _round(self, errand: Errand, groups: Sequence[Group]) -> list[Came]:
        """Write to all servers, then read from all; return what came, by server."""
        commands, deadline = errand.commands, errand.deadline
        came: list[Came] = []
        todo: list[tuple[Aim, Iterator[Batch]]] = []
        for target, positions in groups:
            if target is None:
                came.append((None, positions, [self._nobody(commands[at]) for at in positions]))
            else:
                before = ASKING if target.asking else b""
                todo.append((target, batches(commands, positions, before)))
        while step := _next_batches(todo):
            for aim, batch, _ in step:
                aim.size += len(batch.data)
            answers = exchange_all(
                [(aim.link, one.data, one.count, aim.until(deadline)) for aim, one, _ in step],
                exclusive=errand.exclusive,
            )
            todo = []
            for (aim, batch, rest), answer in zip(step, answers, strict=True):
                came.append((aim, batch.positions, outcomes(batch, answer)))
                if is_in_vain(answer):
                    came += [(aim, b.positions, unsent(answer, len(b.positions))) for b in rest]
                else:
                    todo.append((aim, rest))
        return came


def _next_batches(
    todo: Iterable[tuple[Aim, Iterator[Batch]]],
) -> list[tuple[Aim, Batch, Iterator[Batch]]]:
    """Take the next batch of each server that has one left."""
    return [(aim, batch, rest) for aim, rest in todo if (batch := next(rest, None)) is not None]
