# Written by tools/unasync.py from _async/cluster_links.py: edit that file instead.
"""The servers of a cluster as one process or event loop is connected to them, kept up to date."""

from collections.abc import Callable, Sequence
from functools import partial
from random import random, sample
from typing import Any
from weakref import ref

import attrs

from cachex_client._sync.cluster_identity import recognise, expect
from cachex_client._sync.cluster_watch import watch
from cachex_client._sync.introduction import introduce
from cachex_client._background import BackgroundWork
from cachex_client._concurrency import (
    Outside,
    ask_all,
    sleep,
    spawn,
    monotonic,
)
from cachex_client._core.addresses import Address
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.redirects import STRANGERS
from cachex_client._core.topology import (
    Topology,
    is_current,
    related,
    replaced,
    settled,
)
from cachex_client._links import Link
from cachex_client._telling import tell_refreshed
from cachex_client.cluster_map import ClusterMap
from cachex_client.options import ClientOptions
from cachex_pool import Pool, PoolError, PoolObserver, logger, pack_many
from cachex_pool.forks import StateLock

log = logger("cachex_client")

ASKED = 3
"""How many nodes a refresh asks; one only while refreshes bring nothing new."""
SETTLED = 5.0
"""Seconds after news in which one node's word is enough for more."""
DOUBTED = 2
"""After so many refreshes that brought nothing a single voice of an older epoch is looked into."""
GRACE = 0.2
"""Seconds that who is slow to answer is waited for once another has answered."""
QUESTION = pack_many((("CLUSTER", "SLOTS"), ("CLUSTER", "INFO")))


@attrs.define(eq=False, slots=True)
class Tables:
    """A topology in links: who leads each slot, who follows each primary; swapped whole."""

    topology: Topology | None
    primaries: list[Link | None]
    replicas: dict[Link, tuple[Link, ...]]


