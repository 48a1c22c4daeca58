"""Clusters whose redirects lead nowhere, or round in a circle."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import AsyncClusterClient, BadRedirect, ClientOptions, ClusterClient
from cachex_client.commands import strings
from support.colours import Awaited, own_loop
from support.proxy import Proxies
from support.scripted import Scripted
from support.servers import Cluster, slot_of

OPTIONS = ClientOptions(read_from="primary", timeout=2.0)
KEY = b"a"
SLOT = slot_of("a")

Make = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a client of a cluster, closed at the end."""
    made: list[Any] = []
    with own_loop() as loop:

        def one(urls: list[str], **settings: Any) -> Any:
            if request.param == "sync":
                made.append(ClusterClient(urls, OPTIONS, **settings))
            else:
                made.append(Awaited(AsyncClusterClient(urls, OPTIONS, **settings), loop))
            return made[-1]

        yield one
        for client in made:
            client.close()


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def owner_of(cluster: Cluster, slot: int) -> Any:
    by_address = {server.port: server for server in cluster.servers}
    for first, last, primary, *_ in cluster.primaries[0].command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return by_address[primary[1]]
    raise LookupError(slot)


@pytest.mark.parametrize("command", [strings.get(KEY), strings.set(KEY, b"2")])
def test_a_redirect_to_where_nobody_listens_is_taken_back(
    cluster: Cluster, make: Make, command: Any
) -> None:
    owner = owner_of(cluster, SLOT)
    with Proxies(cluster.servers) as proxies:
        client = make(proxies.urls, address_remap=proxies.remap)
        assert client.execute(strings.set(KEY, b"1")) is True
        away = b"-MOVED %d 127.0.0.1:%d\r\n" % (SLOT, closed_port())
        proxies[owner].inject_reply(away, to=command.name)
        before = proxies[owner].count(command.name)
        assert client.execute(command) in (b"1", True)
        assert proxies[owner].count(command.name) == before + 2


def test_a_redirect_to_a_black_hole_costs_a_call_no_more_than_its_time(
    cluster: Cluster, make: Make, timed: Any
) -> None:
    owner = owner_of(cluster, SLOT)
    with (
        Scripted(lambda words: b"", greet=False) as hole,
        Proxies(cluster.servers) as proxies,
    ):
        client = make(proxies.urls, address_remap=proxies.remap)
        assert client.execute(strings.set(KEY, b"1")) is True
        away = b"-MOVED %d 127.0.0.1:%d\r\n" % (SLOT, hole.port)
        proxies[owner].inject_reply(away, to="GET")
        call = timed(lambda: client.execute(strings.get(KEY))).within(2.0)
        assert call.result == b"1" or isinstance(call.error, redis.RedisError)
        assert hole.accepted >= 1
        assert timed(lambda: client.execute(strings.get(KEY))).within(2.0).result == b"1"


def test_two_servers_that_send_a_caller_to_and_fro_are_given_up_on(make: Make) -> None:
    servers: list[Scripted] = []

    def server(number: int) -> Scripted:
        def reply(words: tuple[bytes, ...]) -> bytes:
            mine, other = servers[number].port, servers[1 - number].port
            if words[:2] == (b"CLUSTER", b"SLOTS"):
                return b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % mine
            if words[0] == b"CLUSTER":
                return b"$0\r\n\r\n"
            return b"-MOVED %d 127.0.0.1:%d\r\n" % (SLOT, other)

        return Scripted(reply)

    servers += [server(0), server(1)]
    with servers[0], servers[1]:
        client = make([one.url for one in servers])
        with pytest.raises(BadRedirect, match="the call has followed 8"):
            client.execute(strings.get(KEY))
        asked = [sum(words[0] == b"GET" for words in one.commands) for one in servers]
        assert 5 <= sum(asked) <= 9
        assert min(asked) >= 2
        many = client.execute_many([strings.get(KEY), strings.set(KEY, b"1")])
        assert [type(error) for error in many] == [BadRedirect] * 2
