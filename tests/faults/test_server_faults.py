"""Threads and tasks at work while one server dies, hangs, refuses or babbles, and after it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import redis

from cachex_client import (
    AsyncCache,
    AsyncDefaultClient,
    Cache,
    ClientOptions,
    DefaultClient,
)
from cachex_client.command import Command
from cachex_client.commands import custom, strings
from cachex_pool import (
    BreakerOptions,
    ConnectionLost,
    NodeUnavailable,
    PoolError,
    PoolOptions,
    ProtocolError,
)
from support import load
from support.history import History, Outcome
from support.leaks import no_leaks
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import Pulse, eventually

TIMEOUT = 0.2
EXPECTED = (redis.RedisError, OSError)
WORKERS = 8

Change = Callable[[Standalone, Proxy], Any]


def _each(*changes: Change) -> Change:
    return lambda server, front: [change(server, front) for change in changes]


def _heal(server: Standalone, front: Proxy) -> None:
    front.heal()


def _cut(server: Standalone, front: Proxy) -> None:
    front.cut_all()


def _set(name: str, value: str) -> Change:
    return lambda server, front: server.command("CONFIG", "SET", name, value)


def _kill_all(server: Standalone, front: Proxy) -> None:
    server.kill_clients()


FAULTS: dict[str, tuple[Change, Change]] = {
    "SIGSTOP": (lambda server, _: server.pause(), lambda server, _: server.resume()),
    "SIGKILL": (lambda server, _: server.kill(), lambda server, _: server.restart()),
    "killed clients": (_kill_all, _kill_all),
    "blackhole": (lambda _, front: front.blackhole(), _heal),
    "half open": (lambda _, front: front.half_open(), _heal),
    "freeze": (lambda _, front: front.freeze(), _heal),
    "refuse": (_each(lambda _, front: front.refuse(), _cut), _heal),
    "accept then close": (_each(lambda _, front: front.accept_then_close(), _cut), _heal),
    "reset on use": (lambda _, front: front.reset_on_use(), _heal),
    "cut replies": (lambda _, front: front.cut_reply(times=10**6), _heal),
    "truncated replies": (lambda _, front: front.truncate_reply(3, times=10**6), _heal),
    "garbage": (lambda _, front: front.garbage(times=10**6), _heal),
    "max clients": (_each(_set("maxclients", "1"), _kill_all), _set("maxclients", "1000")),
    "password": (_each(_set("requirepass", "new"), _kill_all), _set("requirepass", "")),
}


class Work:
    """What a worker does over and over: returns what to call, and where to put what came."""

    def __init__(self, client: Any, cache: Any, history: History) -> None:
        self.client, self.cache, self.history = client, cache, history
        self.dice = random.Random(1)

    def next(self, number: int) -> tuple[Any, Callable[[Any], Any]]:
        """Return the record of an operation, and the call that it consists of."""
        key = f"key-{self.dice.randrange(20)}"
        client, record = self.client, self.history
        match number % 5:
            case 0:
                return record.read(number, key), lambda _: client.execute(strings.get(key.encode()))
            case 1:
                return record.write(number, key), lambda event: client.execute(
                    strings.set(key.encode(), event.value)
                )
            case 2:
                return record.add(number, "counter"), lambda _: client.execute(
                    strings.incrby(b"counter", 1)
                )
            case 3:
                names = [f"key-{n}".encode() for n in range(50)]
                return record.record(number, "many", "many"), lambda _: client.execute_many(
                    [strings.get(name) for name in names]
                )
            case _:
                if self.dice.random() < 0.5:
                    wanted = {f"cached-{n}": f"value of {n}" for n in range(20)}
                    return record.record(
                        number, "set_many", "cache"
                    ), lambda _: self.cache.set_many(wanted)
                asked = [f"cached-{n}" for n in range(20)]
                return record.record(number, "get_many", "cache"), lambda _: self.cache.get_many(
                    asked
                )


def strange(history: History) -> list[Any]:
    """Return what a bulk read gave that nobody had stored."""
    found: list[Any] = []
    for event in history.events:
        if event.op == "get_many" and event.outcome is Outcome.OK:
            right = {name: f"value of {name[7:]}" for name in event.result}
            found += [event] if event.result != right else []
        if event.op == "many" and event.outcome is Outcome.OK:
            found += [one for one in event.result if isinstance(one, Exception)]
    return [one for one in found if not isinstance(one, EXPECTED)]


def disturb(
    fault: str, server: Standalone, front: Proxy, seconds: float, recovered: Callable[[], bool]
) -> float:
    """Let a fault befall the server for so long; return how long recovery took after it."""
    begin, end = FAULTS[fault]
    begin(server, front)
    try:
        time.sleep(seconds)
    finally:
        end(server, front)
    ended = time.monotonic()
    eventually(recovered, timeout=10, what="everybody's calls succeeding again")
    return time.monotonic() - ended


def _nothing_left(fault: str) -> AbstractContextManager[None]:
    # With a new server process, the tests' own connection to it is a new one too.
    return nullcontext() if fault == "SIGKILL" else no_leaks()


def all_recovered(history: History, since: list[float]) -> Callable[[], bool]:
    """Tell whether each worker has had a success that began after the first time of asking."""

    def recovered() -> bool:
        if not since:
            since.append(time.monotonic())
        ok = [e for e in history.events if e.outcome is Outcome.OK and e.start > since[0]]
        return len({event.client for event in ok}) == WORKERS

    return recovered


def judge(history: History, server: Standalone, pulse: Pulse, recovery: float) -> None:
    history.check()
    assert not list(history.stale_reads())
    history.check_total("counter", int(server.command("GET", "counter") or 0))
    assert not strange(history)
    assert history.count(Outcome.OK) > 50
    history.check_longest(TIMEOUT * 1.1 + 3 * pulse.worst + 0.02)
    assert recovery < 2.5 + 10 * pulse.worst


OPTIONS = ClientOptions(
    timeout=TIMEOUT, pool=PoolOptions(breaker=BreakerOptions(open_for=0.1, max_open_for=0.2))
)
OFTEN = {"SIGSTOP", "SIGKILL", "half open", "refuse", "cut replies", "max clients"}
OFTEN_FOR_TASKS = {"SIGSTOP", "SIGKILL", "blackhole", "reset on use", "garbage", "password"}


def runs(often: set[str]) -> list[Any]:
    """Return all faults, short and long ones; what is not to be tried often is left to soaks."""
    return [
        pytest.param(
            fault,
            seconds,
            id=f"{fault}-{seconds}",
            marks=() if fault in often and seconds < 1 else pytest.mark.soak,
        )
        for fault in FAULTS
        for seconds in (0.3, 5.0)
    ]


@pytest.fixture
def lasting_server(standalone: Standalone, fault: str) -> Iterator[Standalone]:
    """The server, or one that remembers what it acknowledged before it is killed."""
    if fault != "SIGKILL":
        yield standalone
        return
    with Standalone({"appendonly": "yes", "appendfsync": "no"}) as server:
        yield server


@pytest.mark.parametrize(("fault", "seconds"), runs(OFTEN))
def test_threads_at_work_during_a_fault(
    lasting_server: Standalone, fault: str, seconds: float
) -> None:
    standalone = lasting_server
    history = History(EXPECTED)
    with _nothing_left(fault), Proxy(standalone) as front, Pulse() as pulse:
        client = DefaultClient([front.url], OPTIONS)
        work = Work(client, Cache(client), history)

        def once(number: int) -> None:
            record, call = work.next(number)
            with record as event:
                event.result = call(event)
            time.sleep(0.002)

        with load.threads(WORKERS, once) as progress:
            progress.wait_for(100)
            recovery = disturb(fault, standalone, front, seconds, all_recovered(history, []))
        client.close()
    judge(history, standalone, pulse, recovery)


@pytest.mark.parametrize(("fault", "seconds"), runs(OFTEN_FOR_TASKS))
def test_tasks_at_work_during_a_fault(
    lasting_server: Standalone, fault: str, seconds: float
) -> None:
    standalone = lasting_server
    history = History(EXPECTED)

    async def main(front: Proxy) -> float:
        client = AsyncDefaultClient([front.url], OPTIONS)
        work = Work(client, AsyncCache(client), history)

        async def once(number: int) -> None:
            record, call = work.next(number)
            with record as event:
                event.result = await call(event)
            await asyncio.sleep(0.002)

        async with load.tasks(WORKERS, once) as progress:
            await asyncio.to_thread(progress.wait_for, 100)
            recovery = await asyncio.to_thread(
                disturb, fault, standalone, front, seconds, all_recovered(history, [])
            )
        await client.aclose()
        return recovery

    with _nothing_left(fault), Proxy(standalone) as front, Pulse() as pulse:
        recovery = asyncio.run(main(front))
    judge(history, standalone, pulse, recovery)


# Connections that end


def test_clients_killed_while_they_wait_are_served_all_the_same(
    make_client: Any, standalone: Standalone
) -> None:
    client = make_client(standalone)
    client.execute(strings.set(b"k", b"v"))
    sets = [strings.set(b"key-%d" % n, b"v") for n in range(3)]
    for _ in range(3):
        assert _killed_while_held(standalone, lambda: client.execute(sets[0])) is True
        assert _killed_while_held(standalone, lambda: client.execute_many(sets)) == [True] * 3
    waiting: Command[Any] = custom("BLPOP", "list", 5, idempotent=True)  # if the caller says so
    last = ""
    with ThreadPoolExecutor(1) as other:
        future = other.submit(client.execute, waiting)
        for again in (True, True, False):
            last = eventually(lambda old=last: _newer(_blocked(standalone, "blpop"), old))  # type: ignore[misc]
            if again:
                standalone.kill_clients()
        standalone.command("RPUSH", "list", "x")
        assert future.result(10) == [b"list", b"x"]


def test_what_counts_is_not_sent_again_for_a_client_that_was_killed(
    make_client: Any, standalone: Standalone
) -> None:
    client = make_client(standalone)
    assert client.execute(strings.incrby(b"n", 1)) == 1
    for _ in range(5):
        error = _killed_while_held(standalone, lambda: client.execute(strings.incrby(b"n", 1)))
        assert isinstance(error, ConnectionLost)
        assert error.written
    assert client.execute(strings.incrby(b"n", 1)) == 2  # the server drops what it held back
    assert standalone.commands_seen()["INCRBY"] == 2


def _killed_while_held(server: Standalone, call: Callable[[], Any]) -> Any:
    """Make a call while the server holds writes back, and kill the client that waits."""
    server.command("CLIENT", "PAUSE", 10_000, "WRITE")
    with ThreadPoolExecutor(1) as other:
        future = other.submit(_caught, call)
        try:
            eventually(lambda: _blocked(server, "set") or _blocked(server, "incrby"))
        finally:
            server.kill_clients()
            server.command("CLIENT", "UNPAUSE")
        return future.result(20)


def _newer(found: list[str], old: str) -> str:
    return next((one for one in found if one != old), "")


def _blocked(server: Standalone, name: str) -> list[str]:
    found = server.clients()
    return [one["id"] for one in found if one["cmd"] == name and "b" in one["flags"]]


def _caught(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except PoolError as error:
        return error


def _notice(make_client: Any, client: Any) -> None:
    """Let what was sent to a client arrive, and an event loop see it."""
    if make_client.colour == "async":
        client.loop.run_until_complete(asyncio.sleep(0.01))
    else:
        time.sleep(0.01)


def test_a_connection_that_ended_while_nobody_looked_costs_not_even_a_count(
    make_client: Any, standalone: Standalone
) -> None:
    pool = PoolOptions(alive_bypass=0.0)  # as after some milliseconds of silence
    client = make_client(standalone, ClientOptions(pool=pool))
    for number in range(10):
        assert client.execute(strings.incrby(b"n", 1)) == number + 1
        standalone.kill_clients()
        eventually(lambda: standalone.connected_clients() == 0)
        _notice(make_client, client)
    assert standalone.commands_seen()["INCRBY"] == 10


@pytest.mark.parametrize("after", [0, 1, 5, 6, 20, 44, 46])
@pytest.mark.parametrize("many", [False, True])
def test_a_reply_cut_anywhere_is_never_taken_for_a_shorter_one(
    make_client: Any, standalone: Standalone, after: int, many: bool
) -> None:
    value = b"0123456789" * 4
    with Proxy(standalone) as front:
        client = make_client(front)
        client.execute(strings.set(b"k", value))
        front.truncate_reply(after, to="GET")
        if many:
            assert client.execute_many([strings.get(b"k")] * 5) == [value] * 5
        else:
            assert client.execute(strings.get(b"k")) == value
        assert len(front.connections) == 2


def test_replies_in_single_bytes_are_whole(make_client: Any, standalone: Standalone) -> None:
    with Proxy(standalone) as front:
        client = make_client(front)
        front.split_every_byte()
        assert client.execute(strings.set(b"k", b"x" * 200)) is True
        assert client.execute_many([strings.get(b"k"), strings.get(b"none")]) == [b"x" * 200, None]


@pytest.mark.parametrize("unasked", [b"+OK\r\n", b"$5\r\nwrong\r\n", b"nonsense"])
def test_what_nobody_asked_for_is_nobodys_answer(
    make_client: Any, standalone: Standalone, unasked: bytes
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(pool=PoolOptions(alive_bypass=0.0)))
        client.execute(strings.set(b"k", b"right"))
        for _ in range(5):
            front.push(unasked)
            _notice(make_client, client)
            assert client.execute(strings.get(b"k")) == b"right"


@pytest.mark.parametrize(
    "reply",
    [b"$-7\r\n", b"$9999999999999999999\r\n", b":12x\r\n", b"*x\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_a_reply_that_makes_no_sense_ends_its_connection(
    make_client: Any, standalone: Standalone, reply: bytes
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front)
        client.execute(strings.set(b"k", b"v"))
        front.inject_reply(reply, to="INCRBY")
        with pytest.raises(ProtocolError) as error:
            client.execute(strings.incrby(b"n", 1))
        assert error.value.written
        assert client.execute(strings.get(b"k")) == b"v"
        assert front.count("INCRBY") == 1


# The breaker


def test_one_failure_is_not_counted_in_a_row(make_client: Any, standalone: Standalone) -> None:
    breaker = BreakerOptions(failures=1)
    pool = PoolOptions(connect_timeout=0.1, breaker=breaker)
    client = make_client(standalone, ClientOptions(timeout=2.0, pool=pool))
    standalone.kill()
    for _ in range(2):
        error = _caught(lambda: client.execute(strings.get(b"k")))
    assert isinstance(error, NodeUnavailable)
    assert f"{standalone.port}/0: it failed, next try in" in str(error)


def test_after_five_failures_in_a_row_calls_fail_at_once_with_the_cause(
    make_client: Any, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        pool = PoolOptions(connect_timeout=0.1, backoff=0.0001, max_backoff=0.0002)
        client = make_client(front, ClientOptions(timeout=2.0, pool=pool))
        front.blackhole()
        for _ in range(2):  # of up to four attempts each
            assert isinstance(_caught(lambda: client.execute(strings.get(b"k"))), PoolError)
        assert client.stats()[0].breaker == "open"
        assert len(front.connections) == 5
        error = _caught(lambda: client.execute(strings.get(b"k")))
        assert isinstance(error, NodeUnavailable)
        assert "failed 5 times in a row" in str(error)
        assert "last: " in str(error)
        median = _median(make_client, client, strings.get(b"k"), 2000, NodeUnavailable)
        assert median < 200e-6


def _median(
    make_client: Any, client: Any, command: Any, count: int, kind: type[Exception]
) -> float:
    took = []

    async def tasks() -> None:
        for _ in range(count):
            started = time.perf_counter()
            try:
                await client.one.execute(command)
            except kind:
                took.append(time.perf_counter() - started)
            except redis.RedisError:  # a probe
                pass

    if make_client.colour == "async":
        client.loop.run_until_complete(tasks())
        return sorted(took)[len(took) // 2]
    for _ in range(count):
        started = time.perf_counter()
        try:
            client.execute(command)
        except kind:
            took.append(time.perf_counter() - started)
        except redis.RedisError:
            pass
    return sorted(took)[len(took) // 2]


def test_one_caller_at_a_time_looks_whether_a_server_is_back(standalone: Standalone) -> None:
    breaker = BreakerOptions(open_for=0.2, max_open_for=0.2)
    pool = PoolOptions(connect_timeout=0.1, breaker=breaker)
    with Proxy(standalone) as front:
        client = DefaultClient([front.url], ClientOptions(timeout=0.15, pool=pool))
        front.blackhole()
        for _ in range(10):
            _caught(lambda: client.execute(strings.get(b"k")))
        assert client.stats()[0].breaker == "open"
        front.forget()
        before = len(front.connections)
        started = time.monotonic()
        until = started + 1.0

        def work() -> int:
            count = 0
            while time.monotonic() < until:
                count += isinstance(
                    _caught(lambda: client.execute(strings.get(b"k"))), NodeUnavailable
                )
                time.sleep(0.001)
            return count

        with ThreadPoolExecutor(WORKERS) as workers:
            refused = sum(workers.map(lambda _: work(), range(WORKERS)))
        dialled = len(front.connections) - before
        lasted = time.monotonic() - started
        assert 1 <= dialled <= lasted / 0.1 + 1  # each pause is at least half of `open_for`
        assert refused > 20 * dialled
        front.heal()
        eventually(lambda: _caught(lambda: client.execute(strings.get(b"k"))) is None, timeout=3)
        assert client.stats()[0].breaker == "closed"
        client.close()


def test_a_server_that_is_full_is_not_stormed(make_client: Any, standalone: Standalone) -> None:
    client = make_client(standalone, ClientOptions(timeout=0.1))
    client.execute(strings.get(b"k"), timeout=5.0)
    standalone.command("CONFIG", "SET", "maxclients", "1")
    standalone.kill_clients()
    before = standalone.connections_received()
    started = time.monotonic()
    calls = 0
    while time.monotonic() - started < 0.5:
        assert isinstance(_caught(lambda: client.execute(strings.get(b"k"))), PoolError)
        calls += 1
    assert standalone.connections_received() - before < 60
    standalone.command("CONFIG", "SET", "maxclients", "1000")
    eventually(lambda: _caught(lambda: client.execute(strings.get(b"k"))) is None, timeout=5)


@pytest.mark.timing
def test_a_script_that_keeps_the_server_busy_costs_nobody_more_than_the_deadline(
    make_client: Any, standalone: Standalone, timed: Any
) -> None:
    client = make_client(standalone, ClientOptions(timeout=0.1))
    client.execute(strings.get(b"k"), timeout=5.0)
    standalone.command("CONFIG", "SET", "busy-reply-threshold", "50")
    with ThreadPoolExecutor(1) as other, standalone.client(timeout=20) as slow:
        endless = other.submit(_answer, slow, "EVAL", "while redis.call('TIME')[1] do end", "0")
        try:
            eventually(lambda: timed(lambda: client.execute(strings.get(b"k"))).within(0.1).error)
            error = timed(lambda: client.execute(custom("INCR", "n"))).within(0.1).error
            assert isinstance(error, redis.RedisError)
        finally:
            eventually(lambda: _kill_script(standalone), ignore=(OSError,))
        endless.result(20)
    assert standalone.command("GET", "n") in (None, b"1")


def _answer(client: Any, *words: str) -> Any:
    try:
        return client.command(*words)
    except Exception as error:
        return error


def _kill_script(server: Standalone) -> bool:
    with server.client(timeout=2) as client:
        return "UNKILLABLE" not in str(_answer(client, "SCRIPT", "KILL"))
