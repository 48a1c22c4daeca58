"""A lock object that several tasks or threads use: what each of them holds stays its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from cachex_client import LockError, LockNotOwnedError
from cachex_client._core.tokens import Acquisition, Tokens
from support.proxy import MakeProxy
from support.waiting import eventually

Run = Callable[..., Any]


async def become(state: Callable[[], Any]) -> None:
    """Wait until an awaitable answer is true."""
    async with asyncio.timeout(30):
        while not await state():
            await asyncio.sleep(0.01)


def test_a_failed_attempt_of_another_task_leaves_the_holder_its_token(place: Any, run: Run) -> None:
    async def main() -> None:
        async with place.async_cache() as cache:
            lock = cache.lock("l", timeout=60)
            assert await lock.acquire()
            other = asyncio.create_task(lock.acquire(blocking=False))
            await asyncio.sleep(0)  # its SET is under way when the holder releases
            await lock.release()
            if await other:
                await lock.release()
            assert not await cache.has_key("l")
            await lock.acquire()
            assert not await asyncio.create_task(lock.acquire(blocking=False))
            assert await lock.owned()
            await lock.release()
            assert not await cache.has_key("l")

    run(main())


@pytest.mark.parametrize("thread_local", [True, False])
def test_a_failed_attempt_of_another_thread_leaves_the_holder_its_token(
    place: Any, thread_local: bool
) -> None:
    stop, won = threading.Event(), threading.Event()
    with place.cache() as cache:
        lock = cache.lock("l", timeout=60, thread_local=thread_local)

        def contend() -> None:
            while not stop.is_set():
                if lock.acquire(blocking=False):
                    won.set()
                    lock.release()

        lock.acquire()
        thread = threading.Thread(target=contend)
        thread.start()
        for _ in range(20):
            assert lock.owned()
        lock.release()
        assert won.wait(30)
        stop.set()
        thread.join(30)
        assert not cache.has_key("l")


def test_tasks_that_share_a_lock_hold_it_in_turn(place: Any, run: Run) -> None:
    async def main() -> None:
        async with place.async_cache() as cache:
            lock = cache.lock("l", timeout=60, sleep=0.001)
            inside: list[int] = []

            async def work(number: int) -> None:
                for _ in range(5):
                    async with lock:
                        inside.append(number)
                        await cache.get("other")
                        assert await lock.owned()
                        assert await lock.reacquire()
                        assert await lock.extend(1)
                        assert inside == [number]
                        inside.remove(number)

            await asyncio.gather(*map(work, range(4)))
            assert not await cache.has_key("l")

    run(main(), timeout=90.0)


@pytest.mark.parametrize("thread_local", [True, False])
def test_threads_that_share_a_lock_hold_it_in_turn(one_place: Any, thread_local: bool) -> None:
    with one_place.cache() as cache, ThreadPoolExecutor(4) as pool:
        lock = cache.lock("l", timeout=60, sleep=0.001, thread_local=thread_local)
        inside: list[int] = []

        def work(number: int) -> None:
            for _ in range(5):
                with lock:
                    inside.append(number)
                    cache.get("other")
                    assert lock.owned()
                    assert lock.reacquire()
                    assert inside == [number]
                    inside.remove(number)

        list(pool.map(work, range(4)))
        assert not cache.has_key("l")


def test_a_task_whose_time_is_up_does_not_release_what_the_next_one_holds(
    one_place: Any, run: Run
) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            lock = cache.lock("l", timeout=60)
            ended, taken = asyncio.Event(), asyncio.Event()

            async def late() -> None:
                await lock.acquire()
                await cache.delete("l")  # as if its time were up
                ended.set()
                await taken.wait()
                assert not await lock.owned()
                with pytest.raises(LockNotOwnedError):
                    await lock.release()

            async def next_one() -> None:
                await ended.wait()
                async with lock:
                    taken.set()
                    await first
                    assert await lock.owned()
                assert not await cache.has_key("l")

            first = asyncio.create_task(late())
            await next_one()

    run(main())


def test_a_thread_whose_time_is_up_does_not_release_what_the_next_one_holds(one_place: Any) -> None:
    for thread_local in (True, False):
        with one_place.cache() as cache, ThreadPoolExecutor(1) as late:
            lock = cache.lock("l", timeout=60, thread_local=thread_local)
            assert late.submit(lock.acquire).result()
            cache.delete("l")  # as if its time were up
            with lock:
                assert not late.submit(lock.owned).result()
                with pytest.raises(LockNotOwnedError):
                    late.submit(lock.release).result()
                assert lock.owned()
            assert not cache.has_key("l")


def test_waiting_tasks_that_are_cancelled_leave_the_holder_its_lock(place: Any, run: Run) -> None:
    async def main() -> None:
        async with place.async_cache() as cache:
            lock = cache.lock("l", timeout=60, sleep=0.001)
            async with lock:
                for turns in range(10):
                    waiting = asyncio.create_task(lock.acquire())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await waiting
                    assert await lock.owned()
                    assert await lock.extend(1)
            assert not await cache.has_key("l")

    run(main())


def test_a_release_that_is_cancelled_frees_the_lock_in_the_background(
    one_place: Any, run: Run
) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            for made in (cache.lock("l"), cache.semaphore("l", 1, lease=3600)):  # no time soon
                for turns in range(10):
                    await made.acquire()
                    releasing = asyncio.create_task(made.release())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    releasing.cancel()
                    await asyncio.gather(releasing, return_exceptions=True)
                    if turns == 0:  # it had not begun
                        await made.release()

                    async def free() -> bool:
                        return not await cache.has_key("l")

                    await become(free)

    run(main())


def test_what_one_task_acquires_another_may_release(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            lock = cache.lock("l", timeout=60)
            for _ in range(3):
                assert await asyncio.create_task(lock.acquire())
                assert await lock.owned()
                await lock.release()
                assert not await cache.has_key("l")
                with pytest.raises(LockError, match="not owned"):
                    await lock.release()

    run(main())


def test_a_token_can_be_handed_over_as_with_redis_py(one_place: Any) -> None:
    with one_place.cache() as cache:
        first, second = cache.lock("l", timeout=60), cache.lock("l", timeout=60)
        assert first.acquire()
        second.local.token = first.local.token
        second.release()
        assert second.local.token is None
        assert not cache.has_key("l")
        first.local.token = None
        with pytest.raises(LockError, match="not owned"):
            first.release()


def test_a_lost_answer_does_not_cost_a_holder_its_token(
    colour: Any, standalone: Any, proxy: MakeProxy
) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    lock = colour.plain(cache.lock("l", timeout=60, thread_local=False))
    assert lock.acquire()
    between.cut_reply(to="SET")
    with pytest.raises(redis.ConnectionError):
        lock.acquire(blocking=False)
    assert lock.owned()
    lock.release()
    assert not cache.has_key("l")


def test_what_the_server_refused_holds_nothing(one_place: Any) -> None:
    with one_place.cache() as cache:
        cache.client.redis.config_set("maxmemory", 1)
        try:
            lock = cache.lock("l", timeout=60)
            with pytest.raises(redis.OutOfMemoryError):
                lock.acquire()
        finally:
            cache.client.redis.config_set("maxmemory", 0)
        assert "held" not in repr(lock)


def test_a_failed_attempt_leaves_a_semaphores_holder_its_share(place: Any, run: Run) -> None:
    async def main() -> None:
        async with place.async_cache() as cache:
            semaphore = cache.semaphore("s", 1, lease=60)
            async with semaphore:
                for turns in range(5):
                    assert not await asyncio.create_task(semaphore.acquire(blocking=False))
                    waiting = asyncio.create_task(semaphore.acquire())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
                    await semaphore.extend()

            async def free() -> bool:
                return not await cache.has_key("s")

            await become(free)

    run(main())


def test_what_another_thread_does_to_a_share_does_not_cost_the_next_share(one_place: Any) -> None:
    with one_place.cache() as cache, ThreadPoolExecutor(1) as other:
        semaphore = cache.semaphore("s", 1, lease=60)
        run: Any = semaphore._run
        semaphore.acquire()
        me = threading.get_ident()
        in_the_middle = threading.Barrier(2, timeout=30)
        after = threading.Barrier(2, timeout=30)

        def slow(verb: str, *arguments: Any) -> Any:
            done = run(verb, *arguments)
            if threading.get_ident() != me:
                in_the_middle.wait()
                after.wait()
            return done

        semaphore._run = slow
        extending = other.submit(semaphore.extend)
        in_the_middle.wait()
        semaphore.release()
        semaphore.acquire()
        after.wait()
        extending.result()
        semaphore._run = run
        semaphore.release()
        assert not cache.has_key("s")


# The rule itself


def test_each_sees_its_own_acquisition_or_else_the_latest() -> None:
    own, shared = SimpleNamespace(value=None), SimpleNamespace()
    tokens = Tokens(own, shared)
    assert tokens.token is None
    mine, theirs = Acquisition(b"mine"), Acquisition(b"theirs")
    tokens.acquired(mine)
    own.value = None  # from here on, this is another task
    assert tokens.own is None
    assert tokens.current is mine
    tokens.acquired(theirs)
    own.value = mine  # back to the first one
    assert tokens.token == b"mine"
    mine.token = None
    assert tokens.token == b"theirs"
    theirs.token = None
    assert tokens.token is None


def test_an_acquisition_in_doubt_gives_way_to_what_is_held() -> None:
    own, shared = SimpleNamespace(value=None), SimpleNamespace()
    tokens = Tokens(own, shared)
    doubtful, held = Acquisition(b"doubtful"), Acquisition(b"held")
    assert tokens.in_doubt(doubtful)
    assert tokens.token == b"doubtful"
    tokens.acquired(held)
    assert not tokens.in_doubt(Acquisition(b"again"))
    own.value = None  # another task: it sees what is held, and its own is its own affair
    assert tokens.in_doubt(doubtful)
    assert tokens.token == b"doubtful"
    own.value = None
    assert tokens.token == b"held"


def test_the_end_of_threads_and_tasks_leaves_nothing_behind(one_place: Any, run: Run) -> None:
    async def main() -> None:
        async with one_place.async_cache() as cache:
            lock = cache.lock("l", timeout=60)
            for _ in range(5):
                await asyncio.create_task(lock.acquire(blocking=False))
                await cache.delete("l")
            kept = lock.local._own._values
            eventually(lambda: len(kept) <= 1, what="the end of the tasks' tokens")

    run(main())
