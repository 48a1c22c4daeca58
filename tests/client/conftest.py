"""Caches to test, in both colours."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextvars import Context
from typing import Any, cast

import pytest

import cachex_client
from cachex_client import AsyncCache, AsyncDefaultClient, Cache, ClientOptions, DefaultClient
from support.clients import map_of
from support.examples import pytest_configure  # noqa: F401 - a hook
from support.servers import Standalone


class Awaited:
    """An `AsyncCache`, or a client, with the face of a `Cache`: runs what has to be awaited."""

    def __init__(self, cache: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cache, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            result = found(*arguments, **options)
            if inspect.isasyncgen(result):
                result = _collected(result)
            return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

        return call


async def _collected(items: Any) -> list[Any]:
    return [item async for item in items]


MakeCache = Callable[..., Cache]


@pytest.fixture(params=["sync", "async"])
def make_cache(request: pytest.FixtureRequest, standalone: Standalone) -> Iterator[MakeCache]:
    """Make a cache on an empty server: `make_cache(keys=Keys("app"))`.

    `servers` are the URLs, that of the server if not given; `around` is put around the client.
    """
    loop = asyncio.new_event_loop()
    closing: list[Callable[[], Any]] = []

    def make(
        servers: Sequence[str] = (standalone.url,),
        around: Callable[[Any], Any] = lambda client: client,
        read_your_writes: float = 0.5,
        **settings: Any,
    ) -> Cache:
        options = ClientOptions(read_your_writes=read_your_writes)
        if request.param == "sync":
            client = DefaultClient(servers, options)
            closing.append(client.close)
            return Cache(around(client), **settings)
        async_client = AsyncDefaultClient(servers, options)
        closing.append(lambda: loop.run_until_complete(async_client.aclose()))
        return cast(Cache, Awaited(AsyncCache(around(async_client), **settings), loop))

    yield make
    for close in closing:
        close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def cache(make_cache: MakeCache) -> Cache:
    """A cache with the settings it has if nobody says anything, on an empty server."""
    return make_cache()


class Colour:
    """Makes clients of one colour; `plain` gives any of their objects the face of the sync one."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.loop = loop
        self.closing: list[Callable[[], Any]] = []

    def plain(self, thing: Any) -> Any:
        return thing if self.name == "sync" else Awaited(thing, self.loop)

    def make(self, kind: str, *arguments: Any, **options: Any) -> Any:
        """Make a "ClusterClient" or the like, closed after the test."""
        return self.take(getattr(cachex_client, self.prefix + kind)(*arguments, **options))

    def take(self, client: Any) -> Any:
        """Close a client of this colour after the test; return it with the face of the sync one."""
        client = self.plain(client)
        self.closing.append(client.close if self.name == "sync" else client.aclose)
        return client

    @property
    def prefix(self) -> str:
        """What the names of clients of this colour begin with."""
        return "" if self.name == "sync" else "Async"

    def in_one_task(self, client: Any, *calls: Callable[[Any], Any]) -> list[Any]:
        """Make calls one after the other in a context in which nothing was written before."""
        if self.name == "sync":
            return Context().run(lambda: [call(client) for call in calls])

        async def main() -> list[Any]:
            return [await call(client._cache) for call in calls]

        return Context().run(self.loop.run_until_complete, main())

    def cache(self, client: Any, **settings: Any) -> Any:
        """Make a cache on a client that `make` made."""
        if self.name == "sync":
            return Cache(client, **settings)
        return self.plain(AsyncCache(client._cache, **settings))


async def _end_of_tasks() -> None:
    """End what runs beside, as `asyncio.run` does."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """One colour after the other."""
    loop = asyncio.new_event_loop()
    colour = Colour(request.param, loop)
    yield colour
    for close in colour.closing:
        close()
    loop.run_until_complete(_end_of_tasks())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


class Place:
    """Servers of one topology, and caches on them of either colour."""

    def __init__(self, topology: str, servers: Any) -> None:
        self.topology = topology
        self.servers = servers

    def client(self, prefix: str, options: ClientOptions | None = None) -> Any:
        """Make a client; `prefix` is "" or "Async"."""
        options = options or ClientOptions(timeout=10.0)
        servers = self.servers
        if self.topology == "cluster":
            return getattr(cachex_client, f"{prefix}ClusterClient")(servers.urls[:1], options)
        if self.topology == "sentinels":
            return getattr(cachex_client, f"{prefix}SentinelClient")(map_of(servers), options)
        urls = [servers.url] if self.topology == "standalone" else servers.urls
        return getattr(cachex_client, f"{prefix}DefaultClient")(urls, options)

    @contextlib.contextmanager
    def cache(self) -> Iterator[Cache]:
        """A cache for threads."""
        client = self.client("")
        yield Cache(client)
        client.close()

    @contextlib.asynccontextmanager
    async def async_cache(self) -> AsyncIterator[AsyncCache]:
        """A cache for tasks."""
        client = self.client("Async")
        yield AsyncCache(client)
        await client.aclose()

    def server(self, key: str) -> Any:
        """Return the server where a key of the cache is written."""
        if self.topology == "cluster":
            return self.servers.primary_for(f":1:{key}")
        return getattr(self.servers, "primary", self.servers)


@pytest.fixture(params=["standalone", "replicated", "sentinels", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """One topology after the other."""
    return Place(request.param, request.getfixturevalue(request.param))


@pytest.fixture
def one_place(standalone: Standalone) -> Place:
    """One server."""
    return Place("standalone", standalone)
