"""Which servers a SCAN has to walk, and walk again, while slots move between them."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import attrs

from cachex_client._core.keyslot import SLOTS
from cachex_client._core.wrong_replies import reads

N = TypeVar("N")


@attrs.frozen(slots=True)
class Holdings:
    """The slots a primary says it serves, and those it is taking over from others."""

    owned: frozenset[int]
    importing: frozenset[int]


@attrs.frozen(slots=True)
class Walk(Generic[N]):
    """A finished SCAN of one primary: what it held all the while, and from when to when."""

    node: N
    held: Holdings
    started: float
    ended: float


def walked(node: N, before: Holdings, after: Holdings, started: float, ended: float) -> Walk[N]:
    """Make the record of a walk: a slot that was given away meanwhile does not count as held."""
    importing = before.importing | after.importing
    return Walk(node, Holdings(before.owned & after.owned, importing), started, ended)


@reads("what CLUSTER NODES gives")
def read_own_line(reply: bytes) -> Holdings | None:
    """
    Read what a server says of itself in CLUSTER NODES; None if it is no primary.

    Slots are listed as `0-99` or `7`, those on the move as `[7->-node]` and `[7-<-node]`.
    """
    for line in reply.decode().splitlines():
        fields = line.split(" ")
        if len(fields) < 8 or "myself" not in fields[2]:
            continue
        if "master" not in fields[2]:
            return None
        return _read_slots(fields[8:])
    return None


def _read_slots(words: Sequence[str]) -> Holdings:
    """Read the slots of a line; raises ValueError if there are more than a server can have."""
    owned: set[int] = set()
    importing: set[int] = set()
    named = 0
    for word in words:
        if word.startswith("["):
            slot, arrow, _ = word[1:].partition("-<-")
            slots = _range(slot if arrow else slot.partition("->-")[0])
            if arrow:
                importing.update(slots)
        else:
            slots = _range(*word.split("-", 1))
            named += len(slots)
            if named > SLOTS:
                raise ValueError("a slot is named twice")
            owned.update(slots)
    return Holdings(frozenset(owned), frozenset(importing))


def _range(first: str, last: str | None = None) -> range:
    low, high = int(first), int(first if last is None else last)
    if not 0 <= low <= high < SLOTS:  # before anything has as many members
        raise ValueError("not a range of slots")
    return range(low, high + 1)


def to_walk(now: Mapping[N, Holdings], walks: Sequence[Walk[N]]) -> list[N]:
    """
    Return the primaries whose keys may not all have been seen, after these walks in order of time.

    A walk has seen a slot's keys, or they had gone on, if its server held the slot from start to
    end, or if everybody else who ever held it had been walked so before: keys only move forward.
    """
    ever: dict[N, set[int]] = {node: set(held.owned | held.importing) for node, held in now.items()}
    for walk in walks:
        ever.setdefault(walk.node, set()).update(walk.held.owned | walk.held.importing)
    everything: set[int] = set()
    contested: set[int] = set()
    for slots in ever.values():
        contested |= everything & slots
        everything |= slots
    seen: dict[N, set[int]] = {node: set() for node in ever}
    done: list[tuple[Walk[N], set[int]]] = []
    for walk in walks:
        slots = set(walk.held.owned - walk.held.importing)
        before: dict[N, set[int]] = {}
        for one, theirs in done:
            if one.ended <= walk.started:
                before.setdefault(one.node, set()).update(theirs)
        left = [held - before.get(node, set()) for node, held in ever.items() if node != walk.node]
        slots |= contested.difference(*left)
        done.append((walk, slots))
        seen[walk.node] |= slots
    return [node for node, held in now.items() if not (held.owned | held.importing) <= seen[node]]
