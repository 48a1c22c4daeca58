"""Replies find their callers, however the bytes are cut and whoever has left meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import AsyncConnection, Connection
from support.resp import Frames, Push, RespError

Stream: TypeAlias = tuple[list[int], list[int], list[bytes], list[bytes]]
"""How many replies each caller wants, who leaves, the replies, and their bytes in pieces."""


def blob(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def array(parts: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(parts)


scalars = st.one_of(
    st.binary(max_size=30).map(blob),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b":%d\r\n" % number),
    st.sampled_from((b"+OK\r\n", b"_\r\n", b"#t\r\n", b"$-1\r\n", b"*0\r\n", b"-ERR no\r\n")),
)
replies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4).map(array), max_leaves=8)
pushes = st.lists(scalars, min_size=1, max_size=3).map(
    lambda parts: b">%d\r\n" % len(parts) + b"".join(parts)
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    wanted = draw(st.lists(st.integers(0, 4), min_size=1, max_size=8))  # 0 is a plain call
    leaving = draw(st.lists(st.integers(0, len(wanted) - 1), unique=True))
    answers = [draw(replies) for count in wanted for _ in range(count or 1)]
    pieces = []
    for answer in answers:
        pieces += draw(st.lists(pushes, max_size=1))
        pieces.append(answer)
    data = b"".join(pieces)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return wanted, leaving, answers, [chunk for chunk in chunks if chunk]


def plain(value: Any) -> Any:
    """Return a value in a form that both readers' values can be compared in."""
    if isinstance(value, RespError | Exception):
        return ("error", str(value).removeprefix("ERR "))
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.encode() if isinstance(value, str) else value


def expected(wanted: list[int], answers: list[bytes]) -> list[Any]:
    """Return what each caller is to get, as the tests' own reader reads it."""
    values = iter([plain(Frames().feed(answer)[0][0]) for answer in answers])
    return [[next(values) for _ in range(count)] if count else next(values) for count in wanted]


class Wire:
    """A transport that goes nowhere."""

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None: ...


@contextlib.contextmanager
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    one = asyncio.new_event_loop()
    yield one
    one.close()


@given(streams())
def test_tasks_get_their_own_replies(stream: Stream) -> None:
    wanted, leaving, answers, chunks = stream

    async def main() -> None:
        connection = AsyncConnection(asyncio.get_running_loop(), "h")
        connection.connection_made(Wire())
        futures = [
            connection.submit_many(b"?", count, float("inf"))
            if count
            else connection.submit(b"?", float("inf"))
            for count in wanted
        ]
        for who in leaving:
            futures[who].cancel()
        for chunk in chunks:
            connection.data_received(chunk)
        assert not connection.busy
        assert not connection.closed
        for who, (future, value) in enumerate(zip(futures, expected(wanted, answers), strict=True)):
            assert future.cancelled() if who in leaving else plain(future.result()) == value
        connection.data_received(b"+one too many\r\n")
        assert connection.closed

    with loop() as one:
        one.run_until_complete(main())


@given(streams())
def test_threads_get_their_own_replies(stream: Stream) -> None:
    wanted, _, answers, chunks = stream
    ours, theirs = socket.socketpair()
    with theirs:
        connection = Connection(ours, "h")
        connection.write(b"?", monotonic() + 5)
        for chunk in chunks[:-1]:
            theirs.sendall(chunk)
        theirs.sendall(chunks[-1])
        total = sum(count or 1 for count in wanted)
        values = iter(map(plain, connection.read(total, monotonic() + 5)))
        assert not connection.busy
        got = [[next(values) for _ in range(count)] if count else next(values) for count in wanted]
        assert got == expected(wanted, answers)
        assert connection.is_alive()
        theirs.sendall(b"+one too many\r\n")
        assert not connection.is_alive()
        assert connection.closed


def test_the_tests_own_reader_knows_a_push() -> None:
    assert isinstance(Frames().feed(b">1\r\n+x\r\n")[0][0], Push)
