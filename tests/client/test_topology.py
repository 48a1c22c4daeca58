"""What is known of a cluster, how it changes, and when to ask again."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import ClusterMap
from cachex_client._core.addresses import Address, AddressRules
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.refresh import COOLDOWN, LONGEST, PERIOD, RefreshSchedule
from cachex_client._core.topology import (
    MAX_NODES,
    Topology,
    agreed,
    from_slots_reply,
    recognised,
    related,
    replaced,
    settled,
)
from cachex_client.errors import BadAddress

A, B, C, D = (Address("10.0.0.1", port) for port in (1, 2, 3, 4))
ASKED = Address("asked", 7000)


def row(first: int, last: int, *nodes: Address) -> list[Any]:
    return [first, last, *([node.host.encode(), node.port, b"id", []] for node in nodes)]


def topology(*rows: list[Any], epoch: int = 0) -> Topology:
    return from_slots_reply(rows, ASKED, epoch=epoch)


def owner(found: Topology, slot: int) -> Address | None:
    shard = found.shard_of(slot)
    return shard.primary if shard else None


# Reading


def test_slots_that_nobody_holds_are_known_to_be() -> None:
    found = topology(row(0, 99, A, B), row(200, 16383, C))
    assert (owner(found, 99), owner(found, 100), owner(found, 200)) == (A, None, C)
    assert found.uncovered == 100
    assert found.nodes() == [A, C, B]


@pytest.mark.parametrize("host", [b"", None, "?", b"?"])
def test_an_empty_host_is_the_one_that_was_asked(host: Any) -> None:
    found = from_slots_reply([[0, 16383, [host, 7001, b"id"]]], ASKED)
    assert owner(found, 0) == Address("asked", 7001)


def beside(resp: int, **more: str) -> Any:
    if resp == 3:
        return {name.encode(): value.encode() for name, value in more.items()}
    return [text.encode() for pair in more.items() for text in pair]


@pytest.mark.parametrize("resp", [2, 3])
def test_nodes_without_a_host_are_reached_by_what_else_the_reply_has(resp: int) -> None:
    def members(*hosts: Any, ports: tuple[int, ...] = (7001, 7002, 7003)) -> list[Address]:
        rows = []
        for number, host in enumerate(hosts):
            more = beside(resp, hostname="a.test", ip=f"10.0.0.{number}")
            node = [host, ports[number], b"id%d" % number, more]
            rows.append([number * 10, number * 10 + 9, node])
        return from_slots_reply(rows, ASKED).nodes()

    def at(*hosts: str, ports: tuple[int, ...] = (7001, 7002, 7003)) -> list[Address]:
        return [Address(host, port) for host, port in zip(hosts, ports, strict=False)]

    assert members(b"?", "?", b"b.test") == at("10.0.0.0", "10.0.0.1", "b.test")
    assert members(None, b"", b"?") == at("asked", "asked", "10.0.0.2")
    same = (7001, 7001, 7001)
    assert members(None, None, None, ports=same) == at(
        "10.0.0.0", "10.0.0.1", "10.0.0.2", ports=same
    )
    assert members(b"b.test", b"", b"c.test", ports=same) == at(
        "b.test", "asked", "c.test", ports=same
    )


@pytest.mark.parametrize("more", [[], {}, None, [b"ip"], [b"ip", b""], {b"ip": b"?"}, [b"x", b"y"]])
def test_a_node_of_which_nothing_else_is_told_is_at_the_host_that_was_asked(more: Any) -> None:
    found = from_slots_reply([[0, 16383, [b"?", 7001, b"id", more]]], ASKED)
    assert owner(found, 0) == Address("asked", 7001)


def test_a_redirect_without_a_host_leads_to_the_node_with_its_port() -> None:
    known = [Address("a.test", 1), Address("b.test", 2), Address("c.test", 2)]
    rules = AddressRules()
    assert rules.read("?", 1, ASKED, known) == known[0]
    assert rules.read("", 2, ASKED, known) == Address("asked", 2)
    assert rules.read("", 3, ASKED, known) == Address("asked", 3)
    assert rules.read("d.test", 1, ASKED, known) == Address("d.test", 1)


def test_addresses_are_remapped() -> None:
    rules = AddressRules(lambda host, port: ("outside", port + 100))
    found = from_slots_reply([row(0, 16383, A, B)], ASKED, rules=rules)
    assert found.nodes() == [Address("outside", 101), Address("outside", 102)]


@pytest.mark.parametrize(
    "reply",
    [
        *(5, None, b"x", [5], [[1]], [[0, 5]], [[0, 5, 5]], [[0, 5, []]], [[0, 5, [b"h"]]]),
        *([[0, 99999, [b"h", 1]]], [[5, 1, [b"h", 1]]], [[-1, 5, [b"h", 1]]]),
        *([[b"0", b"x", [b"h", 1]]], [[0.0, 5.0, [b"h", 1]]], [[None, 5, [b"h", 1]]]),
        *([[0, 9, [b"h", 1]], [0, 16383, [b"h", 1]]], {b"0": [1, 2]}, [{1: 2}]),
    ],
)
def test_what_is_no_map_is_refused(reply: Any) -> None:
    with pytest.raises(ValueError, match="CLUSTER SLOTS"):
        from_slots_reply(reply, ASKED)


@pytest.mark.parametrize("member", [[b"h", 70_000], [b"h", -1], [b"h", None], [b"a b", 1], [5, 1]])
def test_a_map_with_an_address_that_is_none_is_refused_as_a_whole(member: Any) -> None:
    good = [b"h", 1, b"id"]
    for reply in (
        [[0, 16383, member]],
        [[0, 16383, good, member]],
        [[0, 9, good], [10, 16383, member]],
    ):
        with pytest.raises(BadAddress, match="asked:7000 named the address"):
            from_slots_reply(reply, ASKED)


def test_a_map_may_have_so_many_nodes_and_no_more() -> None:
    def members(count: int) -> list[Any]:
        return [[b"10.0.%d.%d" % divmod(number, 256), 7000, b""] for number in range(count)]

    assert len(from_slots_reply([[0, 16383, *members(MAX_NODES)]], ASKED).nodes()) == MAX_NODES
    with pytest.raises(ValueError, match=f"more than {MAX_NODES} nodes"):
        from_slots_reply([[0, 16383, *members(MAX_NODES + 1)]], ASKED)
    twice = [[0, 8000, *members(MAX_NODES)], [8001, 16383, *members(MAX_NODES)]]
    assert len(from_slots_reply(twice, ASKED).shards[0].replicas) == MAX_NODES - 1


def test_a_thousand_ranges_are_read_soon_enough() -> None:
    nodes = [Address("10.0.0.1", port) for port in range(100)]
    rows = [row(at * 16, at * 16 + 15, nodes[at % 100]) for at in range(1024)]
    assert topology(*rows).uncovered == 0


# MOVED


def test_moved_to_a_replica_is_a_failover_of_the_whole_shard() -> None:
    before = topology(row(0, 99, A, B), row(100, 16383, C))
    after = before.moved(5, B)
    assert (owner(after, 0), owner(after, 99), owner(after, 100)) == (B, B, C)
    assert after.shards[0].replicas == (A,)
    assert owner(before, 0) == A


def test_moved_to_another_shard_moves_one_slot() -> None:
    after = topology(row(0, 99, A, B), row(100, 16383, C)).moved(5, C)
    assert (owner(after, 5), owner(after, 6)) == (C, A)


def test_moved_to_an_unknown_node_makes_a_shard() -> None:
    after = topology(row(0, 16383, A)).moved(5, D)
    assert (owner(after, 5), owner(after, 6), len(after.shards)) == (D, A, 2)
    assert after.strangers == 1
    assert after.moved(6, D).strangers == 1


def test_moved_to_a_replica_of_another_shard_takes_nothing_from_that_shard() -> None:
    after = topology(row(0, 99, A, B), row(100, 16383, C, D)).moved(5, D)
    assert (owner(after, 5), owner(after, 6), owner(after, 100)) == (D, A, C)


def test_moved_to_where_it_is_known_to_be_changes_nothing() -> None:
    before = topology(row(0, 16383, A))
    assert before.moved(5, A) is before


@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.sampled_from([A, B, C, D])), max_size=30))
def test_after_moved_the_slot_is_where_it_was_said(moves: list[tuple[int, Address]]) -> None:
    found = topology(row(0, 8000, A, B), row(8001, 16383, C))
    for slot, node in moves:
        found = found.moved(slot, node)
        assert owner(found, slot) == node
    assert found.uncovered == 0
    primaries = [shard.primary for shard in found.shards]
    assert len(set(primaries)) == len(primaries)


# Agreeing


def test_most_votes_win_whoever_has_the_epoch() -> None:
    old, new = topology(row(0, 16383, A), epoch=9), topology(row(0, 16383, B), epoch=5)
    again = topology(row(0, 16383, B), epoch=5)
    assert owner(agreed([old, new, again], old) or old, 0) == B


def test_a_tie_goes_to_the_higher_epoch_then_to_what_is_known() -> None:
    old, new = topology(row(0, 16383, A), epoch=1), topology(row(0, 16383, B), epoch=2)
    assert agreed([old, new], old) is new
    same = topology(row(0, 16383, B), epoch=1)
    assert agreed([same, old], old) is old


def test_one_view_of_an_older_epoch_is_not_believed_two_that_agree_are() -> None:
    known, old = topology(row(0, 16383, A), epoch=9), topology(row(0, 16383, B), epoch=8)
    assert agreed([old], known) is known
    assert agreed([old, topology(row(0, 16383, C), epoch=7)], known) is known
    assert owner(agreed([old, topology(row(0, 16383, B), epoch=8)], known) or known, 0) == B


def test_who_knows_no_slots_has_no_vote() -> None:
    assert agreed([topology(), topology()], None) is None


def test_order_makes_no_difference() -> None:
    rows = [row(0, 99, A, B, D), row(100, 16383, C)]
    one, other = topology(*rows), topology(row(100, 16383, C), row(0, 99, A, D, B))
    assert one.same_as(other)


# Whose cluster


def cluster_of(*ids: int, at: int = 0, epoch: int = 0) -> Topology:
    """Return a cluster of nodes with these ids, at addresses from number `at` on."""
    size = -(-SLOTS // max(1, len(ids)))
    rows = []
    for number, one in enumerate(ids):
        node = [b"10.0.0.1", at + number, b"%040d" % one if one else b""]
        rows.append([number * size, min(SLOTS, (number + 1) * size) - 1, node])
    return from_slots_reply(rows, ASKED, epoch=epoch)


def whose(found: Topology | None) -> set[str]:
    return set() if found is None else {one.lstrip("0")[:1] for one in found.ids.values()}


ours = st.lists(st.integers(100, 104), min_size=1, max_size=3, unique=True)
theirs = st.lists(st.integers(200, 204), min_size=1, max_size=3, unique=True)
places = st.integers(0, 3)


def views(ids: st.SearchStrategy[list[int]], least: int = 0) -> st.SearchStrategy[list[Topology]]:
    one = st.builds(lambda all, at: cluster_of(*all, at=at), ids, places)
    return st.lists(one, min_size=least, max_size=3)


KNOWN = cluster_of(100, 101, 102, 103, 104)


@given(views(theirs, least=1), st.permutations([0, 1, 2]), views(ours), st.booleans())
def test_views_that_share_no_node_are_not_believed_without_the_seeds(
    strange: list[Topology], order: list[int], known: list[Topology], on_seeds: bool
) -> None:
    mixed = [*strange, *known]
    mixed = [mixed[at] for at in order if at < len(mixed)]
    found = settled(KNOWN, mixed, known if on_seeds else ())
    assert whose(found) <= {"1"}


@given(views(theirs), views(theirs), views(ours, least=1), st.booleans())
def test_as_long_as_anybody_speaks_of_the_known_cluster_it_is_believed(
    heard: list[Topology], seeds: list[Topology], known: list[Topology], by_seeds: bool
) -> None:
    if by_seeds:
        found = settled(KNOWN, heard, [*seeds, *known])
    else:
        found = settled(KNOWN, [*heard, *known], seeds)
    assert whose(found) == {"1"}


@given(views(theirs), st.integers(0, 3), st.integers(0, 3), st.randoms())
def test_another_cluster_is_adopted_if_more_than_half_of_the_seeds_speak_of_it(
    heard: list[Topology], for_one: int, for_other: int, dice: random.Random
) -> None:
    one, other = cluster_of(201, 202), cluster_of(301, 302)
    seeds = [one] * for_one + [other] * for_other
    dice.shuffle(seeds)
    found = settled(KNOWN, heard, seeds)
    expected = {"2"} if for_one > for_other else {"3"} if for_other > for_one else set()
    assert whose(found) == expected


@given(st.lists(st.sets(st.integers(1, 9), min_size=1, max_size=3), min_size=1, max_size=6))
def test_a_cluster_may_be_replaced_node_by_node(steps: list[set[int]]) -> None:
    known, ids = cluster_of(1, 2, 3), [1, 2, 3]
    for fresh, at in enumerate(range(len(steps)), 10):
        ids[at % 3] = fresh
        view = cluster_of(*ids)
        found = settled(known, [view])
        assert found is view
        known = view
    assert set(known.ids.values()) == {f"{one:040d}" for one in ids}


def test_without_ids_a_shared_address_tells_that_it_is_the_same_cluster() -> None:
    known = cluster_of(0, 0, at=0)
    assert not known.ids
    assert related(cluster_of(0, 0, at=1), known)
    assert related(cluster_of(5, 6, at=1), known)
    assert not related(cluster_of(0, 0, at=2), known)
    assert settled(known, [cluster_of(0, at=7)]) is None
    anew = cluster_of(0, at=7)
    assert settled(known, [], [anew, cluster_of(0, 0, at=7)]) in (anew, cluster_of(0, 0, at=7))


def test_who_told_its_ids_once_is_not_believed_to_be_one_that_tells_none() -> None:
    assert not related(cluster_of(0, 0), cluster_of(1, 2))


def test_an_outdated_seed_takes_nothing_back() -> None:
    known = cluster_of(1, 2, epoch=7)
    assert settled(known, [], [cluster_of(1, 2, at=9, epoch=5)]) is known
    newer = cluster_of(1, 2, at=9, epoch=8)
    assert settled(known, [], [newer]) is newer


def test_an_epoch_that_nobody_speaks_of_any_more_is_no_reason_to_doubt_all_others() -> None:
    known = topology(row(0, 16383, A), epoch=10**15)
    right = topology(row(0, 16383, A, B), epoch=7)
    assert settled(known, [right]) is known
    assert settled(known, [right], from_all=True) is right
    assert settled(known, [], [right], from_all=True) is right
    backed = topology(row(0, 16383, A, C), epoch=10**15)
    assert settled(known, [right, backed], from_all=True) is backed
    assert settled(known, [], from_all=True) is None


def test_the_first_view_is_believed_as_there_is_nothing_to_compare_it_with() -> None:
    view = cluster_of(1, 2)
    assert settled(None, [view]) is view


def test_a_server_is_recognised_by_its_id() -> None:
    known = cluster_of(1, 2)
    first, second = known.nodes()
    told, expected = known.ids[first].encode(), known.ids[second]
    assert recognised(known, known.ids[first], told) == "yes"
    assert recognised(known, expected, told) == "moved"
    assert recognised(known, expected, b"%040d" % 9) == "no"
    assert recognised(known, expected, ValueError("no MYID here")) == "no"
    assert recognised(known, "", b"%040d" % 9) == "yes"  # nobody is expected there


def test_a_node_is_replaced_if_its_address_has_another_id() -> None:
    first, second = cluster_of(1, 2).nodes()
    assert not replaced(None, cluster_of(1, 2), first)
    assert not replaced(cluster_of(1, 2), cluster_of(1, 3), first)
    assert replaced(cluster_of(1, 2), cluster_of(1, 3), second)
    assert not replaced(cluster_of(0, 0), cluster_of(1, 3), second)
    assert not replaced(cluster_of(1, 2), cluster_of(1, at=5), second)


def test_an_id_that_is_news_is_news() -> None:
    assert not cluster_of(1, 2).same_as(cluster_of(1, 3))
    assert cluster_of(1, 2).same_as(cluster_of(1, 2))


# What is remembered of nodes


def test_nodes_that_came_and_went_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods get new addresses at each restart, and a process lives for months."""
    clock = [0.0]
    monkeypatch.setattr("cachex_client.cluster_map.monotonic", lambda: clock[0])
    map = ClusterMap(["redis://seed:7000"])
    for restart in range(100):
        clock[0] = now = restart * 60.0
        leader, follower = Address("10.0.0.1", 2 * restart), Address("10.0.0.1", 2 * restart + 1)
        map.learn(topology(row(0, SLOTS - 1, leader, follower)), now, 0.5)
        assert map.may_probe(str(leader), now, 0.1)
        assert not map.may_probe(str(leader), now, 0.1)
        assert map.overdue(leader, now)
        assert map.promoted(leader, follower)
    assert len(map._probed) == len(map._news) == len(map._silent) == 1


