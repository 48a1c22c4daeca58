"""The traced demo: what the receivers got is what was done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import layers
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


def of_the_demo(pid: int) -> list[int]:
    """Return what a process has started, and those have, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        parents[int(name.split()[0])] = int(rest.split()[1])
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


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
            started.update(of_the_demo(process.pid))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, "".join(printed) + errors
        assert "All is well" in printed[-1]
        assert len(started) >= 13, "6 nodes, broker, watchdog, 2 receivers, site, worker and its 2"
        eventually(lambda: gone(started), 20, what="the end of all processes")


@pytest.mark.soak
@needs_proc
def test_a_kill_ends_all_of_it() -> None:
    """Not even what a killed worker has forked outlives it."""
    with demo() as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        started = set(of_the_demo(process.pid))
        assert len(started) >= 13, "".join(printed)
        process.kill()
        eventually(lambda: gone(started), 30, what="the end of all processes")


@pytest.mark.parametrize("program", ["node", "npm"])
def test_what_is_missing_is_said(program: str, tmp_path: Path) -> None:
    for other in {"node", "npm"} - {program}:
        (tmp_path / other).write_text("#!/bin/sh\n")
        (tmp_path / other).chmod(0o755)
    with demo("--check", PATH=str(tmp_path)) as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"FAILED: {program} is missing" in errors
