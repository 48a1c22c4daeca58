"""What a case stands on: servers, an event loop, the peers' and our configuration."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen
from measure import Contender

HOST = "127.0.0.1"
TASKS = 50
BACKENDS = {
    "Django": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
    "django-valkey": "django_valkey.cache.ValkeyCache",
    "django-valkey async": "django_valkey.async_cache.cache.AsyncValkeyCache",
    "cachex": "django_cachex.cache.RedisCache",
}


class Servers(Protocol):
    """Where the servers of a run are."""

    @property
    def port(self) -> int: ...

    def cluster(self) -> list[str]:
        """Return the URLs of a cluster of three primaries with a replica each."""

    def tls(self) -> tuple[int, str]:
        """Return port and CA file of what ends TLS in front of the server."""


@frozen
class Ground:
    """The servers, one event loop for all asyncio cases, and what to close at the end."""

    servers: Servers
    runner: asyncio.Runner
    closing: contextlib.ExitStack

    @property
    def port(self) -> int:
        return self.servers.port

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def tls(self) -> tuple[int, Path]:
        """Return port and CA file of what ends TLS in front of the server."""
        port, ca = self.servers.tls()
        return port, Path(ca)

    def cluster(self) -> list[str]:
        """Return the URLs of a cluster of three primaries with a replica each."""
        return self.servers.cluster()

    def await_(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Run one awaitable on the event loop of the benchmarks."""

        async def main() -> Any:
            return await make()

        return self.runner.run(main())

    def workers(self, name: str, call: Callable[[], Awaitable[Any]]) -> Contender:
        """Return a contender of 50 tasks that each make the call again and again."""

        async def task(count: int) -> None:
            for _ in range(count):
                await call()

        async def everybody(count: int) -> None:
            await asyncio.gather(*(task(count) for _ in range(TASKS)))

        def run(count: int) -> None:
            self.runner.run(everybody(count))

        return Contender(name, run, lambda: self.await_(call), weight=TASKS)


def django_cache(name: str) -> Any:
    """Return the cache of one backend; ImportError and the like if it cannot be had."""
    from django.core.cache import caches

    return caches[name]


def configure_django(url: str) -> None:
    """Make a cache of each backend."""
    from django.conf import settings

    # As each project documents it, with nothing switched off: serializer pickle, hiredis or
    # libvalkey found by themselves. A prefix of its own keeps everyone's values apart.
    aliases = {
        name: {"BACKEND": backend, "LOCATION": url, "KEY_PREFIX": f"bench{index}"}
        for index, (name, backend) in enumerate(BACKENDS.items())
    }
    # Its asyncio pools and its sync ones share a table keyed by the address.
    aliases["django-valkey async"]["LOCATION"] = url.removesuffix("0") + "1"
    settings.configure(CACHES={"default": aliases["Django"], **aliases})
