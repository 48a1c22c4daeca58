"""uWSGI forks in C, behind Python's back: its workers share nothing that the cache has opened."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.processes import make_folder, reap, remove_folder, spawn
from support.server import Server
from support.waiting import eventually

pytest.importorskip("pyuwsgi", reason="there is no pyuwsgi for this system")

MODES = {
    "prefork": (),
    "prefork-with-threads": ("--enable-threads", "--threads", "4"),
    "lazy-apps": ("--lazy-apps",),
}
USERS, REQUESTS = 24, 25
START = """
import os, sys, pyuwsgi
os.environ["SITE_SERVER"] = sys.argv[1]
sys.path[:] = sys.argv[2].split(os.pathsep)
pyuwsgi.run(sys.argv[3:])
"""
SITE = Path(__file__).with_name("uwsgi_site.py")


class Visit(http.client.HTTPConnection):
    """A connection to a site that listens on a Unix socket."""

    def __init__(self, where: Path) -> None:
        super().__init__("site", timeout=60)
        self._where = where

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._where))


def get(where: Path, path: str, cookie: str = "") -> tuple[str, str]:
    """Return a page, and the cookie that came with it."""
    visit = Visit(where)
    try:
        visit.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        reply = visit.getresponse()
        page = reply.read().decode()
        assert reply.status == 200, page
        return page, (reply.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        visit.close()


@contextmanager
def site(server: Server, *mode: str) -> Iterator[Path]:
    """Run the site with three workers; yield the socket on which it listens."""
    folder = make_folder()
    where, log = folder / "socket", folder / "log"
    words = ["--master", "--processes", "3", "--need-app", "--die-on-term", "--disable-logging"]
    words += ["--http-socket", str(where), "--wsgi-file", str(SITE)]
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    process = spawn([sys.executable, "-c", START, server.url, path, *words, *mode], log)

    def works() -> bool:  # with lazy apps, each worker loads the site for itself
        assert process.poll() is None, log.read_text()
        written, loaded = log.read_text(), 3 if "--lazy-apps" in mode else 1
        ready = written.count("WSGI app 0 (mountpoint='') ready") >= loaded
        return ready and written.count("spawned uWSGI worker ") == 3

    try:
        eventually(works, 60)
        yield where
    finally:
        reap(process, 30)
        remove_folder(folder)


@pytest.mark.parametrize(
    "mode",
    [
        mode if mode == "prefork" else pytest.param(mode, marks=pytest.mark.thorough)
        for mode in MODES
    ],
)
def test_each_user_of_a_site_under_uwsgi_gets_their_own_session(server: Server, mode: str) -> None:
    def visit(user: int) -> list[tuple[str, str]]:
        _, cookie = get(where, f"/enter?who=user-{user}")
        pages = [get(where, "/who", cookie)[0] for _ in range(REQUESTS)]
        return [(whose, worker) for whose, worker in map(str.split, pages)]

    def all_have_visited() -> bool:
        seen = list(threads.map(visit, range(USERS)))
        own = sum(whose == f"user-{user}" for user, pages in enumerate(seen) for whose, _ in pages)
        assert own == USERS * REQUESTS
        workers.update(worker for pages in seen for _, worker in pages)
        return len(workers) > 1

    workers: set[str] = set()
    with site(server, *MODES[mode]) as where, ThreadPoolExecutor(8) as threads:
        eventually(all_have_visited, 60, what="answers of more than one worker")
