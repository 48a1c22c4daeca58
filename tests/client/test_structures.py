"""Data structures on the cache object: every method, on every topology, in both colours."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis.exceptions
from redis.exceptions import ClusterCrossSlotError, ResponseError

from cachex_client import (
    AsyncCache,
    AsyncCachePipeline,
    AsyncDefaultClient,
    Cache,
    CacheCommands,
    CachePipeline,
    ClientObserver,
    ClientOptions,
    Codec,
    DefaultClient,
    Keys,
    Sent,
    SerializerError,
    observe,
    unobserve,
)
from cachex_client.command import Command
from cachex_pool import Endpoint
from support.clients import map_of
from support.places import TOPOLOGIES, Place, place
from support.refused_calls import ABOUT_NOTHING, REFUSED, Refused
from support.servers import Cluster, Server, Standalone
from support.structure_calls import (
    FAMILIES,
    VALUES,
    WAITING,
    Call,
    K,
    L,
    as_expected,
    as_stored,
    commands_known,
    content,
    fill,
    minding,
    put_another_type,
    waits,
)
from support.waiting import eventually

CODEC = Codec()
ALL = [one for calls in FAMILIES.values() for one in calls]
OF_CONNECTIONS = {
    "AUTH",
    "HELLO",
    "INFO",
    "PING",
    "CONFIG|RESETSTAT",
    "CLIENT|SETINFO",
    "CLIENT|SETNAME",
}


def connected(colour: Any, at: Place) -> Any:
    """Make a client that reads from replicas, where there are any, whatever was written before."""
    options = ClientOptions(timeout=20.0, read_from="replica_preferred", read_your_writes=0)
    if at.name == "standalone":
        return colour.make("DefaultClient", [at.servers.url], options)
    if at.name == "replicated":
        return colour.make("DefaultClient", at.servers.urls, options)
    if at.name == "cluster":
        return colour.make("ClusterClient", at.servers.urls, options)
    return colour.make("SentinelClient", map_of(at.servers), options)


@pytest.fixture(params=TOPOLOGIES)
def at(request: pytest.FixtureRequest) -> Place:
    return place(request.param, request.getfixturevalue(request.param))


@pytest.fixture
def alone(standalone: Standalone) -> Place:
    return place("standalone", standalone)


def doable(calls: list[Call], server: Server) -> Iterator[Call]:
    """Yield the calls whose commands the server has: fields that end are Valkey 9's."""
    known = commands_known(server)
    return (one for one in calls if not one.needs or one.needs in known)


def prepare(at: Place, call: Call, head: str) -> None:
    for key in (K, L):
        at.primary_for(f"{head}{key}").command("DEL", f"{head}{key}")
    for key, what in call.given.items():
        full = f"{head}{key}"
        fill(at.primary_for(full), full, what, CODEC.dumps, at.replicas)


def outcome(thing: Any, call: Call | Refused, **more: Any) -> Any:
    """Return the result of a call, or the error that it raised."""
    try:
        return getattr(thing, call.method)(*call.arguments, **call.options, **more)
    except ValueError as error:
        return error


def check(at: Place, call: Call, head: str, result: Any) -> None:
    assert as_expected(result, call.returns), f"{call} returned {result!r}"
    for key, wanted in call.holds.items():
        found = content(at.primary_for(f"{head}{key}"), f"{head}{key}")
        assert found == as_stored(wanted, CODEC.dumps), f"{call} left {found!r} under {key}"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_does_what_it_says_on_every_topology(
    family: str, at: Place, colour: Any
) -> None:
    cache = colour.cache(connected(colour, at), keys=Keys("app"))
    for number, call in enumerate(doable(FAMILIES[family], at.primaries[0])):
        head = f"app:{number}:"  # a version of its own, so that nothing has to be waited for
        prepare(at, call, head)
        check(at, call, head, outcome(cache, call, version=number))


