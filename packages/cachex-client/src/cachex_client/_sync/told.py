# Written by tools/unasync.py from _async/told.py: edit that file instead.
"""Work that observers hear of as one `Operation`."""

from typing import Any

from cachex_client._audience import audience
from cachex_client._telling import begin, end, origin_of
from cachex_client.observer import Operation


def as_operation(cache: str, operation: str, work: Any, *arguments: Any) -> Any:
    """
    Do the work on behalf of a verb that takes several calls; observers hear of it as one.

    `cache` and `operation` are what the `Origin` will say. Returns and raises what
    `work(*arguments)` does; `as_operation` awaits it.
    """
    if not audience.beginners:
        return work(*arguments)
    return told(Operation(origin_of(cache, operation)), work, *arguments)


def told(whole: Operation, work: Any, *arguments: Any) -> Any:
    """Do the work, and tell observers when it begins and how it ends."""
    try:
        try:
            begin(whole)
            return work(*arguments)
        except BaseException as error:
            whole.error = error
            raise
        finally:
            end(whole)
    finally:
        end(whole)  # does nothing, unless an interrupt kept the first from telling
