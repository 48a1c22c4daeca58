"""The servers that a run talks to: one from the start, a cluster and TLS once they are wanted."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from support.server import Server
from support.servers import Cluster


class Servers:
    """Starts servers; they end with `closing`."""

    def __init__(self, closing: contextlib.ExitStack) -> None:
        self._closing = closing
        self._server = closing.enter_context(Server())

    @property
    def port(self) -> int:
        return self._server.port

    @cached_property
    def version(self) -> str:
        info = self._server.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info[f'{name}_version']}"

    def cluster(self) -> list[str]:
        """Return the URLs of a cluster of three primaries with a replica each, started once."""
        return self._cluster

    def tls(self) -> tuple[int, str]:
        """Return port and CA file of a process that ends TLS in front of the server."""
        return self._tls

    @cached_property
    def _cluster(self) -> list[str]:
        return list(self._closing.enter_context(Cluster()).urls)

    @cached_property
    def _tls(self) -> tuple[int, str]:
        program = str(Path(__file__).with_name("tls_side.py"))
        side = subprocess.Popen(
            [sys.executable, program, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._closing.callback(side.communicate)  # closes its input, which ends it
        assert side.stdout is not None
        port, ca = side.stdout.readline().split()
        return int(port), ca
