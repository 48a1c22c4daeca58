# Written by tools/unasync.py from _async/cluster_links.py: edit that file instead.
"""The servers of a cluster as one process or event loop is connected to them, kept up to date."""

from collections.abc import Callable, Sequence
from random import random, sample
from typing import Any

import attrs

from cachex_client._concurrency import (
    StateLock,
    ask_all,
    sleep,
    spawn,
    monotonic,
)
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.topology import Address, Topology, agreed
from cachex_client._links import Link
from cachex_client.cluster_map import ClusterMap
from cachex_client.observer import tell_refreshed
from cachex_client.options import ClientOptions
from cachex_pool import DeadlineExceeded, PoolObserver, logger, pack_many

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
        self._lock = StateLock()

    def link(self, node: Address) -> Link:
        """Return the link to a server, a new one if need be."""
        found = self.links.get(node)
        if found is None:
            with self._lock:
                found = self.links.get(node)
                if found is None:
                    endpoint = self.map.endpoint(node, read_only=self.reads_replicas)
                    found = Link(endpoint, self._options, self._observers)
                    self.links[node] = found
        return found

    def mapped(self, deadline: float) -> Tables:
        """Return tables of the newest topology; learn of the cluster first if nothing is known."""
        if self.map.topology is None:
            self._be_introduced(deadline)
        tables = self.tables
        if tables.topology is not self.map.topology:
            tables = self.adopt()
        if self.map.schedule.due_at <= monotonic():
            self.look_again()
        return tables

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
            leaders: list[Link | None] = [*(primary for primary, _ in shards), None]
            primaries = [leaders[at] for at in topology.owners]  # -1 is the None at the end
            hung = [one for one in self.tables.replicas if not one.health.ok]
            self.tables = Tables(topology, primaries, dict(shards))
            deposed = [one for one in hung if one not in self.tables.replicas]
            staying = {*topology.nodes(), *self.map.seeds}
            leaving = [self.links.pop(one) for one in list(self.links) if one not in staying]
        for link in leaving:
            link.leave()
        for link in deposed:
            if not link.left:
                link.pool.retire("no longer primary", sever=True)
        return self.tables

    def follow(self, slot: int, host: str, port: int, by: Address) -> Link:
        """Learn of a MOVED; return the server it names."""
        with self._lock:
            before = self.map.topology
            node, topology = self.map.moved(slot, host, port, by)
            link = self.link(node)
            tables = self.tables
            if before is None or tables.topology is not before:
                self.adopt()
            elif topology.shards is before.shards:
                tables.primaries[slot] = link  # one slot alone: no new tables for that
                tables.topology = topology
            else:
                self.adopt()
            return link

    def want(self) -> None:
        """Have the map looked at again, now or when it is time to."""
        self.map.want(monotonic(), random())
        self.look_again()

    def look_again(self) -> None:
        """Have the map looked at beside the callers, if it is time to."""
        if self.map.may_refresh(monotonic()):
            spawn(self._refresh)

    def close(self) -> None:
        for link in list(self.links.values()):
            link.close()

    # -- inside

    def _be_introduced(self, deadline: float) -> None:
        """
        Wait until the cluster is known, and ask unless somebody is asking.

        Threads, event loops and clients that share the map wait for the one who asks, and
        for his failure, too.
        """
        before = self.map.failures
        pause = 0.001
        while not self.map.known():
            if self.map.failures != before:
                raise self.map.failure()
            if self.map.may_introduce(monotonic()):
                spawn(self._discover)
            left = deadline - monotonic()
            if left <= 0:
                raise DeadlineExceeded(
                    self.map.name, "asking for the cluster's slots", written=False
                )
            sleep(min(pause, left))
            pause = min(2 * pause, 0.02)

    def _discover(self) -> None:
        """Learn of the cluster for the first time, from the first seed that answers."""
        topology, errors, started = None, list[Exception](), monotonic()
        try:
            views, errors = self._ask(self.map.seeds, 1)
            topology = agreed(views, None)
        finally:
            self.map.introduced(topology, errors, monotonic(), random())
        tell_refreshed(self.map.name, "first", started, topology, errors)

    def _refresh(self) -> None:
        """Ask nodes of different shards; if they are silent, everybody else and the seeds."""
        found, errors, started = None, list[Exception](), monotonic()
        trigger, self.map.trigger = self.map.trigger, "timer"
        try:
            found, errors = self._look()
        finally:
            changed = self.map.learn(found, monotonic(), random())
        tell_refreshed(self.map.name, trigger, started, found, errors)
        if changed or errors:
            log.info("cluster map refreshed", changed=changed, errors=list(map(str, errors)))

    def _look(self) -> tuple[Topology | None, list[Exception]]:
        topology = self.map.topology
        known = [one.primary for one in topology.shards] if topology is not None else []
        well = [node for node in known if self.link(node).health.ok] or known
        schedule = self.map.schedule
        lately = monotonic() - schedule.changed_at < SETTLED
        count = ASKED if schedule.unchanged == 0 and not lately else 1
        asked = sample(well, min(count, len(well)))
        views, errors = self._ask(asked, len(asked))
        if not views:
            others = [node for node in self.map.everybody() if node not in asked]
            views, more = self._ask(others, 1)
            errors += more
            topology = None  # whoever answers is right: it may be another cluster by now
        return agreed(views, topology), errors

    def _ask(
        self, nodes: Sequence[Address], enough: int
    ) -> tuple[list[Topology], list[Exception]]:
        """Ask nodes for the map, side by side, until `enough` have answered."""
        seconds = self._options.pool.connect_timeout + 1.0
        deadline = monotonic() + seconds

        def question(node: Address) -> Callable[[], Any]:
            def ask() -> Topology:
                slots, info = self.link(node).exchange(QUESTION, 2, deadline)
                return self.map.read(slots, info, node)

            return ask

        work = [question(node) for node in nodes]
        answers = ask_all(work, enough, seconds, GRACE)
        views = [one for _, one in answers if isinstance(one, Topology)]
        return views, [one for _, one in answers if isinstance(one, Exception)]
