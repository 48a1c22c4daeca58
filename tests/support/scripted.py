"""A server that says what it is told, for replies that no honest server gives."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from support.resp import Frames, Malformed

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"


def _shut(sock: socket.socket) -> None:
    """Wake up whoever waits at a socket."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Scripted:
    """Listens on `host`:`port`; `reply` gets a command's words and returns bytes to send.

    It may return b"" to stay silent and None to hang up. What it raises is not caught: let it
    return. The handshake is answered as a modern server would, unless `greet` is False.
    """

    host = "127.0.0.1"

    def __init__(
        self, reply: Callable[[tuple[bytes, ...]], bytes | None], *, greet: bool = True
    ) -> None:
        self.commands: list[tuple[bytes, ...]] = []
        self.accepted = 0
        self._reply, self._greet = reply, greet
        self._listener = socket.create_server((self.host, 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._listener.getsockname()[1]

    @property
    def address(self) -> tuple[str, int]:
        return (self.host, self.port)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._thread.join(5)  # After that nobody is accepted whom we would forget here.
        self._listener.close()
        for sock in self._open:  # Each is closed by its own thread.
            _shut(sock)

    def say(self, data: bytes) -> None:
        """Send bytes to everybody, unasked."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):  # It has left.
                sock.sendall(data)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a reply may follow another
            self.accepted += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        frames = Frames()
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(65536):
                for words in self._commands_in(frames, data):
                    answer = self._answer(words)
                    if answer is None:
                        sock.shutdown(socket.SHUT_RDWR)
                        return
                    sock.sendall(answer)

    def _commands_in(self, frames: Frames, data: bytes) -> list[tuple[bytes, ...]]:
        try:
            return [tuple(words) for words, _ in frames.feed(data)]
        except Malformed:  # A client that speaks another language.
            return [(data,)]

    def _answer(self, words: tuple[bytes, ...]) -> bytes | None:
        self.commands.append(words)
        name = words[0].upper()
        if self._greet and name == b"HELLO":
            return HELLO
        if self._greet and name in (b"CLIENT", b"SELECT", b"AUTH"):
            return b"+OK\r\n"
        return self._reply(words)
