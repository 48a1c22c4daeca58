"""Keys of any type: what they are called, what is under them, and until when."""

from datetime import datetime

from cachex_client.command import Command
from cachex_client.commands import keys as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, text
from cachex_client.timeouts import NEVER_ENDS, PER_MILLISECOND, PER_SECOND, unix_milliseconds


class KeyCommands(Terms):
    """Commands on keys, whatever is under them."""

    def exists(self, key: Key, version: Version | None = None) -> Command[bool]:
        """Return whether there is such a key: `has_key` as Redis calls it. Redis: EXISTS."""
        return build.exists(self.keyspace.wire(key, version)).then(bool)

    def rename(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Command[bool]:
        """Give what is under a key another one, in place of what is there, and return True.

        It ends when it would have. If there is no such key, the server's ResponseError. In a
        cluster both have to be in one slot. Never sent twice. Redis: RENAME.
        """
        source, target = self._two(src, dst, version, version_src, version_dst)
        return build.rename(self._one_place("rename in a pipeline", source, target), target)

    def renamenx(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Command[bool]:
        """Give what is under a key another one; False if there is something already.

        Otherwise as `rename`. Never sent twice. Redis: RENAMENX.
        """
        source, target = self._two(src, dst, version, version_src, version_dst)
        return build.renamenx(self._one_place("renamenx in a pipeline", source, target), target)

    def type(self, key: Key, version: Version | None = None) -> Command[str | None]:
        """Return `"string"`, `"hash"`, `"list"`, `"set"`, `"zset"` or `"stream"`, None if missing.

        Redis: TYPE.
        """
        return build.type(self.keyspace.wire(key, version)).then(_kind)

    def memory_usage(
        self, key: Key, version: Version | None = None, *, samples: int | None = None
    ) -> Command[int | None]:
        """Return how many bytes a key takes at the server, None if there is no such key.

        Of large ones `samples` members are looked at, 5 if not said, and 0 for all.
        Redis: MEMORY USAGE.
        """
        return build.memory_usage(self.keyspace.wire(key, version), samples)

    def expiretime(self, key: Key, version: Version | None = None) -> Command[int | None]:
        """Return when a key ends in Unix seconds, None if never, -2 if there is no such key.

        Redis: EXPIRETIME.
        """
        return build.expiretime(self.keyspace.wire(key, version)).then(_end)

    def expireat(
        self, key: Key, when: float | datetime, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end at a date or a Unix time in seconds: `expire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        end = unix_milliseconds(when, PER_SECOND)
        return build.pexpireat(self.keyspace.wire(key, version), end)

    def pexpireat(
        self, key: Key, when: int | datetime, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end at a date or a Unix time in milliseconds: `pexpire_at` as Redis calls it.

        Redis: PEXPIREAT.
        """
        end = unix_milliseconds(when, PER_MILLISECOND)
        return build.pexpireat(self.keyspace.wire(key, version), end)


def _kind(reply: bytes) -> str | None:
    return None if reply == b"none" else text(reply)


def _end(reply: int) -> int | None:
    return None if reply == NEVER_ENDS else reply
