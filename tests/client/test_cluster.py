"""A cluster as its users see it: commands, verbs, pipelines, what concerns all its servers."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import ClusterCrossSlotError, TryAgainError

from cachex_client import (
    AsyncClusterClient,
    BadRedirect,
    ClientOptions,
    ClusterClient,
    ClusterMap,
    ClusterUnreachable,
    ConfigurationError,
    SlotNotCovered,
)
from cachex_client._concurrency import last_write
from cachex_client.commands import strings
from cachex_pool import PoolOptions
from support.leaks import no_leaks
from support.proxy import Proxies
from support.scripted import Scripted
from support.servers import Cluster, ServerFailed, Standalone, slot_of
from support.silence import unanswering
from support.waiting import eventually, lasting


def options(**settings: Any) -> ClientOptions:
    return ClientOptions(read_from=settings.pop("read_from", "primary"), **settings)


@pytest.fixture
def client(colour: Any, cluster: Cluster) -> Any:
    return colour.make("ClusterClient", cluster.urls[:2], options())


@pytest.fixture
def cache(colour: Any, client: Any) -> Any:
    return colour.cache(client)


@pytest.fixture
def facade(colour: Any, client: Any) -> Any:
    return colour.plain(client.redis)


def topology_queries(cluster: Cluster) -> int:
    running = [server for server in cluster.servers if server.state == "running"]
    return sum(server.commands_seen()["CLUSTER|SLOTS"] for server in running)


# The verbs of a cache


def test_every_verb_works_wherever_the_key_is(cache: Any) -> None:
    values = {f"key-{n}": n for n in range(30)} | {"text": "x", "nothing": None}
    assert cache.set_many(values) == []
    assert cache.get_many([*values, "missing"]) == values
    assert [cache.get(name) for name in values] == list(values.values())
    assert cache.incr("key-1", 5) == 6
    assert cache.incr_many({"key-2": 1, "key-3": 2, "missing": 1}) == {"key-2": 3, "key-3": 5}
    assert cache.touch_many(["key-1", "missing"], 100) == ["missing"]
    assert cache.add("key-1", 0) is False
    assert cache.get_or_set("new", lambda: "made") == "made"
    assert cache.incr_version("text") == 2
    assert (cache.get("text"), cache.get("text", version=2)) == (None, "x")
    assert 99 < cache.ttl("key-1") <= 100
    assert cache.delete("key-1") is True
    assert cache.delete_many(["key-2", "key-3", "missing"]) == 2


def test_scripts_are_told_to_every_server_that_does_not_know_them(
    cluster: Cluster, cache: Any
) -> None:
    names = [next(cluster.keys_of_shard(shard, prefix=":1:n")) for shard in range(3)]
    plain = [name.removeprefix(":1:") for name in names]
    cache.set_many(dict.fromkeys(plain, 1))
    for _ in range(2):
        for name in plain:
            cache.incr(name)
        for server in cluster.primaries:
            server.command("SCRIPT", "FLUSH")
    assert cache.get_many(plain) == dict.fromkeys(plain, 3)


def test_a_lock_is_one_wherever_it_is(cache: Any, colour: Any) -> None:
    for number in range(6):
        lock = colour.plain(cache.lock(f"lock-{number}", timeout=10))
        other = colour.plain(cache.lock(f"lock-{number}", timeout=10))
        assert lock.acquire(blocking=False)
        assert not other.acquire(blocking=False)
        assert lock.extend(5)
        lock.release()
        assert other.acquire(blocking=False)


def test_keys_of_all_servers_are_found_and_removed(cluster: Cluster, cache: Any) -> None:
    names = {f"key-{n}" for n in range(3000)}
    cache.set_many(dict.fromkeys(names, 1))
    cluster.primaries[0].command("SET", next(cluster.keys_of_shard(0, "strange")), 1)
    assert set(cache.keys("key-*")) == names
    assert set(cache.iter_keys("key-1*")) == {name for name in names if name[4] == "1"}
    assert cache.delete_pattern("key-1*") == sum(name[4] == "1" for name in names)
    assert cache.clear() == sum(name[4] != "1" for name in names)
    assert sum(int(server.command("DBSIZE")) for server in cluster.primaries) == 1


def test_flush_db_reaches_every_primary(cluster: Cluster, cache: Any) -> None:
    cache.set_many({f"key-{n}": n for n in range(100)})
    cache.flush_db()
    assert [server.command("DBSIZE") for server in cluster.primaries] == [0, 0, 0]


def test_flush_db_reaches_a_primary_that_was_promoted_unnoticed(
    cluster: Cluster, cache: Any
) -> None:
    cache.set_many({f"key-{n}": n for n in range(100)})
    cluster.failover(0)
    cache.flush_db()
    assert [server.command("DBSIZE") for server in cluster.primaries] == [0, 0, 0]


# redis-py's commands


def test_what_concerns_all_primaries_is_asked_of_all(cluster: Cluster, facade: Any) -> None:
    for number in range(50):
        facade.set(f"key-{number}", number)
    assert facade.dbsize() == 50
    assert len(facade.keys("key-*")) == 50
    assert set(facade.scan_iter("key-*")) == {f"key-{n}".encode() for n in range(50)}
    digest = facade.script_load("return 7")
    assert facade.script_exists(digest, "0" * 40) == [True, False]
    assert [s.command("SCRIPT", "EXISTS", digest) for s in cluster.primaries] == [[1]] * 3
    assert facade.exists(*[f"key-{n}" for n in range(60)]) == 50
    assert facade.delete(*[f"key-{n}" for n in range(10)]) == 10
    assert facade.flushall() is True
    assert facade.dbsize() == 0
    assert facade.ping() is True
    assert "uptime_in_seconds" in facade.info("server")
    with pytest.raises(ConfigurationError, match="scan_iter"):
        facade.scan()


def test_keys_of_several_slots_are_refused_with_the_cure(facade: Any) -> None:
    with pytest.raises(ClusterCrossSlotError, match=r"MGET .*b'a' \(slot 15495\).*hash tag"):
        facade.mget("a", "b")
    pipe = facade.pipeline(transaction=False)
    pipe.mset({"a": 1, "b": 2}).set("{x}1", 1).mget("{x}1", "{x}2")
    refused, *rest = _execute(facade, pipe, raise_on_error=False)
    assert isinstance(refused, ClusterCrossSlotError)
    assert "hash tag" in str(refused)
    assert rest == [True, [b"1", None]]


def _execute(facade: Any, pipe: Any, **settings: Any) -> Any:
    if hasattr(facade, "_loop"):
        return facade._loop.run_until_complete(pipe.execute(**settings))
    return pipe.execute(**settings)


def test_what_concerns_all_primaries_does_so_in_a_pipeline_too(
    cluster: Cluster, facade: Any
) -> None:
    pipe = facade.pipeline(transaction=False)
    for number in range(30):
        pipe.set(f"key-{number}", number)
    assert _execute(facade, pipe.dbsize().flushdb().dbsize())[30:] == [30, True, 0]
    with pytest.raises(ConfigurationError, match=r"one server.*FLUSHDB"):
        _execute(facade, facade.pipeline().flushdb())


def test_mget_of_a_half_moved_slot_is_answered(cluster: Cluster, facade: Any) -> None:
    source, target, _ = cluster.primaries
    tag = next(cluster.keys_of_shard(0))
    names = [f"{{{tag}}}{n}" for n in range(4)]
    for name in names:
        facade.set(name, name)
    cluster.begin_migration(slot_of(tag), source, target)
    try:
        cluster.move_key(names[0], source, target)
        assert facade.mget(*names, f"{{{tag}}}none") == [*(n.encode() for n in names), None]
        assert facade.delete(*names) == 4
    finally:
        cluster.abort_migration(slot_of(tag), source, target)


def test_a_pipeline_reads_what_it_wrote_wherever_reads_go(cluster: Cluster, colour: Any) -> None:
    settings = options(read_from="replica", read_your_writes=0)
    client = colour.make("ClusterClient", cluster.urls, settings)
    keys = [f"key-{n}".encode() for n in range(30)]
    wanted = [one for key in keys for one in (strings.set(key, key), strings.get(key))]
    assert client.execute_many(wanted)[1::2] == keys
    assert sum(server.commands_seen()["GET"] for server in cluster.replicas) == 0
    client.execute_many([strings.get(key) for key in keys])
    assert sum(server.commands_seen()["GET"] for server in cluster.replicas) == 30


KEYS = [f"key-{n}".encode() for n in range(30)]


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.execute(strings.set(KEYS[0], b"v")),
        lambda client: client.execute_many([strings.set(key, key) for key in KEYS]),
        lambda client: client.execute_atomic([strings.set(KEYS[0], b"v")]),
        lambda client: client.delete_many(KEYS),
    ],
    ids=["one", "many", "atomic", "delete"],
)
def test_after_a_write_many_keys_are_read_from_the_primaries(
    cluster: Cluster, colour: Any, write: Callable[[Any], Any]
) -> None:
    # Longer than any machine has been up: who has never written has not written at its start.
    settings = options(read_from="replica", read_your_writes=1e9)
    client = colour.make("ClusterClient", cluster.urls, settings)
    reads: list[Callable[[Any], Any]] = [
        lambda client: client.execute_many([strings.get(key) for key in KEYS]),
        lambda client: client.get_many(KEYS),
    ]

    def read_by_replicas() -> int:
        seen = [server.commands_seen() for server in cluster.replicas]
        return sum(one["GET"] + one["MGET"] for one in seen)

    for read in reads:
        colour.in_one_task(client, read)
    before = read_by_replicas()
    assert before > len(KEYS)  # without a write, replicas answer
    colour.in_one_task(client, write, *reads)
    assert read_by_replicas() == before


def test_a_pipeline_is_split_by_server_and_keeps_its_order(facade: Any) -> None:
    pipe = facade.pipeline(transaction=False)
    for number in range(100):
        pipe.set(f"key-{number}", number)
    for number in range(100):
        pipe.get(f"key-{number}")
    expected = [True] * 100 + [b"%d" % n for n in range(100)]
    assert _execute(facade, pipe) == expected


def test_a_transaction_takes_place_in_one_slot(facade: Any) -> None:
    pipe = facade.pipeline()
    pipe.set("{x}1", 1).incr("{x}1").get("{x}1")
    assert _execute(facade, pipe) == [True, 2, b"2"]
    pipe.set("{x}1", 1).set("{y}1", 1)
    with pytest.raises(ClusterCrossSlotError, match="MULTI needs"):
        _execute(facade, pipe)
    pipe.mset({"a": 1, "b": 2})
    with pytest.raises(ClusterCrossSlotError, match="MULTI needs"):
        _execute(facade, pipe)


def test_watch_goes_to_the_server_of_its_key(cluster: Cluster) -> None:
    client = ClusterClient(cluster.urls[:1], options())
    facade = client.redis
    for shard in range(3):
        key = next(cluster.keys_of_shard(shard))
        facade.set(key, 1)
        with facade.pipeline() as pipe:
            pipe.watch(key)
            value = int(pipe.get(key))  # type: ignore[arg-type]
            pipe.multi()
            pipe.set(key, value + 1)
            assert pipe.execute() == [True]
        with facade.pipeline() as pipe:
            pipe.watch(key)
            facade.set(key, 9)
            pipe.multi()
            pipe.set(key, 0)
            with pytest.raises(redis.WatchError):
                pipe.execute()
    client.close()


def test_watch_follows_a_failover_nobody_has_told_of(cluster: Cluster) -> None:
    client = ClusterClient(cluster.urls[:1], options())
    key = next(cluster.keys_of_shard(0))
    client.redis.set(key, 1)
    cluster.failover(0)
    with client.redis.pipeline() as pipe:
        pipe.watch(key)
        pipe.multi()
        pipe.set(key, 2)
        assert pipe.execute() == [True]
    assert client.redis.get(key) == b"2"
    client.close()


def test_commands_that_block_go_where_their_key_is(cluster: Cluster, facade: Any) -> None:
    for shard in range(3):
        key = next(cluster.keys_of_shard(shard, "list"))
        assert facade.blpop(key, 0.01) is None
        facade.rpush(key, "x")
        assert facade.blpop(key, 1) == (key.encode(), b"x")
    pipe = facade.pipeline(transaction=False)
    for shard in range(3):
        pipe.rpush(next(cluster.keys_of_shard(shard, "list")), "x")
        pipe.blpop(next(cluster.keys_of_shard(shard, "list")), 1)
    assert len(_execute(facade, pipe)) == 6


def test_publishing_reaches_subscribers_on_any_server(cluster: Cluster) -> None:
    client = ClusterClient(cluster.urls[:1], options())
    pubsub = client.redis.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("news")
    pubsub.get_message(timeout=1)

    def told() -> Any:
        client.redis.publish("news", "x")
        return pubsub.get_message(timeout=0.1)

    message = eventually(told, 5)
    assert message["data"] == b"x"
    pubsub.close()
    client.close()


# Who is there


def test_a_wrong_start_is_explained(standalone: Standalone, colour: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs the URL of a node"):
        colour.make("ClusterClient", [])
    with pytest.raises(ConfigurationError, match="not by a socket"):
        colour.make("ClusterClient", ["unix:///tmp/x"])
    client = colour.make("ClusterClient", [standalone.url])
    with pytest.raises(ClusterUnreachable, match="cluster support disabled"):
        client.execute(strings.get(b"a"))


@pytest.mark.timing
def test_one_live_seed_is_enough_whatever_the_others_do(cluster: Cluster, colour: Any) -> None:
    with unanswering() as (host, port), Scripted(lambda words: b"*0\r\n") as new_node:
        seeds = [f"redis://{host}:{port}", "redis://127.0.0.1:1", new_node.url]
        replica = cluster.replicas[0].url
        client = colour.make("ClusterClient", [*seeds, replica], options())
        with lasting(0, 0.9):
            assert client.execute(strings.set(b"a", b"1")) is True


@pytest.mark.timing
def test_dead_seeds_cost_one_connect_timeout_in_all(colour: Any) -> None:
    with unanswering() as (host, port):
        seeds = [f"redis://{host}:{port}", "redis://127.0.0.1:1"]
        quick = options(pool=PoolOptions(connect_timeout=0.3))
        client = colour.make("ClusterClient", seeds, quick)
        with lasting(0, 1.0), pytest.raises(ClusterUnreachable, match=f"{host}:{port}"):
            client.execute(strings.get(b"a"))


@pytest.mark.timing
def test_looking_for_the_cluster_ends_with_the_callers_deadline(colour: Any) -> None:
    with unanswering() as (host, port):
        client = colour.make("ClusterClient", [f"redis://{host}:{port}"], options())
        too_late = pytest.raises(redis.TimeoutError, match="asking for the cluster's slots")
        with lasting(0, 0.3), too_late:
            client.execute(strings.get(b"a"), timeout=0.1)


def test_clients_that_share_a_map_ask_once(cluster: Cluster) -> None:
    import asyncio

    map = ClusterMap(cluster.urls)
    clients = [ClusterClient((), options(), map=map) for _ in range(2)]
    before = topology_queries(cluster)

    async def async_use() -> None:
        client = AsyncClusterClient((), options(), map=map)
        await asyncio.gather(*(client.execute(strings.get(b"%d" % n)) for n in range(20)))
        await client.aclose()

    def use(client: ClusterClient) -> None:
        client.execute(strings.get(b"a"))

    threads = [threading.Thread(target=use, args=(clients[n % 2],)) for n in range(10)]
    threads.append(threading.Thread(target=lambda: asyncio.run(async_use())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert topology_queries(cluster) - before <= len(cluster.urls)  # the seeds, side by side
    assert map.schedule.count == 1
    for client in clients:
        client.close()


def test_a_remapped_cluster_is_reached_by_its_outside_addresses(
    cluster: Cluster, colour: Any
) -> None:
    with Proxies(cluster.servers) as proxies:
        client = colour.make(
            "ClusterClient", proxies.urls[:1], options(), address_remap=proxies.remap
        )
        cache = colour.cache(client)
        cache.set_many({f"key-{n}": n for n in range(100)})
        assert cache.get_many([f"key-{n}" for n in range(100)]) == {
            f"key-{n}": n for n in range(100)
        }
        assert proxies.count("SET") == 100
        assert all(proxies[server].count("SET") for server in cluster.primaries)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", ["unknown-endpoint", "hostname", "mixed"])
def test_nodes_that_are_announced_without_a_host_are_reached(
    cluster: Cluster, colour: Any, kind: str, protocol: int
) -> None:
    """By the host that answered, by their IPs, and one by its name."""
    preferred = "unknown-endpoint" if kind == "unknown-endpoint" else "hostname"
    with contextlib.ExitStack() as stack:
        for server in cluster.servers:
            server.command("CONFIG", "SET", "cluster-preferred-endpoint-type", preferred)
            stack.callback(server.command, "CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")
        if kind == "mixed":
            named = cluster.primaries[1]
            named.command("CONFIG", "SET", "cluster-announce-hostname", "localhost")
            stack.callback(named.command, "CONFIG", "SET", "cluster-announce-hostname", "")
            hosts = [entry[2][0] for entry in named.command("CLUSTER", "SLOTS")]
            assert sorted(hosts) == [b"?", b"?", b"localhost"]
        url = f"{cluster.urls[0]}?protocol={protocol}"
        client = colour.make("ClusterClient", [url], options())
        names = [f"key-{n}".encode() for n in range(60)]
        assert client.execute_many([strings.set(name, name) for name in names]) == [True] * 60
        source, target, _ = cluster.primaries
        key = next(cluster.keys_of_shard(0, "moving")).encode()
        client.execute(strings.set(key, b"moved"))
        cluster.begin_migration(slot_of(key), source, target)
        cluster.finish_migration(slot_of(key), source, target)
        stack.callback(cluster.finish_migration, slot_of(key), target, source)
        stack.callback(cluster.begin_migration, slot_of(key), target, source)
        assert client.execute(strings.get(key)) == b"moved"
        assert client.get_many(names) == names


class Moving:
    """An address behind which a server is replaced by another."""

    address: tuple[str, int]


@pytest.mark.soak
def test_a_cluster_whose_nodes_were_all_replaced_is_found_by_its_seed(
    colour: Any, proxy: Any
) -> None:
    name = Moving()
    with Cluster(replicas=0) as old:
        name.address = old.servers[0].address
        seed = proxy(name)
        client = colour.make("ClusterClient", [seed.url], options())
        client.execute(strings.set(b"a", b"old"))
    with Cluster(replicas=0) as new:
        name.address = new.servers[1].address
        seed.cut_all()
        new.primary_for("a").command("SET", "a", "new")
        eventually(lambda: client.execute(strings.get(b"a")) == b"new", 3, ignore=(Exception,))


def test_the_view_shows_servers_roles_and_slots(client: Any, cluster: Cluster) -> None:
    assert client.view().nodes == ()
    client.execute(strings.get(b"a"))
    view = client.view()
    assert (view.kind, view.uncovered_slots, len(view.nodes)) == ("cluster", 0, 6)
    primaries = [node for node in view.nodes if node.role == "primary"]
    assert sum(node.slots for node in primaries) == 16384
    assert all(
        node.primary in {p.name for p in primaries} or node.primary
        for node in view.nodes
        if node.role == "replica"
    )
    assert repr(client._cache if hasattr(client, "_cache") else client).endswith(
        "0 slots uncovered>"
    )


def test_reads_may_go_to_replicas(cluster: Cluster, colour: Any) -> None:
    client = colour.make("ClusterClient", cluster.urls, options(read_from="replica"))
    cache = colour.cache(client)
    names = [f"key-{n}" for n in range(30)]
    for name in names:
        cluster.primary_for(":1:" + name).command("SET", ":1:" + name, 1)
    cluster.primaries[0].command("WAIT", 1, 1000)
    last_write.set(0.0)  # that of the test before, in this thread
    eventually(lambda: len(cache.get_many(names)) == 30)
    assert [cache.get(name) for name in names] == [1] * 30
    assert sum(server.commands_seen()["GET"] for server in cluster.primaries) == 0
    if colour.name == "sync":  # what this thread wrote it reads from where it was written
        cache.set("key-1", 2)
        assert cache.get("key-1") == 2
        assert sum(server.commands_seen()["GET"] for server in cluster.primaries) == 1


def test_one_caller_at_a_time_asks_the_replica_of_a_primary_that_is_gone(
    cluster: Cluster, colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("_sync", "_async"):  # then all calls but the first come too early, however slow
        monkeypatch.setattr(f"cachex_client.{package}.cluster.PROBE_EVERY", 3600.0)
    with Proxies(cluster.servers) as fronts:
        map = ClusterMap(fronts.urls, fronts.remap)
        client = colour.make("ClusterClient", [], options(timeout=10.0), map=map)
        client.warm_up()
        key = next(cluster.keys_of_shard(1)).encode()
        primary = cluster.primary_of_shard(1)
        (replica,) = (one for one in cluster.members(1) if one is not primary)
        fronts[primary].refuse()
        fronts[primary].cut_all()
        for _ in range(5):
            with pytest.raises(redis.ConnectionError):
                client.execute(strings.incrby(key, 1))
        assert fronts[replica].count("INCRBY") == 1


def test_a_user_with_a_password_reaches_every_node(cluster: Cluster, colour: Any) -> None:
    for server in cluster.servers:
        server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
        server.command("ACL", "SETUSER", "default", "off")
    first = cluster.servers[0]
    url = f"redis://app:secret@{first.host}:{first.port}"
    client = colour.make("ClusterClient", [url], options())
    cache = colour.cache(client)
    cache.set_many({f"key-{n}": n for n in range(30)})
    assert len(cache.get_many([f"key-{n}" for n in range(30)])) == 30
    assert "secret" not in repr(client.map)
    wrong = colour.make("ClusterClient", [url.replace("secret", "wrong")], options())
    with pytest.raises(ClusterUnreachable, match=r"WRONGPASS|invalid"):
        wrong.execute(strings.get(b"a"))


def test_a_script_follows_a_failover_wherever_reads_go(cluster: Cluster, colour: Any) -> None:
    client = colour.make("ClusterClient", cluster.urls, options(read_from="replica_preferred"))
    cache = colour.cache(client)
    for key in ("n", "m"):
        cache.set(key, 1)
        assert cache.incr(key) == 2
    client.map.schedule.running_since = time.monotonic()  # nobody looks at the map
    for shard in {cluster.shard_of(":1:n"), cluster.shard_of(":1:m")}:
        cluster.failover(shard)
    assert cache.incr("n") == 3
    assert cache.incr_many({"n": 1, "m": 1}) == {"n": 4, "m": 3}


@pytest.mark.timing
def test_a_walk_says_which_right_it_lacks(cluster: Cluster, colour: Any) -> None:
    for server in cluster.servers:
        server.command("ACL", "SETUSER", "default", "-cluster|nodes")
    cache = colour.cache(colour.make("ClusterClient", cluster.urls, options()))
    with lasting(0, 2.0), pytest.raises(redis.exceptions.NoPermissionError, match="cluster"):
        list(cache.iter_keys("*"))


def test_databases_above_0_work_where_the_server_has_them(
    standalone: Standalone, colour: Any
) -> None:
    if not standalone.command("CONFIG", "GET", "cluster-databases"):
        pytest.skip("clusters of this server have one database")
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(Cluster(replicas=0, config={"cluster-databases": 16}))
        except ServerFailed:
            pytest.skip("this server has one database in a cluster")
        zero = colour.cache(colour.make("ClusterClient", cluster.urls, options()))
        urls = [url.replace("/0", "/3") for url in cluster.urls]
        three = colour.cache(colour.make("ClusterClient", urls, options()))
        three.set_many({f"key-{n}": n for n in range(20)})
        assert zero.get_many([f"key-{n}" for n in range(20)]) == {}
        assert len(three.keys()) == 20
        three.flush_db()
        assert three.keys() == []


def test_a_database_the_cluster_does_not_have_is_refused_clearly(
    cluster: Cluster, colour: Any
) -> None:
    urls = [url.replace("/0", "/3") for url in cluster.urls]
    client = colour.make("ClusterClient", urls, options())
    with pytest.raises(ClusterUnreachable, match=r"SELECT|DB index"):
        client.execute(strings.get(b"a"))


# Redirects


def test_moved_costs_one_round_trip_once(cluster: Cluster, colour: Any) -> None:
    client = colour.make("ClusterClient", cluster.urls[:1], options())
    key = next(cluster.keys_of_shard(0))
    client.execute(strings.set(key.encode(), b"1"))
    cluster.failover(0)
    for server in cluster.servers:
        server.command("CONFIG", "RESETSTAT")
    for _ in range(5):
        assert client.execute(strings.get(key.encode())) == b"1"
    gets = [server.commands_seen()["GET"] for server in cluster.servers]
    assert sum(gets) <= 6
    assert topology_queries(cluster) <= 3


@pytest.fixture
def front(cluster: Cluster) -> Iterator[Proxies]:
    """What a client asks through these, nobody else does."""
    with Proxies(cluster.servers) as proxies:
        yield proxies


def test_ask_is_for_one_command_and_no_news(cluster: Cluster, front: Proxies, colour: Any) -> None:
    # Of several seeds the first to answer counts; the last ones may be asked any time later.
    client = colour.make("ClusterClient", front.urls[:1], options(), address_remap=front.remap)
    source, target, _ = cluster.primaries
    key = next(cluster.keys_of_shard(0))
    slot = slot_of(key)
    client.execute(strings.set(key.encode(), b"1"))
    asked, count = front.count("CLUSTER SLOTS"), client.map.schedule.count
    assert (asked, count) == (1, 1)
    cluster.begin_migration(slot, source, target)
    try:
        cluster.move_key(key, source, target)
        for _ in range(3):
            assert client.execute(strings.get(key.encode())) == b"1"
            assert client.get_many([key.encode()]) == [b"1"]
        commands = [strings.get(key.encode()), strings.set(b"other", b"2")]
        assert client.execute_many(commands) == [b"1", True]
        assert client.execute_atomic([strings.get(key.encode())]) == [b"1"]
        assert source.commands_seen()["ASKING"] == 0
        assert target.commands_seen()["ASKING"] >= 7
        assert front.count("CLUSTER SLOTS") == asked
        assert client.map.schedule.count == count
    finally:
        cluster.abort_migration(slot, source, target)


@pytest.fixture
def behind(front: Proxies, colour: Any) -> Any:
    """The commands of a client that is behind `front`."""
    client = colour.make("ClusterClient", front.urls, options(), address_remap=front.remap)
    return colour.plain(client.redis)


def test_what_cannot_be_taken_apart_waits_for_a_slot_that_moves(
    cluster: Cluster, front: Proxies, behind: Any
) -> None:
    source, target, _ = cluster.primaries
    tag = next(cluster.keys_of_shard(0))
    one, other = f"{{{tag}}}1", f"{{{tag}}}2"
    behind.sadd(one, "a")
    behind.sadd(other, "b")

    def finish() -> None:
        eventually(lambda: front[source].count("SUNION") >= 5)
        cluster.move_key(other, source, target)

    cluster.begin_migration(slot_of(tag), source, target)
    cluster.move_key(one, source, target)
    thread = threading.Thread(target=finish)
    thread.start()
    try:
        assert behind.sunion(one, other) == {b"a", b"b"}
    finally:
        thread.join()
        target.command("FLUSHALL", "SYNC")
        cluster.abort_migration(slot_of(tag), source, target)


def test_servers_that_send_on_to_each_other_are_not_asked_without_end(
    cluster: Cluster, front: Proxies, behind: Any
) -> None:
    """The old server has none of the keys: ASK. The new one does not know them: TRYAGAIN."""
    source, target, _ = cluster.primaries
    tag = next(cluster.keys_of_shard(0))
    cluster.begin_migration(slot_of(tag), source, target)
    try:
        with pytest.raises(TryAgainError):
            behind.mset({f"{{{tag}}}1": 1, f"{{{tag}}}2": 2})
    finally:
        cluster.abort_migration(slot_of(tag), source, target)
    assert 4 < front.count("MSET") <= 14


@pytest.mark.timing
@pytest.mark.parametrize("many", [False, True])
def test_a_server_that_a_slot_moves_to_and_that_is_gone_is_given_up_on(
    cluster: Cluster, front: Proxies, behind: Any, many: bool
) -> None:
    source, target, _ = cluster.primaries
    key = next(cluster.keys_of_shard(0))
    behind.get(key)
    for one in front:
        one.forget()
    cluster.begin_migration(slot_of(key), source, target)
    front[target].refuse()
    front[target].cut_all()
    try:
        with lasting(0, 2.0), pytest.raises(redis.ConnectionError):
            _execute(behind, behind.pipeline(transaction=False).get(key)) if many else behind.get(
                key
            )
    finally:
        cluster.abort_migration(slot_of(key), source, target)
    assert front.count("GET") <= 5


@pytest.mark.timing
def test_keys_of_a_half_moved_slot_are_fetched_one_by_one(cluster: Cluster, colour: Any) -> None:
    client = colour.make("ClusterClient", cluster.urls, options())
    source, target, _ = cluster.primaries
    keys = [f"{{{next(cluster.keys_of_shard(0))}}}{n}".encode() for n in range(6)]
    slot = slot_of(keys[0])
    client.execute_many([strings.set(key, key) for key in keys])
    cluster.begin_migration(slot, source, target)
    try:
        for key in keys[:3]:
            cluster.move_key(key, source, target)
        with lasting(0, 0.2):
            assert client.get_many([*keys, b"elsewhere"]) == [*keys, None]
            assert sum(client.delete_many(keys)) == 6
    finally:
        cluster.abort_migration(slot, source, target)


@pytest.mark.parametrize("count", [1, 4])
def test_what_is_no_value_is_left_out_while_its_slot_moves(
    cluster: Cluster, colour: Any, count: int
) -> None:
    client = colour.make("ClusterClient", cluster.urls, options())
    source, target, _ = cluster.primaries
    keys = [f"{{{next(cluster.keys_of_shard(0))}}}{n}" for n in range(count)]
    for key in keys:
        source.command("HSET", key, "field", "1")
    cluster.begin_migration(slot_of(keys[0]), source, target)
    try:
        cluster.move_key(keys[0], source, target)
        assert client.get_many([key.encode() for key in keys]) == [None] * count
    finally:
        cluster.abort_migration(slot_of(keys[0]), source, target)


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_a_server_that_redirects_to_itself_is_given_up_on(colour: Any, host: str) -> None:
    def reply(words: tuple[bytes, ...]) -> bytes:
        if words[:2] == (b"CLUSTER", b"SLOTS"):
            return b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%d\r\n" % server.port
        if words[0] == b"CLUSTER":
            return b"$0\r\n\r\n"
        return b"-MOVED 15495 %b:%d\r\n" % (host.encode(), server.port)

    with Scripted(reply) as server:
        client = colour.make("ClusterClient", [server.url], options())
        with pytest.raises(BadRedirect, match=r"MOVED 15495 .* the call has followed 8"):
            client.execute(strings.get(b"a"), timeout=20)
        assert 5 <= sum(words[0] == b"GET" for words in server.commands) <= 9
        assert sum(words[1:] == (b"SLOTS",) for words in server.commands) <= 4


def test_a_slot_nobody_serves_is_said_to_be_so(colour: Any) -> None:
    def reply(words: tuple[bytes, ...]) -> bytes:
        if words[:2] == (b"CLUSTER", b"SLOTS"):
            return b"*1\r\n*3\r\n:0\r\n:100\r\n*2\r\n$0\r\n\r\n:%d\r\n" % server.port
        return b"$0\r\n\r\n"

    with Scripted(reply) as server:
        client = colour.make("ClusterClient", [server.url], options())
        with pytest.raises(SlotNotCovered, match="slot 15495"):
            client.execute(strings.get(b"a"))
        (error,) = client.get_many([b"a"])
        assert isinstance(error, SlotNotCovered)


def test_connections_the_servers_closed_in_between_do_not_matter(
    cluster: Cluster, cache: Any
) -> None:
    names = [f"key-{n}" for n in range(50)]
    cache.set_many(dict.fromkeys(names, 1))
    for _ in range(3):
        for server in cluster.servers:
            server.kill_clients()
        assert len(cache.get_many(names)) == 50
        for server in cluster.servers:
            server.kill_clients()
        assert [cache.get(name) for name in names] == [1] * 50


# Processes, threads, ends


def test_nothing_is_left_behind(cluster: Cluster) -> None:
    with no_leaks():
        client = ClusterClient(cluster.urls, options())
        client.redis.set("a", 1)
        client.close()
        forgotten = ClusterClient(cluster.urls, options())
        forgotten.warm_up()
        forgotten.close()
        del forgotten
        gc.collect()


def test_a_child_process_works_even_if_locks_were_held_at_the_fork(
    cluster: Cluster, fork: Callable[[], int]
) -> None:
    client = ClusterClient(cluster.urls, options())
    client.redis.set("a", 1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with client.map._lock, client._links._lock:
            client.map.schedule.running_since = time.monotonic()
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    child = fork()
    if child == 0:
        status = 1
        try:
            before = client.map.schedule.count
            client._links.want()
            ok = client.redis.get("a") == b"1" and client.redis.incr("n") == 1
            until = time.monotonic() + 5
            while client.map.schedule.count == before and time.monotonic() < until:
                client.redis.get("a")
                time.sleep(0.01)
            status = 0 if ok and client.map.schedule.count > before else 2
        finally:
            os._exit(status)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.redis.get("a") == b"1"
    client.close()
