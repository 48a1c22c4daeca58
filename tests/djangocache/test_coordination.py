"""Semaphores, rate limits, scripts and values that are made once, on Django's cache object."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import caches
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection

from cachex_client.errors import RateLimitExceeded
from cachex_client.flights import async_flights, flights
from cachex_client.scripting import Encoded, decode_single_post
from cachex_client.semaphore import SemaphoreTimeoutError
from support.servers import Cluster, Replicated, Sentinels, Standalone
from support.waiting import eventually

Make = Callable[..., Any]

CLIENTS = "django_cachex.client"


@pytest.fixture(params=["standalone", "replicated", "sentinels", "cluster"])
def cache(request: pytest.FixtureRequest, make_cache: Make) -> Any:
    """A cache with a prefix, on one topology after the other."""
    servers: Any = request.getfixturevalue(request.param)
    location: Any
    options: dict[str, Any] = {}
    if isinstance(servers, Standalone):
        location = servers.url
    elif isinstance(servers, Replicated):
        location = servers.urls
    elif isinstance(servers, Sentinels):
        location = f"redis://{servers.name}/0"
        options = {
            "client_class": f"{CLIENTS}.SentinelClient",
            "sentinels": servers.addresses,
        }
    else:
        assert isinstance(servers, Cluster)
        location, options = servers.urls[0], {"client_class": f"{CLIENTS}.ClusterClient"}
    return make_cache(location, KEY_PREFIX="app", **options)


@pytest.fixture
def plain(standalone: Standalone, make_cache: Make) -> Any:
    return make_cache(standalone.url)


def test_a_semaphore_is_shared_by_threads_and_tasks(cache: Any, run: Any) -> None:
    with cache.semaphore("s", 2, lease=30):
        assert cache.has_key("s")

        async def enter() -> None:
            async with cache.asemaphore("s", 2, lease=30, timeout=0) as held:
                await held.extend(20)
                with pytest.raises(SemaphoreTimeoutError):
                    await cache.asemaphore("s", 2, lease=30, timeout=0).acquire()

        run(enter())
        with (
            pytest.raises(SemaphoreTimeoutError),
            cache.semaphore("s", 2, weight=2, lease=1, timeout=0),
        ):
            pass
    assert not cache.has_key("s")


def test_times_may_be_given_as_a_timedelta(plain: Any, run: Any) -> None:
    hour, moment = timedelta(hours=1), timedelta(milliseconds=10)
    with plain.lock("l", timeout=hour), plain.semaphore("s", 1, lease=hour):
        assert 3590 < plain.ttl("l") <= 3600
        assert 3590 < plain.ttl("s") <= 3600

        async def enter() -> None:
            async with plain.alock("other", lease=hour):
                assert await plain.attl("other") > 3590
            assert not await plain.alock("l", blocking_timeout=moment).acquire()
            with pytest.raises(SemaphoreTimeoutError):
                await plain.asemaphore("s", 1, lease=hour, timeout=moment).acquire()

        run(enter())
    for made in (plain.lock, plain.alock):
        for settings in ({"timeout": "60"}, {"blocking_timeout": "60"}):
            with pytest.raises(TypeError, match="a timeout is a number of seconds here, not '60'"):
                made("l", **settings)


def test_a_rate_limit_counts_threads_and_tasks(cache: Any, run: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: cache.rate_limit("r", 10, 1000).allowed, range(16)))
    assert sum(got) == 10

    async def ask() -> Any:
        result = await cache.arate_limit("r", 10, 1000)
        with pytest.raises(RateLimitExceeded):
            await cache.athrottle("r", 10, 1000, timeout=1)
        assert await cache.arate_limit("other", 10, 1000, cost=10, version=5)
        return result

    assert 0 < run(ask()).retry_after <= 100
    assert cache.throttle("third", 1, 1000)


def test_a_script_runs_on_keys_of_the_cache(cache: Any, run: Any) -> None:
    swap = "local o = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return o"
    cache.set("k", {"a": 1})
    found = cache.eval_script(swap, keys=["k"], args=[Encoded([2])], post_hook=decode_single_post)
    assert found == {"a": 1}
    assert cache.get("k") == [2]

    async def ask() -> Any:
        return await cache.aeval_script("return KEYS[1]", keys=["k"], version=3)

    assert run(ask()) == b"app:3:k"


def test_of_many_threads_one_makes_the_value(cache: Any) -> None:
    calls: list[int] = []
    asked = threading.Semaphore(0)

    def make() -> Any:
        calls.append(1)
        for _ in range(32):
            assert asked.acquire(timeout=20)
        return {"made": [len(calls)]}

    def ask(_: int) -> Any:
        asked.release()
        return caches["default"].get_or_set("k", make, 60)  # each thread has an object of its own

    with ThreadPoolExecutor(32) as pool:
        values = list(pool.map(ask, range(32)))
    assert values == [{"made": [1]}] * 32
    assert len({id(value) for value in values}) == 32
    assert calls == [1]
    assert cache.ttl("k") in (59, 60)


def test_of_many_tasks_one_makes_the_value(cache: Any, run: Any) -> None:
    calls: list[int] = []

    async def make() -> Any:
        calls.append(1)
        await asyncio.sleep(0.05)
        return {"made": [len(calls)]}

    async def main() -> list[Any]:
        return await asyncio.gather(*(cache.aget_or_set("k", make) for _ in range(200)))

    assert run(main()) == [{"made": [1]}] * 200
    assert calls == [1]


def test_a_leaders_failure_is_his_own(plain: Any) -> None:
    calls: list[int] = []
    asked = threading.Semaphore(0)

    def make() -> Any:
        calls.append(1)
        if len(calls) == 1:
            for _ in range(8):
                assert asked.acquire(timeout=20)
            raise ZeroDivisionError
        return len(calls)

    def ask(_: int) -> Any:
        asked.release()
        try:
            return plain.get_or_set("k", make)
        except ZeroDivisionError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(ask, range(8)))
    assert got.count(2) == 7
    assert len(calls) == 2
    assert flights._flights == async_flights._flights == {}


def test_values_are_made_once_while_no_server_answers(
    standalone: Standalone, make_cache: Make
) -> None:
    cache = make_cache(standalone.url, ignore_exceptions=True, socket_timeout=0.3)
    standalone.kill()
    calls: list[int] = []
    asked: list[int] = []

    def make() -> Any:
        calls.append(1)
        eventually(lambda: len(asked) == 8, 20, what="the others")
        return ["made"]

    def ask(number: int) -> Any:
        asked.append(number)
        return cache.get_or_set("k", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [["made"]] * 8
    assert cache.failures.ignored["get"] >= 8
    assert 1 <= len(calls) <= 8  # one, but for those who asked when it was made already


def test_what_is_no_trouble_with_the_server_is_raised(plain: Any, standalone: Standalone) -> None:
    standalone.command("LPUSH", ":1:k", "item")
    with pytest.raises(redis.exceptions.ResponseError):
        plain.get_or_set("k", lambda: 1)
    with pytest.raises((TypeError, AttributeError)):
        plain.get_or_set("other", lambda: threading.Lock())


class AsksTheDatabase:
    """Has to query when it is pickled."""

    def __reduce__(self) -> Any:
        connection.ensure_connection()
        return (list, ([7],))


def test_what_asks_the_database_may_be_made_in_a_loop(plain: Any, run: Any) -> None:
    async def main() -> list[Any]:
        with pytest.raises(SynchronousOnlyOperation):
            plain.get_or_set("s", AsksTheDatabase)
        return await asyncio.gather(*(plain.aget_or_set("k", AsksTheDatabase) for _ in range(5)))

    found = run(main())
    assert [one for one in found if isinstance(one, list)] == [[7]] * 4
    assert plain.get("k") == [7]


def test_ignoring_trouble_pretends_to_hold_nothing(
    standalone: Standalone, make_cache: Make, run: Any
) -> None:
    cache = make_cache(standalone.url, ignore_exceptions=True, socket_timeout=0.3)
    standalone.kill()
    trouble = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
    for call in (
        lambda: cache.semaphore("s", 1, lease=5).acquire(),
        lambda: cache.lock("s", timeout=5).acquire(),
        lambda: cache.eval_script("return 1"),
    ):
        with pytest.raises(trouble):
            call()

    async def main() -> None:
        for enter in (
            cache.asemaphore("s", 1, lease=5).acquire,
            lambda: cache.aeval_script("return 1"),
        ):
            with pytest.raises(trouble):
                await enter()
        assert await cache.arate_limit("r", 5, 1)

    run(main())
    assert cache.rate_limit("r", 5, 1)
    assert cache.failures.ignored == {"rate_limit": 2}
    standalone.restart()
    eventually(lambda: cache.set("k", 1), what="the server's return")
