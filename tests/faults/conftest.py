"""Clients in both colours, and how long a call may last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from support.clients import MakeClient, client_maker

SLACK = 0.06
"""Seconds that a busy machine may add to any wait."""


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Make a client of servers or URLs, closed at the end."""
    with client_maker(request.param) as make:
        yield make


class Timed:
    """What a call came to, and how long it took; `error` is None if it went well."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.error: Any = None
        self.result: Any = None
        started = monotonic()
        try:
            self.result = work()
        except Exception as error:
            self.error = error
        self.took = monotonic() - started

    def within(self, seconds: float) -> Timed:
        """Check that it kept to its deadline: 10 % may be added."""
        assert self.took <= seconds * 1.1 + SLACK, f"{self.took:.3f} s instead of {seconds} s"
        return self


@pytest.fixture
def timed() -> type[Timed]:
    return Timed
