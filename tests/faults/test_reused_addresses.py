"""Addresses of a cluster's nodes at which other servers answer by now."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from cachex_client import (
    AsyncClusterClient,
    ClientOptions,
    ClusterClient,
    ClusterUnreachable,
)
from cachex_client.commands import strings
from cachex_pool import PoolOptions
from support.colours import Awaited, own_loop
from support.proxy import Proxy
from support.scripted import Scripted
from support.servers import Cluster, Standalone
from support.waiting import eventually

OPTIONS = ClientOptions(read_from="primary", timeout=5.0, pool=PoolOptions(connect_timeout=2.0))
KEYS = [f"key-{n}".encode() for n in range(60)]

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


@pytest.fixture(scope="module")
def others() -> Iterator[Cluster]:
    """Another cluster: somebody else's, or what replaces ours."""
    with Cluster(replicas=0) as servers:
        yield servers


class Place:
    """Where a packet to an address ends up."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address


NOBODY = ("127.0.0.1", 1)


class Network:
    """Addresses of a cluster's nodes that can be given to others; seeds have their own."""

    def __init__(self, cluster: Cluster, stack: contextlib.ExitStack, seeds: int = 3) -> None:
        def front(address: tuple[str, int]) -> tuple[Place, Proxy]:
            place = Place(address)
            return place, stack.enter_context(Proxy(place))

        self.stack = stack
        self.nodes = [front(server.address) for server in cluster.servers]
        self.seeds = [front(server.address) for server in cluster.servers[:seeds]]
        self.announced = {
            server.address: proxy.address
            for server, (_, proxy) in zip(cluster.servers, self.nodes, strict=True)
        }

    def remap(self, host: str, port: int) -> tuple[str, int]:
        return self.announced.get((host, port), (host, port))

    @property
    def urls(self) -> list[str]:
        return [proxy.url for _, proxy in self.seeds]

    def give_to(self, servers: list[Any], moved: Cluster | None = None) -> None:
        """Have the nodes' addresses lead to `servers`; the cluster `moved` to new ones."""
        for (place, proxy), server in zip(self.nodes, [*servers, *[None] * 6], strict=False):
            place.address = server.address if server else NOBODY
            if server:
                self.announced[server.address] = proxy.address
        if moved is not None:
            for server in moved.servers:
                self.announced[server.address] = self.stack.enter_context(
                    Proxy(server.address)
                ).address
        for _, proxy in self.nodes:
            proxy.cut_all()


@pytest.fixture
def network(cluster: Cluster) -> Iterator[Network]:
    with contextlib.ExitStack() as stack:
        yield Network(cluster, stack)


def sizes(servers: Any) -> list[int]:
    return [server.command("DBSIZE") for server in servers]


def taken(others: Cluster) -> None:
    for server in others.servers:
        server.command("FLUSHALL")


def test_nothing_is_written_to_another_cluster_at_the_nodes_addresses(
    cluster: Cluster, others: Cluster, network: Network, make: Make
) -> None:
    taken(others)
    client = make(network.urls, address_remap=network.remap)
    for key in KEYS:
        client.execute(strings.set(key, b"1"))
    network.give_to(others.servers, moved=cluster)
    assert [client.execute(strings.set(key, b"2")) for key in KEYS] == [True] * len(KEYS)
    assert client.get_many(KEYS) == [b"2"] * len(KEYS)
    assert sizes(others.servers) == [0, 0, 0]
    assert sum(sizes(cluster.primaries)) == len(KEYS)


def test_nothing_is_written_to_a_single_server_at_the_nodes_addresses(
    cluster: Cluster, standalone: Standalone, network: Network, make: Make
) -> None:
    client = make(network.urls, address_remap=network.remap)
    client.execute(strings.set(b"a", b"1"))
    network.give_to([standalone] * 6, moved=cluster)
    assert client.execute_many([strings.set(key, b"2") for key in KEYS]) == [True] * len(KEYS)
    assert client.execute(strings.get(b"a")) == b"1"
    assert standalone.command("DBSIZE") == 0


def test_while_no_seed_answers_callers_learn_that_the_address_was_reused(
    cluster: Cluster, others: Cluster, network: Network, make: Make
) -> None:
    taken(others)
    client = make(network.urls, address_remap=network.remap)
    client.execute(strings.set(b"a", b"1"))
    for place, proxy in network.seeds:
        place.address = NOBODY
        proxy.cut_all()
    network.give_to([*others.servers, *others.servers])
    with pytest.raises(ConnectionError, match="is not the node"):
        client.execute(strings.set(b"a", b"2"))
    assert sizes(others.servers) == [0, 0, 0]
    # The seeds' names lead to the cluster's new addresses.
    for server in cluster.servers:
        proxy = network.stack.enter_context(Proxy(server.address))
        network.announced[server.address] = proxy.address
    for (place, _), server in zip(network.seeds, cluster.servers, strict=False):
        place.address = server.address
    eventually(
        lambda: client.execute(strings.get(b"a")) == b"1", 15, ignore=(Exception,), what="A found"
    )
    assert sizes(others.servers) == [0, 0, 0]


