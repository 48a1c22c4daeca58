# tools/unasync.py writes the sync twin of this file.
"""Work that observers hear of as one `Operation`."""

from typing import Any

from cachex_client._audience import audience
from cachex_client._telling import begin, end, origin_of
from cachex_client.observer import Operation


async def async_as_operation(cache: str, operation: str, work: Any, *arguments: Any) -> Any:
    """
    Do the work on behalf of a verb that takes several calls; observers hear of it as one.

    `cache` and `operation` are what the `Origin` will say. Returns and raises what
    `work(*arguments)` does; `async_as_operation` awaits it.
    """
    if not audience.beginners:
        return await work(*arguments)
    return await async_told(Operation(origin_of(cache, operation)), work, *arguments)


async def async_told(whole: Operation, work: Any, *arguments: Any) -> Any:
    """Do the work, and tell observers when it begins and how it ends."""
    try:
        try:
            begin(whole)
            return await work(*arguments)
        except BaseException as error:
            whole.error = error
            raise
        finally:
            end(whole)
    finally:
        end(whole)  # does nothing, unless an interrupt kept the first from telling
