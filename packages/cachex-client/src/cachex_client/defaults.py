"""What `get_or_set` stores where there is nothing; the one thing a coroutine may be given for."""

from inspect import isawaitable
from typing import Any


def value_of(default: Any) -> Any:
    """Return a value as it is, or call it and return what comes out."""
    return default() if callable(default) else default


async def async_value_of(default: Any) -> Any:
    """Return a value as it is, or call it and return, awaited if need be, what comes out."""
    value = value_of(default)
    return await value if isawaitable(value) else value
