"""Errors that tell nothing of the arguments they were caused by: these may be secrets."""

from collections.abc import Callable
from functools import wraps
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
    everything. The function's own arguments are forgotten as well.
    """
    kinds = errors or (ConfigurationError,)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def without_traces(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except kinds as error:
                failed = error
            del args, kwargs
            failed.__traceback__ = failed.__context__ = failed.__cause__ = None
            try:
                raise failed
            finally:
                del failed  # its traceback refers to this frame

        return without_traces

    return decorate
