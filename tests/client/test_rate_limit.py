"""Rate limits: exactly so many, on the server's clock, whoever asks at the same time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import attrs
import pytest
import redis

from cachex_client import Cache, ConfigurationError
from cachex_client.errors import RateLimitExceeded
from cachex_client.limits import RateLimit
from support.proxy import MakeProxy
from support.servers import Standalone
from support.waiting import eventually

Run = Callable[..., Any]


def now(server: Standalone) -> float:
    """Return the server's time in seconds."""
    seconds, micro = server.command("TIME")
    return int(seconds) + int(micro) / 1e6


def test_a_burst_is_as_large_as_the_limit(cache: Cache) -> None:
    results = [cache.rate_limit("r", 5, 1000) for _ in range(7)]
    assert [result.allowed for result in results] == [True] * 5 + [False] * 2
    assert [result.remaining for result in results] == [4, 3, 2, 1, 0, 0, 0]
    assert [bool(result) for result in results] == [result.allowed for result in results]
    assert all(result.retry_after == 0 for result in results[:5])
    assert 199 - 30 < results[5].retry_after <= 200
    assert results[6].retry_after <= results[5].retry_after  # what is refused is not counted
    assert 199.9 < results[0].reset_after <= 200
    assert 970 < results[4].reset_after <= 1000
    assert results[0].limit == 5
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        results[0].allowed = False  # type: ignore[misc]


def test_each_key_and_version_has_a_limit_of_its_own(cache: Cache) -> None:
    assert cache.rate_limit("r", 1, 1000)
    assert not cache.rate_limit("r", 1, 1000)
    assert cache.rate_limit("other", 1, 1000)
    assert cache.rate_limit("r", 1, 1000, version=2)
    cache.delete("r")
    assert cache.rate_limit("r", 1, 1000)


def test_costs_differ(cache: Cache) -> None:
    assert cache.rate_limit("r", 10, 1000, cost=7).remaining == 3
    refused = cache.rate_limit("r", 10, 1000, cost=4)
    assert not refused
    assert 90 < refused.retry_after <= 100
    assert refused.remaining == 3
    assert cache.rate_limit("r", 10, 1000, cost=3)
    assert cache.rate_limit("r", 10, 1000, cost=0)  # only looks
    assert cache.rate_limit("r", 10, 1000, cost=0).remaining == 0


def test_looking_stores_nothing(cache: Cache) -> None:
    assert cache.rate_limit("r", 10, 1000, cost=0) == RateLimit(True, 10, 10, 0.0, 0.0)
    assert not cache.has_key("r")


def test_it_is_exact_on_the_servers_clock(cache: Cache, standalone: Standalone) -> None:
    limit, period = 3, 0.3
    for _ in range(limit):
        assert cache.rate_limit("r", limit, period)
    before = now(standalone)
    refused = cache.rate_limit("r", limit, period)
    after = now(standalone)
    assert not refused
    calls = 0
    while True:
        asked = now(standalone)
        result = cache.rate_limit("r", limit, period)
        answered = now(standalone)
        calls += 1
        if answered < before + refused.retry_after:
            assert not result
        if asked >= after + refused.retry_after:
            assert calls > 1 or result
        if result:
            assert answered >= before + refused.retry_after
            break
        assert asked < after + refused.retry_after


def test_over_time_there_is_no_more_than_was_said(cache: Cache, standalone: Standalone) -> None:
    limit, period = 7, 0.35  # one in 50 ms
    began, allowed = now(standalone), 0
    while now(standalone) < began + 1.0 or allowed <= limit:
        allowed += bool(cache.rate_limit("r", limit, period))
    ended = now(standalone)
    assert limit < allowed <= limit + (ended - began) / (period / limit)


def test_a_limit_that_is_asked_all_the_time_gives_out_all_that_drains(
    cache: Cache, standalone: Standalone
) -> None:
    before = now(standalone)
    assert cache.rate_limit("r", 100, 1.0, cost=100)
    after = now(standalone)
    taken = 0
    while taken < 60:
        taken += bool(cache.rate_limit("r", 100, 1.0))
    assert now(standalone) - before >= 0.599  # 60 drain in 0.6 s
    asked = now(standalone)
    left = cache.rate_limit("r", 100, 1.0, cost=0).remaining
    answered = now(standalone)
    # none of the fractions between the calls is lost: whatever did not go yet is still there
    least, most = (100 * seconds - taken for seconds in (asked - after, answered - before))
    assert min(100, math.floor(least)) - 1 <= left <= min(100, math.floor(most) + 1)


def test_sixteen_threads_get_no_more_than_the_limit(place: Any) -> None:
    with place.cache() as cache, ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: cache.rate_limit("r", 50, 10_000), range(160)))
    assert sum(map(bool, results)) == 50
    assert sorted(result.remaining for result in results if result) == list(range(50))


def test_two_hundred_tasks_get_no_more_than_the_limit(place: Any, run: Run) -> None:
    async def main() -> list[RateLimit]:
        async with place.async_cache() as cache:
            return await asyncio.gather(
                *(cache.rate_limit("r", 30, 10_000, cost=2) for _ in range(200))
            )

    assert sum(map(bool, run(main()))) == 15


def test_nothing_is_left_when_all_has_drained(cache: Cache) -> None:
    cache.rate_limit("slow", 10, 1000)
    left = cache.pttl("slow")
    assert left is not None
    assert 0 < left <= 100_000
    cache.rate_limit("r", 10, 0.5)
    eventually(lambda: not cache.has_key("r"), what="the end of the key")


