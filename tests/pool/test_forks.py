"""A child process uses the pool at once and never touches what is its parent's."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from cachex_pool import (
    AsyncMultiplexer,
    ConnectionLost,
    Endpoint,
    Pool,
    PoolOptions,
    Tls,
    pack,
)
from support import load
from support.forks import in_child
from support.servers import Standalone
from support.tls import Authority, TlsServer
from support.waiting import eventually

# Since Python 3.12 a fork beside threads is warned of; that is what this is about.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

FEW = pytest.param(30, id="few")
MANY = pytest.param(1000, id="many", marks=pytest.mark.soak)


InAChild = Callable[..., None]


def ask(pool: Pool, word: str, times: int = 1) -> None:
    for number in range(times):
        text = f"{word}-{number}".encode()
        assert pool.call(pack(("ECHO", text)), monotonic() + 10) == text


def use_in_child(pool: Pool) -> None:
    assert pool.stats().size == pool.stats().opening == pool.stats().waiting == 0
    ask(pool, f"child-{os.getpid()}", 5)
    assert pool.stats().opened == 1


def fork_under_load(pool: Pool, count: int) -> None:
    sequence = iter(range(10**9))
    pool.warm_up(pool.options.max_size)
    with load.threads(4, lambda number: ask(pool, f"{number}-{next(sequence)}")) as progress:
        progress.wait_for(100)
        opened = pool.stats().opened
        for _ in range(count):
            in_child(lambda: use_in_child(pool))
        progress.wait_for(100)
    assert pool.stats().opened == opened
    assert pool.stats().closed == {}
    pool.close()


@pytest.mark.parametrize("count", [FEW, MANY])
def test_forks_under_load_disturb_nobody(endpoint: Endpoint, count: int) -> None:
    fork_under_load(Pool(endpoint, PoolOptions(max_size=3)), count)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_forks_under_load_disturb_nobody_who_speaks_tls(
    standalone: Standalone, tmp_path: Path, count: int
) -> None:
    authority = Authority(tmp_path)
    tls = Tls(ca_certs=str(authority.ca))
    with TlsServer(standalone, authority, authority.server_context()) as server:
        endpoint = Endpoint(host=server.host, port=server.port, tls=tls)
        fork_under_load(Pool(endpoint, PoolOptions(max_size=3)), count // 2)
        assert server.proxy.commands  # the proxy's thread is the parent's: it survived


def test_the_server_sees_no_connection_of_the_parent_close(
    standalone: Standalone, endpoint: Endpoint, in_a_child: InAChild
) -> None:
    pool = Pool(endpoint)
    held = [pool.acquire(monotonic() + 5) for _ in range(5)]
    for connection in held:
        pool.release(connection)
    before = {client["id"] for client in standalone.clients()}
    for _ in range(5):
        in_a_child(lambda: use_in_child(pool))
        in_a_child(pool.close)
        in_a_child(lambda: pool.retire("in the child"))
    eventually(lambda: {client["id"] for client in standalone.clients()} == before)
    assert len(before) == 5
    pool.close()


def test_a_fork_while_another_thread_is_inside_the_pool(
    endpoint: Endpoint, in_a_child: InAChild
) -> None:
    pool = Pool(endpoint)
    ask(pool, "before")
    inside, leave = threading.Event(), threading.Event()

    def stay_inside() -> None:
        with pool._lock:
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=stay_inside)
    thread.start()
    inside.wait()
    in_a_child(lambda: use_in_child(pool))
    leave.set()
    thread.join()
    ask(pool, "after")
    pool.close()


def test_a_fork_while_others_wait_and_while_one_is_dialling(
    endpoint: Endpoint, in_a_child: InAChild
) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    held = pool.acquire(monotonic() + 5)
    thread = threading.Thread(target=ask, args=(pool, "waiting"))
    thread.start()
    eventually(lambda: pool.stats().waiting == 1)
    in_a_child(lambda: use_in_child(pool))
    pool.release(held)
    thread.join()
    pool.close()


def test_what_was_lent_at_the_fork_stays_the_parents(
    endpoint: Endpoint, in_a_child: InAChild
) -> None:
    pool = Pool(endpoint)
    held = pool.checkout(monotonic() + 5)
    with_object = pool.acquire(monotonic() + 5)
    for connection in (held, with_object):
        connection.write(pack(("ECHO", "the parent's")), monotonic() + 5)

    def child() -> None:
        for connection in (held, with_object):
            with pytest.raises(ConnectionLost) as caught:
                connection.call(pack(("ECHO", "the child's")), monotonic() + 5)
            assert not caught.value.written
        assert not held.is_alive()
        pool.checkin(held)
        pool.release(with_object)
        held.close()
        use_in_child(pool)

    in_a_child(child)
    for connection in (held, with_object):
        assert connection.read(1, monotonic() + 5) == [b"the parent's"]
    pool.checkin(held)
    pool.release(with_object)
    assert pool.stats().idle == 2
    pool.close()


def test_a_closed_pool_stays_closed_in_the_child(endpoint: Endpoint, in_a_child: InAChild) -> None:
    from cachex_pool import PoolClosed

    pool = Pool(endpoint)
    pool.close()

    def child() -> None:
        with pytest.raises(PoolClosed):
            ask(pool, "child")

    in_a_child(child)


def test_children_of_children(endpoint: Endpoint, in_a_child: InAChild) -> None:
    pool = Pool(endpoint)
    ask(pool, "parent")

    def child() -> None:
        use_in_child(pool)
        in_a_child(lambda: use_in_child(pool))
        ask(pool, "child, again")
        assert pool.stats().opened == 1

    in_a_child(child)
    ask(pool, "parent, again")
    assert pool.stats().opened == 1
    pool.close()


async def _fork_beside_a_loop(
    standalone: Standalone, endpoint: Endpoint, in_a_child: InAChild
) -> None:
    shared = AsyncMultiplexer(endpoint)
    stop = False

    async def work(number: int) -> int:
        sequence = 0
        while not stop:
            sequence += 1
            word = f"{number}-{sequence}".encode()
            assert await shared.call(pack(("ECHO", word)), monotonic() + 10) == word
        return sequence

    async def child() -> None:
        for number in range(5):
            reply = await shared.call(pack(("ECHO", number)), monotonic() + 10)
            assert reply == b"%d" % number
        assert shared.pool.stats().opened == 1
        await shared.aclose()

    workers = [asyncio.create_task(work(number)) for number in range(4)]
    for _ in range(20):
        await asyncio.sleep(0.001)
        in_a_child(lambda: asyncio.run(child()))
    stop = True
    assert all([await worker > 10 for worker in workers])
    stats = shared.pool.stats()
    assert (stats.opened, stats.closed) == (1, {})
    await shared.aclose()
    await asyncio.sleep(0)
    eventually(lambda: standalone.connected_clients() == 0)


def test_forks_beside_an_event_loop_disturb_no_task(
    standalone: Standalone, endpoint: Endpoint, run: Any, in_a_child: InAChild
) -> None:
    run(_fork_beside_a_loop(standalone, endpoint, in_a_child))


async def _close_while_a_child_lives(standalone: Standalone, endpoint: Endpoint) -> None:
    shared = AsyncMultiplexer(endpoint)
    await shared.warm_up()
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(ready, 1)
        os._exit(0)
    try:
        await shared.aclose()
        await asyncio.sleep(0)
        eventually(lambda: standalone.connected_clients() == 0)
    finally:
        os.write(done, b"x")
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(done)


def test_a_child_does_not_keep_the_parents_connection_open(
    standalone: Standalone, endpoint: Endpoint, run: Any
) -> None:
    run(_close_while_a_child_lives(standalone, endpoint))
