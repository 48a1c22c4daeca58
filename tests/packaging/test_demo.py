"""The demo leaves nothing behind, however it ends."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import layers
from support.processes import descendants
from support.waiting import eventually

DEMO = layers.ROOT / "examples/demo/run.py"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")


@contextmanager
def demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo; end it whatever happens."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    url, printed = "", []
    for line in process.stdout:
        printed.append(line)
        if found := re.search(r"http://\S+", line):
            url = found[0]
        if "Ctrl-C" in line:
            return url
    pytest.fail(f"the demo did not start: {printed}")


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def the_site(pids: list[int]) -> int:
    (site,) = (pid for pid in pids if b"serve.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return site


@needs_proc
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),  # as in the check, below
    ],
)
def test_a_signal_ends_all_of_it(number: signal.Signals) -> None:
    with demo() as process:
        with urllib.request.urlopen(wait_for_url(process), timeout=30) as page:
            assert "<h1>" in page.read().decode()
        started = descendants(process.pid)
        assert len(started) == 4, "primary, replica, site, watchdog"
        process.send_signal(number)
        process.communicate(timeout=20)
        if number != signal.SIGKILL:
            assert process.returncode == (0 if number == signal.SIGINT else 128 + number)
        eventually(lambda: not any(map(is_running, started)), what="the end of all processes")


@pytest.mark.soak
@needs_proc
def test_a_signal_ends_all_of_it_while_a_primary_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(layers.ROOT / "examples"))
    visitor = importlib.import_module("demo.visitor")
    with demo("--topology", "cluster") as process:
        visitor = visitor.Visitor(wait_for_url(process))
        started = set(descendants(process.pid))
        assert len(started) == 8, "six nodes, site, watchdog"
        visitor.post("topology/act/", action="kill")
        eventually(
            lambda: visitor.get_json("topology/now.json")["action"]["promoted"],
            what="another primary",
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM
        eventually(lambda: not any(map(is_running, started)), what="the end of all processes")


@pytest.mark.soak
@needs_proc
def test_every_topology_passes_its_check_and_leaves_nothing_behind() -> None:
    with demo("--all", "--check") as process:
        assert process.stdout is not None
        printed, started = [], set()
        for line in process.stdout:
            printed.append(line)
            started.update(descendants(process.pid))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, "".join(printed) + errors
        for kind in ("standalone", "replica", "sentinel", "cluster"):
            assert f"{kind}\n" in printed
        assert len(started) > 20
        eventually(lambda: not any(map(is_running, started)), what="the end of all processes")


def test_all_is_for_checks_only() -> None:
    with demo("--all") as process:
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 2
        assert "--all needs --check" in errors


@needs_proc
def test_a_site_that_ends_takes_all_of_it_down() -> None:
    with demo() as process:
        wait_for_url(process)
        started = descendants(process.pid)
        os.kill(the_site(started), signal.SIGKILL)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "the site has ended" in errors
        eventually(lambda: not any(map(is_running, started)), what="the end of all processes")


@needs_proc
def test_a_signal_ends_the_check_as_well() -> None:
    with demo("--check") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        started = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM, first + rest + errors
        assert len(started) == 4, "primary, replica, site, watchdog"
        eventually(lambda: not any(map(is_running, started)), what="the end of all processes")
