# tools/unasync.py writes the sync twin of this file.
"""Going through large hashes, sets and sorted sets in steps."""

from collections.abc import AsyncIterator, Callable, Sized
from typing import Any, TypeVar

from cachex_client._async.verbs import AsyncVerbs
from cachex_client._concurrency import monotonic
from cachex_client._core.scans import ScanProgress
from cachex_client.codec import MEMBER, discreet
from cachex_client.command import Command
from cachex_client.errors import SerializerError
from cachex_client.keys import Key, Version

T = TypeVar("T", bound=Sized)


class AsyncScanVerbs(AsyncVerbs):
    """The verbs of a cache that go through all that is under one key.

    Each step is a round trip and looks at about `count` members; `match` is a glob pattern, which
    for members is read as `sscan` does. What comes or goes meanwhile may or may not be seen, and
    something may come twice. The primary answers. Raises ScanAborted if the server finds no end.
    """

    async def hscan_iter(
        self,
        key: Key,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> AsyncIterator[tuple[str, Any]]:
        """Yield the fields of a hash with their values; `match` is about fields. Redis: HSCAN."""
        steps = self._walk("hscan_iter", self.commands.hscan, key, match, count, version)
        async for found in steps:
            for item in found.items():
                yield item

    async def sscan_iter(
        self,
        key: Key,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> AsyncIterator[Any]:
        """Yield the members of a set; `match` as in `sscan`. Redis: SSCAN."""
        wire = self.keyspace.wire(key, version)
        steps = self._walk("sscan_iter", self.commands._sscan, key, match, count, version)
        async for found in steps:
            for member in found:
                try:
                    value = self.codec.loads(member, wire, MEMBER)
                except SerializerError as error:
                    del member, found
                    raise discreet(error.at(wire))  # noqa: B904  without what led to it
                yield value

    async def zscan_iter(
        self,
        key: Key,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> AsyncIterator[tuple[Any, float]]:
        """Yield the members of a sorted set with their scores; `match` as in `sscan`.

        Redis: ZSCAN.
        """
        steps = self._walk("zscan_iter", self.commands.zscan, key, match, count, version)
        async for found in steps:
            for pair in found:
                yield pair

    async def _walk(
        self,
        operation: str,
        step: Callable[..., Command[tuple[int, T]]],
        key: Key,
        match: str | bytes | None,
        count: int | None,
        version: Version | None,
    ) -> AsyncIterator[T]:
        """Yield what each step finds, until the cursor is back where it began."""
        cursor, progress = 0, ScanProgress.of(self.client.options, monotonic())
        progress.begin(self.name, monotonic())
        while True:
            cursor, found = await self._run(operation, step(key, cursor, match, count, version))
            progress.step(cursor, len(found), given := monotonic())
            yield found
            progress.idle += monotonic() - given
            if cursor == 0:
                return
