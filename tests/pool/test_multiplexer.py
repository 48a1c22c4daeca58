"""One connection for any number of tasks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

import pytest
import redis

from cachex_pool import (
    AsyncMultiplexer,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Endpoint,
    PoolClosed,
    PoolObserver,
    PoolOptions,
    PoolTimeout,
    ProtocolError,
    pack,
)
from support.proxy import Proxy
from support.resp import encode
from support.scripted import Scripted
from support.servers import Standalone
from support.waiting import eventually, lasting

PING = pack(("PING",))


def echo(word: object) -> bytes:
    return pack(("ECHO", str(word)))


def soon(seconds: float = 5.0) -> float:
    return monotonic() + seconds


def at(server: Any) -> Endpoint:
    return Endpoint(host=server.host, port=server.port)


Play = Callable[[AsyncMultiplexer], Coroutine[Any, Any, None]]


@pytest.fixture
def play(run: Any) -> Callable[..., None]:
    """Run a scene on a multiplexer of its own."""

    def play(server: Any, scene: Play, options: PoolOptions | None = None) -> None:
        async def main() -> None:
            shared = AsyncMultiplexer(at(server), options)
            try:
                await scene(shared)
            finally:
                await shared.aclose()
                await asyncio.sleep(0)

        run(main())

    return play


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a connection for stuck after 0.2 s of silence."""
    monkeypatch.setattr("cachex_pool._wire.streams.STUCK_AFTER", 0.2)
    monkeypatch.setattr("cachex_pool._wire.streams.SILENT_AFTER", 0.1)


