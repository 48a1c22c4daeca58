"""How long a value lives: seconds as callers say it, milliseconds as servers are told."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias


class Default(Enum):
    """The type of `DEFAULT`, which stands for the timeout of the cache itself."""

    DEFAULT = "the cache's own timeout"

    def __repr__(self) -> str:
        return self.name


DEFAULT: Final = Default.DEFAULT

NEVER_ENDS: Final = -1
"""What a server says of a key without an end."""
PER_SECOND: Final = 1
PER_MILLISECOND: Final = 1000

Timeout: TypeAlias = float | timedelta | Default | None
"""Seconds, None for ever, or `DEFAULT`. 0 and less mean that a value has ended already."""


def milliseconds(timeout: float | timedelta) -> int:
    """Return a timeout in whole milliseconds: 0 if it is over, else at least 1."""
    if isinstance(timeout, timedelta):
        timeout = timeout.total_seconds()
    try:
        if timeout > 0:
            return max(1, round(timeout * 1000))
        if timeout <= 0:
            return 0
    except TypeError:
        raise TypeError(f"a timeout is a number of seconds here, not {timeout!r}") from None
    except OverflowError:
        raise ValueError(
            "a timeout is finite; None is for ever where there is that choice"
        ) from None
    raise ValueError(f"a timeout is a number of seconds, not {timeout!r}")


def ending(px: int | None) -> int:
    """Return in how many milliseconds a key is to end; TypeError if it never would."""
    if px is None:
        raise TypeError(
            "expire needs a number of seconds, not None, nor a cache whose own timeout is None:"
            " persist(key) and touch(key, None) let a key never end"
        )
    return px


def seconds(timeout: float | timedelta | None) -> float | None:
    """Return a timeout in seconds, and None for None; TypeError for what is no time at all."""
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if timeout is None or isinstance(timeout, (int, float)):
        return timeout
    raise TypeError(f"a timeout is a number of seconds here, not {timeout!r}")


def unix_milliseconds(when: float | datetime, per_second: int) -> int:
    """Return a point in time, a date or a number of ticks, in Unix milliseconds.

    A date without a time zone is local time, as everywhere in Python.
    """
    if isinstance(when, datetime):
        return round(when.timestamp() * 1000)
    try:
        return round(when * 1000 / per_second)
    except TypeError:
        raise TypeError(f"a point in time is a datetime or a Unix time, not {when!r}") from None
