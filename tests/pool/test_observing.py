"""Observers of all pools of a process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

import cachex_pool
from cachex_pool import (
    AsyncPool,
    ConnectFailed,
    Endpoint,
    PoolObserver,
    PoolOptions,
    live_stats,
    pack,
)
from cachex_pool.observer import audience

PING = pack(("PING",))


class Ears(PoolObserver):
    """Writes down what it hears; not of each call."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def opened(self, endpoint: Endpoint, *, took: float) -> None:
        self.heard.append("opened")

    def dial_failed(self, endpoint: Endpoint, *, took: float, error: Exception) -> None:
        self.heard.append("dial_failed")

    def closed(self, endpoint: Endpoint, *, reason: str) -> None:
        self.heard.append(f"closed: {reason}")


class KeenEars(Ears):
    """Hears of each call, too."""

    def released(self, endpoint: Endpoint, *, used: float) -> None:
        assert 0 <= used < 60
        self.heard.append("released")


@pytest.fixture
def observe() -> Iterator[Any]:
    observers: list[PoolObserver] = []

    def observe(observer: Any) -> Any:
        observers.append(observer)
        cachex_pool.observe(observer)
        return observer

    yield observe
    for observer in observers:
        cachex_pool.unobserve(observer)
    assert not audience.observers


def soon() -> float:
    return monotonic() + 5


def test_pools_that_exist_and_pools_to_come_are_heard(
    make_pool: Any, endpoint: Endpoint, observe: Any
) -> None:
    before = make_pool(endpoint)
    ears = observe(Ears())
    observe(ears)  # once
    after = make_pool(endpoint)
    before.call(PING, soon())
    after.call(PING, soon())
    assert ears.heard == ["opened", "opened"]
    cachex_pool.unobserve(ears)
    before.retire("test")
    assert ears.heard == ["opened", "opened"]


def test_each_call_is_told_only_to_who_wants_to_know(
    make_pool: Any, endpoint: Endpoint, observe: Any
) -> None:
    pool = make_pool(endpoint)
    ears = observe(Ears())
    pool.call(PING, soon())
    lent = pool.acquire(soon())
    keen = observe(KeenEars())
    pool.release(lent)  # nobody knows since when it was lent
    assert keen.heard == []
    pool.call(PING, soon())
    assert keen.heard == ["released"]
    cachex_pool.unobserve(keen)
    pool.call(PING, soon())
    assert (ears.heard, keen.heard) == (["opened"], ["released"])


def test_one_that_raises_leaves_and_the_call_goes_on(
    make_pool: Any, endpoint: Endpoint, observe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(PoolObserver):
        def opened(self, endpoint: Endpoint, *, took: float) -> None:
            raise RuntimeError("of the observer")

    ears = observe(Ears())
    observe(Broken())
    given = Broken()
    for _ in range(2):
        assert make_pool(endpoint).call(PING, soon()) == b"PONG"
    assert make_pool(endpoint, PoolOptions(), (given,)).call(PING, soon()) == b"PONG"
    assert audience.observers == (ears,)
    said = [record.message for record in caplog.records if record.name == "cachex_pool"]
    assert said == ["observer raised, detached"] * 2
    assert ears.heard == ["opened"] * 3


def test_a_failed_dial_is_heard(make_pool: Any, observe: Any) -> None:
    ears = observe(Ears())
    pool = make_pool(Endpoint(host="127.0.0.1", port=1))
    with pytest.raises(ConnectFailed):
        pool.call(PING, soon())
    assert ears.heard == ["dial_failed"]


def test_who_pictures_a_pool_changes_nothing_in_it(endpoint: Endpoint) -> None:
    """It may be another thread than that of the pool's event loop, which has no lock."""
    pool = AsyncPool(endpoint, PoolOptions(max_size=2))
    state = pool.state
    permits = [state.request(0.0) for _ in range(2)]
    assert pool.stats().opening == 2
    permits.pop()
    dead = list(state._dead)
    assert pool.stats().opening == 1
    assert list(state._dead) == dead != []


def test_pools_are_pictured_until_they_are_closed(make_pool: Any, endpoint: Endpoint) -> None:
    gc.collect()
    before = len(live_stats())
    pool = make_pool(endpoint)
    pool.call(PING, soon())
    (mine,) = (one for one in live_stats() if one == pool.stats())
    assert (mine.name, mine.size) == (endpoint.name, 1)
    assert len(live_stats()) == before + 1
    pool.close()
    assert len(live_stats()) == before
