"""A server that keeps somebody waiting: whoever wants to know is told, while it lasts."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from cachex_pool import (
    AsyncPool,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    Endpoint,
    Pool,
    PoolOptions,
)
from cachex_pool._wire.threads import CooperativeConnection
from support.colours import Awaited
from support.scripted import Scripted
from support.servers import Standalone
from support.waiting import Pulse, eventually, lasting

WAIT = 1.0
"""Seconds a server is kept silent: several times longer than what is called long here."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for colour in ("threads", "streams"):
        monkeypatch.setattr(f"cachex_pool._wire.{colour}.OVERDUE_AFTER", 0.2)


class Told:
    """Counts how often a pool's connections complain."""

    def __init__(self, caller: Any) -> None:
        inner = caller.one if isinstance(caller, Awaited) else caller
        getattr(inner, "pool", inner).on_overdue = self
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_it_is_told_again_and_again_until_the_reply_is_there(
    standalone: Standalone, make_caller: Any, say: Any
) -> None:
    caller = make_caller(standalone)
    told = Told(caller)
    assert caller.call(say("BLPOP", "nothing", WAIT), say.soon()) is None
    assert 2 <= told.times <= 7
    before = told.times
    assert caller.exchange(say("BLPOP", "nothing", WAIT) + say("PING"), 2, say.soon())[1] == b"PONG"
    assert before + 2 <= told.times <= before + 7


@pytest.mark.timing
def test_nothing_is_told_of_replies_that_come(
    standalone: Standalone, make_caller: Any, say: Any
) -> None:
    caller = make_caller(standalone)
    told = Told(caller)
    with Pulse() as pulse:
        for _ in range(8):  # together they wait for longer than one may
            caller.call(say("BLPOP", "nothing", 0.05), say.soon())
    assert told.times == 0 or pulse.worst > 0.05


@pytest.mark.timing
def test_a_deadline_is_kept_to_all_the_same(
    standalone: Standalone, make_caller: Any, say: Any
) -> None:
    caller = make_caller(standalone)
    told = Told(caller)
    caller.call(say("PING"), say.soon())
    with lasting(0.5), pytest.raises(DeadlineExceeded):
        caller.call(say("BLPOP", "nothing", 2), say.soon(0.5))
    assert told.times >= 1


def test_a_handshake_that_hangs_is_told_of(make_caller: Any, say: Any) -> None:
    with Scripted(lambda words: b"", greet=False) as server:
        caller = make_caller(server, PoolOptions(connect_timeout=0.9))
        told = Told(caller)
        with pytest.raises(ConnectTimeout):
            caller.call(say("PING"), say.soon())
    assert told.times >= 2


def test_who_borrows_a_connection_may_wait(standalone: Standalone, say: Any) -> None:
    endpoint = Endpoint(host=standalone.host, port=standalone.port)
    pool = Pool(endpoint)
    told = Told(pool)
    with pool.connection(say.soon()) as connection:
        connection.call(say("BLPOP", "nothing", WAIT), say.soon())
    assert told.times == 0
    pool.call(say("BLPOP", "nothing", WAIT), say.soon())
    assert told.times > 0  # of the same connection, now that it is nobody's
    assert pool.stats().opened == 1
    pool.close()

    async def main() -> None:
        pool = AsyncPool(endpoint)
        told = Told(pool)
        async with pool.connection(say.soon()) as connection:
            await connection.call(say("BLPOP", "nothing", WAIT), say.soon())
        assert told.times == 0
        await pool.call(say("BLPOP", "nothing", WAIT), say.soon(2.0))
        assert told.times > 0
        assert pool.stats().opened == 1
        await pool.aclose()

    asyncio.run(main())


@pytest.mark.timing
def test_sockets_that_wait_in_their_own_way_tell_it_too(
    standalone: Standalone, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["cachex_pool._wire.dial"]  # the name stands for the function, too
    monkeypatch.setattr(module, "connection_on", CooperativeConnection)
    pool = Pool(Endpoint(host=standalone.host, port=standalone.port))
    told = Told(pool)
    assert pool.call(say("BLPOP", "nothing", WAIT), say.soon()) is None
    assert 2 <= told.times <= 7
    told.times = 0
    with Pulse() as pulse:
        for _ in range(8):
            pool.call(say("BLPOP", "nothing", 0.05), say.soon())
    assert told.times == 0 or pulse.worst > 0.05
    with lasting(0.5), pytest.raises(DeadlineExceeded):
        pool.call(say("BLPOP", "nothing", 2), say.soon(0.5))
    pool.close()


def test_a_command_that_does_not_get_out_is_told_of(standalone: Standalone, say: Any) -> None:
    pool = Pool(Endpoint(host=standalone.host, port=standalone.port))
    told = Told(pool)
    pool.call(say("PING"), say.soon())
    standalone.pause()
    try:
        with pytest.raises(DeadlineExceeded, match="sending the command"):
            pool.call(say("SET", "large", b"x" * 50_000_000), say.soon(WAIT))
    finally:
        standalone.resume()
    assert told.times >= 2
    pool.close()


def test_who_waits_for_a_connection_is_turned_away_with_those_who_wait_for_a_reply(
    standalone: Standalone, say: Any
) -> None:
    endpoint = Endpoint(host=standalone.host, port=standalone.port)
    pool = Pool(endpoint, PoolOptions(max_size=1))
    errors: list[Exception] = []

    def wait() -> None:
        try:
            pool.call(say("BLPOP", "nothing", 10), say.soon(20.0))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: pool.stats().lent == 1 and pool.stats().waiting == 2)
    eventually(lambda: standalone.info("clients")["blocked_clients"] == "1")
    pool.retire("no longer primary", sever=True)
    for thread in threads:
        thread.join(5)
    lost = [error for error in errors if isinstance(error, ConnectionLost)]
    refused = [error for error in errors if isinstance(error, ConnectFailed)]
    assert (len(lost), len(refused)) == (1, 2)
    assert lost[0].written
    assert not any(error.written for error in refused)
    pool.close()
