"""Clients in both colours, and how long a call may last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from support.clients import MakeClient, client_maker
from support.waiting import Pulse

SLACK = 0.03
"""Seconds that may be added to any wait, besides what a busy machine adds."""


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
        with Pulse() as pulse:
            started = monotonic()
            try:
                self.result = work()
            except Exception as error:
                self.error = error
            self.took = monotonic() - started
        self._slack = SLACK + 3 * pulse.worst

    def within(self, seconds: float) -> Timed:
        """Check that it kept to its deadline: 10 % may be added."""
        assert self.took <= seconds * 1.1 + self._slack, f"{self.took:.3f} s instead of {seconds} s"
        return self


@pytest.fixture
def timed() -> type[Timed]:
    return Timed
