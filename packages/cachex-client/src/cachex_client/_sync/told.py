# Written by tools/unasync.py from _async/told.py: edit that file instead.
"""Work that observers hear of as one `Operation`."""

from typing import Any

from cachex_client.observer import Operation, begin, end


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
