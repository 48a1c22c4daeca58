"""What a reply announces is checked before the reader makes room for it."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import ReplyTooLarge
from cachex_pool._wire.lengths import MAX_ELEMENTS, MAX_PUSH, MAX_STRING, Lengths

LOOKALIKES = (
    b"\n*1000000000\r\n",
    b"\n%99999\r\n",
    b"\n$999999999999\r\n",
    b"\n*12",
    b"\r\n>1",
    b"",
)
TOO_MUCH = [
    b"*1000000000\r\n",
    b"~1000000000\r\n",
    b"%1000000000\r\n",
    b"|1000000000\r\n",
    b">1000000000\r\n",
    b">%d\r\n" % (MAX_PUSH + 1),
    b"*%d\r\n" % (2 * MAX_ELEMENTS),
    b"*1\r\n*1000000000\r\n",
    b"*2\r\n$1\r\na\r\n*1000000000\r\n",
    b"%1\r\n+a\r\n~1000000000\r\n",
    b"*1\r\n*1\r\n*1\r\n*1\r\n*1000000000\r\n",
    b"*1\r\n$1000000000\r\n",
    b"*2\r\n$5000\r\n" + b"x" * 5000 + b"\r\n*1000000000\r\n",
    b"*2\r\n$7\r\n" + b"\n*12345\r\n*1000000000\r\n",
    b"+OK\r\n*1000000000\r\n",
    b"$200\r\n" + b"\n*1000000000\r\n" + b"x" * 186 + b"\r\n*1000000000\r\n",
]

TOO_LONG = [b"$%d\r\n" % (MAX_STRING + 1), b"$99999999999999999999\r\n"]

values = st.binary(max_size=40) | st.builds(
    lambda parts, size: b"".join(parts) + b"x" * size,
    st.lists(st.sampled_from(LOOKALIKES), max_size=3),
    st.sampled_from((0, 100, 2_000)),
)
answers = st.recursive(
    values | st.integers(-9, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)


def spoken(value: Any) -> bytes:
    """Return the bytes of a reply."""
    match value:
        case None:
            return b"_\r\n"
        case int():
            return b":%d\r\n" % value
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(map(spoken, value))


class Read:
    """A reader that is fed through Lengths; `replies` are what it made of it."""

    def __init__(self) -> None:
        self.reader = hiredis.Reader(notEnoughData=self)
        self.lengths = Lengths("h", self.reader.has_data)
        self.replies: list[Any] = []

    def feed_all(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self.feed(chunk)

    def feed(self, chunk: bytes) -> None:
        for piece in self.lengths.pieces(chunk):
            self.reader.feed(piece)
            while (reply := self.reader.gets()) is not self:
                self.lengths.received = self.lengths.announced = 0
                self.replies.append(reply)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % len(data) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


@given(st.lists(answers, min_size=1, max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_what_a_server_says_is_read_however_it_is_cut(said: list[Any], places: list[int]) -> None:
    read = Read()
    for chunk in cut(b"".join(map(spoken, said)), places):
        read.feed(chunk)
    assert read.replies == said
    assert not read.reader.has_data()
    assert not read.lengths.held


@pytest.mark.parametrize("data", TOO_MUCH)
@given(places=st.lists(st.integers(0, 10_000), max_size=6), before=st.lists(answers, max_size=2))
def test_too_much_is_refused_before_there_is_room_for_it(
    data: bytes, places: list[int], before: list[Any]
) -> None:
    read = Read()
    tracemalloc.start()
    try:
        with pytest.raises(ReplyTooLarge):
            read.feed_all(cut(b"".join(map(spoken, before)) + data, places))
        assert tracemalloc.get_traced_memory()[1] < 9 * MAX_ELEMENTS
    finally:
        tracemalloc.stop()
    assert read.replies[: len(before)] == before


@pytest.mark.parametrize("data", TOO_LONG)
@given(places=st.lists(st.integers(0, 10_000), max_size=6))
def test_a_string_that_no_server_has_is_not_waited_for(data: bytes, places: list[int]) -> None:
    read = Read()
    with pytest.raises(ReplyTooLarge):
        read.feed_all(cut(data, places))


def test_arrays_in_arrays_are_counted_together() -> None:
    read = Read()
    with pytest.raises(ReplyTooLarge):
        read.feed(b"*%d\r\n" % (MAX_ELEMENTS // 2) * 3)


def test_a_reply_may_have_as_many_elements_as_it_has_bytes_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cachex_pool._wire.lengths.MAX_ELEMENTS", 20_000)
    read = Read()
    read.feed(b"*30\r\n")
    for _ in range(30):
        read.feed(b"*10000\r\n" + b":1\r\n" * 10_000)
    assert [len(inner) for inner in read.replies[0]] == [10_000] * 30


@given(st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=3))
def test_nonsense_is_refused_or_waited_for(nonsense: bytes, places: list[int]) -> None:
    read = Read()
    try:
        for chunk in cut(nonsense or b"x", places):
            read.feed(chunk)
    except (ReplyTooLarge, hiredis.ProtocolError, TypeError):
        pass
