# Written by tools/unasync.py from _async/aim.py: edit that file instead.
"""Where a command goes next, and what came from there."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs
from redis.exceptions import AskError

from cachex_client._concurrency import monotonic
from cachex_client._links import Link
from cachex_pool import PoolError, pack

ASKING = pack(("ASKING",))


@attrs.define(eq=False, slots=True)
class Aim:
    """Where a command goes next, and what was tried for it so far."""

    link: Link
    share: int = 1  # servers that are left to try, this one included
    asking: bool = False
    pause: bool = False
    patient: bool = False  # the server turned the command away for now, and is waited for
    redirects: int = 0  # that the call has followed so far
    redirected: bool = False  # the last of them led here
    fixed: bool = False  # this server or none
    tried: tuple[Link, ...] = ()
    heir_of: Link | None = None  # the silent primary whose replica is asked in its stead
    cause: Exception | None = None  # why the heir is asked
    written: bool = False  # whether a server may have seen the command before
    moved_by: Link | None = None  # the server whose MOVED led here
    size: int = 0  # bytes written, for observers

    def until(self, deadline: float) -> float:
        """Leave time for the servers that would be asked after this one."""
        if self.share <= 1:
            return deadline
        now = monotonic()
        return now + (deadline - now) / self.share


Group: TypeAlias = tuple[Aim | None, Sequence[int]]
"""Who is asked for the commands at these positions; None: nobody can answer them."""

Came: TypeAlias = tuple[Aim | None, Sequence[int], list[Any]]
"""What one server answered: to the commands at these positions, these replies or errors."""


def first_cause(error: Exception, aim: Aim) -> Exception:
    """
    Return what a primary's silence was, if all its replica said is that it is still none.

    What was written in an earlier attempt was written, whatever became of the last one.
    """
    if aim.cause is not None and aim.heir_of is not None and isinstance(error, AskError):
        error = aim.cause
    if aim.written and isinstance(error, PoolError):
        error.written = True
    return error
