"""A demo from its start to its end: shown or checked, and nothing of it left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

from demo.expecting import CheckFailed, StageFailed

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 120
"""Seconds after which a check gives up."""


class Stage(Protocol):
    """What a demo consists of.

    `pids` are those of all processes that were started; `ended` is the name of one that should
    run and does not, "" if there is none; `log` is what they printed. `described` is what there is
    to look at. `close` may be called at any time.
    """

    url: str

    @property
    def pids(self) -> list[int]: ...
    @property
    def ended(self) -> str: ...
    @property
    def log(self) -> str: ...
    def open(self) -> None: ...
    def described(self) -> list[tuple[str, str]]: ...
    def close(self) -> None: ...


S = TypeVar("S", bound=Stage)


class Ended(BaseException):
    """A signal asked us to end; `status` is what a shell expects of it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def perform(stage: S, check: Callable[[S], None] | None) -> int:
    """Put a demo on, show it until Ctrl-C or check it, take it away; return the exit status."""
    for ending in ENDINGS:
        signal.signal(ending, _end)
    started = time.monotonic()
    status = 0
    late: list[int] = []
    try:
        stage.open()
        if check is None:
            _show(stage)
        else:
            _within_patience(check, stage)
    except Ended as ended:
        status = 0 if ended.status == 128 + signal.SIGINT and check is None else ended.status
    except (CheckFailed, StageFailed) as failure:
        print(f"\nFAILED: {failure}", file=sys.stderr)
        status = 1
    finally:
        for ending in ENDINGS:
            signal.signal(ending, lambda number, _: late.append(number))
        stage.close()
    if late and check is not None and status == 0:
        status = 128 + late[0]
    left = [pid for pid in stage.pids if _is_running(pid)]
    if left:
        print(f"FAILED: still running: {left}", file=sys.stderr)
        return 1
    if check is not None and status == 0:
        seconds = time.monotonic() - started
        print(f"All is well, after {seconds:.1f} s; {len(stage.pids)} processes came and went.")
    return status


def _end(number: int, frame: FrameType | None) -> NoReturn:
    for ending in ENDINGS:  # once is enough: what follows is the cleaning up
        signal.signal(ending, signal.SIG_IGN)
    raise Ended(number)


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise CheckFailed(f"not done after {PATIENCE} s")


def _show(stage: Stage) -> None:
    """Say where to look, then wait for the end."""
    print(f"\n  cachex demo:  {stage.url}\n")
    for role, address in stage.described():
        print(f"  {role:10} {address}")
    print("\n  Ctrl-C ends it.", flush=True)
    while not stage.ended:
        time.sleep(0.5)
    raise StageFailed(f"the {stage.ended} has ended:\n{stage.log}")


def _within_patience(check: Callable[[S], None], stage: S) -> None:
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE)
    try:
        check(stage)
    finally:
        signal.alarm(0)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
