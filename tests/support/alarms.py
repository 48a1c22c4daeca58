"""Signal handlers that raise, at any point of what the main thread does."""

from __future__ import annotations

import gc
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Killed(BaseException):
    """As KeyboardInterrupt."""


class Hurried(Exception):
    """As Celery's SoftTimeLimitExceeded."""


KINDS: tuple[type[BaseException], ...] = (Killed, Hurried, TimeoutError)


class Alarm:
    """Raises something in the main thread, at some time soon."""

    def __init__(self, dice: random.Random) -> None:
        self._ringing = False
        self._dice = dice
        self._before = signal.signal(signal.SIGALRM, self._ring)

    def interrupt(self, work: Callable[[], object]) -> None:
        """Do the work again and again until it is interrupted: raises one of KINDS.

        Returns if what was raised did not get that far, from a finalizer for example.
        """
        # Call it in a `try` of its own: where a loop jumps back, no `try` around it may see that.
        self._ringing = True
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + self._dice.random() * 4e-4)
        while self._ringing:
            work()

    def _ring(self, *_: object) -> None:
        if self._ringing:
            self._ringing = False
            raise self._dice.choice(KINDS)("at any time")

    def stop(self) -> None:
        self._ringing = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


@contextmanager
def alarm(dice: random.Random) -> Iterator[Alarm]:
    """Give an Alarm. What it raises while garbage is collected cannot reach anybody: be silent."""
    clock = Alarm(dice)
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield clock
    finally:
        clock.stop()
        gc.collect()
        sys.unraisablehook = hook
