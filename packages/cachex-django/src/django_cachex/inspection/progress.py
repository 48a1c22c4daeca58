"""A bar for work that takes long, where a person is watching."""

import sys
from time import monotonic
from types import TracebackType
from typing import TextIO

WIDTH = 30
PAUSE = 0.1
"""Seconds between two drawings: a terminal may be slower than the work."""


def drawn(done: int, total: int, what: str) -> str:
    """Return the line that shows how far the work is; more than `total` counts as all of it."""
    share = min(1.0, done / total) if total > 0 else 1.0
    full = int(share * WIDTH)
    return f"{what} [{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}"


class Progress:
    """
    Shows how far the work is, on stderr, if that is a terminal; says nothing otherwise.

    `total` is an estimate. Used in a `with` block, whose end wipes the line.
    """

    def __init__(self, what: str, total: int = 0, stream: TextIO | None = None) -> None:
        self._what, self._total = what, total
        self._stream = sys.stderr if stream is None else stream
        self._shown = bool(getattr(self._stream, "isatty", bool)())
        self._done, self._next, self._width = 0, 0.0, 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            self._write("")

    def advance(self, by: int = 1) -> None:
        """Count a part of the work as done."""
        self.reach(self._done + by, self._total)

    def reach(self, done: int, total: int) -> None:
        """Say how much of how much is done."""
        self._done, self._total = done, total
        if self._shown and total > 0 and monotonic() >= self._next:
            self._next = monotonic() + PAUSE
            self._write(drawn(done, total, self._what))

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line.ljust(self._width)}\r{line}")
        self._stream.flush()
        self._width = len(line)
