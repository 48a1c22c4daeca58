"""What a server can do to a scan that is confused, or hostile: nothing without an end."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from redis.exceptions import RedisError

from cachex_client import ClientOptions, ScanAborted, SentinelMap, SlotNotCovered
from cachex_client._core.scans import BREAKS, WALKS, ScanProgress
from cachex_client.commands import strings
from cachex_pool import ConnectionLost, Endpoint, PoolError, PoolOptions, ProtocolError
from support.examples import some_everyday
from support.node import HANG_UP, ScriptedNode, Words, sent
from support.scripted import Scripted

OPTIONS = ClientOptions(timeout=1.0, read_from="primary", pool=PoolOptions(connect_timeout=0.5))
HASTY = attrs.evolve(OPTIONS, timeout=0.3, scan_timeout=0.5)
PAGES = (b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN")

First = Callable[[Words], bytes | None]


def sentinel_of(server: Scripted) -> Scripted:
    facts = {"ip": server.host, "port": server.port, "flags": "master", "config-epoch": 1}

    def said(words: Words) -> bytes:
        if words[0] != b"SENTINEL":
            return b"+PONG\r\n"
        master = words[1].upper() == b"MASTER"
        return sent([str(one) for pair in facts.items() for one in pair]) if master else sent([])

    return Scripted(said)


@contextlib.contextmanager
def client_of(
    topology: str, colour: Any, first: First, options: ClientOptions = OPTIONS
) -> Iterator[tuple[Any, ScriptedNode]]:
    """Make a client of one server, which answers as `first` says."""

    def said(words: Words) -> bytes | None:
        return sent(["master", 1, []]) if words[0] == b"ROLE" else first(words)

    with ScriptedNode(said) as node, sentinel_of(node) as sentinel:
        if topology == "sentinel":
            seeds = [Endpoint(host=sentinel.host, port=sentinel.port)]
            map = SentinelMap("service", seeds, listen=False)
            yield colour.make("SentinelClient", map, options), node
        else:
            kind = "ClusterClient" if topology == "cluster" else "DefaultClient"
            yield colour.make(kind, [node.url], options), node


every_topology = pytest.mark.parametrize("topology", ["standalone", "sentinel", "cluster"])
those_that_begin_again = pytest.mark.parametrize("topology", ["sentinel", "cluster"])


def page(cursor: object, *found: object) -> bytes:
    return sent([str(cursor), list(found or (":1:a", "1"))])


def first_page_then(bad: bytes) -> First:
    def said(words: Words) -> bytes | None:
        if words[0] != b"SCAN":
            return None
        return page(7) if words[1] == b"0" else bad

    return said


# -- what is only begun again so often


@every_topology
@pytest.mark.parametrize("bad", [b"*0\r\n", b"*2\r\n$1\r\n0\r\n:5\r\n", b"+OK\r\n"])
def test_a_page_of_another_type_ends_the_scan(topology: str, bad: bytes, colour: Any) -> None:
    with client_of(topology, colour, first_page_then(bad)) as (client, node):
        with pytest.raises(ProtocolError):
            colour.cache(client).keys()
        assert node.asked(b"SCAN") == 2


@those_that_begin_again
def test_a_walk_that_breaks_off_again_and_again_is_given_up(topology: str, colour: Any) -> None:
    with client_of(topology, colour, first_page_then(HANG_UP)) as (client, node):
        with pytest.raises(ScanAborted, match="its walk broke off 9 times"):
            colour.cache(client).keys()
        assert node.asked(b"SCAN", b"0") == BREAKS + 1


@those_that_begin_again
@pytest.mark.parametrize(
    "bad", some_everyday([b"-LOADING x\r\n", b"-CLUSTERDOWN x\r\n", HANG_UP, b""], 2)
)
def test_what_fails_counts_as_time_of_the_scan(topology: str, bad: bytes, colour: Any) -> None:
    first = first_page_then(bad)
    with client_of(topology, colour, first, HASTY) as (client, node):
        with pytest.raises((ScanAborted, RedisError, PoolError)):
            colour.cache(client).keys()
        assert node.asked(b"SCAN", b"0") <= BREAKS + 1


def test_slots_that_change_at_every_look_end_the_scan(colour: Any) -> None:
    looks = itertools.count()
    nodes: list[ScriptedNode] = []

    def said(words: Words) -> bytes | None:
        if words[0] == b"SCAN":
            return page(0)
        if words[:2] == (b"CLUSTER", b"NODES"):
            return nodes[0].line("0-16383" if next(looks) % 2 else "0-16382")
        return None

    with client_of("cluster", colour, said, HASTY) as (client, node):
        nodes.append(node)
        with pytest.raises(ScanAborted, match="are allowed"):
            colour.cache(client).keys()
        assert node.asked(b"SCAN") <= WALKS


@pytest.mark.parametrize("slots", ["0-99999999999", "5-1", "[16384-<-id]", "x"])
def test_slots_that_no_server_can_have_end_the_scan(slots: str, colour: Any) -> None:
    nodes: list[ScriptedNode] = []

    def said(words: Words) -> bytes | None:
        return nodes[0].line(slots) if words[:2] == (b"CLUSTER", b"NODES") else None

    with client_of("cluster", colour, said) as (client, node):
        nodes.append(node)
        with pytest.raises(ProtocolError, match="CLUSTER NODES"):
            colour.cache(client).keys()


def test_a_node_that_stops_saying_what_it_serves_ends_the_scan(colour: Any) -> None:
    looks = itertools.count()

    def said(words: Words) -> bytes | None:
        if words[:2] == (b"CLUSTER", b"NODES") and next(looks) % 2:
            return sent("")
        return None

    with client_of("cluster", colour, said, HASTY) as (client, node):
        with pytest.raises((PoolError, SlotNotCovered)):
            colour.cache(client).keys()
        assert node.asked(b"SCAN") == 0


def test_slots_that_nobody_serves_are_the_reason_when_the_time_is_over(colour: Any) -> None:
    nodes: list[ScriptedNode] = []

    def said(words: Words) -> bytes | None:
        half = words[:2] == (b"CLUSTER", b"NODES")
        return page(0) if words[0] == b"SCAN" else nodes[0].line("0-8000") if half else None

    options = attrs.evolve(OPTIONS, timeout=60.0, scan_timeout=0.2)
    with client_of("cluster", colour, said, options) as (client, node):
        nodes.append(node)
        with pytest.raises(SlotNotCovered, match="8383 of its slots"):
            colour.cache(client).keys()


# -- redis-py's iterators

ITERATORS: dict[str, Callable[[Any], Any]] = {
    "scan_iter": lambda facade: facade.scan_iter("a*"),
    "hscan_iter": lambda facade: facade.hscan_iter("h"),
    "sscan_iter": lambda facade: facade.sscan_iter("s"),
    "zscan_iter": lambda facade: facade.zscan_iter("z"),
}


def endless(cursors: Iterator[int]) -> First:
    return lambda words: page(next(cursors), "1", "2") if words[0] in PAGES else None


@every_topology
@pytest.mark.parametrize("name", ITERATORS)
def test_an_iterator_of_redis_pys_client_that_goes_in_circles_is_given_up(
    name: str, topology: str, colour: Any
) -> None:
    with client_of(topology, colour, endless(itertools.cycle([5, 9, 7]))) as (client, node):
        with pytest.raises(ScanAborted, match="came 8 times again"):
            list(ITERATORS[name](colour.plain(client.redis)))
        assert sum(words[0] in PAGES for words in node.commands) < 100


@every_topology
@pytest.mark.parametrize("name", ITERATORS)
def test_an_iterator_of_redis_pys_client_has_the_time_of_a_scan(
    name: str, topology: str, colour: Any
) -> None:
    options = attrs.evolve(OPTIONS, scan_timeout=0.05)
    with (
        client_of(topology, colour, endless(itertools.count(1)), options) as (client, _),
        pytest.raises(ScanAborted, match=r"0\.05 s are allowed"),
    ):
        list(ITERATORS[name](colour.plain(client.redis)))


# -- the rules


def test_only_the_callers_own_time_does_not_count() -> None:
    progress = ScanProgress(10.0, 1.0, 100.0)
    progress.begin("a", 101.0)
    progress.step(b"1", 1, 105.0)
    progress.idle += 1000.0
    progress.step(b"2", 1, 1109.9)
    with pytest.raises(ScanAborted, match="10 s are allowed"):
        progress.begin("a", 1110.1)
    with pytest.raises(ScanAborted, match="10 s are allowed"):
        progress.fail(PoolError("x"), 1110.1)


def test_a_long_walk_may_break_off_and_begin_again() -> None:
    """A failover is waited for from its beginning, not from that of the scan."""
    progress = ScanProgress(1000.0, 5.0, 0.0)
    progress.begin("a", 0.0)
    progress.step(b"1", 1, 100.0)
    lost = ConnectionLost("a", "gone", written=True)
    for now in (101.0, 103.0, 106.0):
        progress.fail(lost, now)
        progress.begin("a", now)
    with pytest.raises(ConnectionLost):
        progress.fail(lost, 106.1)


def test_a_finished_walk_forgives_what_broke_off_before() -> None:
    progress, now = ScanProgress(1000.0, 5.0, 0.0), itertools.count()
    lost = ConnectionLost("a", "gone", written=True)
    for server in "abc":
        for _ in range(BREAKS):
            progress.begin(server, next(now))
            progress.step(b"1", 1, next(now))
            progress.fail(lost, next(now))
        progress.begin(server, next(now))
        progress.step(b"0", 1, next(now))
        progress.finish()


def test_a_server_is_walked_only_so_often() -> None:
    progress = ScanProgress(1000.0, 5.0, 0.0)
    for walk in range(WALKS):
        assert progress.begin("a", 0.0) == walk
        progress.finish()
        progress.begin("b", 0.0)
    with pytest.raises(ScanAborted, match="it was walked 32 times"):
        progress.begin("a", 0.0)


# -- what servers say of themselves


@pytest.mark.parametrize("told", some_everyday([b":5\r\n", b"_\r\n", b"*0\r\n"], 3))
def test_a_replica_that_says_nonsense_of_itself_is_asked_again(told: bytes, colour: Any) -> None:
    def silent(words: Words) -> bytes | None:
        return b"" if words[0] == b"GET" else None

    with (
        ScriptedNode(lambda words: told if words[0] == b"INFO" else None) as replica,
        ScriptedNode(silent) as node,
    ):
        node.others.append(replica)
        client = colour.make("ClusterClient", [node.url], OPTIONS)
        with pytest.raises(PoolError):
            client.execute(strings.get(b"key"))
        assert replica.asked(b"INFO") > 1
