"""Wait for a condition instead of for a time, and know how long a time is here."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T],
    timeout: float = 10.0,
    *,
    interval: float = 0.01,
    what: str = "",
    ignore: tuple[type[BaseException], ...] = (),
) -> T:
    """Call `condition` until it returns something true, and return that.

    `timeout` and `interval` are seconds. Exceptions named in `ignore` count as "not yet".
    Raises AssertionError, naming `what`, the last result and the last exception.
    """
    deadline = time.monotonic() + timeout
    result: object = None
    error: BaseException | None = None
    while True:
        try:
            if result := condition():
                return result
            error = None
        except ignore as caught:
            error = caught
        if time.monotonic() >= deadline:
            what = what or getattr(condition, "__qualname__", "the condition")
            raise AssertionError(
                f"{what} did not come true within {timeout} s; last result {result!r}"
            ) from error
        time.sleep(interval)


class Pulse:
    """Measures in a `with` block how late a thread may be on this machine: `worst`, in seconds.

    For tests that say how long something takes at most: other programs want the processor, too.
    """

    def __init__(self, every: float = 0.01) -> None:
        self._worst, self._before = 0.0, time.monotonic()
        self._every, self._end = every, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def worst(self) -> float:
        return max(self._worst, 0.0 if self._end.is_set() else self._late())

    def _late(self) -> float:
        return time.monotonic() - self._before - self._every

    def _beat(self) -> None:
        while not self._end.wait(self._every):
            self._worst = max(self._worst, self._late())
            self._before = time.monotonic()

    def __enter__(self) -> Self:
        self._before = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        worst = self.worst  # with the beat that is being waited for, which may be the late one
        self._end.set()
        self._thread.join()
        self._worst = max(self._worst, worst)


@contextlib.contextmanager
def lasting(least: float, most: float | None = None) -> Iterator[None]:
    """Check that a block takes at least so many seconds, and hardly more, or at most `most`.

    10 % more is allowed, and what this machine kept a thread waiting meanwhile.
    """
    with Pulse() as pulse:
        started = time.monotonic()
        yield
        took = time.monotonic() - started
    limit = (least if most is None else most) * 1.1 + 0.03 + 3 * pulse.worst
    assert least * 0.999 <= took <= limit, f"it took {took:.3f} s, not {least} to {limit:.3f} s"
