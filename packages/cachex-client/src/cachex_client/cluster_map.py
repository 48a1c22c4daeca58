"""What a process knows of one cluster: shared by its threads, its event loops, its clients."""

from collections.abc import Sequence
from typing import Any

import attrs

from cachex_client._concurrency import StateLock, on_fork
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.refresh import RefreshSchedule
from cachex_client._core.topology import (
    Address,
    Remap,
    Topology,
    address_of,
    from_slots_reply,
    promotions,
)
from cachex_client.errors import ClusterUnreachable, ConfigurationError
from cachex_client.observer import audience, tell
from cachex_pool import Endpoint, parse_url


class ClusterMap:
    """
    The newest topology, a frozen value swapped whole, and when to look for a newer one.

    Readers never wait: they take `topology` as it is. Seeds are kept for ever, so that a cluster
    whose nodes were all replaced is found again.
    """

    def __init__(
        self, servers: Sequence[str | Endpoint], address_remap: Remap | None = None
    ) -> None:
        endpoints = tuple(map(endpoint_of, servers))
        if not endpoints:
            raise ConfigurationError("a cluster client needs the URL of a node; none was given")
        for one in endpoints:
            if one.path is not None:
                raise ConfigurationError(
                    f"a cluster's nodes are reached by host and port, not by a socket: {one.path}"
                )
        self._pattern = endpoints[0]
        self._remap = address_remap
        self._lock = StateLock()
        self._probed: dict[str, float] = {}
        self.seeds = tuple(dict.fromkeys(Address(one.host, one.port) for one in endpoints))
        self.topology: Topology | None = None
        self.failures = 0
        self._errors: Sequence[Exception] = ()
        self.schedule = RefreshSchedule()
        self.trigger = "timer"
        """Why the next refresh is due, for observers."""
        on_fork(self)

    def after_fork(self) -> None:
        """Go on in a child process, where nobody is looking at the topology."""
        self.schedule.running_since = None

    def __repr__(self) -> str:
        if self.topology is None:
            return f"of {self.name}, not yet known"
        shards = self.topology.shards
        nodes = len(self.topology.nodes())
        return (
            f"of {self.name}: {len(shards)} shards, {nodes} nodes,"
            f" {self.topology.uncovered} slots uncovered"
        )

    @property
    def name(self) -> str:
        """The seeds, as messages name the cluster."""
        return ", ".join(map(str, self.seeds))

    def known(self) -> bool:
        """Say whether there is a topology."""
        return self.topology is not None

    def endpoint(self, node: Address, *, read_only: bool) -> Endpoint:
        """Return how to connect to a node: as to the first seed, at another address."""
        return attrs.evolve(self._pattern, host=node.host, port=node.port, read_only=read_only)

    def everybody(self) -> list[Address]:
        """Return all nodes we know of, then the seeds."""
        known = self.topology.nodes() if self.topology is not None else []
        return list(dict.fromkeys([*known, *self.seeds]))

    def read(self, slots: Any, info: Any, asked: Address) -> Topology:
        """Make a topology of the replies to CLUSTER SLOTS and CLUSTER INFO."""
        if isinstance(slots, Exception):
            raise slots
        epoch = 0
        if isinstance(info, bytes):
            told = dict(line.partition(":")[::2] for line in info.decode().split("\r\n") if line)
            epoch = int(told.get("cluster_current_epoch", 0))
        topology = from_slots_reply(slots, asked, epoch=epoch, remap=self._remap)
        if topology.uncovered == SLOTS:
            raise ValueError(f"{asked} knows of no server that serves any slot")
        return topology

    def may_introduce(self, now: float) -> bool:
        """Say whether the caller is the one to ask the seeds for the first map."""
        with self._lock:
            return self.topology is None and self.schedule.may_begin(now)

    def introduced(
        self, topology: Topology | None, errors: Sequence[Exception], now: float, chance: float
    ) -> None:
        """Take the first topology, or None and why there is none."""
        self.learn(topology, now, chance)
        if topology is None:
            with self._lock:
                self._errors = errors
                self.failures += 1

    def failure(self) -> Exception:
        """Return an error that says why the cluster is not known."""
        return ClusterUnreachable(self.name, self._errors)

    def learn(self, topology: Topology | None, now: float, chance: float) -> bool:
        """Take a newer topology, None if nobody answered; say whether it brought news."""
        with self._lock:
            before = self.topology
            changed = topology is not None and not topology.same_as(before)
            if changed:
                self.topology = topology
            self.schedule.finished(now, chance, changed=changed)
        if changed:
            self._tell_promotions(before)
        return changed

    def moved(self, slot: int, host: str, port: int, by: Address) -> tuple[Address, Topology]:
        """Learn of `MOVED slot host:port` that the node `by` replied."""
        node = address_of(host, port, by, self._remap)
        with self._lock:
            before = self.topology
            if before is None:
                raise LookupError("redirected before the cluster was known")
            topology = self.topology = before.moved(slot, node)
        if topology.shards is not before.shards:
            self._tell_promotions(before)
        return node, topology

    def _tell_promotions(self, before: Topology | None) -> None:
        if audience.observers and self.topology is not None:
            for old, new in promotions(before, self.topology):
                tell("promoted", self.name, old=str(old), new=str(new))

    def address(self, host: str, port: int, by: Address) -> Address:
        """Return the address a node meant in a redirect."""
        return address_of(host, port, by, self._remap)

    def want(self, now: float, chance: float) -> None:
        """Note a reason to look at the topology again."""
        with self._lock:
            self.trigger = "failure"
            self.schedule.want(now, chance)

    def may_refresh(self, now: float) -> bool:
        """Say whether the caller is the one to refresh, now."""
        with self._lock:
            return self.schedule.may_start(now)

    def may_probe(self, primary: str, now: float, pause: float) -> bool:
        """Let one caller at a time look whether a silent primary has an heir."""
        with self._lock:
            if now - self._probed.get(primary, -pause) < pause:
                return False
            self._probed[primary] = now
            return True


def endpoint_of(server: str | Endpoint) -> Endpoint:
    """Read a server's URL, unless it is an Endpoint already."""
    if isinstance(server, Endpoint):
        return server
    endpoint, options = parse_url(server)
    if options:
        unknown = ", ".join(sorted(options))
        raise ConfigurationError(f"the URL of {endpoint.name} has options nobody knows: {unknown}")
    return endpoint