# A primary that says nothing


def test_one_caller_at_a_time_asks_whether_a_silent_primary_has_a_successor() -> None:
    map = ClusterMap(["redis://seed:7000"])
    pause = 0.25
    asked = [number / 8 for number in range(9) if map.may_probe("a", number / 8, pause)]
    assert asked == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert map.may_probe("b", 1.0, pause)  # another shard's
    assert not map.may_probe("a", 1.125, pause)


# When


def test_all_reasons_within_the_cooldown_make_one_more_refresh() -> None:
    schedule = RefreshSchedule()
    schedule.want(0.0, 0.5)
    assert schedule.may_start(0.0)
    assert not schedule.may_start(0.0)
    schedule.finished(0.1, 0.5, changed=True)
    for n in range(10):
        schedule.want(0.1 + n / 100, 0.5)
        assert not schedule.may_start(0.1 + n / 100)
    assert schedule.may_start(0.1 + COOLDOWN)


@given(st.integers(0, 2**32))
def test_refreshes_that_bring_nothing_get_rarer(seed: int) -> None:
    dice, schedule, now, starts = random.Random(seed), RefreshSchedule(), 0.0, []
    while now < 60:
        schedule.want(now, dice.random())
        if schedule.may_start(now):
            starts.append(now)
            schedule.finished(now, dice.random(), changed=False)
        now += 0.01
    assert 8 <= len(starts) <= 20
    assert starts[-1] - starts[-2] >= LONGEST - 0.02


def test_a_refresh_that_died_does_not_keep_the_others_from_it() -> None:
    schedule = RefreshSchedule()
    schedule.want(0.0, 0.5)
    assert schedule.may_start(0.0)
    schedule.want(1.0, 0.5)
    assert not schedule.may_start(1.0)
    assert schedule.may_start(11.0)


@given(st.floats(0, 1))
def test_without_a_reason_one_looks_once_a_minute(chance: float) -> None:
    schedule = RefreshSchedule()
    schedule.finished(0.0, chance, changed=True)
    assert 0.8 * PERIOD <= schedule.due_at <= 1.2 * PERIOD
