# tools/unasync.py writes the sync twin of this file.
"""The servers of a cluster as one process or event loop is connected to them, kept up to date."""

from collections.abc import Callable, Sequence
from functools import partial
from random import random, sample
from typing import Any
from weakref import ref

import attrs

from cachex_client._async.cluster_watch import async_watch
from cachex_client._async.introduction import async_introduce
from cachex_client._concurrency import (
    AsyncOutside,
    async_ask_all,
    async_spawn,
    monotonic,
)
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.topology import Address, Topology, agreed
from cachex_client._links import AsyncLink
from cachex_client._telling import tell_refreshed
from cachex_client.cluster_map import ClusterMap
from cachex_client.options import ClientOptions
from cachex_pool import PoolObserver, logger, pack_many
from cachex_pool.forks import StateLock

log = logger("cachex_client")

ASKED = 3
"""How many nodes a refresh asks; one only while refreshes bring nothing new."""
SETTLED = 5.0
"""Seconds after news in which one node's word is enough for more."""
GRACE = 0.2
"""Seconds that who is slow to answer is waited for once another has answered."""
QUESTION = pack_many((("CLUSTER", "SLOTS"), ("CLUSTER", "INFO")))


@attrs.define(eq=False, slots=True)
class Tables:
    """A topology in links: who leads each slot, who follows each primary; swapped whole."""

    topology: Topology | None
    primaries: list[AsyncLink | None]
    replicas: dict[AsyncLink, tuple[AsyncLink, ...]]


