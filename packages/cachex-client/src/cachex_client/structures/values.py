"""The verbs for plain values, each as one command, for pipelines.

`Cache` has them too, written by hand: it can take a script's digest for its text, and two commands
for one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cachex_client import commands
from cachex_client._core.increment import increment, whole
from cachex_client._core.shapes import flag
from cachex_client._core.throttle import take
from cachex_client.command import Command, on_primary
from cachex_client.keys import Key, Version
from cachex_client.limits import RateLimit
from cachex_client.scripting import PostHook, PreHook, ScriptHelpers
from cachex_client.structures.terms import Terms, exclusive
from cachex_client.timeouts import (
    DEFAULT,
    NEVER_ENDS,
    PER_MILLISECOND,
    PER_SECOND,
    Default,
    Timeout,
    ending,
    unix_milliseconds,
)

# PERSIST does not tell a missing key from one without an end.
FOR_EVER = commands.Script(
    b"if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end "
    b"redis.call('PERSIST', KEYS[1]) return 1"
)


class ValueCommands(Terms):
    """The verbs of a cache for one key and a plain value, as commands."""

    def get(self, key: Key, default: Any = None, version: Version | None = None) -> Command[Any]:
        """Return a value, or `default` if there is none. Redis: GET."""

        wire = self.keyspace.wire(key, version)

        def read(stored: bytes | None) -> Any:
            return default if stored is None else self.codec.loads(stored, wire)

        return commands.get(wire).then(read)

    def set(
        self,
        key: Key,
        value: Any,
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> Command[bool]:
        """Store a value; False if `nx` or `xx` kept it from being stored. Redis: SET."""
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px != 0:
            return commands.set(wire, self.codec.dumps(value, wire), px=px, nx=nx, xx=xx)
        if exclusive(nx=nx, xx=xx) == "NX":
            return on_primary(commands.exists(wire)).then(lambda there: there == 0)
        return commands.unlink(wire).then(lambda removed: removed > 0 if xx else True)

    def add(
        self, key: Key, value: Any, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> Command[bool]:
        """Store a value where there is none; False if there is one. Redis: SET."""
        return self.set(key, value, timeout, version, nx=True)

    def delete(self, key: Key, version: Version | None = None) -> Command[bool]:
        """Remove a key; False if there was none. Redis: UNLINK."""
        return commands.unlink(self.keyspace.wire(key, version)).then(bool)

    def has_key(self, key: Key, version: Version | None = None) -> Command[bool]:
        """Return whether there is such a key. Redis: EXISTS."""
        return commands.exists(self.keyspace.wire(key, version)).then(bool)

    def touch(
        self, key: Key, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> Command[bool]:
        """Give a key a new time to live; False if there is no such key. Redis: PEXPIRE."""
        wire, px = self.keyspace.wire(key, version), self._px(timeout)
        if px is None:
            return commands.eval_(FOR_EVER.text, (wire,), parse=flag)
        return commands.pexpire(wire, px) if px else commands.unlink(wire).then(bool)

    def incr(
        self, key: Key, delta: int = 1, version: Version | None = None, *, create: bool = False
    ) -> Command[int]:
        """Add to a stored whole number and return the sum; its end stays as it was.

        If there is no such key, ValueError, or with `create` it begins at 0 and never ends.
        Redis: EVAL.
        """
        self.codec.refuse_counting("incr")
        wire = self.keyspace.wire(key, version)
        if create:
            return commands.incrby(wire, whole(delta))

        def read(total: int | None) -> int:
            if total is None:
                raise ValueError(f"Key '{key}' not found")
            return total

        # By its text: a digest that a server does not know would let what follows go first.
        return increment(wire, delta, by_text=True).then(read)

    def decr(self, key: Key, delta: int = 1, version: Version | None = None) -> Command[int]:
        """Subtract from a stored whole number: `incr` with the sign turned. Redis: EVAL."""
        return self.incr(key, -delta, version)

    def rate_limit(
        self,
        key: Key,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version | None = None,
    ) -> Command[RateLimit]:
        """Count `cost` and say whether it is allowed: at most `limit` in each `period` of seconds.

        Redis: EVAL.
        """
        return take(self.keyspace.wire(key, version), limit, period, cost).by_text()

    def eval_script(
        self,
        script: str | bytes,
        *,
        keys: Sequence[Key] = (),
        args: Sequence[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: Version | None = None,
    ) -> Command[Any]:
        """Run a Lua script, sent by its text. Redis: EVAL."""
        helpers = ScriptHelpers(self.keyspace, self.codec, version)
        return helpers.call(script, keys, args, pre_hook, post_hook).by_text()

    def ttl(self, key: Key, version: Version | None = None) -> Command[int | None]:
        """Return the whole seconds left, None if the key never ends, -2 if there is no such key.

        Redis: TTL.
        """
        return commands.ttl(self.keyspace.wire(key, version)).then(_left)

    def pttl(self, key: Key, version: Version | None = None) -> Command[int | None]:
        """Return the milliseconds left, None if the key never ends, -2 if there is no such key.

        Redis: PTTL.
        """
        return commands.pttl(self.keyspace.wire(key, version)).then(_left)

    def expire(
        self, key: Key, timeout: float | timedelta | Default, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end in `timeout` seconds; False if it is missing.

        With `DEFAULT` in the cache's own timeout. Redis: PEXPIRE.
        """
        return commands.pexpire(self.keyspace.wire(key, version), ending(self._px(timeout)))

    def pexpire(
        self, key: Key, timeout: int | timedelta | Default, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end in `timeout` milliseconds; False if it is missing. Redis: PEXPIRE."""
        if isinstance(timeout, (int, float)):
            timeout = timedelta(milliseconds=timeout)
        return commands.pexpire(self.keyspace.wire(key, version), ending(self._px(timeout)))

    def expire_at(
        self, key: Key, when: float | datetime, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end at a date or a Unix time in seconds. Redis: PEXPIREAT."""
        end = unix_milliseconds(when, PER_SECOND)
        return commands.pexpireat(self.keyspace.wire(key, version), end)

    def pexpire_at(
        self, key: Key, when: int | datetime, version: Version | None = None
    ) -> Command[bool]:
        """Let a key end at a date or a Unix time in milliseconds. Redis: PEXPIREAT."""
        end = unix_milliseconds(when, PER_MILLISECOND)
        return commands.pexpireat(self.keyspace.wire(key, version), end)

    def persist(self, key: Key, version: Version | None = None) -> Command[bool]:
        """Let a key never end; False if it is missing or had no end. Redis: PERSIST."""
        return commands.persist(self.keyspace.wire(key, version))


def _left(reply: int) -> int | None:
    return None if reply == NEVER_ENDS else reply
