"""Pools that speak TLS, to a proxy that does."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from cachex_pool import (
    ConnectFailed,
    ConnectTimeout,
    DeadlineExceeded,
    Endpoint,
    PoolOptions,
    Tls,
)
from support.scripted import Scripted
from support.servers import Standalone
from support.tls import Authority, TlsServer
from support.waiting import eventually, lasting


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(standalone: Standalone, authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(standalone, authority, authority.server_context()) as server:
        yield server


def trusting(authority: Authority, **settings: Any) -> Tls:
    return Tls(ca_certs=str(authority.ca), **settings)


def at(server: Any, tls: Tls) -> Endpoint:
    return Endpoint(host=server.host, port=server.port, tls=tls)


def test_commands_and_large_values_pass(
    make_caller: Any, server: TlsServer, authority: Authority, say: Any
) -> None:
    pool = make_caller(at(server, trusting(authority)))
    value = bytes(range(256)) * 4 * 4096  # 4 MiB
    assert pool.call(say("SET", "a", value), say.soon(10)) == b"OK"
    assert pool.call(say("GET", "a"), say.soon(10)) == value
    assert pool.exchange(say("ECHO", 1) * 500, 500, say.soon()) == [b"1"] * 500


def test_large_values_pass_both_ways_at_once(
    make_caller: Any, server: TlsServer, authority: Authority, say: Any
) -> None:
    pool = make_caller(at(server, trusting(authority)))
    pool.call(say("SET", "a", b"v" * 500_000), say.soon())
    command = say("ECHO", b"e" * 200_000) + say("GET", "a")
    replies = pool.exchange(command * 20, 40, say.soon(20))
    assert [len(reply) for reply in replies] == [200_000, 500_000] * 20


def test_all_connections_are_made_from_one_context(
    make_pool: Any, server: TlsServer, authority: Authority, say: Any
) -> None:
    tls = trusting(authority)
    pool = make_pool(at(server, tls))
    held = [pool.acquire(say.soon()) for _ in range(4)]
    assert tls.ssl_context().session_stats()["connect"] == 4
    for connection in held:
        pool.release(connection)


def test_the_handshake_of_ours_is_still_one_round_trip(
    make_caller: Any, server: TlsServer, authority: Authority
) -> None:
    make_caller(at(server, trusting(authority))).warm_up()
    assert server.proxy.round_trips() == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_the_server_closed_meanwhile_is_replaced_unnoticed(
    make_pool: Any, standalone: Standalone, authority: Authority, say: Any, version: ssl.TLSVersion
) -> None:
    with TlsServer(standalone, authority, authority.server_context(version=version)) as server:
        pool = make_pool(at(server, trusting(authority)), PoolOptions(alive_bypass=0.0))
        for _ in range(5):
            assert pool.call(say("PING"), say.soon()) == b"PONG"
            server.proxy.cut_all()
            closed = pool.state.idle[-1]
            eventually(lambda: not closed.is_alive())  # noqa: B023
        assert len(server.proxy.connections) == 5


def test_an_idle_connection_of_tls_13_is_not_taken_for_dead(
    make_pool: Any, standalone: Standalone, authority: Authority, say: Any
) -> None:
    # After the handshake the server sends session tickets, which look like something to read.
    context = authority.server_context(version=ssl.TLSVersion.TLSv1_3)
    with TlsServer(standalone, authority, context) as server:
        pool = make_pool(at(server, trusting(authority)), PoolOptions(alive_bypass=0.0))
        for _ in range(20):
            assert pool.call(say("PING"), say.soon()) == b"PONG"
        assert pool.stats().opened == 1


def test_a_client_shows_its_certificate_if_it_has_one(
    make_pool: Any, standalone: Standalone, authority: Authority, say: Any
) -> None:
    context = authority.server_context(client_certificate=True)
    mine = {"certfile": str(authority.client), "keyfile": str(authority.client_key)}
    with TlsServer(standalone, authority, context) as server:
        pool = make_pool(at(server, trusting(authority, **mine)))
        assert pool.call(say("PING"), say.soon()) == b"PONG"
        with pytest.raises(ConnectFailed):
            make_pool(at(server, trusting(authority))).call(say("PING"), say.soon())


def test_servers_that_are_not_who_they_should_be_are_refused(
    make_pool: Any, standalone: Standalone, authority: Authority, say: Any, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    for context, tls, why in (
        (authority.server_context(), trusting(stranger), "verify failed"),
        (authority.server_context(expired=True), trusting(authority), "expired"),
        (authority.server_context("other.example"), trusting(authority), "(?i)ip address mismatch"),
    ):
        with TlsServer(standalone, authority, context) as server:
            with pytest.raises(ConnectFailed, match=why) as caught:
                make_pool(at(server, tls)).call(say("PING"), say.soon())
            assert isinstance(caught.value.__cause__, ssl.SSLError)
    with TlsServer(standalone, authority, authority.server_context("other.example")) as server:
        for lenient in (trusting(authority, check_hostname=False), Tls(verify="none")):
            assert make_pool(at(server, lenient)).call(say("PING"), say.soon()) == b"PONG"


@pytest.mark.timing
def test_tls_to_a_server_that_speaks_plain_fails_soon_and_the_other_way_round(
    make_pool: Any, standalone: Standalone, server: TlsServer, authority: Authority, say: Any
) -> None:
    for endpoint in (
        at(standalone, trusting(authority)),
        Endpoint(host=server.host, port=server.port),
    ):
        pool = make_pool(endpoint, PoolOptions(connect_timeout=0.5))
        with lasting(0, 0.5), pytest.raises(ConnectFailed):
            pool.call(say("PING"), say.soon())


@pytest.mark.timing
def test_a_silent_server_is_given_up_in_time(
    make_pool: Any, server: TlsServer, authority: Authority, say: Any
) -> None:
    pool = make_pool(at(server, trusting(authority)), PoolOptions(connect_timeout=0.3))
    pool.call(say("PING"), say.soon())
    server.proxy.blackhole()
    with lasting(0.3), pytest.raises(DeadlineExceeded):
        pool.call(say("PING"), say.soon(0.3))
    with Scripted(lambda _: b"", greet=False) as silent:
        pool = make_pool(at(silent, trusting(authority)), PoolOptions(connect_timeout=0.3))
        with lasting(0.3), pytest.raises(ConnectTimeout):
            pool.call(say("PING"), say.soon())


@pytest.mark.timing
def test_a_broken_connection_is_told_from_a_slow_one(
    make_pool: Any, server: TlsServer, authority: Authority, say: Any
) -> None:
    pool = make_pool(at(server, trusting(authority)), PoolOptions(alive_bypass=60.0))
    for reset in (False, True):
        pool.call(say("PING"), say.soon())
        timer = threading.Timer(0.05, server.proxy.cut_all, kwargs={"reset": reset})
        timer.start()
        with lasting(0, 1), pytest.raises(redis.ConnectionError):
            pool.call(say("BLPOP", "nothing", 0), say.soon())
        timer.join()
