"""Work that takes long, cut into slices so that an event loop comes round in between."""

import asyncio
import sys
from time import monotonic
from typing import Any

TURN_S = 0.002
"""Seconds of work after which the others of an event loop have their turn."""
DROPPED = 2000
"""How many objects are let go of at a time."""


class Pacer:
    """Threads need no pauses: Python gives the others their turn. Nothing is cut for them."""

    HUGE = sys.maxsize

    def pause(self) -> None:
        """Do nothing."""

    def drop(self, *lists: list[Any]) -> None:
        """Do nothing: lists end by themselves."""


class AsyncPacer:
    """Gives the other tasks of the event loop their turn while one works."""

    HUGE = 2000
    """Work on more keys or commands than these is cut into slices."""

    def __init__(self) -> None:
        self._began = monotonic()

    async def pause(self) -> None:
        """Let the loop go round, if it has not for TURN_S seconds."""
        if monotonic() - self._began >= TURN_S:
            await asyncio.sleep(0)
            self._began = monotonic()

    async def drop(self, *lists: list[Any]) -> None:
        """Empty lists slice by slice: freeing a million objects takes a tenth of a second."""
        for one in lists:
            while one:
                del one[-DROPPED:]
                await self.pause()
