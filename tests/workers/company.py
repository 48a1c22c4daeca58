"""A server, the site and the worker of examples/celery: real processes, ended by their pids."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.processes import make_folder, reap, remove_folder, spawn
from support.server import Server
from support.waiting import eventually

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples/celery"
START = 60.0
CONNECTIONS = 4
"""MAX_CONNECTIONS of the example."""


class Site:
    """The Django site; `result` waits for the worker."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def cache(self, method: str, *arguments: Any) -> Any:
        return self._ask("cache", method, *arguments)

    def lock(self, key: str) -> bool:
        return bool(self._ask("lock", key))

    def unlock(self, key: str) -> None:
        self._ask("unlock", key)

    def send(self, task: str, *arguments: Any) -> str:
        return str(self._ask("send", task, *arguments))

    def result(self, sent: str) -> Any:
        return self._ask("result", sent)

    def run(self, task: str, *arguments: Any) -> Any:
        return self.result(self.send(task, *arguments))

    def run_all(self, task: str, *arguments: Any, times: int) -> list[Any]:
        """Send a task several times, then wait for all results."""
        return [self.result(sent) for sent in [self.send(task, *arguments) for _ in range(times)]]

    def _ask(self, *words: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the site has ended"}')
        assert "error" not in answer, answer
        return answer["is"]


class Worker:
    """A worker; `pool` is one of Celery's, `concurrency` how many tasks it runs at a time."""

    def __init__(self, server: Server, pool: str, concurrency: int, python: str, app: str) -> None:
        self.pool, self.concurrency, self._server = pool, concurrency, server
        self.folder = make_folder()
        words = [python, "-W", "ignore", "-m", "celery", "-A", app, "worker"]
        words += ["--pool", pool, "--concurrency", str(concurrency), "--loglevel", "INFO"]
        with environment(server, alone=python != sys.executable):
            self.process = spawn(words, self.folder / "log")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log
            return " ready." in self.log

        eventually(ready, START, what="the worker being ready")

    def connections(self) -> list[dict[str, str]]:
        """Return the connections of its cache, as the server lists them."""
        return [one for one in self._server.clients() if one["name"] == "worker"]

    def pids(self) -> list[int]:
        """Return its own pid, and those of the processes it made."""
        pids = [self.process.pid]
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text()
            pids += map(int, children.split())
        return pids

    def stop(self) -> None:
        reap(self.process, 30.0)
        remove_folder(self.folder)


@contextlib.contextmanager
def environment(server: Server, *, alone: bool = False) -> Iterator[None]:
    """Have programs find the server and each other; `alone`, nothing but the examples."""
    path = [str(HERE), str(EXAMPLE), *([] if alone else map(os.path.abspath, sys.path))]
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    os.environ["SHOP_SERVER"] = f"redis://{server.host}:{server.port}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def open_site(server: Server) -> Iterator[Site]:
    with environment(server):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "front.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        yield Site(process)
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def at_work(
    server: Server,
    pool: str,
    concurrency: int,
    python: str = sys.executable,
    app: str = "crew",
) -> Iterator[Worker]:
    worker = Worker(server, pool, concurrency, python, app)
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        worker.stop()
