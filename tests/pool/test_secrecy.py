"""Secrets are in no error, be it in its text, in what led to it, or in its frames' variables."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import traceback
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
from support.examples import some_everyday
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


class Tells(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_an_error_of_another_kind_keeps_its_lines_and_no_variable(kind: type[Exception]) -> None:
    def reads(secret: str) -> None:
        try:
            raise KeyError("cause")
        except KeyError as error:
            raise kind("no") from error

    @keeps_secrets()
    def outer(secret: str) -> None:
        reads(secret)

    with pytest.raises(kind) as caught:
        outer(SECRET)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names[-2:] == ["outer", "reads"]
    assert isinstance(caught.value.__cause__, KeyError)
    for one in (caught.value, caught.value.__cause__):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            assert SECRET not in repr(frame.f_locals)


# -- what a provider says


@pytest.mark.parametrize(
    ("given", "login"),
    [
        (b"pass", (None, "pass")),
        ((b"user", b"pass"), ("user", "pass")),
        (("user", b"pass"), ("user", "pass")),
        ((None, "pass"), (None, "pass")),
        (b"\xff\xfe", (None, "\udcff\udcfe")),
    ],
)
def test_a_provider_may_give_bytes(given: Any, login: tuple[str | None, str]) -> None:
    endpoint = Endpoint(credentials=lambda: given)
    assert endpoint.login() == login
    assert asyncio.run(endpoint.async_login()) == login


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_bytes_of_a_provider_are_sent_as_they_are(colour: str) -> None:
    heard: list[tuple[bytes, ...]] = []

    def reply(words: tuple[bytes, ...]) -> bytes:
        heard.append(words)
        return b"-NOPERM no\r\n"

    with Scripted(reply, greet=False) as server:
        endpoint = Endpoint(
            host=server.host, port=server.port, credentials=lambda: (b"u", b"p\xff\n")
        )
        with pytest.raises(AuthenticationFailed):
            _connect(colour, endpoint, PoolOptions())
    assert heard[0] == (b"HELLO", b"3", b"AUTH", b"u", b"p\xff\n")


NO_LOGINS: list[Any] = [
    None,
    12345678,
    {"username": "u", "password": SECRET},
    {SECRET},
    bytearray(SECRET.encode()),
    ("u", [SECRET]),
    ["u", {"p": SECRET}],
    ("u", SECRET, SECRET),
    (),
    SECRET + "\ud800",
    (SECRET + "\ud800", "p"),
]


@pytest.mark.parametrize("given", NO_LOGINS, ids=repr)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_is_no_login_is_shown_nowhere(given: Any, colour: str) -> None:
    endpoint = Endpoint(host="127.0.0.1", port=1, credentials=lambda: given)
    with pytest.raises(ValueError, match=r"^a provider g") as caught:
        endpoint.login()
    assert SECRET not in shown_by(caught.value)
    with Scripted(lambda words: b"+OK\r\n", greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port, credentials=lambda: given)
        with pytest.raises(ConnectFailed, match="ValueError: a provider g") as failed:
            _connect(colour, endpoint, PoolOptions())
    assert SECRET not in shown_by(failed.value)
    assert "12345678" not in shown_by(failed.value)


def test_a_provider_whose_error_has_no_text_is_named() -> None:
    def fails() -> str:
        raise Tells

    with Scripted(lambda words: b"+OK\r\n", greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port, credentials=fails)
        with pytest.raises(ConnectFailed, match="the provider raised Tells: Tells"):
            _connect("sync", endpoint, PoolOptions())


@pytest.mark.parametrize("name", ["username", "password", "client_name"])
def test_text_that_cannot_be_sent_is_refused_and_not_shown(name: str) -> None:
    for wrong in (SECRET + "\udcff", SECRET.encode(), [SECRET]):
        with pytest.raises(ConfigurationError, match=f"^{name} ") as caught:
            Endpoint(**{name: wrong})  # type: ignore[arg-type]
        assert SECRET not in shown_by(caught.value)


def test_values_of_any_size_are_refused_in_few_words() -> None:
    for wrong in (10**5000, -(10**400), float("nan"), "x" * 5000):
        with pytest.raises(ConfigurationError, match=r"^port is a whole number") as caught:
            Endpoint(port=wrong)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 250


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


PASSWORDS = [
    "line\nbreak-4711",
    "quo'te\"back\\slash-4711",
    "tab\tbreak-4711",
    "Ünïcode-漢字-4711",
    "s",
    "4711-" + "x" * 200,
    "words 4711 in it",
]
WAYS: dict[str, Callable[[list[bytes]], bytes]] = {
    "redis": lambda words: b"ERR unknown command 'AUTH', with args: " + b" ".join(words[1:]),
    "cut": lambda words: b"ERR nope " + b" ".join(word[:5] for word in words),
    "tail": lambda words: b"ERR ..." + b" ".join(words)[-10:],
    "capitals": lambda words: b"ERR nope " + b" ".join(words).upper(),
    "json": lambda words: b"ERR bad " + json.dumps([w.decode() for w in words]).encode(),
    "repr": lambda words: b"ERR bad " + repr(words).encode(),
    "base64": lambda words: b"ERR bad " + base64.b64encode(b" ".join(words)),
    "wrongpass": lambda words: b"WRONGPASS " + b" ".join(words),
    "noperm": lambda words: b"NOPERM " + b" ".join(words),
    "loading": lambda words: b"LOADING " + b" ".join(words),
    "moved": lambda words: b"MOVED 1 " + words[-1][:9] + b":1",
    "code": lambda words: words[-1],
}


@pytest.mark.parametrize("way", some_everyday(WAYS, 3))
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("ending", ["answers", "hangs up", "is silent"])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_nothing_of_a_reply_to_a_login_is_shown_but_what_is_known(
    way: str, protocol: int, ending: str, colour: str
) -> None:
    said = [0]

    def reply(words: tuple[bytes, ...]) -> bytes | None:
        said[0] += 1
        if ending != "answers" and said[0] > 1:
            return None if ending == "hangs up" else b""
        text = WAYS[way](list(words))
        return b"-" + text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"

    for password in PASSWORDS[:1] if ending == "is silent" else PASSWORDS:
        said[0] = 0
        with Scripted(reply, greet=False) as server:
            endpoint = Endpoint(
                host=server.host,
                port=server.port,
                username="u",
                password=password,
                protocol=protocol,
            )
            with pytest.raises(ConnectFailed) as caught:
                _connect(colour, endpoint, PoolOptions(connect_timeout=0.2))
        assert ending != "answers" or "not shown: it may repeat the password" in str(caught.value)
        lines = shown_by(caught.value).splitlines()
        for part in (password[:5], password[-6:], ascii(password)[1:-1][-6:]):
            shown = [line for line in lines if len(part) > 4 and part.lower() in line.lower()]
            assert not shown


@pytest.mark.parametrize(
    "text",
    [
        "WRONGPASS invalid username-password pair or user is disabled.",
        "WRONGPASS invalid username-password pair",
        "ERR invalid password",
        "ERR Client sent AUTH, but no password is set",
        "ERR max number of clients reached",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOPERM User default has no permissions to run the 'hello' command",
    ],
)
def test_what_servers_are_known_to_say_is_shown_whatever_the_password(text: str) -> None:
    with Scripted(lambda words: f"-{text}\r\n".encode(), greet=False) as server:
        endpoint = Endpoint(host=server.host, port=server.port, password="s", protocol=2)
        with pytest.raises(ConnectFailed) as caught:
            _connect("sync", endpoint, PoolOptions())
    assert text.partition(" ")[2] in str(caught.value)
    assert "not shown" not in str(caught.value)


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


@keeps_secrets()
def fails() -> None:
    raise LookupError


def test_an_error_that_was_handled_before_keeps_its_variables() -> None:
    def meets_another() -> None:
        kept = 7
        raise ZeroDivisionError(kept)

    try:
        meets_another()
    except ZeroDivisionError as error:
        with pytest.raises(LookupError):
            fails()
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert frames[-1].f_locals == {"kept": 7}


def test_coroutines_that_wait_while_they_handle_an_error_go_on() -> None:
    """Several tasks wait for one that fails; one of them meets an error of ours, another waits."""

    async def failed() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def main() -> list[str]:
        ended: list[str] = []
        shared = asyncio.ensure_future(failed())
        met = asyncio.Event()

        async def one() -> None:
            try:
                await shared
            except ZeroDivisionError:
                await asyncio.sleep(0)
                with pytest.raises(LookupError):
                    fails()
                met.set()
                ended.append("one")

        async def other() -> None:
            try:
                await shared
            except ZeroDivisionError:
                await met.wait()
                ended.append("other")

        await asyncio.wait_for(asyncio.gather(one(), other()), 30)
        return ended

    assert asyncio.run(main()) == ["one", "other"]
