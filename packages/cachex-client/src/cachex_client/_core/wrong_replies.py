"""Replies of a type that their command never gives: one error for all of them.

A faulty server or proxy may answer with a well-formed reply that belongs to another command. The
functions that read replies expect an honest server; where they stumble, `reads` says what came
and what was due. No value, key or member is quoted.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from cachex_pool import ProtocolError

F = TypeVar("F", bound=Callable[..., Any])

MISREAD = (TypeError, ValueError, LookupError, AttributeError, OverflowError)
"""What reading a reply of another type raises; UnicodeDecodeError is a ValueError."""


def wrong_reply(reply: Any, due: str) -> ProtocolError:
    """Return the error that says what came where something else was due."""
    return ProtocolError("the server", f"{type(reply).__name__} in place of {due}")


def wrong_list(reply: Any, count: int | None = None) -> ProtocolError | None:
    """Return the error that says what is wrong where a list of `count` values was asked for."""
    if isinstance(reply, list | tuple):
        if count is None or len(reply) == count:
            return None
        return ProtocolError("the server", f"{len(reply)} in place of {count} values")
    return wrong_reply(reply, "a list of values")


def as_reply_to(command: str, error: ProtocolError) -> ProtocolError:
    """Add to an error about a reply which command it is the reply to."""
    error.args = (f"{error}, as the reply to {command}",)
    return error


def reads(due: str) -> Callable[[F], F]:
    """Decorate a function that reads a reply, its first argument: `due` is what it expects.

    Only for functions that call no code of a user's, as what that raises would be hidden. A codec
    is none: its errors are none of those.
    """

    def decorate(read: F) -> F:
        @wraps(read)
        def checked(reply: Any) -> Any:
            try:
                return read(reply)
            except MISREAD as error:
                raise wrong_reply(reply, due) from error

        @wraps(read)
        def checked_with(reply: Any, *more: Any) -> Any:
            try:
                return read(reply, *more)
            except MISREAD as error:
                raise wrong_reply(reply, due) from error

        # Arguments that are not known beforehand cost as much as all the rest.
        return cast(F, checked if read.__code__.co_argcount == 1 else checked_with)

    return decorate
