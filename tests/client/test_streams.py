"""Streams beyond one call: waiting, groups that share the reading, answers that got lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from cachex_client import Cache, Codec, Keys
from support.proxy import MakeProxy
from support.servers import Standalone
from support.waiting import eventually, lasting

Run = Callable[..., Any]


def waiting(place: Any) -> int:
    """Return how many clients wait, at primaries or replicas."""
    servers = place.servers
    if place.topology == "standalone":
        nodes = [servers]
    elif place.topology == "cluster":
        nodes = servers.servers
    else:
        nodes = [servers.primary, *servers.replicas]
    return sum("b" in client.get("flags", "") for node in nodes for client in node.clients())


def test_who_waits_gets_what_comes(place: Any) -> None:
    with place.cache() as cache, ThreadPoolExecutor(2) as pool:
        cache.xgroup_create("s", "g", mkstream=True)
        alone = pool.submit(cache.xread, {"s": "$"}, None, 20_000)
        member = pool.submit(cache.xreadgroup, "g", "me", {"s": ">"}, None, 20_000)
        eventually(lambda: waiting(place) == 2, what="both waiting")
        came = cache.xadd("s", {"a": [1]})
        assert member.result(20) == {"s": [(came, {"a": [1]})]}
        assert alone.result(20) == {"s": [(came, {"a": [1]})]}


def test_tasks_wait_without_holding_others_up(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            first = await cache.xadd("s", {"n": 0})
            reader = asyncio.ensure_future(cache.xread({"s": first}, block=0))
            while waiting(one_place) == 0:
                await cache.set("other", 1)  # on another connection
            came = await cache.xadd("s", {"n": 1})
            assert await reader == {"s": [(came, {"n": 1})]}

    run(main())


@pytest.mark.timing
def test_waiting_may_take_longer_than_other_calls(colour: Any, standalone: Standalone) -> None:
    from cachex_client import ClientOptions

    client = colour.make("DefaultClient", [standalone.url], ClientOptions(timeout=0.2))
    cache = colour.cache(client)
    with lasting(0.5, 2):
        assert cache.xread({"s": "$"}, block=500) is None


def test_members_of_a_group_share_what_comes(place: Any) -> None:
    with place.cache() as cache:
        cache.xgroup_create("s", "g", "0", mkstream=True)
        added = [cache.xadd("s", {"n": number}) for number in range(100)]
        got: list[str] = []
        lock = threading.Lock()

        def work(number: int) -> None:
            while found := cache.xreadgroup("g", f"worker-{number}", {"s": ">"}, count=3):
                with lock:
                    got.extend(one for one, _ in found["s"])
                if number:  # the first one dies before it is done
                    cache.xack("s", "g", *(one for one, _ in found["s"]))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert sorted(got) == sorted(added)  # each of them once
        left = cache.xpending("s", "g")
        if left["pending"]:
            assert [one["name"] for one in left["consumers"]] == ["worker-0"]
        taken = cache.xautoclaim("s", "g", "heir", 0, count=1000)
        assert len(taken[1]) == left["pending"]
        assert (
            cache.xack("s", "g", *(one for one, _ in taken[1])) == left["pending"]
            if taken[1]
            else 1
        )


def test_what_a_lost_answer_brought_is_pending(
    colour: Any, standalone: Standalone, proxy: MakeProxy
) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    cache.xgroup_create("s", "g", "0", mkstream=True)
    entry = cache.xadd("s", {"a": 1})
    between.cut_reply(to="XREADGROUP")
    between.forget()
    with pytest.raises(redis.ConnectionError):
        cache.xreadgroup("g", "me", {"s": ">"})
    assert between.count("XREADGROUP") == 1
    assert cache.xautoclaim("s", "g", "me", 0)[1] == [(entry, {"a": 1})]


def test_an_entry_is_never_added_twice(
    colour: Any, standalone: Standalone, proxy: MakeProxy
) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    cache.get("warm")
    between.cut_reply(to="XADD")
    with pytest.raises(redis.ConnectionError):
        cache.xadd("s", {"a": 1})
    assert cache.xlen("s") == 1


def test_entries_that_are_gone_are_told_apart(cache: Cache) -> None:
    first, second = cache.xadd("s", {"a": 1}), cache.xadd("s", {"a": 2})
    assert first
    cache.xgroup_create("s", "g", "0")
    cache.xreadgroup("g", "me", {"s": ">"})
    cache.xdel("s", first)
    assert cache.xreadgroup("g", "me", {"s": "0"}) == {"s": [(first, {}), (second, {"a": 2})]}
    assert cache.xautoclaim("s", "g", "you", 0) == ("0-0", [(second, {"a": 2})], [first])


def test_keys_come_back_as_they_were_given(make_cache: Any) -> None:
    cache = make_cache(keys=Keys("app"))
    entry = cache.xadd(7, {"a": 1}, version=2)
    cache.xadd("b", {"b": 1}, version=2)
    found = cache.xread({7: "0", "b": "0"}, version=2)
    assert list(found) == [7, "b"]
    assert found[7] == [(entry, {"a": 1})]


def test_errors_are_the_servers(cache: Cache) -> None:
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        cache.xreadgroup("g", "me", {"s": ">"})
    cache.xgroup_create("s", "g", mkstream=True)
    with pytest.raises(redis.ResponseError, match="BUSYGROUP"):
        cache.xgroup_create("s", "g")
    with pytest.raises(redis.ResponseError, match="no such key"):
        cache.xinfo_stream("gone")
    with pytest.raises(redis.ResponseError, match="ID"):
        cache.xadd("s", {"a": 1}, "0-0")


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("xadd", ("k", {}), {}),
        ("xadd", ("k", {"a": 1}), {"maxlen": 1, "minid": "1"}),
        ("xtrim", ("k",), {}),
        ("geoadd", ("k", {}), {}),
        ("geosearch", ("k",), {"radius": 1}),
        ("geosearch", ("k",), {"member": 1}),
        ("geosearch", ("k",), {"member": 1, "longitude": 1, "latitude": 1, "radius": 1}),
        ("geosearch", ("k",), {"longitude": 1, "radius": 1}),
        ("geosearch", ("k",), {"member": 1, "radius": 1, "width": 1, "height": 1}),
        ("geosearch", ("k",), {"member": 1, "width": 1}),
        ("geosearch", ("k",), {"member": 1, "radius": 1, "any": True}),
        ("pfcount", ([],), {}),
        ("bitop", ("OR", "k", []), {}),
    ],
)
def test_what_says_nothing_is_refused_before_it_is_sent(
    method: str, arguments: tuple[Any, ...], options: dict[str, Any], colour: Any
) -> None:
    cache = colour.cache(colour.make("DefaultClient", ["redis://127.0.0.1:1"]))
    with pytest.raises(ValueError, match=r"need|at least|exclude|centre|area"):
        getattr(cache, method)(*arguments, **options)


def test_a_pipeline_does_not_wait(cache: Cache) -> None:
    plain: Any = getattr(cache, "_cache", cache)
    with pytest.raises(ValueError, match="may wait"):
        plain.pipeline().xread({"s": "$"}, block=1)
    plain.pipeline().xread({"s": "0"})


def test_signed_values_are_checked(make_cache: Any) -> None:
    from cachex_client.errors import SerializerError

    make_cache(codec=Codec(signing_key="other")).xadd("s", {"a": [1]})
    with pytest.raises(SerializerError):
        make_cache(codec=Codec(signing_key="ours")).xrange("s")


def test_what_resp2_says_is_read_alike(colour: Any, standalone: Standalone) -> None:
    from cachex_pool import Endpoint

    host, port = standalone.address
    results = []
    for protocol in (2, 3):
        standalone.command("FLUSHALL")
        endpoint = Endpoint(host=host, port=port, protocol=protocol)
        cache = colour.cache(colour.make("DefaultClient", [endpoint]))
        cache.xadd("s", {"a": 1}, "1-1")
        cache.xgroup_create("s", "g", "0")
        cache.geoadd("p", {"x": (13.4, 52.5)})
        results.append(
            [
                cache.xread({"s": "0"}),
                cache.xreadgroup("g", "me", {"s": ">"}),
                cache.xpending("s", "g"),
                sorted(cache.xinfo_stream("s")),
                cache.xinfo_stream("s")["first-entry"],
                [group["name"] for group in cache.xinfo_groups("s")],
                cache.xinfo_stream("s", full=True)["groups"][0]["name"],
                cache.xautoclaim("s", "g", "you", 0),
                cache.geosearch("p", member="x", radius=1, withdist=True, withcoord=True),
                cache.geopos("p", "x", "y"),
                cache.geodist("p", "x", "x"),
                cache.pfadd("h", 1),
                cache.bitfield("b", ("GET", "u8", 0)),
            ]
        )
    assert results[0] == results[1]
