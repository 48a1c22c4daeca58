# tools/unasync.py writes the sync twin of this file.
"""Going through large hashes, sets and sorted sets in steps, on Django's cache object."""

from collections.abc import AsyncIterator
from typing import Any

from django_cachex.core import CacheCore, Version


class AsyncScans(CacheCore):
    """
    Methods that go through all that is under one key, in steps.

    Each step is a round trip and looks at about `count` members; `match` is a glob pattern. What
    comes or goes meanwhile may or may not be seen, and something may come twice. The primary
    answers.
    """

    def ahscan_iter(
        self,
        key: Any,
        match: str | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> AsyncIterator[tuple[str, Any]]:
        """Yield the fields of a hash with their values; `match` is about fields. Redis: HSCAN."""
        return self._acache.hscan_iter(key, match, count, version)

    def asscan_iter(
        self,
        key: Any,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> AsyncIterator[Any]:
        """Yield the members of a set; `match` as in `sscan`. Redis: SSCAN."""
        return self._acache.sscan_iter(key, match, count, version)

    def azscan_iter(
        self,
        key: Any,
        match: str | bytes | None = None,
        count: int | None = None,
        version: Version = None,
    ) -> AsyncIterator[tuple[Any, float]]:
        """Yield the members of a sorted set with their scores; `match` as in `sscan`.

        Redis: ZSCAN.
        """
        return self._acache.zscan_iter(key, match, count, version)
