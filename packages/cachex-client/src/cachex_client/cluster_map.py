"""What a process knows of one cluster: shared by its threads, its event loops, its clients."""

from collections.abc import Collection, Sequence
from typing import Any

import attrs
from redis.exceptions import RedisError

from cachex_client._audience import audience, tell
from cachex_client._concurrency import monotonic
from cachex_client._core.addresses import (
    NO_HOST,
    Address,
    AddressRules,
    Remap,
    as_text,
    whole_number,
)
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.redirects import STRANGERS, Redirect, read_redirect
from cachex_client._core.topology import Topology, from_slots_reply, promotions, related
from cachex_client._shared_map import SharedMap
from cachex_client.errors import BadRedirect, ConfigurationError
from cachex_pool import Endpoint, PoolError, parse_url
from cachex_pool.forks import register
from cachex_pool.secrecy import keeps_secrets

SILENT_FOR = 0.75
"""Seconds without a complaint after which nobody waits in vain: who does complains every 0.5 s."""
WATCH_ENDS = 1.0
"""Seconds without a sign of life after which a watcher has died."""
HEARSAY = 1.0
"""Seconds in which others may not have heard of a promotion that we know from who was promoted."""


@attrs.define(eq=False, slots=True)
class Silence:
    """When a primary was last waited for in vain, and until when somebody is watching."""

    heard: float
    watched_until: float


