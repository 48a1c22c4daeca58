"""A primary and replicas, some of them dead, hung, loading, stale or locked: reads never fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Any

import pytest
import redis

from cachex_client import ClientObserver, ClientOptions, Sent, observe, unobserve
from cachex_client._concurrency import last_write
from cachex_client.commands import strings
from cachex_pool import ConnectFailed, DeadlineExceeded, PoolOptions
from support import load
from support.clients import client_maker
from support.proxy import Proxy
from support.servers import Replicated, Server
from support.waiting import Pulse, eventually, lasting

TIMEOUT = 1.5
NO_MEMORY = 0.0  # of own writes, so that replicas are read from at once


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.restart()


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.pause()
    yield
    server.resume()


@contextmanager
def stale(server: Server) -> Iterator[None]:
    """It knows that it lost its primary, and says MASTERDOWN."""
    server.command("CONFIG", "SET", "replica-serve-stale-data", "no")
    before = [word.decode() for word in server.command("ROLE")[1:3] if isinstance(word, bytes)]
    host, port = before[0], server.info("replication")["master_port"]
    server.command("REPLICAOF", "127.0.0.1", 1)
    yield
    server.command("REPLICAOF", host, port)
    server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")


@contextmanager
def locked(server: Server) -> Iterator[None]:
    server.command("CONFIG", "SET", "requirepass", "changed")
    server.kill_clients()
    yield
    server.command("CONFIG", "SET", "requirepass", "")


@contextmanager
def full(server: Server) -> Iterator[None]:
    server.command("CONFIG", "SET", "maxclients", 1)
    server.kill_clients()
    yield
    server.command("CONFIG", "SET", "maxclients", 10000)


FAULTS: dict[str, Callable[[Server], AbstractContextManager[None]]] = {
    "killed": killed,
    "stopped": stopped,
    "stale": stale,
    "locked": locked,
    "full": full,
}


@pytest.fixture
def make(make_client: Any, replicated: Replicated) -> Callable[..., Any]:
    replicated.primary.command("SET", "a", "1")
    replicated.wait_in_sync()

    def make(read_from: Any = "replica_preferred", timeout: float = TIMEOUT) -> Any:
        pool = PoolOptions(connect_timeout=0.3)
        options = ClientOptions(
            timeout=timeout, read_from=read_from, read_your_writes=NO_MEMORY, pool=pool
        )
        client = make_client(replicated.servers, options)
        eventually(lambda: [client.warm_up()], ignore=(redis.RedisError,))  # the machine may stall
        return client

    return make


def reads(client: Any, count: int) -> None:
    for number in range(count):
        if number % 3 == 2:
            assert client.execute_many([strings.get(b"a"), strings.get(b"b")]) == [b"1", None]
        else:
            assert client.execute(strings.get(b"a")) == b"1"


EVERY_DAY = [("stale", "replica_preferred"), ("locked", "replica"), ("full", "any")]


@pytest.mark.parametrize(
    ("fault", "policy"),
    [
        pytest.param(fault, policy, marks=() if (fault, policy) in EVERY_DAY else pytest.mark.soak)
        for fault in FAULTS
        for policy in ("replica_preferred", "replica", "any", "nearest")
    ],
)
def test_reads_do_not_fail_while_one_replica_does(
    make: Any, replicated: Replicated, fault: str, policy: str
) -> None:
    client = make(policy)
    reads(client, 12)
    # Who is hung is found out once, by waiting a share of the time; then it is avoided.
    with FAULTS[fault](replicated.replicas[0]), lasting(0, 2 * TIMEOUT):
        reads(client, 200)


@pytest.mark.soak
def test_reads_do_not_fail_while_all_replicas_do(make: Any, replicated: Replicated) -> None:
    client = make()
    first, second = replicated.replicas
    with killed(first), stopped(second), lasting(0, 3 * TIMEOUT):
        reads(client, 600)


@pytest.mark.soak
def test_reads_do_not_fail_while_the_primary_does(make: Any, replicated: Replicated) -> None:
    for policy in ("replica_preferred", "primary_preferred", "any", "nearest"):
        client = make(policy)
        with stopped(replicated.primary), lasting(0, 3 * TIMEOUT):
            reads(client, 100)
            with pytest.raises(redis.RedisError):
                client.execute(strings.set(b"other", b"2"))


@pytest.mark.timing
def test_a_dead_replica_costs_reads_next_to_nothing(make: Any, replicated: Replicated) -> None:
    retries: list[int] = []

    class Retries(ClientObserver):
        def sending(self, sent: Sent) -> Any:
            return self

        def settled(self, sent: Sent, token: Any) -> None:
            retries.append(sent.retries)

    client, observer = make(), Retries()
    with killed(replicated.replicas[0]):
        reads(client, 20)
        replicated.replicas[1].command("CONFIG", "RESETSTAT")
        observe(observer)
        try:
            with lasting(0, 10.0):  # 0.02 s for each, on a machine that does ten things at once
                reads(client, 500)
        finally:
            unobserve(observer)
        assert len(retries) == 500
        assert sum(retries) <= 2  # nobody comes upon the dead one and has to go elsewhere
        assert replicated.replicas[1].commands_seen()["GET"] >= 500


def test_a_replica_that_is_back_is_read_from_again(make: Any, replicated: Replicated) -> None:
    client = make()
    replica = replicated.replicas[0]
    with killed(replica):
        reads(client, 20)
    replicated.wait_in_sync()
    replica.command("CONFIG", "RESETSTAT")
    eventually(lambda: reads(client, 5) or replica.commands_seen()["GET"] > 20, timeout=8)


def test_many_readers_at_once_do_not_fail_when_a_replica_hangs(replicated: Replicated) -> None:
    replicated.primary.command("SET", "a", "1")
    replicated.wait_in_sync()
    options = ClientOptions(timeout=TIMEOUT, read_your_writes=NO_MEMORY)
    with client_maker("sync") as make:
        client = make(replicated.servers, options)
        reads(client, 4)

        def read(_: int) -> None:
            assert client.execute(strings.get(b"a")) == b"1"
            time.sleep(0.001)

        with load.threads(24, read) as progress:
            progress.wait_for(200)
            with stopped(replicated.replicas[0]):
                progress.wait_for(3000, timeout=20)


def test_a_thousand_tasks_at_once_do_not_fail_when_a_replica_dies(
    replicated: Replicated,
) -> None:
    replicated.primary.command("SET", "a", "1")
    replicated.wait_in_sync()
    options = ClientOptions(timeout=TIMEOUT, read_your_writes=NO_MEMORY)
    with client_maker("async") as make:
        client = make(replicated.servers, options)
        reads(client, 4)

        async def herd() -> list[Any]:
            return await asyncio.gather(
                *(client.one.execute(strings.get(b"a")) for _ in range(1000))
            )

        with killed(replicated.replicas[0]):
            assert client.loop.run_until_complete(herd()) == [b"1"] * 1000
            assert client.loop.run_until_complete(herd()) == [b"1"] * 1000


@pytest.mark.timing
def test_a_hung_replica_costs_one_caller_a_share_of_his_time(
    make: Any, replicated: Replicated
) -> None:
    client = make("replica_preferred")
    reads(client, 4)
    with stopped(replicated.replicas[0]):
        took = []
        with Pulse() as pulse:
            for _ in range(60):
                started = monotonic()
                assert client.execute(strings.get(b"a")) == b"1"
                took.append(monotonic() - started)
        assert sum(seconds > TIMEOUT / 4 + 3 * pulse.worst for seconds in took) <= 2
        assert TIMEOUT / 4 < max(took) < TIMEOUT * 0.6 + 3 * pulse.worst


def test_replies_of_a_lagging_replica_are_old_but_whole(
    make_client: Any, replicated: Replicated
) -> None:
    """What is read is what somebody wrote, in the order it was written."""
    with Proxy(replicated.replicas[0]) as front:
        client = make_client(
            [replicated.primary, front],
            ClientOptions(read_from="replica", read_your_writes=NO_MEMORY),
        )
        seen = []
        for number in range(200):
            client.execute(strings.set(b"n", b"%d" % number))
            seen.append(int(client.execute(strings.get(b"n")) or 0))
        assert seen == sorted(seen)
        assert all(value <= number for number, value in enumerate(seen))


def test_a_demoted_primary_is_left_to_whoever_follows_it(
    make_client: Any, replicated: Replicated, timed: Any
) -> None:
    """Nobody tells a plain list of servers about a failover: writes say READONLY, in time."""
    client = make_client(replicated.servers, ClientOptions(timeout=2.0))
    client.execute(strings.set(b"a", b"1"))
    replicated.primary.command(
        "REPLICAOF", replicated.replicas[0].host, replicated.replicas[0].port
    )
    outcome = timed(lambda: client.execute(strings.set(b"a", b"2"))).within(2.0)
    assert isinstance(outcome.error, redis.exceptions.ReadOnlyError)
    closed = client.stats()[0].closed
    assert closed.keys() <= {"read-only", "retired"}
    assert sum(closed.values()) >= 1  # a new connection asks DNS anew


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_write_that_never_left_keeps_nobody_from_the_replicas(
    replicated: Replicated, at_once: int
) -> None:
    last_write.set(0.0)
    with client_maker("sync") as make:
        options = ClientOptions(read_from="replica", read_your_writes=60.0)
        client = make(replicated.servers, options)
        with killed(replicated.primary):
            writes = [strings.set(b"k%d" % n, b"v") for n in range(at_once)]
            for result in client.execute_many(writes):
                assert isinstance(result, ConnectFailed)
            assert client.execute(strings.get(b"k0")) is None


def test_a_write_of_unknown_fate_is_a_write_to_those_who_read_their_own(
    replicated: Replicated,
) -> None:
    last_write.set(0.0)
    with client_maker("sync") as make:
        options = ClientOptions(read_from="replica", read_your_writes=5.0)
        client = make(replicated.servers, options)
        client.warm_up()
        reads_of_primary = replicated.primary.commands_seen()["GET"]
        client.execute(strings.get(b"a"))
        assert replicated.primary.commands_seen()["GET"] == reads_of_primary
        replicated.primary.pause()
        with pytest.raises(DeadlineExceeded):
            client.execute(strings.incrby(b"n", 1), timeout=0.1)
        replicated.primary.resume()
        assert client.execute(strings.get(b"n")) == b"1"
        assert replicated.primary.commands_seen()["GET"] == reads_of_primary + 1
