# Written by tools/unasync.py from _async/bulk.py: edit that file instead.
"""Reading and removing many keys where one server holds them all."""

from collections.abc import Sequence
from typing import Any, TypeVar

from cachex_client import commands
from cachex_client.command import Command

T = TypeVar("T")

CHUNK = 2_000  # keys in one command: above this the server would keep others waiting


class OneServerBulk:
    """Gives `get_many` and `delete_many` to a client that talks to one primary at a time.

    A failure is raised rather than put in the place of a key: all keys share the one server.
    """

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        raise NotImplementedError

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        raise NotImplementedError

    def get_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[bytes | Exception | None]:
        if not keys:
            return []
        if len(keys) <= CHUNK:
            return self.execute(commands.mget(keys), timeout=timeout)
        chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
        replies = self.execute_many([commands.mget(c) for c in chunks], timeout=timeout)
        return [
            stored
            for chunk, reply in zip(chunks, replies, strict=True)
            for stored in ([reply] * len(chunk) if isinstance(reply, Exception) else reply)
        ]

    def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> Sequence[int | Exception]:
        if not keys:
            return []
        if len(keys) <= CHUNK:
            return [self.execute(commands.unlink(*keys), timeout=timeout)]
        chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
        return self.execute_many([commands.unlink(*c) for c in chunks], timeout=timeout)
