"""Fixtures that every test may use; what they give is in tests/support."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from support.servers import Standalone

T = TypeVar("T")


class Runner(Protocol):
    def __call__(self, coroutine: Coroutine[Any, Any, T], timeout: float = ...) -> T: ...


@pytest.fixture(scope="session")
def run() -> Runner:
    """Run a coroutine in an event loop of its own, for at most `timeout` seconds."""

    def run(coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        async def limited() -> T:
            async with asyncio.timeout(timeout):
                return await coroutine

        return asyncio.run(limited())

    return run


@pytest.fixture(scope="session")
def session_standalone() -> Iterator[Standalone]:
    with Standalone() as server:
        yield server


@pytest.fixture
def standalone(session_standalone: Standalone) -> Standalone:
    """One server, empty and with its settings as at the start."""
    session_standalone.reset()
    return session_standalone
