"""Locks: one holder at a time, told apart by a token, freed by time."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import AsyncDefaultClient, ClientOptions, ConfigurationError, DefaultClient
from cachex_client.commands import exists, strings
from cachex_client.lock import AsyncLock, Lock, LockError, LockNotOwnedError
from support.proxy import MakeProxy
from support.servers import Standalone
from support.waiting import eventually, lasting

Run = Callable[..., Any]


@pytest.fixture
def client(standalone: Standalone) -> Iterator[DefaultClient]:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=2.0))
    yield client
    client.close()


@pytest.fixture
def lock(client: Any) -> Callable[..., Lock]:
    return lambda name="lock", **settings: Lock(client.redis, name, **settings)


def test_only_one_holds_it(lock: Callable[..., Lock]) -> None:
    first, second = lock(timeout=10), lock(timeout=10)
    assert first.acquire()
    assert first.owned()
    assert second.locked()
    assert not second.owned()
    assert not second.acquire(blocking=False)
    first.release()
    assert not first.locked()
    assert second.acquire(blocking=False)
    second.release()


def test_it_is_a_context_manager(lock: Callable[..., Lock]) -> None:
    with lock(timeout=10) as held:
        assert held.owned()
        with pytest.raises(LockError, match="within the time"), lock(blocking_timeout=0.05):
            pass
    assert not held.locked()


def test_it_frees_itself_in_time(client: Any, lock: Callable[..., Lock]) -> None:
    first, second = lock(timeout=0.05), lock(sleep=0.01, blocking_timeout=10, timeout=50)
    assert first.acquire()
    assert second.acquire()
    assert not first.owned()
    with pytest.raises(LockNotOwnedError, match="no longer owned"):
        first.release()
    assert second.owned()
    assert client.redis.pttl("lock") > 40_000
    second.release()


def test_the_errors_are_ours_and_redis_pys(lock: Callable[..., Lock]) -> None:
    for call in ("release", "reacquire"):
        with pytest.raises(redis.exceptions.LockError, match="not owned or is already unlocked"):
            getattr(lock(), call)()
    assert issubclass(LockNotOwnedError, redis.exceptions.LockNotOwnedError)
    for never in (0, -1, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="timeout"):
            lock(timeout=never)
    for_ever = lock()
    assert for_ever.acquire()
    with pytest.raises(LockError, match="no timeout"):
        for_ever.extend(1)
    with pytest.raises(LockError, match="no timeout"):
        for_ever.reacquire()
    for_ever.release()


def test_its_time_can_be_extended_set_and_started_again(
    client: Any, lock: Callable[..., Lock]
) -> None:
    held: Any = lock(timeout=100)
    held.acquire()
    left: Any = lambda: client.redis.pttl("lock") / 1000  # noqa: E731
    assert 90 < left() <= 100
    assert held.extend(50) is True
    assert 140 < left() <= 150
    assert held.extend(20.5, replace_ttl=True) is True
    assert 10 < left() <= 20.5
    assert held.reacquire() is True
    assert 90 < left() <= 100
    client.redis.set("lock", "somebody else", ex=1000)
    for call in (lambda: held.extend(1), held.reacquire, held.release):
        with pytest.raises(LockNotOwnedError):
            call()
    assert left() > 900
    assert client.redis.get("lock") == b"somebody else"


def test_very_short_times_do_not_become_zero(lock: Callable[..., Lock]) -> None:
    held = lock(timeout=0.0001)
    assert held.acquire()
    eventually(lambda: not held.locked(), what="the end of the lock's time")


def test_scripts_the_server_forgot_do_not_matter(client: Any, lock: Callable[..., Lock]) -> None:
    held = lock(timeout=10)
    for _ in range(2):
        client.redis.script_flush()
        held.acquire()
        held.extend(1)
        client.redis.script_flush()
        held.release()


def test_who_waits_gets_it_when_it_is_released(lock: Callable[..., Lock]) -> None:
    held = lock(timeout=10)
    held.acquire()
    order: list[str] = []

    def wait() -> None:
        with lock(timeout=10, sleep=0.01):
            order.append("acquired")

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    order.append("released")
    held.release()
    thread.join(5)
    assert order == ["released", "acquired"]


@pytest.mark.timing
def test_patience_is_kept_to_and_the_last_attempt_comes_at_its_end(
    client: Any, lock: Callable[..., Lock]
) -> None:
    held = lock(timeout=0.15)
    held.acquire()
    with lasting(0, 0.5):  # a pause as long as needed
        assert lock(timeout=30).acquire(blocking_timeout=0.2, sleep=10)
    with lasting(0.2, 0.4):
        assert not lock().acquire(blocking_timeout=0.2, sleep=0.05)


def test_attempts_are_not_in_step(standalone: Standalone, lock: Callable[..., Lock]) -> None:
    held = lock(timeout=10)
    held.acquire()
    before = standalone.commands_seen()["SET"]
    lock().acquire(blocking_timeout=1.5, sleep=0.03)
    assert 10 <= standalone.commands_seen()["SET"] - before <= 110
    held.release()


def test_threads_exclude_each_other(client: Any, lock: Callable[..., Lock]) -> None:
    client.redis.set("n", 0)

    def work() -> None:
        for _ in range(10):
            with lock(timeout=10, sleep=0.002):
                value = int(client.redis.get("n"))
                time.sleep(0.0005)
                client.redis.set("n", value + 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert client.redis.get("n") == b"40"


def test_a_token_belongs_to_a_thread_unless_told_otherwise(lock: Callable[..., Lock]) -> None:
    outcome: list[Any] = []

    def elsewhere(held: Lock) -> None:
        try:
            outcome.append(held.owned())
            held.release()
        except LockError as error:
            outcome.append(error)

    for thread_local in (True, False):
        held = lock(timeout=10, thread_local=thread_local)
        held.acquire()
        thread = threading.Thread(target=elsewhere, args=(held,))
        thread.start()
        thread.join(5)
        if thread_local:
            held.release()
    assert outcome[0] is False
    assert isinstance(outcome[1], LockError)
    assert outcome[2:] == [True]


def test_a_token_may_be_chosen(client: Any, lock: Callable[..., Lock]) -> None:
    held = lock(timeout=10)
    held.acquire(token="mine")
    assert client.redis.get("lock") == b"mine"
    held.release()


def test_a_lost_answer_can_be_cleaned_up(standalone: Standalone) -> None:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=1.0))
    client.warm_up()
    held = Lock(client.redis, "lock", timeout=60)
    standalone.pause()
    try:
        with pytest.raises(redis.TimeoutError):
            held.acquire(blocking_timeout=0.2)
    finally:
        standalone.resume()
    eventually(held.locked, what="the lock of which no answer came")
    assert held.owned()
    held.release()
    assert not held.locked()
    client.close()


def test_what_a_lost_answer_may_have_brought_to_a_block_is_given_back(
    colour: Any, standalone: Standalone, proxy: MakeProxy
) -> None:
    between = proxy(standalone)
    client = colour.make("DefaultClient", [between.url])
    made = (Lock if colour.name == "sync" else AsyncLock)(getattr(client, "one", client).redis, "l")
    between.cut_reply(to="SET")
    with pytest.raises(redis.ConnectionError):
        colour.plain(made).__enter__() if colour.name == "sync" else colour.plain(made).__aenter__()
    assert standalone.commands_seen()["SET"] == 1
    eventually(lambda: not client.execute(exists(b"l")), what="the giving back")
    assert between.count("SET") == 1
    assert "held" not in repr(made)


def test_redis_pys_own_interface(client: Any) -> None:
    held = client.redis.lock("lock", timeout=10, sleep=0.01, blocking_timeout=1)
    assert isinstance(held, Lock)
    assert isinstance(held, redis.lock.Lock)
    plain = client.redis.lock("lock", 10, 0.1, True, None, redis.lock.Lock)
    assert type(plain) is redis.lock.Lock
    with plain:
        assert not held.acquire(blocking=False)
        assert plain.extend(10)
    with held:
        assert not plain.acquire(blocking=False)
    assert repr(held) == "<Lock 'lock'>"


def test_losing_it_while_it_is_used_can_be_tolerated(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LockNotOwnedError), client.redis.lock("lock", timeout=10):
        client.redis.delete("lock")
    with client.redis.lock("lock", timeout=10, raise_on_release_error=False):
        client.redis.delete("lock")
    assert "no longer owned" in caplog.text


@pytest.mark.parametrize("place", ["replicated", "sentinels", "cluster"], indirect=True)
def test_whether_a_lock_is_held_is_asked_of_the_primary_wherever_reads_go(
    colour: Any, place: Any
) -> None:
    """A replica may not have heard of it yet, or of its end."""
    options = ClientOptions(timeout=10.0, read_from="replica", read_your_writes=0)
    client = colour.take(place.client(colour.prefix, options))
    replicas = place.servers.replicas

    def read_by_replicas() -> int:
        return sum(server.commands_seen()["GET"] for server in replicas)

    before = read_by_replicas()
    client.execute(strings.get(b"lock"))
    assert read_by_replicas() == before + 1  # as any other read
    lock = colour.plain((Lock if colour.name == "sync" else AsyncLock)(client.redis, "lock", 60))
    assert not lock.locked()
    assert lock.acquire()
    assert lock.owned()
    assert lock.locked()
    lock.release()
    assert not lock.locked()
    assert read_by_replicas() == before + 1


def test_locks_of_tasks(standalone: Standalone, run: Run) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url], ClientOptions(timeout=2.0))
        facade: Any = client.redis
        held: AsyncLock = facade.lock("lock", timeout=10)
        assert await held.acquire()
        assert await held.owned()
        assert await held.locked()
        assert await held.extend(5)
        assert await held.reacquire()
        assert not await facade.lock("lock").acquire(blocking=False)
        await held.release()
        with pytest.raises(LockError):
            await held.release()
        with pytest.raises(LockError):
            await held.extend(5)
        async with facade.lock("lock", timeout=10):
            with pytest.raises(LockError):
                async with facade.lock("lock", blocking_timeout=0.05, sleep=0.01):
                    pass
        await facade.set("n", 0)

        async def work() -> None:
            for _ in range(5):
                async with facade.lock("lock", timeout=10, sleep=0.005):
                    value = int(await facade.get("n"))
                    await asyncio.sleep(0.001)
                    await facade.set("n", value + 1)

        await asyncio.gather(*(work() for _ in range(5)))
        assert await facade.get("n") == b"25"
        assert isinstance(held, redis.asyncio.lock.Lock)
        async with facade.lock("lock", timeout=10, lock_class=redis.asyncio.lock.Lock) as plain:
            assert await plain.owned()
        await client.aclose()

    run(main())


def test_a_task_that_is_cancelled_while_it_waits_holds_nothing(
    standalone: Standalone, run: Run
) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url])
        async with client.redis.lock("lock", timeout=10):
            waiting = client.redis.lock("lock", timeout=10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await waiting.acquire()
        assert not await waiting.locked()
        await client.aclose()

    run(main())


def test_a_task_that_is_cancelled_at_any_point_leaves_no_lock_behind(
    standalone: Standalone, run: Run
) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url])
        await client.warm_up()
        for turns in range(20):
            lock = client.redis.lock(f"lock-{turns}")  # for ever
            taking = asyncio.ensure_future(lock.acquire())
            for _ in range(turns):
                await asyncio.sleep(0)
            if not taking.cancel():
                await lock.release()
                continue
            with pytest.raises(asyncio.CancelledError):
                await taking
            assert "held" not in repr(lock)
        while await client.redis.keys("lock-*"):
            await asyncio.sleep(0.01)
        await client.aclose()

    run(main())


def test_a_thread_that_is_killed_while_it_asks_leaves_no_lock_behind(
    client: Any, standalone: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = client.execute

    def interrupted(command: Any, **settings: Any) -> Any:
        execute(command, **settings)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "execute", interrupted)
    held = Lock(client.redis, "lock")
    with pytest.raises(KeyboardInterrupt):
        held.acquire()
    assert "held" not in repr(held)
    eventually(lambda: not held.locked(), what="the giving back")