def test_a_cluster_that_was_set_up_anew_at_the_same_addresses_is_adopted(
    cluster: Cluster, others: Cluster, network: Network, make: Make
) -> None:
    taken(others)
    client = make(network.urls, address_remap=network.remap)
    client.execute(strings.set(b"a", b"1"))
    for (place, proxy), server in zip(network.seeds, others.servers, strict=True):
        place.address = server.address
        proxy.cut_all()
    network.give_to(others.servers)
    eventually(
        lambda: client.execute(strings.set(b"a", b"new")), 15, ignore=(Exception,), what="adopted"
    )
    assert client.execute_many([strings.set(key, b"2") for key in KEYS]) == [True] * len(KEYS)
    assert sum(sizes(others.servers)) == len(KEYS) + 1


def test_nodes_that_change_places_are_all_found(
    cluster: Cluster, network: Network, make: Make
) -> None:
    client = make(network.urls, address_remap=network.remap)
    client.execute_many([strings.set(key, b"1") for key in KEYS])
    network.give_to([*cluster.servers[1:], cluster.servers[0]])
    for key in KEYS:
        eventually(lambda key=key: client.execute(strings.get(key)) == b"1", ignore=(Exception,))


# What other servers say


ID = b"%040d"


def slots(port: int, number: int | None, host: bytes = b"127.0.0.1") -> bytes:
    """Return a reply to CLUSTER SLOTS: one node has them all, and an id unless it is None."""
    node = b"$%d\r\n%b\r\n:%d\r\n" % (len(host), host, port)
    if number is not None:
        node += b"$40\r\n%b\r\n" % (ID % number)
    return b"*1\r\n*3\r\n:0\r\n:16383\r\n*%d\r\n%b" % (2 if number is None else 3, node)


class Node(Scripted):
    """A cluster of one, as one server plays it; `myid` is what it says of itself."""

    def __init__(self, number: int | None = None, myid: bytes = b"$-1\r\n") -> None:
        super().__init__(self._say)
        self.number, self.myid = number, myid
        self.useless: bytes | None = None
        self.told: bytes | None = None

    def _say(self, words: tuple[bytes, ...]) -> bytes | None:
        if words[:2] == (b"CLUSTER", b"SLOTS"):
            return self.useless or self.told or slots(self.port, self.number)
        if words[:2] == (b"CLUSTER", b"MYID"):
            return self.myid
        if words[0] == b"CLUSTER":
            return b"$0\r\n\r\n"
        if self.useless:
            return b"-CLUSTERDOWN Hash slot not served\r\n"
        return b"$1\r\n%d\r\n" % ((self.number or 0) % 10)

    def hang_up(self) -> None:
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "myid",
    [
        b"$-1\r\n",
        b"-ERR unknown subcommand 'MYID'\r\n",
        b"-NOPERM no permission\r\n",
        b"$40\r\n%b\r\n" % (ID % 9),
        b"*0\r\n",
    ],
    ids=["nothing", "unknown", "forbidden", "another", "nonsense"],
)
def test_a_server_whose_map_knows_the_cluster_is_used_whatever_it_says_of_itself(
    make: Make, myid: bytes
) -> None:
    with Node(1, myid) as node:
        client = make([node.url])
        for _ in range(3):
            assert client.execute(strings.get(b"a")) == b"1"
            node.hang_up()


def test_without_node_ids_connections_are_taken_as_they_come(make: Make) -> None:
    with Node() as node:
        client = make([node.url])
        for _ in range(3):
            assert client.execute(strings.get(b"a")) == b"0"
            node.hang_up()
        assert not any(words[1:] == (b"MYID",) for words in node.commands)


@contextlib.contextmanager
def named(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Have names lead to ports of this machine, as a resolver would to addresses."""
    ports: dict[str, int] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in ports:
            return real("127.0.0.1", ports[name], *rest, **more)
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield ports


USELESS = [b"*0\r\n", b"-ERR This instance has cluster support disabled\r\n"]


@pytest.mark.parametrize("useless", USELESS)
def test_the_name_of_a_seed_that_was_reset_is_looked_up_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch, useless: bytes
) -> None:
    with Node(1) as old, Node(2) as new, named(monkeypatch) as ports:
        old.useless = useless
        ports["seed.test"] = old.port
        client = make(["redis://seed.test:6379"])
        with pytest.raises(ClusterUnreachable):
            client.execute(strings.get(b"a"))
        ports["seed.test"] = new.port
        # If the first answer was long in coming, somebody asks in the background from now on.
        found = eventually(lambda: client.execute(strings.get(b"a")), ignore=(ClusterUnreachable,))
        assert found == b"2"


@pytest.mark.parametrize("number", [None, 1], ids=["no ids", "ids"])
@pytest.mark.parametrize("useless", [*USELESS, b""])
def test_a_seed_whose_old_server_left_leads_to_the_nodes_that_replaced_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, useless: bytes, number: int | None
) -> None:
    """It still answers, on the connection it has had from the first: with nothing of use.

    Or, with `useless` empty, with the map of a cluster that it is no part of any more.
    """
    after = None if number is None else 2
    with (
        Node(number) as seed,
        Node(number) as node,
        Node(after) as new,
        named(monkeypatch) as ports,
    ):
        seed.told = slots(node.port, number)
        ports["seed.test"] = seed.port
        client = make(["redis://seed.test:6379"])
        assert client.execute(strings.get(b"a")) is not None
        seed.useless = useless or slots(seed.port, None if number is None else 3)
        node.useless = b"*0\r\n"
        ports["seed.test"] = new.port
        node.hang_up()

        def reached() -> bool:
            client.execute(strings.get(b"a"))
            return any(words[0] == b"GET" for words in new.commands)

        eventually(reached, 15, ignore=(Exception,), what="the new nodes")
