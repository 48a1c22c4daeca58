# Written by tools/unasync.py from _async/scripting.py: edit that file instead.
"""Running scripts that servers know by digest."""

from typing import TypeVar

from redis.exceptions import NoScriptError

from cachex_client.commands import Scripted
from cachex_client.executor import Executor

T = TypeVar("T")


def run(client: Executor, call: Scripted[T], *, timeout: float | None = None) -> T:
    """Run a script in one round trip, two where the server has never heard of it.

    Never sent twice by itself: a server that does not know a script says so before it has done
    anything.
    """
    try:
        return client.execute(call.by_digest(), timeout=timeout)
    except NoScriptError:
        return client.execute(call.by_text(), timeout=timeout)
