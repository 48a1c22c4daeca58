"""HyperLogLogs, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedHyperLogLogVerbs(Queue):
    """The methods of a pipeline for HyperLogLogs."""

    def pfadd(self, key: Key, *values: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.pfadd` does."""
        return self._queue(
            "pfadd", self.commands.pfadd(key, *values, version=version), key, *values
        )

    def pfcount(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.pfcount` does."""
        return self._queue(
            "pfcount", self.commands.pfcount(keys, *more, version=version), keys, *more
        )

    def pfmerge(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Self:
        """Queue what `Cache.pfmerge` does."""
        return self._queue(
            "pfmerge",
            self.commands.pfmerge(
                dest,
                keys,
                *more,
                version=version,
                version_dest=version_dest,
                version_keys=version_keys,
            ),
            dest,
            keys,
            *more,
        )
