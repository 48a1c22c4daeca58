"""Who answers reads where there are replicas, by what the servers themselves counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from cachex_client import AsyncDefaultClient, ClientOptions, DefaultClient
from cachex_client.commands import server, strings
from cachex_pool import PoolError, PoolOptions
from support.proxy import Proxies
from support.servers import Replicated
from support.waiting import Pulse, eventually

READS = 60


def options(read_from: Any, **settings: Any) -> ClientOptions:
    return ClientOptions(**{"read_your_writes": 0, "timeout": 2.0, **settings}, read_from=read_from)


@pytest.fixture
def make(colour: Any, replicated: Replicated) -> Callable[..., Any]:
    """Make a client of the primary and its replicas: `make("replica")`."""

    def make(read_from: Any, urls: Any = replicated.urls, **settings: Any) -> Any:
        return colour.make("DefaultClient", urls, options(read_from, **settings))

    return make


def stored(replicated: Replicated, key: str = "k", value: str = "v") -> bytes:
    replicated.primary.command("SET", key, value)
    replicated.wait_in_sync()
    for one in replicated.servers:
        one.command("CONFIG", "RESETSTAT")
    return value.encode()


def seen(replicated: Replicated, name: str = "GET") -> list[int]:
    """Count the commands that each server ran, the primary's first."""
    return [
        one.commands_seen()[name] if one.state == "running" else 0 for one in replicated.servers
    ]


def read(client: Any, times: int = READS) -> None:
    for _ in range(times):
        assert client.execute(strings.get(b"k")) == b"v"


# Everybody well


