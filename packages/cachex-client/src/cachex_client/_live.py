"""Which clients there are in this process."""

from typing import Any
from weakref import WeakSet

from cachex_pool.forks import StateLock, in_this_process

_clients: "WeakSet[Any]" = WeakSet()
_clients_lock = StateLock()


def born(client: Any) -> None:
    """Keep a client in mind, weakly."""
    with in_this_process(_clients_lock):
        _clients.add(client)


def live_clients() -> list[Any]:
    """
    Return the clients of this process that somebody still holds, of both colours.

    For telemetry: each has `view()` and `stats()`.
    """
    with in_this_process(_clients_lock):
        return list(_clients)
