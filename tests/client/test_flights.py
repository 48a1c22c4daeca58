"""`get_or_set` in one process: one makes the value, the others wait for it, nobody for ever."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cachex_client import AsyncCache, Cache, ClientOptions, Codec
from cachex_client._async import flights as async_module
from cachex_client._sync import flights as sync_module
from cachex_client.flights import async_flights, flights
from support.alarms import KINDS, alarm
from support.waiting import eventually, lasting

Run = Callable[..., Any]

THREADS, TASKS = 32, 200


class Owner:
    """Stands for a client whose values are made."""


OWNER = Owner()


@pytest.fixture
def cache(one_place: Any) -> Iterator[Cache]:
    with one_place.cache() as cache:
        yield cache


@pytest.fixture(autouse=True)
def _nobody_flies_afterwards() -> Iterator[None]:
    yield
    assert flights._flights == {}
    assert async_flights._flights == {}


class Makes:
    """A callable for `get_or_set` that counts, and waits until so many others want the same."""

    def __init__(self, others: int, *failures: BaseException) -> None:
        self.calls = 0
        self.asked = 0
        self._others = others
        self._failures = list(failures)
        self._lock = threading.Lock()

    def asking(self) -> None:
        with self._lock:
            self.asked += 1

    def __call__(self) -> Any:
        with self._lock:
            self.calls += 1
            number = self.calls
        eventually(lambda: self.asked >= self._others, 20, what="the others")
        if self._failures:
            raise self._failures.pop(0)
        return {"made": [number]}


def in_threads(cache: Cache, make: Makes, count: int, key: str = "k") -> list[Any]:
    def ask(_: int) -> Any:
        make.asking()
        try:
            return cache.get_or_set(key, make)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_of_many_threads_one_makes_the_value_and_all_get_it(place: Any) -> None:
    make = Makes(THREADS)
    with place.cache() as cache:
        assert in_threads(cache, make, THREADS) == [{"made": [1]}] * THREADS
        assert make.calls == 1
        assert cache.get_or_set("k", make) == {"made": [1]}
        assert 200 < cache.ttl("k") <= 300  # type: ignore[operator]


def test_of_many_tasks_one_makes_the_value_and_all_get_it(place: Any, run: Run) -> None:
    calls = asked = 0

    async def main() -> list[Any]:
        async with place.async_cache() as cache:
            everybody = asyncio.Event()

            async def make() -> Any:
                nonlocal calls
                calls += 1
                await everybody.wait()
                return {"made": [calls]}

            async def ask() -> Any:
                nonlocal asked
                asked += 1
                if asked == TASKS:
                    everybody.set()
                return await cache.get_or_set("k", make)

            return await asyncio.gather(*(ask() for _ in range(TASKS)))

    assert run(main()) == [{"made": [1]}] * TASKS
    assert calls == 1


def test_many_rounds_make_every_value_once(cache: Cache) -> None:
    for number in range(20):  # whatever order the threads come in
        calls: list[int] = []
        key = f"k{number}"

        def make(calls: list[int] = calls) -> int:
            calls.append(1)
            return len(calls)

        with ThreadPoolExecutor(16) as pool:
            got = list(
                pool.map(lambda _, key=key, make=make: cache.get_or_set(key, make), range(16))
            )
        assert got == [1] * 16
        assert calls == [1]


def test_everybody_has_a_copy_of_his_own(cache: Cache) -> None:
    values = in_threads(cache, Makes(8), 8)
    assert len({id(value) for value in values}) == 8
    values[0]["made"].append("changed")
    assert values[1:] == [{"made": [1]}] * 7


def test_a_failure_is_the_leaders_and_another_tries(cache: Cache) -> None:
    make = Makes(8, ZeroDivisionError("once"))
    results = in_threads(cache, make, 8)
    assert [type(one) for one in results].count(ZeroDivisionError) == 1
    assert results.count({"made": [2]}) == 7
    assert make.calls == 2


def test_who_always_fails_does_not_make_others_wait_for_ever(cache: Cache) -> None:
    class Fails:
        calls = 0

        def __call__(self) -> Any:
            Fails.calls += 1
            raise ZeroDivisionError

        def asking(self) -> None: ...

    results = in_threads(cache, Fails(), 8)  # type: ignore[arg-type]
    assert {type(one) for one in results} == {ZeroDivisionError}
    assert Fails.calls == 8


def test_what_cannot_be_stored_is_everybodys_error(cache: Cache) -> None:
    results = in_threads(cache, Makes(4), 4, key="fine")
    assert results == [{"made": [1]}] * 4
    with pytest.raises((TypeError, AttributeError)):
        cache.get_or_set("k", lambda: threading.Lock())


def test_a_leader_who_is_cancelled_leaves_it_to_the_next(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            calls = 0
            waiting = asyncio.Event()

            async def make() -> Any:
                nonlocal calls
                calls += 1
                if calls == 1:
                    waiting.set()
                    await asyncio.Event().wait()
                return {"made": [calls]}

            leader = asyncio.ensure_future(cache.get_or_set("k", make))
            await waiting.wait()
            others = [asyncio.ensure_future(cache.get_or_set("k", make)) for _ in range(20)]
            gone = asyncio.ensure_future(cache.get_or_set("k", make))
            await cache.has_key("other")  # a round trip, after theirs
            gone.cancel()
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            assert await asyncio.gather(*others) == [{"made": [2]}] * 20
            assert calls == 2

    run(main())


@pytest.mark.timing
def test_a_leader_who_takes_too_long_is_not_waited_for(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PATIENCE", 0.2)
    made, end = threading.Event(), threading.Event()

    def slow() -> str:
        made.set()
        assert end.wait(20)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.get_or_set, "k", slow)
        assert made.wait(20)
        with lasting(0.2, 2):
            assert cache.get_or_set("k", lambda: "mine") == "mine"
        with lasting(0, 0.2):
            cache.delete("k")
            assert cache.get_or_set("k", lambda: "at once") == "at once"
        end.set()
        assert leader.result(20) == "at once"  # which was stored first


def test_a_task_that_leads_too_long_is_not_waited_for(
    one_place: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_module, "PATIENCE", 0.2)

    async def main() -> None:
        async with one_place.async_cache() as cache:
            began = asyncio.Event()

            async def slow() -> str:
                began.set()
                await asyncio.Event().wait()
                return "never"

            leader = asyncio.ensure_future(cache.get_or_set("k", slow))
            await began.wait()
            assert await cache.get_or_set("k", lambda: "mine") == "mine"
            leader.cancel()

    run(main())


@pytest.mark.timing
def test_a_callable_may_ask_for_its_own_key(cache: Cache, one_place: Any, run: Run) -> None:
    with lasting(0, 2):
        assert cache.get_or_set("k", lambda: cache.get_or_set("k", lambda: "inner")) == "inner"

    async def main() -> None:
        async with one_place.async_cache() as tasks:

            async def inner() -> Any:
                got = await asyncio.gather(  # tasks of its own
                    *(tasks.get_or_set("a", lambda: "inner") for _ in range(3))
                )
                assert got == ["inner"] * 3
                return "outer"

            assert await tasks.get_or_set("a", inner) == "inner"

    run(main())


def test_a_signal_that_raises_leaves_nobody_waiting() -> None:
    def bring() -> None:
        assert flights.bring(OWNER, "k", time.monotonic(), lambda: None, lambda: b"v") == b"v"

    interrupted = 0
    with alarm(random.Random(7)) as clock:
        for _ in range(2_000):
            try:
                clock.interrupt(bring)
            except KINDS:
                interrupted += 1
            assert flights._flights == {}
    assert interrupted > 1_500
    assert sync_module._leading.get() == ()


def test_nothing_is_remembered_of_a_client_that_is_gone(run: Run) -> None:
    looked: list[int] = []  # of owners; one object after the other has the same id

    def look() -> None:
        looked.append(1)

    async def async_look() -> None:
        looked.append(1)

    async def made() -> bytes:
        return b"v"

    gc.collect()
    before = len(flights._landed), len(async_flights._landed)
    for _ in range(20):
        flights.bring(Owner(), "k", time.monotonic(), look, lambda: b"v")
        run(async_flights.bring(Owner(), "k", time.monotonic(), async_look, made))
    gc.collect()
    assert looked == []
    assert (len(flights._landed), len(async_flights._landed)) == before


def test_clients_do_not_wait_for_each_other(one_place: Any) -> None:
    began, end = threading.Event(), threading.Event()

    def slow() -> int:
        began.set()
        assert end.wait(20)
        return 1

    with one_place.cache() as one, one_place.cache() as other, ThreadPoolExecutor(1) as pool:
        leader = pool.submit(one.get_or_set, "k", slow)
        assert began.wait(20)
        assert other.get_or_set("k", lambda: 2) == 2
        end.set()
        assert leader.result(20) == 2  # which was stored first


def test_keys_do_not_wait_for_each_other(cache: Cache) -> None:
    began, end = threading.Event(), threading.Event()

    def slow() -> int:
        began.set()
        assert end.wait(20)
        return 1

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.get_or_set, "k", slow)
        assert began.wait(20)
        assert cache.get_or_set("other", lambda: 2) == 2
        assert cache.get_or_set("k", lambda: 3, version=2) == 3
        end.set()
        assert leader.result(20) == 1


def test_a_child_waits_for_nobody_in_its_parent(
    cache: Cache, in_a_child: Callable[..., None]
) -> None:
    began, end = threading.Event(), threading.Event()

    def slow() -> int:
        began.set()
        assert end.wait(30)
        return 1

    def child() -> None:
        began = time.monotonic()
        assert cache.get_or_set("k", lambda: os.getpid()) == os.getpid()
        assert time.monotonic() - began < 10

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.get_or_set, "k", slow)
        assert began.wait(20)
        in_a_child(child)
        end.set()
        assert leader.result(20) != 1  # the child's, which was stored first


def test_a_miss_alone_costs_what_it_always_did(cache: Cache, one_place: Any) -> None:
    cache.get("warm")
    with one_place.servers.monitor() as monitor:
        cache.get_or_set("k", lambda: "v", 5)
        cache.get_or_set("k", lambda: "v", 5)
    assert [command[0] for command in monitor.commands] == [b"GET", b"SET", b"GET"]


def test_a_timeout_of_nothing_stores_nothing(cache: Cache) -> None:
    assert cache.get_or_set("k", lambda: "v", 0) == "v"
    assert not cache.has_key("k")


def test_none_is_a_value(cache: Cache) -> None:
    calls: list[int] = []
    for _ in range(2):
        assert cache.get_or_set("k", lambda: calls.append(1)) is None
    assert calls == [1]


def test_a_late_replica_does_not_make_it_twice(replicated: Any) -> None:
    from cachex_client import DefaultClient

    client = DefaultClient(replicated.urls, ClientOptions(read_from="replica"))
    cache, calls = Cache(client), []
    cache.get_or_set("warm", lambda: 1)
    replicated.wait_in_sync()
    for replica in replicated.replicas:
        replica.command("REPLICAOF", "NO", "ONE")  # hears of nothing any more
    try:
        with ThreadPoolExecutor(1) as another:
            for pool in (another, another, another):
                got = pool.submit(cache.get_or_set, "k", lambda: calls.append(1) or "v")
                assert got.result(20) == "v"
        with ThreadPoolExecutor(1) as another:  # another thread, which has written nothing
            assert another.submit(cache.get_or_set, "k", lambda: calls.append(1)).result(20) == "v"
        assert calls == [1]
    finally:
        client.close()


def test_caches_with_other_formats_get_what_they_can_read(one_place: Any) -> None:
    client = one_place.client("")
    one = Cache(client, codec=Codec(["json", "pickle"]))
    assert in_threads(one, Makes(4), 4) == [{"made": [1]}] * 4
    client.close()


def test_caches_that_store_values_in_another_way_do_not_wait_for_each_other(
    one_place: Any, run: Run
) -> None:
    """What one of them makes is nothing that the other could read."""
    client = one_place.client("")
    one, other = (
        Cache(client, codec=Codec(formats)) for formats in (["pickle", "json"], ["json", "pickle"])
    )
    began, end = threading.Event(), threading.Event()

    def slow() -> Any:
        began.set()
        assert end.wait(20)
        return {1, 2}

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(one.get_or_set, "k", slow)
        assert began.wait(20)
        assert other.get_or_set("k", lambda: ["x"]) == ["x"]
        end.set()
        assert leader.result(20) == ["x"]  # which was stored first
    client.close()

    async def main() -> list[Any]:
        client = one_place.client("Async")
        codecs = Codec(["pickle", "json"]), Codec(["json", "pickle"])
        first, second = (AsyncCache(client, codec=codec) for codec in codecs)
        begun, made = asyncio.Event(), asyncio.Event()

        async def slowly() -> Any:
            begun.set()
            await made.wait()
            return {1, 2}

        task = asyncio.ensure_future(first.get_or_set("a", slowly))
        await begun.wait()
        found = await second.get_or_set("a", lambda: ["y"])
        made.set()
        results = [found, await task]
        await client.aclose()
        return results

    assert run(main()) == [["y"], ["y"]]
