"""Cutting many commands into writes, sorting the replies: `cachex_client._core.batches`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client._core.batches import (
    MAX_BYTES,
    MAX_COMMANDS,
    any_error,
    batches,
    outcomes,
    parse_all,
)
from cachex_client.command import Command
from cachex_client.commands import custom, strings
from cachex_pool import ConnectionLost, DeadlineExceeded, pack
from support.resp import Frames

ASKING = pack(("ASKING",))


def gets(count: int) -> list[Command[Any]]:
    return [strings.get(b"key-%d" % n) for n in range(count)]


def sets(sizes: list[int]) -> list[Command[Any]]:
    return [strings.set(b"k", b"x" * size) for size in sizes]


def cut(commands: list[Command[Any]], **options: Any) -> list[Any]:
    return list(batches(commands, range(len(commands)), **options))


def words_in(data: bytes) -> list[list[bytes]]:
    return [list(value) for value, _ in Frames().feed(data)]


def as_words(command: Command[Any]) -> list[bytes]:
    return [a if isinstance(a, bytes) else str(a).encode() for a in command.arguments]


# Cutting


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [1]),
        (MAX_COMMANDS, [MAX_COMMANDS]),
        (MAX_COMMANDS + 1, [MAX_COMMANDS, 1]),
        (2 * MAX_COMMANDS + 5, [MAX_COMMANDS, MAX_COMMANDS, 5]),
    ],
)
def test_a_write_has_at_most_so_many_commands(count: int, expected: list[int]) -> None:
    assert MAX_COMMANDS == 2000
    assert [batch.count for batch in cut(gets(count))] == expected


def test_a_write_has_at_most_so_many_bytes() -> None:
    assert MAX_BYTES == 256 * 1024
    found = cut(sets([10_000] * 60))
    assert [batch.count for batch in found] == [26, 26, 8]
    assert all(len(batch.data) <= MAX_BYTES for batch in found)


def test_a_command_that_is_too_large_for_any_write_has_one_of_its_own() -> None:
    found = cut(sets([10, MAX_BYTES + 1, 10, 10]))
    assert [list(batch.positions) for batch in found] == [[0], [1], [2, 3]]


def test_a_write_of_just_the_right_size_is_not_cut() -> None:
    one = len(pack(sets([100])[0].arguments))
    rest = MAX_BYTES - one - (len(pack(sets([200_000])[0].arguments)) - 200_000)
    assert [batch.count for batch in cut(sets([100, rest]))] == [2]
    assert [batch.count for batch in cut(sets([100, rest + 1]))] == [1, 1]


def test_what_goes_before_each_command_is_counted_and_answered_too() -> None:
    (batch,) = cut(gets(3), before=ASKING)
    assert batch.count == 6
    assert words_in(batch.data)[::2] == [[b"ASKING"]] * 3
    assert words_in(batch.data)[1::2] == [as_words(one) for one in gets(3)]


def test_only_the_commands_at_the_positions_are_sent() -> None:
    commands = gets(10)
    (batch,) = batches(commands, [7, 2, 5])
    assert list(batch.positions) == [7, 2, 5]
    assert words_in(batch.data) == [as_words(commands[at]) for at in (7, 2, 5)]


def test_commands_without_a_template_are_packed() -> None:
    commands: list[Command[Any]] = [custom("HSET", "h", "f", 1), custom("INCRBYFLOAT", "k", 0.5)]
    (batch,) = cut(commands)
    assert words_in(batch.data) == [as_words(one) for one in commands]


# Sorting


def test_every_command_has_its_reply() -> None:
    (batch,) = cut(gets(3))
    assert outcomes(batch, [b"a", None, b"c"]) == [b"a", None, b"c"]


def test_the_reply_to_what_goes_before_is_nobodys() -> None:
    (batch,) = cut(gets(3), before=ASKING)
    assert outcomes(batch, ["OK", b"a", "OK", b"b", "OK", b"c"]) == [b"a", b"b", b"c"]


def test_an_error_is_everybodys() -> None:
    (batch,) = cut(gets(3))
    error = DeadlineExceeded("s", "reading", written=True)
    assert outcomes(batch, error) == [error] * 3


@pytest.mark.parametrize("came", range(4))
def test_what_came_before_the_connection_broke_counts(came: int) -> None:
    (batch,) = cut(gets(3))
    error = ConnectionLost("s", "reset", written=True)
    error.replies = [b"%d" % n for n in range(came)]
    found = outcomes(batch, error)
    assert found == [*error.replies, *[error] * (3 - came)]


@pytest.mark.parametrize(("came", "done"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_a_command_whose_reply_did_not_come_is_not_done_though_that_before_it_did(
    came: int, done: int
) -> None:
    (batch,) = cut(gets(3), before=ASKING)
    error = ConnectionLost("s", "reset", written=True)
    error.replies = ["OK", b"a", "OK", b"b", "OK", b"c"][:came]
    assert outcomes(batch, error) == [*[b"a", b"b"][:done], *[error] * (3 - done)]


# Reading


def test_errors_stay_in_their_places() -> None:
    commands = [strings.incrby(b"n", 1), strings.set(b"k", b"v"), strings.get(b"k")]
    error = ValueError("no")
    assert parse_all(commands, [1, error, b"v"]) == [1, error, b"v"]
    assert parse_all(commands, [1, b"OK", b"v"]) == [1, True, b"v"]


def test_one_way_of_reading_is_used_for_all() -> None:
    assert parse_all([strings.set(b"k", b"v")] * 3, [b"OK", None, b"OK"]) == [True, False, True]
    replies = [b"a", b"b"]
    assert parse_all(gets(2), replies) is replies
    error = ValueError("no")
    assert parse_all([strings.set(b"k", b"v")] * 2, [b"OK", error]) == [True, error]


def test_nothing_comes_of_nothing() -> None:
    assert parse_all([], []) == []
    assert not any_error([])


def test_errors_of_any_kind_are_found() -> None:
    assert any_error([b"a", ConnectionLost("s", "reset", written=True)])
    assert any_error([ValueError()])
    assert not any_error([b"a", None, 1, [ValueError()], {}])


# Whatever the commands are


@given(
    st.lists(st.integers(0, 150_000), min_size=1, max_size=40),
    st.sampled_from([b"", ASKING]),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_every_command_leaves_once_in_order_and_gets_its_own_reply(
    sizes: list[int], before: bytes, dice: Any, some: bool
) -> None:
    commands = [strings.set(b"key-%d" % n, b"x" * size) for n, size in enumerate(sizes)]
    positions: Any = range(len(commands))
    if some:
        positions = sorted(dice.sample(positions, dice.randint(1, len(commands))))
    results: dict[int, Any] = {}
    sent: list[int] = []
    for batch in batches(commands, positions, before):
        words = words_in(batch.data)
        assert len(words) == batch.count
        assert len(batch.data) <= MAX_BYTES or len(batch.positions) == 1
        sent += batch.positions
        answer = [b"OK" if word == [b"ASKING"] else word[1] for word in words]
        results |= zip(batch.positions, outcomes(batch, answer), strict=True)
    assert sent == list(positions)
    assert results == {at: b"key-%d" % at for at in positions}


@given(st.integers(1, 30), st.integers(0, 70), st.sampled_from([b"", ASKING]))
def test_wherever_the_connection_breaks_no_reply_goes_astray(
    count: int, came: int, before: bytes
) -> None:
    (batch,) = cut(gets(count), before=before)
    every = [b"OK" if w == [b"ASKING"] else w[1] for w in words_in(batch.data)]
    error = ConnectionLost("s", "reset", written=True)
    error.replies = every[: min(came, batch.count)]
    found = outcomes(batch, error)
    assert len(found) == count
    for at, one in enumerate(found):
        assert one in (b"key-%d" % at, error)
    assert sum(one is not error for one in found) == len(error.replies) // batch.replies
