"""Histories of services and clusters in which some lie, some lag and some fail; from a seed.

Nothing here opens a socket: what servers would say is made up, and the decisions of the client are
taken on it. A history ends with a list of what the client did wrong, which should be empty.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import attrs
from redis.exceptions import MovedError

from cachex_client._core.addresses import Address, AddressRules
from cachex_client._core.keyslot import slot_of
from cachex_client._core.redirects import read_redirect
from cachex_client._core.sentinel import (
    Opinion,
    Role,
    claims,
    decision,
    majority,
    to_ask,
)
from cachex_client._core.topology import Shard, Topology, settled
from cachex_client.errors import BadRedirect

THIEVES = tuple(Address("thief.test", port) for port in range(1, 4))
RULES = AddressRules()


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
    write to or read from a server that no honest one named; to go back to an older primary on the
    word of fewer than half; and to follow another than all Sentinels name while they agree, all is
    well, and nobody lies.
    """
    dice = random.Random(seed)
    nodes = tuple(Address("10.0.0.1", port) for port in range(1, dice.randint(2, 5) + 1))
    service = Service(nodes, nodes[0])
    count = dice.choice((1, 2, 3, 3, 5))
    liars = set(range(dice.randint(0, (count - 1) // 2)))
    heard = [service.word() for _ in range(count)]
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
            if dice.random() < 0.6:
                heard[at] = service.word()
        failed = {at for at in range(count) if dice.random() < 0.2}
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
            backers = [one for one in answers if one.primary == found.primary]
            few = 2 * len(backers) <= count and len(backers) < len(answers)
            older = now is not None and found.primary != now.primary and found.epoch < now.epoch
            if few and older and found.primary != service.leader:
                wrong.append(f"step {step}: back to {found} from {now}")
            now = found
        well = not (liars or failed or service.away or service.old)
        if well and all(one.primary == service.leader for one in answers):
            leader_spoke = service.leader in roles
            if leader_spoke and (now is None or now.primary != service.leader):
                wrong.append(f"step {step}: all name {service.leader}, and {now} is followed")
    return wrong


PARTS = 16
"""Slots of a made-up cluster: as few as this, or a million histories would take hours."""


@cache
def _keys() -> list[bytes]:
    """Return keys that are in those slots."""
    return [key for key in (b"%d" % one for one in range(40_000)) if slot_of(key) < PARTS]


def _cluster(owners: Sequence[int], shards: Sequence[Shard], epoch: int) -> Topology:
    ids = {node: f"id-{node.port}" for one in shards for node in (one.primary, *one.replicas)}
    return Topology(tuple(shards), tuple(owners), epoch, ids)


def cluster_history(seed: int, steps: int = 10) -> list[str]:
    """Play a history of one cluster; return what was decided wrongly.

    At most one node lies, about its map and in redirects. Wrong is to follow a redirect that is
    about another slot than was asked about; to change the owner of another shard's slots because
    of one; to take a map that only one of three nodes tells; and to have another map than the
    cluster's when all tell the same.
    """
    dice = random.Random(seed)
    count = dice.randint(2, 4)
    nodes = [Address("10.0.0.1", port) for port in range(1, 2 * count + 1)]
    shards = [Shard(nodes[2 * at], (nodes[2 * at + 1],)) for at in range(count)]
    owners = [at % count for at in range(PARTS)]
    epoch = 1
    truth = _cluster(owners, shards, epoch)
    views = dict.fromkeys(nodes, truth)
    liar = dice.choice(nodes) if dice.random() < 0.5 else None
    known = settled(None, [truth])
    wrong = []
    for step in range(steps):
        happens = dice.random()
        if happens < 0.3:
            at = dice.randrange(count)
            shards[at] = shards[at].led_by(shards[at].replicas[0])
            epoch += 1
        elif happens < 0.6:
            owners[dice.randrange(PARTS)] = dice.randrange(count)
            epoch += 1
        truth = _cluster(owners, shards, epoch)
        views |= {node: truth for node in nodes if dice.random() < 0.7}
        assert known is not None
        key = dice.choice(_keys())
        slot = slot_of(key)
        shard = known.shard_of(slot)
        assert shard is not None
        asked = shard.primary
        before = known
        if asked == liar:
            said = dice.choice([slot, dice.randrange(PARTS)])
            node = dice.choice([*THIEVES, *nodes])
        else:
            told = views.get(asked, truth).shard_of(slot)
            assert told is not None
            said, node = slot, told.primary
        try:
            redirect = read_redirect(MovedError(f"{said} {node}"), key, asked, RULES)
        except BadRedirect:
            if said == slot:
                wrong.append(f"step {step}: an honest redirect is refused")
        else:
            if said != slot:
                wrong.append(f"step {step}: a redirect for {said} is followed for {slot}")
            known = known.moved(slot, redirect.node)
            own = before.shard_of(slot)
            for other in range(PARTS):
                was, now = before.shard_of(other), known.shard_of(other)
                if other != slot and was is not own and was != now:
                    wrong.append(f"step {step}: {slot} moved, and {other} with it")
        voters = dice.sample(nodes, 3)
        fake = attrs.evolve(truth, shards=(Shard(THIEVES[0]), *truth.shards[1:]), epoch=epoch + 100)
        heard = [fake if node == liar else views[node] for node in voters]
        found = settled(known, heard)
        if found is fake and len({id(one) for one in heard if one is not fake}) == 1:
            wrong.append(f"step {step}: one of three chose the map")
        if found is not None and found is not fake:
            known = found
        if liar is None and all(view is truth for view in views.values()):
            known = settled(known, [truth, truth, truth]) or known
            if not known.same_as(truth):
                wrong.append(f"step {step}: all tell the same, and another map is used")
    return wrong
