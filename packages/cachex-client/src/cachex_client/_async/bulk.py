# tools/unasync.py writes the sync twin of this file.
"""Reading and removing many keys where one server holds them all."""

from collections.abc import Sequence
from typing import Any, TypeVar

from cachex_client import commands
from cachex_client.command import Command

T = TypeVar("T")

CHUNK = 2_000  # keys in one command: above this the server would keep others waiting


class AsyncOneServerBulk:
    """Gives `get_many` and `delete_many` to a client that talks to one primary at a time.

    A failure is raised rather than put in the place of a key: all keys share the one server.
    """

    async def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        raise NotImplementedError

    async def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        raise NotImplementedError

    async def get_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[bytes | Exception | None]:
        if not keys:
            return []
        if len(keys) <= CHUNK:
            return await self.execute(commands.mget(keys), timeout=timeout)
        chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
        replies = await self.execute_many([commands.mget(c) for c in chunks], timeout=timeout)
        return [
            stored
            for chunk, reply in zip(chunks, replies, strict=True)
            for stored in ([reply] * len(chunk) if isinstance(reply, Exception) else reply)
        ]

    async def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[int | Exception]:
        if not keys:
            return []
        if len(keys) <= CHUNK:
            return [await self.execute(commands.unlink(*keys), timeout=timeout)]
        chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
        return await self.execute_many([commands.unlink(*c) for c in chunks], timeout=timeout)
