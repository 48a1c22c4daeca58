"""django-rq on the connections of a cache: real workers, with scheduler, in pools."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.processes import reap, spawn
from support.server import Server
from support.waiting import eventually

SITE = Path(__file__).with_name("queue_site.py")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("with django-redis", marks=pytest.mark.thorough),
        "without django-redis",
    ]
)
def site(request: pytest.FixtureRequest, server: Server) -> list[str]:
    """How to run the site's commands, on an empty server."""
    server.command("FLUSHALL")
    hide = "1" if request.param == "without django-redis" else "0"
    return [sys.executable, str(SITE), f"redis://127.0.0.1:{server.port}/0", hide]


def told(site: list[str], *words: str) -> str:
    """Run a command of the site and return what it printed."""
    done = subprocess.run([*site, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def at_work(site: list[str], log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have a worker run meanwhile; whatever it printed is told if the block fails."""
    worker = spawn([*site, *words], log)
    try:
        yield worker
    except BaseException:
        print(log.read_text())
        raise
    finally:
        reap(worker, 30)


def test_a_worker_does_jobs(site: list[str]) -> None:
    job = told(site, "enqueue", "7")
    told(site, "rqworker", "default", "--burst")
    assert told(site, "result", job) == "7"


def test_a_scheduler_puts_jobs_in_the_queue_when_they_are_due(
    site: list[str], tmp_path: Path
) -> None:
    with at_work(site, tmp_path / "log", "rqworker", "default", "--with-scheduler") as worker:
        job = told(site, "enqueue", "8", "0.5")
        eventually(lambda: told(site, "result", job) == "8", timeout=60)
        assert worker.poll() is None


def test_a_pool_of_workers_does_jobs(site: list[str]) -> None:
    job = told(site, "enqueue", "9")
    told(site, "rqworker-pool", "default", "--num-workers", "1", "--burst")
    assert told(site, "result", job) == "9"
