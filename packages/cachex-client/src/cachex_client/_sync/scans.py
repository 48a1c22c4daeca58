# Written by tools/unasync.py from _async/scans.py: edit that file instead.
"""Going through large hashes, sets and sorted sets in steps."""

from collections.abc import Iterator
from typing import Any

from cachex_client._sync.verbs import Verbs
from cachex_client.keys import Key, Version


class ScanVerbs(Verbs):
    """The verbs of a cache that go through all that is under one key.

    Each step is a round trip and looks at about `count` members; `match` is a glob pattern. What
    comes or goes meanwhile may or may not be seen, and something may come twice. The primary
    answers.
    """

    def hscan_iter(
        self,
        key: Key,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Yield the fields of a hash with their values; `match` is about fields. Redis: HSCAN."""
        cursor = 0
        while True:
            step = self.commands.hscan(key, cursor, match, count, version)
            cursor, found = self._run("hscan_iter", step)
            for item in found.items():
                yield item
            if cursor == 0:
                break

    def sscan_iter(
        self,
        key: Key,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Iterator[Any]:
        """Yield the members of a set; `match` is about what is stored. Redis: SSCAN."""
        cursor = 0
        while True:
            step = self.commands._sscan(key, cursor, match, count, version)
            cursor, found = self._run("sscan_iter", step)
            for member in found:
                yield self.codec.loads(member)
            if cursor == 0:
                break

    def zscan_iter(
        self,
        key: Key,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Iterator[tuple[Any, float]]:
        """Yield the members of a sorted set with their scores; `match` is about what is stored.

        Redis: ZSCAN.
        """
        cursor = 0
        while True:
            step = self.commands.zscan(key, cursor, match, count, version)
            cursor, found = self._run("zscan_iter", step)
            for pair in found:
                yield pair
            if cursor == 0:
                break
