"""Something asynchronous with the face of its twin for threads: one test does for both."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Awaited:
    """Runs in `loop` whatever of `one` has to be awaited; results of the types `wrapped` too.

    Asynchronous iterators become lists, and `close` is `aclose`.
    """

    def __init__(
        self, one: Any, loop: asyncio.AbstractEventLoop, wrapped: tuple[type, ...] = ()
    ) -> None:
        self.one, self.loop, self._wrapped = one, loop, wrapped

    def __getattr__(self, name: str) -> Any:
        if name == "close" and hasattr(self.one, "aclose"):
            name = "aclose"
        found = getattr(self.one, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            async def main() -> Any:
                given = (one.one if isinstance(one, Awaited) else one for one in arguments)
                result = found(*given, **options)
                if inspect.isasyncgen(result):
                    return [item async for item in result]
                return await result if inspect.isawaitable(result) else result

            result = self.loop.run_until_complete(main())
            if isinstance(result, self._wrapped):
                return Awaited(result, self.loop, self._wrapped)
            return result

        return call

    def __repr__(self) -> str:
        return repr(self.one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Awaited) and self.one is other.one

    __hash__ = None  # type: ignore[assignment]


@contextmanager
def own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give an event loop that only runs when asked to; what is left in it at the end is ended."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            loop.run_until_complete(_drained())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(_drained())
            loop.close()


async def _drained() -> None:
    """Let transports of closed connections go, and whatever was still being dialled."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)
