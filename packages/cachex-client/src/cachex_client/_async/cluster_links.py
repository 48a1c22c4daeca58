# tools/unasync.py writes the sync twin of this file.
"""The servers of a cluster as one process or event loop is connected to them, kept up to date."""

from collections.abc import Callable, Sequence
from random import random, sample
from typing import Any

from cachex_client._concurrency import AsyncOnce, async_ask_all, async_spawn, monotonic
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.topology import Address, Topology, agreed
from cachex_client._links import AsyncLink
from cachex_client.cluster_map import ClusterMap
from cachex_client.errors import ClusterUnreachable
from cachex_client.options import ClientOptions
from cachex_pool import DeadlineExceeded, PoolObserver, logger, pack_many

log = logger("cachex_client")

ASKED = 3
"""How many nodes a refresh asks; one only while refreshes bring nothing new."""
QUESTION = pack_many((("CLUSTER", "SLOTS"), ("CLUSTER", "INFO")))


class AsyncClusterLinks:
    """Links by address, and by slot for the topology that was adopted last."""

    def __init__(
        self, map: ClusterMap, options: ClientOptions, observers: Sequence[PoolObserver]
    ) -> None:
        self.map = map
        self.links: dict[Address, AsyncLink] = {}
        self.topology: Topology | None = None
        self.primaries: list[AsyncLink | None] = [None] * SLOTS
        self.replicas: dict[AsyncLink, tuple[AsyncLink, ...]] = {}
        self.turn = 0
        self._options = options
        self._observers = observers
        self._once = AsyncOnce()

    @property
    def reads_replicas(self) -> bool:
        """Whether reads may go to replicas, so that connections have to say READONLY."""
        return self._options.read_from != "primary"

    def link(self, node: Address) -> AsyncLink:
        """Return the link to a server, a new one if need be."""
        found = self.links.get(node)
        if found is None:
            endpoint = self.map.endpoint(node, read_only=self.reads_replicas)
            new = AsyncLink(endpoint, self._options, self._observers)
            found = self.links.setdefault(node, new)
        return found

    async def mapped(self, deadline: float) -> "AsyncClusterLinks":
        """Be up to date with what is known; learn of the cluster first if nothing is."""
        topology = self.map.topology
        if topology is None:
            try:
                await self._once.run(self.map.known, self._discover, deadline - monotonic())
            except TimeoutError:
                raise DeadlineExceeded(
                    self.map.name, "asking for the cluster's slots", written=False
                ) from None
            topology = self.map.topology
        if self.topology is not topology and topology is not None:
            self.adopt(topology)
        if self.map.schedule.due_at <= monotonic():
            self.look_again()
        return self

    def adopt(self, topology: Topology) -> None:
        """Make the tables for a topology; links to servers that left close when unused."""
        shards = [
            (self.link(one.primary), tuple(map(self.link, one.replicas))) for one in topology.shards
        ]
        leaders: list[AsyncLink | None] = [*(primary for primary, _ in shards), None]
        self.primaries = [leaders[at] for at in topology.owners]  # -1 is the None at the end
        self.replicas = dict(shards)
        self.topology = topology
        staying = {*topology.nodes(), *self.map.seeds}
        for node in [one for one in list(self.links) if one not in staying]:
            self.links.pop(node).leave()

    def follow(self, slot: int, host: str, port: int, by: Address) -> AsyncLink:
        """Learn of a MOVED; return the server it names."""
        before = self.map.topology
        node, topology = self.map.moved(slot, host, port, by)
        link = self.link(node)
        if before is not None and topology.shards is before.shards and self.topology is before:
            self.primaries[slot] = link  # one slot alone: no new tables for that
            self.topology = topology
        elif self.topology is not topology:
            self.adopt(topology)
        return link

    def want(self) -> None:
        """Have the map looked at again, now or when it is time to."""
        self.map.want(monotonic(), random())
        self.look_again()

    def look_again(self) -> None:
        """Have the map looked at beside the callers, if it is time to."""
        if self.map.may_refresh(monotonic()):
            async_spawn(self._refresh)

    async def aclose(self) -> None:
        for link in list(self.links.values()):
            await link.aclose()

    # -- inside

    async def _discover(self) -> None:
        """Learn of the cluster for the first time, from the first seed that answers."""
        views, errors = await self._ask(self.map.seeds, 1)
        topology = agreed(views, None)
        if topology is None:
            raise ClusterUnreachable(self.map.name, errors)
        self.map.learn(topology, monotonic(), random())

    async def _refresh(self) -> None:
        """Ask nodes of different shards; if they are silent, everybody else and the seeds."""
        topology = self.map.topology
        known = [one.primary for one in topology.shards] if topology is not None else []
        well = [node for node in known if self.link(node).health.ok] or known
        count = ASKED if self.map.schedule.unchanged == 0 else 1
        asked = sample(well, min(count, len(well)))
        views, errors = await self._ask(asked, len(asked))
        if not views:
            others = [node for node in self.map.everybody() if node not in asked]
            views, more = await self._ask(others, 1)
            errors += more
        found = agreed(views, topology)
        changed = self.map.learn(found, monotonic(), random())
        if changed or errors:
            log.info("cluster map refreshed", changed=changed, errors=list(map(str, errors)))

    async def _ask(
        self, nodes: Sequence[Address], enough: int
    ) -> tuple[list[Topology], list[Exception]]:
        """Ask nodes for the map, side by side, until `enough` have answered."""
        seconds = self._options.pool.connect_timeout + 1.0
        deadline = monotonic() + seconds

        def question(node: Address) -> Callable[[], Any]:
            async def ask() -> Topology:
                slots, info = await self.link(node).exchange(QUESTION, 2, deadline)
                return self.map.read(slots, info, node)

            return ask

        answers = await async_ask_all([question(node) for node in nodes], enough, seconds)
        views = [one for _, one in answers if isinstance(one, Topology)]
        return views, [one for _, one in answers if isinstance(one, Exception)]
