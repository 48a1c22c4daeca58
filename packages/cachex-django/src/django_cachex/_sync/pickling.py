# Written by tools/unasync.py from _async/pickling.py: edit that file instead.
"""A cache whose values may ask the database while they are pickled, as lazy querysets do."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from cachex_client import Cache
from django_cachex._concurrency import encoded
from django_cachex.fallbacks import FALLBACKS_OF_STRUCTURES


class PicklingCache(Cache):
    """Makes commands in a thread of Django's where they must not be made in an event loop."""


def _pickling(name: str) -> Callable[..., Any]:
    verb = getattr(Cache, name)

    @wraps(verb)
    def pickling(self: PicklingCache, *args: Any, **kwargs: Any) -> Any:
        try:
            return verb(self, *args, **kwargs)
        except SynchronousOnlyOperation:  # raised before anything was sent
            make = partial(getattr(self.commands, name), *args, **kwargs)
            return self._run(name, encoded(_call, make))

    return pickling


def _call(make: Callable[[], Any]) -> Any:
    return make()


for _name in FALLBACKS_OF_STRUCTURES:
    setattr(PicklingCache, _name, _pickling(_name))
