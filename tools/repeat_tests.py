"""Run `dev.py test` several times in a row, and say which tests failed how often.

    python3 tools/repeat_tests.py                   ten times
    python3 tools/repeat_tests.py -n 5 --busy 2     five times, beside two busy loops
    python3 tools/repeat_tests.py tests/pool -k tls  arguments that it does not know go to pytest

The exit status is 0 only if every run passed. The output of runs that failed stays in
.cache/repeat/.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / ".cache/repeat"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - .*)?$", re.MULTILINE)


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def run_once(number: int, arguments: list[str]) -> tuple[int, list[str]]:
    """Run the tests once; return the exit status and the tests that failed."""
    started = time.monotonic()
    command = [sys.executable, str(ROOT / "dev.py"), "test", "-q", "-rfE", *arguments]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = run.stdout.decode(errors="replace")
    if run.returncode:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / f"run-{number}.log").write_text(text)
    last = text.strip().rpartition("\n")[2].strip("= ")
    print(f"run {number}: {last} ({time.monotonic() - started:.0f} s)", flush=True)
    return run.returncode, FAILED.findall(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--times", type=int, default=10, help="how many runs (10)")
    parser.add_argument("--busy", type=int, default=0, help="how many busy loops beside (0)")
    chosen, arguments = parser.parse_known_args()
    failures: Counter[str] = Counter()
    failed_runs = 0
    with busy_loops(chosen.busy):
        for number in range(1, chosen.times + 1):
            status, failed = run_once(number, arguments)
            failed_runs += status != 0
            failures.update(failed)
    for test, times in failures.most_common():
        print(f"failed {times} times: {test}")
    print(f"{chosen.times - failed_runs} of {chosen.times} runs passed")
    return 1 if failed_runs else 0


if __name__ == "__main__":
    sys.exit(main())
