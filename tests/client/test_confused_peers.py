"""What one node, one Sentinel or one server can do that is confused, or hostile."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import RedisError

import cachex_client
from cachex_client import (
    BadAddress,
    BadRedirect,
    ClientOptions,
    ClusterUnreachable,
    ConfigurationError,
    Keys,
    RemapFailed,
    ScanAborted,
    SentinelMap,
    SentinelsDisagree,
)
from cachex_client._core.keyslot import slot_of
from cachex_client._core.redirects import REDIRECTS
from cachex_client._core.specs import spec_for
from cachex_client.command import Command
from cachex_client.commands import strings
from cachex_pool import Endpoint, PoolError, PoolOptions
from support.examples import some_everyday
from support.scripted import Scripted
from support.waiting import eventually

KEY = b"key"
SLOT = slot_of(KEY)
OPTIONS = ClientOptions(timeout=3.0, read_from="primary", pool=PoolOptions(connect_timeout=0.5))
PASSWORD = "pass-word-of-all"

Words = tuple[bytes, ...]


def sent(value: Any) -> bytes:
    """Return a reply in RESP2, as a server writes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list | tuple):
        return b"*%d\r\n" % len(value) + b"".join(map(sent, value))
    raw = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


class Node(Scripted):
    """A node that says it has all slots, unless `slots` says otherwise; `get` answers to GET."""

    def __init__(
        self,
        get: Callable[[int], bytes] = lambda number: sent("1"),
        slots: Callable[[int], list[Any]] | None = None,
        other: Callable[[Words], bytes] = lambda words: b"+OK\r\n",
    ) -> None:
        self.looks = itertools.count(1)
        self.gets = itertools.count(1)
        self.get, self.slots, self.other = get, slots, other
        self.epoch = 1
        super().__init__(self._said)

    def asked(self, name: bytes) -> int:
        """Return how often a command came."""
        return sum(words[0] == name for words in self.commands)

    def row(self, *others: list[Any], first: int = 0, last: int = 16383) -> list[Any]:
        return [first, last, [self.host, self.port, f"id-{self.port}"], *others]

    def _said(self, words: Words) -> bytes:
        if words[:2] == (b"CLUSTER", b"SLOTS"):
            look = next(self.looks)
            return sent([self.row()] if self.slots is None else self.slots(look))
        if words[:2] == (b"CLUSTER", b"MYID"):
            return sent(f"id-{self.port}")
        if words[0] == b"CLUSTER":
            return sent(b"cluster_state:ok\r\ncluster_current_epoch:%d\r\n" % self.epoch)
        if words[0] == b"GET":
            return self.get(next(self.gets))
        return self.other(words)


class Elsewhere(Scripted):
    """A server on another address of this machine, which has seen nobody if all is well."""

    host = "127.0.0.2"


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Give a port at which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def once(bad: bytes) -> Callable[[int], bytes]:
    return lambda number: bad if number == 1 else sent("1")


def asks(colour: Any, node: Node, **settings: Any) -> Any:
    return colour.make("ClusterClient", [node.url], OPTIONS, **settings)


def watched(colour: Any, client: Any) -> Any:
    """Run a transaction that watches the key; return what it brought."""
    if colour.name == "sync":
        with client.redis.pipeline() as queue:
            queue.watch(KEY)
            queue.multi()
            queue.set(KEY, "x")
            return queue.execute()

    async def main() -> Any:
        async with client._cache.redis.pipeline() as queue:
            await queue.watch(KEY)
            queue.multi()
            queue.set(KEY, "x")
            return await queue.execute()

    return colour.loop.run_until_complete(main())


def links_of(client: Any) -> list[Any]:
    return list(getattr(client, "_cache", client)._links_in_use())


