"""Secrets are in no error, be it in its text, in what led to it, or in its frames' variables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from cachex_pool import (
    AsyncPool,
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    Endpoint,
    Pool,
    PoolOptions,
    Tls,
    parse_url,
)
from cachex_pool.errors import printable, reply_error
from cachex_pool.secrecy import keeps_secrets
from support.scripted import Scripted
from support.shown import shown_by

SECRET = "CANARY-of-1-secret"

URLS = [
    f"redis://u:{SECRET}@h:port/1",
    f"redis://u:{SECRET}@h:70000/1",
    f"redis://u:{SECRET}@h/x",
    f"redis://u:{SECRET}@h/1?db=x",
    f"redis://u:{SECRET}@h/1?protocol=9",
    f"redis://u:{SECRET}@h/1?minimal_handshake=maybe",
    f"redis://u:{SECRET}#x@h:1/1",
    f"redis://u:a/{SECRET}@h:1/1",
    f"redis://u:a?{SECRET}@h:1/1",
    f"redis://u:[{SECRET}@h:1/1",
    f"redis://h/{SECRET}",
    f"redis://h/1?{SECRET}",
    f"http://u:{SECRET}@h:1/1",
    f"u:{SECRET}@h:1/1",
    f"{SECRET}",
    f"unix:/u:{SECRET}@/tmp/a.sock",
    f"unix:u:{SECRET}@/tmp/a.sock",
    f"redis:/u:{SECRET}@h",
    f"redis:{SECRET}@h",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_refused_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert SECRET not in shown_by(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("wrong", [{"port": 70000}, {"db": -1}, {"protocol": 4}, {"host": 5}])
def test_settings_that_are_refused_do_not_show_those_beside_them(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint(username="u", password=SECRET, **wrong)
    assert SECRET not in shown_by(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Tls(keyfile_password=SECRET, verify="maybe")
    assert SECRET not in shown_by(caught.value)


@pytest.mark.parametrize("url", [f"redis://{SECRET}@h/1", f"redis://h/1?username={SECRET}"])
def test_a_password_in_the_place_of_the_user_is_not_shown(url: str) -> None:
    endpoint, _ = parse_url(url)
    assert endpoint.username == SECRET
    assert SECRET not in f"{endpoint!r} {endpoint.name} {Pool(endpoint)!r}"


def test_what_is_decorated_raises_what_it_raised_and_tells_nothing_else() -> None:
    @keeps_secrets(ValueError)
    def fails(secret: str, *, kind: type[Exception]) -> None:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise kind("no") from error

    with pytest.raises(ValueError, match=r"^no$") as caught:
        fails(SECRET, kind=ValueError)
    assert SECRET not in shown_by(caught.value)
    with pytest.raises(TypeError) as other:
        fails(SECRET, kind=TypeError)
    assert isinstance(other.value.__cause__, KeyError)
    assert fails.__name__ == "fails"


# -- what a server says


def echoing(size: int | None, *, last: bool = False) -> Callable[[tuple[bytes, ...]], bytes | None]:
    """Repeat a command in an error, as servers do that do not know it; cut off after `size`."""
    said = [0]

    def reply(words: tuple[bytes, ...]) -> bytes | None:
        said[0] += 1
        if last and said[0] > 1:
            return None
        told = " ".join(f"'{word.decode()}'" for word in words[1:])
        text = f"unknown command '{words[0].decode()}', with args beginning with: {told}"
        return b"-ERR " + text[: size or 9999].encode() + b"\r\n"

    return reply


@pytest.mark.parametrize("size", [None, 80])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_server_that_repeats_the_password_is_not_quoted(
    size: int | None, last: bool, alone: bool, colour: str
) -> None:
    login = {"username": SECRET} if alone else {"username": "user", "password": SECRET}
    with Scripted(echoing(size, last=last), greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port, **login)  # type: ignore[arg-type]
        options = PoolOptions(connect_timeout=2.0)
        with pytest.raises(ConnectFailed) as caught:
            _connect(colour, endpoint, options)
    assert SECRET[:12] not in shown_by(caught.value)
    assert "unknown command" in str(caught.value) or last


def _connect(colour: str, endpoint: Endpoint, options: PoolOptions) -> None:
    async def main() -> None:
        pool = AsyncPool(endpoint, options)
        try:
            await pool.acquire(time.monotonic() + 2)
        finally:
            await pool.aclose()

    if colour == "async":
        asyncio.run(main())
        return
    pool = Pool(endpoint, options)
    try:
        pool.acquire(time.monotonic() + 2)
    finally:
        pool.close()


def test_a_password_that_is_refused_is_told_as_before() -> None:
    refused = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    with Scripted(lambda words: refused, greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port, password="wrong")
        with pytest.raises(AuthenticationFailed, match="invalid username-password pair"):
            _connect("sync", endpoint, PoolOptions())


# -- what goes to terminals and logs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢", "plain ä 漢"),
        ("a\nCRITICAL b", r"a\nCRITICAL b"),
        ("\x1b[2J\x07\x00\x7f\x9b", r"\x1b[2J\x07\x00\x7f\x9b"),
        ("\u202eabc\u2028\udc80", r"\u202eabc\u2028\udc80"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_error_replies_are_printable() -> None:
    error = reply_error("WRONGTYPE x\nCRITICAL root: owned\x1b]0;owned\x07")
    assert str(error).isprintable()
    assert error.code == "WRONGTYPE"  # type: ignore[attr-defined]
