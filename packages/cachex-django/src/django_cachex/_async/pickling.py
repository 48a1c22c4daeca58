# tools/unasync.py writes the sync twin of this file.
"""A cache whose values may ask the database while they are pickled, as lazy querysets do."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from cachex_client import AsyncCache
from django_cachex._concurrency import async_encoded
from django_cachex.fallbacks import FALLBACKS_OF_STRUCTURES


class AsyncPicklingCache(AsyncCache):
    """Makes commands in a thread of Django's where they must not be made in an event loop."""


def _pickling(name: str) -> Callable[..., Any]:
    verb = getattr(AsyncCache, name)

    @wraps(verb)
    async def pickling(self: AsyncPicklingCache, *args: Any, **kwargs: Any) -> Any:
        try:
            return await verb(self, *args, **kwargs)
        except SynchronousOnlyOperation:  # raised before anything was sent
            make = partial(getattr(self.commands, name), *args, **kwargs)
            return await self._run(name, await async_encoded(_call, make))

    return pickling


def _call(make: Callable[[], Any]) -> Any:
    return make()


for _name in FALLBACKS_OF_STRUCTURES:
    setattr(AsyncPicklingCache, _name, _pickling(_name))
