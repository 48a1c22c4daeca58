"""A service that Sentinels watch, as its users see it while all is well."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import (
    ClientOptions,
    ClusterUnreachable,
    ConfigurationError,
    SentinelClient,
    SentinelMap,
)
from cachex_client._concurrency import last_write
from cachex_client.commands import strings
from cachex_pool import Endpoint
from cachex_pool.redis_py import RedisPyPubSub
from support.clients import map_of, seeds_of
from support.leaks import no_leaks
from support.proxy import Proxies
from support.scripted import Scripted
from support.servers import Sentinels
from support.silence import unanswering
from support.waiting import eventually, lasting


def options(**settings: Any) -> ClientOptions:
    return ClientOptions(read_from=settings.pop("read_from", "primary"), **settings)


def test_a_sentinel_that_is_gone_when_it_is_sent_a_ping_is_called_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Subscriber(RedisPyPubSub):
        def ping(self, *arguments: Any) -> Any:
            self.connection._sock.shutdown(socket.SHUT_RDWR)
            return super().ping(*arguments)

    monkeypatch.setattr("cachex_client.sentinel_map.RedisPyPubSub", Subscriber)
    monkeypatch.setattr("cachex_client.sentinel_map.PING_EVERY", 1.0)

    def reply(words: tuple[bytes, ...]) -> bytes:
        said = b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:1\r\n"
        return b"".join(said % (len(one), one) for one in words[1:])

    with Scripted(reply) as sentinel:
        map = SentinelMap("any", [Endpoint(host=sentinel.host, port=sentinel.port)])
        map.listen()
        eventually(lambda: [words[0] for words in sentinel.commands].count(b"SUBSCRIBE") > 1, 30)
        assert sentinel.accepted > 1
    del map


@pytest.fixture
def client(colour: Any, sentinels: Sentinels) -> Any:
    return colour.make("SentinelClient", map_of(sentinels), options())


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cachex-listener"]


@pytest.fixture(autouse=True)
def nobody_listens_afterwards() -> Iterator[None]:
    yield

    def gone() -> bool:
        gc.collect()
        return not listeners()

    eventually(gone, 30, what="the listeners' end")


def test_the_verbs_of_a_cache_work(client: Any, colour: Any) -> None:
    cache = colour.cache(client)
    assert cache.set_many({f"key-{n}": n for n in range(30)}) == []
    assert len(cache.get_many([f"key-{n}" for n in range(30)])) == 30
    assert cache.incr("key-1") == 2
    assert len(cache.keys("key-*")) == 30
    assert cache.delete_many(["key-1", "key-2"]) == 2
    assert cache.clear() == 28
    cache.set("a", 1)
    cache.flush_db()
    assert cache.get("a") is None
    assert colour.plain(client.redis).ping() is True


def test_the_view_shows_who_leads(client: Any, sentinels: Sentinels) -> None:
    assert client.view().nodes == ()
    client.execute(strings.get(b"a"))
    view = client.view()
    assert view.kind == "sentinel"
    first, *others = view.nodes
    assert (first.role, first.name) == ("primary", f"127.0.0.1:{sentinels.primary.port}/0")
    assert {node.role for node in others} <= {"replica"}


def test_reads_may_go_to_replicas(colour: Any, sentinels: Sentinels) -> None:
    client = colour.make("SentinelClient", map_of(sentinels), options(read_from="replica"))
    sentinels.primary.command("SET", "a", "1")
    sentinels.primary.command("WAIT", 2, 1000)
    last_write.set(0.0)
    for _ in range(6):
        assert client.execute(strings.get(b"a")) == b"1"
    assert [server.commands_seen()["GET"] for server in sentinels.replicas] == [3, 3]


@pytest.mark.timing
def test_a_dead_sentinel_costs_nothing_visible(colour: Any, sentinels: Sentinels) -> None:
    sentinels.sentinels[0].pause()
    client = colour.make("SentinelClient", map_of(sentinels, listen=False), options())
    with lasting(0, 0.15):  # 0.05, and the time to start and to connect everything
        client.execute(strings.set(b"a", b"1"))


@pytest.mark.timing
def test_where_most_sentinels_are_silent_they_are_waited_for_and_then_the_others_decide(
    colour: Any, sentinels: Sentinels
) -> None:
    with unanswering() as (host, port):
        seeds = [Endpoint(host=host, port=port), Endpoint(port=1), *seeds_of(sentinels)[:1]]
        map = SentinelMap(sentinels.name, seeds, listen=False, ask_within=0.3)
        client = colour.make("SentinelClient", map, options())
        with lasting(0.25, 0.6):
            client.execute(strings.set(b"a", b"1"))
    for sentinel in sentinels.sentinels[:2]:
        sentinel.pause()
    map = SentinelMap(sentinels.name, seeds_of(sentinels), listen=False, ask_within=0.3)
    client = colour.make("SentinelClient", map, options())
    with lasting(0.25, 0.6):
        client.execute(strings.set(b"a", b"1"))


def test_a_wrong_name_is_said_to_be_wrong(colour: Any, sentinels: Sentinels) -> None:
    map = SentinelMap("nobody", seeds_of(sentinels), listen=False)
    client = colour.make("SentinelClient", map, options())
    with pytest.raises(ClusterUnreachable, match=r"'nobody'.*No such master"):
        client.execute(strings.get(b"a"))
    with pytest.raises(ConfigurationError, match="name of the service"):
        SentinelMap("", seeds_of(sentinels))
    with pytest.raises(ConfigurationError, match="at least one Sentinel"):
        SentinelMap("name", [])


@pytest.mark.timing
def test_looking_for_the_primary_ends_with_the_callers_deadline(colour: Any) -> None:
    with unanswering() as (host, port):
        map = SentinelMap("any", [Endpoint(host=host, port=port)], listen=False)
        client = colour.make("SentinelClient", map, options())
        too_late = pytest.raises(redis.TimeoutError, match="asking the Sentinels")
        with lasting(0, 0.3), too_late:
            client.execute(strings.get(b"a"), timeout=0.1)


def _pairs(**fields: object) -> bytes:
    words = [str(word).encode() for pair in fields.items() for word in pair]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def sentinel_that_names(port: int, epoch: int = 0) -> Scripted:
    def reply(words: tuple[bytes, ...]) -> bytes:
        if words[:2] == (b"SENTINEL", b"MASTER"):
            fields = {"ip": "127.0.0.1", "port": port, "flags": "master", "config-epoch": epoch}
            return _pairs(**fields)
        return b"*0\r\n"

    return Scripted(reply)


def test_a_replica_is_not_adopted_whoever_names_it(colour: Any, sentinels: Sentinels) -> None:
    replica = sentinels.replicas[0]
    with sentinel_that_names(replica.port) as liar:
        seeds = [Endpoint(port=liar.port)]
        client = colour.make("SentinelClient", SentinelMap("x", seeds, listen=False), options())
        with pytest.raises(ClusterUnreachable, match="is a replica"):
            client.execute(strings.set(b"a", b"1"))


def test_a_sentinel_that_lives_in_the_past_is_outvoted(
    colour: Any, sentinels: Sentinels, standalone: Any
) -> None:
    with sentinel_that_names(standalone.port) as liar:
        seeds = [Endpoint(port=liar.port), *seeds_of(sentinels)[:2]]
        map = SentinelMap(sentinels.name, seeds, listen=False)
        client = colour.make("SentinelClient", map, options())
        primary = sentinels.primary.port
        for _ in range(5):
            client.execute(strings.set(b"a", b"1"))
            assert map.opinion is not None
            assert map.opinion.primary.port == primary
            map.want(0.0)
            time.sleep(0.12)


def test_a_remapped_service_is_reached_by_its_outside_addresses(
    colour: Any, sentinels: Sentinels
) -> None:
    with Proxies(sentinels.servers) as proxies:
        seeds = [Endpoint(port=proxies[one].port) for one in sentinels.sentinels]
        map = SentinelMap(sentinels.name, seeds, address_remap=proxies.remap, listen=False)
        client = colour.make("SentinelClient", map, options())
        client.execute(strings.set(b"a", b"1"))
        assert proxies[sentinels.primary].count("SET") == 1


def test_servers_and_sentinels_may_want_different_users(colour: Any, sentinels: Sentinels) -> None:
    for server in sentinels.sentinels:
        server.command("ACL", "SETUSER", "asks", "on", ">word", "~*", "&*", "+@all")
        server.command("ACL", "SETUSER", "default", "-@all")
    for server in sentinels.nodes:
        server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
    try:
        seeds = [
            Endpoint(host=host, port=port, username="asks", password="word")
            for host, port in sentinels.addresses
        ]
        pattern = Endpoint(username="app", password="secret")
        map = SentinelMap(sentinels.name, seeds, pattern)
        client = colour.make("SentinelClient", map, options())
        assert client.execute(strings.set(b"a", b"1")) is True
        assert {one["user"] for one in sentinels.primary.clients() if one["user"] != "default"} == {
            "app"
        }
        wrong = SentinelMap(sentinels.name, seeds_of(sentinels), pattern, listen=False)
        refused = colour.make("SentinelClient", wrong, options())
        with pytest.raises(ClusterUnreachable, match=r"NOPERM|no permissions|permission"):
            refused.execute(strings.get(b"a"))
    finally:
        for server in sentinels.sentinels:
            server.command("ACL", "SETUSER", "default", "+@all")
            server.command("ACL", "DELUSER", "asks")


def test_clients_that_share_a_map_ask_once(sentinels: Sentinels) -> None:
    with Proxies(sentinels.servers) as proxies:
        seeds = [Endpoint(port=proxies[one].port) for one in sentinels.sentinels]
        map = SentinelMap(sentinels.name, seeds, listen=False)
        clients = [SentinelClient(map, options()) for _ in range(3)]
        threads = [
            threading.Thread(target=clients[n % 3].execute, args=(strings.get(b"a"),))
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert proxies.count("SENTINEL MASTER") <= 3
        assert map.schedule.count == 1
        for client in clients:
            client.close()


def test_listening_ends_with_the_last_client(sentinels: Sentinels) -> None:
    with no_leaks(4):
        map = map_of(sentinels)
        one, other = SentinelClient(map, options()), SentinelClient(map, options())
        one.redis.set("a", 1)
        other.redis.set("a", 1)
        assert len(listeners()) == 3
        one.close()
        time.sleep(1.5)
        assert len(listeners()) == 3
        other.close()
        eventually(lambda: not listeners(), 30)


def test_forgotten_clients_leave_no_threads(sentinels: Sentinels) -> None:
    client = SentinelClient(map_of(sentinels), options())
    client.redis.set("a", 1)
    assert len(listeners()) == 3
    for link in (*client._links.links.values(), *client._links._sentinels):
        link.close()
    del client, link

    def gone() -> bool:
        gc.collect()  # again and again: a look for the primary may hold what it asks until its end
        return not listeners()

    eventually(gone, 30)


def test_a_child_process_listens_and_works(sentinels: Sentinels, fork: Callable[[], int]) -> None:
    client = SentinelClient(map_of(sentinels), options())
    client.redis.set("a", 1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with client.map._lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    before = listeners()

    def new() -> list[threading.Thread]:  # after a fork in C, those of the parent are listed, too
        return [one for one in listeners() if one not in before]

    child = fork()
    if child == 0:
        status = 1
        try:
            works = client.redis.get("a") == b"1" and client.redis.incr("n") == 1
            until = time.monotonic() + 20
            while len(new()) < 3 and time.monotonic() < until:
                client.redis.get("a")
                time.sleep(0.01)
            status = 0 if works and len(new()) == 3 else 2
        finally:
            os._exit(status)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.close()


def test_publishing_works_before_anything_else_was_asked(sentinels: Sentinels) -> None:
    client = SentinelClient(map_of(sentinels, listen=False), options())
    pubsub = client.redis.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("news")
    pubsub.get_message(timeout=1)
    client.redis.publish("news", "x")
    message = pubsub.get_message(timeout=2) or {}
    assert message["data"] == b"x"
    pubsub.close()
    client.close()
