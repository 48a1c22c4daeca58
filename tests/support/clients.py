"""Clients to test, in both colours, through one face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import cachex_client
from cachex_client import AsyncDefaultClient, ClientOptions, DefaultClient, SentinelMap
from cachex_pool import Endpoint
from support.colours import Awaited, own_loop
from support.sentinels import Sentinels


def seeds_of(sentinels: Sentinels, **settings: Any) -> list[Endpoint]:
    """Return where Sentinels are asked; `settings` are those of each `Endpoint`."""
    return [Endpoint(host=host, port=port, **settings) for host, port in sentinels.addresses]


def map_of(
    sentinels: Sentinels, seeds: Sequence[Endpoint] | None = None, **settings: Any
) -> SentinelMap:
    """Return a map of the service that Sentinels watch; `settings` are those of the map."""
    return SentinelMap(sentinels.name, seeds or seeds_of(sentinels), **settings)


class MakeClient(Protocol):
    colour: str

    def __call__(
        self, servers: Any, options: ClientOptions | None = None, **settings: Any
    ) -> Any: ...

    def of(self, kind: str, *arguments: Any, **settings: Any) -> Any:
        """Make a "ClusterClient" or the like."""


@contextmanager
def client_maker(colour: str) -> Iterator[MakeClient]:
    """Give a function that makes clients of a server, of a URL, or of several of them."""
    made: list[Any] = []
    with own_loop() as loop:

        def make(servers: Any, options: ClientOptions | None = None, **settings: Any) -> Any:
            if isinstance(servers, str) or not isinstance(servers, Sequence):
                servers = [servers]
            urls = [getattr(server, "url", server) for server in servers]
            kind: Callable[..., Any] = DefaultClient if colour == "sync" else AsyncDefaultClient
            client = kind(urls, options, **settings)
            made.append(client if colour == "sync" else Awaited(client, loop))
            return made[-1]

        def of(kind: str, *arguments: Any, **settings: Any) -> Any:
            prefix = "" if colour == "sync" else "Async"
            client = getattr(cachex_client, prefix + kind)(*arguments, **settings)
            made.append(client if colour == "sync" else Awaited(client, loop))
            return made[-1]

        make.colour = colour  # type: ignore[attr-defined]
        make.of = of  # type: ignore[attr-defined]
        yield make  # type: ignore[misc]
        for client in made:
            client.close()
