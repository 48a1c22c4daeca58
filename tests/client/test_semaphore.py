"""Semaphores: never more at work than there is room for, whoever dies, wherever the key is."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import AsyncCache, Cache, ConfigurationError
from cachex_client._core import semaphore as decide
from cachex_client.semaphore import (
    AsyncSemaphore,
    Semaphore,
    SemaphoreError,
    SemaphoreLostError,
    SemaphoreTimeoutError,
)
from support.proxy import MakeProxy
from support.waiting import eventually

Run = Callable[..., Any]


class Gauge:
    """Counts what is held at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def of(self, weight: int) -> Iterator[None]:
        with self._lock:
            self.now += weight
            self.most = max(self.most, self.now)
        yield
        with self._lock:
            self.now -= weight


@pytest.fixture
def cache(one_place: Any) -> Iterator[Cache]:
    with one_place.cache() as cache:
        yield cache


def members(cache: Cache, kind: bytes) -> list[bytes]:
    found: Any = cache.client.redis.zrange(":1:s", 0, -1)
    return [one for one in found if one.startswith(kind)]


def test_there_is_room_for_so_many(cache: Cache) -> None:
    shares = [cache.semaphore("s", 2, lease=30) for _ in range(3)]
    assert shares[0].acquire()
    assert shares[1].acquire()
    assert shares[2].acquire(blocking=False) is False
    shares[0].release()
    assert shares[2].acquire(blocking=False) is True
    shares[1].release()
    shares[2].release()
    assert cache.client.redis.exists(":1:s") == 0


def test_weights_count(cache: Cache) -> None:
    heavy = cache.semaphore("s", 10, weight=7, lease=30)
    light = cache.semaphore("s", 10, weight=3, lease=30)
    lightest = cache.semaphore("s", 10, lease=30)
    assert heavy.acquire()
    assert light.acquire()
    assert not lightest.acquire(blocking=False)
    light.release()
    assert lightest.acquire()
    assert not light.acquire(blocking=False)
    heavy.release()
    assert light.acquire()


def test_sixteen_threads_never_hold_more_than_there_is(place: Any) -> None:
    gauge, rounds = Gauge(), 3
    with place.cache() as cache:

        def work(number: int) -> None:
            weight = 1 + number % 3
            semaphore = cache.semaphore("s", 4, weight=weight, lease=60, timeout=60)
            for _ in range(rounds):
                with semaphore, gauge.of(weight):
                    assert cache.get("s:other") is None  # something that takes a moment

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        assert 2 <= gauge.most <= 4
        assert cache.client.redis.exists(":1:s") == 0


def test_sixty_four_tasks_never_hold_more_than_there_is(place: Any, run: Run) -> None:
    gauge = Gauge()

    async def main() -> None:
        async with place.async_cache() as cache:
            shared = cache.semaphore("s", 8, lease=60, timeout=60)  # one object for all

            async def work(number: int) -> None:
                weight = 1 if number % 2 else 3
                mine = cache.semaphore("s", 8, weight=weight, lease=60, timeout=60)
                async with shared if weight == 1 else mine:
                    with gauge.of(weight):
                        await cache.get("other")

            await asyncio.gather(*(work(number) for number in range(64)))
            assert await cache.client.redis.exists(":1:s") == 0

    run(main(), timeout=90.0)
    assert 4 <= gauge.most <= 8


def test_never_more_than_there_is_room_for_while_leases_end(cache: Cache) -> None:
    held: list[tuple[float, float]] = []  # from when until when a share was held for certain
    lease, until = 0.05, time.monotonic() + 2.0

    def work(number: int) -> None:
        while time.monotonic() < until:
            semaphore = cache.semaphore("s", 3, lease=lease)
            asked = time.monotonic()
            if not semaphore.acquire(blocking=False):
                continue
            began = time.monotonic()
            if number % 2:  # the others forget to
                end = time.monotonic()
                with contextlib.suppress(SemaphoreLostError):
                    semaphore.release()
            else:
                end = asked + lease
            held.append((began, min(end, asked + lease)))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    changes = sorted(
        change for began, end in held if began < end for change in ((began, 1), (end, -1))
    )
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    assert len(held) > 20
    assert 1 <= most <= 3


def test_what_the_dead_held_is_free_when_the_lease_ends(cache: Cache) -> None:
    assert cache.semaphore("s", 1, lease=0.1).acquire()
    other = cache.semaphore("s", 1, lease=30)
    assert not other.acquire(blocking=False)
    assert other.acquire(timeout=20)


def test_the_key_ends_with_the_last_lease(cache: Cache) -> None:
    cache.semaphore("s", 5, lease=30).acquire()
    cache.semaphore("s", 5, lease=10).acquire()
    assert 29_000 < cache.pttl("s") <= 30_001  # type: ignore[operator]


