"""Errors that tell nothing of the arguments they were caused by: these may be secrets."""

import sys
from collections.abc import Callable
from functools import wraps
from traceback import clear_frames
from typing import ParamSpec, TypeVar

from cachex_pool.errors import ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")


def keeps_secrets(
    *errors: type[Exception],
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """
    Have a function raise `errors`, ConfigurationError if none is named, without what led to them.

    Error pages and error trackers show the local variables of all functions that an error passed
    through, and what it was raised from. Of such an error only the text is left, which has to say
    everything. Any other keeps its cause and the lines it came from, but no local variable. The
    function's own arguments are forgotten as well.
    """
    kinds = errors or (ConfigurationError,)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def without_traces(*args: P.args, **kwargs: P.kwargs) -> T:
            before = sys.exception()
            try:
                return function(*args, **kwargs)
            except kinds as error:
                failed: Exception = error
                failed.__traceback__ = failed.__context__ = failed.__cause__ = None
            except Exception as error:
                failed = error
                forget_variables(failed, before)
            del args, kwargs
            try:
                raise failed
            finally:
                del failed, before  # its traceback refers to this frame

        return without_traces

    return decorate


def forget_variables(error: BaseException, before: BaseException | None) -> None:
    """
    Empty the frames that an error, and what led to it, came through.

    `before` is what was handled when the work began: it is the caller's, and so are its frames,
    some of which may be coroutines that wait, which would end.
    """
    several: list[BaseException | None] = [error]
    seen = {id(before)}
    while several:
        one = several.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            clear_frames(one.__traceback__)
            several += (one.__cause__, one.__context__)
