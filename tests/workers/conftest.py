"""One company for each of Celery's pools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import Server
from workers.company import Site, Worker, at_work, open_site

POOLS = {"prefork": 3, "threads": 8, "gevent": 20}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[Site]:
    with open_site(server) as site:
        yield site


@pytest.fixture(scope="module", params=POOLS)
def worker(server: Server, request: pytest.FixtureRequest) -> Iterator[Worker]:
    with at_work(server, request.param, POOLS[request.param]) as worker:
        yield worker


@pytest.fixture
def article(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses, which means itself in a pattern."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
