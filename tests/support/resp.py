"""A RESP reader and a blocking client, written for the tests only.

They share no code with redis-py, hiredis or the packages under test: what the tests say about the
wire must not depend on what is being tested.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""

Argument: TypeAlias = bytes | str | int | float


class Incomplete(Exception):
    """There is no whole value yet: read more."""


class Malformed(Exception):
    """These bytes are not RESP."""


class RespError(Exception):
    """The server answered with an error; `code` is its first word."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class Push(list[Any]):
    """An out-of-band message of RESP3."""


def encode(*arguments: Argument) -> bytes:
    """Return the bytes of one command."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        raw = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


def parse(data: bytes | bytearray, at: int = 0) -> tuple[Any, int]:
    """Return the value that starts at `at` and the position after it (RESP2 and RESP3).

    Error replies are returned as `RespError` values, pushes as `Push`; an attribute is skipped
    together with the value it belongs to. Raises Incomplete or Malformed.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        if at < len(data) and data[at : at + 1] not in b"+-:$*_#,(!=%~>|":
            raise Malformed(bytes(data[at : at + 40]))
        raise Incomplete
    kind, text, at = data[at : at + 1], bytes(data[at + 1 : end]), end + 2
    try:
        if kind in b"+-:,(#_" and kind:
            return _scalar(kind, text), at
        size = int(text)
    except ValueError:
        raise Malformed(bytes(kind) + text[:40]) from None
    if kind in b"$!=" and kind:
        return _blob(kind, size, data, at)
    if kind in b"*~>%|" and kind:
        return _aggregate(kind, size, data, at)
    raise Malformed(bytes(kind) + text[:40])


def _scalar(kind: bytes | bytearray, text: bytes) -> Any:
    match bytes(kind):
        case b"+":
            return text.decode()
        case b"-":
            return RespError(text.decode())
        case b":" | b"(":
            return int(text)
        case b",":
            return float(text)
        case b"#":
            return text == b"t"
    return None


def _blob(kind: bytes | bytearray, size: int, data: bytes | bytearray, at: int) -> tuple[Any, int]:
    if size < 0:
        return None, at
    if len(data) < at + size + 2:
        raise Incomplete
    if data[at + size : at + size + 2] != b"\r\n":
        raise Malformed(bytes(data[at + size : at + size + 2]))
    value = bytes(data[at : at + size])
    if kind == b"!":
        return RespError(value.decode()), at + size + 2
    return (value[4:] if kind == b"=" else value), at + size + 2


def _aggregate(
    kind: bytes | bytearray, size: int, data: bytes | bytearray, at: int
) -> tuple[Any, int]:
    if size < 0:
        return None, at
    values: list[Any] = []
    for _ in range(size * 2 if kind in b"%|" else size):
        value, at = _blob_or_any(data, at)
        values.append(value)
    if kind == b"|":
        return parse(data, at)
    if kind == b"%":
        return dict(zip(values[::2], values[1::2], strict=True)), at
    return (Push(values) if kind == b">" else values), at


def _blob_or_any(data: bytes | bytearray, at: int) -> tuple[Any, int]:
    """Do as `parse`, faster for what most elements are: settings of a server are hundreds."""
    if data[at : at + 1] == b"$" and (end := data.find(b"\r\n", at)) > 0:
        start, size = end + 2, data[at + 1 : end]
        if size.isdigit() and data[start + (length := int(size)) : start + length + 2] == b"\r\n":
            return bytes(data[start : start + length]), start + length + 2
    return parse(data, at)


class Frames:
    """Cut a stream of bytes into whole RESP values."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[Any, bytes]]:
        """Take `data` and return each value that is now whole, with its bytes."""
        self.rest += data
        found: list[tuple[Any, bytes]] = []
        at = 0
        try:
            while at < len(self.rest):
                value, end = parse(self.rest, at)
                found.append((value, bytes(self.rest[at:end])))
                at = end
        except Incomplete:
            pass
        del self.rest[:at]
        return found


def connect(address: Address, timeout: float | None = 5.0) -> socket.socket:
    """Open a socket to a TCP address or a unix path; `timeout` in seconds."""
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


class RespClient:
    """One blocking connection; `timeout` (seconds) holds for each read and write."""

    def __init__(self, address: Address, timeout: float | None = 5.0) -> None:
        self.socket = connect(address, timeout)
        self._frames = Frames()
        self._values: list[Any] = []

    def send(self, *arguments: Argument) -> None:
        self.socket.sendall(encode(*arguments))

    def read(self) -> Any:
        """Return the next value; error replies are returned, not raised."""
        while not self._values:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._values.extend(value for value, _ in self._frames.feed(data))
        return self._values.pop(0)

    def command(self, *arguments: Argument) -> Any:
        """Send one command and return its reply; pushes are skipped, error replies raised."""
        self.send(*arguments)
        while isinstance(reply := self.read(), Push):
            pass
        if isinstance(reply, RespError):
            raise reply
        return reply

    def commands(self, *commands: Sequence[Argument]) -> list[Any]:
        """Send commands in one write and return their replies; the first error is raised."""
        self.socket.sendall(b"".join(encode(*command) for command in commands))
        replies: list[Any] = []
        while len(replies) < len(commands):
            if not isinstance(reply := self.read(), Push):
                replies.append(reply)
        for reply in replies:
            if isinstance(reply, RespError):
                raise reply
        return replies

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RespClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
