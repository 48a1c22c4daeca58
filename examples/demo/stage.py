"""What the demo consists of: servers, and the site in front of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from support.processes import make_folder, reap, remove_folder, spawn
from support.servers import Replicated, Server
from support.waiting import eventually

SITE = Path(__file__).parent / "site/serve.py"
START = 30.0
"""Seconds the site gets to start."""


class StageFailed(Exception):
    """Something did not start, or did not stay."""


class Stage:
    """The servers and the site; `close` leaves nothing behind and may be called at any time.

    `port` is the site's, 0 for a free one. `servers` are known by their roles, `pids` are
    those of all the processes that were started.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._topology = Replicated(replicas=1)
        self._site: Site | None = None
        self.servers: dict[str, Server] = {}
        self.pids: list[int] = []
        self.url = ""

    def open(self) -> None:
        """Start all of it, the site last. Raises StageFailed with what the site printed."""
        try:
            self._topology.start()
        finally:
            self.pids += [server.pid for server in self._topology.servers]
        primary, replica = self._topology.servers
        self.servers = {"primary": primary, "replica": replica}
        self._site = Site(self._topology.urls, self._port)
        self.pids.append(self._site.process.pid)
        self.url = self._site.wait_until_ready()

    def wait_until_replicated(self) -> None:
        """Wait until the replica has all that was written."""
        self._topology.wait_in_sync()

    @property
    def site_is_running(self) -> bool:
        return self._site is not None and self._site.process.poll() is None

    @property
    def site_log(self) -> str:
        return "" if self._site is None else self._site.log

    def close(self) -> None:
        if self._site is not None:
            self._site.close()
        self._topology.stop()


class Site:
    """The Django site, in a process of its own."""

    def __init__(self, urls: list[str], port: int) -> None:
        self.folder = make_folder()
        command = [sys.executable, str(SITE), "--port", str(port), *urls]
        self.process = spawn(command, self.folder / "log")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_ready(self) -> str:
        """Return the URL that the site has printed."""

        def url() -> str | None:
            if self.process.poll() is not None:
                raise StageFailed(f"the site did not start:\n{self.log}")
            found = re.search(r"^Serving (\S+)$", self.log, re.MULTILINE)
            return found and found[1]

        return eventually(url, START, what="the site being ready") or ""

    def close(self) -> None:
        reap(self.process)
        remove_folder(self.folder)
