"""Wait for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

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
