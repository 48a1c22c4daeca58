"""Closing a client: what is idle goes, no call fails, and the next call opens again."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from cachex_client import (
    AsyncClusterClient,
    ClientOptions,
    ClusterClient,
    DefaultClient,
    SentinelClient,
    SentinelMap,
    commands,
)
from cachex_client._background import BackgroundWork
from cachex_client._core.topology import Address
from cachex_pool import PoolError, pack
from support.clients import map_of
from support.colours import Awaited, own_loop
from support.servers import Cluster, Sentinels, Standalone
from support.waiting import eventually

KEY = b":1:a"


def is_quiet(place: Any) -> bool:
    """Tell whether the client's connections are gone."""
    servers = getattr(place.servers, "servers", [place.servers])
    return all(server.connected_clients() == 0 for server in servers)


def listeners() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "cachex-listener"]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Any:
    """Make a client of a place; the asynchronous one as if it were for threads."""
    with own_loop() as loop:

        def of(place: Any) -> Any:
            if request.param == "sync":
                return place.client("")
            return Awaited(place.client("Async"), loop)

        yield of


def test_a_closed_client_holds_no_connection_and_opens_one_at_the_next_call(
    place: Any, make: Any
) -> None:
    client = make(place)
    for _ in range(2):
        client.execute(commands.set(KEY, b"1"))
        assert not is_quiet(place)
        client.close()
        eventually(lambda: all(one.size == 0 for one in client.stats()))
        if place.topology != "sentinels":  # where the listening threads go in their own time
            eventually(lambda: is_quiet(place))
    assert client.execute(commands.get(KEY)) == b"1"
    client.close()


def test_redis_pys_face_of_a_closed_client_works_on(place: Any, make: Any) -> None:
    client = make(place)
    face = client.redis
    if isinstance(client, Awaited):
        face = Awaited(face, client.loop)
    face.set("a", "1")
    client.close()
    face.close()
    assert face.get("a") == b"1"
    client.close()


def test_connections_lent_to_redis_py_are_closed_with_the_client(standalone: Standalone) -> None:
    client = DefaultClient([standalone.url])
    pool = client.redis.connection_pool
    pool.release(pool.get_connection())
    assert standalone.connected_clients() == 1
    client.close()
    eventually(lambda: standalone.connected_clients() == 0)


def test_a_call_under_way_is_answered_although_another_thread_closes(place: Any) -> None:
    client = place.client("")
    servers = getattr(place.servers, "servers", [place.servers])

    def blocked() -> int:
        return sum(int(server.info("clients")["blocked_clients"]) for server in servers)

    with ThreadPoolExecutor(1) as threads:
        popped = threads.submit(client.redis.blpop, "list", 30)
        eventually(lambda: blocked() == 1)
        client.close()
        client.redis.rpush("list", "x")
        assert popped.result(30) == (b"list", b"x")
    client.close()
    eventually(lambda: all(one.size == 0 for one in client.stats()))


async def _answers_of_a_closing_client(client: Any) -> list[Any]:
    await client.execute(commands.set(KEY, b"1"))
    calls = [asyncio.ensure_future(client.execute(commands.incrby(KEY, 1))) for _ in range(50)]
    await asyncio.sleep(0)  # they are on their way
    await client.aclose()
    found = await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()
    return found


def test_calls_under_way_are_answered_although_another_task_closes(place: Any) -> None:
    found = asyncio.run(_answers_of_a_closing_client(place.client("Async")))
    assert found == list(range(2, 52))


def unheard_map(sentinels: Sentinels) -> SentinelMap:
    """Return a map of Sentinels to which nobody listens yet."""
    eventually(lambda: not listeners())
    return map_of(sentinels)


def test_threads_that_listen_to_sentinels_end_and_begin_with_use(sentinels: Sentinels) -> None:
    client = SentinelClient(unheard_map(sentinels))
    for _ in range(2):
        client.execute(commands.set(KEY, b"1"))
        assert listeners()
        client.close()
        eventually(lambda: not listeners())


def test_a_look_that_goes_on_after_closing_makes_nobody_listen(sentinels: Sentinels) -> None:
    map = unheard_map(sentinels)
    client = SentinelClient(map)
    client.execute(commands.set(KEY, b"1"))
    client.close()
    eventually(lambda: not listeners())
    map.want(time.monotonic())
    eventually(lambda: map.may_check(time.monotonic()))
    assert map.finder(lambda: False) is None
    assert not listeners()


def test_news_that_come_while_a_client_is_closed_make_nobody_listen(sentinels: Sentinels) -> None:
    map = unheard_map(sentinels)
    client = SentinelClient(map)
    client.execute(commands.set(KEY, b"1"))
    links: Any = client._links
    news = threading.Thread(target=links.follow)

    def waits() -> bool:
        frame = sys._current_frames().get(news.ident or 0)
        return frame is not None and frame.f_code.co_name == "_adopt"

    with links._lock:
        assert map.opinion is not None
        map.opinion = attrs.evolve(map.opinion)
        news.start()
        eventually(waits)
        client.close()
    news.join()
    eventually(lambda: not listeners())


def workers() -> set[threading.Thread]:
    """Return the threads of clients' background work that run."""
    found = (one for one in threading.enumerate() if one.name == "cachex-client")
    return {one for one in found if one.is_alive()}


@pytest.mark.parametrize("prefix", ["", "Async"])
def test_who_looks_for_a_silent_primarys_heir_leaves_nothing_open_after_closing(
    cluster: Cluster, prefix: str
) -> None:
    """What watches a primary for the sake of a call goes on for a moment after that has ended."""
    down = cluster.primaries[0]
    key = next(cluster.keys_of_shard(0)).encode()
    before = workers()
    make = AsyncClusterClient if prefix else ClusterClient
    one: Any = make(cluster.urls[:1], ClientOptions(timeout=0.7))

    async def main() -> None:
        async def done(result: Any) -> Any:
            return await result if inspect.isawaitable(result) else result

        await done(one.execute(commands.get(key), timeout=10.0))
        down.pause()
        try:
            with pytest.raises(PoolError):
                await done(one.execute(commands.set(key, b"1")))
            look = BackgroundWork(one._links)
            await done(one.aclose() if prefix else one.close())
        finally:
            down.resume()
        link = one._links.link(Address("127.0.0.1", down.port))
        with look.on(link):  # however late it asks
            assert await done(link.call(pack(("PING",)), time.monotonic() + 10.0)) == b"PONG"
        until = time.monotonic() + 10.0
        while left := [*(workers() - before), *(pool for pool in one.stats() if pool.size)]:
            assert time.monotonic() < until, left
            await asyncio.sleep(0.01)

    with own_loop() as loop:
        loop.run_until_complete(main())
