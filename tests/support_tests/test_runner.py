"""How the tests are run: who fails for what is left open, and who runs alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

LEAKS = {
    "socket": "import socket; kept = [socket.socket()]; kept.append(kept)",
    "loop": "import asyncio; loop = asyncio.new_event_loop(); loop.me = loop",
    "thread": "import threading as t; t.Thread(target=t.Event().wait, args=(9,)).start()",
    "task": """import asyncio
    async def main(): asyncio.get_running_loop().create_task(asyncio.sleep(9))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    del loop""",
}


def run(tmp_path: Path, text: str, *arguments: str) -> str:
    """Run tests with the repository's conftest; return what pytest printed."""
    file = tmp_path / "test_written.py"
    file.write_text(text)
    words = ["-m", "pytest", "-p", "conftest", "-c", str(ROOT / "pyproject.toml"), "-v", str(file)]
    done = subprocess.run(
        [sys.executable, *words, "-o", f"cache_dir={tmp_path}", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("what", LEAKS)
def test_the_test_that_leaves_something_open_fails_and_not_the_next(
    tmp_path: Path, what: str
) -> None:
    text = f"def test_leaks():\n    {LEAKS[what]}\n\ndef test_next():\n    pass\n"
    printed = run(tmp_path, text)
    assert re.search(r"test_leaks ERROR", printed), printed
    assert re.search(r"test_next PASSED", printed), printed


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_tests_that_measure_time_run_after_the_others_one_for_each_processor(
    tmp_path: Path, count: int
) -> None:
    pytest.importorskip("xdist")
    text = """
import os, time, pytest

def note(what):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{what} {os.environ['PYTEST_XDIST_WORKER']}\\n")

@pytest.mark.timing
@pytest.mark.parametrize("n", range(COUNT))
def test_timing(n):
    note("timing")

@pytest.fixture(scope="session", autouse=True)
def servers():
    yield
    note("end")

@pytest.mark.parametrize("n", range(12))
def test_other(n):
    time.sleep(0.05 * (1 + n % 3))
    note("other")
""".replace("COUNT", str(count))
    notes = tmp_path / "notes"
    os.environ["NOTES"] = str(notes)
    try:
        printed = run(tmp_path, text, "-n", "3", "--dist", "loadgroup")
    finally:
        del os.environ["NOTES"]
    assert f"{12 + count} passed" in printed, printed
    kinds, workers = zip(*(line.split() for line in notes.read_text().splitlines()), strict=True)
    assert kinds.count("end") == 3
    assert kinds.count("timing") == count
    if count:
        first = kinds.index("timing")
        assert "other" not in kinds[first:]
        measuring = [
            worker for kind, worker in zip(kinds, workers, strict=True) if kind == "timing"
        ]
        assert len(set(measuring)) <= 2
        assert kinds[:first].count("end") >= 3 - min(2, count)
    assert len(set(workers)) == 3
