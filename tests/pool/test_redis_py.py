"""redis-py's clients on our pools: plain commands, pub/sub, MONITOR, locks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
import redis
import redis.asyncio

from cachex_pool import AsyncPool, Endpoint, Pool, PoolOptions, PoolTimeout
from cachex_pool.redis_py import AsyncRedisPyPool, RedisPyPool
from support.servers import Standalone
from support.waiting import eventually


def endpoint(server: Standalone, **settings: Any) -> Endpoint:
    return Endpoint(host=server.host, port=server.port, **settings)


@pytest.fixture
def pool(standalone: Standalone) -> Iterator[Pool]:
    pool = Pool(endpoint(standalone), PoolOptions(max_size=10))
    yield pool
    pool.close()


@pytest.fixture
def client(pool: Pool) -> Iterator[Any]:
    adapter = RedisPyPool(pool)
    yield redis.Redis(connection_pool=adapter)
    adapter.close()


def test_commands_get_the_shapes_of_resp2(client: Any) -> None:
    assert client.set("a", "1") is True
    assert client.get("a") == b"1"
    client.zadd("z", {"m": 1.5})
    assert client.zrange("z", 0, -1, withscores=True) == [(b"m", 1.5)]
    client.hset("h", mapping={"f": "v"})
    assert client.hgetall("h") == {b"f": b"v"}
    with client.pipeline() as pipe:
        assert pipe.incr("a").incr("a").execute() == [2, 3]


def test_a_connection_that_came_back_clean_is_used_again(pool: Pool, client: Any) -> None:
    for _ in range(5):
        client.ping()
    assert pool.stats().opened == 1
    assert pool.stats().lent == 1  # kept by the adapter, counted by the pool


def test_a_connection_that_is_kept_is_not_used_past_the_pools_say(
    standalone: Standalone, client: Any, pool: Pool
) -> None:
    first = client.client_id()
    pool.retire("a test")
    second = client.client_id()
    assert second != first
    (connection,) = pool.state.members()
    connection.expires_at = 0.0
    assert client.client_id() != second
    eventually(lambda: standalone.connected_clients() == 1)


def test_no_more_than_keep_stay_open(pool: Pool) -> None:
    adapter = RedisPyPool(pool, keep=1)
    connections = [adapter.get_connection() for _ in range(3)]
    assert pool.stats().lent == 3
    for connection in connections:
        adapter.release(connection)
    assert pool.stats().lent == 1
    adapter.close()
    assert pool.stats().size == 0


def test_the_limit_of_the_pool_counts_for_redis_py_too(standalone: Standalone) -> None:
    pool = Pool(endpoint(standalone), PoolOptions(max_size=1))
    adapter = RedisPyPool(pool, timeout=0.1)
    connection = adapter.get_connection()
    with pytest.raises(PoolTimeout):
        pool.acquire(monotonic() + 0.1)
    adapter.release(connection)
    with pool.connection(monotonic() + 1), pytest.raises(PoolTimeout):
        adapter.get_connection()
    pool.close()


def test_a_connection_the_server_closed_is_replaced(standalone: Standalone, client: Any) -> None:
    client.set("a", "1")
    standalone.kill_clients()
    assert client.get("a") == b"1"


def test_an_unread_reply_never_reaches_the_next_caller(client: Any) -> None:
    client.mset({"a": "A", "b": "B"})
    connection = client.connection_pool.get_connection()
    connection.send_command("GET", "a")
    client.connection_pool.release(connection)
    assert [client.get("b") for _ in range(3)] == [b"B"] * 3


def test_a_connection_that_a_command_has_changed_is_not_used_again(client: Any) -> None:
    client.set("a", "here")
    for change in (
        ("SELECT", 5),
        ("select", "5"),
        (b"SELECT", b"5"),
        ("MULTI",),
        ("CLIENT SETNAME", "me"),
        ("CLIENT", "NO-EVICT", "ON"),
    ):
        client.execute_command(*change)
        assert client.get("a") == b"here"
        assert client.client_getname() is None
    client.pipeline(transaction=False).execute_command("SELECT", 5).get("a").execute()
    assert client.get("a") == b"here"
    used = client.client_id()
    client.client_info()  # which changes nothing
    client.transaction(lambda pipe: pipe.multi(), "a")
    assert client.client_id() == used


def test_decoding_is_up_to_the_adapter(pool: Pool) -> None:
    with redis.Redis(connection_pool=RedisPyPool(pool, decode_responses=True, keep=0)) as client:
        client.set("a", "ä")
        assert client.get("a") == "ä"
    assert pool.stats().lent == 0


def test_database_and_password_are_the_endpoints(standalone: Standalone) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "secret")
    pool = Pool(endpoint(standalone, db=3, password="secret"))
    adapter = RedisPyPool(pool)
    client = redis.Redis(connection_pool=adapter)
    assert client.client_info()["db"] == 3
    assert "secret" not in repr(client)
    adapter.close()
    pool.close()


def test_a_subscriber_gets_messages_and_its_place_is_free_afterwards(
    pool: Pool, client: Any
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        assert channel.get_message(timeout=5) is None  # the subscription
        assert client.publish("news", "one") == 1
        message = channel.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"one"
        assert pool.stats().lent == 2
    assert pool.stats().lent == 1


def test_listening_outlasts_the_timeout_of_replies(pool: Pool, client: Any) -> None:
    impatient: Any = redis.Redis(connection_pool=RedisPyPool(pool, timeout=1.0, keep=0))
    with impatient.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        timer = threading.Timer(1.5, client.publish, ("news", "late"))
        timer.start()
        assert next(filter(None, channel.listen()))["data"] == b"late"
        timer.join()


def test_a_subscriber_comes_back_after_its_connection_is_killed(
    standalone: Standalone, client: Any
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        channel.get_message(timeout=5)
        standalone.command("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(redis.ConnectionError):
            channel.get_message(timeout=5)
        channel.get_message(timeout=5)
        eventually(lambda: client.publish("news", "again") == 1, what="the subscription")
        eventually(
            lambda: (channel.get_message(timeout=0.1) or {}).get("data") == b"again",
            what="the message",
        )


def test_a_thread_can_listen(client: Any) -> None:
    heard: list[bytes] = []
    channel = client.pubsub()
    channel.subscribe(news=lambda message: heard.append(message["data"]))
    thread = channel.run_in_thread(sleep_time=0.01)
    client.publish("news", "one")
    eventually(lambda: heard == [b"one"], what="the message")
    thread.stop()
    thread.join()


def test_monitor_shows_commands_after_a_silence(pool: Pool, client: Any) -> None:
    impatient: Any = redis.Redis(connection_pool=RedisPyPool(pool, timeout=1.0, keep=0))
    with impatient.monitor() as monitor:
        timer = threading.Timer(1.5, client.get, ("seen",))
        timer.start()
        commands = (monitor.next_command()["command"] for _ in range(20))
        assert any("GET seen" in command for command in commands)
        timer.join()


def test_redis_pys_lock_works(client: Any) -> None:
    with client.lock("lock", timeout=5) as lock:
        assert lock.owned()
        assert not client.lock("lock", timeout=5).acquire(blocking=False)
    assert client.exists("lock") == 0


async def _asyncio_commands(server: Standalone) -> None:
    pool = AsyncPool(endpoint(server), PoolOptions(max_size=10))
    adapter = AsyncRedisPyPool(pool)
    client: Any = redis.asyncio.Redis(connection_pool=adapter)
    assert await client.set("a", "1") is True
    assert await client.get("a") == b"1"
    await client.zadd("z", {"m": 1.5})
    assert await client.zrange("z", 0, -1, withscores=True) == [(b"m", 1.5)]
    async with client.pipeline() as pipe:
        assert await pipe.incr("a").incr("a").execute() == [2, 3]
    assert pool.stats().opened == 1
    await client.execute_command("SELECT", 5)
    assert await client.get("a") == b"3"
    used = await client.client_id()
    pool.retire("a test")
    assert await client.client_id() != used
    async with client.lock("lock", timeout=5) as lock:
        assert await lock.owned()
    server.kill_clients()
    await asyncio.sleep(0.05)  # lets the loop hear of it
    assert await client.get("a") == b"3"
    await adapter.aclose()
    assert pool.stats().size == 0
    await pool.aclose()


def test_asyncio_commands(standalone: Standalone, run: Any) -> None:
    run(_asyncio_commands(standalone))


async def _asyncio_subscriber(server: Standalone) -> None:
    pool = AsyncPool(endpoint(server), PoolOptions(max_size=10))
    adapter = AsyncRedisPyPool(pool, timeout=0.2)
    client: Any = redis.asyncio.Redis(connection_pool=adapter)
    async with client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe("news")
        assert await channel.get_message(timeout=0.1) is None
        timer = threading.Timer(0.5, server.command, ("PUBLISH", "news", "late"))
        timer.start()
        message = None
        while message is None:
            message = await channel.get_message(timeout=None)
        assert message["data"] == b"late"
        timer.join()
    async with client.monitor() as monitor:
        timer = threading.Timer(0.5, server.command, ("GET", "seen"))
        timer.start()
        while "GET seen" not in (await monitor.next_command())["command"]:
            pass
        timer.join()
    await adapter.aclose()
    assert pool.stats().lent == 0
    await pool.aclose()


def test_asyncio_subscriber_and_monitor(standalone: Standalone, run: Any) -> None:
    run(_asyncio_subscriber(standalone))


def test_a_connection_that_is_dropped_frees_its_place(pool: Pool) -> None:
    adapter = RedisPyPool(pool)
    connection = adapter.get_connection()
    adapter.reset()
    assert pool.stats().lent == 1
    del connection
    assert pool.stats().size == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_leaves_the_parents_connections_alone(
    client: Any, fork: Callable[[], int]
) -> None:
    client.set("a", "1")
    child = fork()
    if not child:
        try:
            os._exit(0 if client.get("a") == b"1" and client.incr("n") == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert client.get("n") == b"1"
    assert client.connection_pool.get_connection_count()[0][0] == 1
