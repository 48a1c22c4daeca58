# tools/unasync.py writes the sync twin of this file.
"""Talking to one server, or to a primary and its replicas."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import attrs

from cachex_client._async.aim import Aim, Group
from cachex_client._async.engine import AsyncEngine
from cachex_client._async.rounds import Errand
from cachex_client._audience import audience
from cachex_client._concurrency import AsyncPacer, last_write, monotonic
from cachex_client._core.batches import any_error, batches, outcomes, parse_all, strictest
from cachex_client._core.health import in_order
from cachex_client._core.retry import Verdict
from cachex_client._core.slices import SLICE
from cachex_client._core.wrong_replies import as_reply_to
from cachex_client._links import AsyncLink
from cachex_client._live import born
from cachex_client._telling import announced, settle
from cachex_client._watch import UNWATCHED, Watch
from cachex_client.cluster_map import endpoint_of
from cachex_client.command import Command, Spec, as_is
from cachex_client.errors import ConfigurationError
from cachex_client.options import ClientOptions
from cachex_client.view import TopologyView, node_view
from cachex_pool import AsyncPool, Endpoint, PoolError, PoolObserver, ProtocolError, pack
from cachex_pool.secrecy import keeps_secrets

T = TypeVar("T")


@attrs.define(eq=False, slots=True)
class AsyncLinks:
    """A primary and its replicas, of one process or one event loop."""

    primary: AsyncLink
    replicas: tuple[AsyncLink, ...]
    turn: int = 0

    @property
    def all(self) -> tuple[AsyncLink, ...]:
        return (self.primary, *self.replicas)

    def disconnect(self) -> None:
        for link in self.all:
            link.disconnect()

    async def aclose(self) -> None:
        for link in self.all:
            await link.aclose()


class AsyncDefaultClient(AsyncEngine[AsyncLinks]):
    """
    Sends commands to one server, or to a primary and its replicas.

    `servers` are URLs or `Endpoint`s, the first one the primary. Nothing is connected before
    the first use. Every call has a deadline, `options.timeout` or its own `timeout` (seconds), that
    waiting, connecting, talking and trying again share. What is sent again, and what
    never is, `_core.retry` tells. One client serves a whole process: any number of threads, or
    any number of event loops, each with connections of its own.
    """

    @keeps_secrets()
    def __init__(
        self,
        servers: Sequence[str | Endpoint],
        options: ClientOptions | None = None,
        *,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        super().__init__(options)
        self.endpoints = tuple(map(endpoint_of, servers))
        if not self.endpoints:
            raise ConfigurationError("a client needs the URL of a server; none was given")
        self._observers = tuple(observers)
        self.address = self.endpoints[0]
        self._alone = len(self.endpoints) == 1
        self._connect_with(self._open_links)
        born(self)  # last: any thread may ask for its view from now on

    def __repr__(self) -> str:
        names = ", ".join(endpoint.name for endpoint in self.endpoints)
        return f"<AsyncDefaultClient of {names}>"

    async def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """
        Send a command, return its parsed reply.

        `timeout` is the deadline in seconds, None for the client's own. Raises the server's
        error as redis-py's exception for it, or a PoolError.
        """
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        if audience.senders and (sent := announced(self.address, (command,))) is not None:
            try:
                return await self._pursue_told(sent, command, None, deadline)
            finally:
                settle(sent)
        if not self._alone or command.spec.blocking:
            aim = await self._aim(command, monotonic(), deadline)
            return await self._pursue(command, aim, deadline)
        link = self._links_here.primary
        failed: Exception
        try:
            reply = await link.call(command.packed or pack(command.arguments), deadline)
        except PoolError as error:
            failed = error
        else:
            if not isinstance(reply, Exception):
                if not link.health.ok:
                    link.health.succeeded()
                try:
                    return reply if command.parse is as_is else command.parse(reply)
                except ProtocolError as error:
                    as_reply_to(command.name, error)
                    raise
            failed = reply
        return await self._pursue(command, Aim(link), deadline, failed)

    async def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Send commands in one write, return their results in order.

        A command that failed has its error in its place: one bad key does not hide the others.
        Long lists are cut into writes of at most 2,000 commands or 256 KiB.
        """
        if len(commands) > AsyncPacer.HUGE:
            return await self._execute_slices(commands, SLICE, timeout)
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        if audience.senders and commands:
            sent = announced(self.address, commands)
            if sent is not None:
                try:
                    watch = Watch.of_one(sent, commands)
                    return await self._pursue_many(commands, deadline, watch=watch)
                finally:
                    settle(sent)
        if not self._alone or not commands:
            return await self._pursue_many(commands, deadline, watch=UNWATCHED)
        link = self._links_here.primary
        batch = next(batches(commands, range(len(commands))))
        if len(batch.positions) < len(commands):
            return await self._pursue_many(commands, deadline, watch=UNWATCHED)
        answer: list[Any] | Exception
        try:
            answer = await link.exchange(batch.data, batch.count, deadline)
        except PoolError as error:
            answer = error
        else:
            if not any_error(answer):
                if not link.health.ok:
                    link.health.succeeded()
                return parse_all(commands, answer)
        came = [(Aim(link), batch.positions, outcomes(batch, answer))]
        return await self._pursue_many(commands, deadline, came)

    async def warm_up(self) -> None:
        """Connect to every server now; raises what the primary says, replicas may be down."""
        links = await self._ready(monotonic() + self._timeout)
        await links.primary.warm_up()
        for link in links.replicas:
            try:
                await link.warm_up()
            except PoolError:
                link.health.failed(monotonic())

    def view(self) -> TopologyView:
        """Return the servers as they are known: roles, health, pools."""
        sets = self._all_links()
        primary = self.endpoints[0].name
        nodes = [
            node_view(
                [links.all[at] for links in sets],
                role="replica" if at else "primary",
                primary=primary if at else None,
            )
            for at in range(len(self.endpoints))
            if sets
        ]
        return TopologyView(kind="standalone" if self._alone else "replicated", nodes=tuple(nodes))

    # -- the topology

    async def _ready(self, deadline: float) -> AsyncLinks:
        """Return the servers, once they are known."""
        return self._links

    def _open_links(self) -> AsyncLinks:
        links = [AsyncLink(one, self.options, self._observers) for one in self.endpoints]
        return AsyncLinks(links[0], tuple(links[1:]))

    async def _aim(self, command: Command[Any], now: float, deadline: float) -> Aim:
        if self._alone:
            return Aim(self._links.primary)
        return await super()._aim(command, now, deadline)

    async def _route(
        self,
        spec: Spec,
        key: bytes | None,
        now: float,
        deadline: float,
        tried: Sequence[AsyncLink] = (),
    ) -> Aim | None:
        links = await self._ready(deadline)
        left: Sequence[AsyncLink] = (links.primary,)
        own_write = now - last_write.get() < self.options.read_your_writes
        if not spec.write and links.replicas and not own_write:
            links.turn += 1
            policy = self.options.read_from
            left = in_order(policy, links.primary, links.replicas, links.turn, now)
        if tried:
            left = [link for link in left if link not in tried]
        return Aim(left[0], len(left)) if left else None

    async def _learn(
        self, verdict: Verdict, error: Exception, link: AsyncLink, deadline: float
    ) -> None:
        if verdict.demoted:  # a new connection asks DNS anew
            link.pool.retire("read-only")

    async def _group(self, errand: Errand, positions: Sequence[int]) -> list[Group]:
        """Keep commands together: a list with a write in it goes to the primary whole."""
        if errand.aims:
            return await super()._group(errand, positions)
        spec = strictest(errand.commands)
        aim = await self._route(spec, None, monotonic(), errand.deadline)
        assert aim is not None  # nothing was tried yet
        return [(aim, list(positions))]

    async def primaries(self, deadline: float) -> Sequence[AsyncLink]:
        return ((await self._ready(deadline)).primary,)

    def primary_pool(self) -> AsyncPool:
        """Return the pool of the primary (in the running event loop)."""
        return self._links.primary.pool

    def _links_in_use(self) -> Iterable[AsyncLink]:
        return (link for links in self._all_links() for link in links.all)
