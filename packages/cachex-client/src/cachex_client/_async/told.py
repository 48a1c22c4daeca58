# tools/unasync.py writes the sync twin of this file.
"""Work that observers hear of as one `Operation`."""

from typing import Any

from cachex_client.observer import Operation, begin, end


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
