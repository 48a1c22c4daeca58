"""Proxies that hang up on commands they do not know, as twemproxy does on HELLO and CLIENT."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from cachex_pool import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    Endpoint,
    Pool,
    pack,
    parse_url,
)
from cachex_pool._core.minimal import (
    FIRST_PAUSE,
    IN_VAIN,
    MAX_PAUSE,
    REMEMBERED,
    MinimalHandshakes,
)
from cachex_pool._wire.protocol import handshakes
from support.proxy import Proxy
from support.scripted import Scripted
from support.servers import Standalone
from support.waiting import eventually


@pytest.fixture
def proxy(standalone: Standalone) -> Iterator[Proxy]:
    """In front of a server, and hangs up on HELLO and CLIENT."""
    with Proxy(standalone) as proxy:
        hang_up_on(proxy, "HELLO", "CLIENT")
        yield proxy
    handshakes.greeted(proxy.address)  # its port may be another's soon


def hang_up_on(proxy: Proxy, *names: str) -> None:
    for name in names:
        proxy.cut_request(to=name, times=1_000_000)


def at(proxy: Any, **settings: Any) -> Endpoint:
    return Endpoint(host=proxy.host, port=proxy.port, **settings)


def connect_anew(pool: Any) -> None:
    """Let calls from here on open a connection."""
    getattr(pool, "pool", pool).retire()


def said(proxy: Proxy) -> list[list[bytes]]:
    """Return the names of the commands on each connection."""
    names: dict[int, list[bytes]] = {number: [] for number in proxy.connections}
    for number, words in proxy.commands:
        names[number].append(words[0])
    return list(names.values())


def test_all_who_connect_at_once_are_served(proxy: Proxy) -> None:
    def one(_: int) -> bytes:
        together.wait(10)
        reply: bytes = pool.call(pack(("ECHO", "a")), monotonic() + 20)
        return reply

    pool, together = Pool(at(proxy)), threading.Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == [b"a"] * 8
    assert sum(b"ECHO" in names for names in said(proxy)) == pool.stats().opened
    pool.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_who_hangs_up_on_the_handshake_is_asked_again_with_what_is_needed(
    make_caller: Any, proxy: Proxy, say: Any, protocol: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cachex_pool")
    pool = make_caller(at(proxy, protocol=protocol, client_name="web-1"))
    for number in range(3):
        assert pool.call(say("SET", "a", number), say.soon()) == b"OK"
        connect_anew(pool)
    full, *others = said(proxy)
    assert full[0] == (b"HELLO" if protocol == 3 else b"CLIENT")
    assert others == [[b"PING", b"SET"]] * 3  # it is remembered
    assert sum("hangs up on HELLO or CLIENT" in one.getMessage() for one in caplog.records) == 1


def test_the_password_and_the_database_are_needed(
    make_caller: Any, proxy: Proxy, standalone: Standalone, say: Any
) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "hush")
    pool = make_caller(at(proxy, password="hush", db=3))
    assert pool.call(say("SET", "a", 1), say.soon()) == b"OK"
    assert said(proxy)[1] == [b"AUTH", b"SELECT", b"SET"]
    for wrong in ({"password": "wrong"}, {}):
        with pytest.raises(AuthenticationFailed):
            make_caller(at(proxy, **wrong)).call(say("PING"), say.soon())


def test_who_hangs_up_on_the_database_too_is_said_to(
    make_caller: Any, proxy: Proxy, say: Any
) -> None:
    hang_up_on(proxy, "SELECT")
    pool = make_caller(at(proxy, db=3))
    with pytest.raises(ConnectFailed, match=r"also without HELLO and CLIENT; SELECT 3 was sent"):
        pool.call(say("PING"), say.soon())
    assert not handshakes.wanted(proxy.address, 0.0)


def test_an_option_sends_what_is_needed_from_the_beginning(
    make_caller: Any, proxy: Proxy, say: Any
) -> None:
    pool = make_caller(at(proxy, minimal_handshake=True, client_name="web-1"))
    assert pool.call(say("SET", "a", 1), say.soon()) == b"OK"
    assert said(proxy) == [[b"PING", b"SET"]]


def test_a_url_may_say_so_too() -> None:
    for text, meant in {"1": True, "True": True, "0": False, "no": False}.items():
        endpoint, rest = parse_url(f"redis://a?minimal_handshake={text}")
        assert (endpoint.minimal_handshake, rest) == (meant, {})
    with pytest.raises(ConfigurationError, match="minimal_handshake of a server URL is 1 or 0"):
        parse_url("redis://a?minimal_handshake=perhaps")


def test_who_hangs_up_on_everything_is_no_such_proxy(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    with Proxy(standalone) as front:
        front.accept_then_close()
        pool = make_pool(front)
        with pytest.raises(ConnectFailed):
            pool.call(say("PING"), say.soon())
        front.heal()

        def speaks_resp3() -> bool:
            try:
                connection = pool.acquire(say.soon())
            except ConnectFailed:  # the pool pauses
                return False
            protocol = connection.protocol
            pool.release(connection)
            return bool(protocol == 3)

        eventually(speaks_resp3)


def test_a_dial_that_we_have_ended_ourselves_is_not_done_again(make_pool: Any, say: Any) -> None:
    with Scripted(lambda _: b"", greet=False) as silent, ThreadPoolExecutor(1) as threads:
        pool = make_pool(silent)
        lost = threads.submit(pool.call, say("PING"), say.soon(60))
        eventually(lambda: silent.commands)
        loop = getattr(pool, "loop", None)
        end = getattr(pool, "one", pool).retire
        (loop.call_soon_threadsafe if loop else lambda call: call())(lambda: end(sever=True))
        with pytest.raises(ConnectFailed):
            lost.result(60)
        eventually(lambda: pool.stats().opening == 0)
        assert silent.accepted == 1
        assert not handshakes.wanted(silent.address, 0.0)


def test_the_full_handshake_is_tried_again_less_and_less_often() -> None:
    known, now, pause = MinimalHandshakes(), 1000.0, FIRST_PAUSE
    assert not known.wanted("a", now)
    for _ in range(12):
        known.worked("a", now)
        assert known.wanted("a", now + pause - 1)
        assert not known.wanted("a", now + pause)
        assert not known.wanted("b", now)
        now, pause = now + pause, min(2 * pause, MAX_PAUSE)
    assert pause == MAX_PAUSE
    known.greeted("a")
    known.worked("a", now)
    assert not known.wanted("a", now + FIRST_PAUSE)


def test_the_minimal_handshake_is_not_tried_for_each_dial_at_a_server_that_is_gone() -> None:
    known = MinimalHandshakes()

    def may_try(now: float) -> bool | None:
        may = known.may_try("a", now, now + 60.0)
        known.tried("a")
        return may

    assert may_try(5.0)
    known.hung_up("a", 5.0)
    assert may_try(5.0 + IN_VAIN / 2) is False
    assert may_try(5.0 + IN_VAIN)
    known.hung_up("a", 9.0)
    known.worked("a", 9.0)
    assert may_try(9.0)
    known.hung_up("a", 9.0)  # another server by now
    assert not known.wanted("a", 9.0)


def test_one_caller_at_a_time_tries_the_minimal_handshake_for_all_of_them() -> None:
    known = MinimalHandshakes()
    assert known.may_try("a", 5.0, 8.0)
    assert known.may_try("a", 6.0, 9.0) is None
    assert known.may_try("b", 6.0, 9.0)
    assert known.may_try("a", 8.0, 11.0)  # the first has had its time
    known.worked("a", 8.5)
    known.tried("a")
    assert known.may_try("a", 8.6, 11.0)
    assert known.may_try("a", 8.6, 12.0)
    known.hung_up("a", 8.7)
    assert known.may_try("a", 8.8, 12.0) is False


def test_not_all_servers_there_ever_were_are_remembered() -> None:
    known = MinimalHandshakes()
    for number in range(10 * REMEMBERED):
        known.worked(number, 0.0)
        known.hung_up(-number, 0.0)
    assert len(known._until) <= REMEMBERED
    assert len(known._in_vain) <= REMEMBERED
