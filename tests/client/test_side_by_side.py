"""Exchanges with several servers at once, in threads: one that hangs holds up nobody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from cachex_client import ClientOptions
from cachex_client._links import Link, exchange_all
from cachex_pool import (
    ConnectionLost,
    DeadlineExceeded,
    Endpoint,
    PoolOptions,
    ProtocolError,
    Tls,
    pack,
)
from support.proxy import Proxy
from support.servers import Standalone
from support.tls import Authority
from support.waiting import eventually

PINGS = pack(("PING", "a")) + pack(("ECHO", "b" * 100))
ANSWERS = [b"a", b"b" * 100]


class Servers:
    """Three servers behind proxies, and a link to each."""

    def __init__(self, proxies: list[Proxy], tls: Tls | None) -> None:
        self.proxies = proxies
        options = ClientOptions(pool=PoolOptions(max_size=1, connect_timeout=30.0))
        self.links = [
            Link(Endpoint(host=proxy.host, port=proxy.port, tls=tls), options) for proxy in proxies
        ]

    def warm(self) -> None:
        for link in self.links:
            link.warm_up()

    def ask(self, data: bytes = PINGS, count: int = 2, seconds: float = 30.0) -> list[Any]:
        until = monotonic() + seconds
        return exchange_all([(link, data, count, until) for link in self.links])

    def are_idle(self, *numbers: int) -> bool:
        return all(self.links[at].stats().idle == 1 for at in numbers)

    @contextlib.contextmanager
    def asking(self, *arguments: Any) -> Iterator[Callable[[], list[Any]]]:
        """Ask in a thread; give a function that waits for what came."""
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.extend(self.ask(*arguments)))
        thread.start()

        def result() -> list[Any]:
            thread.join(30)
            return found

        yield result
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(params=["plain", "tls"])
def servers(
    request: pytest.FixtureRequest, standalone: Standalone, authority: Authority
) -> Iterator[Servers]:
    plain = request.param == "plain"
    context = None if plain else authority.server_context()
    tls = None if plain else Tls(ca_certs=str(authority.ca))
    with contextlib.ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(standalone, tls=context)) for _ in range(3)]
        found = Servers(proxies, tls)
        yield found
        for link in found.links:
            link.close()


@pytest.mark.parametrize("hanging", [0, 1, 2])
def test_connections_of_servers_that_answered_go_back_while_another_hangs(
    servers: Servers, hanging: int
) -> None:
    servers.warm()
    servers.proxies[hanging].freeze()
    others = {0, 1, 2} - {hanging}
    with servers.asking() as result:
        eventually(lambda: servers.links[hanging].stats().lent == 1)
        eventually(lambda: servers.are_idle(*others))
        assert servers.links[hanging].stats().lent == 1
        servers.proxies[hanging].heal()
        assert result() == [ANSWERS] * 3
    assert servers.are_idle(0, 1, 2)


def test_others_are_asked_while_one_server_lets_a_connect_wait(servers: Servers) -> None:
    servers.proxies[0].freeze()
    with servers.asking() as result:
        eventually(lambda: servers.are_idle(1, 2))
        assert servers.links[0].stats().opening == 1
        servers.proxies[0].heal()
        assert result() == [ANSWERS] * 3


def test_others_are_asked_while_one_pool_has_no_connection_left(servers: Servers) -> None:
    servers.warm()
    with servers.links[1].lease(monotonic() + 30):
        context = servers.asking()
        result = context.__enter__()
        eventually(lambda: servers.links[1].stats().waiting == 1)
        eventually(lambda: servers.are_idle(0, 2))
    assert result() == [ANSWERS] * 3
    context.__exit__(None, None, None)


def test_others_are_asked_while_one_server_does_not_read(servers: Servers) -> None:
    servers.warm()
    servers.proxies[0].freeze()
    size = 16 << 20
    until = monotonic() + 60
    requests = [(link, PINGS, 2, until) for link in servers.links]
    requests[0] = (servers.links[0], pack(("ECHO", b"x" * size)), 1, until)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(exchange_all(requests)))
    thread.start()
    eventually(lambda: servers.links[0].stats().lent == 1)
    eventually(lambda: servers.are_idle(1, 2))
    servers.proxies[0].heal()
    thread.join(60)
    assert [len(found[0][0]), *found[1:]] == [size, ANSWERS, ANSWERS]


def test_replies_that_come_byte_by_byte_are_put_together(servers: Servers) -> None:
    servers.warm()
    servers.proxies[1].split_every_byte()
    assert servers.ask() == [ANSWERS] * 3


def test_large_replies_of_all_servers_are_read(servers: Servers) -> None:
    servers.warm()
    data = pack(("ECHO", b"x" * 300_000)) * 10
    assert servers.ask(data, 10) == [[b"x" * 300_000] * 10] * 3
    assert servers.are_idle(0, 1, 2)


def test_each_server_has_an_error_of_its_own(servers: Servers) -> None:
    servers.warm()
    servers.proxies[0].garbage(to="PING")
    servers.proxies[1].cut_reply(to="ECHO")
    servers.proxies[2].blackhole()
    broken, lost, late = servers.ask(seconds=0.3)
    assert isinstance(broken, ProtocolError)
    assert isinstance(lost, ConnectionLost)
    assert (lost.written, lost.replies) == (True, [b"a"])
    assert isinstance(late, DeadlineExceeded)
    assert late.written
    assert [link.stats().size for link in servers.links] == [0, 0, 0]


def test_a_reply_that_nobody_asked_for_ends_the_connection(servers: Servers) -> None:
    servers.warm()
    servers.proxies[2].inject_reply(b"+extra\r\n", instead=False, to="PING")
    *well, broken = servers.ask()
    assert well == [ANSWERS] * 2
    assert isinstance(broken, ProtocolError)
    assert servers.links[2].stats().size == 0


def test_of_no_servers_there_are_no_replies() -> None:
    assert exchange_all([]) == []


def test_servers_that_are_well_need_no_threads(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.warm()

    def refuse(thread: threading.Thread) -> None:
        raise AssertionError(f"{thread} is not needed")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert [servers.ask() for _ in range(3)] == [[ANSWERS] * 3] * 3


def test_where_there_can_be_no_thread_all_is_done_one_after_the_other(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    servers.links[0].warm_up()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert servers.ask() == [ANSWERS] * 3


def test_who_is_interrupted_leaves_no_connection_in_the_middle_of_an_exchange(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.warm()
    servers.proxies[1].freeze()

    class Interrupt(BaseException):
        pass

    def interrupt() -> None:
        raise Interrupt

    for connection in servers.links[1].pool.state.members():
        connection.on_overdue = interrupt
    with pytest.raises(Interrupt):
        servers.ask()
    assert servers.are_idle(0, 2)
    assert servers.links[1].stats().size == 0


def test_who_waits_for_long_says_so_for_the_server_that_hangs_alone(servers: Servers) -> None:
    servers.warm()
    servers.proxies[1].freeze()
    heard: list[int] = []
    for number, link in enumerate(servers.links):
        for connection in link.pool.state.members():
            connection.on_overdue = lambda number=number: heard.append(number)
    with servers.asking() as result:
        eventually(lambda: len(heard) >= 2)
        servers.proxies[1].heal()
        assert result() == [ANSWERS] * 3
    assert set(heard) == {1}
