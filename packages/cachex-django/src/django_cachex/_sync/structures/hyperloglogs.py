# Written by tools/unasync.py from _async/structures/hyperloglogs.py: edit that file instead.
"""HyperLogLogs, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class HyperLogLogMethods(CacheCore):
    """Methods for HyperLogLogs."""

    def pfadd(self, key: Key, *values: Any, version: Version | None = None) -> bool:
        """Count values; return whether the estimate may have changed. Redis: PFADD."""
        return self._cache.pfadd(key, *values, version=version)

    def pfcount(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> int:
        """Return about how many different values were counted under any of the keys.

        Keys come one by one or as a collection; in a cluster all have to be in one slot.
        Redis: PFCOUNT.
        """
        return self._cache.pfcount(keys, *more, version=version)

    def pfmerge(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> bool:
        """Count under `dest` what was counted under the keys too, and return True.

        In a cluster all keys have to be in one slot. Redis: PFMERGE.
        """
        return self._cache.pfmerge(
            dest, keys, *more, version=version, version_dest=version_dest, version_keys=version_keys
        )
