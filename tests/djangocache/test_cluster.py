"""Caches on a cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import caches
from django.test import Client, override_settings

from cachex_client import ClusterUnreachable, SlotNotCovered
from django_cachex import get_async_redis_connection, get_redis_connection, warm_up
from django_cachex.failures import may_be_ignored
from support.proxy import MakeProxy
from support.servers import Cluster, ServerFailed, slot_of
from support.topologies import NOT_YET
from support.waiting import Pulse, eventually

Make = Callable[..., Any]

KEYS = [f"k{number}" for number in range(300)]


@pytest.fixture
def make(cluster: Cluster, make_cache: Make) -> Make:
    """Make a cache of the cluster."""

    def make(alias: str = "default", location: Any = None, **options: Any) -> Any:
        client = "django_cachex.client.ClusterClient"
        return make_cache(location or cluster.urls[0], alias, client_class=client, **options)

    return make


def seen(cluster: Cluster, name: str) -> list[int]:
    """Count a command by server."""
    return [server.commands_seen()[name] for server in cluster.servers]


def stored(cluster: Cluster) -> int:
    return sum(primary.command("DBSIZE") for primary in cluster.primaries)


def test_the_page_of_the_cluster_client_works_as_printed(
    cluster: Cluster, make_cache: Make, run: Any
) -> None:
    cache = make_cache(
        f"redis://127.0.0.1:{cluster.servers[0].port}",
        OPTIONS={
            "CLIENT_CLASS": "django_cachex.client.ClusterClient",
            "CONNECTION_FACTORY": "django_cachex.pool.ClusterConnectionFactory",
        },
    )
    assert cache.set_many(dict.fromkeys(KEYS, "text")) == []
    assert cache.get_many(KEYS) == run(cache.aget_many(KEYS)) == dict.fromkeys(KEYS, "text")
    assert {cluster.primary_for(f":1:{key}") for key in KEYS} == set(cluster.primaries)


@pytest.mark.parametrize("separator", [None, ",", ";"])
def test_any_seed_is_enough(cluster: Cluster, make: Make, separator: str | None) -> None:
    nowhere = "redis://127.0.0.1:1"
    seeds = [nowhere, cluster.urls[5], cluster.urls[2]]
    cache = make(location=seeds if separator is None else separator.join(seeds))
    assert cache.set_many(dict.fromkeys(KEYS, 1)) == []


def test_bulk_verbs_take_one_write_for_each_primary(cluster: Cluster, make: Make, run: Any) -> None:
    cache = make()
    cache.get("k")
    for number in range(2):

        async def ask() -> Any:
            await cache.aset_many(dict.fromkeys(KEYS, 1))
            return await cache.aget_many(KEYS), await cache.aincr_many(dict.fromkeys(KEYS, 1))

        if number:
            found, sums = run(ask())
        else:
            cache.set_many(dict.fromkeys(KEYS, 1))
            found, sums = cache.get_many(KEYS), cache.incr_many(dict.fromkeys(KEYS, 1))
        assert found == dict.fromkeys(KEYS, 1)
        assert sums == dict.fromkeys(KEYS, 2)
    assert cache.touch_many([*KEYS, "nothing"], 60) == ["nothing"]
    cache.delete_many(KEYS)
    assert stored(cluster) == 0


def test_read_from_says_who_answers(cluster: Cluster, make: Make, run: Any) -> None:
    make().set_many(dict.fromkeys(KEYS, 1))
    make().get("k0")
    replicas = cluster.replicas
    eventually(lambda: sum(r.command("DBSIZE") for r in replicas) == len(KEYS), what="in sync")
    assert sum(r.commands_seen()["GET"] for r in replicas) == 0
    cache = make("other", read_from="replica", read_your_writes=0)
    assert cache.get_many(KEYS) == dict.fromkeys(KEYS, 1)
    assert [cache.get(key) for key in KEYS[:30]] == [1] * 30
    assert run(cache.aget_many(KEYS)) == dict.fromkeys(KEYS, 1)
    counts = [r.commands_seen()["GET"] + r.commands_seen()["MGET"] for r in replicas]
    assert min(counts) > 0


# The keyspace


def test_keys_of_all_primaries_are_found_and_removed(
    cluster: Cluster, make: Make, run: Any
) -> None:
    cache, other = make("mine", KEY_PREFIX="mine"), make("other", KEY_PREFIX="other")
    for one in (cache, other):
        one.set_many(dict.fromkeys(KEYS, 1))
        one.set_many(dict.fromkeys(KEYS, 2), version=2)
    assert sorted(cache.keys("*")) == sorted(cache.iter_keys("*", itersize=10)) == sorted(KEYS)
    assert sorted(run(cache.akeys("k1*"))) == sorted(key for key in KEYS if key.startswith("k1"))
    assert cache.delete_pattern("k1*") == 111
    assert run(cache.adelete_pattern("k2*", itersize=7)) == 111
    assert len(cache.keys()) == 300 - 222
    assert cache.clear() == 300 + 300 - 222
    assert run(cache.aclear()) == 0
    assert stored(cluster) == 600
    other.flush_db()
    assert stored(cluster) == 0
    other.set_many(dict.fromkeys(KEYS, 1))
    run(other.aflush_db())
    assert stored(cluster) == 0


def test_a_version_moves_from_slot_to_slot(make: Make, run: Any) -> None:
    cache = make()
    for number, key in enumerate(KEYS[:20]):
        cache.set(key, None if number % 2 else number, 60)
        assert slot_of(f":1:{key}") != slot_of(f":2:{key}")
        if number % 4 < 2:
            assert cache.incr_version(key) == 2
        else:
            assert run(cache.aincr_version(key)) == 2
        assert cache.get(key, "gone") == "gone"
        assert cache.get(key, "gone", version=2) == (None if number % 2 else number)
        assert 0 < cache.ttl(key, version=2) <= 60
    with pytest.raises(ValueError, match="nothing"):
        cache.incr_version("nothing")


def test_a_lock_is_held_by_one(make: Make, run: Any) -> None:
    cache = make()
    for key in KEYS[:10]:  # of different nodes
        with cache.lock(key, timeout=10):
            assert not cache.lock(key, timeout=10, blocking=False).acquire()
            assert not run(cache.alock(key, timeout=10, blocking=False).acquire())
        assert cache.lock(key, timeout=10, blocking=False).acquire()

    async def hold() -> bool:
        async with cache.alock("other", timeout=10):
            return bool(await cache.alock("other", blocking=False).acquire())

    assert run(hold()) is False


def test_redis_pys_face_reaches_all_nodes(cluster: Cluster, make: Make, run: Any) -> None:
    make()
    connection: Any = get_redis_connection()
    for key in KEYS:
        connection.set(key, 1)
    assert stored(cluster) == len(KEYS)
    assert {connection.get(key) for key in KEYS} == {b"1"}
    assert sorted(connection.scan_iter("*")) == sorted(key.encode() for key in KEYS)
    with connection.pipeline(transaction=False) as pipeline:
        for key in KEYS:
            pipeline.incr(key)
        assert pipeline.execute() == [2] * len(KEYS)
    tagged = ["{tag}a", "{tag}b"]
    assert connection.mset(dict.fromkeys(tagged, 5))
    assert connection.transaction(lambda pipe: (pipe.multi(), pipe.incr("{tag}a")), *tagged) == [6]
    with pytest.raises(redis.exceptions.ResponseError):
        connection.mset(dict.fromkeys(KEYS, 1))

    async def ask() -> Any:
        return [await get_async_redis_connection().get(key) for key in KEYS[:20]]

    assert run(ask()) == [b"2"] * 20


# What it costs


def test_threads_that_start_together_ask_for_the_slots_once(
    cluster: Cluster, make: Make, run: Any
) -> None:
    make()
    before = sum(seen(cluster, "CLUSTER|SLOTS"))
    together = threading.Barrier(16)

    def work(number: int) -> Any:
        together.wait(10)
        caches["default"].set(f"k{number}", number)
        return caches["default"].get_many(KEYS[:16])

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))

    async def ask() -> Any:
        return await caches["default"].aget_many(KEYS[:16])

    assert run(ask()) == {f"k{number}": number for number in range(16)}
    assert run(ask()) == {f"k{number}": number for number in range(16)}
    assert sum(seen(cluster, "CLUSTER|SLOTS")) - before == 1


def test_two_hundred_wsgi_requests_in_fifty_threads_share_the_pools(
    cluster: Cluster, make: Make
) -> None:
    make(max_connections=10)
    before = [server.connections_received() for server in cluster.servers]
    together = threading.Barrier(50)

    def work(_: int) -> list[bytes]:
        together.wait(10)
        client = Client()
        return [client.get("/visit").content for _ in range(4)]

    with override_settings(ROOT_URLCONF="djangocache.urls"), ThreadPoolExecutor(50) as threads:
        visits = [int(text) for texts in threads.map(work, range(50)) for text in texts]
    assert sorted(visits) == list(range(1, 201))
    for server, count in zip(cluster.servers, before, strict=True):
        assert server.connections_received() - count <= 10
        assert server.connected_clients() <= 10


def test_warming_up_connects_to_every_primary(cluster: Cluster, make: Make) -> None:
    cache = make(min_connections=2)
    warm_up()
    primaries = cluster.primaries
    eventually(lambda: min(one.connected_clients() for one in primaries) >= 2, what="connections")
    asked = sum(seen(cluster, "CLUSTER|SLOTS"))
    cache.set_many(dict.fromkeys(KEYS, 1))
    assert sum(seen(cluster, "CLUSTER|SLOTS")) == asked


def test_a_view_shows_the_pools_of_threads_and_of_tasks(make: Make, run: Any) -> None:
    cache = make()
    cache.get("k")

    async def look() -> Any:
        await cache.aget("k")
        return cache.client.view()

    view = run(look())
    assert view.kind == "cluster"
    assert sum(node.slots for node in view.nodes) == 16384
    assert [node.role for node in view.nodes] == ["primary", "replica"] * 3
    assert {len(node.pools) for node in view.nodes} == {2}
    assert view.uncovered_slots == 0


def test_a_forked_worker_knows_the_cluster_and_connects_anew(
    make: Make, fork: Callable[[], int]
) -> None:
    cache = make()
    cache.set_many(dict.fromkeys(KEYS, "parent"))
    reader, writer = os.pipe()
    child = fork()
    if child == 0:  # pragma: no cover
        try:
            found = cache.get_many(KEYS)
            cache.set_many(dict.fromkeys(KEYS, "child"))
            os.write(writer, b"%d" % len(found))
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"300"
    os.close(reader)
    assert cache.get_many(KEYS) == dict.fromkeys(KEYS, "child")


# When something is away


@pytest.fixture
def without_a_shard(cluster: Cluster) -> Callable[[str], list[str]]:
    """Return what takes a shard out, by `kill` or `pause`, and returns its keys."""
    for server in cluster.servers:
        server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")

    def take_out(how: str) -> list[str]:
        for server in cluster.members(1):
            getattr(server, how)()
        return [key for key in KEYS if cluster.shard_of(f":1:{key}") == 1]

    return take_out


@pytest.mark.parametrize("tasks", [False, True], ids=["threads", "tasks"])
def test_a_shard_that_is_away_costs_its_own_keys(
    make: Make, without_a_shard: Callable[[str], list[str]], run: Any, tasks: bool
) -> None:
    strict = make(socket_timeout=1)
    cache = make("lenient", ignore_exceptions=True, socket_timeout=1)
    for one in (strict, cache):
        assert one.set_many(dict.fromkeys(KEYS, 1)) == []
    lost = without_a_shard("kill")
    there = [key for key in KEYS if key not in lost]

    def call(one: Any, verb: str, *args: Any) -> Any:
        return run(getattr(one, f"a{verb}")(*args)) if tasks else getattr(one, verb)(*args)

    assert sorted(call(cache, "set_many", dict.fromkeys(KEYS, 2))) == sorted(lost)
    assert call(cache, "get_many", KEYS) == dict.fromkeys(there, 2)
    assert call(cache, "incr_many", dict.fromkeys(KEYS, 1)) == dict.fromkeys(there, 3)
    assert sorted(call(cache, "touch_many", KEYS)) == sorted(lost)
    assert call(cache, "get", lost[0], "default") == "default"
    assert call(cache, "get", there[0]) == 3
    assert call(cache, "set", there[0], 4)
    assert call(cache, "delete_many", KEYS) == len(there)
    assert call(cache, "get_many", KEYS) == {}
    assert cache.failures.outages == 1

    assert sorted(call(strict, "set_many", dict.fromkeys(KEYS, 2))) == sorted(lost)
    assert call(strict, "get_many", there) == dict.fromkeys(there, 2)
    for verb, argument in [("get_many", KEYS), ("get", lost[0])]:
        with pytest.raises((redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
            call(strict, verb, argument)


@pytest.mark.parametrize("tasks", [False, True], ids=["threads", "tasks"])
def test_a_shard_that_hangs_costs_its_own_keys_and_one_deadline(
    make: Make, without_a_shard: Callable[[str], list[str]], run: Any, tasks: bool
) -> None:
    cache = make(ignore_exceptions=True, socket_timeout=1.5)

    async def aboth() -> Any:
        return await cache.aset_many(dict.fromkeys(KEYS, 2)), await cache.aget_many(KEYS)

    def both() -> Any:
        return cache.set_many(dict.fromkeys(KEYS, 2)), cache.get_many(KEYS)

    call: Callable[[], Any] = (lambda: run(aboth())) if tasks else both
    assert call()[0] == []
    lost = without_a_shard("pause")
    with Pulse() as pulse:
        started = time.monotonic()
        failed, found = call()
        took = time.monotonic() - started
    assert sorted(failed) == sorted(lost)
    assert found == {key: 2 for key in KEYS if key not in lost}
    assert took < 2 * 1.5 * 1.1 + 4 * pulse.worst


def test_a_failover_is_followed(cluster: Cluster, make: Make, run: Any) -> None:
    cache = make()
    cache.set_many(dict.fromkeys(KEYS, 1))
    new = cluster.failover(0)
    eventually(cluster.ready, ignore=NOT_YET, what="all nodes being well")
    assert cache.set_many(dict.fromkeys(KEYS, 2)) == []
    assert run(cache.aget_many(KEYS)) == dict.fromkeys(KEYS, 2)

    def known() -> bool:
        cache.get("k")
        roles = {node.name.partition("/")[0]: node.role for node in cache.client.view().nodes}
        return bool(roles[f"{new.host}:{new.port}"] == "primary")

    eventually(known, what="the new primary in the view")


def test_a_cluster_that_is_away_is_trouble(make: Make, make_cache: Make, run: Any) -> None:
    cache = make(location="redis://127.0.0.1:1", ignore_exceptions=True, socket_timeout=0.5)
    assert cache.get("k", 1) == run(cache.aget("k", 1)) == 1
    assert cache.set_many({"a": 1}) == ["a"]
    assert cache.failures.ignored == {"get": 2, "set_many": 1}
    strict = make("strict", location="redis://127.0.0.1:1", socket_timeout=0.5)
    with pytest.raises(ClusterUnreachable, match=r"127\.0\.0\.1:1"):
        strict.get("k")


def test_a_server_that_is_no_cluster_is_reported(standalone: Any, make_cache: Make) -> None:
    client = "django_cachex.client.ClusterClient"
    cache = make_cache(standalone.url, client_class=client, ignore_exceptions=True)
    with pytest.raises(ClusterUnreachable, match="cluster support disabled"):
        cache.get("k")


def test_a_wrong_password_is_reported(cluster: Cluster, make: Make) -> None:
    for server in cluster.servers:
        server.command("CONFIG", "SET", "requirepass", "right")
    cache = make(ignore_exceptions=True)
    with pytest.raises(redis.exceptions.RedisError):
        cache.get("k")
    with pytest.raises(redis.exceptions.RedisError):
        cache.get_many(KEYS)
    assert make("right", password="right").set("k", 1)


def test_a_slot_without_a_server_is_trouble() -> None:
    assert may_be_ignored(SlotNotCovered("cluster", 5))
    wrong = redis.exceptions.AuthenticationError("wrong")
    gone = redis.exceptions.ConnectionError("gone")
    assert may_be_ignored(ClusterUnreachable("cluster", [gone]))
    assert not may_be_ignored(ClusterUnreachable("cluster", [gone, wrong]))


# Where the nodes are


def test_announced_addresses_may_be_changed(cluster: Cluster, make: Make, proxy: MakeProxy) -> None:
    proxies = {server.port: proxy(server) for server in cluster.servers}
    cache = make(
        location=f"redis://127.0.0.1:{proxies[cluster.servers[0].port].port}",
        address_remap=lambda host, port: proxies[port].address if port in proxies else (host, port),
    )
    cache.set_many(dict.fromkeys(KEYS, 1))
    assert cache.get_many(KEYS) == dict.fromkeys(KEYS, 1)
    assert all(proxies[one.port].count("SET") for one in cluster.primaries)


def test_a_database_other_than_0_is_passed_on(make_cache: Make, run: Any) -> None:
    client = "django_cachex.client.ClusterClient"
    servers = Cluster(shards=1, replicas=0, config={"cluster-databases": 4})
    with ExitStack() as stack:
        try:
            stack.enter_context(servers)
        except ServerFailed:
            pytest.skip("this server has one database in a cluster")
        (server,) = servers.servers
        cache = make_cache(server.url.replace("/0", "/3"), client_class=client)
        cache.set("k", 1)
        assert run(cache.aget("k")) == 1
        assert server.info("keyspace")["db3"].startswith("keys=1")
