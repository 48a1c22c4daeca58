"""One client's way through a proxy. Everything in here runs in the proxy's own thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from support.resp import Frames, Malformed, Push

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 65536
NO_REPLY = {b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"}
NO_REPLY |= {b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"}
"""In RESP3 these are answered by pushes."""


class Mode(Enum):
    """What happens to all connections until something else is said."""

    PASS = auto()
    BLACKHOLE = auto()
    HALF_OPEN = auto()
    CLOSE = auto()
    RESET = auto()
    SPLIT = auto()


@dataclass
class Fault:
    """Something that befalls one request or reply, or a few.

    `act` gets the bytes and returns what goes on instead; `to` names the command, None is any;
    it begins with the `nth` from now and happens `times` times.
    """

    act: Callable[[Link, bytes], bytes]
    to: str | None
    nth: int
    times: int
    on_request: bool = False

    def strikes(self, command: tuple[bytes, ...], on_request: bool) -> bool:
        """Tell whether it is this one's turn, and count it."""
        if self.on_request != on_request or not self.times or not names(self.to, command):
            return False
        self.nth -= 1
        if self.nth > 0:
            return False
        self.times -= 1
        return True


def names(name: str | None, command: tuple[bytes, ...]) -> bool:
    """Tell whether "GET" or "CLUSTER SLOTS" (or None: any) is what a command is called."""
    words = (name or "").upper().encode().split()
    return [argument.upper() for argument in command[: len(words)]] == words


@dataclass
class Rules:
    """What the proxy does to its links at the moment."""

    mode: Mode = Mode.PASS
    delay: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)


class Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(
        self,
        number: int,
        client: Streams,
        open_upstream: Callable[[], Awaitable[Streams]],
        rules: Rules,
    ) -> None:
        self.number = number
        self.commands: list[tuple[bytes, ...]] = []
        self.writes = 0
        self.round_trips = 0
        self.open = True
        self.left: int | None = None  # How many bytes of replies may pass before it is cut.
        self.ahead = 0  # How many bytes are before the reply in what came together with it.
        self._from_client, self._to_client = client
        self._to_server: asyncio.StreamWriter | None = None
        self._open_upstream = open_upstream
        self._back: asyncio.Task[None] | None = None
        self._rules = rules
        self._requests, self._replies = Frames(), Frames()
        self._raw = False
        self._pending: deque[tuple[bytes, ...]] = deque()
        self._answered = True
        self._lost = False  # Bytes were swallowed: nothing good can come of it any more.
        self._due = 0.0
        self._late: deque[bytes] = deque()  # What is to be written then, in order.

    async def run(self) -> None:
        """Pass bytes on in both directions until one side ends, or the link is cut."""
        try:
            with contextlib.suppress(OSError):
                await self._pass_requests()
        finally:
            if self._back is not None:
                self._back.cancel()
            self.cut()

    async def send(self, data: bytes) -> None:
        """Give bytes to the client, as many as may pass."""
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
        self._answered |= bool(data)
        if self._rules.mode is Mode.SPLIT:
            for at in range(len(data)):
                self._to_client.write(data[at : at + 1])
                await asyncio.sleep(0.0002)  # The client's turn: else it gets them in one piece.
        else:
            self._to_client.write(data)
        await self._to_client.drain()
        if self.left == 0:
            self.cut()

    def cut(self, *, reset: bool = False) -> None:
        """Close both sides: with a FIN after what was sent, or at once with an RST."""
        self.open = False
        for writer in (self._to_client, self._to_server):
            if writer is None or (writer.is_closing() and not reset):
                continue
            if reset:
                with contextlib.suppress(OSError):  # It may be closed already.
                    _linger_zero(writer)
                writer.transport.abort()
                continue
            with contextlib.suppress(OSError):  # The other side may have reset it.
                if writer.can_write_eof():
                    writer.write_eof()  # A FIN, even if a forked child has the socket too.
            writer.close()

    async def _pass_requests(self) -> None:
        if self._rules.mode not in (Mode.BLACKHOLE, Mode.RESET):
            await self._connect()
        while data := await self._from_client.read(CHUNK):
            self._count()
            whole = self._cut_up(self._requests, data)
            self.commands.extend(command for command, _ in whole)
            await self._rules.flowing.wait()
            if self._rules.mode is Mode.RESET:
                self.cut(reset=True)
                return
            self._lost |= self._rules.mode is Mode.BLACKHOLE
            if self._lost or not self.open:
                continue
            if self._to_server is None:
                await self._connect()
            passed = b"".join(self._struck_requests(whole))
            if self.open:
                await self._forward(passed)
        # What the client sent before it left is still on its way.
        await asyncio.sleep(max(0.0, self._due - asyncio.get_running_loop().time()))

    async def _connect(self) -> None:
        reader, self._to_server = await self._open_upstream()
        self._back = asyncio.create_task(self._pass_replies(reader))

    async def _pass_replies(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while self.open and (data := await reader.read(CHUNK)):
                await self._rules.flowing.wait()
                passed = b"".join(self._struck_replies(data))
                self._lost |= self._rules.mode in (Mode.HALF_OPEN, Mode.BLACKHOLE)
                if not self._lost:
                    await self.send(passed)
        if not self._lost:
            self.cut()

    # Details

    def _count(self) -> None:
        self.writes += 1
        if self._answered:
            self.round_trips += 1
            self._answered = False

    def _cut_up(self, frames: Frames, data: bytes) -> list[tuple[Any, bytes]]:
        """Return whole commands or replies; what is not RESP comes back as it is, unnamed."""
        if self._raw:
            return [((), data)]
        try:
            found = frames.feed(data)
        except Malformed:
            self._raw = True
            return [((), bytes(frames.rest))]
        if frames is self._requests:
            return [(tuple(value), frame) for value, frame in found]
        return found

    def _struck_requests(self, whole: list[tuple[Any, bytes]]) -> Iterator[bytes]:
        for command, frame in whole:
            if command and command[0].upper() not in NO_REPLY:
                self._pending.append(command)
            yield self._struck(command, frame, on_request=True)

    def _struck_replies(self, data: bytes) -> Iterator[bytes]:
        self.ahead = 0
        for value, frame in self._cut_up(self._replies, data):
            if not isinstance(value, Push):
                command = self._pending.popleft() if self._pending else ()
                frame = self._struck(command, frame, on_request=False)
            yield frame
            self.ahead += len(frame)

    def _struck(self, command: tuple[bytes, ...], frame: bytes, on_request: bool) -> bytes:
        for fault in self._rules.faults:
            if fault.strikes(command, on_request):
                return fault.act(self, frame)
        return frame

    async def _forward(self, data: bytes) -> None:
        """Give bytes to the server, when it is time: nothing overtakes what is on its way."""
        assert self._to_server is not None
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time() + self._rules.delay)
        if self._due > loop.time() or self._late:
            self._late.append(data)
            loop.call_at(self._due, self._write_late)
        else:
            self._to_server.write(data)
            await self._to_server.drain()

    def _write_late(self) -> None:
        """Write what has waited longest: of alarms for the same time any may be the first."""
        data = self._late.popleft()
        if self._to_server is not None and not self._to_server.is_closing():
            self._to_server.write(data)


def _linger_zero(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:  # None: it is cut already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
