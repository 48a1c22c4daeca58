# tools/unasync.py writes the sync twin of this file.
"""One command, sent until it is done; and for one of many, what is done after a failure."""

from collections.abc import Sequence
from random import random
from typing import Any, TypeVar

import attrs

from cachex_client._async.aim import ASKING, Aim, first_cause
from cachex_client._async.topology import AsyncTopology
from cachex_client._concurrency import AsyncClosable, async_sleep, last_write, monotonic
from cachex_client._core.redirects import REDIRECTS, Redirect, is_redirect
from cachex_client._core.retry import (
    ON_THE_MOVE,
    Verdict,
    judge,
    may_repeat,
    note_attempts,
)
from cachex_client._core.transaction import Transaction
from cachex_client._core.wrong_replies import as_reply_to
from cachex_client._links import AsyncLink
from cachex_client._telling import settle
from cachex_client.command import Command, Spec
from cachex_client.observer import Sent
from cachex_pool import PoolClosed, PoolError, ProtocolError, full_jitter, pack

T = TypeVar("T")
C = TypeVar("C", bound=AsyncClosable)

PATIENT = 2
"""So many redirects are followed at once; more mean that the servers do not agree yet."""


class AsyncPursuit(AsyncTopology[C]):
    """Sends one command, and again where `_core.retry` says so."""

    async def _pursue_told(
        self, sent: Sent, command: Command[T], aim: Aim | None, deadline: float
    ) -> T:
        """Do as `_pursue`, and tell observers the end, whatever it is."""
        try:
            if aim is None:
                aim = await self._aim(command, monotonic(), deadline)
            return await self._pursue(command, aim, deadline, sent=sent)
        except BaseException as error:
            sent.error = error
            raise
        finally:
            settle(sent)  # whoever called does so again, should an interrupt keep this one from it

    async def _pursue(
        self,
        command: Command[T],
        aim: Aim,
        deadline: float,
        failed: Exception | None = None,
        sent: Sent | None = None,
    ) -> T:
        """
        Send a command until it is done or there is nothing left to try.

        `failed` is how a first attempt at this aim ended, if there was one.
        """
        data = command.packed or pack(command.arguments)
        started, attempt = monotonic(), 1
        while True:
            if sent is not None:
                sent.link = aim.link
                sent.bytes_out += len(data)
            reply = failed or await self._send(command, data, aim, deadline)
            if not isinstance(reply, Exception):
                aim.link.health.succeeded()
                if attempt > 1:
                    self._came_through(command, aim)
                self._note_write(command.spec)
                if sent is not None:
                    sent.came(reply if sent.atomic else (reply,))
                try:
                    return command.parse(reply)
                except ProtocolError as error:
                    as_reply_to(command.name, error)
                    raise
            reply, following = await self._after(reply, command, aim, attempt, deadline, set())
            if following is None or not await self._may_go_on([following], attempt, deadline):
                reply = self._explained(first_cause(reply, aim), command, aim)
                if getattr(reply, "written", False):
                    self._note_write(command.spec)
                raise note_attempts(reply, attempt, monotonic() - started)
            following.written = aim.written or getattr(reply, "written", False)
            if sent is not None:
                sent.again(reply)
            aim, failed = following, None
            attempt += 1

    async def _send(self, command: Command[Any], data: bytes, aim: Aim, deadline: float) -> Any:
        """Send a command once; return its reply or what went wrong."""
        until = aim.until(deadline)
        link = aim.link
        measured = self.options.read_from == "nearest"
        started = monotonic() if measured else 0.0
        try:
            if isinstance(command, Transaction):
                return command.settle(await _exchange(link, data, command.count, until, aim.asking))
            if aim.asking:
                return (await _exchange(link, data, 1, until, True))[0]
            if command.spec.blocking:
                return await link.call_alone(data, until)
            reply = await link.call(data, until)
        except PoolError as error:
            return error
        if measured:
            link.health.measured(monotonic() - started)
        return reply

    # -- after a failure

    async def _after(
        self,
        error: Exception,
        command: Command[Any],
        aim: Aim,
        attempt: int,
        deadline: float,
        learned: set[tuple[int, Verdict]],
    ) -> tuple[Exception, Aim | None]:
        """
        Return a failure as it is understood, and where the command goes next; None if it ends.

        `learned` is what failures of other commands of the same write have told already.
        """
        error = await self._unmasked(error, command, aim, deadline)
        if is_redirect(error):
            found = self._redirect_of(error, command.key, aim)
            if isinstance(found, Redirect):
                return error, await self._after_redirect(found, aim, attempt, deadline)
            error = found
        return error, await self._after_failure(error, command, aim, attempt, deadline, learned)

    async def _after_failure(
        self,
        error: Exception,
        command: Command[Any],
        aim: Aim,
        attempt: int,
        deadline: float,
        learned: set[tuple[int, Verdict]],
    ) -> Aim | None:
        """Do as `_after`, for all that is no redirect."""
        verdict = judge(error, command.spec)
        now = monotonic()
        waits = verdict.patient and aim.link.health.rejected(now, self._timeout)
        more = may_repeat(verdict, attempt, self.options.retry.attempts, waits=waits)
        lesson = (id(aim.link), verdict)
        if lesson not in learned:
            learned.add(lesson)
            if verdict.blame:
                aim.link.health.failed(now)
            await self._learn(verdict, error, aim.link, deadline)
        if now >= deadline:  # thousands may end here at once: nobody asks where they would go next
            return None
        if isinstance(error, PoolClosed) and aim.link.left and not aim.fixed:
            # the map changed meanwhile, and may do so again
            more = may_repeat(ON_THE_MOVE, attempt, self.options.retry.attempts)
            return await self._route_on(command, aim, now, deadline) if more else None
        if not verdict.again:
            return None
        at_once = verdict.at_once and attempt == 1
        if aim.fixed or (at_once and self._irreplaceable(aim.link)):
            if not (verdict.here and more):
                return None
            return attrs.evolve(aim, pause=not at_once, patient=waits, redirected=False)
        # Nobody else has a slot that is on the move.
        if verdict.others and not (aim.asking or verdict.passing):
            tried = (*aim.tried, aim.link)
            following = await self._route_on(command, aim, now, deadline, tried)
            if following is not None:
                following.tried = tried
                following.cause = aim.cause or error
                following.patient = waits and more
                return following
        if not verdict.here or not more:
            return None
        if aim.moved_by is not None and not verdict.passing:
            # That server is alive, and may know better by now.
            self._led_astray(command, aim.moved_by)
            following = Aim(aim.moved_by, pause=True, patient=waits)
            following.redirects, following.cause = aim.redirects, aim.cause or error
            return following
        following = await self._route_on(command, aim, now, deadline)
        if following is not None:
            following.pause, following.patient = not at_once, waits
        return following

    async def _route_on(
        self,
        command: Command[Any],
        aim: Aim,
        now: float,
        deadline: float,
        tried: Sequence[AsyncLink] = (),
    ) -> Aim | None:
        """Do as `_route` after a failure at `aim`: what the call has spent stays spent."""
        following = await self._route(command.spec, command.key, now, deadline, tried)
        if following is not None:
            following.redirects = aim.redirects
        return following

    async def _after_redirect(
        self, redirect: Redirect, aim: Aim, attempt: int, deadline: float
    ) -> Aim | None:
        moved = not redirect.asking
        link = await self._follow(redirect, aim, deadline)
        if aim.fixed or aim.redirects >= REDIRECTS:
            return None
        if moved and link is aim.heir_of:  # not promoted yet
            again = aim.patient or attempt < self.options.retry.attempts
            if not again:
                return None
            following = Aim(link, pause=True, patient=aim.patient, cause=aim.cause)
            following.redirects = aim.redirects
            return following
        following = Aim(link, asking=not moved, redirects=aim.redirects + 1, redirected=True)
        following.moved_by = aim.link if moved and link is not aim.link else None
        following.pause = following.redirects > PATIENT
        return following

    async def _may_go_on(self, aims: Sequence[Aim], attempt: int, deadline: float) -> bool:
        """
        Make the pause that is due, and take what it leads to from the servers' budgets.

        Free are redirects, the first replacement of a lost connection, and a server that was not
        asked yet: there are only so many of those, and each call in flight has a right to them.
        Where a server turned commands away for now, callers wait until the budget has something
        left, or until one of them was let in.
        """
        now = monotonic()
        if now >= deadline:
            return False
        for link in {aim.link for aim in aims if aim.pause and not (aim.redirected or aim.patient)}:
            if not link.budget.take(now, link.pool.state.uses):
                return False
        for link in {aim.link for aim in aims if aim.pause and aim.patient}:
            if not await self._turn_comes(link, deadline):
                return False
        if any(aim.pause for aim in aims):
            retry = self.options.retry
            pause = full_jitter(attempt - 1, retry.backoff, retry.max_backoff, random())
            closed = max(aim.link.pool.state.pause_left(now) for aim in aims if aim.pause)
            if closed <= retry.max_backoff:
                pause += closed  # before that a pool would refuse what a server may take
            if now + pause >= deadline:
                return False
            await async_sleep(pause)
        return True

    async def _turn_comes(self, link: AsyncLink, deadline: float) -> bool:
        """Wait until a server that turns commands away may be asked again; False: not in time."""
        started = now = monotonic()
        while not link.budget.take(now, link.pool.state.uses):
            pause = self.options.retry.max_backoff * (1 + random()) / 2
            if now + pause >= deadline:
                return False
            await async_sleep(pause)
            now = monotonic()
            if link.health.accepted_at > started:
                break
        return True

    def _came_through(self, command: Command[Any], aim: Aim) -> None:
        """Learn from a success after a failure."""
        if aim.heir_of is not None:
            self._promoted(command, aim)
        if aim.patient:
            aim.link.health.accepted(monotonic())

    def _note_write(self, spec: Spec) -> None:
        """Remember for reads that are to see it when something was written."""
        if spec.write and self.options.read_your_writes:
            last_write.set(monotonic())


async def _exchange(
    link: AsyncLink, data: bytes, count: int, until: float, asking: bool
) -> list[Any]:
    if not asking:
        return await link.exchange(data, count, until)
    return (await link.exchange(ASKING + data, count + 1, until))[1:]