@pytest.mark.parametrize(("limit", "period"), [(1, 0.001), (3, 1.0), (7, 86_400), (10**6, 60.0)])
def test_fractions_do_not_add_up(cache: Cache, limit: int, period: float) -> None:
    calls = min(limit, 30)
    costs = [limit // calls] * (calls - 1)
    costs.append(limit - sum(costs))
    assert all(cache.rate_limit("r", limit, max(period, 60.0), cost=cost) for cost in costs)
    assert not cache.rate_limit("r", limit, max(period, 60.0), cost=limit // 2 + 1)


def test_a_changed_limit_keeps_how_long_there_is_to_wait(cache: Cache) -> None:
    for _ in range(10):
        cache.rate_limit("r", 10, 1000)
    smaller = cache.rate_limit("r", 2, 1000, cost=0)
    assert 970 < smaller.reset_after <= 1000
    refused = cache.rate_limit("r", 1000, 1000)
    assert not refused
    assert refused.retry_after <= 1.0
    assert 970 < refused.reset_after <= 1000


def test_a_clock_that_was_set_back_stops_the_draining_and_no_more(
    cache: Cache, standalone: Standalone
) -> None:
    cache.rate_limit("r", 10, 1000, cost=10)
    start, rest = standalone.command("GET", ":1:r").split(b":", 1)
    late = b"%d" % (int(start) + 3_600_000_000)
    standalone.command("SET", ":1:r", late + b":" + rest)
    result = cache.rate_limit("r", 10, 1000)
    assert not result
    assert result.retry_after <= 100


@pytest.mark.parametrize(("limit", "period"), [(10**15, 1), (1, 8e9), (10**15, 8e9)])
def test_the_largest_limits_count(cache: Cache, limit: int, period: float) -> None:
    assert cache.rate_limit("r", limit, period, cost=limit)
    result = cache.rate_limit("r", limit, period, cost=limit)
    assert not result
    assert result.retry_after <= period


@pytest.mark.parametrize(
    ("limit", "period", "cost"),
    [
        (0, 1, 1),
        (-1, 1, 0),
        (5, 0, 1),
        (5, -1, 1),
        (5, 1, 6),
        (5, 1, -1),
        (5, 1e-9, 1),
        (5, 1e12, 1),
        (5, math.inf, 1),
        (5, math.nan, 1),
        (10**16, 1, 1),
    ],
)
def test_what_cannot_work_is_refused(cache: Cache, limit: int, period: float, cost: int) -> None:
    with pytest.raises(ConfigurationError):
        cache.rate_limit("r", limit, period, cost=cost)


def test_fractions_of_calls_are_refused(cache: Cache) -> None:
    with pytest.raises(TypeError):
        cache.rate_limit("r", 1.5, 1)  # type: ignore[arg-type]


def test_a_period_may_be_a_timedelta(cache: Cache) -> None:
    assert 59 < cache.rate_limit("r", 1, timedelta(minutes=1)).reset_after <= 60


@pytest.mark.parametrize("value", ["text", 5, "1:2:3:4", "1:2:3:4:5", None])
def test_something_else_under_the_key_is_an_error(cache: Cache, value: Any) -> None:
    cache.set("r", value)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        cache.rate_limit("r", 5, 1)


def test_it_is_one_round_trip_and_two_where_the_script_is_not_known(
    cache: Cache, standalone: Standalone
) -> None:
    cache.get("r")  # connects
    standalone.command("SCRIPT", "FLUSH")
    for expected in ([b"EVALSHA", b"EVAL"], [b"EVALSHA"]):
        with standalone.monitor() as monitor:
            cache.rate_limit("r", 5, 1)
        sent = [entry.command[0] for entry in monitor.entries if entry.sender != "lua"]
        assert sent == expected


def test_it_is_never_sent_twice(colour: Any, standalone: Standalone, proxy: MakeProxy) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    cache.rate_limit("r", 5, 1000)
    between.cut_reply(to="EVALSHA")
    between.forget()
    with pytest.raises(redis.ConnectionError):
        cache.rate_limit("r", 5, 1000)
    assert between.count("EVALSHA") == 1
    assert cache.rate_limit("r", 5, 1000).remaining == 2


# Waiting for it


def test_throttle_waits_until_it_is_allowed(cache: Cache) -> None:
    began = time.monotonic()
    results = [cache.throttle("r", 2, 0.2) for _ in range(5)]
    assert time.monotonic() - began >= 0.29
    assert all(results)
    assert all(result.retry_after == 0 for result in results)


def test_throttle_does_not_begin_to_wait_in_vain(cache: Cache) -> None:
    cache.throttle("r", 1, 1000)
    for timeout in (0, 5, -1):
        began = time.monotonic()
        with pytest.raises(RateLimitExceeded, match="allowed again in") as caught:
            cache.throttle("r", 1, 1000, timeout=timeout)
        assert time.monotonic() - began < 4
        assert 900 < caught.value.result.retry_after <= 1000
        assert caught.value.key == "r"


def test_those_who_wait_keep_to_the_rate_together(one_place: Any) -> None:
    with one_place.cache() as cache, ThreadPoolExecutor(8) as pool:
        server = one_place.servers
        began = now(server)
        list(pool.map(lambda _: cache.throttle("r", 4, 0.2), range(16)))
        assert now(server) - began >= 12 * 0.05 * 0.99
        assert server.commands_seen()["EVALSHA"] + server.commands_seen()["EVAL"] <= 16 + 8


def test_tasks_wait_too(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            began = time.monotonic()
            await asyncio.gather(*(cache.throttle("r", 10, 0.5) for _ in range(20)))
            assert time.monotonic() - began >= 0.49
            with pytest.raises(RateLimitExceeded):
                await cache.throttle("r", 10, 0.5, cost=10, timeout=0.01)

    run(main())
