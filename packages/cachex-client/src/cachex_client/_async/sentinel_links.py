# tools/unasync.py writes the sync twin of this file.
"""The servers of a service that Sentinels watch, and asking around who leads it."""

from collections.abc import Callable, Sequence, Set
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
from cachex_client._core.sentinel import (
    Opinion,
    agree,
    believed,
    majority,
    opinion,
    without_refused,
)
from cachex_client._core.topology import Address
from cachex_client._links import AsyncLink
from cachex_client._telling import tell_refreshed
from cachex_client.errors import SentinelRefused
from cachex_client.options import ClientOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_pool import PoolObserver, logger, pack, pack_many
from cachex_pool.forks import StateLock

log = logger("cachex_client")

ROLE = pack(("ROLE",))
GRACE = 0.03
"""Seconds that who is slow to answer is waited for once another has answered."""
LATER_GRACE = 0.1
"""The same when who leads is known already."""
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
        found, _, errors = await self._look(BackgroundWork(self))
        return found, errors

    async def check(self, background: BackgroundWork) -> None:
        """
        Look who leads now, and have the map say so.

        The Sentinels publish a new primary only some time after it was promoted, so all servers
        are asked as well, and `_core.sentinel.believed` decides.
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
        named = [] if told is None else [told.primary, *([told.heir] if told.heir else ())]
        asked = list(named)
        for one in (now, told if now is None else None):
            if one is not None:
                asked += [one.primary, *one.replicas, *one.unwell]
        # Whoever is named anew has to be heard, however far away he is.
        news = told is not None and now is not None and told.primary != now.primary
        grace = None if news else ROLE_GRACE
        waited_for = {*named, *([now.primary] if now is not None and now.ahead else ())}
        roles = await self._roles(tuple(dict.fromkeys(asked)), told, waited_for, grace, background)
        found = believed(told, now, roles, len(self._sentinels))
        if told is not None and roles.get(told.primary, 0) is None:
            errors.append(LookupError(f"{told.primary}, which the Sentinels name, is a replica"))
        led = now is not None and roles.get(now.primary) is not None
        if told is not None and told.heir is not None:
            led = False  # or not for long
        return found, led, errors

    async def _roles(
        self,
        nodes: Sequence[Address],
        told: Opinion | None,
        waited_for: Set[Address],
        grace: float | None,
        background: BackgroundWork,
    ) -> dict[Address, int | None]:
        """Ask servers for their ROLE: the offset of one that leads, None for one that follows."""
        deadline = monotonic() + ROLE_TIMEOUT

        def ask(node: Address) -> Callable[[], Any]:
            async def one() -> tuple[Address, int | None]:
                link = self._link(node)
                with background.on(link):
                    reply = await link.call(ROLE, deadline)
                if not isinstance(reply, list):
                    raise LookupError(f"{node} does not tell its role: {reply}")
                return node, int(reply[1]) if bytes(reply[0]) == b"master" else None

            return one

        work = [ask(node) for node in nodes]

        def enough(answers: list[Any]) -> bool:
            leads = (node for node, offset in answers if offset is not None)
            heard = {node for node, _ in answers}
            return told is not None and told.primary in leads and waited_for <= heard

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
        """Ask all Sentinels side by side; one that is dead or slow is not waited for."""
        name = self.map.service
        question = pack_many(
            (
                ("SENTINEL", "MASTER", name),
                ("SENTINEL", "REPLICAS", name),
                ("SENTINEL", "SENTINELS", name),
            )
        )
        seconds = self._question_time
        deadline = monotonic() + seconds

        def ask(link: AsyncLink) -> Callable[[], Any]:
            async def one() -> Opinion:
                with background.on(link):
                    replies = await link.exchange(question, 3, deadline)
                if isinstance(replies[0], Exception):
                    raise SentinelRefused(link.name, name, replies[0])
                primary, replicas, others = without_refused(replies)
                told = opinion(primary, replicas, others, self.map.remap)
                if told is None:
                    raise SentinelRefused(link.name, name, ValueError("it makes no sense"))
                return told

            return one

        work = [ask(link) for link in self._sentinels]
        enough: int | Callable[[list[Any]], bool] = partial(agree, sentinels=len(work))
        grace = GRACE
        if self.map.known():  # nobody waits for this, and one of them may be promoting somebody
            enough, grace = len(work), LATER_GRACE
        answers = await async_ask_all(work, enough, seconds, grace)
        told = [one for _, one in answers if isinstance(one, Opinion)]
        errors = [one for _, one in answers if isinstance(one, Exception)]
        answered = bool(told) or any(isinstance(one, SentinelRefused) for one in errors)
        now = monotonic()
        self.map.heard(now, now - deadline + seconds, random(), answered=answered)
        return majority(told), errors
