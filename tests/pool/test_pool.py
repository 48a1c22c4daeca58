"""Lending connections to a real server, to threads and to tasks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
import redis

from cachex_pool import (
    AsyncPool,
    ConnectionLost,
    DeadlineExceeded,
    Endpoint,
    Pool,
    PoolClosed,
    PoolOptions,
    PoolTimeout,
    TooManyWaiting,
)
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import eventually, lasting


def test_a_call_returns_the_reply_and_error_replies_are_values(
    make_caller: Any, endpoint: Endpoint, say: Any
) -> None:
    pool = make_caller(endpoint)
    assert pool.call(say("SET", "a", 1), say.soon()) == b"OK"
    assert pool.call(say("GET", "a"), say.soon()) == b"1"
    error = pool.call(say("LPUSH", "a", 1), say.soon())
    assert isinstance(error, redis.ResponseError)
    assert str(error).startswith("WRONGTYPE")
    assert pool.call(say("GET", "a"), say.soon()) == b"1"


def test_replies_of_an_exchange_come_in_order(
    make_caller: Any, endpoint: Endpoint, say: Any
) -> None:
    pool = make_caller(endpoint)
    data = b"".join(say("ECHO", number) for number in range(1000)) + say("NONSENSE")
    *replies, error = pool.exchange(data, 1001, say.soon())
    assert replies == [b"%d" % number for number in range(1000)]
    assert isinstance(error, redis.ResponseError)


def test_nothing_is_connected_before_the_first_use(
    make_caller: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    before = standalone.connections_received()
    pool = make_caller(endpoint, PoolOptions(min_size=2))
    assert standalone.connections_received() == before
    pool.call(say("PING"), say.soon())
    assert standalone.connections_received() > before


def test_callers_one_after_the_other_share_one_connection(
    make_caller: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    pool = make_caller(endpoint)
    for _ in range(20):
        pool.call(say("PING"), say.soon())
    assert standalone.connected_clients() == 1


def test_the_connection_used_last_is_lent_first(make_pool: Any, endpoint: Endpoint) -> None:
    pool = make_pool(endpoint)
    one, two = (pool.checkout(monotonic() + 5) for _ in range(2))
    pool.checkin(one)
    pool.checkin(two)
    assert pool.checkout(monotonic() + 5) == two
    assert pool.checkout(monotonic() + 5) == one


@pytest.mark.timing
def test_who_gets_none_in_time_is_told_so_in_time(
    make_pool: Any, endpoint: Endpoint, say: Any
) -> None:
    pool = make_pool(endpoint, PoolOptions(max_size=2))
    held = [pool.acquire(monotonic() + 5) for _ in range(2)]
    for patience in (0.0, 0.03, 0.2):
        with lasting(patience), pytest.raises(PoolTimeout, match="limit 2, lent 2"):
            pool.acquire(say.soon(patience))
    assert pool.stats().timeouts == 3
    assert pool.stats().waiting == 0
    for connection in held:
        pool.release(connection)
    assert pool.stats().idle == 2


@pytest.mark.timing
def test_a_full_queue_lets_nobody_in(make_pool: Any, endpoint: Endpoint) -> None:
    pool = make_pool(endpoint, PoolOptions(max_size=1, max_waiting=0))
    held = pool.acquire(monotonic() + 5)
    with lasting(0, 0.05), pytest.raises(TooManyWaiting):
        pool.acquire(monotonic() + 5)
    pool.release(held)


def test_a_connection_the_server_closed_meanwhile_is_replaced_unnoticed(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    pool = make_pool(endpoint, PoolOptions(alive_bypass=0.0))
    held = [pool.acquire(monotonic() + 5) for _ in range(5)]
    for connection in held:
        pool.release(connection)
    for _ in range(20):
        standalone.kill_clients()
        assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert pool.stats().closed["lost"] == 20 + 4


def test_one_lost_connection_makes_the_pool_look_at_all_that_are_idle(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    pool = make_pool(endpoint, PoolOptions(alive_bypass=60.0))
    held = [pool.acquire(monotonic() + 5) for _ in range(10)]
    for connection in held:
        pool.release(connection)
    standalone.kill_clients()
    with pytest.raises(redis.ConnectionError):
        pool.call(say("PING"), say.soon())
    for _ in range(10):
        assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert pool.stats().closed["lost"] == 10


def test_one_that_is_owed_a_reply_is_never_lent_again(
    make_pool: Any, endpoint: Endpoint, say: Any
) -> None:
    pool = make_pool(endpoint)
    pool.call(say("MSET", "a", "A", "b", "B"), say.soon())

    async def leave_a_reply_unread() -> None:
        connection = await pool.one.acquire(monotonic() + 5)
        reply = connection.submit(say("GET", "a"), say.soon())
        await asyncio.sleep(0)
        pool.one.release(connection)
        with pytest.raises(ConnectionLost):
            await reply

    for _ in range(5):
        if make_pool.colour == "async":
            pool.loop.run_until_complete(leave_a_reply_unread())
        else:
            connection = pool.acquire(monotonic() + 5)
            connection.write(say("GET", "a"), say.soon())
            pool.release(connection)
        assert pool.call(say("GET", "b"), say.soon()) == b"B"
    assert pool.stats().closed["busy"] == 5


def test_giving_back_twice_does_not_lend_twice(make_pool: Any, endpoint: Endpoint) -> None:
    pool = make_pool(endpoint)
    connection = pool.acquire(monotonic() + 5)
    pool.release(connection)
    pool.release(connection)
    one, other = (pool.acquire(monotonic() + 5) for _ in range(2))
    assert one.server is not other.server
    assert pool.stats().lent == pool.stats().size == 2


@pytest.mark.parametrize("again", ["release", "discard", "abandon"])
def test_giving_back_twice_takes_nothing_from_the_next_holder(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any, again: str
) -> None:
    pool = make_pool(endpoint)
    first = pool.acquire(say.soon())
    pool.release(first)
    second = pool.acquire(say.soon())
    assert second.server is first_server(pool)  # it is the same connection, and another object
    more = (TimeoutError(),) if again == "abandon" else ()
    getattr(pool, again)(first, *more)
    third = pool.acquire(say.soon())
    assert second.call(say("CLIENT", "ID"), say.soon()) != third.call(
        say("CLIENT", "ID"), say.soon()
    )
    assert standalone.connected_clients() == pool.stats().lent == 2
    with pytest.raises(ConnectionLost, match="it was released") as caught:
        first.call(say("PING"), say.soon())
    assert not caught.value.written
    assert first.closed
    assert not first.busy
    assert "released" in repr(first)
    for one in (second, third):
        pool.release(one)
    assert pool.stats().idle == 2


def first_server(pool: Any) -> Any:
    (connection,) = pool.state.members()
    return connection.server


def test_of_threads_that_release_the_same_connection_one_gives_it_back(endpoint: Endpoint) -> None:
    pool = Pool(endpoint)
    for _ in range(200):
        connection = pool.acquire(monotonic() + 5)
        start = threading.Barrier(4)

        def release(connection: Any = connection, start: threading.Barrier = start) -> None:
            start.wait()
            pool.release(connection)

        threads = [threading.Thread(target=release) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (pool.stats().idle, pool.stats().size) == (1, 1)
    pool.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_block_that_gave_its_connection_back_does_not_take_it_from_its_new_holder(
    make_pool: Any, endpoint: Endpoint, say: Any, run: Any, fails: bool
) -> None:
    async def main() -> None:
        pool = AsyncPool(endpoint)
        with contextlib.suppress(ValueError):
            async with pool.connection(say.soon()) as connection:
                pool.release(connection)
                held = await pool.acquire(say.soon())
                if fails:
                    raise ValueError
        other = await pool.acquire(say.soon())
        ids = [await one.call(say("CLIENT", "ID"), say.soon()) for one in (held, other)]
        assert len(set(ids)) == 2
        for one in (held, other):
            pool.release(one)
        await pool.aclose()

    if make_pool.colour == "async":
        run(main())
        return
    pool = make_pool(endpoint)
    with contextlib.suppress(ValueError), pool.connection(say.soon()) as connection:
        pool.release(connection)
        held = pool.acquire(say.soon())
        if fails:
            raise ValueError
    other = pool.acquire(say.soon())
    assert len({one.call(say("CLIENT", "ID"), say.soon()) for one in (held, other)}) == 2
    for one in (held, other):
        pool.release(one)


def test_a_thread_gets_no_reply_of_another_that_uses_the_same_connection(
    endpoint: Endpoint, say: Any
) -> None:
    pool = Pool(endpoint)
    held = pool.acquire(say.soon())
    replies: list[Any] = []
    thread = threading.Thread(
        target=lambda: replies.append(held.call(say("BLPOP", "queue", 30), say.soon(30)))
    )
    thread.start()
    eventually(lambda: held.busy)
    for use in (held.call, lambda data, until: held.exchange(data, 1, until)):
        with pytest.raises(ConnectionLost, match="an exchange is under way") as caught:
            use(say("GET", "a"), say.soon())
        assert not caught.value.written
    assert pool.call(say("RPUSH", "queue", "x"), say.soon()) == 1
    thread.join(30)
    assert replies == [[b"queue", b"x"]]
    pool.release(held)
    pool.close()


@pytest.mark.parametrize("end", ["discard", "abandon"])
def test_giving_back_what_was_closed_changes_nothing(
    make_pool: Any, endpoint: Endpoint, say: Any, end: str
) -> None:
    pool = make_pool(endpoint)
    connection = pool.acquire(monotonic() + 5)
    if end == "discard":
        pool.discard(connection)
    else:
        pool.abandon(connection, ValueError())
    pool.release(connection)
    pool.discard(connection)
    stats = pool.stats()
    assert (stats.size, stats.idle, sum(stats.closed.values())) == (0, 0, 1)
    assert pool.call(say("PING"), say.soon()) == b"PONG"


def test_an_old_connection_is_closed_when_it_comes_back(make_pool: Any, endpoint: Endpoint) -> None:
    pool = make_pool(endpoint, PoolOptions(max_lifetime=0.02, jitter=0))
    connection = pool.checkout(monotonic() + 5)
    eventually(lambda: monotonic() > connection.expires_at)
    pool.checkin(connection)
    assert pool.stats().closed == {"lifetime": 1}


def test_lifetimes_differ_by_the_jitter(make_pool: Any, endpoint: Endpoint) -> None:
    pool = make_pool(endpoint, PoolOptions(max_lifetime=1000, jitter=0.1))
    now = monotonic()
    lifetimes = [pool.checkout(now + 5).expires_at - now for _ in range(8)]
    assert len(set(lifetimes)) == 8
    assert all(900 <= lifetime < 1105 for lifetime in lifetimes)


def test_connections_nobody_needs_are_closed_down_to_min_size(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, upkeep_always: None
) -> None:
    pool = make_pool(endpoint, PoolOptions(min_size=1, max_idle=0.1))
    held = [pool.checkout(monotonic() + 5) for _ in range(4)]
    for connection in held[:3]:
        pool.checkin(connection)
    eventually(lambda: monotonic() - held[2].idle_since > 0.1)
    pool.checkin(held[3])
    eventually(lambda: pool.stats().closed == {"idle": 3})  # some by the thread of the timers
    eventually(lambda: standalone.connected_clients() == 1)


def test_what_min_size_asks_for_is_opened_by_warming_up(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint
) -> None:
    pool = make_pool(endpoint, PoolOptions(min_size=3))
    assert pool.warm_up() == 3
    assert pool.stats().idle == standalone.connected_clients() == 3
    assert pool.warm_up(5) == 5
    assert pool.warm_up(1000) == 50


def test_what_min_size_asks_for_is_opened_again_after_a_loss(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any, upkeep_always: None
) -> None:
    pool = make_pool(endpoint, PoolOptions(min_size=3, alive_bypass=0.0))
    pool.warm_up()
    standalone.kill_clients()
    eventually(lambda: pool.call(say("PING"), say.soon()) and pool.stats().size == 3)


def test_a_thread_that_cannot_be_started_costs_nobody_his_reply(
    endpoint: Endpoint, say: Any, upkeep_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    pool = Pool(endpoint, PoolOptions(min_size=2))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    pool.close()


def test_retiring_closes_the_idle_now_and_the_lent_when_they_come_back(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint
) -> None:
    pool = make_pool(endpoint)
    lent, idle = (pool.checkout(monotonic() + 5) for _ in range(2))
    pool.checkin(idle)
    pool.retire("failover")
    eventually(lambda: standalone.connected_clients() == 1)
    new = pool.checkout(monotonic() + 5)
    assert new not in (lent, idle)
    pool.checkin(lent)
    assert pool.stats().closed == {"failover": 1, "retired": 1}
    pool.checkin(new)
    assert pool.stats().size == pool.stats().idle == 1


def test_a_closed_pool_lends_nothing_and_closes_what_comes_back(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint
) -> None:
    pool = make_pool(endpoint)
    lent, idle = (pool.acquire(monotonic() + 5) for _ in range(2))
    pool.release(idle)
    pool.close()
    pool.close()
    with pytest.raises(PoolClosed):
        pool.acquire(monotonic() + 5)
    pool.release(lent)
    assert pool.stats().size == 0
    eventually(lambda: standalone.connected_clients() == 0)


@pytest.mark.timing
def test_a_reply_that_does_not_come_costs_the_connection_not_the_pool(
    make_pool: Any, endpoint: Endpoint, say: Any
) -> None:
    pool = make_pool(endpoint)
    pool.warm_up(3)
    for patience in (0.01, 0.05, 0.3):
        with lasting(patience), pytest.raises(DeadlineExceeded) as caught:
            pool.call(say("BLPOP", "nothing", 0), say.soon(patience))
        assert caught.value.written
    assert pool.stats().closed == {"timeout": 3}
    assert pool.call(say("PING"), say.soon()) == b"PONG"


def test_a_deadline_may_be_never(make_caller: Any, endpoint: Endpoint, say: Any) -> None:
    pool = make_caller(endpoint)
    slow = say("DEBUG", "SLEEP", "0.1")
    assert pool.call(slow, float("inf")) == b"OK"
    assert pool.exchange(slow + slow, 2, monotonic() + 1e12) == [b"OK", b"OK"]


def test_large_values_pass_both_ways(make_caller: Any, endpoint: Endpoint, say: Any) -> None:
    pool = make_caller(endpoint)
    value = bytes(range(256)) * 4 * 8192  # 8 MiB
    assert pool.call(say("SET", "a", value), say.soon()) == b"OK"
    assert pool.call(say("GET", "a"), say.soon()) == value
    many = say("GET", "a") * 4
    assert pool.exchange(many, 4, say.soon(20)) == [value] * 4


def test_replies_larger_than_what_is_being_sent_do_not_block_the_sender(
    make_caller: Any, endpoint: Endpoint, say: Any
) -> None:
    # The server stops reading while it cannot get rid of its replies; so must not we.
    pool = make_caller(endpoint)
    pool.call(say("SET", "a", b"v" * 1_000_000), say.soon())
    command = say("ECHO", b"e" * 100_000) + say("GET", "a")
    replies = pool.exchange(command * 40, 80, say.soon(20))
    assert [len(reply) for reply in replies] == [100_000, 1_000_000] * 40


def test_a_block_that_raises_costs_its_connection(endpoint: Endpoint, make_pool: Any) -> None:
    pool = make_pool(endpoint)
    _borrow(make_pool.colour, pool, lambda: None)
    assert pool.stats().idle == 1
    with pytest.raises(KeyError):
        _borrow(make_pool.colour, pool, lambda: {}["missing"])
    assert pool.stats().size == 0


def _borrow(colour: str, pool: Any, work: Callable[[], Any]) -> None:
    if colour == "sync":
        with pool.connection(monotonic() + 5):
            work()
        return

    async def main() -> None:
        async with pool.one.connection(monotonic() + 5):
            work()

    pool.loop.run_until_complete(main())


def test_a_name_is_known_by_the_address_that_was_reached(
    make_pool: Any, standalone: Standalone, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there is one; asked for by whoever has to say which machine has answered."""
    with Proxy(standalone) as other:
        leads = [(standalone.host, standalone.port)]

        def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", leads[0])]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        pool = make_pool(Endpoint(host="cache.example", port=1, db=2))
        assert pool.peer is None
        held = [pool.acquire(say.soon())]
        reached = pool.peer
        assert (reached.host, reached.port, reached.db) == (*leads[0], 2)
        held.append(pool.acquire(say.soon()))
        assert pool.peer is reached, "it can be recognized"
        leads[0] = (other.host, other.port)
        held.append(pool.acquire(say.soon()))
        assert pool.peer is None, "who answers is one of two"
        pool.discard(held.pop())
        assert (pool.peer.host, pool.peer.port) == (standalone.host, standalone.port)
        for connection in held:
            pool.discard(connection)
        pool.release(pool.acquire(say.soon()))
        assert (pool.peer.host, pool.peer.port) == (other.host, other.port)


def test_what_is_given_by_its_address_is_known_by_that(
    make_pool: Any, standalone: Standalone, endpoint: Endpoint, say: Any
) -> None:
    for one in (endpoint, Endpoint(path=standalone.path), Endpoint(host="::1")):
        assert make_pool(one).peer is one