def test_a_method_is_one_command(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    server = alone.primaries[0]
    for call in doable(ALL, server):
        prepare(alone, call, ":1:")
        server.command("CONFIG", "RESETSTAT")
        outcome(cache, call)
        seen = server.commands_seen()
        sent = {name: count for name, count in seen.items() if name not in OF_CONNECTIONS}
        assert sum(sent.values()) == 1, f"{call} sent {sent}"


def test_a_server_of_the_older_protocol_answers_the_same(alone: Place, colour: Any) -> None:
    server = alone.primaries[0]
    endpoint = Endpoint(host=server.host, port=server.port, protocol=2)
    cache = colour.cache(colour.make("DefaultClient", [endpoint]))
    for call in doable(ALL, server):
        prepare(alone, call, ":1:")
        check(alone, call, ":1:", outcome(cache, call))


def test_prefix_and_version_are_before_every_key(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone), keys=Keys("app", 2))
    server = alone.primaries[0]
    for call in doable(ALL, server):
        server.command("FLUSHALL")
        prepare(alone, call, "app:2:")
        check(alone, call, "app:2:", outcome(cache, call))
        assert all(key.startswith(b"app:2:") for key in server.command("KEYS", "*")), call


def test_two_keys_may_have_versions_of_their_own(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.rpush("list", 1, 2, 3, version=2)
    assert cache.lmove("list", "to", "LEFT", "RIGHT", version_src=2, version_dst=3) == 1
    assert cache.blmove("list", "to", 1, version=2, version_dst=3) == 2
    assert cache.lrange("to", 0, -1, version=3) == [1, 2]
    cache.sadd("set", 1, 2, version=2)
    assert cache.smove("set", "to", 1, 2, version_dst=1)
    assert cache.smembers("to") == {1}
    assert cache.sunionstore("union", ["set"], version_dest=4, version_keys=2) == 1
    assert cache.smembers("union", 4) == {2}
    assert cache.sunion(["set"], 2) == cache.sunion("set", version=2) == {2}
    assert cache.blpop(["list"], 1, 2) == ("list", 3)


def test_a_key_comes_back_as_it_was_given(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone), keys=Keys("a:b"))
    cache.rpush(7, "value")
    assert cache.blpop(["other", 7], 1) == (7, "value")


def test_fields_are_text(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.hset("key", mapping={"\udcff": 1, 7: 2, b"raw": 3, "": 4})
    assert cache.hgetall("key") == {"\udcff": 1, "7": 2, "raw": 3, "": 4}
    assert alone.primaries[0].command("HGET", ":1:key", b"\xff") == b"1"
    assert cache.hmget("key", "\udcff", 7, "raw", "") == [1, 2, 3, 4]


def test_iterators_go_through_all_of_it(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone), keys=Keys("app"))
    cache.hset("hash", mapping={f"f{number}": number for number in range(1000)})
    cache.sadd("set", *range(1000))
    cache.zadd("sorted", {number: number / 2 for number in range(1000)})
    assert dict(cache.hscan_iter("hash", count=50)) == {f"f{one}": one for one in range(1000)}
    assert set(cache.sscan_iter("set")) == set(range(1000))
    assert dict(cache.zscan_iter("sorted", count=50)) == {one: one / 2 for one in range(1000)}
    assert set(cache.sscan_iter("set", b"99?")) == set(range(990, 1000))
    assert dict(cache.hscan_iter("hash", "f99?")).keys() == {f"f{one}" for one in range(990, 1000)}
    assert list(cache.hscan_iter("none")) == []


@pytest.mark.parametrize("length", [1, 2, 38, 42, 63, 87, 91, 92, 300])
@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_text_is_found_by_itself_whatever_its_length_is(
    alone: Place, colour: Any, serializer: str, length: int
) -> None:
    cache = colour.cache(connected(colour, alone), codec=Codec(serializer))
    cache.sadd("set", "é" + "x" * length, "other")  # the length may be written as * ? [ or \
    cache.zadd("sorted", {"x" * length: 1.5, "other": 2})
    assert list(cache.sscan_iter("set", "é" + "x" * length)) == ["é" + "x" * length]
    assert cache.zscan("sorted", 0, "x" * length, 100) == (0, [("x" * length, 1.5)])


def test_a_pattern_of_text_is_about_the_whole_text(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone), codec=Codec("json"))
    cache.sadd("set", "bar1", "bar2", "zoo", 12)
    for match, found in {
        "ba*": ["bar1", "bar2"],
        "*oo*": ["zoo"],
        "bar[13]": ["bar1"],
        "1*": [],  # no text
        b"1*": [12],
        b'"z*': ["zoo"],
        12: [12],
    }.items():
        assert sorted(cache.sscan_iter("set", match)) == found
        assert cache.sscan("set", 0, match, 100) == (0, set(found))


