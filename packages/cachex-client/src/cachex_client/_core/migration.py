"""Which servers a SCAN has to walk, and walk again, while slots move between them."""

from collections.abc import Mapping
from typing import TypeVar

import attrs

N = TypeVar("N")


@attrs.frozen(slots=True)
class Holdings:
    """The slots a primary says it serves, and those it is taking over from others."""

    owned: frozenset[int]
    importing: frozenset[int]


@attrs.frozen(slots=True)
class Walk:
    """A finished SCAN of one primary: what it held all the while, and from when to when."""

    held: Holdings
    started: float
    ended: float


def walked(before: Holdings, after: Holdings, started: float, ended: float) -> Walk:
    """Make the record of a walk: a slot that was given away meanwhile does not count as held."""
    importing = before.importing | after.importing
    return Walk(Holdings(before.owned & after.owned, importing), started, ended)


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
        owned: set[int] = set()
        importing: set[int] = set()
        for word in fields[8:]:
            if word.startswith("["):
                slot, arrow, _ = word[1:].partition("-<-")
                if arrow:
                    importing.add(int(slot))
            else:
                first, _, last = word.partition("-")
                owned.update(range(int(first), int(last or first) + 1))
        return Holdings(frozenset(owned), frozenset(importing))
    return None


def to_walk(now: Mapping[N, Holdings], walks: Mapping[N, Walk]) -> list[N]:
    """
    Return the primaries whose keys may not all have been seen.

    A slot's keys were seen if its server held it from the start of its walk, or if it was
    walked after the walk of everybody who held the slot before: keys only move forward.
    """
    return [node for node, holds in now.items() if not _seen(node, holds, walks)]


def _seen(node: N, holds: Holdings, walks: Mapping[N, Walk]) -> bool:
    walk = walks.get(node)
    if walk is None:
        return False
    new = (holds.owned | holds.importing) - (walk.held.owned - walk.held.importing)
    return not new or all(
        walk.started >= other.ended
        for one, other in walks.items()
        if one != node and not new.isdisjoint(other.held.owned | other.held.importing)
    )
