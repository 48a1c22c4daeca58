"""Whom to follow and whom to read from, when Sentinels and servers say different things."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client._core.addresses import Address, AddressRules
from cachex_client._core.sentinel import (
    MAX_REPLICAS,
    Opinion,
    Role,
    agree,
    believed,
    claims,
    decision,
    majority,
    opinion,
    read_role,
    to_ask,
)
from cachex_client.errors import BadAddress

A, B, C, D = (Address("10.0.0.1", port) for port in (1, 2, 3, 4))
BY = Address("sentinel.test", 26379)
RULES = AddressRules()
FOLLOWS = Role(None)


def leads(offset: int = 1, *replicas: Address) -> Role:
    return Role(offset, replicas)


def roles(**said: int | None) -> dict[Address, Role]:
    """Return what servers say of themselves, by their letters: an offset if they lead."""
    nodes = dict(zip("ABCD", (A, B, C, D), strict=True))
    return {nodes[letter]: Role(offset) for letter, offset in said.items()}


def told(primary: Address, epoch: int = 1, *replicas: Address, votes: int = 1) -> Opinion:
    return Opinion(primary, epoch, replicas, votes=votes)


def test_a_reply_of_a_sentinel_is_read_in_both_protocols() -> None:
    fields = [b"ip", b"10.0.0.1", b"port", b"1", b"flags", b"master", b"config-epoch", b"3"]
    sick = [b"ip", b"10.0.0.1", b"port", b"2", b"flags", b"slave,s_down"]
    well = {b"ip": b"10.0.0.1", b"port": b"3", b"flags": b"slave"}
    found = opinion(fields, [sick, well], BY, RULES)
    assert found == Opinion(A, 3, (C,), unwell=(B,))


@pytest.mark.parametrize("state", ["send_slaveof_noone", "wait_promotion"])
def test_a_sentinel_tells_whom_it_is_promoting(state: str) -> None:
    old = {"ip": "10.0.0.1", "port": "1", "failover-state": state}
    heir = {"ip": "10.0.0.1", "port": "2", "flags": "slave,promoted"}
    found = opinion(old, [heir], BY, RULES)
    assert found == Opinion(A, 0, (B,))
    assert found.heir == B
    together = majority([told(A), told(A), found], 0)
    assert together is not None
    assert together.heir == B


@pytest.mark.parametrize("state", ["wait_promotion", "reconf_slaves", "update_config"])
def test_a_sentinel_counts_as_naming_whom_it_promoted_once_it_did(state: str) -> None:
    """It says so in the new epoch, but with the name of the old one, until all follow the new."""
    old = {"ip": "10.0.0.1", "port": "1", "config-epoch": "4", "failover-state": state}
    heir = {"ip": "10.0.0.1", "port": "2", "flags": "slave,promoted"}
    other = {"ip": "10.0.0.1", "port": "3", "flags": "slave,reconf_sent"}
    before, after = Opinion(A, 4, (B, C)), Opinion(B, 4, (C,), unwell=(A,))
    assert opinion(old, [heir, other], BY, RULES) == (
        before if state == "wait_promotion" else after
    )


def test_a_primary_is_believed_if_it_agrees() -> None:
    assert believed(told(B, 2), told(A), roles(B=100, A=50)) == told(B, 2)


def test_a_replica_is_never_adopted() -> None:
    assert believed(told(B, 2), None, roles(B=None)) is None
    assert believed(told(B, 2), told(A), roles(B=None, A=5)) is None
    assert believed(told(B, 2), told(A), roles(B=None, A=None)) is None


def test_who_was_promoted_is_followed_before_the_sentinels_say_so() -> None:
    found = believed(told(A), told(A, 1, B, C), roles(A=None, B=100, C=None))
    assert found is not None
    assert (found.primary, found.replicas, found.unwell) == (B, (C,), (A,))
    first = believed(told(A, 1, B), None, roles(A=None, B=100))
    assert first is not None
    assert first.primary == B


def test_who_is_being_promoted_is_followed_once_he_leads_though_the_old_one_does_too() -> None:
    promoting = attrs.evolve(told(A, 4, B, C), heir=B)
    assert believed(promoting, told(A, 4, B, C), roles(A=100, B=None)) == promoting
    now = believed(promoting, told(A, 4, B, C), roles(A=100, B=100))
    assert now == Opinion(B, 4, (C,), unwell=(A,), votes=now.votes if now else 1)
    assert now is not None
    # Those who have not heard of it name the old one, for a while.
    assert believed(told(A, 4, B, C), now, roles(A=110, B=100)) is None
    assert believed(told(A, 5, B, C), now, roles(A=110, B=100)) == told(A, 5, B, C)
    assert believed(told(A, 4, B, C), now, roles(A=110, B=None)) == told(A, 4, B, C)
    assert believed(told(B, 5, C), now, roles(A=110, B=100)) == told(B, 5, C)


def dead(node: Address) -> Opinion:
    return attrs.evolve(told(node), doubted=True)


def test_an_old_primary_that_came_back_empty_is_not_taken_for_the_new_one() -> None:
    found = believed(dead(D), told(C, 1, A, B), roles(A=3, B=100))
    assert found is not None
    assert found.primary == B


def test_an_old_primary_that_came_back_does_not_inherit_from_a_silent_one() -> None:
    now = attrs.evolve(told(B, 2, C), unwell=(A,))
    assert believed(told(B, 2, C), now, roles(A=100, C=None)) is None
    assert believed(dead(B), now, roles(A=100, C=None)) is None
    assert believed(None, now, roles(A=100, C=None)) is None
    for word in (dead(B), None):  # C followed when we last heard of it, so it was promoted
        found = believed(word, now, roles(A=100, C=50))
        assert found is not None
        assert found.primary == C


def test_a_replica_that_leads_is_none_to_read_from() -> None:
    """It was the primary and came back: a Sentinel will tell it whom to follow, in a while."""
    primary = {"ip": "10.0.0.1", "port": "1", "flags": "master,s_down"}
    old = {"ip": "10.0.0.1", "port": "2", "flags": "slave", "role-reported": "master"}
    other = {"ip": "10.0.0.1", "port": "3", "flags": "slave", "role-reported": "slave"}
    found = opinion(primary, [old, other], BY, RULES)
    assert found == Opinion(A, 0, (C,), unwell=(B,))
    assert found.doubted


def test_a_minority_that_lives_in_the_past_is_not_listened_to() -> None:
    now = told(B, 5)
    assert believed(told(A, 4, votes=1), now, roles(A=9, B=9), 3) is None
    assert believed(told(A, 5, votes=1), now, roles(A=9, B=9), 3) is None
    assert believed(told(A, 5, votes=1), now, roles(A=9, B=None), 3) == told(A, 5)
    assert believed(told(A, 6, votes=1), now, roles(A=9, B=9), 3) == told(A, 6)
    # ... but a majority is: it may have been set up anew.
    assert believed(told(A, 0, votes=2), now, roles(A=9, B=9), 3) == told(A, 0)


def test_a_silent_primary_is_better_than_none_at_first_only() -> None:
    assert believed(told(A, 1, B), None, roles(B=None)) == told(A, 1, B)
    assert believed(told(A, 2), told(B), {}) is None


# Reading what is none


@pytest.mark.parametrize(
    "reply",
    [None, 5, b"x", [], [b"ip"], {}, {b"ip": b"h"}, ValueError(), {b"ip": b"h", b"port": b"x"}],
)
def test_a_reply_of_another_shape_is_no_opinion(reply: Any) -> None:
    with pytest.raises((ValueError, BadAddress)):
        opinion(reply, [], BY, RULES)
    good = {"ip": "10.0.0.1", "port": "1"}
    with pytest.raises((ValueError, BadAddress)):
        opinion(good, [reply], BY, RULES)


@pytest.mark.parametrize(
    ("field", "value"), [("port", "70000"), ("ip", "a b"), ("config-epoch", "x")]
)
def test_a_sentinel_that_names_what_is_none_is_not_believed_in_the_rest(
    field: str, value: str
) -> None:
    good = {"ip": "10.0.0.1", "port": "1", "config-epoch": "1"}
    with pytest.raises((ValueError, BadAddress)):
        opinion({**good, field: value}, [], BY, RULES)
    if field != "config-epoch":
        with pytest.raises(BadAddress):
            opinion(good, [{**good, field: value}], BY, RULES)


def test_a_replica_that_is_named_often_is_one_and_there_may_be_so_many() -> None:
    def named(port: int) -> dict[str, str]:
        return {"ip": "10.0.0.1", "port": str(port), "flags": "slave"}

    assert opinion(named(1), [named(2)] * MAX_REPLICAS, BY, RULES).replicas == (B,)
    many = [named(2 + number) for number in range(MAX_REPLICAS + 1)]
    with pytest.raises(ValueError, match=f"more than {MAX_REPLICAS}"):
        opinion(named(1), many, BY, RULES)


@pytest.mark.parametrize(
    ("reply", "role"),
    [
        ([b"master", 7, []], Role(7)),
        ([b"master", 7, [[b"10.0.0.1", b"2", b"7"], [b"x y", b"2", b"7"]]], Role(7, (B,))),
        ([b"slave", b"10.0.0.1", 1, b"connected", 7], FOLLOWS),
    ],
)
def test_a_role_is_read(reply: Any, role: Role) -> None:
    assert read_role(reply, A, RULES) == role


@pytest.mark.parametrize(
    "reply",
    [None, 5, [], [b"sentinel", []], [b"master"], [b"master", b"x", []], [b"master", 7, 5], b"x"],
)
def test_what_is_no_role_is_refused(reply: Any) -> None:
    with pytest.raises(ValueError, match="does not tell its role"):
        read_role(reply, A, RULES)


# What the Sentinels say together


def test_more_than_half_of_all_name_the_primary() -> None:
    found = majority([told(A, 9), told(B, 2), told(B, 3)], 0)
    assert found is not None
    assert (found.primary, found.votes, found.epoch) == (B, 2, 2)
    # The third failed, or has not answered yet: two of three are enough.
    assert majority([told(B, 2), told(B, 3)], 1) == Opinion(B, 2, ())


def test_who_is_quicker_than_the_others_decides_nothing() -> None:
    assert not agree([told(A)], 3)
    assert not agree([told(A), told(B)], 3)
    assert agree([told(A), told(B), told(A)], 3)


def test_fewer_decide_if_all_others_failed_and_they_are_of_one_mind() -> None:
    found = majority([told(A, 4)], 2)
    assert found is not None
    assert (found.primary, found.votes, found.epoch) == (A, 1, 4)
    assert majority([told(A, 9), told(B, 1)], 1) is None
    assert majority([told(A, 9), told(B, 1)], 0) is None
    assert majority([told(A), told(B), told(C)], 0) is None
    assert majority([], 3) is None


def test_one_sentinel_alone_names_no_replica_and_no_epoch() -> None:
    found = majority([told(A, 1, B), told(A, 1, B), told(A, 10**9, B, D)], 0)
    assert found is not None
    assert (found.epoch, found.replicas, found.claimed) == (1, (B,), (D,))


def test_a_replica_that_half_of_them_call_dead_is_unwell() -> None:
    sick = Opinion(A, 1, (), unwell=(B,))
    found = majority([told(A, 1, B), sick, sick], 0)
    assert found is not None
    assert (found.replicas, found.unwell, found.claimed) == ((), (B,), ())


@st.composite
def opinions(draw: st.DrawFn) -> Opinion:
    leader, *others = draw(st.permutations([A, B, C, D]))
    fit, named = sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
    return Opinion(
        leader,
        draw(st.integers(0, 5)),
        tuple(others[:fit]),
        tuple(others[fit:named]),
        doubted=draw(st.booleans()),
        heir=draw(st.sampled_from([None, *others])),
    )


ANY = opinions()


@given(st.lists(ANY, max_size=5), st.integers(0, 4))
def test_what_they_say_together_more_than_half_of_them_say(
    said: list[Opinion], failed: int
) -> None:
    found = majority(said, failed)
    needed = (len(said) + failed) // 2 + 1
    named = [one.primary for one in said]
    if found is None:
        assert len(set(named)) != 1
        assert all(named.count(one) < needed for one in named)
        return
    backers = [one for one in said if one.primary == found.primary]
    assert found.votes == len(backers)
    assert len(backers) >= needed or len(backers) == len(said)
    for node in (*found.replicas, *found.unwell):
        assert sum(node in one.followers for one in backers) >= needed
    for node in found.claimed:
        assert sum(node in one.followers for one in backers) < needed
    if len(backers) >= needed:
        assert sum(one.epoch >= found.epoch for one in backers) >= needed
    assert found.primary not in found.followers


@given(st.lists(ANY, max_size=5), st.integers(0, 4), st.randoms())
def test_the_order_in_which_they_answer_makes_no_difference(
    said: list[Opinion], failed: int, dice: Any
) -> None:
    shuffled = list(said)
    dice.shuffle(shuffled)
    one, other = majority(said, failed), majority(shuffled, failed)
    if one is not None and other is not None:
        one, other = (attrs.evolve(found, heir=None) for found in (one, other))
    assert one == other


@given(st.lists(ANY, max_size=5), st.integers(0, 4), ANY)
def test_one_more_that_failed_makes_nothing_certain(
    said: list[Opinion], failed: int, late: Opinion
) -> None:
    """Who has not answered in time would not have changed what more than half of all say."""
    found = majority(said, failed + 1)
    if found is not None and found.votes > (len(said) + failed + 1) // 2:
        after = majority([*said, late], failed)
        assert after is not None
        assert after.primary == found.primary


# Whom to read from


def test_a_replica_is_used_once_it_says_that_it_follows() -> None:
    word = told(A, 1, B, C, votes=2)
    said = {A: leads(), B: FOLLOWS}
    assert decision(word, None, said, 3) == Opinion(A, 1, (B,), unwell=(C,))
    assert decision(word, None, {**said, C: leads()}, 3) == Opinion(A, 1, (B,), unwell=(C,))
    assert decision(word, None, {**said, C: FOLLOWS}, 3) == Opinion(A, 1, (B, C))


def test_a_replica_that_was_used_may_be_silent() -> None:
    word = told(A, 1, B, C, votes=2)
    assert decision(word, told(A, 1, C), {A: leads()}, 3) == Opinion(A, 1, (C,), unwell=(B,))


def test_who_is_only_claimed_to_be_a_replica_is_asked_if_the_primary_lists_it() -> None:
    word = attrs.evolve(told(A, 1, B, votes=2), claimed=(C, D))
    assert set(to_ask(word, None)) == {A, B}
    said = {A: leads(1, B, C), B: FOLLOWS}
    assert claims(word, said) == [C]
    assert claims(word, {B: FOLLOWS}) == []
    assert claims(None, said) == []
    assert decision(word, None, said, 3) == Opinion(A, 1, (B,))
    assert decision(word, None, {**said, C: FOLLOWS}, 3) == Opinion(A, 1, (B, C))
    assert decision(word, None, {**said, C: leads()}, 3) == Opinion(A, 1, (B,))


def test_an_heir_that_nobody_else_calls_a_replica_is_not_even_asked() -> None:
    word = attrs.evolve(told(A, 1, B, votes=2), heir=D)
    assert D not in to_ask(word, told(A, 1, B))
    assert D in to_ask(word, told(A, 1, D))


@given(
    st.none() | ANY,
    st.none() | ANY,
    st.dictionaries(
        st.sampled_from([A, B, C, D]), st.just(FOLLOWS) | st.builds(leads, st.integers(0, 9))
    ),
    st.integers(1, 5),
)
def test_nobody_is_read_from_who_was_not_asked_and_does_not_follow(
    word: Opinion | None, now: Opinion | None, said: dict[Address, Role], sentinels: int
) -> None:
    found = decision(word, now, said, sentinels)
    if found is None:
        return
    used = () if now is None else now.replicas
    for node in found.replicas:
        assert node in said or node in used
        assert node not in said or not said[node].leads
    assert found.primary not in found.followers
    assert found.primary not in said or said[found.primary].leads
    assert not set(found.replicas) & set(found.unwell)