BAD = {
    "port 70000": b"-MOVED %d 127.0.0.1:70000\r\n" % SLOT,
    "ask of port 70000": b"-ASK %d 127.0.0.1:70000\r\n" % SLOT,
    "port -1": b"-MOVED %d 127.0.0.1:-1\r\n" % SLOT,
    "slot 16384": b"-MOVED 16384 127.0.0.1:7\r\n",
    "slot -1": b"-MOVED -1 127.0.0.1:7\r\n",
    "huge slot": b"-MOVED 99999999999999999999 127.0.0.1:7\r\n",
    "another slot": b"-MOVED %d 127.0.0.1:7\r\n" % (SLOT + 1),
    "ask for another slot": b"-ASK %d 127.0.0.1:7\r\n" % (SLOT + 1),
    "no host": b"-MOVED %d a b:7\r\n" % SLOT,
    "a path": b"-MOVED %d /etc/passwd:7\r\n" % SLOT,
    "dots": b"-MOVED %d x..y:7\r\n" % SLOT,
    "bytes": b"-MOVED %d \xff\xfe:7\r\n" % SLOT,
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_redirect_is_looked_into_and_leaves_no_trace(what: str, colour: Any) -> None:
    with Node(once(BAD[what])) as node:
        client = asks(colour, node)
        for _ in range(3):
            assert client.execute(strings.get(KEY)) == b"1"
        assert client.execute_many([strings.get(KEY)] * 2) == [b"1", b"1"]
        assert [str(one) for one in client.map.topology.nodes()] == [f"127.0.0.1:{node.port}"]
        assert node.asked(b"GET") == 6


@pytest.mark.parametrize(
    "what", some_everyday(["port 70000", "another slot", "ask for another slot", "no host"], 2)
)
def test_a_redirect_that_stays_bad_fails_the_call_and_no_other(what: str, colour: Any) -> None:
    bad = [True]
    with Node(lambda number: BAD[what] if bad[0] else sent("1")) as node:
        client = asks(colour, node)
        with pytest.raises((BadRedirect, BadAddress)) as caught:
            client.execute(strings.get(KEY))
        assert isinstance(caught.value, PoolError)
        assert isinstance(caught.value, RedisError)
        assert node.asked(b"GET") == OPTIONS.retry.attempts
        one, other = client.execute_many([strings.get(KEY), strings.set(KEY, b"x")])
        assert isinstance(one, BadRedirect | BadAddress)
        assert other is True
        (failed,) = client.get_many([KEY])
        assert isinstance(failed, BadRedirect | BadAddress)
        bad[0] = False
        assert client.execute(strings.get(KEY)) == b"1"


def test_what_a_node_says_of_another_shards_slot_is_not_believed(colour: Any) -> None:
    here, there = (
        next(b"k%d" % n for n in range(99) if low <= slot_of(b"k%d" % n) < low + 8192)
        for low in (0, 8192)
    )
    with Elsewhere(lambda words: sent("666")) as thief:
        nodes: list[Node] = []
        view = lambda look: [  # noqa: E731
            nodes[0].row(last=8191),
            nodes[1].row(first=8192),
        ]
        evil = b"-MOVED %d 127.0.0.2:%d\r\n" % (slot_of(there), thief.port)
        nodes += [Node(once(evil), view), Node(slots=view)]
        with nodes[0], nodes[1]:
            client = asks(colour, nodes[0])
            for _ in range(2):
                assert client.execute(strings.get(here)) == b"1"
                assert client.execute(strings.get(there)) == b"1"
        assert thief.accepted == 0


def test_a_node_cannot_make_a_replica_of_another_shard_lead_it(colour: Any) -> None:
    """It says so of a slot of its own, and that alone moves."""
    key = next(b"k%d" % n for n in range(99) if slot_of(b"k%d" % n) < 8192)
    other = next(b"k%d" % n for n in range(99) if slot_of(b"k%d" % n) >= 8192)
    nodes: list[Node] = []

    def view(look: int) -> list[Any]:
        replica = ["127.0.0.1", nodes[2].port, f"id-{nodes[2].port}"]
        return [nodes[0].row(last=8191), nodes[1].row(replica, first=8192)]

    def evil(number: int) -> bytes:
        return b"-MOVED %d 127.0.0.1:%d\r\n" % (slot_of(key), nodes[2].port)

    nodes += [Node(evil, view), Node(slots=view), Node(lambda number: sent("2"), view)]
    with nodes[0], nodes[1], nodes[2]:
        client = asks(colour, nodes[0])
        assert client.execute(strings.get(other)) == b"1"
        assert client.execute(strings.get(key)) == b"2"
        assert client.execute(strings.get(other)) == b"1"


@pytest.mark.parametrize(
    "member", some_everyday([["127.0.0.1", 70000], ["a b", 7], ["h", "x"], [5, 7], []], 3)
)
def test_a_map_with_nonsense_in_it_is_not_adopted_and_is_looked_at_again(
    member: list[Any], colour: Any
) -> None:
    with Node() as node:
        node.slots = lambda look: [node.row(member)] if look == 2 else [node.row()]
        client = asks(colour, node)
        assert client.execute(strings.get(KEY)) == b"1"
        colour.plain(client)
        for _ in range(3):
            client.map.want(time.monotonic(), 0.5)
            looks = node.asked(b"CLUSTER")
            eventually(
                lambda looks=looks: (
                    client.execute(strings.get(KEY)) == b"1" and node.asked(b"CLUSTER") > looks
                ),
                what="another look",
            )
        assert client.execute(strings.get(KEY)) == b"1"


def test_a_first_map_with_nonsense_in_it_fails_the_first_call_only(colour: Any) -> None:
    with Node() as node:
        bad = [node.row(["127.0.0.1", 70000, "id"])]
        node.slots = lambda look: bad if look == 1 else [node.row()]
        client = asks(colour, node)
        with pytest.raises(ClusterUnreachable, match=r"the address 127\.0\.0\.1:70000") as caught:
            client.execute(strings.get(KEY))
        assert isinstance(caught.value, PoolError)
        assert client.execute(strings.get(KEY)) == b"1"


def test_a_map_of_a_hundred_thousand_nodes_is_refused(colour: Any) -> None:
    with Node() as node:
        many = [[f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 7000, "x"] for n in range(100_000)]
        node.slots = lambda look: [node.row(*many)]
        client = asks(colour, node)
        with pytest.raises(ClusterUnreachable, match="more than 10000 nodes"):
            client.execute(strings.get(KEY))
        assert len(links_of(client)) <= 1


@pytest.mark.parametrize("agrees", [False, True])
def test_redirects_to_where_nobody_is_are_followed_a_handful_of_times(
    agrees: bool, colour: Any
) -> None:
    with closed_port() as port, Node() as node:
        node.get = lambda number: b"-MOVED %d 127.0.0.1:%d\r\n" % (SLOT, port)
        if agrees:
            away = [0, 16383, ["127.0.0.1", port, f"id-{port}"]]
            node.slots = lambda look: [node.row()] if look == 1 else [away]
        client = asks(colour, node)
        with pytest.raises(PoolError):
            client.execute(strings.get(KEY))
        assert node.asked(b"GET") <= REDIRECTS + OPTIONS.retry.attempts
        assert node.asked(b"CLUSTER") <= 2 * (REDIRECTS + OPTIONS.retry.attempts)
        before = node.asked(b"GET")
        failed = client.execute_many([strings.get(KEY)] * 10)
        assert all(isinstance(one, Exception) for one in failed)
        assert node.asked(b"GET") - before <= 10 * (REDIRECTS + OPTIONS.retry.attempts)


def test_ever_new_redirects_leave_only_so_many_servers_behind(colour: Any) -> None:
    ports = itertools.count(30_000)
    with Node() as node:
        node.get = lambda number: b"-MOVED %d 127.0.0.2:%d\r\n" % (SLOT, next(ports))
        client = asks(colour, node)
        for _ in range(30):
            with pytest.raises(PoolError):
                client.execute(strings.get(KEY), timeout=0.2)
        assert len(client.map.topology.shards) <= 66
        assert len(links_of(client)) <= 132


# -- one answer, and what comes after it


def test_two_nodes_that_redirect_to_each_other_are_given_up_on(colour: Any) -> None:
    here, there = Node(), Node()
    with here, there:
        for one, other in ((here, there), (there, here)):
            one.slots = lambda look: [here.row(last=8191), there.row(first=8192)]
            one.get = lambda number, other=other: b"-MOVED %d 127.0.0.1:%d\r\n" % (SLOT, other.port)
        client = asks(colour, here)
        with pytest.raises(BadRedirect, match=f"the call has followed {REDIRECTS}"):
            client.execute(strings.get(KEY))
        assert here.asked(b"GET") + there.asked(b"GET") == REDIRECTS + 1


def test_an_epoch_that_one_answer_made_up_does_not_last(colour: Any) -> None:
    """The map that came with it names a server that is not there; all later ones are right."""
    with closed_port() as port, Node() as node:
        away = [0, 16383, ["127.0.0.1", port, f"id-{node.port}"]]

        def slots(look: int) -> list[Any]:
            node.epoch = 10**15 if look == 2 else 1
            return [away] if look == 2 else [node.row()]

        node.slots = slots
        client = asks(colour, node)
        assert client.execute(strings.get(KEY)) == b"1"
        client.map.want(time.monotonic(), 0.5)

        def asked() -> bool:
            with contextlib.suppress(PoolError):
                client.execute(strings.get(KEY), timeout=0.2)
            return node.asked(b"CLUSTER") >= 4

        eventually(asked, what="the second look")

        def answered() -> bool:
            with contextlib.suppress(PoolError):
                return bool(client.execute(strings.get(KEY), timeout=0.5) == b"1")
            return False

        eventually(answered, 20, what="a right answer")


def test_a_redirect_that_unmasks_a_replica_is_read_like_any_other(colour: Any) -> None:
    """A script that met READONLY there: the server was asked whether it leads, and lied."""
    options = ClientOptions(timeout=3.0, read_from="nearest", pool=PoolOptions(connect_timeout=0.5))
    evals = itertools.count(1)

    def said(words: Words) -> bytes:
        if words[0] == b"EVAL":
            return b"-READONLY no\r\n" if next(evals) == 1 else b":1\r\n"
        if words[0] == b"SETRANGE":
            return b"-MOVED %d 127.0.0.1:70000\r\n" % SLOT
        return b"+OK\r\n"

    with Node(other=said) as node:
        client = colour.make("ClusterClient", [node.url], options)
        script = Command(("EVAL", "return 1", 1, KEY), spec_for(("EVAL", "return 1", 1, KEY)))
        assert client.execute_many([strings.set(KEY, b"x"), script, strings.get(KEY)]) == [
            True,
            1,
            b"1",
        ]
        assert node.asked(b"EVAL") == 2


def test_a_remap_function_that_fails_now_and_then_fails_no_other_command(colour: Any) -> None:
    calls = itertools.count()

    def remap(host: str, port: int) -> tuple[str, int]:
        if host == "10.0.0.9" and next(calls) % 2:
            raise KeyError(host)
        return "127.0.0.1", node.port

    moved = b"-MOVED %d 10.0.0.9:7\r\n" % SLOT
    with Node(lambda number: moved if number < 3 else sent("1")) as node:
        client = asks(colour, node, address_remap=remap)
        assert client.execute_many([strings.get(KEY), strings.set(KEY, b"x")]) == [b"1", True]


@pytest.mark.parametrize(
    "bad",
    [
        b"-MOVED %d 127.0.0.1:70000\r\n" % SLOT,
        b"-MOVED %d h\r\n" % SLOT,
        b"-MOVED 16384 127.0.0.1:7\r\n",
        b"-MOVED %d 127.0.0.1:7\r\n" % (SLOT + 1),
        b"-ASK %d 127.0.0.1:7\r\n" % SLOT,
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_watching_looks_into_a_bad_redirect_once(bad: bytes, again: bool, colour: Any) -> None:
    watches = itertools.count(1)
    replies = {b"MULTI": b"+OK\r\n", b"SET": b"+QUEUED\r\n", b"EXEC": b"*1\r\n+OK\r\n"}

    def said(words: Words) -> bytes:
        if words[0] == b"WATCH":
            return bad if again or next(watches) == 1 else b"+OK\r\n"
        return replies.get(words[0], b"+OK\r\n")

    with Node(other=said) as node:
        client = asks(colour, node)
        if not again:
            assert watched(colour, client) == [True]
            return
        with pytest.raises((BadRedirect, BadAddress)):
            watched(colour, client)
        assert node.asked(b"WATCH") <= REDIRECTS + 1
        assert node.asked(b"EXEC") == 0


@pytest.mark.parametrize("word", [b"MOVED", b"ASK"])
@pytest.mark.parametrize("at", [b"SET", b"EXEC"])
def test_a_watched_transaction_that_is_redirected_fails_once(
    word: bytes, at: bytes, colour: Any
) -> None:
    """`transaction` tries for ever after a WatchError, and a node may redirect for ever."""
    replies = {b"SET": b"+QUEUED\r\n", b"EXEC": b"-EXECABORT no\r\n"}
    with Node() as node:
        replies[at] = b"-%b %d 127.0.0.1:%d\r\n" % (word, SLOT, node.port)
        node.other = lambda words: replies.get(words[0], b"+OK\r\n")
        client = asks(colour, node)
        with pytest.raises(BadRedirect, match=f"{word.decode()} {SLOT} .* stays on the connection"):
            watched(colour, client)
        assert node.asked(b"WATCH") == 1

        def looked() -> bool:
            client.execute(strings.get(KEY))
            return node.asked(b"CLUSTER") >= 4

        eventually(looked, what="another look at the map")


# -- which hosts


def test_nothing_is_sent_to_a_host_that_is_not_allowed(colour: Any) -> None:
    with Elsewhere(lambda words: sent("666")) as thief, Node() as node:
        for word in (b"MOVED", b"ASK"):
            node.get = lambda number, word=word: (
                b"-%s %d 127.0.0.2:%d\r\n"
                % (
                    word,
                    SLOT,
                    thief.port,
                )
            )
            endpoint = Endpoint(host="127.0.0.1", port=node.port, password=PASSWORD)
            client = colour.make("ClusterClient", [endpoint], OPTIONS, allowed_hosts=["10.0.0.0/8"])
            with pytest.raises(BadAddress, match="not among the allowed hosts"):
                client.execute(strings.get(KEY))
        node.slots = lambda look: [node.row(["127.0.0.2", thief.port, "id"])]
        client = colour.make("ClusterClient", [endpoint], OPTIONS, allowed_hosts=[])
        with pytest.raises(ClusterUnreachable, match="not among the allowed hosts"):
            client.execute(strings.get(KEY))
        assert thief.accepted == 0
        allowed = colour.make("ClusterClient", [endpoint], OPTIONS, allowed_hosts=["127.0.0.0/8"])
        node.slots = None
        assert allowed.execute(strings.get(KEY)) == b"666"


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), None])
def test_a_remap_function_that_fails_is_named_in_the_error(
    error: Exception | None, colour: Any
) -> None:
    def remap(host: str, port: int) -> Any:
        if host == "10.0.0.9":
            if error is not None:
                raise error
            return None
        return host, port

    with Node(once(b"-MOVED %d 10.0.0.9:7\r\n" % SLOT)) as node:
        client = asks(colour, node, address_remap=remap)
        assert client.execute(strings.get(KEY)) == b"1"
        node.get = lambda number: b"-MOVED %d 10.0.0.9:7\r\n" % SLOT
        with pytest.raises(RemapFailed, match=r"ADDRESS_REMAP cannot turn 10\.0\.0\.9:7"):
            client.execute(strings.get(KEY))
        node.slots = lambda look: [node.row(["10.0.0.9", 7, "id"])]
        client = asks(colour, node, address_remap=remap)
        with pytest.raises(ClusterUnreachable, match="ADDRESS_REMAP"):
            client.execute(strings.get(KEY))


