"""A proxy in front of a server that can do to a connection what networks do, and counts.

It understands RESP, so that a fault can be aimed at the reply to one command, and so that a test
can assert how many commands, connections and round trips something took.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol, Self, TypeVar

from support.link import Fault, Link, Mode, Rules, Streams, names
from support.listener import Listener, streams_of
from support.resp import Address

T = TypeVar("T")


class HasAddress(Protocol):
    @property
    def address(self) -> tuple[str, int]: ...


class Proxy:
    """Listens on `host`:`port` (or on the unix socket `path`) and passes on to `upstream`.

    Methods named for a fault may be called from any thread at any time; `heal` ends all faults.
    With `tls` it is what clients see of TLS: the server behind it is spoken to in plain.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        upstream: HasAddress | Address,
        *,
        tls: ssl.SSLContext | None = None,
        path: str | None = None,
    ) -> None:
        self._upstream, self.tls, self.path = upstream, tls, path
        self._listener = Listener(self.host, path, self._accept)
        self._links: list[Link] = []
        self._accepted = 0
        self._rules = Rules()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self.path or f"{self.host}:{self.port}"
        return f"<Proxy {where} {self._rules.mode.name.lower()} {len(self.open_connections)} open>"

    def start(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close everything. May be called again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    # Where it is

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def address(self) -> tuple[str, int]:
        return (self.host, self.port)

    @property
    def url(self) -> str:
        if self.path:
            return f"unix://{self.path}?db=0"
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/0"

    # What it saw

    @property
    def commands(self) -> list[tuple[int, tuple[bytes, ...]]]:
        """Each command with the number of its connection; in order within a connection."""
        return [(link.number, command) for link in self._seen() for command in [*link.commands]]

    @property
    def connections(self) -> list[int]:
        """The numbers of all connections accepted, the open and the closed."""
        return [link.number for link in self._seen()]

    @property
    def open_connections(self) -> list[int]:
        return [link.number for link in self._seen() if link.open]

    def count(self, name: str) -> int:
        """Count the commands named so: "GET", "CLUSTER SLOTS"."""
        return sum(names(name, command) for _, command in self.commands)

    def writes(self, connection: int | None = None) -> int:
        """Count the chunks in which a connection's (or all connections') requests arrived."""
        return sum(link.writes for link in self._seen(connection))

    def round_trips(self, connection: int | None = None) -> int:
        """Count how often something was asked after something had been answered."""
        return sum(link.round_trips for link in self._seen(connection))

    def forget(self) -> None:
        """Start counting from nothing; closed connections are forgotten, open ones stay."""

        def forget() -> None:
            self._links = [link for link in self._links if link.open]
            for link in self._links:
                link.commands.clear()
                link.writes = link.round_trips = 0

        self._do(forget)

    def _seen(self, connection: int | None = None) -> list[Link]:
        return [link for link in [*self._links] if connection in (None, link.number)]

    # What befalls every connection, until told otherwise

    def heal(self) -> None:
        """End all faults. Connections that lost bytes stay dead; frozen ones go on."""

        def heal() -> None:
            self._rules.mode, self._rules.delay = Mode.PASS, 0.0
            self._rules.faults.clear()
            self._rules.flowing.set()
            self._listener.open()

        self._do(heal)

    def delay(self, seconds: float) -> None:
        """Hold every request that long, as a longer way would: others may be on it meanwhile."""
        self._do(lambda: setattr(self._rules, "delay", seconds))

    def freeze(self) -> None:
        """Accept, but read and pass on nothing until `heal`; then everything arrives late."""
        self._do(self._rules.flowing.clear)

    def blackhole(self) -> None:
        """Accept, and swallow everything in both directions."""
        self._set(Mode.BLACKHOLE)

    def half_open(self) -> None:
        """Pass requests on, and swallow the replies."""
        self._set(Mode.HALF_OPEN)

    def accept_then_close(self) -> None:
        """Close new connections as soon as they are made; open ones live on."""
        self._set(Mode.CLOSE)

    def reset_on_use(self) -> None:
        """Answer the next bytes on any connection, new or open, with an RST."""
        self._set(Mode.RESET)

    def split_every_byte(self) -> None:
        """Send every byte of a reply on its own: slow, some thousand bytes per second."""
        self._set(Mode.SPLIT)

    def refuse(self) -> None:
        """Stop listening; open connections live on."""
        self._do(self._listener.close)

    def _set(self, mode: Mode) -> None:
        self._do(lambda: setattr(self._rules, "mode", mode))

    # What befalls single requests and replies

    def truncate_reply(
        self, after: int, *, to: str | None = None, nth: int = 1, times: int = 1
    ) -> None:
        """Close a connection `after` so many bytes, counted from the start of a reply.

        `to` names the command ("GET", "CLUSTER SLOTS"; None is any), `nth` 1 is the next such.
        """

        def act(link: Link, frame: bytes) -> bytes:
            if link.left is None:
                link.left = link.ahead + after
            return frame

        self._add(Fault(act, to, nth, times))

    def cut_reply(self, *, to: str | None = None, nth: int = 1, times: int = 1) -> None:
        """Close a connection instead of replying: the command was carried out, nobody knows."""
        self.truncate_reply(0, to=to, nth=nth, times=times)

    def cut_request(self, *, to: str | None = None, nth: int = 1, times: int = 1) -> None:
        """Close a connection instead of passing a request on: it is never carried out."""

        def act(link: Link, frame: bytes) -> bytes:
            link.cut()
            return b""

        self._add(Fault(act, to, nth, times, on_request=True))

    def drop_reply(self, *, to: str | None = None, nth: int = 1, times: int = 1) -> None:
        """Swallow a reply; what comes after it passes."""
        self._add(Fault(lambda link, frame: b"", to, nth, times))

    def inject_reply(
        self,
        data: bytes,
        *,
        instead: bool = True,
        to: str | None = None,
        nth: int = 1,
        times: int = 1,
    ) -> None:
        """Send `data` (RESP, or anything) instead of a reply, or before it."""
        self._add(Fault(lambda _, frame: data if instead else data + frame, to, nth, times))

    def garbage(self, *, to: str | None = None, nth: int = 1, times: int = 1) -> None:
        """Send something that is not RESP instead of a reply."""
        self.inject_reply(b"\x00\xffnonsense\r\n", to=to, nth=nth, times=times)

    def _add(self, fault: Fault) -> None:
        self._do(lambda: self._rules.faults.append(fault))

    # What happens now

    def cut_all(self, *, reset: bool = False) -> None:
        """Close every connection, with a FIN or with an RST."""

        def cut() -> None:
            for link in self._links:
                link.cut(reset=reset)

        self._do(cut)

    def push(self, data: bytes, connection: int | None = None) -> None:
        """Send bytes that nobody asked for, to one client or to all."""

        async def push() -> None:
            for link in self._seen(connection):
                if link.open:
                    await link.send(data)

        self._do_async(push())

    # The thread

    def _do(self, change: Callable[[], T]) -> T:
        async def do() -> T:
            return change()

        return self._do_async(do())

    def _do_async(self, change: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(change, self._loop).result(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda *_: None)  # Broken TLS handshakes, and the like.
        self._stopping = asyncio.Event()
        self._rules.flowing.set()
        self._listener.open()
        self._started.set()
        await self._stopping.wait()
        self._listener.close()
        await asyncio.sleep(0)  # A task that is cancelled before it began would close nothing.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            link.cut(reset=True)
        await asyncio.sleep(0)  # Now the sockets are closed.

    def _accept(self, sock: socket.socket) -> None:
        task = asyncio.create_task(self._serve(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            streams = await streams_of(sock, self.tls)
            self._accepted += 1
            link = Link(self._accepted, streams, self._open_upstream, self._rules)
            self._links.append(link)
            if self._rules.mode is Mode.CLOSE:
                link.cut()
            else:
                await link.run()

    async def _open_upstream(self) -> Streams:
        upstream = self._upstream
        address = upstream if isinstance(upstream, str | tuple) else upstream.address
        if isinstance(address, str):
            return await asyncio.open_unix_connection(address)
        return await asyncio.open_connection(*address)


class MakeProxy(Protocol):
    """What the `proxy` fixture is."""

    def __call__(
        self,
        upstream: HasAddress | Address,
        *,
        tls: ssl.SSLContext | None = None,
        path: str | None = None,
    ) -> Proxy: ...


class Proxies:
    """A proxy in front of each of several servers.

    `remap` says where to go instead of to a server, for clients that learn addresses from servers.
    """

    def __init__(self, servers: Iterable[HasAddress]) -> None:
        self._proxies = {server.address: Proxy(server) for server in servers}

    def __enter__(self) -> Self:
        for proxy in self:
            proxy.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self:
            proxy.stop()

    def __iter__(self) -> Iterator[Proxy]:
        return iter(self._proxies.values())

    def __getitem__(self, server: HasAddress) -> Proxy:
        return self._proxies[server.address]

    def remap(self, host: str, port: int) -> tuple[str, int]:
        """Return the proxy's address for a server's, anything else unchanged."""
        proxy = self._proxies.get((host, port))
        return proxy.address if proxy else (host, port)

    @property
    def urls(self) -> list[str]:
        return [proxy.url for proxy in self]

    def count(self, name: str) -> int:
        """Count the commands named so at all servers."""
        return sum(proxy.count(name) for proxy in self)
