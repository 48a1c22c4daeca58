"""The facade's own promises: which connections it uses, for how long, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
import redis

from cachex_client import AsyncDefaultClient, ClientOptions, DefaultClient
from cachex_client.facade import AsyncRedis, Redis
from cachex_pool import DeadlineExceeded, PoolOptions
from support.servers import Standalone
from support.waiting import eventually, lasting

Run = Callable[..., Any]


@pytest.fixture
def client(standalone: Standalone) -> Iterator[DefaultClient]:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=2.0))
    yield client
    client.close()


@pytest.fixture
def facade(client: Any) -> Any:
    return client.redis


def test_redis_py_opens_no_connection_of_its_own(standalone: Standalone, facade: Any) -> None:
    facade.set("a", 1)
    facade.pipeline().incr("a").execute()
    with facade.lock("lock", timeout=5):
        facade.get("a")
    assert standalone.connected_clients() == 1
    assert facade.connection_pool.get_connection_count()[0][0] == 0


@pytest.mark.timing
def test_a_blocking_command_outlasts_the_timeout_by_as_long_as_it_may_block(
    standalone: Standalone,
) -> None:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=1.0))
    with lasting(0.5, 1.4):
        assert client.redis.blpop("queue", timeout=0.5) is None
    timer = threading.Timer(1.3, standalone.command, ("RPUSH", "queue", "late"))
    timer.start()
    assert client.redis.blpop("queue", timeout=0) == (b"queue", b"late")
    timer.join()
    timer = threading.Timer(1.3, standalone.command, ("XADD", "stream", "1-1", "f", "v"))
    timer.start()
    assert client.redis.xread({"stream": "$"}, block=0)[0][0] == b"stream"
    timer.join()
    client.close()


@pytest.mark.timing
def test_a_server_that_stopped_ends_a_blocking_command_in_time(standalone: Standalone) -> None:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=0.2))
    client.warm_up()
    standalone.pause()
    try:
        with lasting(0, 1.0), pytest.raises(redis.TimeoutError):
            client.redis.blpop("queue", timeout=0.3)
    finally:
        standalone.resume()
    client.close()


def test_tasks_go_on_while_one_of_them_blocks(standalone: Standalone, run: Run) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url], ClientOptions(timeout=2.0))
        facade: Any = client.redis
        blocked = asyncio.create_task(facade.blpop("queue", timeout=0))
        in_pipeline = asyncio.create_task(
            facade.pipeline(transaction=False).blpop("other", timeout=5).execute()
        )
        for _ in range(40):
            await facade.ping()
            await asyncio.sleep(0.01)
        await facade.rpush("queue", "a")
        await facade.rpush("other", "b")
        assert await blocked == (b"queue", b"a")
        assert await in_pipeline == [(b"other", b"b")]
        await client.aclose()

    run(main())


@pytest.mark.parametrize(
    "command",
    [
        ("SELECT", 2),
        ("MULTI",),
        ("WATCH", "a"),
        ("CLIENT TRACKING", "ON"),
        ("CLIENT", "TRACKING", "ON"),
        ("CLIENT SETNAME", "me"),
        ("MONITOR",),
        ("HELLO", 2),
        ("RESET",),
    ],
    ids=str,
)
def test_what_changes_a_connection_stays_with_that_connection(
    standalone: Standalone, facade: Any, run: Run, command: tuple[Any, ...]
) -> None:
    facade.set("a", "1")
    facade.execute_command(*command)
    assert facade.get("a") == b"1"
    assert facade.client_getname() is None

    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url])
        await client.redis.execute_command(*command)
        assert await client.redis.get("a") == b"1"
        await client.aclose()

    run(main())


def test_a_bare_subscribe_is_refused(facade: Any) -> None:
    with pytest.raises(redis.exceptions.PubSubError, match=r"use pubsub\(\)"):
        facade.execute_command("SUBSCRIBE", "news")
    with pytest.raises(redis.exceptions.PubSubError, match=r"use pubsub\(\)"):
        facade.pipeline().execute_command("SUBSCRIBE", "news").execute()


def test_one_connection_can_be_had_for_what_needs_one(client: Any, facade: Any) -> None:
    with facade.client() as one:
        one.select(3)
        one.set("here", "only")
        assert one.get("here") == b"only"
    client.redis.connection_pool.close()
    assert facade.get("here") is None
    assert client.stats()[0].lent == 0


def test_publish_and_subscribe(client: Any, facade: Any) -> None:
    with facade.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        assert channel.get_message(timeout=0.1) is None
        assert facade.publish("news", "one") == 1
        assert channel.get_message(timeout=2)["data"] == b"one"
        assert client.stats()[0].lent == 1
    assert client.stats()[0].lent == 0


def test_a_subscriber_comes_back_by_itself(standalone: Standalone, facade: Any) -> None:
    with facade.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        channel.get_message(timeout=0.1)
        standalone.kill_clients()
        assert channel.get_message(timeout=0.1) is None
        eventually(lambda: facade.publish("news", "again") == 1, what="the subscription")
        eventually(lambda: channel.get_message(timeout=0.1), what="the message")


def test_monitor(facade: Any) -> None:
    with facade.monitor() as monitor:
        facade.get("seen")
        assert any("GET seen" in monitor.next_command()["command"] for _ in range(5))


def test_a_subscriber_whose_connection_is_lost_while_he_subscribes_does_not_wait_for_ever(
    standalone: Standalone, facade: Any
) -> None:
    """redis-py subscribes anew within what failed, and takes the same lock once more for that."""
    with facade.pubsub() as pubsub, ThreadPoolExecutor(1) as thread:
        pubsub.subscribe("news")
        eventually(lambda: (pubsub.get_message(timeout=0.1) or {}).get("type") == "subscribe")
        pubsub.connection._sock.shutdown(socket.SHUT_RDWR)

        def ask() -> None:
            with contextlib.suppress(redis.ConnectionError):
                pubsub.ping()

        asked = thread.submit(ask)
        done, _ = wait([asked], 10)
        if not done:
            pubsub._lock.release()  # so that the test ends
        assert done
        asked.result(10)
        eventually(lambda: facade.publish("news", "hello") == 1)
        eventually(lambda: (pubsub.get_message(timeout=0.1) or {}).get("data") == b"hello")


def test_asyncio_pubsub_and_monitor(standalone: Standalone, run: Run) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url])
        facade: Any = client.redis
        await facade.ping()
        before = client.stats()[0].lent
        async with facade.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe("news")
            assert await channel.get_message(timeout=0.1) is None
            await facade.publish("news", "one")
            assert (await channel.get_message(timeout=2))["data"] == b"one"
        async with facade.monitor() as monitor:
            await facade.get("seen")
            while "GET seen" not in (await monitor.next_command())["command"]:
                pass
        assert client.stats()[0].lent == before
        await client.aclose()

    run(main())


def test_one_asyncio_facade_serves_one_loop_after_the_other(
    standalone: Standalone, run: Run
) -> None:
    client: Any = AsyncDefaultClient([standalone.url])

    async def main() -> None:
        assert await client.redis.incr("n")
        async with client.redis.pubsub() as channel:
            await channel.subscribe("news")
            assert (await channel.get_message(timeout=1))["type"] == "subscribe"
        async with client.redis.pipeline() as pipe:
            await pipe.watch("n")
            assert await pipe.get("n")

    run(main())
    run(main())
    assert standalone.connected_clients() == 0


@pytest.mark.parametrize("value", [None, True, object, ["a"]], ids=repr)
def test_what_is_not_text_or_a_number_is_refused(facade: Any, value: Any) -> None:
    with pytest.raises(redis.DataError):
        facade.set("a", value)
    with pytest.raises(redis.DataError):
        facade.pipeline().set("a", value).execute()
    assert facade.ping()


def test_text_travels_in_the_encoding_asked_for(client: Any) -> None:
    latin: Any = Redis(client, encoding="latin-1", decode_responses=True)
    latin.set("ä", "ü")
    assert client.redis.get(b"\xe4") == b"\xfc"
    assert latin.get("ä") == "ü"
    assert latin.dump("ä").startswith(b"\x00")  # never decoded


def test_callbacks_can_be_replaced(facade: Any) -> None:
    facade.set("a", "1")
    facade.set_response_callback("GET", int)
    assert facade.get("a") == 1
    assert facade.pipeline().get("a").execute() == [1]
    assert facade.execute_command("get", "a") == 1


def test_commands_of_modules_go_by_redis_pys_way(client: Any, facade: Any) -> None:
    with pytest.raises(redis.ResponseError, match="unknown command"):
        facade.execute_command("JSON.GET", "a")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        facade.json().get("a")
    pipe = facade.pipeline(transaction=False)
    pipe.execute_command("JSON.GET", "a")
    assert isinstance(pipe.set("a", 1).execute(raise_on_error=False)[0], redis.ResponseError)
    assert facade.get("a") == b"1"
    facade.connection_pool.close()
    assert client.stats()[0].lent == 0


def test_closing_the_facade_leaves_the_client_open(client: Any, run: Run) -> None:
    with client.redis as facade:
        assert facade.ping()
    client.redis.close()
    assert client.redis.ping()


def test_the_shutdown_of_a_server_is_no_error(client: Any) -> None:
    with Standalone() as server:
        other = DefaultClient([server.url])
        other.redis.shutdown(nosave=True)
        other.close()


def test_a_pool_of_one_connection_is_enough(standalone: Standalone, run: Run) -> None:
    options = ClientOptions(pool=PoolOptions(max_size=1), timeout=1.0)
    client: Any = DefaultClient([standalone.url], options)
    assert client.redis.set("a", 1)
    assert client.redis.pipeline().get("a").execute() == [b"1"]
    assert client.redis.select(1)
    with client.redis.pubsub() as channel:
        channel.subscribe("news")
        with pytest.raises(redis.TimeoutError):
            client.redis.get("a")
    assert client.redis.get("a") == b"1"
    client.close()


@pytest.mark.timing
def test_the_deadline_is_the_clients(standalone: Standalone) -> None:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=0.2))
    client.warm_up()
    standalone.pause()
    try:
        with lasting(0.2, 0.6):
            with pytest.raises(DeadlineExceeded):
                client.redis.get("a")
            with pytest.raises(redis.TimeoutError):
                client.redis.pipeline().get("a").execute()
    finally:
        standalone.resume()
    client.close()


def test_the_name_says_whose_connections_these_are(client: Any) -> None:
    assert repr(client.redis).startswith("<Redis on <DefaultClient of 127.0.0.1:")
    assert issubclass(Redis, redis.Redis)
    assert issubclass(AsyncRedis, redis.asyncio.Redis)
