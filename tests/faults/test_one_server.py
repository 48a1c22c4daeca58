"""One server that dies, hangs, refuses, babbles: every call ends in time and tells the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Any

import pytest
import redis

from cachex_client import AsyncCache, Cache, ClientOptions, RetryOptions
from cachex_client.commands import custom, strings
from cachex_pool import (
    AuthenticationFailed,
    BreakerOptions,
    ConfigurationError,
    ConnectFailed,
    ConnectTimeout,
    Endpoint,
    NodeUnavailable,
    PoolError,
    PoolOptions,
    Tls,
)
from support.clients import client_maker
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import eventually, lasting

DEADLINE = 0.15
HASTY = PoolOptions(breaker=BreakerOptions(open_for=0.1, max_open_for=0.2))
KEYS = [b"key-%d" % number for number in range(100)]

Fault = Callable[[Standalone, Proxy], AbstractContextManager[None]]


@contextmanager
def stopped(server: Standalone, front: Proxy) -> Any:
    """SIGSTOP: connections are accepted by the kernel, nobody answers."""
    server.pause()
    yield
    server.resume()


@contextmanager
def killed(server: Standalone, front: Proxy) -> Any:
    server.kill()
    yield
    server.restart()


def of_proxy(name: str) -> Fault:
    @contextmanager
    def fault(server: Standalone, front: Proxy) -> Any:
        getattr(front, name)()
        yield
        front.heal()

    return fault


@contextmanager
def refused_and_cut(server: Standalone, front: Proxy) -> Any:
    front.refuse()
    front.cut_all(reset=True)
    yield
    front.heal()


@contextmanager
def accepted_and_closed(server: Standalone, front: Proxy) -> Any:
    front.accept_then_close()
    front.cut_all()
    yield
    front.heal()


@contextmanager
def babbling(server: Standalone, front: Proxy) -> Any:
    front.garbage(times=10**6)
    yield
    front.heal()


@contextmanager
def cut_off(server: Standalone, front: Proxy) -> Any:
    """Every reply, that of the handshake too, ends after three bytes."""
    front.truncate_reply(3, times=10**6)
    yield
    front.heal()


@contextmanager
def full(server: Standalone, front: Proxy) -> Any:
    server.command("CONFIG", "SET", "maxclients", 1)
    server.kill_clients()
    yield
    server.command("CONFIG", "SET", "maxclients", 10000)


@contextmanager
def locked(server: Standalone, front: Proxy) -> Any:
    server.command("CONFIG", "SET", "requirepass", "changed")
    server.kill_clients()
    yield
    server.command("CONFIG", "SET", "requirepass", "")


FAULTS = {
    "SIGSTOP": stopped,
    "SIGKILL": killed,
    "blackhole": of_proxy("blackhole"),
    "half open": of_proxy("half_open"),
    "frozen": of_proxy("freeze"),
    "reset on use": of_proxy("reset_on_use"),
    "refused": refused_and_cut,
    "accept then close": accepted_and_closed,
    "garbage": babbling,
    "truncated": cut_off,
    "max clients": full,
    "password changed": locked,
}

GETS = [strings.get(key) for key in KEYS]
SETS = [strings.set(key, b"v") for key in KEYS]
PATIENT = {"timeout": 5.0}
"""What is asked of a server that is well: the machine may stall."""

CALLS: dict[str, Callable[..., Any]] = {
    "execute": lambda client, **within: client.execute(GETS[0], **within),
    "write": lambda client, **within: client.execute(SETS[0], **within),
    "count": lambda client, **within: client.execute(strings.incrby(b"counter", 1), **within),
    "execute_many": lambda client, **within: client.execute_many(GETS, **within),
    "execute_atomic": lambda client, **within: client.execute_atomic(SETS, **within),
    "get_many": lambda client, **within: client.get_many(KEYS, **within),
}


def failures(outcome: Any) -> list[Any]:
    """Return the errors of a call, raised or in their places."""
    if outcome.error is not None:
        return [outcome.error]
    results = outcome.result if isinstance(outcome.result, list) else []
    return [one for one in results if isinstance(one, Exception)]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_ends_in_time_and_all_is_well_afterwards(
    make_client: Any, standalone: Standalone, timed: Any, fault: str
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=DEADLINE, pool=HASTY))
        for call in CALLS.values():
            call(client, **PATIENT)
        with FAULTS[fault](standalone, front):
            for name, call in CALLS.items():
                outcome = timed(lambda call=call: call(client)).within(DEADLINE)  # type: ignore[misc]
                errors = failures(outcome)
                assert errors, f"{name} went well"
                assert all(isinstance(error, redis.RedisError) for error in errors), errors
        eventually(
            lambda: client.execute(SETS[0], **PATIENT),
            timeout=10,
            interval=0.02,
            ignore=(redis.RedisError,),
        )
        for call in CALLS.values():
            assert not failures(timed(lambda call=call: call(client, **PATIENT)))  # type: ignore[misc]


def test_a_password_that_is_wrong_is_not_tried_again(
    make_client: Any, standalone: Standalone
) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "right")
    client = make_client(f"redis://:wrong@{standalone.host}:{standalone.port}")
    before = standalone.connections_received()
    with pytest.raises(AuthenticationFailed) as caught:
        client.execute(strings.get(b"a"))
    assert standalone.connections_received() == before + 1
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")


def test_tls_settings_that_cannot_work_are_not_tried_again(make_client: Any) -> None:
    client = make_client([Endpoint(tls=Tls(ca_certs="/nowhere/ca.pem"))])
    with pytest.raises(ConfigurationError, match="ca_certs") as caught:
        client.execute(strings.get(b"a"))
    assert not hasattr(caught.value, "attempts")


@pytest.mark.parametrize("call", ["execute", "execute_many", "get_many", "write"])
@pytest.mark.parametrize("idle", [1, 12])
def test_what_may_be_done_twice_survives_the_loss_of_all_connections(
    make_client: Any, standalone: Standalone, call: str, idle: int
) -> None:
    client = make_client(standalone)
    with_many_idle(client, make_client.colour, idle)
    for _ in range(10):
        standalone.kill_clients()
        CALLS[call](client)
    results = client.execute_many([strings.get(key) for key in KEYS])
    assert not any(isinstance(one, Exception) for one in results)


def with_many_idle(client: Any, colour: str, count: int) -> None:
    pool = client.primary_pool() if colour == "sync" else None
    if pool is not None:
        pool.warm_up(count)


def test_what_may_be_done_twice_survives_a_restart_of_the_server(
    make_client: Any, standalone: Standalone
) -> None:
    client = make_client(standalone)
    with_many_idle(client, make_client.colour, 8)
    for _ in range(3):
        client.execute(strings.get(b"a"))
        standalone.kill()
        standalone.restart()
        assert client.execute(strings.set(b"a", b"1")) is True
        assert client.execute(strings.get(b"a")) == b"1"


def test_a_thousand_reads_under_way_survive_the_loss_of_their_connection(
    standalone: Standalone,
) -> None:
    async def herd(client: Any, front: Proxy) -> list[Any]:
        reads = [asyncio.create_task(client.execute(strings.get(b"a"))) for _ in range(1000)]
        while front.count("GET") < 1000:
            await asyncio.sleep(0.001)
        front.delay(0)
        front.cut_all(reset=True)
        return await asyncio.gather(*reads)

    with client_maker("async") as make, Proxy(standalone) as front:
        client = make(front)
        client.execute(strings.set(b"a", b"1"))
        front.delay(1.0)
        assert client.loop.run_until_complete(herd(client.one, front)) == [b"1"] * 1000
        assert client.stats()[0].opened == 2


@pytest.mark.parametrize("fate", ["cut_reply", "drop_reply", "cut_request", "garbage"])
@pytest.mark.parametrize("many", [False, True])
def test_nothing_is_counted_twice_and_all_that_was_acknowledged_is(
    make_client: Any, standalone: Standalone, fate: str, many: bool
) -> None:
    """A reply that is lost leaves its command done or not: nobody may send it again."""
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=DEADLINE))
        client.execute(strings.get(b"a"), **PATIENT)
        acknowledged = unknown = 0
        for number in range(12):
            if number % 3 == 0:
                getattr(front, fate)(to="INCRBY", nth=2 if many else 1)
            if many:
                results = client.execute_many([strings.incrby(b"n", 1)] * 3)
            else:
                try:
                    results = [client.execute(strings.incrby(b"n", 1))]
                except PoolError as error:
                    results = [error]
            for one in results:
                if isinstance(one, Exception):
                    unknown += one.written  # type: ignore[attr-defined]
                else:
                    acknowledged += 1
            front.heal()
            front.cut_all()
        assert unknown >= 4
        sent = front.count("INCRBY")
    total = int(standalone.command("GET", "n"))
    assert acknowledged <= total <= acknowledged + unknown
    assert sent <= 12 * (3 if many else 1)


def test_what_follows_a_write_without_an_answer_is_not_sent(
    make_client: Any, standalone: Standalone, timed: Any
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=1.5))
        client.execute_many([strings.get(b"a")] * 6000, **PATIENT)  # on the same connection
        front.half_open()
        counts = [strings.incrby(b"n", 1)] * 6000  # three writes, or six of tasks
        errors = failures(timed(lambda: client.execute_many(counts)).within(1.5))
        sent = front.count("INCRBY")
        assert sent in (1000, 2000)
        assert [error.written for error in errors] == [True] * sent + [False] * (6000 - sent)
    assert standalone.command("GET", "n") == b"%d" % sent


def test_a_list_that_fails_together_tells_its_lesson_once(
    make_client: Any, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        retry = RetryOptions(attempts=3)
        client = make_client(front, ClientOptions(retry=retry))
        client.execute(strings.get(b"a"), **PATIENT)
        front.inject_reply(READONLY, to="SET", times=10**6)
        errors = client.execute_many([strings.set(b"a", b"b")] * 500)
        assert {type(error) for error in errors} == {redis.exceptions.ReadOnlyError}
        assert {len(error.__notes__) for error in errors} == {1}
        assert client.stats()[0].generation == 3  # retired once for each attempt
        assert front.count("SET") == 1500


def test_the_loss_of_a_connection_costs_one_write_of_many(
    make_client: Any, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front)
        client.execute(strings.get(b"a"), **PATIENT)
        front.cut_reply(to="INCRBY", nth=1)
        results = client.execute_many([strings.incrby(b"n", 1)] * 6000)
        lost = sum(isinstance(one, Exception) for one in results)
    assert 0 < lost <= 2000
    assert 6000 - lost <= int(standalone.command("GET", "n")) <= 6000


READONLY = b"-READONLY You can't write against a read only replica.\r\n"
REJECTIONS = [
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-MASTERDOWN Link with MASTER is down\r\n",
    b"-CLUSTERDOWN The cluster is down\r\n",
    b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    READONLY,
]


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda line: line.split()[0][1:].decode())
def test_what_the_server_rejected_is_sent_again_whatever_it_is(
    make_client: Any, standalone: Standalone, rejection: bytes
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front)
        client.execute(strings.get(b"a"), **PATIENT)
        front.inject_reply(rejection, to="PING", times=2)  # instead of doing it
        assert client.execute(custom("PING")) in (b"PONG", "PONG")
        front.inject_reply(rejection, to="PING")
        assert client.execute_many([custom("PING"), strings.get(b"a")])[1] is None


def test_a_server_that_loads_is_waited_for_once_and_then_as_long_as_attempts_last(
    make_client: Any, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=0.5, retry=RetryOptions(attempts=3)))
        client.execute(strings.get(b"a"), **PATIENT)
        front.inject_reply(REJECTIONS[0], to="GET", times=10**6)

        def attempts() -> int:
            front.forget()
            with pytest.raises(redis.exceptions.BusyLoadingError) as caught:
                client.execute(strings.get(b"a"))
            made = front.count("GET")
            assert caught.value.attempts == made  # type: ignore[attr-defined]
            assert f"given up after {made} attempts" in caught.value.__notes__[0]
            return made

        assert attempts() > 3
        eventually(lambda: attempts() == 3, what="the end of patience")
        assert attempts() == 3


@pytest.mark.parametrize(
    "reply", [b"-WRONGTYPE no\r\n", b"-OOM no\r\n", b"-NOPERM no\r\n", b"-ERR no\r\n"]
)
def test_any_other_error_is_the_callers_at_once(
    make_client: Any, standalone: Standalone, reply: bytes
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front)
        front.inject_reply(reply, to="GET", times=10)
        with pytest.raises(redis.ResponseError):
            client.execute(strings.get(b"a"))
        assert isinstance(client.execute_many([strings.get(b"a")])[0], redis.ResponseError)
        assert front.count("GET") == 2


def test_retries_do_not_multiply_the_load_of_an_outage(
    make_client: Any, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        retry = RetryOptions(attempts=4, backoff=0.0001, max_backoff=0.0002, budget_per_second=1.0)
        client = make_client(front, ClientOptions(retry=retry))
        client.execute(strings.get(b"a"), **PATIENT)
        front.forget()
        front.inject_reply(REJECTIONS[0], to="GET", times=10**6)
        started = perf_counter()
        for _ in range(200):
            with pytest.raises(redis.exceptions.BusyLoadingError):
                client.execute(strings.get(b"a"))
        earned = 1.0 * (perf_counter() - started)  # a retry a second, besides a tenth of the calls
        assert 200 <= front.count("GET") <= 200 * 1.1 + 20 + earned


@pytest.mark.timing
def test_the_breaker_opens_fails_at_once_and_lets_go_when_the_server_is_back(
    make_client: Any, standalone: Standalone
) -> None:
    pool = PoolOptions(connect_timeout=0.1, breaker=BreakerOptions(open_for=0.3, max_open_for=0.3))
    client = make_client(standalone, ClientOptions(timeout=0.1, pool=pool))
    client.execute(strings.get(b"a"), **PATIENT)
    standalone.pause()
    for _ in range(20):
        with pytest.raises(redis.RedisError):
            client.execute(strings.get(b"a"))
        if client.stats()[0].breaker == "open":
            break
    took = []
    unwrapped = client if make_client.colour == "sync" else client.one

    async def measure() -> None:
        for _ in range(300):
            started = perf_counter()
            try:
                await unwrapped.execute(strings.get(b"a"))
            except NodeUnavailable:
                took.append(perf_counter() - started)
            except ConnectTimeout:  # the probe, on a machine that is slow
                continue

    if make_client.colour == "async":
        client.loop.run_until_complete(measure())
    else:
        for _ in range(300):
            started = perf_counter()
            try:
                client.execute(strings.get(b"a"))
            except NodeUnavailable:
                took.append(perf_counter() - started)
            except ConnectTimeout:  # the probe
                continue
    assert len(took) > 200
    assert sorted(took)[len(took) // 2] < 200e-6
    standalone.resume()
    with lasting(0, 0.4):
        eventually(
            lambda: client.execute(strings.set(b"a", b"1")),
            ignore=(redis.RedisError,),
            interval=0.005,
        )


def test_a_failure_names_the_server_the_phase_and_the_attempts(
    make_client: Any, standalone: Standalone, timed: Any
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=DEADLINE))
        client.execute(strings.get(b"a"), **PATIENT)
        front.half_open()
        error = timed(lambda: client.execute(strings.get(b"a"))).error
        assert f"{front.host}:{front.port}" in str(error)
        assert "waiting for the reply" in str(error)
        front.refuse()
        front.cut_all()
        error = timed(lambda: client.execute(strings.get(b"a"))).error
        assert isinstance(error, ConnectFailed)
        assert "given up after" in error.__notes__[0]


@pytest.mark.parametrize("fault", ["half open", "refused"])
def test_a_cache_keeps_to_the_deadline_too(
    make_client: Any, standalone: Standalone, timed: Any, fault: str
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=DEADLINE))
        cache: Any
        if make_client.colour == "sync":
            cache = Cache(client)
            verbs = [
                lambda: cache.get("a"),
                lambda: cache.set("a", "b"),
                lambda: cache.get_many(["a", "b"]),
            ]
        else:
            cache = AsyncCache(client.one)
            run = client.loop.run_until_complete
            verbs = [
                lambda: run(cache.get("a")),
                lambda: run(cache.set("a", "b")),
                lambda: run(cache.get_many(["a", "b"])),
            ]
        for verb in verbs:  # until the machine does not stall
            eventually(lambda verb=verb: [verb()], ignore=(redis.RedisError,))  # type: ignore[misc]
        with FAULTS[fault](standalone, front):
            for verb in verbs:
                assert isinstance(timed(verb).within(DEADLINE).error, redis.RedisError)


async def _cancel_never_lies(standalone: Standalone, make: Any, rounds: int) -> None:
    client = make(standalone).one
    for number in range(rounds):
        old, new = b"old-%d" % number, b"new-%d" % number
        await client.execute(strings.set(b"k", old))
        task = asyncio.ensure_future(client.execute(strings.set(b"k", new)))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        try:
            await task
            finished = True
        except asyncio.CancelledError:
            assert not finished
        value = await client.execute(strings.get(b"k"))
        assert value == new if finished else value in (old, new)


def test_a_cancelled_write_was_done_or_not_but_nothing_else(
    standalone: Standalone,
) -> None:
    with client_maker("async") as make:
        loop = make(standalone).loop
        loop.run_until_complete(_cancel_never_lies(standalone, make, 300))
