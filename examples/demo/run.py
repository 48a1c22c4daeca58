"""Start the demo and keep it running until Ctrl-C, or look at it unattended with --check.

Valkey servers and a Django site, each a process of its own on a free port of this machine.
Nothing of it is left when this ends, however it ends. `python3 dev.py demo` runs it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]

from demo.check import CheckFailed, check  # noqa: E402
from demo.stage import KINDS, Stage, StageFailed  # noqa: E402

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 120
"""Seconds after which --check gives up, for each topology."""


class Ended(BaseException):
    """A signal asked us to end; `status` is what a shell expects of it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def end(number: int, frame: FrameType | None) -> NoReturn:
    for ending in ENDINGS:  # once is enough: what follows is the cleaning up
        signal.signal(ending, signal.SIG_IGN)
    raise Ended(number)


def give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise CheckFailed(f"not done after {PATIENCE} s")


def show(stage: Stage) -> None:
    """Say where to look, then wait for the end."""
    print(f"\n  cachex demo:  {stage.url}\n")
    for role, address in stage.described():
        print(f"  {role:10} {address}")
    print("\n  Ctrl-C ends it.", flush=True)
    while stage.site_is_running:
        time.sleep(0.5)
    raise StageFailed(f"the site has ended:\n{stage.site_log}")


def check_within_patience(stage: Stage) -> None:
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        check(stage)
    finally:
        signal.alarm(0)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def perform(kind: str, options: argparse.Namespace) -> int:
    """Put one topology on, show or check it, take it away; return the exit status."""
    for ending in ENDINGS:
        signal.signal(ending, end)
    started = time.monotonic()
    stage = Stage(kind, options.port)
    status = 0
    late: list[int] = []
    try:
        stage.open()
        (check_within_patience if options.check else show)(stage)
    except Ended as ended:
        status = 0 if ended.status == 128 + signal.SIGINT and not options.check else ended.status
    except (CheckFailed, StageFailed) as failure:
        print(f"\nFAILED: {failure}", file=sys.stderr)
        status = 1
    finally:
        for ending in ENDINGS:
            signal.signal(ending, lambda number, _: late.append(number))
        stage.close()
    if late and options.check and status == 0:
        status = 128 + late[0]
    left = [pid for pid in stage.pids if is_running(pid)]
    if left:
        print(f"FAILED: still running: {left}", file=sys.stderr)
        return 1
    if options.check and status == 0:
        seconds = time.monotonic() - started
        print(f"All is well, after {seconds:.1f} s; {len(stage.pids)} processes came and went.")
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="visit all of it, say what was found")
    parser.add_argument("--port", type=int, default=0, help="of the site; default: any free one")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--topology", choices=KINDS, default="replica", help="default: replica")
    which.add_argument("--all", action="store_true", help="check them all, one after the other")
    options = parser.parse_args(arguments)
    if options.all and not options.check:
        parser.error("--all needs --check; to look at one yourself, name it with --topology")
    for kind in KINDS if options.all else [options.topology]:
        if options.all:
            print(f"\n{kind}", flush=True)
        if status := perform(kind, options):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