def test_commands_of_one_turn_leave_in_one_write(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        front.forget()
        words = [b"%d" % number for number in range(500)]
        replies = await asyncio.gather(*(shared.call(echo(n), soon()) for n in range(500)))
        assert replies == words
        assert front.writes() == 1
        assert len(front.connections) == 1

    with Proxy(standalone) as front:
        play(front, scene)


def test_all_who_come_first_share_one_dial(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await asyncio.gather(*(shared.call(PING, soon()) for _ in range(100)))
        assert standalone.connected_clients() == shared.pool.stats().opened == 1

    play(standalone, scene)


def test_a_large_command_does_not_hold_up_the_others(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        large = pack(("SET", "a", b"x" * 1_000_000))
        replies = await asyncio.gather(shared.call(PING, soon()), shared.call(large, soon()))
        assert replies == [b"PONG", b"OK"]
        assert shared.pool.stats().opened == 2

    play(standalone, scene)


def test_a_large_command_goes_through_where_there_is_only_one_connection(
    standalone: Standalone, play: Any
) -> None:
    large = b"x" * 100_000

    async def scene(shared: AsyncMultiplexer) -> None:
        assert await shared.call(pack(("SET", "large", large)), soon()) == b"OK"
        two = pack(("GET", "large")) + pack(("SET", "large", large))
        assert await shared.exchange(two, 2, soon()) == [large, b"OK"]

    play(standalone, scene, PoolOptions(max_size=1))


def test_a_connection_that_was_lost_is_not_kept_until_it_would_have_been_old(
    standalone: Standalone, play: Any
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.call(PING, soon())
        (connection,) = shared.pool.state.members()
        known = weakref.ref(connection)
        connection.sever("a test")
        del connection
        await shared.call(PING, soon())
        gc.collect()
        assert known() is None

    play(standalone, scene)


@pytest.mark.timing
def test_who_comes_while_all_connections_are_lent_waits_for_one(
    standalone: Standalone, play: Any
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        held = await shared.pool.acquire(soon())
        with lasting(0.1), pytest.raises(PoolTimeout, match="limit 1, lent 1"):
            await shared.call(PING, soon(0.1))
        impatient = asyncio.create_task(shared.call(PING, soon(0.1)))
        await asyncio.sleep(0)
        patient = asyncio.create_task(shared.call(PING, soon(5)))
        with pytest.raises(PoolTimeout):
            await impatient
        await asyncio.sleep(0.2)  # longer than a connection may take to be made
        shared.pool.release(held)
        assert await patient == b"PONG"

    play(standalone, scene, PoolOptions(max_size=1, connect_timeout=0.05))


def test_everybody_who_waits_for_the_shared_connection_in_vain_is_counted(
    standalone: Standalone, play: Any
) -> None:
    told: list[float] = []

    class Ear(PoolObserver):
        def timed_out(self, endpoint: Endpoint, *, waited: float) -> None:
            told.append(waited)

    async def scene(shared: AsyncMultiplexer) -> None:
        shared.pool.listen((Ear(),))
        async with shared.pool.connection(soon()):
            waiting = (shared.call(PING, soon(0.05)) for _ in range(3))
            found = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in found} == {PoolTimeout}
        assert len(told) == shared.pool.stats().timeouts == 3

    play(standalone, scene, PoolOptions(max_size=1, connect_timeout=30.0))


def test_a_cancelled_call_leaves_its_reply_to_nobody(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        for _ in range(50):
            tasks = [asyncio.create_task(shared.call(echo(n), soon())) for n in range(10)]
            many = asyncio.create_task(shared.exchange(echo("x") * 5, 5, soon()))
            await asyncio.sleep(0)
            for task in (*tasks[::2], many):
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            assert replies[1::2] == [b"1", b"3", b"5", b"7", b"9"]
            assert await shared.call(echo("next"), soon()) == b"next"
        assert shared.pool.stats().opened == 1

    play(standalone, scene)


@pytest.mark.timing
def test_each_waits_as_long_as_he_said(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()

        async def late(patience: float) -> None:
            with lasting(patience), pytest.raises(DeadlineExceeded) as caught:
                await shared.call(PING, soon(patience))
            assert caught.value.written

        front.delay(0.4)
        patient = asyncio.create_task(shared.call(echo("patient"), soon()))
        await asyncio.gather(*map(late, [0.3, 0.05, 0.2, 0.1]))
        assert await patient == b"patient"
        assert shared.pool.stats().opened == 1

    with Proxy(standalone) as front:
        play(front, scene)


def test_silence_before_anything_was_asked_is_held_against_nobody(
    standalone: Standalone, play: Any, impatient: None
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        await asyncio.sleep(0.3)  # longer than a stuck connection may be silent
        front.delay(0.1)
        patient = asyncio.create_task(shared.call(echo("patient"), soon()))
        with pytest.raises(DeadlineExceeded):
            await shared.call(PING, soon(0.02))
        assert await patient == b"patient"
        stats = shared.pool.stats()
        assert (stats.opened, stats.closed) == (1, {})
        assert shared.pool.state.breaker.consecutive == 0

    with Proxy(standalone) as front:
        play(front, scene)


def test_a_stuck_connection_is_replaced(standalone: Standalone, play: Any, impatient: None) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        front.blackhole()
        bystander = asyncio.create_task(shared.call(PING, soon(10)))
        with pytest.raises(DeadlineExceeded):
            await shared.call(PING, soon(0.05))
        with pytest.raises(ConnectionLost, match="answers no more") as caught:
            await bystander
        assert caught.value.written
        front.heal()
        assert await shared.call(PING, soon()) == b"PONG"
        assert shared.pool.stats().opened == 2

    with Proxy(standalone) as front:
        play(front, scene)


def test_a_stuck_connection_is_replaced_though_nobody_waits_for_his_deadline(
    standalone: Standalone, play: Any, impatient: None
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        async def answer() -> Any:
            async with asyncio.timeout(0.02):  # the application's own, and shorter
                return await shared.call(PING, soon(0.1))

        await shared.warm_up()
        front.blackhole()
        with pytest.raises(TimeoutError):
            await answer()
        front.heal()  # what has lost bytes stays dead
        answers: list[Any] = []
        while not answers:
            with contextlib.suppress(TimeoutError, ConnectionLost):
                answers.append(await answer())
        assert answers == [b"PONG"]
        assert shared.pool.stats().opened == 2

    with Proxy(standalone) as front:
        play(front, scene)


def test_each_gets_an_exception_of_his_own(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        async def trouble() -> list[BaseException]:
            calls = (shared.call(PING, soon(1)) for _ in range(20))
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert len({id(error) for error in errors}) == 20
            assert len({id(error.__traceback__) for error in errors}) == 20
            return errors

        await shared.warm_up()
        front.garbage()
        assert {type(error) for error in await trouble()} == {ProtocolError}
        await shared.call(PING, soon())
        front.cut_reply()
        assert {type(error) for error in await trouble()} == {ConnectionLost}
        front.refuse()
        errors = await trouble()
        assert {type(error) for error in errors} == {ConnectFailed}
        assert all(isinstance(error.__cause__, OSError) for error in errors)

    with Proxy(standalone) as front:
        play(front, scene, PoolOptions(backoff=0.001, max_backoff=0.001))


def test_who_was_not_sent_yet_is_told_so(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        connection = shared._shared
        assert connection is not None
        sent = asyncio.create_task(shared.call(pack(("BLPOP", "nothing", 0)), soon()))
        await asyncio.sleep(0.05)
        unsent = connection.submit(PING, soon())
        connection.close()
        for future, written in ((sent, True), (unsent, False)):
            with pytest.raises(ConnectionLost) as caught:
                await future
            assert caught.value.written is written

    play(standalone, scene)


def test_retiring_replaces_the_connection_when_its_replies_are_in(
    standalone: Standalone, play: Any
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        front.delay(0.1)
        old = [asyncio.create_task(shared.call(echo(n), soon())) for n in range(5)]
        await asyncio.sleep(0)
        shared.pool.retire()
        assert await shared.call(echo("new"), soon()) == b"new"
        assert await asyncio.gather(*old) == [b"0", b"1", b"2", b"3", b"4"]
        assert len(front.connections) == 2
        while len(front.open_connections) > 1:
            await asyncio.sleep(0.01)

    with Proxy(standalone) as front:
        play(front, scene)


def test_a_connection_at_the_end_of_its_life_is_replaced_unnoticed(
    standalone: Standalone, play: Any
) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        number = 0
        while shared.pool.stats().opened < 4:
            number += 1
            assert await shared.call(echo(number), soon()) == b"%d" % number
        assert set(shared.pool.stats().closed) == {"lifetime"}

    play(standalone, scene, PoolOptions(max_lifetime=0.08, jitter=0))


def test_a_server_that_reads_nothing_slows_its_callers_down(play: Any) -> None:
    over = threading.Event()

    def reply(words: tuple[bytes, ...]) -> None:
        over.wait(30.0)

    async def scene(shared: AsyncMultiplexer) -> None:
        await shared.warm_up()
        block = pack(("SET", "a", b"x" * 60_000))
        flood = [asyncio.create_task(shared.call(block, soon(0.4))) for _ in range(400)]
        while shared._shared is not None and shared._shared.paused is None:
            await asyncio.sleep(0)
        late = [asyncio.create_task(shared.call(block, soon(0.3))) for _ in range(200)]
        errors = await asyncio.gather(*late, *flood, return_exceptions=True)
        assert {type(error) for error in errors} <= {DeadlineExceeded, ConnectionLost}
        out_of_time = [error for error in errors[:200] if isinstance(error, DeadlineExceeded)]
        assert not any(error.written for error in out_of_time)

    with Scripted(reply) as server:
        try:
            play(server, scene)
        finally:
            over.set()


def test_a_closed_multiplexer_says_so(standalone: Standalone, run: Any) -> None:
    async def main() -> None:
        shared = AsyncMultiplexer(at(standalone))
        await shared.call(PING, soon())
        waiting = asyncio.create_task(shared.call(pack(("BLPOP", "nothing", 0)), soon()))
        await asyncio.sleep(0.01)
        await shared.aclose()
        with pytest.raises(redis.ConnectionError):
            await waiting
        with pytest.raises(PoolClosed):
            await shared.call(PING, soon())
        eventually(lambda: standalone.connected_clients() == 0)

    run(main())


def test_replies_keep_their_order_through_any_mixture(standalone: Standalone, play: Any) -> None:
    async def scene(shared: AsyncMultiplexer) -> None:
        async def work(number: int) -> None:
            for sequence in range(100):
                word = f"{number}-{sequence}"
                if sequence % 3:
                    assert await shared.call(echo(word), soon()) == word.encode()
                else:
                    data = echo(word) + pack(("GET", "none")) + echo(number)
                    expected = [word.encode(), None, b"%d" % number]
                    assert await shared.exchange(data, 3, soon()) == expected

        await asyncio.gather(*map(work, range(30)))
        assert shared.pool.stats().opened == 1

    play(standalone, scene)
    assert encode("PING") == PING
