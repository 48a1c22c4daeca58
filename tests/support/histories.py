"""Histories of services and clusters in which some lie, some lag and some fail; from a seed.

Nothing here opens a socket: what servers would say is made up, and the decisions of the client are
taken on it. A history ends with a list of what the client did wrong, which should be empty.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from time import monotonic

import attrs

from cachex_client import ClusterMap
from cachex_client._async.cluster_links import ASKED, DOUBTED
from cachex_client._core.addresses import Address
from cachex_client._core.keyslot import SLOTS, slot_of
from cachex_client._core.redirects import STRANGERS
from cachex_client._core.sentinel import (
    Opinion,
    Role,
    claims,
    decision,
    majority,
    to_ask,
)
from cachex_client._core.topology import Shard, Topology, related, settled
from cachex_client.errors import BadAddress, BadRedirect
from cachex_pool.errors import reply_error

THIEVES = tuple(Address("thief.test", port) for port in range(1, 4))
LATER = 10.0
"""Seconds after which a promotion that only a redirect has told of is no news any more."""


@attrs.define
class Service:
    """What is true of a service: who leads, in which epoch, and how each server is."""

    nodes: tuple[Address, ...]
    leader: Address
    epoch: int = 1
    away: set[Address] = attrs.field(factory=set)
    old: set[Address] = attrs.field(factory=set)
    """Old primaries that nobody has told yet that they follow now."""

    def fail_over(self, dice: random.Random) -> None:
        """Promote another server."""
        heirs = [node for node in self.nodes if node != self.leader and node not in self.away]
        if heirs:
            if dice.random() < 0.5:
                self.old.add(self.leader)
            self.leader, self.epoch = dice.choice(heirs), self.epoch + 1
            self.old.discard(self.leader)

    def word(self) -> Opinion:
        """Return what a Sentinel that knows everything says."""
        others = [node for node in self.nodes if node != self.leader]
        fit = tuple(sorted(node for node in others if node not in self.away))
        unwell = tuple(sorted(node for node in others if node in self.away))
        return Opinion(self.leader, self.epoch, fit, unwell, doubted=self.leader in self.away)

    def role(self, node: Address) -> Role | None:
        """Return what a server says of itself, None if nothing."""
        if node in THIEVES:
            return Role(10**12, (*self.nodes, *THIEVES))
        if node in self.away:
            return None
        if node == self.leader or node in self.old:
            return Role(self.epoch, tuple(one for one in self.nodes if one != node))
        return Role(None)


def lie(dice: random.Random, truth: Opinion) -> Opinion:
    """Return what a hostile Sentinel says."""
    thief, other, third = dice.sample(THIEVES, 3)
    leader = dice.choice([thief, thief, truth.primary, *truth.followers])
    others = [node for node in (*truth.followers, truth.primary, other, third) if node != leader]
    fit = tuple(sorted(node for node in others if dice.random() < 0.7))
    return Opinion(
        leader,
        dice.choice([0, truth.epoch, truth.epoch + 1, 10**15]),
        fit,
        tuple(sorted(set(others) - set(fit))),
        doubted=dice.random() < 0.5,
        heir=dice.choice([None, other, *truth.followers]),
    )


def sentinel_history(seed: int, steps: int = 12) -> list[str]:
    """Play a history of one service; return what was decided wrongly.

    Fewer than half of the Sentinels lie, and where any does, some honest one answers. Wrong is to
    write to or read from a server that no honest one named; to believe in an epoch that there has
    not been yet; to go back to an older primary, or to one of the same epoch while ours leads, on
    the word of half or fewer; and to follow another than all honest Sentinels name while they
    agree, and all servers are well.
    """
    dice = random.Random(seed)
    nodes = tuple(Address("10.0.0.1", port) for port in range(1, dice.randint(2, 5) + 1))
    service = Service(nodes, nodes[0])
    count = dice.choice((1, 2, 3, 3, 5))
    liars = set(range(dice.randint(0, (count - 1) // 2)))
    heard = [service.word() for _ in range(count)]
    lags = [dice.choice((0.2, 0.4, 0.9)) for _ in range(count)]
    now: Opinion | None = None
    wrong = []
    for step in range(steps):
        happens = dice.random()
        if happens < 0.25:
            service.fail_over(dice)
        elif happens < 0.4:
            service.away ^= {dice.choice(nodes)}
        elif happens < 0.5:
            service.old.clear()
        for at in range(count):
            if dice.random() >= lags[at]:
                heard[at] = service.word()
        trouble = dice.choice((0.1, 0.1, 0.7))
        failed = {at for at in range(count) if dice.random() < trouble}
        if liars and failed >= set(range(count)) - liars:
            failed.discard(count - 1)
        answers = [
            lie(dice, service.word()) if at in liars else heard[at]
            for at in range(count)
            if at not in failed
        ]
        told = majority(answers, count - len(answers))
        roles = {
            node: role
            for node in to_ask(told, now)
            if (role := service.role(node)) is not None and dice.random() < 0.95
        }
        for node in claims(told, roles):
            if (role := service.role(node)) is not None:
                roles[node] = role
        asked = {*to_ask(told, now), *claims(told, roles)}
        found = decision(told, now, roles, count)
        if asked & set(THIEVES):
            wrong.append(f"step {step}: connected to {asked & set(THIEVES)}")
        if found is not None:
            if {found.primary, *found.followers} & set(THIEVES):
                wrong.append(f"step {step}: a thief is used: {found}")
            if found.epoch > service.epoch:
                wrong.append(f"step {step}: epoch {found.epoch}, and {service.epoch} is the newest")
            few = 2 * sum(one.primary == found.primary for one in answers) <= count
            if few and not (now is None or found.ahead or found.primary == now.primary):
                ours = roles.get(now.primary)
                leads = ours is not None and ours.leads
                if found.epoch < now.epoch + leads:
                    wrong.append(f"step {step}: back to {found} from {now}")
            now = found
        honest = {*range(count)} - liars
        well = not (honest & failed or service.away or service.old)
        if well and all(heard[at].primary == service.leader for at in honest):
            leader_spoke = service.leader in roles
            if leader_spoke and (now is None or now.primary != service.leader):
                wrong.append(f"step {step}: all name {service.leader}, and {now} is followed")
    return wrong


PARTS = 16
"""Slots of a made-up cluster: as few as this, or a million histories would take hours."""


@cache
def _keys() -> dict[int, bytes]:
    """Return a key of each of those slots."""
    keys = (b"%d" % one for one in range(200_000))
    return {slot: key for key in keys if (slot := slot_of(key)) < PARTS}


def _cluster(
    owners: Sequence[int], shards: Sequence[Shard], epoch: int, name: str = "id"
) -> Topology:
    ids = {node: f"{name}-{node.port}" for one in shards for node in (one.primary, *one.replicas)}
    return Topology(tuple(shards), tuple(owners), epoch, ids)


STRANGE_PORTS = range(1000, 1000 + STRANGERS + 6)
"""Where servers listen that nobody but a hostile node names."""
FOREIGN = tuple(
    _cluster([0] * PARTS, [Shard(Address(f"10.9.0.{at}", 1))], 10**6, f"foreign-{at}")
    for at in range(2)
)
"""Other clusters, to which an address of ours may belong some day."""


@attrs.define
class Nodes:
    """A cluster, what each of its nodes says of it, and who else may be asked."""

    nodes: list[Address]
    shards: list[Shard]
    owners: list[int]
    epoch: int
    truth: Topology
    views: dict[Address, Topology]
    liar: Address | None
    lie: Topology
    seeds: list[Address]
    guarded: bool
    """Whether hosts that the configuration does not allow are refused."""
    silent: set[Address] = attrs.field(factory=set)
    taken: dict[Address, Topology] = attrs.field(factory=dict)
    """Seeds whose names lead to another cluster now."""

    def is_hostile(self, node: Address) -> bool:
        return node == self.liar or node in THIEVES or node.port in STRANGE_PORTS

    def says(self, node: Address) -> Topology | None:
        """Return the map that a node tells, None if it says nothing, or nothing that is read."""
        if node in self.silent:
            return None
        if self.is_hostile(node):
            refused = self.guarded and not {*THIEVES}.isdisjoint(self.lie.nodes())
            return None if refused else self.lie
        for one in FOREIGN:
            if node in one.nodes():
                return one
        return self.views.get(node)

    def seed_says(self, seed: Address) -> Topology | None:
        """Return what comes of asking a seed by its name anew."""
        return self.taken.get(seed) or self.says(seed)

    def change(self, dice: random.Random) -> None:
        """Have a failover or a slot that moves, of which some nodes hear."""
        happens = dice.random()
        if happens < 0.3:
            at = dice.randrange(len(self.shards))
            self.shards[at] = self.shards[at].led_by(self.shards[at].replicas[0])
            self.epoch += 1
        elif happens < 0.6:
            self.owners[dice.randrange(PARTS)] = dice.randrange(len(self.shards))
            self.epoch += 1
        self.truth = _cluster(self.owners, self.shards, self.epoch)
        self.views |= {node: self.truth for node in self.nodes if dice.random() < 0.7}

    def think_of_a_lie(self, dice: random.Random, *, ahead: bool) -> None:
        """Have the hostile node tell another map."""
        shards = self.truth.shards
        owners = dice.choice([self.truth.owners, (0,) * PARTS])
        thief = Shard(THIEVES[0], dice.choice([(), shards[0].replicas]))
        leader = dice.choice([thief, Shard(shards[0].replicas[0], (shards[0].primary,))])
        epoch = dice.choice([self.epoch + 1, 10**15]) if ahead else dice.choice([0, self.epoch])
        self.lie = attrs.evolve(
            self.truth, shards=(leader, *shards[1:]), owners=tuple(owners), epoch=epoch
        )


def _votes(views: Sequence[Topology], view: Topology) -> int:
    return sum(one.same_as(view) for one in views)


def look(
    cluster: Nodes, known: Topology, count: int, dice: random.Random, unchanged: int = 0
) -> tuple[Topology | None, list[str]]:
    """Look at the map again as a client does: ask so many primaries, then everybody and the seeds.

    Return what it goes by then, and what is wrong with that. `unchanged` looks before this one have
    brought nothing.
    """
    primaries = [one.primary for one in known.shards]
    well = [node for node in primaries if node not in cluster.silent] or primaries
    order = dice.sample(well, len(well))
    asked: list[Address] = []
    heard: list[Topology] = []
    seeds: list[Topology] = []
    for some in (order[:count], order[count : count + ASKED]):
        asked += some
        heard += [view for node in some if (view := cluster.says(node)) is not None]
        found = settled(known, heard)
        if found is not None:
            break
    alone = True
    if found is None or (found is known and unchanged >= DOUBTED):
        others = [node for node in known.nodes() if node not in asked]
        heard += [view for node in others if (view := cluster.says(node)) is not None]
        seeds = [view for node in cluster.seeds if (view := cluster.seed_says(node)) is not None]
        found = settled(known, heard, tuple(seeds), from_all=True)
        alone = False
    ours = [one for one in (*heard, *seeds) if related(one, known)]
    if found is None:
        return None, [f"{ours} were not heard"] if ours else []
    wrong = []
    if not ours:
        backers = [one for one in seeds if related(one, found)]
        if 2 * len(backers) <= len(seeds):
            wrong.append(f"another cluster adopted on the word of {len(backers)} of {len(seeds)}")
    elif not related(found, known):
        wrong.append("another cluster adopted while nodes of ours speak")
    elif not found.same_as(known):
        votes = _votes(ours, found)
        if any(_votes(ours, one) > votes for one in ours):
            wrong.append(f"a map of {votes} votes is taken, and another has more")
        forgotten = not alone and all(one.epoch < known.epoch for one in ours)
        if votes == 1 and found.epoch < known.epoch and not forgotten:
            wrong.append("a single voice took an older map back")
    else:
        newer = [one for one in ours if one.epoch >= known.epoch and not one.same_as(known)]
        if len(newer) == len(ours):
            wrong.append("all that were asked tell news, and none of it is taken")
    return found, wrong


def play_redirect(
    cluster: Nodes, map: ClusterMap, dice: random.Random, to: Address | None = None
) -> list[str]:
    """Have the owner of a slot redirect a command; return what the client did wrong.

    If `to` is given that is a hostile owner, if there is one, who redirects there.
    """
    before = map.topology
    assert before is not None
    led = [before.shard_of(slot) for slot in range(PARTS)]
    slots = [slot for slot, one in enumerate(led) if one and cluster.is_hostile(one.primary)]
    slot = dice.choice(slots) if to and slots else dice.randrange(PARTS)
    key = _keys()[slot]
    shard = before.shard_of(slot)
    if shard is None:
        return []
    asked = shard.primary
    hostile = cluster.is_hostile(asked)
    if hostile:
        said = dice.choice([slot, slot, slot, dice.randrange(PARTS), -1, SLOTS])
        host = dice.choice(["thief.test", "10.0.0.1", "evil.example", "a/b", "u@10.0.0.1"])
        port = dice.choice([1, 2, 3, 65535, 65536, -1, 2**31])
        if to is not None:
            said, host, port = slot, to.host, to.port
    else:
        view = cluster.views.get(asked)
        told = None if view is None else view.shard_of(slot)
        if told is None:
            return []
        said, host, port = slot, told.primary.host, told.primary.port
    full = before.strangers >= STRANGERS
    stranger = Address(host, port) not in before.nodes()
    try:
        redirect = map.redirect(reply_error(f"MOVED {said} {host}:{port}"), key, asked)
    except (BadAddress, BadRedirect) as error:
        return [] if hostile or (full and stranger) else [f"an honest redirect is refused: {error}"]
    wrong = []
    if said != slot:
        wrong.append(f"a redirect for {said} is followed for {slot}")
    malformed = not 0 < port < 65536 or host in ("a/b", "u@10.0.0.1")
    if malformed or redirect.node != Address(host, port):
        wrong.append(f"a redirect to {host}:{port} leads to {redirect.node}")
    if cluster.guarded and not host.startswith("10."):
        wrong.append(f"a redirect to {host} is followed, which is not allowed")
    if full and stranger:
        wrong.append(f"{before.strangers} strangers, and one more")
    if wrong:
        return wrong
    known = map.moved(slot, redirect.node)
    own = before.shard_of(slot)
    for other in range(PARTS):
        was, now = before.shard_of(other), known.shard_of(other)
        if other != slot and was != now and (was is not own or redirect.node not in own.replicas):
            wrong.append(f"{slot} moved, and {other} with it")
    return wrong


def cluster_history(seed: int, steps: int = 10) -> list[str]:
    """Play a history of one cluster; return what was decided wrongly.

    At most one node lies, about its map and in redirects, and so does whoever it has the client
    talk to; seeds may lead to another cluster. Wrong is to follow a redirect that is about another
    slot than was asked about, to a bad address, or to too many strangers; to change the owner of
    another shard's slots because of one; to take a map that fewer nodes tell than another, or one
    of another cluster that not most seeds lead to; and not to have the cluster's map when nobody
    lies any more and it was looked at three times.
    """
    dice = random.Random(seed)
    count = dice.randint(2, 4)
    nodes = [Address("10.0.0.1", port) for port in range(1, 2 * count + 1)]
    shards = [Shard(nodes[2 * at], (nodes[2 * at + 1],)) for at in range(count)]
    owners = [at % count for at in range(PARTS)]
    truth = _cluster(owners, shards, 1)
    liar = dice.choice(nodes) if dice.random() < 0.6 else None
    seeds, guarded, ahead = dice.sample(nodes, 3), dice.random() < 0.4, dice.random() < 0.4
    views = dict.fromkeys(nodes, truth)
    cluster = Nodes(nodes, shards, owners, 1, truth, views, liar, truth, seeds, guarded)
    servers = [f"redis://{one}" for one in seeds]
    map = ClusterMap(servers, allowed_hosts=["10.0.0.0/8"] if guarded else None)
    map.topology = settled(None, [truth])
    wrong: list[str] = []

    def look_at_the_map(asked: int, when: object) -> None:
        known = map.topology
        assert known is not None
        found, told = look(cluster, known, asked, dice, map.schedule.unchanged)
        wrong.extend(f"{when}: {one}" for one in told)
        map.learn(found, monotonic() + LATER, 0.5)
        if found not in (None, known) and map.topology.strangers:
            wrong.append(f"{when}: the strangers are still counted")
        if cluster.guarded and not {*THIEVES}.isdisjoint(map.topology.nodes()):
            wrong.append(f"{when}: a thief is in the map")

    for step in range(steps):
        cluster.change(dice)
        cluster.think_of_a_lie(dice, ahead=ahead)
        many = [Address("10.0.0.1", port) for port in STRANGE_PORTS] if dice.random() < 0.02 else []
        for to in (None, *many):
            wrong += [f"step {step}: {one}" for one in play_redirect(cluster, map, dice, to)]
        everybody = [*nodes, *THIEVES]
        away = everybody if dice.random() < 0.2 else dice.sample(everybody, dice.randrange(3))
        cluster.silent = {*away}
        led = dice.randrange(4) if len(away) == len(everybody) else 0
        cluster.taken = {one: dice.choice(FOREIGN) for one in dice.sample(seeds, min(led, 3))}
        look_at_the_map(dice.choice((1, 3)), f"step {step}")
        cluster.silent, cluster.taken = set(), {}
    cluster.liar, cluster.views = None, dict.fromkeys(nodes, cluster.truth)
    strangers = (Address("10.0.0.1", port) for port in STRANGE_PORTS)
    cluster.silent = {*THIEVES, *strangers, *(node for one in FOREIGN for node in one.nodes())}
    for at in range(DOUBTED + 1):
        look_at_the_map(dice.choice((1, 3)), f"at the end, {at}")
    if not cluster.truth.same_as(map.topology):
        wrong.append(f"nobody lies, and {map.topology} is used in place of {cluster.truth}")
    return wrong
