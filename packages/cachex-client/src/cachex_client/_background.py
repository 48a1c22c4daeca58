"""What a client asks servers beside its callers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class _Disconnects(Protocol):
    disconnects: int
    """How often the client was closed."""


class BackgroundWork:
    """
    Work beside the callers of a client: once the client is closed, it leaves no connection open.

    Whoever closes a client does not wait for such work, and what it asks then would open
    connections again, as the next call of a user does.
    """

    def __init__(self, links: _Disconnects) -> None:
        self._links = links
        self._disconnects = links.disconnects

    @contextmanager
    def on(self, link: Any) -> Iterator[None]:
        """Use a server's connections for a block."""
        try:
            yield
        finally:
            if self._links.disconnects != self._disconnects:
                link.disconnect()
