"""Accept connections in an event loop.

By hand, because asyncio's servers lose the connections that they have accepted but not yet handed
on when they are closed, and that is what the proxy does all the time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable

from support.link import Streams
from support.processes import free_port

BACKLOG = 512


class Listener:
    """Listens on `host`:`port` or on the unix socket `path`, and gives sockets to `accepted`."""

    def __init__(self, host: str, path: str | None, accepted: Callable[[socket.socket], None]):
        self.port = 0
        self._host, self._path, self._accepted = host, path, accepted
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen, from the second time on at the same port as before. Does nothing if it does."""
        if self._socket is None:
            self._socket = self._at_path(self._path) if self._path else self._at_port()
            self._socket.setblocking(False)
            self._socket.listen(BACKLOG)
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:  # The client has gone, or there are too many files.
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:  # asyncio does so for its own sockets only
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted(sock)

    def _at_path(self, path: str) -> socket.socket:
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        return sock

    def _at_port(self) -> socket.socket:
        while True:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = self.port or free_port()
            try:
                sock.bind((self._host, port))
            except OSError:
                sock.close()
                if self.port:
                    raise
            else:
                self.port = port
                return sock


async def streams_of(sock: socket.socket, tls: ssl.SSLContext | None) -> Streams:
    """Return the streams of an accepted socket, after the handshake. Closes it on errors."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    except BaseException:
        sock.close()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