# -- scans


def endless(cursors: Callable[[], object]) -> Callable[[Words], bytes]:
    def reply(words: Words) -> bytes:
        if words[0] in (b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN"):
            found = [":1:a"] if words[0] == b"SCAN" else ["1", "2"]
            return sent([str(next(cursors)), found])  # type: ignore[call-overload]
        return b":0\r\n"

    return reply


SCANS: dict[str, Callable[[Any], Any]] = {
    "keys": lambda cache: cache.keys(),
    "iter_keys": lambda cache: list(cache.iter_keys()),
    "delete_pattern": lambda cache: cache.delete_pattern("a*"),
    "clear": lambda cache: cache.clear(),
    "hscan_iter": lambda cache: list(cache.hscan_iter("h")),
    "sscan_iter": lambda cache: list(cache.sscan_iter("s")),
    "zscan_iter": lambda cache: list(cache.zscan_iter("z")),
}


def cache_on(colour: Any, client: Any) -> Any:
    kind = getattr(cachex_client, f"{colour.prefix}Cache")
    return colour.plain(kind(getattr(client, "_cache", client), Keys()))


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_that_goes_in_circles_is_given_up(name: str, colour: Any) -> None:
    with Scripted(endless(itertools.cycle([5, 9, 7]))) as server:
        cache = cache_on(colour, colour.make("DefaultClient", [server.url], OPTIONS))
        with pytest.raises(ScanAborted, match="came 8 times again"):
            SCANS[name](cache)
        assert sum(b"SCAN" in words[0] for words in server.commands) < 100


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_without_an_end_is_given_up_when_its_time_is_over(name: str, colour: Any) -> None:
    with Scripted(endless(itertools.count(1))) as server:
        options = ClientOptions(scan_timeout=0.05)
        cache = cache_on(colour, colour.make("DefaultClient", [server.url], options))
        with pytest.raises(ScanAborted, match=r"steps took 0\.\d+ s, and 0\.05 s are allowed"):
            SCANS[name](cache)


# -- Sentinels


class Sentinel(Scripted):
    """A Sentinel that says what it is told, `delay` seconds late."""

    def __init__(
        self,
        primary: Scripted,
        replicas: list[Scripted] | None = None,
        epoch: int = 1,
        delay: float = 0.0,
    ) -> None:
        self.primary, self.replicas, self.epoch = primary, replicas or [], epoch
        self.delay = delay
        self.told: Any = None
        super().__init__(self._said)

    def _of(self, server: Scripted, flags: str) -> list[str]:
        facts = {
            "ip": server.host,
            "port": server.port,
            "flags": flags,
            "config-epoch": self.epoch,
            "role-reported": flags,
        }
        return [str(word) for pair in facts.items() for word in pair]

    def _said(self, words: Words) -> bytes:
        what = words[1].upper() if len(words) > 1 else b""
        if words[0] == b"SENTINEL" and what == b"MASTER":
            threading.Event().wait(self.delay)
            return sent(self.told or self._of(self.primary, "master"))
        if words[0] == b"SENTINEL":
            return sent([self._of(one, "slave") for one in self.replicas])
        if words[0] == b"SUBSCRIBE":
            return b"".join(
                b">3\r\n" + sent("subscribe") + sent(name) + sent(number + 1)
                for number, name in enumerate(words[1:])
            )
        return b"+PONG\r\n"


class Server(Scripted):
    """A server of a service; `follows` is whether it says that it is a replica."""

    def __init__(self, value: str, *, follows: bool = False) -> None:
        self.value, self.follows = value, follows
        self.lists: list[Scripted] = []
        super().__init__(self._said)

    def _said(self, words: Words) -> bytes:
        if words[0] == b"ROLE" and self.follows:
            return sent(["slave", "127.0.0.1", 7, "connected", 100])
        if words[0] == b"ROLE":
            return sent(["master", 100, [[one.host, str(one.port), "100"] for one in self.lists]])
        return sent(self.value) if words[0] == b"GET" else b"+OK\r\n"


class Thief(Server):
    host = "127.0.0.2"


@contextlib.contextmanager
def running(*servers: Scripted) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for one in servers:
            stack.enter_context(one)
        yield


def service(colour: Any, sentinels: list[Sentinel], **settings: Any) -> Any:
    seeds = [Endpoint(host=one.host, port=one.port) for one in sentinels]
    pattern = Endpoint(password=PASSWORD)
    map = SentinelMap("service", seeds, pattern, listen=False, **settings)
    options = ClientOptions(read_from="replica_preferred", read_your_writes=0, timeout=5.0)
    return colour.make("SentinelClient", map, options)


def read(client: Any) -> Any:
    return client.execute(strings.get(KEY))


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_a_sentinel_that_is_quicker_than_the_others_decides_nothing(
    delay: float, colour: Any
) -> None:
    primary, thief = Server("1"), Thief("666")
    honest = [Sentinel(primary, delay=delay) for _ in range(2)]
    liar = Sentinel(thief, epoch=10**9)
    with running(primary, thief, liar, *honest):
        client = service(colour, [liar, *honest])
        assert [read(client) for _ in range(3)] == [b"1"] * 3
        assert thief.accepted == 0


def test_a_replica_that_one_sentinel_names_is_not_even_connected_to(colour: Any) -> None:
    primary, replica, thief = Server("1"), Server("2", follows=True), Thief("666", follows=True)
    honest = [Sentinel(primary, [replica]) for _ in range(2)]
    liar = Sentinel(primary, [replica, thief])
    with running(primary, replica, thief, liar, *honest):
        client = service(colour, [liar, *honest])
        eventually(lambda: read(client) == b"2", what="a read from the replica")
        assert {read(client) for _ in range(20)} <= {b"1", b"2"}
        assert thief.accepted == 0


def test_a_replica_that_the_primary_lists_is_used_though_one_sentinel_alone_names_it(
    colour: Any,
) -> None:
    primary, replica = Server("1"), Server("2", follows=True)
    primary.lists = [replica]
    late, knows = [Sentinel(primary) for _ in range(2)], Sentinel(primary, [replica])
    with running(primary, replica, knows, *late):
        client = service(colour, [knows, *late])

        def from_replica() -> bool:
            client.map.want(time.monotonic())
            return bool(read(client) == b"2")

        eventually(from_replica, what="a read from the replica")


def test_a_replica_that_says_it_leads_is_not_read_from(colour: Any) -> None:
    primary, other = Server("1"), Server("2")
    sentinels = [Sentinel(primary, [other]) for _ in range(3)]
    with running(primary, other, *sentinels):
        client = service(colour, sentinels)
        assert {read(client) for _ in range(10)} == {b"1"}


def test_fewer_sentinels_decide_once_all_others_have_failed(colour: Any) -> None:
    primary = Server("1")
    with closed_port() as gone, closed_port() as away:
        sentinel = Sentinel(primary)
        with running(primary, sentinel):
            seeds = [Endpoint(port=port) for port in (gone, away, sentinel.port)]
            map = SentinelMap("service", seeds, listen=False)
            assert read(colour.make("SentinelClient", map, OPTIONS)) == b"1"


def test_sentinels_that_disagree_decide_nothing_and_the_error_says_who_says_what(
    colour: Any,
) -> None:
    one, other = Server("1"), Thief("2")
    sentinels = [Sentinel(one), Sentinel(other, epoch=9)]
    with running(one, other, *sentinels):
        client = service(colour, sentinels, ask_within=0.3)
        with pytest.raises(ClusterUnreachable, match="do not agree who leads 'service'") as caught:
            read(client)
        (error,) = [e for e in caught.value.errors if isinstance(e, SentinelsDisagree)]
        assert sorted(error.named.values()) == [1, 1]
        assert one.accepted == other.accepted == 0
        sentinels[1].primary = one
        eventually(lambda: read(client) == b"1", ignore=(PoolError, RedisError), what="agreement")


@pytest.mark.parametrize(
    "told",
    [
        ["ip", "127.0.0.1", "port", "70000"],
        ["ip", "a b", "port", "7"],
        ["ip", "127.0.0.1"],
        [5, 6, 7],
        "x",
        5,
    ],
)
def test_a_sentinel_that_talks_nonsense_counts_as_one_that_failed(told: Any, colour: Any) -> None:
    primary = Server("1")
    sentinels = [Sentinel(primary) for _ in range(3)]
    sentinels[0].told = told
    with running(primary, *sentinels):
        assert read(service(colour, sentinels)) == b"1"
        for one in sentinels:
            one.told = told
        with pytest.raises(ClusterUnreachable, match="asked for the service 'service'"):
            read(service(colour, sentinels))


def test_sentinels_name_only_hosts_that_are_allowed(colour: Any) -> None:
    thief = Thief("666")
    sentinels = [Sentinel(thief) for _ in range(3)]
    with running(thief, *sentinels):
        with pytest.raises(ClusterUnreachable, match="not among the allowed hosts"):
            read(service(colour, sentinels, allowed_hosts=["10.0.0.0/8"]))
        assert thief.accepted == 0
        assert read(service(colour, sentinels, allowed_hosts=["127.0.0.2"])) == b"666"


def test_allowed_hosts_are_read_from_options() -> None:
    options = {
        "CLIENT_CLASS": "django_cachex.client.ClusterClient",
        "ALLOWED_HOSTS": [".test", "10.0.0.0/8"],
    }
    entry: dict[str, Any] = {"LOCATION": "redis://seed", "OPTIONS": options}
    cache = cachex_client.Cache.from_config(entry)
    assert cache.client.map._rules.allowed.allowed == (".test", "10.0.0.0/8")  # type: ignore[attr-defined]
    options["ALLOWED_HOSTS"] = ["10.0.0.1/8"]
    with pytest.raises(ConfigurationError, match=r"\['ALLOWED_HOSTS'\]: expected a list of host"):
        cachex_client.Cache.from_config(entry)