class ClusterMap(SharedMap):
    """
    The newest topology, a frozen value swapped whole, and when to look for a newer one.

    Readers never wait: they take `topology` as it is. Seeds are kept for ever, so that a cluster
    whose nodes were all replaced is found again. `address_remap` turns an announced `(host, port)`
    into one that can be reached; `allowed_hosts`, if given, are the names and networks that nodes
    may name beside the `servers`, see `AllowedHosts`.
    """

    @keeps_secrets()
    def __init__(
        self,
        servers: Sequence[str | Endpoint],
        address_remap: Remap | None = None,
        *,
        allowed_hosts: Sequence[str] | None = None,
    ) -> None:
        endpoints = tuple(map(endpoint_of, servers))
        if not endpoints:
            raise ConfigurationError("a cluster client needs the URL of a node; none was given")
        for one in endpoints:
            if one.path is not None:
                raise ConfigurationError(
                    f"a cluster's nodes are reached by host and port, not by a socket: {one.path}"
                )
        super().__init__()
        self._pattern = endpoints[0]
        hosts = [one.host for one in endpoints]
        self._rules = AddressRules.of(address_remap, allowed_hosts, hosts)
        self._probed: dict[str, float] = {}
        self._silent: dict[Address, Silence] = {}
        self._news: dict[Address, tuple[Address, float]] = {}  # who leads: instead of whom, since
        self.seeds = tuple(dict.fromkeys(Address(one.host, one.port) for one in endpoints))
        self.topology: Topology | None = None
        register(self)

    def after_fork(self) -> None:
        """Go on in a child process, where nobody is looking at the topology."""
        self.schedule.running_since = None
        self._silent.clear()

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

    def id_of(self, node: Address) -> str:
        """Return a node's id, "" if it is not known."""
        return "" if self.topology is None else self.topology.ids.get(node, "")

    def is_ours(self, slots: Any, asked: Address) -> bool:
        """Say whether a reply to CLUSTER SLOTS speaks of the cluster that is known."""
        try:
            view = self.read(slots, None, asked)
        except (RedisError, PoolError, ValueError):
            return False
        return self.topology is None or related(view, self.topology)

    def read(self, slots: Any, info: Any, asked: Address) -> Topology:
        """Make a topology of the replies to CLUSTER SLOTS and CLUSTER INFO."""
        if isinstance(slots, Exception):
            raise slots
        epoch = 0
        if isinstance(info, bytes):
            lines = as_text(info).split("\r\n")
            told = dict(line.partition(":")[::2] for line in lines if line)
            epoch = whole_number(told.get("cluster_current_epoch", 0))
        topology = from_slots_reply(slots, asked, epoch=epoch, rules=self._rules)
        if topology.uncovered == SLOTS:
            raise ValueError(f"{asked} knows of no server that serves any slot")
        return topology

    def learn(self, topology: Topology | None, now: float, chance: float) -> bool:
        """Take a newer topology, None if nobody answered; say whether it brought news."""
        with self._lock:
            before = self.topology
            outdated = topology is not None and self._is_outdated(topology, now)
            changed = topology is not None and not outdated and not topology.same_as(before)
            strangers = 0 if self.topology is None else self.topology.strangers
            if changed or (strangers and topology is not None and not outdated):
                self.topology = topology
            self.schedule.finished(now, chance, changed=changed)
            if outdated:
                self.schedule.want(now, chance)
        if changed:
            self._tell_promotions(before)
        return changed

    def redirect(self, error: Exception, key: bytes | None, by: Address) -> Redirect:
        """Return where a redirect of the node `by` leads; BadAddress or BadRedirect if nowhere."""
        topology, host = self.topology, getattr(error, "host", None)
        known = topology.nodes() if topology is not None and host in NO_HOST else ()
        found = read_redirect(error, key, by, self._rules, known)
        crowded = topology is not None and topology.strangers >= STRANGERS
        if topology is not None and crowded and found.node not in topology.nodes():
            why = f"the map does not have it, nor {STRANGERS} others that redirects led to"
            raise BadRedirect(by, f"MOVED or ASK to {found.node}", why)
        return found

    def moved(self, slot: int, node: Address) -> Topology:
        """Learn that a slot is another node's now."""
        with self._lock:
            before = self.topology
            if before is None:
                raise LookupError("redirected before the cluster was known")
            topology = self.topology = before.moved(slot, node)
            self._note_news(before)
        if topology.shards is not before.shards:
            self._tell_promotions(before)
        return topology

    def promoted(self, old: Address, new: Address) -> bool:
        """Learn that a replica leads its shard now; False if the map knew, or knows of neither."""
        with self._lock:
            before = self.topology
            shards = () if before is None else before.shards
            at = next((i for i, one in enumerate(shards) if one.primary == old), None)
            if before is None or at is None or new not in shards[at].replicas:
                return False
            if at not in before.owners:
                return False
            self.topology = before.moved(before.owners.index(at), new)
            self._note_news(before)
        self._tell_promotions(before)
        return True

    def holds_any(self, primary: Address, slots: Collection[int]) -> bool:
        """Say whether one of the slots is, as far as we know, that primary's."""
        topology = self.topology
        if topology is None:
            return False
        shards, owners = topology.shards, topology.owners
        return any(owners[slot] >= 0 and shards[owners[slot]].primary == primary for slot in slots)

    def _note_news(self, before: Topology) -> None:
        if self.topology is not None and self.topology.shards is not before.shards:
            now = monotonic()
            lately = {new: one for new, one in self._news.items() if now - one[1] < HEARSAY}
            fresh = {new: (old, now) for old, new in promotions(before, self.topology)}
            self._news = lately | fresh

    def _is_outdated(self, topology: Topology, now: float) -> bool:
        """Say whether it takes a promotion back that its nodes may not have heard of."""
        for old, new in promotions(self.topology, topology):
            whom, since = self._news.get(old, (None, 0.0))
            if whom == new and now - since < HEARSAY:
                return True
        return False

    def _tell_promotions(self, before: Topology | None) -> None:
        if audience.observers and self.topology is not None:
            for old, new in promotions(before, self.topology):
                tell("promoted", self.name, old=str(old), new=str(new))

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
            self._probed = {one: at for one, at in self._probed.items() if now - at < pause}
            self._probed[primary] = now
            return True

    # -- a primary that says nothing

    @property
    def watched(self) -> list[Address]:
        """The primaries that somebody waits for in vain."""
        return list(self._silent)

    def overdue(self, primary: Address, now: float) -> bool:
        """Note that somebody waits for a primary in vain; say whether he is the one to watch it."""
        with self._lock:
            for node, one in list(self._silent.items()):
                if now - one.heard > SILENT_FOR and now >= one.watched_until:
                    del self._silent[node]  # its watcher died with its loop
            silence = self._silent.setdefault(primary, Silence(now, 0.0))
            silence.heard = now
            if now < silence.watched_until:
                return False
            silence.watched_until = now + WATCH_ENDS
            return True

    def still_silent(self, primary: Address, now: float) -> bool:
        """Say whether somebody still waits for it in vain; for who watches it."""
        with self._lock:
            silence = self._silent.get(primary)
            if silence is None or now - silence.heard > SILENT_FOR:
                return False
            silence.watched_until = now + WATCH_ENDS
            return True

    def unwatched(self, primary: Address) -> None:
        """Have the next who waits in vain watch it: who did so has ended."""
        with self._lock:
            self._silent.pop(primary, None)

    def spread(self) -> None:
        """Have everybody adopt what is known now: not all would notice by themselves."""
        for follower in self._all_followers():
            follower.catch_up()

    def let_go(self, node: Address) -> None:
        """Have nobody wait any longer for a server that led, and hangs."""
        for follower in self._all_followers():
            follower.let_go(node)


def endpoint_of(server: str | Endpoint) -> Endpoint:
    """Read a server's URL, unless it is an Endpoint already."""
    if isinstance(server, Endpoint):
        return server
    endpoint, options = parse_url(server)
    if options:
        unknown = ", ".join(sorted(options))
        raise ConfigurationError(f"the URL of {endpoint.name} has options nobody knows: {unknown}")
    return endpoint
