"""What differs between threads and event loops."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async


def encoded(encode: Callable[..., Any], *arguments: Any) -> Any:
    """Raise the error that is being handled: who is not awaited cannot leave the event loop."""
    raise


async def async_encoded(encode: Callable[..., Any], *arguments: Any) -> Any:
    """Encode a value outside the event loop, where Django lets it ask the database."""
    return await sync_to_async(encode)(*arguments)
