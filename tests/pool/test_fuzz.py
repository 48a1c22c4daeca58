"""Whatever a URL says, and whatever a server sends: an answer or an error of ours.

What is valid is read as it is; with one fault in it, it is refused.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import ConfigurationError, Connection, PoolError, parse_url
from cachex_pool._wire.protocol import pack, pack_many, unpack
from cachex_pool.errors import printable, reply_error
from support import resp
from support.examples import tries
from support.shown import shown_by

pytestmark = pytest.mark.fuzz
some = tries(60, full=500_000)

SECRET = "CANARY-1"
pieces = st.sampled_from(
    [*"/:@?#[]&=%.,;", "redis://", "rediss://", "unix://", "u", SECRET, "h", "1", "6379", "::1"]
) | st.text(max_size=3)


@some
@given(st.lists(pieces, max_size=12).map("".join))
def test_a_url_is_read_or_refused_and_shows_no_secret(url: str) -> None:
    shown = ""
    try:
        endpoint, options = parse_url(f"redis://u:{SECRET}{url}")
    except ConfigurationError as error:
        shown = shown_by(error)
    else:
        assert 0 <= endpoint.port <= 65535
        assert all(isinstance(value, str) for value in options.values())
    assert SECRET not in shown


@some
@given(st.lists(pieces, max_size=12).map("".join))
def test_any_text_is_a_url_or_refused(url: str) -> None:
    try:
        endpoint, _ = parse_url(url)
    except ConfigurationError:
        return
    assert endpoint.host or endpoint.path


words = st.text(min_size=1, max_size=8)
hosts = st.sampled_from(["h", "cache-1.example.com", "10.0.0.1", "[::1]", "[fd00::1]"])
WRONG_PORTS = ("65536", "-1", "99999999999", "x", "1.0", "6379x")


@some
@given(
    st.sampled_from(["redis", "rediss", "valkey", "valkeys"]),
    words,
    words,
    hosts,
    st.integers(1, 65535),
    st.integers(0, 99),
    st.sampled_from(WRONG_PORTS) | st.integers(65536).map(str),
)
def test_a_url_says_what_was_put_into_it_and_is_refused_with_one_fault(
    scheme: str, user: str, word: str, host: str, port: int, db: int, wrong: str
) -> None:
    secret = f"{SECRET}{word}"
    login = f"{quote(user, safe='')}:{quote(secret, safe='')}@"
    endpoint, options = parse_url(f"{scheme}://{login}{host}:{port}/{db}?option=1")
    assert (endpoint.username, endpoint.password) == (user, secret)
    assert (endpoint.host, endpoint.port, endpoint.db) == (host.strip("[]"), port, db)
    assert (endpoint.tls is not None) == (scheme in ("rediss", "valkeys"))
    assert options == {"option": "1"}
    assert SECRET not in repr(endpoint)
    for url in (
        *(f"{scheme}://{login}{host}:{one}/{db}" for one in (wrong, *WRONG_PORTS)),
        f"{scheme}://{login}{host}:{port}/x",
        f"{scheme}://{login}{host}:{port}/-1",
        f"{scheme}://{login}{host}:{port}/{db}?protocol=4",
        f"{scheme}://{login}{host}:{port}/{db}?option",
        f"{scheme}://{login}{host}:{port}/{db}#x",
        f"{scheme}:{login}{host}:{port}/{db}",
        f"x{scheme}://{login}{host}:{port}/{db}",
    ):
        with pytest.raises(ConfigurationError) as refused:
            parse_url(url)
        assert SECRET not in shown_by(refused.value)


# -- the wire

arguments = st.binary(max_size=20) | st.text(max_size=20) | st.integers(-(2**70), 2**70)
commands = st.lists(arguments, min_size=1, max_size=5)


def as_bytes(one: Any) -> bytes:
    return one if isinstance(one, bytes) else str(one).encode()


@some
@given(st.lists(commands, min_size=1, max_size=4))
def test_commands_are_on_the_wire_what_they_were(several: list[list[Any]]) -> None:
    data, expected = pack_many(several), [[as_bytes(one) for one in words] for words in several]
    assert data == b"".join(map(pack, several))
    assert list(unpack(data)) == expected
    found, at = [], 0
    while at < len(data):
        words, at = resp.parse(data, at)
        found.append(words)
    assert found == expected


replies = st.recursive(
    st.binary(max_size=30) | st.integers(-(2**63), 2**63 - 1) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def spoken(value: Any) -> bytes:
    """Return the bytes of a reply in RESP3."""
    match value:
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b":%d\r\n" % value
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case dict():
            pairs = b"".join(spoken(key) + spoken(one) for key, one in value.items())
            return b"%%%d\r\n" % len(value) + pairs
    return b"*%d\r\n" % len(value) + b"".join(map(spoken, value))


def heard(data: bytes, count: int) -> list[Any] | PoolError:
    """Return what a connection makes of the bytes that a server sends, and then hangs up."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours, "h")
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        try:
            return connection.exchange(b"?", count, monotonic() + 5)
        except PoolError as error:
            return error
        finally:
            connection.close()


@some
@given(st.lists(replies, min_size=1, max_size=4), st.data())
def test_replies_are_what_was_said_and_never_more_or_less(several: list[Any], data: Any) -> None:
    said = b"".join(map(spoken, several))
    assert heard(said, len(several)) == several
    assert isinstance(heard(said[:-1], len(several)), PoolError)
    assert isinstance(heard(said, len(several) + 1), PoolError)
    assert isinstance(heard(b"x" + said, len(several)), PoolError)
    broken = bytearray(said)
    broken[data.draw(st.integers(0, len(said) - 1))] ^= data.draw(st.integers(1, 255))
    found = heard(bytes(broken), len(several))
    assert isinstance(found, PoolError) or len(found) == len(several)


@some
@given(st.text(max_size=60))
def test_an_error_reply_is_one_and_can_be_printed(text: str) -> None:
    error = reply_error(text)
    assert str(error).isprintable()
    assert printable(text).isprintable()
