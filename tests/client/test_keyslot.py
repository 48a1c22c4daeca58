"""Keys and their hash slots, and what is asked of whom in a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ClusterCrossSlotError

from cachex_client._core.keyslot import SLOTS, slot_of, slots_of
from cachex_client._core.multikey import Part, hand_out, one_slot, plan
from cachex_pool.errors import reply_error
from support import servers
from support.servers import Cluster, Server

keys = st.binary(max_size=20) | st.lists(st.sampled_from([b"{", b"}", b"a", b"b"])).map(b"".join)


@given(keys)
def test_a_slot_is_what_an_independent_calculation_gives(key: bytes) -> None:
    assert slot_of(key) == servers.slot_of(key)
    assert slots_of([key, key]) == [slot_of(key)] * 2


@pytest.fixture(scope="module")
def node(session_cluster: Cluster) -> Iterator[Server]:
    with session_cluster.used() as cluster:
        yield cluster.servers[0]


@settings(max_examples=200)
@given(key=keys)
def test_a_slot_is_what_a_server_says(node: Server, key: bytes) -> None:
    assert slot_of(key) == node.command("CLUSTER", "KEYSLOT", key)


@pytest.mark.parametrize(
    ("key", "like"),
    [
        (b"{user:7}:name", b"user:7"),
        (b"a{user:7}{x}", b"user:7"),
        (b"a{{x}}", b"{x"),
    ],
)
def test_only_the_first_tag_counts(key: bytes, like: bytes) -> None:
    assert slot_of(key) == slot_of(like)


@pytest.mark.parametrize("key", [b"{}a", b"}a{", b"{a", b"a}", b"{}{a}"])
def test_an_empty_or_open_tag_is_none(key: bytes) -> None:
    from binascii import crc_hqx

    assert slot_of(key) == crc_hqx(key, 0) % SLOTS


# Many keys


@given(st.lists(keys, max_size=30), st.integers(1, 5))
def test_every_key_is_asked_for_once_and_gets_its_own_answer(
    wanted: list[bytes], servers: int
) -> None:
    owners = [slot % servers for slot in range(SLOTS)]
    parts = plan(wanted, owners, b"GET", b"MGET")
    values: list[Any] = [None] * len(wanted)
    for owner, part in parts.items():
        assert len(part.packed) == len(part.takers)
        replies: list[Any] = []
        for taker in part.takers:
            members = [taker] if isinstance(taker, int) else taker
            assert {slot_of(wanted[at]) for at in members} == {slot_of(wanted[members[0]])}
            assert owners[slot_of(wanted[members[0]])] == owner
            found = [b"value of " + wanted[at] for at in members]
            replies.append(found[0] if isinstance(taker, int) else found)
        assert hand_out(part.takers, replies, values) == []
    assert values == [b"value of " + key for key in wanted]
    asked = [at for part in parts.values() for at in Part.keys(part)]
    assert sorted(asked) == list(range(len(wanted)))


def test_keys_that_share_a_slot_are_folded_into_one_command() -> None:
    parts = plan([b"a", b"{x}1", b"{x}2"], ["server"] * SLOTS, b"GET", b"MGET")
    assert parts["server"].packed == [
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        b"*3\r\n$4\r\nMGET\r\n$4\r\n{x}1\r\n$4\r\n{x}2\r\n",
    ]


def test_an_error_for_several_keys_is_each_ones_error() -> None:
    error = ValueError("no")
    values: list[Any] = [None] * 3
    assert hand_out([0, [1, 2]], [b"a", error], values) == [(1, error), (2, error)]
    wrong_type = reply_error("WRONGTYPE Operation against a key")
    assert hand_out([0], [wrong_type], values) == []  # MGET would say nothing of it, either
    assert values == [b"a", None, None]


def test_a_count_for_several_keys_is_counted_once() -> None:
    values: list[Any] = [0] * 3
    hand_out([[0, 2], 1], [2, 1], values)
    assert sum(values) == 3


def test_keys_of_several_slots_are_named_with_the_cure() -> None:
    one_slot("MGET", [b"{a}1", b"{a}2"])
    with pytest.raises(ClusterCrossSlotError, match=r"MGET needs .*b'a' \(slot \d+\).*hash tag"):
        one_slot("MGET", [b"a", b"b", b"{a}"])
