"""One asynchronous client in many event loops, one after another, side by side, across forks."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable

import pytest

from cachex_client import (
    AsyncCache,
    AsyncClusterClient,
    AsyncDefaultClient,
    AsyncSentinelClient,
    ClientOptions,
    ClusterMap,
    SentinelMap,
)
from cachex_client.command import Command
from cachex_client.commands import custom, server, strings
from cachex_pool import Endpoint, PoolError, PoolOptions
from support.colours import own_loop
from support.forks import in_child
from support.leaks import no_leaks
from support.proxy import MakeProxy
from support.servers import Replicated, Standalone
from support.waiting import eventually

# Since Python 3.12 a fork beside threads is warned of; that is what some of this is about.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def client(standalone: Standalone) -> AsyncDefaultClient:
    return AsyncDefaultClient([standalone.url])


async def ping(client: AsyncDefaultClient) -> None:
    assert await client.execute(server.ping()) is True


async def use(client: AsyncDefaultClient, word: str) -> None:
    """Use the shared connection, an exclusive one, and many commands at once."""
    texts = [f"{word}-{n}" for n in range(20)]
    echoes: list[Command[bytes]] = [custom("ECHO", text) for text in texts]
    assert await asyncio.gather(*map(client.execute, echoes)) == [text.encode() for text in texts]
    assert await client.execute_many([custom("ECHO", word)] * 3) == [word.encode()] * 3
    async with client.lease():
        await ping(client)


# One loop after another


def test_a_loop_that_ends_leaves_no_connection(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    with no_leaks():
        for number in range(20):
            asyncio.run(use(client, f"run-{number}"))
            assert client.stats() == []
            eventually(lambda: standalone.connected_clients() == 0)
    assert standalone.connections_received() >= 40


def test_a_loop_that_ends_with_replicas_leaves_no_connection(replicated: Replicated) -> None:
    client = AsyncDefaultClient(replicated.urls)
    with no_leaks():
        for _ in range(5):
            asyncio.run(client.warm_up())
            eventually(lambda: not any(one.connected_clients() for one in replicated.servers))


def test_every_loop_finds_what_the_others_stored(client: AsyncDefaultClient) -> None:
    cache = AsyncCache(client)

    async def count() -> int:
        await cache.add("n", 0)
        return await cache.incr("n")

    assert [asyncio.run(count()) for _ in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # asyncio is right
def test_a_loop_closed_without_ado_is_swept_up_by_the_next(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    for number in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use(client, f"loop-{number}"))
        loop.close()
        eventually(lambda: standalone.connected_clients() <= 2)
    asyncio.run(ping(client))
    assert client.stats() == []
    eventually(lambda: standalone.connected_clients() == 0)
    gc.collect()


def test_a_loop_that_pauses_finds_its_connection_again(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    with asyncio.Runner() as runner:
        runner.run(ping(client))
        asyncio.run(ping(client))
        runner.run(ping(client))
        assert standalone.connected_clients() == 1
        assert client.stats()[0].opened == 1
    eventually(lambda: standalone.connected_clients() == 0)


def test_closing_is_for_the_running_loop(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    with asyncio.Runner() as one, asyncio.Runner() as other:
        one.run(ping(client))
        other.run(ping(client))
        assert len(client.stats()) == 2
        one.run(client.aclose())
        eventually(lambda: standalone.connected_clients() == 1)
        other.run(ping(client))
        assert [stats.opened for stats in client.stats()] == [1]
        one.run(ping(client))  # a later use opens new ones
        assert standalone.connected_clients() == 2
    eventually(lambda: standalone.connected_clients() == 0)


def test_a_client_may_be_used_again_right_after_it_was_closed(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    async def main() -> None:
        for number in range(3):
            await use(client, f"life-{number}")
            await client.aclose()
            await ping(client)
            for _ in range(5):  # let the loop come to what the closed connections have left
                await asyncio.sleep(0)
                await ping(client)
            assert len(client.stats()) == 1

    with no_leaks():
        asyncio.run(main())
        eventually(lambda: standalone.connected_clients() == 0)


def test_a_client_without_a_loop_says_so(client: AsyncDefaultClient) -> None:
    assert client.stats() == []
    assert client.view().nodes == ()
    call = client.execute(server.ping())
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)


def test_a_cancelled_call_takes_no_other_with_it(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    async def main() -> None:
        await ping(client)
        for number in range(100):
            doomed: asyncio.Task[bytes] = asyncio.create_task(
                client.execute(custom("ECHO", "doomed"))
            )
            wanted: asyncio.Task[bytes] = asyncio.create_task(
                client.execute(custom("ECHO", f"wanted-{number}"))
            )
            if number % 2:
                await asyncio.sleep(0)
            doomed.cancel()
            assert await wanted == f"wanted-{number}".encode()
        assert client.stats()[0].opened == 1
        await client.aclose()

    asyncio.run(main())
    eventually(lambda: standalone.connected_clients() == 0)


# Loops side by side


def test_loops_in_several_threads_do_not_disturb_each_other(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    errors: list[BaseException] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        async def main() -> None:
            together.wait(10)
            for round_ in range(10):
                await use(client, f"thread-{number}-{round_}")
            assert len(client.stats()) <= 4

        try:
            for _ in range(3):
                asyncio.run(main())
        except BaseException as error:
            errors.append(error)
            together.abort()

    with no_leaks():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not errors
        assert client.stats() == []
        eventually(lambda: standalone.connected_clients() == 0)


def test_a_loop_that_fails_leaves_the_others_alone(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    async def fail() -> None:
        await ping(client)
        raise ZeroDivisionError

    with asyncio.Runner() as runner:
        runner.run(ping(client))
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                asyncio.run(fail())
            runner.run(ping(client))
        assert client.stats()[0].opened == 1
        eventually(lambda: standalone.connected_clients() == 1)


# Forks


@forks
def test_a_child_process_starts_with_connections_of_its_own(
    client: AsyncDefaultClient, standalone: Standalone, in_a_child: Callable[..., None]
) -> None:
    with asyncio.Runner() as runner:
        runner.run(use(client, "parent"))
        before = {one["id"] for one in standalone.clients()}
        for _ in range(3):
            in_a_child(lambda: asyncio.run(use(client, f"child-{os.getpid()}")))
            in_a_child(lambda: asyncio.run(client.aclose()))
        runner.run(use(client, "parent again"))
        eventually(lambda: {one["id"] for one in standalone.clients()} == before)
        assert client.stats()[0].closed == {}
    eventually(lambda: standalone.connected_clients() == 0)


@forks
def test_a_child_process_forked_inside_a_loop_works_too(
    client: AsyncDefaultClient, standalone: Standalone, in_a_child: Callable[..., None]
) -> None:
    async def main() -> None:
        await ping(client)
        in_a_child(lambda: asyncio.run(use(client, "child")))
        echoes: list[Command[bytes]] = [custom("ECHO", f"{n}") for n in range(50)]
        tasks = [asyncio.create_task(client.execute(echo)) for echo in echoes]
        await asyncio.sleep(0)
        in_a_child(lambda: asyncio.run(use(client, "child")))
        assert await asyncio.gather(*tasks) == [b"%d" % n for n in range(50)]
        assert client.stats()[0].opened == 1

    asyncio.run(main())
    eventually(lambda: standalone.connected_clients() == 0)


@forks
def test_a_fork_while_another_threads_loop_works_disturbs_neither(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    stop, failed, rounds = threading.Event(), [], iter(range(10**9))

    async def main() -> None:
        while not stop.is_set():
            await use(client, f"thread-{next(rounds)}")

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(lambda: next(rounds) > 20)
        for _ in range(10):
            in_child(lambda: asyncio.run(use(client, "child")))
        there = next(rounds)
        eventually(lambda: next(rounds) > there + 20 or failed)
    finally:
        stop.set()
        thread.join(20)
    assert not failed
    eventually(lambda: standalone.connected_clients() == 0)


# Life


def test_a_forgotten_client_leaves_nothing(standalone: Standalone) -> None:
    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        await ping(client)
        del client

    asyncio.run(main())
    gc.collect()
    eventually(lambda: standalone.connected_clients() == 0)


def test_who_comes_while_the_shared_connection_is_opened_shares_it(
    client: AsyncDefaultClient, standalone: Standalone
) -> None:
    async def main() -> None:
        await asyncio.gather(*(ping(client) for _ in range(100)))
        assert client.stats()[0].opened == 1
        await client.aclose()

    asyncio.run(main())


def test_a_deadline_that_ends_while_the_connection_is_opened_is_each_callers_own(
    standalone: Standalone,
) -> None:
    client = AsyncDefaultClient([standalone.url], ClientOptions(timeout=5.0))

    async def main() -> None:
        standalone.pause()
        try:
            hasty = asyncio.create_task(client.execute(strings.get(b"k"), timeout=0.05))
            patient = asyncio.create_task(client.execute(strings.get(b"k"), timeout=5.0))
            with pytest.raises(PoolError):
                await hasty
            assert not patient.done()
        finally:
            standalone.resume()
        assert await patient is None
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("end", ["cancelled", "stopped"])
@pytest.mark.parametrize("kind", ["cluster", "sentinels"])
def test_a_loop_that_ends_while_it_asks_for_all_spoils_it_for_nobody(
    kind: str, end: str, request: pytest.FixtureRequest, proxy: MakeProxy
) -> None:
    servers = request.getfixturevalue(kind)
    front = proxy(servers.servers[0] if kind == "cluster" else servers.sentinels[0])
    options = ClientOptions(read_from="primary", pool=PoolOptions(connect_timeout=0.4))
    map: ClusterMap | SentinelMap
    if kind == "cluster":
        map = ClusterMap([front.url])
        clients = [AsyncClusterClient((), options, map=map) for _ in range(2)]
    else:
        map = SentinelMap(servers.name, [Endpoint(port=front.port)], listen=False)
        clients = [AsyncSentinelClient(map, options) for _ in range(2)]

    async def begin(client: AsyncDefaultClient | AsyncClusterClient) -> asyncio.Task[bool]:
        task = asyncio.create_task(client.execute(strings.set(b"key", b"value")))
        await asyncio.sleep(0.01)
        return task

    with own_loop() as one, own_loop() as other:
        front.freeze()
        asking = one.run_until_complete(begin(clients[0]))
        waiting = other.run_until_complete(begin(clients[1]))
        if end == "cancelled":
            for task in asyncio.all_tasks(one):
                task.cancel()
            one.run_until_complete(asyncio.wait([asking]))
        front.heal()
        assert other.run_until_complete(waiting) is True
        if end == "stopped":
            assert one.run_until_complete(asking) is True
        for client, loop in zip(clients, (one, other), strict=True):
            loop.run_until_complete(client.aclose())
