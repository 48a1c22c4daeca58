"""Pools to test, in both colours, through one face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Protocol

import attrs
import pytest

from cachex_pool import (
    AsyncConnection,
    AsyncMultiplexer,
    AsyncPool,
    AsyncPooledConnection,
    Endpoint,
    Pool,
    PoolObserver,
    PoolOptions,
    pack,
)
from support.colours import Awaited, own_loop
from support.examples import pytest_configure  # noqa: F401 - a hook
from support.servers import Standalone


class MakePool(Protocol):
    colour: str

    def __call__(
        self,
        endpoint: Any,
        options: PoolOptions | None = None,
        observers: tuple[PoolObserver, ...] = (),
    ) -> Any: ...


COLOURS: dict[str, Callable[..., Any]] = {
    "sync": Pool,
    "async": AsyncPool,
    "multiplexed": AsyncMultiplexer,
}


@pytest.fixture(params=["sync", "async"])
def make_pool(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """Make a pool of an Endpoint, or of a server; it is closed at the end."""
    yield from _maker(request.param)


@pytest.fixture(params=["sync", "async", "multiplexed"])
def make_caller(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """As `make_pool`, and the multiplexer too: for what only needs `call` and `exchange`."""
    yield from _maker(request.param)


def _maker(colour: str) -> Iterator[MakePool]:
    made: list[Any] = []
    with own_loop() as loop:

        def make(
            endpoint: Any,
            options: PoolOptions | None = None,
            observers: tuple[PoolObserver, ...] = (),
        ) -> Any:
            if not isinstance(endpoint, Endpoint):
                endpoint = Endpoint(host=endpoint.host, port=endpoint.port)
            options = options or PoolOptions()
            if options.connect_timeout == PoolOptions().connect_timeout:  # a machine may stall
                options = attrs.evolve(options, connect_timeout=5.0)
            pool = COLOURS[colour](endpoint, options, observers)
            made.append(
                pool
                if colour == "sync"
                else Awaited(pool, loop, (AsyncConnection, AsyncPooledConnection))
            )
            return made[-1]

        make.colour = colour  # type: ignore[attr-defined]
        yield make  # type: ignore[misc]
        for pool in made:
            pool.close()
            if colour == "async":  # what a test still holds is not closed by being forgotten
                for connection in pool.state.members():
                    connection.close()


class Talk:
    """What tests say to a server, and until when they wait."""

    def __call__(self, *words: str | bytes | int) -> bytes:
        return pack(words)

    def soon(self, seconds: float = 5.0) -> float:
        return monotonic() + seconds


@pytest.fixture(scope="session")
def say() -> Talk:
    """Pack a command: `say("GET", "a")`; `say.soon()` is a deadline."""
    return Talk()


@pytest.fixture
def endpoint(standalone: Standalone) -> Endpoint:
    return Endpoint(host=standalone.host, port=standalone.port)


@pytest.fixture
def upkeep_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection that is given back be an occasion for housekeeping."""
    for colour in ("_sync", "_async"):
        monkeypatch.setattr(f"cachex_pool.{colour}.members.UPKEEP_EVERY", -1.0)