def test_a_lease_can_be_extended_while_it_lasts(cache: Cache) -> None:
    semaphore = cache.semaphore("s", 1, lease=10)
    semaphore.acquire()
    semaphore.extend(100)
    assert 99_000 < cache.pttl("s") <= 100_001  # type: ignore[operator]
    semaphore.extend()
    assert 9_000 < cache.pttl("s") <= 10_001  # type: ignore[operator]
    for never in (0, math.inf):
        with pytest.raises(ConfigurationError):
            semaphore.extend(never)
    semaphore.extend(0.01)
    eventually(lambda: not cache.has_key("s"), what="the end of the lease")
    with pytest.raises(SemaphoreLostError):
        semaphore.extend()
    with pytest.raises(SemaphoreLostError):
        semaphore.release()
    assert not cache.has_key("s")


def test_a_lease_that_ended_inside_is_an_error_of_its_own(cache: Cache) -> None:
    with pytest.raises(SemaphoreLostError, match="had ended"), cache.semaphore("s", 1, lease=30):
        cache.delete("s")
    with pytest.raises(KeyError), cache.semaphore("s", 1, lease=30):
        raise KeyError(cache.delete("s"))  # what went wrong inside says more


def test_who_gets_none_in_time_is_told_so(cache: Cache) -> None:
    cache.semaphore("s", 2, weight=2, lease=30).acquire()
    for patience in (0, 0.1):
        began = time.monotonic()
        with pytest.raises(SemaphoreTimeoutError, match=rf"no room for 1 of 2 .* {patience} s"):
            cache.semaphore("s", 2, lease=30, timeout=patience).acquire()
        assert time.monotonic() - began >= patience
    with pytest.raises(TimeoutError), cache.semaphore("s", 2, lease=30, timeout=0):
        pass
    assert members(cache, b"w") == members(cache, b"a") == []


def test_a_holder_takes_no_second_share(cache: Cache) -> None:
    semaphore = cache.semaphore("s", 5, lease=30)
    with semaphore, pytest.raises(SemaphoreError, match="held already"):
        semaphore.acquire()
    with pytest.raises(SemaphoreError, match="no share"):
        semaphore.release()
    with pytest.raises(SemaphoreError, match="no share"):
        semaphore.extend()
    assert "held" not in repr(semaphore)


def test_one_thread_may_take_and_another_give_back(cache: Cache) -> None:
    semaphore = cache.semaphore("s", 1, lease=30)
    thread = threading.Thread(target=semaphore.acquire)
    thread.start()
    thread.join()
    assert "held 1 times" in repr(semaphore)
    semaphore.release()
    assert not cache.has_key("s")


def test_who_comes_after_a_holder_has_ended_is_not_taken_for_him(cache: Cache) -> None:
    semaphore = cache.semaphore("s", 4, lease=30)
    for _ in range(4):  # the system gives an ended thread's number to the next one
        thread = threading.Thread(target=semaphore.acquire)
        thread.start()
        thread.join()
    assert "held 4 times" in repr(semaphore)
    for _ in range(4):
        semaphore.release()
    assert not cache.has_key("s")


