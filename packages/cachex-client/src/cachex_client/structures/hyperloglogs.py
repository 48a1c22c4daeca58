"""HyperLogLogs: about how many different values there were, in 12 kB."""

from collections.abc import Iterable
from typing import Any

from cachex_client.command import Command
from cachex_client.commands import bits as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, needed, several


class HyperLogLogCommands(Terms):
    """Commands on HyperLogLogs, which err by about 0.8 %."""

    def pfadd(self, key: Key, *values: Any, version: Version | None = None) -> Command[bool]:
        """Count values; return whether the estimate may have changed. Redis: PFADD."""
        return build.pfadd(
            self.keyspace.wire(key, version), self.codec.elements(needed(values, "value"))
        )

    def pfcount(
        self, keys: Key | Iterable[Key], *more: Key, version: Version | None = None
    ) -> Command[int]:
        """Return about how many different values were counted under any of the keys.

        Keys come one by one or as a collection; in a cluster all have to be in one slot.
        Redis: PFCOUNT.
        """
        found, version = several(keys, more, version)
        return build.pfcount(self._wires(found, version))

    def pfmerge(
        self,
        dest: Key,
        keys: Key | Iterable[Key],
        *more: Key,
        version: Version | None = None,
        version_dest: Version | None = None,
        version_keys: Version | None = None,
    ) -> Command[bool]:
        """Count under `dest` what was counted under the keys too, and return True.

        In a cluster all keys have to be in one slot. Redis: PFMERGE.
        """
        found, version = several(keys, more, version)
        target = self.keyspace.wire(dest, version if version_dest is None else version_dest)
        wires = self._wires(found, version if version_keys is None else version_keys)
        return build.pfmerge(target, wires)
