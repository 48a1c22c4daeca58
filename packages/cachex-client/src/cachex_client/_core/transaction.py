"""What the replies of MULTI ... EXEC mean."""

from collections.abc import Sequence
from typing import Any

import attrs
from redis.exceptions import ExecAbortError, WatchError


@attrs.frozen(slots=True)
class Refusal:
    """Nothing was done: `error` says why, `position` which command it is about, or -1."""

    error: Exception
    position: int = -1


def settle(replies: Sequence[Any]) -> list[Any] | Refusal:
    """
    Return the result of each command, errors in place, or why there is none.

    `replies` are those to MULTI, to each command as it is queued, and to EXEC.
    """
    last = replies[-1]
    if last is None:
        return Refusal(WatchError("Watched variable changed."))
    if not isinstance(last, Exception):
        return list(last)
    if isinstance(last, ExecAbortError):
        for position, reply in enumerate(replies[:-1], -1):
            if isinstance(reply, Exception):
                return Refusal(reply, position)
    return Refusal(last)
