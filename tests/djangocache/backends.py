"""Our backend, driven through its asynchronous half by tests that know only the synchronous one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

from asgiref.sync import async_to_sync

from django_cachex.cache import RedisCache

VERBS = """
    add clear decr decr_version delete delete_many get get_many get_or_set has_key incr
    incr_version set set_many touch
""".split()


class FreshLoops(RedisCache):
    """Runs each call in an event loop of its own, as a WSGI server runs asynchronous code."""

    def __contains__(self, key: Any) -> bool:
        return bool(self.has_key(key))

    def run(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return async_to_sync(getattr(self, f"a{verb}"))(*args, **kwargs)


class OneLoop(FreshLoops):
    """Runs all calls in the same event loop and context, as one task of an ASGI server would."""

    loop: asyncio.AbstractEventLoop | None = None
    context: contextvars.Context

    def run(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        assert self.loop is not None
        call: Coroutine[Any, Any, Any] = getattr(self, f"a{verb}")(*args, **kwargs)
        return self.loop.run_until_complete(self.loop.create_task(call, context=self.context))

    @classmethod
    def open_loop(cls) -> None:
        cls.loop = asyncio.new_event_loop()
        cls.context = contextvars.copy_context()

    @classmethod
    def close_loop(cls) -> None:
        assert cls.loop is not None
        left = asyncio.all_tasks(cls.loop)  # a look at the topology, for example
        for task in left:
            task.cancel()
        cls.loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
        cls.loop.run_until_complete(cls.loop.shutdown_asyncgens())
        cls.loop.close()
        cls.loop = None


def _through_async(verb: str) -> Any:
    def call(self: FreshLoops, *args: Any, **kwargs: Any) -> Any:
        return self.run(verb, *args, **kwargs)

    call.__name__ = verb
    return call


for _verb in VERBS:
    setattr(FreshLoops, _verb, _through_async(_verb))
