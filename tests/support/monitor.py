"""Record what a server is asked to do."""

from __future__ import annotations

import re
import threading
import uuid
from typing import TYPE_CHECKING, NamedTuple, Self

from support.resp import RespClient

if TYPE_CHECKING:
    from support.server import Server

_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class Monitored(NamedTuple):
    """One command: the sender's address (or "lua"), the database, and the arguments."""

    sender: str
    db: int
    command: tuple[bytes, ...]


class Monitor:
    """What a server was asked to do while the `with` block ran: read `commands` after it.

    The server itself keeps AUTH, CONFIG and other commands of administrators out of this.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._found: list[Monitored] = []

    def __enter__(self) -> Self:
        self._client = self._server.client(timeout=None)
        try:
            self._client.command("MONITOR")
        except BaseException:
            self._client.close()
            raise
        self._end = uuid.uuid4().hex
        self._thread = threading.Thread(target=self._read, args=(self._client,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    def _finish(self) -> None:
        try:
            self._server.command("PING", self._end)  # All that came before has then been seen.
            self._thread.join(60)  # thousands of commands take their time to be read
            assert not self._thread.is_alive(), "what the server saw is not all read"
        finally:
            self._client.close()

    def _read(self, client: RespClient) -> None:
        while True:
            try:
                entry = parse_entry(client.read().encode())
            except OSError:
                return
            if entry.command == (b"PING", self._end.encode()):
                return
            self._found.append(entry)

    @property
    def commands(self) -> list[tuple[bytes, ...]]:
        return [entry.command for entry in self._found]

    @property
    def entries(self) -> list[Monitored]:
        return list(self._found)

    def count(self, name: str) -> int:
        return sum(command[0].upper() == name.upper().encode() for command in self.commands)


def parse_entry(line: bytes) -> Monitored:
    r"""Read `1700000000.123456 [0 127.0.0.1:4242] "SET" "key" "val\r\n"`."""
    found = re.match(rb"\S+ \[(\d+) (.*?)\] ", line)
    assert found is not None, line
    arguments = re.findall(rb'"((?:[^"\\]|\\.)*)"', line[found.end() :])
    return Monitored(found[2].decode(), int(found[1]), tuple(map(_unescape, arguments)))


def _unescape(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        if found[1].startswith(b"x"):
            return bytes([int(found[1][1:], 16)])
        return _ESCAPES.get(found[1], found[1])

    return re.sub(rb"\\(x[0-9a-f]{2}|.)", plain, text)
