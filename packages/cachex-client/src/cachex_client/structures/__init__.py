"""The verbs of a cache as commands: keys and values in, one `Command` out, nothing sent.

`tools/verbs.py` makes of each method here a verb of `AsyncCache` and `Cache`, one that a pipeline
queues, and one of Django's cache.
"""

from collections.abc import Iterable
from copy import copy
from typing import Any

from cachex_client.keys import Keys, Version
from cachex_client.structures.bitmaps import BitmapCommands
from cachex_client.structures.geo import GeoCommands
from cachex_client.structures.hashes import HashCommands
from cachex_client.structures.hyperloglogs import HyperLogLogCommands
from cachex_client.structures.keys import KeyCommands
from cachex_client.structures.lists import ListCommands
from cachex_client.structures.sets import SetCommands
from cachex_client.structures.sorted_sets import SortedSetCommands
from cachex_client.structures.streams import StreamCommands
from cachex_client.structures.values import ValueCommands
from cachex_client.timeouts import DEFAULT, Timeout


class CacheCommands(
    BitmapCommands,
    GeoCommands,
    HashCommands,
    HyperLogLogCommands,
    KeyCommands,
    ListCommands,
    SetCommands,
    SortedSetCommands,
    StreamCommands,
    ValueCommands,
):
    """Every verb of a cache that is one command, on a cache's keys and formats."""

    def at(self, version: Version | None = None, timeout: Timeout = DEFAULT) -> "CacheCommands":
        """Return the commands with another version, or timeout, where a call does not name one."""
        other = copy(self)
        if version is not None:
            other.keyspace = _AtVersion(self.keyspace, version)
        other.own_px = self._px(timeout)
        return other


class _AtVersion(Keys):
    """A cache's keys with another version of their own."""

    def __init__(self, keys: Keys, version: Version) -> None:
        super().__init__(keys.prefix, version, keys.function, keys.reverse)
        self._keys = keys

    def wire(self, key: object, version: Version | None = None) -> bytes:
        return self._keys.wire(key, self.version if version is None else version)

    def wire_many(self, keys: Iterable[Any], version: Version | None = None) -> list[bytes]:
        return self._keys.wire_many(keys, self.version if version is None else version)