def test_a_task_is_not_taken_for_one_that_has_ended(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            semaphore = cache.semaphore("s", 20, lease=30)
            for _ in range(20):
                await asyncio.create_task(semaphore.acquire())
            assert "held 20 times" in repr(semaphore)

    run(main())


def test_a_child_does_not_give_back_what_its_parent_holds(
    cache: Cache, in_a_child: Callable[..., None]
) -> None:
    semaphore = cache.semaphore("s", 2, lease=60)

    def child() -> None:
        with pytest.raises(SemaphoreError, match="no share"):
            semaphore.release()
        with semaphore:  # a share of its own
            assert not cache.semaphore("s", 2, lease=60).acquire(blocking=False)

    with semaphore:
        in_a_child(child)
        assert len(members(cache, b"h")) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"capacity": 0, "lease": 1},
        {"capacity": 1, "weight": 2, "lease": 1},
        {"capacity": 1, "weight": 0, "lease": 1},
        {"capacity": 1},
        {"capacity": 1, "lease": 0},
        {"capacity": 1, "lease": math.inf},
        {"capacity": 1, "lease": math.nan},
    ],
)
def test_what_cannot_work_is_refused(cache: Cache, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        cache.semaphore("s", **settings)


def test_a_heavy_one_is_not_overtaken(cache: Cache) -> None:
    first = cache.semaphore("s", 2, lease=30)
    first.acquire()
    with ThreadPoolExecutor(1) as pool:
        heavy = cache.semaphore("s", 2, weight=2, lease=30, timeout=20)
        acquired = pool.submit(heavy.acquire)
        eventually(lambda: members(cache, b"w"), what="the heavy one in the queue")
        assert not cache.semaphore("s", 2, lease=30).acquire(blocking=False)
        first.release()
        assert acquired.result(20) is True
    assert members(cache, b"w") == members(cache, b"a") == []


def test_light_ones_go_in_beside_a_waiting_one_that_leaves_them_room(cache: Cache) -> None:
    first = cache.semaphore("s", 10, weight=6, lease=30)
    first.acquire()
    with ThreadPoolExecutor(1) as pool:
        heavy = cache.semaphore("s", 10, weight=5, lease=30, timeout=20)
        acquired = pool.submit(heavy.acquire)
        eventually(lambda: members(cache, b"w"), what="the heavy one in the queue")
        # 4 are free, but kept for the 5 that wait
        assert not cache.semaphore("s", 10, lease=30).acquire(blocking=False)
        first.release()
        assert acquired.result(20)
        assert cache.semaphore("s", 10, weight=5, lease=30).acquire(blocking=False)


def test_who_came_first_is_first(cache: Cache) -> None:
    holder, order = cache.semaphore("s", 1, lease=30), []
    holder.acquire()

    def wait(number: int) -> None:
        with cache.semaphore("s", 1, lease=30, timeout=30):
            order.append(number)

    with ThreadPoolExecutor(5) as pool:
        for number in range(5):
            pool.submit(wait, number)
            eventually(lambda n=number: len(members(cache, b"w")) > n, what="the next in line")
        holder.release()
    assert order == [0, 1, 2, 3, 4]


def test_who_died_waiting_holds_nobody_up(cache: Cache) -> None:
    claim = decide.claim_of(1, b"dead")
    asked = decide.acquire(b":1:s", decide.claim_of(1, b"holder"), 1, 1, 100, queue=True)
    cache.client.execute(asked.by_text())
    cache.client.execute(decide.acquire(b":1:s", claim, 1, 1, 1000, queue=True).by_text())
    assert cache.semaphore("s", 1, lease=30).acquire(timeout=20)
    assert members(cache, b"w") == []


def test_a_task_that_is_cancelled_gives_back_what_it_may_have_got(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            async with cache.semaphore("s", 1, lease=60):
                waiting = asyncio.ensure_future(cache.semaphore("s", 1, lease=60).acquire())
                while await cache.client.redis.zcount(":1:s", "-inf", -1e12) == 0:
                    await asyncio.sleep(0.01)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            while await cache.has_key("s"):
                await asyncio.sleep(0.01)
            for _ in range(20):  # at any point of the way
                taking = asyncio.ensure_future(cache.semaphore("s", 1, lease=60).acquire())
                await asyncio.sleep(0)
                taking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await taking
            if not taking.cancelled():
                await cache.delete("s")
            while await cache.has_key("s"):
                await asyncio.sleep(0.01)

    run(main())


def test_what_a_lost_answer_may_have_brought_is_given_back(
    colour: Any, standalone: Any, proxy: MakeProxy
) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    colour.plain(cache.semaphore("s", 1, lease=0.01)).acquire()  # so that the server knows it
    eventually(lambda: not cache.has_key("s"), what="the end of the lease")
    between.cut_reply(to="EVALSHA")
    between.forget()
    with pytest.raises(redis.ConnectionError):
        colour.plain(cache.semaphore("s", 1, lease=3600)).acquire()
    eventually(lambda: not cache.has_key("s"), what="the giving back")
    assert between.count("EVALSHA") == 2  # taken once, given back once
    assert standalone.commands_seen()["ZADD"] >= 2


def test_taking_giving_back_and_extending_are_one_round_trip_each(
    cache: Cache, one_place: Any
) -> None:
    semaphore = cache.semaphore("s", 1, lease=30)
    with semaphore:
        semaphore.extend()
    with one_place.servers.monitor() as monitor, semaphore:
        semaphore.extend()
    sent = [entry.command[0] for entry in monitor.entries if entry.sender != "lua"]
    assert sent == [b"EVALSHA"] * 3


def test_a_server_that_forgot_the_scripts_is_told_them(cache: Cache, one_place: Any) -> None:
    one_place.servers.command("SCRIPT", "FLUSH")
    with cache.semaphore("s", 1, lease=30) as semaphore:
        one_place.servers.command("SCRIPT", "FLUSH")
        semaphore.extend()
        one_place.servers.command("SCRIPT", "FLUSH")
    assert not cache.has_key("s")


def test_something_else_under_the_key_is_the_servers_error(cache: Cache) -> None:
    cache.set("s", 1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        cache.semaphore("s", 1, lease=30).acquire()


def test_both_colours_share_the_room(one_place: Any, cache: Cache, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as tasks:
            assert isinstance(tasks, AsyncCache)
            semaphore = tasks.semaphore("s", 2, lease=30)
            assert isinstance(semaphore, AsyncSemaphore)
            async with semaphore as held:
                assert held is semaphore
                assert cache.semaphore("s", 2, lease=30).acquire(blocking=False)
                assert not cache.semaphore("s", 2, lease=30).acquire(blocking=False)
                with pytest.raises(SemaphoreError):
                    await semaphore.acquire()
                await semaphore.extend(50)
            with pytest.raises(SemaphoreTimeoutError):
                await tasks.semaphore("s", 2, weight=2, lease=1, timeout=0.05).acquire()

    run(main())
    assert isinstance(cache.semaphore("s", 1, lease=1), Semaphore)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 100), st.floats(0, 0.999))
def test_pauses_stay_within_limits(attempt: int, ahead: int, capacity: int, chance: float) -> None:
    pause = decide.pause(attempt, ahead, capacity, chance)
    assert decide.SHORTEST_PAUSE / 2 <= pause <= decide.LONGEST_PAUSE * 1.5
    if ahead < capacity:
        assert pause <= decide.NEXT_ONES_PAUSE * 1.5
