"""Which server holds which slot. A frozen picture; a new one replaces it whole."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from cachex_client._core.addresses import (
    MALFORMED,
    NO_HOST,
    Address,
    AddressRules,
    as_text,
    whole_number,
)
from cachex_client._core.keyslot import SLOTS

MAX_NODES = 10_000
"""So many nodes a cluster may have; Redis and Valkey say that 1,000 is the practical limit."""
MAX_NAMED = 20 * MAX_NODES
"""So often all of them may be named: each row of slots has the nodes that serve them."""
PLAIN = AddressRules()


@attrs.frozen(slots=True)
class Shard:
    """A primary and its replicas: they hold the same slots."""

    primary: Address
    replicas: tuple[Address, ...] = ()

    def led_by(self, node: Address) -> "Shard":
        """Return the shard after a failover: the old primary is a replica now."""
        others = (self.primary, *(one for one in self.replicas if one != node))
        return Shard(node, others)


@attrs.frozen(slots=True, eq=False)
class Topology:
    """
    A cluster as one of its nodes described it.

    `owners` has one entry per slot, an index into `shards` or -1 for a slot nobody holds. `ids` are
    the node ids, as far as they were told: an address may be another node's some day, an id is not.
    `strangers` counts the nodes that only redirects have named.
    """

    shards: tuple[Shard, ...]
    owners: tuple[int, ...]
    epoch: int = 0
    ids: Mapping[Address, str] = attrs.field(factory=dict)
    strangers: int = 0

    @property
    def uncovered(self) -> int:
        """How many slots nobody holds."""
        return self.owners.count(-1)

    def same_as(self, other: "Topology | None") -> bool:
        """Say whether both say the same about slots, roles and node ids."""
        return other is not None and self.view() == other.view()

    def view(self) -> tuple[Any, ...]:
        """Return what two nodes have to agree on, in an order that does not depend on them."""
        primaries = sorted({one.primary for one in self.shards})
        places = {node: at for at, node in enumerate(primaries)}
        places_of_owners = [*(places[one.primary] for one in self.shards), -1]  # -1 is the last
        return (
            tuple(map(places_of_owners.__getitem__, self.owners)),
            tuple(sorted((one.primary, tuple(sorted(one.replicas))) for one in self.shards)),
            frozenset(self.ids.items()),
        )

    def shard_of(self, slot: int) -> Shard | None:
        """Return who holds a slot."""
        at = self.owners[slot]
        return None if at < 0 else self.shards[at]

    def nodes(self) -> list[Address]:
        """Return all servers, primaries first."""
        primaries = [one.primary for one in self.shards]
        replicas = [node for one in self.shards for node in one.replicas]
        return list(dict.fromkeys([*primaries, *replicas]))

    def moved(self, slot: int, node: Address) -> "Topology":
        """
        Return the topology after `MOVED slot node`.

        If the node is a replica of the slot's own shard there was a failover: it leads the whole
        shard now. If not, the slot alone moved, to a shard we know or to a new one: what a node
        says of its own slots is no news of another shard.
        """
        at, shards = self.owners[slot], self.shards
        if at >= 0 and shards[at].primary == node:
            return self
        strangers = self.strangers
        to = next((i for i, one in enumerate(shards) if one.primary == node), None)
        if to is None and at >= 0 and node in shards[at].replicas:
            led = shards[at].led_by(node)
            return attrs.evolve(self, shards=(*shards[:at], led, *shards[at + 1 :]))
        if to is None:
            to, shards, strangers = len(shards), (*shards, Shard(node)), strangers + 1
        owners = (*self.owners[:slot], to, *self.owners[slot + 1 :])
        return attrs.evolve(self, shards=shards, owners=owners, strangers=strangers)


def promotions(before: Topology | None, after: Topology) -> list[tuple[Address, Address]]:
    """Return the pairs of a primary that was and the replica of its that leads now."""
    if before is None:
        return []
    leaders = {node: one.primary for one in before.shards for node in one.replicas}
    return [(leaders[one.primary], one.primary) for one in after.shards if one.primary in leaders]


def from_slots_reply(
    reply: Sequence[Any], asked: Address, *, epoch: int = 0, rules: AddressRules = PLAIN
) -> Topology:
    """
    Read the reply of CLUSTER SLOTS that `asked` gave.

    Hosts may be missing. `?` is a node without a name of its own: it is reached by the IP that the
    reply has beside. An empty host, or none, stands for the host that was asked, as in MOVED,
    unless several nodes with one port would be the same then: these are reached by their IPs, too.
    Raises ValueError for anything that is not such a reply, or speaks of more than MAX_NODES, and
    BadAddress for an address that is none or that the rules refuse: who names one is not believed
    in the rest either.
    """
    owners = [-1] * SLOTS
    shards: dict[Address, dict[Address, None]] = {}
    order: dict[Address, int] = {}
    ids: dict[Address, set[str]] = {}
    covered = 0
    try:
        if sum(map(len, reply)) > MAX_NAMED:
            raise ValueError(f"more than {MAX_NAMED} names of nodes")
        crowded = _crowded_ports(reply)
        for first, last, *members in reply:
            start, end = whole_number(first), whole_number(last) + 1
            covered += end - start
            if not 0 <= start < end <= SLOTS or covered > SLOTS:
                raise ValueError(f"slots {start} to {end - 1}, {covered} in all")
            nodes = [rules.read(_host_of(one, crowded), one[1], asked) for one in members]
            primary, *replicas = nodes
            for node, one in zip(nodes, members, strict=True):
                ids.setdefault(node, set()).add(node_id(one[2]) if len(one) > 2 else "")
            if len(ids) > MAX_NODES:
                raise ValueError(f"more than {MAX_NODES} nodes")
            at = order.setdefault(primary, len(order))
            shards.setdefault(primary, {}).update(dict.fromkeys(replicas))
            owners[start:end] = [at] * (end - start)
    except MALFORMED as error:
        raise ValueError(f"not a reply to CLUSTER SLOTS: {error}") from None
    return Topology(
        tuple(Shard(primary, tuple(replicas)) for primary, replicas in shards.items()),
        tuple(owners),
        epoch,
        {node: id for node, (id, *more) in ids.items() if id and not more},
    )


def node_id(told: Any) -> str:
    """Read a node id out of a reply; "" if there is none."""
    if isinstance(told, bytes):
        return told.decode("ascii", "replace")
    return told if isinstance(told, str) else ""


def _crowded_ports(reply: Sequence[Any]) -> set[int]:
    """Return the ports that several nodes without a host have."""
    ids: dict[int, set[str]] = {}
    for _, _, *members in reply:
        for one in members:
            if as_text(one[0]) in NO_HOST and len(one) > 2:
                ids.setdefault(whole_number(one[1]), set()).add(node_id(one[2]))
    return {port for port, several in ids.items() if len(several) > 1}


def _host_of(member: Sequence[Any], crowded: Collection[int]) -> Any:
    """Return the host by which to reach a node, None for the host that was asked."""
    host = as_text(member[0])
    if host not in NO_HOST:
        return host
    if host != "?" and whole_number(member[1]) not in crowded:
        return None
    more = member[3] if len(member) > 3 else ()
    if not isinstance(more, dict):  # RESP2 has it flat
        pairs = iter(more or ())
        more = dict(zip(pairs, pairs, strict=False))
    ip = next((as_text(value) for name, value in more.items() if as_text(name) == "ip"), None)
    return None if ip in NO_HOST else ip


def agreed(views: Iterable[Topology], current: Topology | None) -> Topology | None:
    """
    Return the view most nodes share; a tie goes to the higher epoch, then to what we know.

    Views that cover no slot at all are left out: such a node has not joined yet. A single voice
    that speaks of an older epoch than we know is not listened to: news has not reached it yet.
    """
    usable = [one for one in views if any(at >= 0 for at in one.owners)]
    if not usable:
        return None
    keys = [one.view() for one in usable]
    votes = [keys.count(one) for one in keys]  # to compare them costs less than to hash them
    known = None if current is None else current.view()
    best = max(
        range(len(usable)),
        key=lambda at: (votes[at], usable[at].epoch, keys[at] == known),
    )
    outdated = current is not None and usable[best].epoch < current.epoch
    return current if outdated and votes[best] == 1 else usable[best]


def related(view: Topology, known: Topology) -> bool:
    """
    Say whether a view is of the cluster that is known: they share a node.

    Nodes are told apart by their ids. Where the cluster that is known never told any (old
    servers, some proxies and services), a shared address has to do.
    """
    if known.ids:
        return not set(known.ids.values()).isdisjoint(view.ids.values())
    return not set(known.nodes()).isdisjoint(view.nodes())


def is_current(view: Topology, known: Topology) -> bool:
    """Say whether a view is of the cluster that is known, and not older than what we know."""
    return related(view, known) and view.epoch >= known.epoch


def settled(
    known: Topology | None,
    heard: Iterable[Topology],
    seeds: Sequence[Topology] = (),
    *,
    from_all: bool = False,
) -> Topology | None:
    """
    Return the view to go by: `heard` is what nodes told, `seeds` what the seeds did.

    With `from_all` every node was asked. If none of them speaks of an epoch as new as the one that
    is known, whoever spoke of that was wrong or has left, and the older views count.

    Addresses are reused, so views that share no node with what is known may be another cluster's.
    They count only where nobody speaks of the known one any more, and if more than half of the
    seeds that answer speak of the same. None if there is nothing to believe.
    """
    heard = [*heard, *seeds]
    ours = [one for one in heard if known is None or related(one, known)]
    if ours:
        backed = known is not None and any(is_current(one, known) for one in ours)
        return agreed(ours, known if backed or not from_all else None)
    for one in seeds:
        backers = [other for other in seeds if related(one, other) or related(other, one)]
        if 2 * len(backers) > len(seeds):
            return agreed(backers, None)
    return None


def recognised(known: Topology, expected: str, told: Any) -> Literal["yes", "moved", "no"]:
    """
    Say whether a server is the node that is `expected` at its address, by the id it `told`.

    "moved" is another node of the same cluster; "no" means that it has to be asked for more. Where
    no id is expected there is nothing to compare.
    """
    found = node_id(told)
    if expected in ("", found):
        return "yes"
    return "moved" if found in known.ids.values() else "no"


def replaced(before: Topology | None, after: Topology, node: Address) -> bool:
    """Say whether another node is at an address than was."""
    then = None if before is None else before.ids.get(node)
    return then is not None and after.ids.get(node, then) != then