@pytest.mark.parametrize(
    ("read_from", "expected"),
    [
        ("primary", [READS, 0, 0]),
        ("primary_preferred", [READS, 0, 0]),
        ("replica", [0, READS // 2, READS // 2]),
        ("replica_preferred", [0, READS // 2, READS // 2]),
        ("any", [READS // 3, READS // 3, READS // 3]),
        (lambda candidates: [one for one in candidates if one.primary], [READS, 0, 0]),
        (lambda candidates: candidates[-1:], [0, READS // 2, READS // 2]),
        (lambda candidates: (), [READS, 0, 0]),
    ],
)
def test_a_policy_says_who_answers(
    make: Any, replicated: Replicated, read_from: Any, expected: list[int]
) -> None:
    stored(replicated)
    client = make(read_from)
    read(client)
    assert seen(replicated) == expected
    many = [strings.get(b"k")] * 3
    for _ in range(READS):
        assert client.execute_many(many) == [b"v"] * 3
    assert seen(replicated) == [4 * count for count in expected]
    for _ in range(READS):
        assert client.get_many([b"k", b"missing"]) == [b"v", None]
    assert seen(replicated, "MGET") == expected


def test_the_nearest_answers_most_and_everyone_is_measured(
    make: Any, replicated: Replicated
) -> None:
    stored(replicated)
    with Proxies(replicated.servers) as fronts:
        slow = [fronts[one] for one in (replicated.primary, replicated.replicas[0])]
        for front in slow:
            front.delay(0.1)
        client = make("nearest", fronts.urls)
        read(client, 100)
        primary, first, second = seen(replicated)
        assert primary >= 1 <= first
        assert second >= 90
        latencies = [node.latency for node in client.view().nodes]
        assert min(latencies[:2]) > 0.075 > latencies[2] > 0


@pytest.mark.parametrize("read_from", ["replica", "replica_preferred", "any", "nearest"])
def test_writes_go_to_the_primary_whatever_the_policy(
    make: Any, replicated: Replicated, read_from: str
) -> None:
    client = make(read_from)
    for number in range(6):
        assert client.execute(strings.set(b"k", b"%d" % number)) is True
        assert client.execute_many([strings.incrby(b"n", 1), strings.get(b"n")]) == [
            number + 1,
            b"%d" % (number + 1),
        ]
        assert client.execute_atomic([strings.get(b"n")]) == [b"%d" % (number + 1)]
    assert seen(replicated, "INCRBY")[0] == 6
    assert seen(replicated) == [12, 0, 0]  # a list with a write in it stays together


def test_commands_that_are_about_a_server_go_to_the_primary(
    make: Any, replicated: Replicated
) -> None:
    client = make("replica")
    for _ in range(3):
        assert client.execute(server.role())[0] == b"master"
        client.execute(server.info("server"))
    list(client.scan(b"*"))
    assert seen(replicated, "ROLE")[0] >= 3
    assert seen(replicated, "SCAN") == [1, 0, 0]


def test_a_function_may_name_one_server(make: Any, replicated: Replicated) -> None:
    stored(replicated)
    name = f"127.0.0.1:{replicated.replicas[1].port}/0"
    read(make(lambda candidates: [one for one in candidates if one.name == name]))
    assert seen(replicated) == [0, 0, READS]


def test_a_lone_server_answers_whatever_the_policy(make: Any, replicated: Replicated) -> None:
    stored(replicated)
    for read_from in ("replica", "replica_preferred", "nearest", lambda candidates: ()):
        read(make(read_from, replicated.urls[:1]), 5)
    assert seen(replicated) == [20, 0, 0]


# A replica that is not well

PREFERRING_REPLICAS = ["replica", "replica_preferred", "any", "nearest"]


def test_a_dead_replica_costs_no_read_an_error(make: Any, replicated: Replicated) -> None:
    stored(replicated)
    clients = {policy: make(policy) for policy in PREFERRING_REPLICAS}
    for client in clients.values():
        read(client, 6)
    replicated.replicas[0].kill()
    for policy, client in clients.items():
        read(client)
        for _ in range(10):
            assert client.execute_many([strings.get(b"k")] * 3) == [b"v"] * 3
            assert client.get_many([b"k", b"missing"]) == [b"v", None]
        if policy != "nearest":  # which may never have to ask it
            assert client.view().nodes[1].healthy is False
    assert seen(replicated)[2] > 3 * READS / 2


@pytest.mark.timing
@pytest.mark.parametrize("read_from", ["replica_preferred", "any"])
def test_a_hung_replica_is_waited_for_once_then_asked_last(
    make: Any, replicated: Replicated, read_from: str
) -> None:
    stored(replicated)
    client = make(read_from, timeout=3.0)
    read(client, 6)
    hung = replicated.replicas[0]
    hung.pause()
    with Pulse() as pulse:
        durations = list(_durations(client, 0.4))
    assert max(durations) <= 3.3 + 3 * pulse.worst
    slow = [seconds for seconds in durations if seconds > 0.1 + 3 * pulse.worst]
    assert len(slow) <= 1  # the next look at it is due after half a second
    assert client.view().nodes[1].healthy is False
    hung.resume()
    eventually(lambda: _read_heals(client, 1), what="the replica being asked again")
    hung.command("CONFIG", "RESETSTAT")
    read(client)
    assert seen(replicated)[1] >= READS // 3


def _durations(client: Any, seconds: float) -> Iterator[float]:
    """Read for so long after the first slow one; yield how long each read took."""
    until = float("inf")
    while (started := time.monotonic()) < until:
        assert client.execute(strings.get(b"k")) == b"v"
        took = time.monotonic() - started
        if took > 0.1 and until == float("inf"):
            until = time.monotonic() + seconds
        yield took


def _read_heals(client: Any, position: int) -> bool:
    assert client.execute(strings.get(b"k")) == b"v"
    return bool(client.view().nodes[position].healthy)


@pytest.mark.parametrize("read_from", ["replica", "replica_preferred"])
def test_a_replica_that_is_loading_is_asked_last(
    make: Any, replicated: Replicated, read_from: str
) -> None:
    stored(replicated)
    with Proxies(replicated.servers) as fronts:
        client = make(read_from, fronts.urls)
        loading = fronts[replicated.replicas[0]]
        client.warm_up()
        loading.inject_reply(b"-LOADING the data set\r\n", to="GET", times=1000)
        loading.forget()
        started = time.monotonic()
        read(client)
        took = time.monotonic() - started
        # after half a second, which reads take on a busy machine, it is looked at again
        assert 1 <= loading.count("GET") <= 1 + took / 0.5
        assert client.view().nodes[1].healthy is False
        loading.heal()
        eventually(lambda: _read_heals(client, 1), what="the replica being asked again")
        assert seen(replicated)[0] == 0  # another replica answered meanwhile


@pytest.mark.parametrize("kill", [True, False], ids=["dead", "refusing"])
def test_with_all_replicas_gone_the_primary_answers(
    make: Any, replicated: Replicated, kill: bool
) -> None:
    stored(replicated)
    client = make("replica_preferred")
    read(client, 4)
    for one in replicated.replicas:
        one.kill() if kill else one.command("CONFIG", "SET", "maxclients", "1")
        if not kill:
            one.kill_clients()
    read(client)
    assert seen(replicated)[0] >= READS - 4
    assert [node.healthy for node in client.view().nodes] == [True, False, False]


def test_replicas_alone_are_asked_until_none_is_left_to_answer(
    make: Any, replicated: Replicated
) -> None:
    stored(replicated)
    client = make("replica", timeout=0.5)
    for one in replicated.replicas:
        one.kill()
    with pytest.raises(redis.ConnectionError):
        client.execute(strings.get(b"k"))
    assert seen(replicated) == [0, 0, 0]
    replicated.replicas[1].restart()
    eventually(lambda: _answers(client), what="the replica being asked again")


def _answers(client: Any) -> bool:
    try:
        return bool(client.execute(strings.get(b"k")) == b"v")
    except (PoolError, redis.ConnectionError, redis.ResponseError):
        return False


def test_with_the_primary_gone_reads_are_answered_all_the_same(
    make: Any, replicated: Replicated
) -> None:
    stored(replicated)
    clients = [make(policy) for policy in ("primary_preferred", *PREFERRING_REPLICAS)]
    for client in clients:
        read(client, 6)
    replicated.primary.kill()
    for client in clients:
        read(client)
        assert client.execute_many([strings.get(b"k")] * 3) == [b"v"] * 3
        assert client.get_many([b"k"]) == [b"v"]
        with pytest.raises(redis.ConnectionError):
            client.execute(strings.set(b"k", b"new"), timeout=0.2)
    with pytest.raises(redis.ConnectionError):
        make("primary").execute(strings.get(b"k"), timeout=0.2)


def test_a_primary_that_is_not_preferred_is_not_asked_for_reads(
    make: Any, replicated: Replicated
) -> None:
    stored(replicated)
    client = make("replica_preferred", timeout=30.0)
    replicated.primary.pause()
    try:
        started = time.monotonic()
        read(client)
        assert time.monotonic() - started < 15.0
    finally:
        replicated.primary.resume()
    assert seen(replicated)[0] == 0


@pytest.mark.timing
def test_a_sick_replica_is_looked_at_by_one_caller_while_the_others_go_elsewhere(
    replicated: Replicated,
) -> None:
    stored(replicated)
    client = DefaultClient(replicated.urls, options("replica_preferred", timeout=2.0))
    read(client, 4)
    replicated.replicas[0].pause()
    read(client, 4)  # one of them found out
    client.stats()
    durations: list[float] = []
    until = time.monotonic() + 1.2

    def work() -> None:
        while (started := time.monotonic()) < until:
            assert client.execute(strings.get(b"k")) == b"v"
            durations.append(time.monotonic() - started)
            time.sleep(0.002)

    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        with Pulse() as pulse:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
    finally:
        replicated.replicas[0].resume()
    slow = [seconds for seconds in durations if seconds > 0.3 + 3 * pulse.worst]
    assert len(slow) <= 3  # a look each half second, whatever the number of callers
    assert len(durations) > 200
    client.close()


# Reading what one has just written


def test_a_thread_that_wrote_reads_from_the_primary_for_a_while(replicated: Replicated) -> None:
    client = DefaultClient(replicated.urls, options("replica", read_your_writes=1.5))
    stored(replicated)
    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(1) as other:
        writer.submit(read, client, 10).result()
        assert seen(replicated) == [0, 5, 5]
        wrote = time.monotonic()
        writer.submit(client.execute, strings.set(b"k", b"v")).result()
        written = time.monotonic()
        writer.submit(read, client, 10).result()
        assert time.monotonic() - wrote < 1.5
        assert seen(replicated) == [10, 5, 5]
        other.submit(read, client, 10).result()
        assert seen(replicated) == [10, 10, 10]
        eventually(lambda: time.monotonic() - written > 1.5)
        writer.submit(read, client, 10).result()
        assert seen(replicated) == [10, 15, 15]
    client.close()


def test_a_task_that_wrote_reads_from_the_primary_for_a_while(
    replicated: Replicated, run: Any
) -> None:
    stored(replicated)

    async def read(client: AsyncDefaultClient) -> None:
        for _ in range(10):
            assert await client.execute(strings.get(b"k")) == b"v"

    async def main() -> None:
        client = AsyncDefaultClient(replicated.urls, options("replica", read_your_writes=1.5))
        go = asyncio.Event()

        async def wait_and_read() -> None:
            await go.wait()
            await read(client)

        other = asyncio.create_task(wait_and_read())
        await read(client)
        assert seen(replicated) == [0, 5, 5]
        wrote = time.monotonic()
        await client.execute(strings.set(b"k", b"v"))
        written = time.monotonic()
        await read(client)
        await asyncio.create_task(read(client))  # a child knows what its parent did
        assert time.monotonic() - wrote < 1.5
        assert seen(replicated) == [20, 5, 5]
        go.set()
        await other
        assert seen(replicated) == [20, 10, 10]
        await asyncio.sleep(max(0.0, written + 1.51 - time.monotonic()))
        await read(client)
        assert seen(replicated) == [20, 15, 15]
        await client.aclose()

    run(main())


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.execute_many([strings.get(b"k"), strings.set(b"k", b"v")]),
        lambda client: client.execute_atomic([strings.set(b"k", b"v")]),
        lambda client: client.delete_many([b"other"]),
        lambda client: client.execute(strings.incrby(b"n", 1)),
    ],
    ids=["many", "atomic", "delete", "one"],
)
def test_whatever_way_one_wrote_it_counts(
    replicated: Replicated, write: Callable[[DefaultClient], Any]
) -> None:
    stored(replicated)
    client = DefaultClient(replicated.urls, options("replica", read_your_writes=30))

    def work() -> None:
        read(client, 4)
        before = seen(replicated)
        write(client)
        read(client, 4)
        assert seen(replicated)[1:] == before[1:]

    with ThreadPoolExecutor(1) as fresh:
        fresh.submit(work).result()
    client.close()


def test_reads_alone_never_keep_anybody_at_the_primary(replicated: Replicated) -> None:
    stored(replicated)
    client = DefaultClient(replicated.urls, options("replica", read_your_writes=30))

    def work() -> None:
        for _ in range(4):
            read(client, 1)
            client.execute_many([strings.get(b"k")] * 2)
            client.get_many([b"k"])

    with ThreadPoolExecutor(1) as fresh:
        fresh.submit(work).result()
    assert seen(replicated)[0] == seen(replicated, "MGET")[0] == 0
    client.close()


def test_what_was_just_written_is_read_though_the_replicas_lag(replicated: Replicated) -> None:
    client = DefaultClient(replicated.urls, options("replica_preferred", read_your_writes=30))

    def work() -> None:
        for number in range(200):
            client.execute(strings.set(b"k", b"%d" % number))
            assert client.execute(strings.get(b"k")) == b"%d" % number

    with ThreadPoolExecutor(1) as fresh:
        fresh.submit(work).result()
    assert seen(replicated) == [200, 0, 0]
    client.close()


# Setting out


def test_warming_up_does_not_fail_for_a_replica(make: Any, replicated: Replicated) -> None:
    replicated.replicas[0].kill()
    client = make("replica_preferred")
    client.warm_up()
    view = client.view()
    assert view.kind == "replicated"
    assert [(node.role, node.healthy) for node in view.nodes] == [
        ("primary", True),
        ("replica", False),
        ("replica", True),
    ]
    assert {node.primary for node in view.nodes[1:]} == {view.nodes[0].name}
    assert [node.pools[0].opened for node in view.nodes] == [1, 0, 1]


def test_a_pool_that_is_exhausted_sends_reads_elsewhere_and_blames_nobody(
    replicated: Replicated,
) -> None:
    stored(replicated)
    client = DefaultClient(
        replicated.urls, options("replica", timeout=3.0, pool=PoolOptions(max_size=1))
    )
    replica = client._links.replicas[0]
    with replica.lease(time.monotonic() + 1):
        read(client, 2)
    assert seen(replicated) == [0, 0, 2]
    assert replica.health.ok
    client.close()
