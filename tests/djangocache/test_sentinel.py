"""Caches on a service that Sentinels watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import caches

from cachex_client import ClusterUnreachable, SentinelRefused
from django_cachex import get_async_redis_connection, get_redis_connection, warm_up
from django_cachex.errors import CacheIsReadOnly
from django_cachex.failures import may_be_ignored
from djangocache import project
from djangocache.verbs import READS, WRITES
from support.proxy import MakeProxy
from support.servers import Sentinels, Server
from support.tls import Authority, TlsServer
from support.waiting import eventually, lasting

Make = Callable[..., Any]

SECRET = "s3cr3t-Pa55"


@pytest.fixture
def make(sentinels: Sentinels, make_cache: Make) -> Make:
    """Make a cache of the service; `queries` are the ends of its URLs."""

    def make(*queries: str, alias: str = "default", **options: Any) -> Any:
        given = {
            "client_class": "django_cachex.client.SentinelClient",
            "sentinels": sentinels.addresses,
            "socket_connect_timeout": 3,  # machines may be busy
            **options,
        }
        urls = [f"redis://{sentinels.name}/0{query}" for query in queries or ("",)]
        return make_cache(urls if len(urls) > 1 else urls[0], alias=alias, **given)

    return make


def reads(server: Server) -> int:
    return server.commands_seen()["GET"]


def test_the_page_of_the_sentinel_client_works_as_printed(
    sentinels: Sentinels, make_cache: Make, run: Any
) -> None:
    cache = make_cache(
        f"redis://{sentinels.name}/db",
        OPTIONS={
            "CLIENT_CLASS": "django_cachex.client.SentinelClient",
            "SENTINELS": sentinels.addresses,
        },
    )
    cache.set("k", [1])
    assert cache.get("k") == run(cache.aget("k")) == [1]
    assert sentinels.primary.command("EXISTS", ":1:k") == 1
    assert reads(sentinels.primary) == 2  # a single URL is the primary's


def test_of_a_pair_of_urls_one_is_written_to_and_the_other_read_from(
    sentinels: Sentinels, make: Make, run: Any
) -> None:
    cache = make("?is_master=1", "?is_master=0", read_your_writes=0)
    cache.set("k", 1)
    eventually(lambda: all(one.command("EXISTS", ":1:k") for one in sentinels.replicas))
    assert [cache.get("k") for _ in range(6)] == [1] * 6

    async def ask() -> list[Any]:
        return [await cache.aget("k") for _ in range(6)]

    assert run(ask()) == [1] * 6
    assert [reads(one) for one in sentinels.replicas] == [6, 6]
    assert reads(sentinels.primary) == 0
    assert sentinels.primary.commands_seen()["SET"] == 1


def test_read_from_says_who_answers(sentinels: Sentinels, make: Make) -> None:
    cache = make(read_from="replica", read_your_writes=0)
    for _ in range(4):
        cache.get("k")
    assert [reads(one) for one in sentinels.replicas] == [2, 2]


# Replicas only


def test_a_cache_of_replicas_is_read_from(sentinels: Sentinels, make: Make, run: Any) -> None:
    make(alias="default").set("k", 5)
    eventually(lambda: all(one.command("EXISTS", ":1:k") for one in sentinels.replicas))
    before = reads(sentinels.primary)
    cache = make("?is_master=0", alias="reports", read_your_writes=0)
    for verb, args in READS:
        getattr(cache, verb)(*args)
    assert cache.get("k") == run(cache.aget("k")) == 5
    assert cache.get_many(["k", "other"]) == {"k": 5}
    assert cache.keys("*") == ["k"]
    assert reads(sentinels.primary) == before
    assert sum(map(reads, sentinels.replicas)) > 0


@pytest.mark.parametrize("ignore", [False, True])
def test_a_cache_of_replicas_is_never_written_to(
    sentinels: Sentinels, make: Make, run: Any, ignore: bool
) -> None:
    make(alias="default").set("k", 5)
    cache = make("?is_master=0", alias="reports", ignore_exceptions=ignore)
    for verb, args in WRITES:
        with pytest.raises(CacheIsReadOnly, match=r"\?is_master=0"):
            getattr(cache, verb)(*args)

    async def ask() -> None:
        for verb, args in WRITES:
            with pytest.raises(CacheIsReadOnly, match=r"\?is_master=0"):
                await getattr(cache, f"a{verb}")(*args)

    run(ask())
    with pytest.raises(CacheIsReadOnly):
        cache.lock("k").acquire()
    assert sentinels.primary.command("KEYS", "*") == [b":1:k"]
    assert make(alias="default").get("k") == 5


def test_redis_pys_face_of_a_cache_of_replicas_does_not_write_either(make: Make, run: Any) -> None:
    make(alias="default").set("k", 5)
    make("?is_master=0", alias="reports")
    connection: Any = get_redis_connection("reports")
    assert connection.get(":1:k") == b"5"
    assert list(connection.scan_iter("*")) == [b":1:k"]
    assert connection.pipeline(transaction=False).get(":1:k").execute() == [b"5"]
    writes: list[Callable[[], Any]] = [
        lambda: connection.set("k", 1),
        lambda: connection.pipeline().set("k", 1).execute(),
        lambda: connection.pipeline(transaction=False).set("k", 1).execute(),
        lambda: connection.pipeline().watch("k"),
        lambda: connection.flushdb(),
        lambda: connection.eval("return redis.call('SET', KEYS[1], 1)", 1, "k"),
    ]
    for write in writes:
        with pytest.raises(CacheIsReadOnly):
            write()

    async def ask() -> None:
        connection = get_async_redis_connection("reports")
        assert await connection.get(":1:k") == b"5"
        with pytest.raises(CacheIsReadOnly):
            await connection.set("k", 1)

    run(ask())


# Failover


def test_a_cache_follows_the_primary(sentinels: Sentinels, make: Make, run: Any) -> None:
    cache = make("?is_master=1", "?is_master=0", read_your_writes=0)
    cache.set("before", 1)
    old = sentinels.primary
    new = sentinels.failover()
    cache.set("after", 2)
    run(cache.aset("later", 3))
    assert new.command("EXISTS", ":1:after", ":1:later") == 2

    def seen() -> bool:
        cache.get("before")
        roles = {node.name.partition("/")[0]: node.role for node in cache.client.view().nodes}
        return roles.get(f"{new.host}:{new.port}") == "primary" and (
            roles.get(f"{old.host}:{old.port}") == "replica"
        )

    eventually(seen, 15, what="the old primary as a replica")


def test_the_primarys_death_costs_a_few_calls(sentinels: Sentinels, make: Make) -> None:
    cache = make(ignore_exceptions=True, socket_timeout=1)
    assert cache.set("k", 1)
    sentinels.primary.kill()
    eventually(lambda: cache.set("k", 2), 15, what="another primary")
    assert cache.get("k") == 2


# One look at the Sentinels


def test_threads_that_start_together_ask_the_sentinels_once(
    sentinels: Sentinels, make: Make, proxy: MakeProxy, run: Any
) -> None:
    proxies = list(map(proxy, sentinels.sentinels))
    make(sentinels=[one.address for one in proxies])
    together = threading.Barrier(16)

    def work(number: int) -> bool:
        together.wait(10)
        cache: Any = caches["default"]
        return bool(cache.set(f"k{number}", number))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(16)))
    run(caches["default"].aset("k", 1))
    questions = [(b"SENTINEL", b"MASTER", sentinels.name.encode())]
    asked = [sum(words in questions for _, words in one.commands) for one in proxies]
    assert asked == [1, 1, 1]


def test_loops_that_come_and_go_leave_no_threads_behind(make: Make, run: Any) -> None:
    cache = make()
    cache.set("k", 1)
    before = threading.active_count()
    for _ in range(20):
        assert asyncio.run(cache.aget("k")) == 1
    eventually(lambda: threading.active_count() <= before + 3, what="the loops' threads ending")


def test_warming_up_finds_the_servers(sentinels: Sentinels, make: Make) -> None:
    cache = make("?is_master=1", "?is_master=0", min_connections=2)
    warm_up()
    view = cache.client.view()
    assert view.kind == "sentinel"
    assert [node.role for node in view.nodes] == ["primary", "replica", "replica"]
    for server in sentinels.nodes:
        eventually(lambda: server.connected_clients() >= 2, what="2 connections")  # noqa: B023


# How to get in


@pytest.fixture
def locked(sentinels: Sentinels) -> Iterator[Sentinels]:
    """Sentinels that want a user name and a password."""
    for sentinel in sentinels.sentinels:
        sentinel.command("ACL", "SETUSER", "watch", "on", f">{SECRET}", "~*", "&*", "+@all")
        sentinel.command("ACL", "SETUSER", "default", "off")
    yield sentinels
    for sentinel in sentinels.sentinels:
        sentinel.command("ACL", "SETUSER", "default", "on", "nopass")
        sentinel.command("ACL", "DELUSER", "watch")


def test_sentinels_have_a_login_of_their_own(locked: Sentinels, make: Make, run: Any) -> None:
    cache = make(sentinel_kwargs={"username": "watch", "password": SECRET, "socket_timeout": 0.5})
    assert cache.set("k", 1)
    assert run(cache.aget("k")) == 1


@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("kwargs", [{}, {"username": "watch", "password": f"not {SECRET}"}])
def test_a_wrong_login_at_the_sentinels_is_reported(
    locked: Sentinels, make: Make, ignore: bool, kwargs: Any
) -> None:
    cache = make(sentinel_kwargs=kwargs, ignore_exceptions=ignore)
    with pytest.raises(redis.exceptions.RedisError) as caught:
        cache.get("k")
    assert isinstance(caught.value, ClusterUnreachable)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("ignore", [False, True])
def test_a_service_that_no_sentinel_knows_is_reported(
    sentinels: Sentinels, make_cache: Make, ignore: bool
) -> None:
    entry = project.sentinel_entry(sentinels, ignore_exceptions=ignore)
    cache = make_cache("redis://MyMaster/0", OPTIONS=entry["OPTIONS"])
    with pytest.raises(ClusterUnreachable, match="'MyMaster'"):
        cache.get("k")


def test_sentinels_that_are_all_away_are_trouble(
    sentinels: Sentinels, make: Make, run: Any
) -> None:
    cache = make(ignore_exceptions=True, socket_timeout=0.5)
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    assert cache.get("k", "default") == "default"
    assert cache.set_many({"a": 1, "b": 2}) == ["a", "b"]
    assert run(cache.aget("k", "default")) == "default"
    assert cache.failures.ignored == {"get": 2, "set_many": 1}


@pytest.mark.timing
def test_a_dead_sentinel_costs_nothing(sentinels: Sentinels, make: Make) -> None:
    sentinels.sentinels[0].kill()
    cache = make()
    with lasting(0, 0.5):
        assert cache.set("k", 1)


def test_what_a_sentinel_refused_is_trouble_if_its_cause_is() -> None:
    gone = redis.exceptions.ConnectionError("gone")
    wrong = redis.exceptions.AuthenticationError("wrong")
    unknown = redis.exceptions.ResponseError("No such master with that name")
    for cause, ignored in [(gone, True), (wrong, False), (unknown, False)]:
        refused = SentinelRefused("s:1", "mymaster", cause)
        assert may_be_ignored(refused) is ignored
        assert may_be_ignored(ClusterUnreachable("mymaster", [gone, refused])) is ignored
    assert may_be_ignored(ClusterUnreachable("mymaster", []))


def test_announced_addresses_may_be_changed(
    sentinels: Sentinels, make: Make, proxy: MakeProxy
) -> None:
    proxies = {node.port: proxy(node) for node in sentinels.nodes}
    cache = make(address_remap=lambda host, port: proxies[port].address)
    cache.set("k", 1)
    ports = {one.port for one in proxies.values()}
    assert {
        int(node.name.partition("/")[0].split(":")[1]) for node in cache.client.view().nodes
    } <= ports
    assert proxies[sentinels.primary.port].count("SET") == 1


def test_servers_may_speak_tls(
    sentinels: Sentinels, make_cache: Make, authority: Authority, run: Any
) -> None:
    with ExitStack() as stack:
        doors = {
            node.port: stack.enter_context(TlsServer(node, authority, authority.server_context()))
            for node in sentinels.nodes
        }
        entry = project.sentinel_entry(
            sentinels,
            ssl_ca_certs=str(authority.ca),
            address_remap=lambda host, port: doors[port].address,
        )
        cache = make_cache(f"rediss://{sentinels.name}/0", OPTIONS=entry["OPTIONS"])
        assert cache.set("k", 1)
        assert run(cache.aget("k")) == 1
