"""What a run stands on: a server of its own, an event loop, the peers' and our configuration."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen
from measure import Contender

from support.server import Server
from support.servers import Cluster

HOST = "127.0.0.1"
TASKS = 50
BACKENDS = {
    "Django": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
    "django-valkey": "django_valkey.cache.ValkeyCache",
    "django-valkey async": "django_valkey.async_cache.cache.AsyncValkeyCache",
    "cachex": "django_cachex.cache.RedisCache",
}


@frozen
class Ground:
    """The server's address, one event loop for all asyncio cases, and what to close at the end."""

    port: int
    server: str
    runner: asyncio.Runner
    closing: contextlib.ExitStack
    _cluster: list[Cluster] = field(factory=list, init=False)

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def tls(self) -> tuple[int, Path]:
        """Start a process that ends TLS in front of the server; return its port and CA file."""
        program = str(Path(__file__).with_name("tls_side.py"))
        side = subprocess.Popen(
            [sys.executable, program, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.closing.callback(side.communicate)  # closes its input, which ends it
        assert side.stdout is not None
        port, ca = side.stdout.readline().split()
        return int(port), Path(ca)

    def cluster(self) -> list[str]:
        """Return the URLs of a cluster of three primaries with a replica each, started once."""
        if not self._cluster:
            self._cluster.append(self.closing.enter_context(Cluster()))
        return list(self._cluster[0].urls)

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


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Start a server and a loop, configure Django, and clean up behind the run."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server())
        runner = stack.enter_context(asyncio.Runner())
        closing = stack.enter_context(contextlib.ExitStack())
        made = Ground(server.port, _version(server), runner, closing)
        _configure_django(made.url)
        yield made


def django_cache(name: str) -> Any:
    """Return the cache of one backend; ImportError and the like if it cannot be had."""
    from django.core.cache import caches

    return caches[name]


def _configure_django(url: str) -> None:
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


def _version(server: Server) -> str:
    info = server.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info[f'{name}_version']}"