def test_a_pattern_that_cannot_be_compared_with_members_is_refused(
    alone: Place, colour: Any
) -> None:
    client = connected(colour, alone)
    compressing = colour.cache(client, codec=Codec(compressors="zlib"))
    signing = colour.cache(client, codec=Codec(signing_key="s" * 32))
    for cache, why in ((compressing, "compressed"), (signing, "signed")):
        cache.sadd("set", "zoo", 12)
        for refused in (
            lambda cache=cache: list(cache.sscan_iter("set", "z*")),
            lambda cache=cache: list(cache.zscan_iter("sorted", "z*")),
            lambda cache=cache: cache.pipeline().sscan("set", 0, "z*"),
        ):
            with pytest.raises(ValueError, match=f"that are {why}: read all of them"):
                refused()
        assert list(cache.sscan_iter("set", b"1?")) == [12]
        cache.delete("set")
    plain = colour.cache(client, codec=Codec(compressors="none"))
    plain.sadd("set", "zoo")
    assert list(plain.sscan_iter("set", "z*o")) == ["zoo"]


def test_members_that_no_set_of_pythons_can_hold_are_found_one_by_one(
    alone: Place, colour: Any
) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.sadd("key", [1], {"a": 1})
    with pytest.raises(TypeError, match="dict, list were found"):
        cache.smembers("key")
    assert sorted(map(repr, cache.sscan_iter("key"))) == ["[1]", "{'a': 1}"]
    assert len(cache.srandmember("key", 2)) == 2
    assert cache.sismember("key", [1])


