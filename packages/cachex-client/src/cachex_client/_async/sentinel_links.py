# tools/unasync.py writes the sync twin of this file.
"""The servers of a service that Sentinels watch, and asking around who leads it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from random import random
from typing import Any

import attrs

from cachex_client._async.introduction import async_introduce
from cachex_client._background import BackgroundWork
from cachex_client._concurrency import (
    AsyncOutside,
    async_ask_all,
    async_sleep,
    async_spawn,
    monotonic,
)
from cachex_client._core.addresses import Address
from cachex_client._core.sentinel import (
    Opinion,
    Role,
    agree,
    claims,
    decision,
    majority,
    opinion,
    read_role,
    to_ask,
    without_refused,
)
from cachex_client._links import AsyncLink
from cachex_client._telling import tell_refreshed
from cachex_client.errors import BadAddress, SentinelRefused, SentinelsDisagree
from cachex_client.options import ClientOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_pool import PoolObserver, logger, pack, pack_many
from cachex_pool.forks import StateLock

log = logger("cachex_client")

ROLE = pack(("ROLE",))
GRACE = 0.1
"""Seconds that slow Sentinels are waited for once most name the same primary, if one is known."""
ASK_AGAIN = 0.1
"""Seconds until Sentinels that disagree are asked again, while nothing is known."""
ROLE_TIMEOUT = 0.3
ROLE_GRACE = 0.05
STEP = 0.005


class AsyncSentinelLinks:
    """The servers of a service, of one process or one event loop."""

    def __init__(
        self, map: SentinelMap, options: ClientOptions, observers: Sequence[PoolObserver]
    ) -> None:
        self.map = map
        self.links: dict[Address, AsyncLink] = {}
        self.turn = 0
        self._opinion: Opinion | None = None
        self._primary: AsyncLink | None = None
        self.replicas: tuple[AsyncLink, ...] = ()
        self._options = options
        self._observers = observers
        self.disconnects = 0
        self._lock = StateLock()
        self._outside = AsyncOutside()
        map.follow(self)
        # What is sent to Sentinels is no command of a caller: it is not shown to the guard.
        asking = attrs.evolve(options, pool=attrs.evolve(options.pool, guard=None))
        self._sentinels = tuple(AsyncLink(one, asking, observers) for one in map.sentinels)

    @property
    def primary(self) -> AsyncLink:
        """The link to the primary; LookupError if there is no opinion yet."""
        if self._primary is None:
            raise LookupError(f"the primary of {self.map.name} is not known yet")
        return self._primary

    @property
    def all(self) -> tuple[AsyncLink, ...]:
        return tuple(self.links.values())

    async def mapped(self, deadline: float) -> "AsyncSentinelLinks":
        """Be up to date with what is known; ask the Sentinels first if nothing is."""
        if self.map.opinion is None:
            await async_introduce(
                self.map,
                self._first,
                deadline,
                patience=self._question_time + 2 * ROLE_TIMEOUT,
                phase="asking the Sentinels for the primary",
                longest=STEP,
            )
        if self.map.opinion is not self._opinion:
            self._adopt()
        if self.map.schedule.due_at <= monotonic():
            self.look_again()
        return self

    def look_again(self) -> None:
        """Have the primary looked for beside the callers, if it is time to."""
        if self.map.may_check(monotonic()):
            async_spawn(partial(self.check, BackgroundWork(self)), needed=True)

    def want(self) -> None:
        """Have the primary looked for, now or in a moment."""
        self.map.want(monotonic())
        self.look_again()

    def follow(self) -> None:
        """Adopt what is known now, from any thread; who waits for the old primary is let go."""
        self._outside.call(self._catch_up)

    def _catch_up(self) -> None:
        self._adopt(called=False)

    async def find(self, deadline: float) -> None:
        """
        Have the primary looked for, and wait for that; gives up quietly at the deadline.

        It is not waited for if no Sentinel answered the last time.
        """
        before = self.map.schedule.count
        self.map.want(monotonic())
        if self.map.silence.silent:
            self.look_again()
            return
        while self.map.schedule.count == before:
            self.look_again()
            left = deadline - monotonic()
            if left <= 0:
                return
            await async_sleep(min(STEP, left))

    def disconnect(self) -> None:
        """
        Close what is idle now, the rest when it comes back; the next call opens again.

        If no other client follows the service, the threads that listen to Sentinels end, too.
        """
        with self._lock:
            self.disconnects += 1
            self._opinion = None  # so that the next call follows the service again
        self.map.forget(self)
        for link in (*self.links.values(), *self._sentinels):
            link.disconnect()

    async def aclose(self) -> None:
        self.map.forget(self)
        for link in (*self.links.values(), *self._sentinels):
            await link.aclose()

    # -- inside

    @property
    def _question_time(self) -> float:
        """How many seconds a Sentinel has for an answer."""
        return self.map.ask_within or self._options.pool.connect_timeout

    def _adopt(self, called: bool = True) -> None:
        """Use what is known now; `called` is whether a caller wants it, who may open it again."""
        with self._lock:
            known = self.map.opinion
            if known is None or known is self._opinion:
                return
            if self._opinion is None:  # for the first time, or again after `disconnect`
                if not called:
                    return
                self.map.follow(self)
                self.map.listen()
            wanted = {known.primary, *known.replicas, *known.unwell}
            old, new = self._primary, self._link(known.primary)
            self.replicas = tuple(map(self._link, known.replicas))
            self._primary, self._opinion = new, known
            leaving = [self.links.pop(one) for one in list(self.links) if one not in wanted]
        if old is not None and old is not new:
            old.pool.retire("no longer primary", sever=True)
            new.health.succeeded()
        for link in leaving:
            link.leave()

    async def _first(self) -> tuple[Opinion | None, Sequence[Exception]]:
        """Look for the first time; Sentinels that disagree, as for moments they may, look again."""
        until = monotonic() + self._question_time
        while True:
            found, _, errors = await self._look(BackgroundWork(self))
            differ = any(isinstance(one, SentinelsDisagree) for one in errors)
            if found is not None or not differ or monotonic() + ASK_AGAIN >= until:
                return found, errors
            await async_sleep(ASK_AGAIN)

    async def check(self, background: BackgroundWork) -> None:
        """
        Look who leads now, and have the map say so.

        The Sentinels publish a new primary only some time after it was promoted, so all servers
        are asked as well, and `_core.sentinel.decision` decides.
        """
        found, led, errors, started = None, True, list[Exception](), monotonic()
        trigger, self.map.trigger = self.map.trigger, "timer"
        try:
            found, led, errors = await self._look(background)
        finally:
            changed = self.map.learn(found, monotonic(), random(), led=led)
        tell_refreshed(self.map.name, trigger, started, found, errors)
        if changed and found is not None:
            log.info("primary found", service=self.map.service, primary=str(found.primary))
        elif errors:
            log.info("sentinels asked", errors=list(map(str, errors)))

    async def _look(
        self, background: BackgroundWork
    ) -> tuple[Opinion | None, bool, list[Exception]]:
        """Return whom to follow, whether the known primary leads, and what went wrong."""
        now = self.map.opinion
        told, errors = await self._ask_sentinels(background)
        # Whoever is named anew has to be heard, however far away he is.
        news = told is not None and now is not None and told.primary != now.primary
        grace = None if news else ROLE_GRACE
        asked = to_ask(told, now)
        awaited = self._awaited(told, now) & {*asked}
        roles = await self._roles(asked, told, awaited, grace, background)
        if more := [*claims(told, roles), *self._new_ones(told, now, roles)]:
            later = ROLE_GRACE if now is None else None  # callers wait for the first look
            roles |= await self._roles(more, told, set(more), later, background)
        found = decision(told, now, roles, len(self._sentinels))
        if told is not None and told.primary in roles and not roles[told.primary].leads:
            errors.append(LookupError(f"{told.primary}, which the Sentinels name, is a replica"))
        led = now is not None and now.primary in roles and roles[now.primary].leads
        if told is not None and told.heir is not None:
            led = False  # or not for long
        return found, led, errors

    def _awaited(self, told: Opinion | None, now: Opinion | None) -> set[Address]:
        """Return whose ROLE decides."""
        if told is None:
            return set()
        awaited = {told.primary, *([told.heir] if told.heir is not None else ())}
        if now is None:
            awaited |= {*told.replicas}
        elif now.ahead:
            awaited.add(now.primary)
        return awaited

    def _new_ones(
        self, told: Opinion | None, now: Opinion | None, roles: Mapping[Address, Role]
    ) -> list[Address]:
        """Return replicas that are not used yet and have not said in time that they follow."""
        if told is None or now is None or told.primary not in roles:
            return []
        return [node for node in told.replicas if node not in roles and node not in now.replicas]

    async def _roles(
        self,
        nodes: Sequence[Address],
        told: Opinion | None,
        awaited: Set[Address],
        grace: float | None,
        background: BackgroundWork,
    ) -> dict[Address, Role]:
        """Ask servers for their ROLE; those that do not say it in time are left out."""
        deadline = monotonic() + ROLE_TIMEOUT

        def ask(node: Address) -> Callable[[], Any]:
            async def one() -> tuple[Address, Role]:
                link = self._link(node)
                with background.on(link):
                    reply = await link.call(ROLE, deadline)
                return node, read_role(reply, node, self.map.rules)

            return one

        work = [ask(node) for node in nodes]

        def enough(answers: list[Any]) -> bool:
            heard = {node for node, _ in answers}
            leads = told is not None and any(
                node == told.primary and role.leads for node, role in answers
            )
            return awaited <= heard and (leads or told is None or told.primary not in awaited)

        answers = await async_ask_all(work, enough, ROLE_TIMEOUT, grace)
        return dict(one for _, one in answers if isinstance(one, tuple))

    def _link(self, node: Address) -> AsyncLink:
        found = self.links.get(node)
        if found is None:
            with self._lock:
                found = self.links.get(node)
                if found is None:
                    found = AsyncLink(self.map.endpoint(node), self._options, self._observers)
                    self.links[node] = found
        return found

    async def _ask_sentinels(
        self, background: BackgroundWork
    ) -> tuple[Opinion | None, list[Exception]]:
        """Ask all Sentinels side by side, and wait for most of them, or until the others failed."""
        name = self.map.service
        question = pack_many((("SENTINEL", "MASTER", name), ("SENTINEL", "REPLICAS", name)))
        seconds = self._question_time
        deadline = monotonic() + seconds

        def ask(link: AsyncLink) -> Callable[[], Any]:
            async def one() -> Opinion:
                with background.on(link):
                    primary, replicas = await link.exchange(question, 2, deadline)
                if isinstance(primary, Exception):
                    raise SentinelRefused(link.name, name, primary)
                by = Address(link.endpoint.host, link.endpoint.port)
                try:
                    return opinion(primary, without_refused(replicas), by, self.map.rules)
                except (ValueError, BadAddress) as error:
                    raise SentinelRefused(link.name, name, error) from None

            return one

        work = [ask(link) for link in self._sentinels]
        agreed = partial(agree, sentinels=len(work))
        # Once one is known nobody waits for this, and one of them may be promoting another.
        enough = len(work) if self.map.known() else agreed
        answers = await async_ask_all(work, enough, seconds, GRACE, nearly=agreed)
        told = [one for _, one in answers if isinstance(one, Opinion)]
        errors = [one for _, one in answers if isinstance(one, Exception)]
        answered = bool(told) or any(isinstance(one, SentinelRefused) for one in errors)
        now = monotonic()
        self.map.heard(now, now - deadline + seconds, random(), answered=answered)
        found = majority(told, len(work) - len(told))
        if told and found is None:
            errors.append(SentinelsDisagree(name, Counter(str(one.primary) for one in told)))
        return found, errors
