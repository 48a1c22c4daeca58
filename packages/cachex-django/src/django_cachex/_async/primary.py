# tools/unasync.py writes the sync twin of this file.
"""A client seen so that primaries answer everything, reads too."""

from collections.abc import Sequence
from typing import Any

from cachex_client import AsyncClusterClient, AsyncDefaultClient, Command
from cachex_client.command import on_primary


class AsyncOnPrimary:
    """
    Stands before a client and turns every read into one that the primary answers.

    What redis-py's face needs of a client besides is the client's own.
    """

    def __init__(self, client: AsyncDefaultClient | AsyncClusterClient) -> None:
        self._client = client
        self.options = client.options

    def __getattr__(self, name: str) -> Any:
        """Leave what goes to primaries anyway to the client: transactions, leases, walks."""
        return getattr(self._client, name)

    def __repr__(self) -> str:
        return f"the primary of {self._client!r}"

    async def execute(self, command: Command[Any], *, timeout: float | None = None) -> Any:
        """Send a command to the primary and return its parsed reply."""
        return await self._client.execute(on_primary(command), timeout=timeout)

    async def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """Send commands to the primary; a command that failed has its error in its place."""
        return await self._client.execute_many(list(map(on_primary, commands)), timeout=timeout)
