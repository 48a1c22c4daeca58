"""Whatever a server says, what is raised is an error of ours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import AsyncConnection, Connection, Endpoint, Exchange, PoolError, SideBySide
from cachex_pool._wire import streams
from cachex_pool._wire.dial import _shake_hands
from support.examples import tries

pytestmark = pytest.mark.fuzz
some = tries(full=100_000)

ENDPOINTS = (
    Endpoint(host="h"),
    Endpoint(host="h", db=1, username="u", password="p", client_name="me"),
    Endpoint(host="h", protocol=2),
)
HEADS = [
    kind + size
    for kind in (b"*", b"~", b"%", b">", b"|", b"$", b"=")
    for size in (b"0\r\n", b"1\r\n", b"2\r\n", b"3\r\n", b"-1\r\n", b"1000000000\r\n", b"x\r\n")
]
LEAVES = (
    b"+OK\r\n",
    b"-ERR no\r\n",
    b"-MOVED x\r\n",
    b"-MOVED 1 h\r\n",
    b"-ASK 1 :x\r\n",
    b"-\xff\xfe\r\n",
    b"-\r\n",
    b"+\xff\r\n",
    b":1\r\n",
    b":x\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",nan\r\n",
    b",1.5\r\n",
    b"(99999999999999999999\r\n",
    b"$1\r\n\xff\r\n",
    b"a\r\n",
    b"$5\r\nproto\r\n",
    b"=7\r\ntxt:\xffbc\r\n",
    b"!3\r\nabc\r\n",
    b"-WRONGPASS \xff\r\n",
)
WHOLE = (
    b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n",
    b"*4\r\n$5\r\nproto\r\n:2\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n",
    b"*2\r\n$1\r\na\r\n_\r\n",
    b"+OK\r\n",
    b":1\r\n",
)
"""Sensible replies to HELLO and to other commands."""


def with_a_fault(data: bytes, at: int, what: int) -> bytes:
    """Return the data with one byte changed, which may be the last."""
    broken = bytearray(data)
    broken[at % len(data)] ^= what
    return bytes(broken)


nonsense = (
    st.binary(max_size=60)
    | st.lists(st.sampled_from((*HEADS, *LEAVES)), max_size=12).map(b"".join)
    | st.builds(
        with_a_fault,
        st.lists(st.sampled_from(WHOLE), min_size=1, max_size=5).map(b"".join),
        st.integers(0, 400),
        st.integers(0, 255),
    )
)


@contextmanager
def peer_that_says(data: bytes) -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        yield ours


def may_fail(call: Any) -> Any:
    try:
        return call()
    except PoolError:
        return None


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@some
@given(data=nonsense, minimal=st.booleans())
def test_a_handshake_with_nonsense_fails_in_our_words(
    endpoint: Endpoint, data: bytes, minimal: bool
) -> None:
    async def greet(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection = AsyncConnection(loop, "h")
        await loop.create_connection(lambda: connection, sock=sock)
        try:
            await streams._shake_hands(connection, endpoint, monotonic() + 5, (), minimal)
        except PoolError:
            pass
        finally:
            connection.close()
            await asyncio.sleep(0)

    with peer_that_says(data) as ours:
        connection = Connection(ours, "h")
        may_fail(lambda: _shake_hands(connection, endpoint, monotonic() + 5, (), minimal))
        connection.close()
    with peer_that_says(data) as ours:
        asyncio.run(greet(ours))


@some
@given(data=nonsense, count=st.integers(0, 3))
def test_a_call_with_nonsense_fails_in_our_words(data: bytes, count: int) -> None:
    """A count of 0 is a plain call."""

    async def ask(sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection = AsyncConnection(loop, "h")
        await loop.create_connection(lambda: connection, sock=sock)
        connection._greeted = True
        soon = monotonic() + 5
        try:
            await (connection.exchange(b"?", count, soon) if count else connection.call(b"?", soon))
        except PoolError:
            pass
        finally:
            connection.close()
            await asyncio.sleep(0)

    with peer_that_says(data) as ours:
        connection = Connection(ours, "h")
        soon = monotonic() + 5
        if count:
            may_fail(lambda: connection.exchange(b"?", count, soon))
        else:
            may_fail(lambda: connection.call(b"?", soon))
        connection.close()
    with peer_that_says(data) as ours:
        asyncio.run(ask(ours))


@some
@given(data=nonsense, count=st.integers(1, 3), soon=st.booleans())
def test_an_exchange_beside_others_with_nonsense_fails_in_our_words(
    data: bytes, count: int, soon: bool
) -> None:
    with peer_that_says(data) as ours:
        connection = Connection(ours, "h")
        replies: list[Any] = []
        sent = connection.start(b"?")
        try:
            over = soon and connection.read_soon(count, replies)
        except PoolError:
            over = True
        if not over:
            one = Exchange(connection, b"?", sent, count, monotonic() + 5, replies)
            assert SideBySide([one]).next_ended() == [one]
            assert isinstance(one.end, list | PoolError)
        connection.close()