def test_a_field_that_was_counted_up_reads_as_a_number(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.hincrbyfloat("key", "f", 1.5)
    assert cache.hget("key", "f") == 1.5
    cache.hincrby("key", "n", 3)
    assert cache.hget("key", "n") == 3


def test_fields_end(alone: Place, colour: Any) -> None:
    if "HSETEX" not in commands_known(alone.primaries[0]):
        pytest.skip("this server's fields do not end")
    cache = colour.cache(connected(colour, alone), timeout=100)
    cache.hsetex("key", "own", 1)
    cache.hsetex("key", "given", 1, 50.5)
    cache.hsetex("key", "never", 1, None)
    assert cache.httl("key", "own", "given", "never")[2] is None
    own, given, _ = cache.hpttl("key", "own", "given", "never")
    assert 80_000 < own <= 100_000
    assert 30_000 < given <= 50_500
    assert cache.hpersist("key", "own", "never") == [1, -1]
    assert cache.hpexpire("key", 60_000, "never") == [1]
    assert cache.hgetex("key", "never", timeout=1000) == [1]
    assert 900 < cache.httl("key", "never")[0] <= 1000
    assert cache.hexpiretime("key", "never")[0] > 1_700_000_000
    cache.hsetex("key", "never", 2, keepttl=True)
    assert 900 < cache.httl("key", "never")[0] <= 1000


def test_another_type_under_the_key_is_the_servers_error(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    server = alone.primaries[0]
    for call in doable(minding(), server):
        for key in (K, L):
            put_another_type(server, call, f":1:{key}")
        with pytest.raises(ResponseError, match=r"WRONGTYPE|wrong kind"):
            pytest.fail(f"{call} returned {outcome(cache, call)!r}")


def test_get_many_leaves_out_what_is_no_value(at: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, at), keys=Keys("left-out"))
    others = {f"hash{n}": {"a": 1} for n in range(20)} | {"{tag}list": [1]}
    for key, what in others.items():
        full = f"left-out:1:{key}"
        at.primary_for(full).command("DEL", full)
        fill(at.primary_for(full), full, what, CODEC.dumps, at.replicas)
    for key in ("single", "{tag}value"):
        full = f"left-out:1:{key}"
        fill(at.primary_for(full), full, 5, CODEC.dumps, at.replicas)
    assert cache.get_many([*others, "single", "{tag}value"]) == {"single": 5, "{tag}value": 5}
    assert cache.get_many(["hash1"]) == {}
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        cache.get("hash1")


def test_a_key_that_is_not_there_cannot_be_renamed(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    for method in ("rename", "renamenx"):
        with pytest.raises(ResponseError, match="no such key"):
            getattr(cache, method)("none", "other")


def test_a_key_may_be_renamed_into_another_version(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.set("old", 1, 100, version=2)
    assert cache.rename("old", "new", version_src=2, version_dst=3)
    assert cache.get("new", version=3) == 1
    assert 50 < cache.ttl("new", version=3) <= 100


def test_a_key_ends_when_it_was_told_to(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.set("key", 1, None)
    assert cache.expireat("key", 2_000_000_000)
    assert cache.expiretime("key") == 2_000_000_000
    assert cache.pexpireat("key", 2_000_000_001_000)
    assert cache.expiretime("key") == 2_000_000_001


def test_what_says_nothing_or_too_much_is_refused_before_it_is_sent(colour: Any) -> None:
    cache = colour.cache(colour.make("DefaultClient", ["redis://127.0.0.1:1"]))
    for call in REFUSED:
        assert call.says in str(outcome(cache, call)), str(call)


def test_what_is_refused_is_not_queued(colour: Any) -> None:
    cache = colour.cache(colour.make("DefaultClient", ["redis://127.0.0.1:1"]))
    pipeline = cache.pipeline()
    for call in REFUSED:
        if call.method not in WAITING:
            assert call.says in str(outcome(colour.plain(pipeline), call)), str(call)
    assert len(pipeline) == 0


def test_the_table_of_what_is_refused_has_every_method_that_takes_any_number() -> None:
    wanted = set()
    for name in vars_of(CacheCommands):
        for one in inspect.signature(getattr(CacheCommands, name)).parameters.values():
            collection = re.search("Mapping|Sequence|Iterable", str(one.annotation))
            if one.kind is one.VAR_POSITIONAL or (one.default is one.empty and collection):
                wanted.add(name)
    assert wanted - {"eval_script"} == {call.method for call in ABOUT_NOTHING} - {"hset", "hsetex"}


@pytest.mark.parametrize("family", ["hashes", "keys", "lists", "sets", "sorted_sets"])
def test_what_is_never_sent_twice_says_so(family: str) -> None:
    commands = CacheCommands(Keys(), CODEC, 300)
    for call in FAMILIES[family]:
        spec = getattr(commands, call.method)(*call.arguments, **call.options).spec
        told = " ".join(getattr(CacheCommands, call.method).__doc__.split())
        other = re.search(r"(?:as|As) `(\w+)`", told)
        if other is not None:
            told += " ".join(getattr(CacheCommands, other[1]).__doc__.split())
        if spec.write and not spec.idempotent and "SCAN" not in spec.name:
            assert "ever sent twice" in told, call
        else:
            assert "Never sent twice" not in told, call


def test_a_value_that_cannot_be_read_spoils_no_other(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    alone.primaries[0].command("HSET", ":1:key", "bad", b"\xff\xff", "good", 1)
    with pytest.raises(SerializerError):
        cache.hgetall("key")
    pipeline = colour.plain(cache.pipeline().hget("key", "good").hget("key", "bad").hlen("key"))
    good, bad, size = pipeline.execute(raise_on_error=False)
    assert (good, size) == (1, 2)
    assert isinstance(bad, SerializerError)


def test_fields_are_given_one_by_one(colour: Any) -> None:
    cache = colour.cache(colour.make("DefaultClient", ["redis://127.0.0.1:1"]))
    with pytest.raises(TypeError, match="of this list one by one"):
        cache.hmget("key", ["a", "b"])
    with pytest.raises(ValueError, match="not 3 words"):
        cache.hset("key", items=["a", 1, "b"])


def test_a_fraction_is_no_whole_number(colour: Any) -> None:
    cache = colour.cache(colour.make("DefaultClient", ["redis://127.0.0.1:1"]))
    with pytest.raises(TypeError, match="float"):
        cache.hincrby("key", "field", 1.5)


def test_keys_of_several_slots_are_named(cluster: Cluster, colour: Any) -> None:
    cache = colour.cache(connected(colour, place("cluster", cluster)))
    for method, arguments in [
        ("sdiff", ("a", "b")),
        ("sunionstore", ("c", ["a", "b"])),
        ("lmove", ("a", "b", "LEFT", "RIGHT")),
        ("smove", ("a", "b", 1)),
        ("blpop", (["a", "b"], 1)),
    ]:
        with pytest.raises(ClusterCrossSlotError, match=r":1:a.*slot.*hash tag|:1:a.*\{hash tag\}"):
            getattr(cache, method)(*arguments)


def test_waiting_takes_as_long_as_it_may(alone: Place, colour: Any) -> None:
    options = ClientOptions(timeout=0.5)
    cache = colour.cache(colour.make("DefaultClient", [alone.servers.url], options))
    assert cache.blpop("key", timeout=1.5) is None  # longer than the deadline of other calls


def test_who_waits_holds_up_nobody(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    server = alone.primaries[0]
    if colour.name == "sync":
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(cache.blpop, "key", timeout=20)
            eventually(lambda: server.info("clients")["blocked_clients"] == "1", what="a waiter")
            cache.set("other", 1)
            assert cache.rpush("key", "value") == 1
            assert waiting.result(20) == ("key", "value")
        return

    async def main() -> None:
        real = cache._cache
        waiting = asyncio.create_task(real.blpop("key", timeout=20))
        while server.info("clients")["blocked_clients"] != "1":
            await asyncio.sleep(0.01)
        assert await real.set("other", 1)
        assert await real.rpush("key", "value") == 1
        assert await waiting == ("key", "value")

    colour.loop.run_until_complete(main())


def test_a_task_that_no_longer_waits_takes_nothing(alone: Place, run: Callable[..., Any]) -> None:
    server = alone.primaries[0]

    async def main() -> None:
        client = AsyncDefaultClient([alone.servers.url])
        cache = AsyncCache(client)
        waiting = asyncio.create_task(cache.blpop("key"))
        while server.info("clients")["blocked_clients"] != "1":
            await asyncio.sleep(0.01)
        waiting.cancel()
        while server.info("clients")["blocked_clients"] != "0":
            await asyncio.sleep(0.01)
        assert await cache.rpush("key", 1) == 1
        assert await cache.lrange("key", 0, -1) == [1]
        await client.aclose()

    run(main())


def test_who_waits_hears_that_the_server_died(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(cache.blpop, "key")
        server = alone.primaries[0]
        eventually(lambda: server.info("clients")["blocked_clients"] == "1", what="a waiter")
        server.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            waiting.result(20)


# Pipelines


def test_every_method_is_in_pipelines(alone: Place) -> None:
    made = {name for name in vars_of(CacheCommands) if name not in ("at",)}
    for kind in (CachePipeline, AsyncCachePipeline):
        assert made - WAITING <= vars_of(kind)
        assert not WAITING & vars_of(kind)
    for cache in (Cache, AsyncCache):
        assert made <= vars_of(cache)


def test_a_method_has_the_same_arguments_in_pipelines() -> None:
    for method in {call.method for call in [*ALL, *VALUES] if not waits(call)}:
        of_cache = inspect.signature(getattr(Cache, method)).parameters
        of_pipeline = inspect.signature(getattr(CachePipeline, method)).parameters
        assert list(of_cache.values()) == list(of_pipeline.values()), method


def vars_of(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_table_of_calls_has_every_method() -> None:
    families = {
        name
        for module in FAMILIES
        for name in methods_of(__import__(f"cachex_client.structures.{module}", fromlist=["x"]))
    }
    assert families == {call.method for call in ALL}


def methods_of(module: Any) -> Iterator[str]:
    for kind in vars(module).values():
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            yield from (name for name in vars(kind) if not name.startswith("_"))


@pytest.mark.parametrize("transaction", [False, True])
def test_a_pipeline_returns_what_the_methods_return(
    transaction: bool, at: Place, colour: Any
) -> None:
    cache = colour.cache(connected(colour, at), keys=Keys("app"))
    calls = [one for one in doable([*ALL, *VALUES], at.primaries[0]) if not waits(one)]
    whole = colour.plain(cache.pipeline(transaction=False))
    for number, call in enumerate(calls):
        head = f"app:{number}:"
        prepare(at, call, head)
        if transaction:
            pipeline = colour.plain(cache.pipeline(transaction, version=number))
            outcome(pipeline, call)
            check(at, call, head, pipeline.execute(raise_on_error=False)[0])
        else:
            outcome(whole, call, version=number)
    if not transaction:
        results = whole.execute(raise_on_error=False)
        for number, (call, result) in enumerate(zip(calls, results, strict=True)):
            check(at, call, f"app:{number}:", result)


def test_a_pipeline_keeps_the_order(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    pipeline = cache.pipeline()
    assert pipeline.set("k", 1).incr("k", 2).get("k").hset("h", "f", "v").hget("h", "f") is pipeline
    assert len(pipeline) == 5
    assert pipeline
    cache.get("connected before")
    with alone.primaries[0].monitor() as monitor:
        assert colour.plain(pipeline).execute() == [True, 3, 3, 1, "v"]
    names = [one.command[0].upper() for one in monitor.entries if one.sender != "lua"]
    assert names == [b"SET", b"EVAL", b"GET", b"HSET", b"HGET"]
    assert len(pipeline) == 0
    assert colour.plain(pipeline).execute() == []


def test_a_pipeline_may_be_filled_again_or_forgotten(cache: Cache) -> None:
    pipeline: Any = cache.pipeline().set("a", 1)
    pipeline.reset()
    assert len(pipeline) == 0
    assert cache.get("a") is None


def test_what_was_not_executed_is_forgotten_at_the_end_of_a_block(
    alone: Place, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        client = AsyncDefaultClient([alone.servers.url])
        cache = AsyncCache(client)
        async with cache.pipeline(version=2) as pipeline:
            pipeline.set("a", 1)
            assert await pipeline.execute() == [True]
            pipeline.set("b", 1)
        assert len(pipeline) == 0
        assert await cache.get_many(["a", "b"], version=2) == {"a": 1}
        await client.aclose()

    run(main())
    client = DefaultClient([alone.servers.url])
    cache = Cache(client)
    with cache.pipeline(version=3) as pipeline:
        assert pipeline.set("a", 1).execute() == [True]
        pipeline.set("b", 1)
    assert pipeline.execute() == []
    assert cache.get_many(["a", "b"], version=3) == {"a": 1}
    client.close()


def test_an_error_is_raised_or_left_in_its_place(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.set("text", "x")

    def filled() -> Any:
        return colour.plain(cache.pipeline().set("a", 1).hget("text", "f").incr("none").set("b", 2))

    one, wrong, missing, two = filled().execute(raise_on_error=False)
    assert (one, two) == (True, True)
    assert isinstance(wrong, ResponseError)
    assert isinstance(missing, ValueError)
    with pytest.raises(ResponseError) as caught:
        filled().execute()
    assert caught.value.__notes__ == ["hget, number 2 of a pipeline"]
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}


def test_a_stored_exception_is_a_value(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.set("key", KeyError("kept"))
    (value,) = colour.plain(cache.pipeline().get("key")).execute()
    assert isinstance(value, KeyError)


def test_a_transaction_is_one(alone: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, alone))
    cache.get("connected before")
    with alone.primaries[0].monitor() as monitor:
        pipeline = cache.pipeline(transaction=True).rpush("k", 1, 2).lpop("k").incr("none")
        assert colour.plain(pipeline).execute(raise_on_error=False)[:2] == [2, 1]
    names = [one.command[0].upper() for one in monitor.entries if one.sender != "lua"]
    assert names == [b"MULTI", b"RPUSH", b"LPOP", b"EVAL", b"EXEC"]


def test_a_transaction_on_several_slots_is_refused_with_their_keys(
    cluster: Cluster, colour: Any
) -> None:
    cache = colour.cache(connected(colour, place("cluster", cluster)))
    pipeline = colour.plain(cache.pipeline(transaction=True).set("a", 1).set("b", 2))
    with pytest.raises(ClusterCrossSlotError, match=r":1:a.*slot.*:1:b"):
        pipeline.execute()
    both = colour.plain(
        cache.pipeline(transaction=True).set("{u}a", 1).lmove("{u}x", "{u}y", "LEFT", "LEFT")
    )
    assert both.execute() == [True, None]


def test_a_pipeline_in_a_cluster_is_one_write_per_server(cluster: Cluster, colour: Any) -> None:
    cache = colour.cache(connected(colour, place("cluster", cluster)))
    pipeline = cache.pipeline()
    for number in range(100):
        pipeline.set(f"k{number}", number).get(f"k{number}")
    results = colour.plain(pipeline).execute()
    assert results == [one for number in range(100) for one in (True, number)]


class Told(ClientObserver):
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def sending(self, sent: Sent) -> None:
        self.sent.append(sent)


def test_a_pipeline_is_one_write_for_each_server(at: Place, colour: Any) -> None:
    cache = colour.cache(connected(colour, at), name="mine")
    pipeline = cache.pipeline()
    for number in range(50):
        pipeline.sadd(f"k{number}", 1).scard(f"k{number}")
    told = Told()
    observe(told)
    try:
        colour.plain(pipeline).execute()
    finally:
        unobserve(told)
    assert len(told.sent) == len(at.primaries)
    assert sum(one.size for one in told.sent) == 100
    assert {one.name for one in told.sent} == {"PIPELINE"}


def test_what_waits_is_not_queued(cache: Cache) -> None:
    pipeline = cache.pipeline()
    waiting: Callable[..., Any] = cache.commands.blpop
    command: Command[Any] = waiting("key", timeout=1)
    with pytest.raises(ValueError, match="would hold up"):
        pipeline._queue("blpop", command)
