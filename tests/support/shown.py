"""What error pages and error trackers would show of an error."""

from __future__ import annotations

import traceback
from collections.abc import Iterator


def shown_by(error: BaseException, *, within: str = "cachex") -> str:
    """Return all text of an error, of what led to it, and of the local variables of our frames.

    `within` is in the names of the files whose frames count: not those of the test, nor Django's.
    """
    return "\n".join(_texts(error, within, set()))


def _texts(error: BaseException | None, within: str, seen: set[int]) -> Iterator[str]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error), repr(error.args), repr(error.__dict__))
    yield from getattr(error, "__notes__", ())
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if within in name and "/tests/" not in name:
            for local, value in frame.f_locals.items():
                yield f"{name}:{line} {local} = {_repr(value)}"
    yield from _texts(error.__cause__, within, seen)
    yield from _texts(error.__context__, within, seen)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # of an object that is not whole yet
        return f"<{error!r}>"
