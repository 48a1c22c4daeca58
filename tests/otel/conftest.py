"""Something that receives, and clients of both colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cachex_client
from otel.receiver import Receiver, receiving
from support.colours import Awaited, own_loop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Something that receives, once it is told to instrument; it stops after the test."""
    with receiving() as one:
        yield one


class Colour:
    """Makes clients and caches of one colour, with the face of the sync one."""

    def __init__(self, name: str, loop: Any) -> None:
        self.name, self.loop = name, loop
        self.closing: list[Callable[[], Any]] = []

    def plain(self, thing: Any) -> Any:
        return thing if self.name == "sync" else Awaited(thing, self.loop)

    def client(self, servers: Any, kind: str = "DefaultClient", **options: Any) -> Any:
        """Make a client of URLs, closed after the test."""
        urls = [servers] if isinstance(servers, str) else servers
        client = self.plain(getattr(cachex_client, self._named(kind))(urls, **options))
        self.closing.append(client.close)
        return client

    def cache(self, client: Any, name: str = "default", **settings: Any) -> Any:
        """Make a cache on a client that `client` made."""
        below = client if self.name == "sync" else client.one
        made = getattr(cachex_client, self._named("Cache"))(below, name=name, **settings)
        return self.plain(made)

    def _named(self, kind: str) -> str:
        return kind if self.name == "sync" else f"Async{kind}"


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """One colour after the other."""
    with own_loop() as loop:
        made = Colour(request.param, loop)
        yield made
        for close in made.closing:
            close()
