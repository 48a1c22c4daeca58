"""Each fault of the proxy is what its name says."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.proxy import MakeProxy, Proxies, Proxy
from support.resp import Malformed, RespClient, RespError
from support.servers import Cluster, Standalone
from support.waiting import eventually, lasting

RESET = "reset by peer"


@pytest.fixture
def front(standalone: Standalone, proxy: MakeProxy) -> Proxy:
    return proxy(standalone)


@pytest.fixture
def client(front: Proxy) -> Iterator[RespClient]:
    with RespClient(front.address, timeout=5) as client:
        assert client.command("PING") == "PONG"
        front.forget()
        yield client


def silent(client: RespClient) -> bool:
    """Tell whether nothing comes for a while."""
    client.socket.settimeout(0.05)
    try:
        client.read()
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(5)
    return False


def closed(client: RespClient) -> bool:
    """Tell whether a FIN comes."""
    return client.socket.recv(1) == b""


def test_it_counts_commands_connections_and_round_trips(front: Proxy, client: RespClient) -> None:
    client.command("SET", "key", b"\r\n\x00")
    client.send("GET", "key")
    client.send("CONFIG", "GET", "maxmemory")
    assert client.read() == b"\r\n\x00"
    assert client.read() == [b"maxmemory", b"0"]
    assert [command for _, command in front.commands] == [
        (b"SET", b"key", b"\r\n\x00"),
        (b"GET", b"key"),
        (b"CONFIG", b"GET", b"maxmemory"),
    ]
    assert (front.count("get"), front.count("CONFIG GET"), front.count("CONFIG SET")) == (1, 1, 0)
    assert front.connections == front.open_connections == [1]
    assert 2 <= front.round_trips(1) <= front.writes(1) <= 3
    with RespClient(front.address) as other:
        other.command("PING")
        assert front.connections == [1, 2]
    eventually(lambda: front.open_connections == [1])


def test_a_write_of_many_commands_is_one_round_trip(front: Proxy, client: RespClient) -> None:
    client.socket.sendall(b"*1\r\n$4\r\nPING\r\n" * 100)
    assert [client.read() for _ in range(100)] == ["PONG"] * 100
    assert (front.count("PING"), front.writes(), front.round_trips()) == (100, 1, 1)


@pytest.mark.timing
def test_delay_holds_requests_but_not_one_after_another(front: Proxy, client: RespClient) -> None:
    front.delay(0.2)
    with lasting(0.2, 0.8):
        for _ in range(5):
            client.send("PING")
        assert [client.read() for _ in range(5)] == ["PONG"] * 5
    front.heal()
    assert client.command("PING") == "PONG"


def test_nothing_overtakes_what_was_delayed(front: Proxy, client: RespClient) -> None:
    """What comes after the delay has ended is due at the same time, and follows all the same."""
    front.delay(1.0)
    for number in range(12):
        client.send("ECHO", number)
        eventually(lambda count=number + 1: front.count("ECHO") == count)  # in a chunk of its own
        front.heal()
    assert [client.read() for _ in range(12)] == [b"%d" % number for number in range(12)]


def test_what_was_delayed_arrives_though_the_client_has_left(
    front: Proxy, standalone: Standalone, client: RespClient
) -> None:
    front.delay(0.1)
    client.send("SET", "key", "value")
    client.close()
    eventually(lambda: standalone.command("GET", "key") == b"value")


def test_blackhole_accepts_and_swallows(front: Proxy, client: RespClient) -> None:
    front.blackhole()
    with RespClient(front.address) as other:
        other.send("PING")
        client.send("PING")
        assert silent(other)
        assert silent(client)
        front.heal()
        other.send("PING")
        assert silent(other)  # Bytes were lost: it never recovers.
    with RespClient(front.address) as other:
        assert other.command("PING") == "PONG"


def test_half_open_passes_requests_and_swallows_replies(
    front: Proxy, standalone: Standalone, client: RespClient
) -> None:
    front.half_open()
    client.send("SET", "key", "value")
    eventually(lambda: standalone.command("GET", "key") == b"value")
    assert silent(client)


def test_frozen_replies_come_late(front: Proxy, standalone: Standalone, client: RespClient) -> None:
    front.freeze()
    client.send("SET", "key", "value")
    assert silent(client)
    assert standalone.command("GET", "key") is None
    front.heal()
    assert client.read() == "OK"


def test_refuse_closes_the_door_only_to_new_connections(front: Proxy, client: RespClient) -> None:
    front.refuse()
    with pytest.raises(ConnectionRefusedError):
        RespClient(front.address)
    assert client.command("PING") == "PONG"
    front.heal()
    with RespClient(front.address) as other:
        assert other.command("PING") == "PONG"


def test_accept_then_close(front: Proxy, client: RespClient) -> None:
    front.accept_then_close()
    with RespClient(front.address) as other:
        assert closed(other)
    assert client.command("PING") == "PONG"


def test_reset_on_use(front: Proxy, client: RespClient) -> None:
    front.reset_on_use()
    with RespClient(front.address) as other, pytest.raises(ConnectionResetError, match=RESET):
        other.command("PING")
    with pytest.raises(ConnectionResetError, match=RESET):
        client.command("PING")


@pytest.mark.parametrize("reset", [False, True])
def test_cut_all(front: Proxy, client: RespClient, reset: bool) -> None:
    front.cut_all(reset=reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            client.socket.recv(1)
    else:
        assert closed(client)
    assert front.open_connections == []


@pytest.mark.parametrize("after", range(12))
def test_a_reply_is_truncated_after_any_byte(front: Proxy, client: RespClient, after: int) -> None:
    client.command("SET", "key", "value")
    front.truncate_reply(after, to="GET")
    assert client.command("PING") == "PONG"
    client.send("GET", "key")
    got = b""
    while data := client.socket.recv(100):
        got += data
    assert got == b"$5\r\nvalue\r\n"[:after]
    with RespClient(front.address) as other:
        assert other.command("GET", "key") == b"value"


@pytest.mark.parametrize("after", [0, 3])
def test_replies_that_came_before_the_truncated_one_pass(
    front: Proxy, client: RespClient, after: int
) -> None:
    front.truncate_reply(after, to="INCR", nth=2, times=2)
    client.socket.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n" * 3)
    got = b""
    while data := client.socket.recv(100):
        got += data
    assert got == b":1\r\n" + b":2\r\n"[:after]


def test_every_byte_of_a_reply_comes_on_its_own(front: Proxy, client: RespClient) -> None:
    front.split_every_byte()
    client.send("ECHO", "x" * 200)
    chunks: list[bytes] = []
    while len(b"".join(chunks)) < 208:
        chunks.append(client.socket.recv(1000))
    assert b"".join(chunks) == b"$200\r\n" + b"x" * 200 + b"\r\n"
    assert len(chunks) > 5


def test_replies_are_replaced_preceded_dropped_and_garbled(
    front: Proxy, client: RespClient
) -> None:
    front.inject_reply(b"-MOVED 1 127.0.0.1:1\r\n", to="GET", nth=2)
    assert client.command("GET", "key") is None
    with pytest.raises(RespError, match="MOVED 1"):
        client.command("GET", "key")
    assert client.command("GET", "key") is None

    front.inject_reply(b"+extra\r\n", instead=False)
    assert (client.command("PING"), client.read()) == ("extra", "PONG")

    front.drop_reply(to="ECHO")
    client.send("ECHO", "1")
    client.send("ECHO", "2")
    assert client.read() == b"2"

    front.garbage(to="PING")
    with pytest.raises(Malformed):
        client.command("PING")


def test_replies_are_matched_to_commands_across_pushes(front: Proxy, client: RespClient) -> None:
    client.command("HELLO", 3)
    client.send("SUBSCRIBE", "channel")
    assert client.read() == [b"subscribe", b"channel", 1]
    front.inject_reply(b"+mine\r\n", to="PING")
    client.command("CLIENT", "TRACKING", "ON")
    assert client.command("PING") == "mine"


def test_a_cut_request_is_not_carried_out_but_a_cut_reply_is(
    front: Proxy, standalone: Standalone, client: RespClient
) -> None:
    front.cut_request(to="INCR")
    client.send("INCR", "counter")
    assert closed(client)
    assert standalone.command("GET", "counter") is None
    with RespClient(front.address) as other:
        front.cut_reply(to="INCR")
        other.send("INCR", "counter")
        assert closed(other)
    assert standalone.command("GET", "counter") == b"1"


def test_a_push_comes_unasked(front: Proxy, client: RespClient) -> None:
    front.push(b"+surprise\r\n")
    assert client.read() == "surprise"


def test_a_dying_server_closes_the_clients(
    front: Proxy, standalone: Standalone, client: RespClient
) -> None:
    standalone.kill()
    assert closed(client)
    standalone.restart()
    with RespClient(front.address) as other:
        assert other.command("PING") == "PONG"


def test_unix_sockets_on_both_sides(standalone: Standalone, proxy: MakeProxy) -> None:
    path = standalone.path + ".proxy"
    front = proxy(standalone.path, path=path)
    with RespClient(path) as client:
        assert client.command("PING") == "PONG"
        assert front.url == f"unix://{path}?db=0"
        front.cut_all()
        assert closed(client)


def test_what_is_not_resp_passes_as_it_is(front: Proxy) -> None:
    with socket.create_connection(front.address, timeout=5) as sock:
        sock.sendall(b"PING\r\n")  # Servers take this, too.
        assert sock.recv(100) == b"+PONG\r\n"


def test_a_cluster_behind_proxies(cluster: Cluster) -> None:
    with Proxies(cluster.servers) as proxies:
        for server in cluster.servers:
            with RespClient(proxies.remap(*server.address)) as client:
                client.command("CLUSTER", "SLOTS")
            assert proxies[server].count("CLUSTER SLOTS") == 1
        assert proxies.count("CLUSTER SLOTS") == 6
        assert proxies.remap("elsewhere", 1) == ("elsewhere", 1)