class AsyncClusterLinks:
    """Links by address, and tables for the topology that was adopted last."""

    def __init__(
        self, map: ClusterMap, options: ClientOptions, observers: Sequence[PoolObserver]
    ) -> None:
        self.map = map
        self.links: dict[Address, AsyncLink] = {}
        self.tables = Tables(None, [None] * SLOTS, {})
        self.turn = 0
        self.reads_replicas = options.read_from != "primary"  # then connections say READONLY
        self._options = options
        self._observers = observers
        self._lock = StateLock()
        self._outside = AsyncOutside()
        map.follow(self)

    def link(self, node: Address) -> AsyncLink:
        """Return the link to a server, a new one if need be."""
        found = self.links.get(node)
        if found is None:
            with self._lock:
                found = self.links.get(node)
                if found is None:
                    endpoint = self.map.endpoint(node, read_only=self.reads_replicas)
                    found = AsyncLink(endpoint, self._options, self._observers)
                    found.pool.on_overdue = partial(_overdue, ref(self), node)
                    self.links[node] = found
        return found

    async def mapped(self, deadline: float) -> Tables:
        """Return tables of the newest topology; learn of the cluster first if nothing is known."""
        if self.map.topology is None:
            await async_introduce(
                self.map,
                self._first,
                deadline,
                patience=self._question_time + GRACE,
                phase="asking for the cluster's slots",
                longest=0.02,
            )
        tables = self.up_to_date()
        if self.map.schedule.due_at <= monotonic():
            self.look_again()
        return tables

    def up_to_date(self) -> Tables:
        """Return tables of the newest topology."""
        return self.tables if self.tables.topology is self.map.topology else self.adopt()

    def adopt(self) -> Tables:
        """
        Make the tables for the newest topology; links to servers that left are closed.

        Who waits for a primary that hung, and leads no more, is let go: another one may answer.
        """
        with self._lock:
            topology = self.map.topology
            if topology is None or self.tables.topology is topology:
                return self.tables
            shards = [
                (self.link(one.primary), tuple(map(self.link, one.replicas)))
                for one in topology.shards
            ]
            leaders: list[AsyncLink | None] = [*(primary for primary, _ in shards), None]
            primaries = [leaders[at] for at in topology.owners]  # -1 is the None at the end
            before = self.tables.replicas
            self.tables = Tables(topology, primaries, dict(shards))
            deposed = [one for one in before if one not in self.tables.replicas]
            for link in self.tables.replicas:
                link.deposed = False
            for link in deposed:
                link.deposed = True
            staying = {*topology.nodes(), *self.map.seeds}
            leaving = [self.links.pop(one) for one in list(self.links) if one not in staying]
        for link in leaving:
            link.leave()
        for link in deposed:
            if not (link.left or link.health.ok):
                link.pool.retire("no longer primary", sever=True)
        return self.tables

    def follow(self, slot: int, host: str, port: int, by: Address) -> AsyncLink:
        """Learn of a MOVED; return the server it names."""
        with self._lock:
            before = self.map.topology
            node, topology = self.map.moved(slot, host, port, by)
            link = self.link(node)
            tables = self.tables
            alone = before is not None and topology.shards is before.shards
            if alone and tables.topology is before:
                tables.primaries[slot] = link  # one slot alone: no new tables for that
                tables.topology = topology
            else:
                self.adopt()
        if not alone:
            self.map.spread()
        return link

    def promoted(self, old: Address, new: Address) -> bool:
        """Learn that a replica leads its shard now; False if that is no news."""
        news = self.map.promoted(old, new)
        if news:
            self.adopt()
            self.map.spread()
            self.want()
        return news

    def want(self) -> None:
        """Have the map looked at again, now or when it is time to."""
        self.map.want(monotonic(), random())
        self.look_again()

    def look_again(self) -> None:
        """Have the map looked at beside the callers, if it is time to."""
        if self.map.may_refresh(monotonic()):
            async_spawn(self._refresh, needed=True)

    # -- who waits in vain

    def overdue(self, node: Address) -> None:
        """Have a server watched that leads, or led, and lets its callers wait; somebody does."""
        tables = self.up_to_date()
        link = self.links.get(node)
        if link is None or not (link.deposed or tables.replicas.get(link)):
            return
        if self.map.overdue(node, monotonic()):
            async_spawn(partial(async_watch, self, link))

    def catch_up(self) -> None:
        """Adopt what is known now; from any thread."""
        self._outside.call(self._catch_up)

    def let_go(self, node: Address) -> None:
        """Have nobody wait for a server that leads no more, and hangs; from any thread."""
        self._outside.call(partial(self._let_go, node))

    def address_of(self, link: AsyncLink) -> Address:
        """Return where a server is."""
        return Address(link.endpoint.host, link.endpoint.port)

    async def aclose(self) -> None:
        self.map.forget(self)
        for link in list(self.links.values()):
            await link.aclose()

    # -- inside

    @property
    def _question_time(self) -> float:
        """How many seconds a node has for an answer."""
        return self._options.pool.connect_timeout + 1.0

    def _catch_up(self) -> None:
        if self.tables.topology is not None:
            self.up_to_date()

    def _let_go(self, node: Address) -> None:
        self._catch_up()
        link = self.links.get(node)
        if link is not None and link.deposed:
            link.health.failed(monotonic())
            link.pool.retire("no longer primary", sever=True)

    async def _first(self) -> tuple[Topology | None, Sequence[Exception]]:
        """Ask the seeds; the first that answers will do."""
        views, errors = await self._ask(self.map.seeds, 1)
        return agreed(views, None), errors

    async def _refresh(self) -> None:
        """Ask nodes of different shards; if they are silent, everybody else and the seeds."""
        found, errors, started = None, list[Exception](), monotonic()
        trigger, self.map.trigger = self.map.trigger, "timer"
        try:
            found, errors = await self._look()
        finally:
            changed = self.map.learn(found, monotonic(), random())
        tell_refreshed(self.map.name, trigger, started, found, errors)
        if changed:
            self.map.spread()
        if changed or errors:
            log.info("cluster map refreshed", changed=changed, errors=list(map(str, errors)))

    async def _look(self) -> tuple[Topology | None, list[Exception]]:
        topology = self.map.topology
        known = [one.primary for one in topology.shards] if topology is not None else []
        well = [node for node in known if self.link(node).health.ok] or known
        schedule = self.map.schedule
        lately = monotonic() - schedule.changed_at < SETTLED
        count = ASKED if schedule.unchanged == 0 and not lately else 1
        asked = sample(well, min(count, len(well)))
        views, errors = await self._ask(asked, len(asked))
        if not views:
            others = [node for node in self.map.everybody() if node not in asked]
            views, more = await self._ask(others, 1)
            errors += more
            topology = None  # whoever answers is right: it may be another cluster by now
        return agreed(views, topology), errors

    async def _ask(
        self, nodes: Sequence[Address], enough: int
    ) -> tuple[list[Topology], list[Exception]]:
        """Ask nodes for the map, side by side, until `enough` have answered."""
        seconds = self._question_time
        deadline = monotonic() + seconds

        def question(node: Address) -> Callable[[], Any]:
            async def ask() -> Topology:
                slots, info = await self.link(node).exchange(QUESTION, 2, deadline)
                return self.map.read(slots, info, node)

            return ask

        work = [question(node) for node in nodes]
        answers = await async_ask_all(work, enough, seconds, GRACE)
        views = [one for _, one in answers if isinstance(one, Topology)]
        return views, [one for _, one in answers if isinstance(one, Exception)]


def _overdue(which: "ref[AsyncClusterLinks]", node: Address) -> None:
    links = which()
    if links is not None:
        links.overdue(node)