class ClusterLinks:
    """Links by address, and tables for the topology that was adopted last."""

    def __init__(
        self, map: ClusterMap, options: ClientOptions, observers: Sequence[PoolObserver]
    ) -> None:
        self.map = map
        self.links: dict[Address, Link] = {}
        self.tables = Tables(None, [None] * SLOTS, {})
        self.turn = 0
        self.reads_replicas = options.read_from != "primary"  # then connections say READONLY
        self._options = options
        self._observers = observers
        self.disconnects = 0
        self._lock = StateLock()
        self._outside = Outside()
        map.follow(self)

    def link(self, node: Address) -> Link:
        """Return the link to a server, a new one if need be."""
        found = self.links.get(node)
        if found is None:
            with self._lock:
                found = self.links.get(node)
                if found is None:
                    endpoint = self.map.endpoint(node, read_only=self.reads_replicas)
                    found = Link(endpoint, self._options, self._observers)
                    found.pool.on_overdue = partial(_overdue, ref(self), node)
                    found.pool.on_opened = partial(recognise, ref(self), ref(found))
                    expect(found, self.map.id_of(node))
                    self.links[node] = found
        return found

    def mapped(self, deadline: float) -> Tables:
        """Return tables of the newest topology; learn of the cluster first if nothing is known."""
        if self.map.topology is None:
            introduce(
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
            gone = [node for node in self.links if replaced(self.tables.topology, topology, node)]
            leaving = [self.links.pop(node) for node in gone]
            for node, link in self.links.items():
                expect(link, link.node_id or topology.ids.get(node, ""))
            shards = [
                (self.link(one.primary), tuple(map(self.link, one.replicas)))
                for one in topology.shards
            ]
            leaders: list[Link | None] = [*(primary for primary, _ in shards), None]
            primaries = [leaders[at] for at in topology.owners]  # -1 is the None at the end
            before = self.tables.replicas
            self.tables = Tables(topology, primaries, dict(shards))
            deposed = [one for one in before if one not in self.tables.replicas]
            for link in self.tables.replicas:
                link.deposed = False
            for link in deposed:
                link.deposed = True
            staying = {*topology.nodes(), *self.map.seeds}
            leaving += [self.links.pop(one) for one in list(self.links) if one not in staying]
        for link in leaving:
            link.leave()
        for link in deposed:
            if not (link.left or link.health.ok):
                link.pool.retire("no longer primary", sever=True)
        return self.tables

    def guest(self, node: Address) -> Link:
        """Return the link to a server that may be in no map; of those there are only so many."""
        topology = self.map.topology
        if node not in self.links and topology is not None:
            with self._lock:
                staying = {*topology.nodes(), *self.map.seeds}
                guests = [one for one in self.links if one not in staying]
                crowded = len(guests) >= STRANGERS
                leaving = [self.links.pop(one) for one in guests if crowded]
            for link in leaving:
                link.leave()
        return self.link(node)

    def follow(self, slot: int, node: Address) -> Link:
        """Learn of a MOVED; return the server it names."""
        with self._lock:
            before = self.map.topology
            topology = self.map.moved(slot, node)
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
            spawn(partial(self._refresh, BackgroundWork(self)), needed=True)

    def refreshed(self, until: float) -> None:
        """Wait for the end of the refresh that is under way or due at once, if there is one."""
        schedule, pause = self.map.schedule, 0.001
        count = schedule.count
        while schedule.count == count and monotonic() < until:
            if schedule.running_since is None and schedule.due_at > until:
                return
            self.look_again()
            sleep(pause)
            pause = min(2 * pause, 0.02)

    # -- who waits in vain

    def overdue(self, node: Address) -> None:
        """Have a server watched that leads, or led, and lets its callers wait; somebody does."""
        tables = self.up_to_date()
        link = self.links.get(node)
        if link is None or not (link.deposed or tables.replicas.get(link)):
            return
        if self.map.overdue(node, monotonic()):
            spawn(partial(watch, self, link, BackgroundWork(self)))

    def catch_up(self) -> None:
        """Adopt what is known now; from any thread."""
        self._outside.call(self._catch_up)

    def let_go(self, node: Address) -> None:
        """Have nobody wait for a server that leads no more, and hangs; from any thread."""
        self._outside.call(partial(self._let_go, node))

    def address_of(self, link: Link) -> Address:
        """Return where a server is."""
        return Address(link.endpoint.host, link.endpoint.port)

    def disconnect(self) -> None:
        """Close what is idle now, the rest when it comes back; the next call opens again."""
        self.disconnects += 1
        for link in list(self.links.values()):
            link.disconnect()

    def close(self) -> None:
        self.map.forget(self)
        for link in list(self.links.values()):
            link.close()

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

    def _first(self) -> tuple[Topology | None, Sequence[Exception]]:
        """Ask the seeds; the first that answers will do."""
        background = BackgroundWork(self)
        seeds = sample(self.map.seeds, len(self.map.seeds))  # as in `_look`
        questions = [self._question(node, background) for node in seeds]
        answers = self._ask(questions, 1, GRACE)
        for at, answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, PoolError):
                # Next time its name may lead to a server that is of use.
                self.link(seeds[at]).pool.retire("no usable answer", sever=True)
        return settled(None, _views(answers)), _errors(answers)

    def _refresh(self, background: BackgroundWork) -> None:
        """Ask nodes of different shards; if they are of no help, everybody else and the seeds."""
        found, errors, started = None, list[Exception](), monotonic()
        trigger, self.map.trigger = self.map.trigger, "timer"
        try:
            found, errors = self._look(background)
        finally:
            changed = self.map.learn(found, monotonic(), random())
        tell_refreshed(self.map.name, trigger, started, found, errors)
        if changed:
            self.map.spread()
        if changed or errors:
            log.info("cluster map refreshed", changed=changed, errors=list(map(str, errors)))

    def _look(self, background: BackgroundWork) -> tuple[Topology | None, list[Exception]]:
        topology = self.map.topology
        known = [one.primary for one in topology.shards] if topology is not None else []
        well = [node for node in known if self.link(node).health.ok] or known
        schedule = self.map.schedule
        lately = monotonic() - schedule.changed_at < SETTLED
        count = ASKED if schedule.unchanged == 0 and not lately else 1
        order = sample(well, len(well))
        asked, found, heard, errors = list[Address](), None, list[Topology](), list[Exception]()
        for some in (order[:count], order[count : count + ASKED]):  # the first may be who died
            questions = [self._question(node, background) for node in some]
            answers = self._ask(questions, len(some), GRACE)
            asked += some
            heard += _views(answers)
            errors += _errors(answers)
            found = settled(topology, heard)
            if found is not None:
                break
        # A single voice of an older epoch is no news, unless it is all that is heard for long.
        doubted = found is topology and schedule.unchanged >= DOUBTED
        if topology is None or not (found is None or doubted):
            return found, errors
        others = [node for node in topology.nodes() if node not in asked]
        # In another order each time: if there are many, and the first are silent, the rest is late.
        seeds, from_seeds = sample(self.map.seeds, len(self.map.seeds)), list[Topology]()
        questions = [partial(self._ask_anew, seed, from_seeds) for seed in seeds]
        questions += [self._question(node, background) for node in sample(others, len(others))]

        def enough(views: Sequence[Topology]) -> bool:
            return len(from_seeds) == len(seeds) or any(is_current(one, topology) for one in views)

        answers = self._ask(questions, enough)
        from_nodes = [*heard, *_views([one for one in answers if one[0] >= len(seeds)])]
        found = settled(topology, from_nodes, tuple(from_seeds), from_all=True)
        if found is not None and not related(found, topology):
            log.warning("another cluster adopted, on the word of the seeds", cluster=self.map.name)
        return found, errors + _errors(answers)

    def _ask(
        self, work: Sequence[Callable[[], Any]], enough: Any, grace: float | None = None
    ) -> list[tuple[int, Any]]:
        """Ask for the map, side by side, until there are `enough` answers."""
        return ask_all(work, enough, self._question_time, grace)

    def _question(self, node: Address, background: BackgroundWork) -> Callable[[], Any]:
        """Return how to ask a node, on the connections there are."""
        deadline = monotonic() + self._question_time

        def ask() -> Topology:
            link = self.link(node)
            with background.on(link):
                slots, info = link.exchange(QUESTION, 2, deadline)
            return self.map.read(slots, info, node)

        return ask

    def _ask_anew(self, seed: Address, views: list[Topology]) -> Topology:
        """
        Ask a seed on a new connection, whoever it leads to; add what it says to `views`.

        Its name is looked up anew: the server that it led to may have left, and still answer.
        """
        pool = Pool(self.map.endpoint(seed, read_only=False), self._options.pool)
        try:
            deadline = monotonic() + self._question_time
            slots, info = pool.exchange(QUESTION, 2, deadline)
        finally:
            pool.close()
        views.append(self.map.read(slots, info, seed))
        return views[-1]


def _views(answers: Sequence[tuple[int, Any]]) -> list[Topology]:
    return [one for _, one in answers if isinstance(one, Topology)]


def _errors(answers: Sequence[tuple[int, Any]]) -> list[Exception]:
    return [one for _, one in answers if isinstance(one, Exception)]


def _overdue(which: "ref[ClusterLinks]", node: Address) -> None:
    links = which()
    if links is not None:
        links.overdue(node)
