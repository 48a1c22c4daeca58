# Written by tools/unasync.py from _async/scans.py: edit that file instead.
"""Going through large hashes, sets and sorted sets in steps, on Django's cache object."""

from collections.abc import Iterator
from typing import Any

from django_cachex.core import CacheCore, Version


class Scans(CacheCore):
    """
    Methods that go through all that is under one key, in steps.

    Each step is a round trip and looks at about `count` members; `match` is a glob pattern. What
    comes or goes meanwhile may or may not be seen, and something may come twice. The primary
    answers.
    """

    def hscan_iter(
        self,
        key: Any,
        match: str | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> Iterator[tuple[str, Any]]:
        """Yield the fields of a hash with their values; `match` is about fields. Redis: HSCAN."""
        return self._cache.hscan_iter(key, match, count, version)

    def sscan_iter(
        self,
        key: Any,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> Iterator[Any]:
        """Yield the members of a set; `match` as in `sscan`. Redis: SSCAN."""
        return self._cache.sscan_iter(key, match, count, version)

    def zscan_iter(
        self,
        key: Any,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> Iterator[tuple[Any, float]]:
        """Yield the members of a sorted set with their scores; `match` as in `sscan`.

        Redis: ZSCAN.
        """
        return self._cache.zscan_iter(key, match, count, version)
