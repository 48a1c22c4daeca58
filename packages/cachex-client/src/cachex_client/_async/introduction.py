# tools/unasync.py writes the sync twin of this file.
"""Learning of servers for the first time: one asks, all others wait for him."""

from random import random
from typing import Any

from cachex_client._concurrency import async_sleep, async_spawn, monotonic
from cachex_client._shared_map import SharedMap
from cachex_client._telling import tell_refreshed
from cachex_pool import DeadlineExceeded

FIRST_PAUSE = 0.001


async def async_introduce(
    map: SharedMap, ask: Any, deadline: float, *, patience: float, phase: str, longest: float
) -> None:
    """
    Wait until something is known, and `ask` unless somebody is asking for this map.

    `ask` returns what it found, or None, and the errors on the way. Who is asking is waited for no
    longer than `patience`, `longest` is the pause between two looks (seconds). Raises what the map
    says of a failure, or DeadlineExceeded in the `phase`.
    """

    async def discover() -> None:
        found, started = None, monotonic()
        try:
            found, errors = await ask()
        except Exception as error:
            errors = [error]
        except BaseException:  # the end of a caller, or of his loop, and not of the servers
            map.left_off()
            raise
        map.introduced(found, errors, monotonic(), random())
        tell_refreshed(map.name, "first", started, found, errors)

    before = map.failures
    pause = FIRST_PAUSE
    while not map.known():
        if map.failures != before:
            raise map.failure()
        if map.may_introduce(monotonic(), patience):
            async_spawn(discover, needed=True)
        left = deadline - monotonic()
        if left <= 0:
            raise DeadlineExceeded(map.name, phase, written=False)
        await async_sleep(min(pause, left))
        pause = min(2 * pause, longest)
