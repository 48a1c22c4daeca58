"""The traced demo: what the receivers got is what was done."""

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
from typing import Any

import pytest

import layers
from support.processes import descendants
from support.waiting import eventually

DEMO = layers.ROOT / "examples/demo/run.py"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")


@contextmanager
def demo(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run the traced demo; end it whatever happens."""
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--traced", *arguments],
        env={**os.environ, "PYTHONPATH": path, **variables},
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


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.soak
@needs_proc
def test_everything_arrives_and_nothing_is_left_behind() -> None:
    with demo("--check") as process:
        assert process.stdout is not None
        printed, started = [], set()
        for line in process.stdout:
            printed.append(line)
            started.update(descendants(process.pid))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, "".join(printed) + errors
        assert "All is well" in printed[-1]
        assert len(started) >= 13, "6 nodes, broker, watchdog, 2 receivers, site, worker and its 2"
        eventually(lambda: gone(started), 20, what="the end of all processes")


@pytest.mark.soak
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_of_it(number: signal.Signals) -> None:
    """Not even what a worker has forked outlives it, that was killed itself."""
    with demo() as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(printed)
        for what in ("site", "traces", "metrics", "alerts"):  # all of them can be looked at
            address = re.search(rf"^ +{what} +(http://\S+)$", text, re.MULTILINE)
            assert address, text
            with urllib.request.urlopen(address[1], timeout=30) as page:
                assert page.status == 200
        started = set(descendants(process.pid))
        assert len(started) >= 13
        process.send_signal(number)
        process.communicate(timeout=60)
        if number != signal.SIGKILL:
            assert process.returncode == (0 if number == signal.SIGINT else 128 + number)
        eventually(lambda: gone(started), 30, what="the end of all processes")


@pytest.mark.parametrize("program", ["node", "npm"])
def test_what_is_missing_is_said(program: str, tmp_path: Path) -> None:
    put(tmp_path, *{"node", "npm"} - {program})
    with demo("--check", PATH=str(tmp_path)) as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"FAILED: {program} is missing" in errors


# Fetching


def put(folder: Path, *programs: str, does: str = "exit 0") -> None:
    """Put programs into a folder that do next to nothing."""
    for program in programs:
        (folder / program).write_text(f"#!/bin/sh\n{does}\n")
        (folder / program).chmod(0o755)


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, on a machine that has fetched nothing and has no programs but its own."""
    monkeypatch.syspath_prepend(str(layers.ROOT / "examples"))
    module = importlib.import_module("observability.fetching")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    return module


def test_without_npms_registry_there_is_no_receiver(fetching: Any, tmp_path: Path) -> None:
    put(tmp_path / "bin", "node")
    put(tmp_path / "bin", "npm", does="echo no network >&2; exit 1")
    with pytest.raises(fetching.Missing, match=r"npm cannot install @elastic.*\n.*no network"):
        fetching.receiver()


@pytest.mark.parametrize("program", ["apt-get", "dpkg-deb"])
def test_without_debians_tools_prometheus_has_to_be_there(
    fetching: Any, program: str, tmp_path: Path
) -> None:
    put(tmp_path / "bin", *{"apt-get", "dpkg-deb"} - {program})
    with pytest.raises(fetching.Missing, match=f"prometheus is missing, and so is {program}"):
        fetching.prometheus()
    put(tmp_path / "bin", "prometheus")
    with pytest.raises(fetching.Missing, match="prometheus is missing"):  # promtool is, too
        fetching.prometheus()
    put(tmp_path / "bin", "promtool")
    assert fetching.prometheus() == (tmp_path / "bin/prometheus", tmp_path / "bin/promtool")


def test_without_debians_archive_there_is_no_prometheus(fetching: Any, tmp_path: Path) -> None:
    put(tmp_path / "bin", "dpkg-deb")
    put(tmp_path / "bin", "apt-get", does="echo no network >&2; exit 1")
    with pytest.raises(fetching.Missing, match=r"apt-get cannot fetch prometheus.*\n.*no network"):
        fetching.prometheus()


def test_half_a_package_is_no_prometheus(fetching: Any, tmp_path: Path) -> None:
    put(tmp_path / "bin", "apt-get", does="echo > prometheus_1.deb")
    put(tmp_path / "bin", "dpkg-deb")
    with pytest.raises(fetching.Missing, match=r"cannot unpack prometheus_1\.deb"):
        fetching.prometheus()


@pytest.mark.soak
def test_the_alerts_fire_when_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(layers.ROOT / "examples"))
    _, promtool = importlib.import_module("observability.fetching").prometheus()
    folder = layers.ROOT / "examples/observability"
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run([promtool, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
