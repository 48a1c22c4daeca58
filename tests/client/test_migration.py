"""A SCAN over servers between which slots move misses no key that is there throughout."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client._core.migration import Holdings, Walk, read_own_line, to_walk, walked
from cachex_pool import ProtocolError


def holds(*owned: int, importing: tuple[int, ...] = ()) -> Holdings:
    return Holdings(frozenset(owned), frozenset(importing))


def test_a_servers_own_line_is_read() -> None:
    text = (
        b"aa 1.1.1.1:1@2 master - 0 0 1 connected 0-5\n"
        b"bb 1.1.1.2:1@2 myself,master - 0 0 2 connected 6-8 10 [7->-aa] [11-<-aa]\n"
    )
    assert read_own_line(text) == holds(6, 7, 8, 10, importing=(11,))
    assert read_own_line(text.replace(b"myself,master", b"myself,slave")) is None
    assert read_own_line(b"") is None


@pytest.mark.parametrize(
    "slots",
    [
        "0-99999999999",
        "0-9999999999999999999999",
        "0-16384",
        "16384",
        "-1-5",
        "-1",
        "5-1",
        "0-16383 7",
        "x",
        "[16384-<-aa]",
        "[99999999999->-aa]",
        "[-1-<-aa]",
    ],
)
def test_slots_that_no_server_can_have_are_refused_before_they_take_memory(slots: str) -> None:
    text = f"bb 1.1.1.2:1@2 myself,master - 0 0 2 connected {slots}\n"
    with pytest.raises(ProtocolError, match="CLUSTER NODES"):
        read_own_line(text.encode())


def test_who_took_a_slot_over_is_walked_again() -> None:
    walks = [Walk("a", holds(1, 2), 0, 1), Walk("b", holds(3), 0, 1)]
    now = {"a": holds(1), "b": holds(2, 3)}
    assert to_walk(now, walks) == ["b"]
    assert to_walk(now, [*walks, Walk("b", holds(2, 3), 1, 2)]) == []


def test_an_open_slot_does_not_make_it_endless() -> None:
    now = {"a": holds(1), "b": holds(importing=(1,))}
    assert to_walk(now, [Walk("a", now["a"], 0, 1), Walk("b", now["b"], 1, 2)]) == []


def test_slots_that_are_open_both_ways_take_one_walk_more() -> None:
    now = {"a": holds(1, importing=(2,)), "b": holds(2, importing=(1,))}
    walks = [Walk("a", now["a"], 0, 1), Walk("b", now["b"], 1, 2)]
    assert to_walk(now, walks) == ["a"]
    assert to_walk(now, [*walks, Walk("a", now["a"], 2, 3)]) == []


def test_what_was_given_away_and_came_back_is_not_taken_for_seen() -> None:
    walks = [
        walked("a", holds(1), holds(), 0, 1),  # gave the slot away
        walked("b", holds(1), holds(), 1, 2),
    ]
    assert to_walk({"a": holds(1), "b": holds()}, walks) == ["a"]


class World:
    """Servers with one key per slot each, walked step by step while slots move."""

    def __init__(self, seed: int, moves: int) -> None:
        self.dice = random.Random(seed)
        self.owner = {slot: self.dice.choice("abc") for slot in range(6)}
        self.where = dict(self.owner)  # of each slot's key
        self.open: dict[int, str] = {}
        self.moves = moves
        self.now = 0.0
        self.seen: set[int] = set()

    def something_happens(self) -> None:
        self.now += 1
        if not self.moves or self.dice.random() < 0.5:
            return
        self.moves -= 1
        slot = self.dice.randrange(6)
        if slot not in self.open:
            self.open[slot] = self.dice.choice([n for n in "abc" if n != self.owner[slot]])
        elif self.where[slot] == self.owner[slot]:
            self.where[slot] = self.open[slot]
        else:
            self.owner[slot] = self.open.pop(slot)

    def holdings(self, node: str) -> Holdings:
        return Holdings(
            frozenset(slot for slot, owner in self.owner.items() if owner == node),
            frozenset(slot for slot, target in self.open.items() if target == node),
        )

    def walk(self, node: str) -> Walk[str]:
        started, before = self.now, self.holdings(node)
        for slot in self.dice.sample(range(6), 6):
            if self.where[slot] == node:
                self.seen.add(slot)
            self.something_happens()
        return walked(node, before, self.holdings(node), started, self.now)


@given(st.integers(0, 2**32), st.integers(0, 12))
def test_no_key_is_missed_whatever_moves(seed: int, moves: int) -> None:
    world, walks = World(seed, moves), list[Walk[str]]()
    for _ in range(100):
        unwalked = to_walk({node: world.holdings(node) for node in "abc"}, walks)
        if not unwalked:
            break
        for node in unwalked:
            walks.append(world.walk(node))
            world.something_happens()
    else:
        raise AssertionError("it does not end")
    assert world.seen == set(range(6))
