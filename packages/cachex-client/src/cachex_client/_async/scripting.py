# tools/unasync.py writes the sync twin of this file.
"""Running scripts that servers know by digest."""

from typing import TypeVar

from redis.exceptions import NoScriptError

from cachex_client.commands import Scripted
from cachex_client.executor import AsyncExecutor

T = TypeVar("T")


async def async_run(client: AsyncExecutor, call: Scripted[T], *, timeout: float | None = None) -> T:
    """Run a script in one round trip, two where the server has never heard of it.

    Never sent twice by itself: a server that does not know a script says so before it has done
    anything.
    """
    try:
        return await client.execute(call.by_digest(), timeout=timeout)
    except NoScriptError:
        return await client.execute(call.by_text(), timeout=timeout)
