# Written by tools/unasync.py from _async/scripting.py: edit that file instead.
"""Running scripts that servers know by digest."""

from typing import TypeVar

from redis.exceptions import NoScriptError

from cachex_client._audience import audience
from cachex_client.commands import Scripted
from cachex_client.executor import Executor
from cachex_client.observer import Origin

T = TypeVar("T")


def run(
    client: Executor,
    call: Scripted[T],
    origin: Origin | None = None,
    *,
    timeout: float | None = None,
) -> T:
    """Run a script in one round trip, two where the server has never heard of it.

    Never sent twice by itself: a server that does not know a script says so before it has done
    anything. `origin` is the verb on whose behalf it runs.
    """
    command = call.by_digest()
    if audience.observers:
        command.origin = origin
    try:
        return client.execute(command, timeout=timeout)
    except NoScriptError:
        command = call.by_text()
        command.origin = origin
        return client.execute(command, timeout=timeout)
