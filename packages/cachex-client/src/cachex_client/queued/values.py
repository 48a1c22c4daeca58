"""Values, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue
from cachex_client.scripting import PostHook, PreHook
from cachex_client.timeouts import DEFAULT, Default, Timeout


class QueuedValueVerbs(Queue):
    """The methods of a pipeline for values."""

    def get(self, key: Key, default: Any = None, version: Version | None = None) -> Self:
        """Queue what `Cache.get` does."""
        return self._queue("get", self.commands.get(key, default, version), key, default)

    def set(
        self,
        key: Key,
        value: Any,
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        nx: bool = False,
        xx: bool = False,
    ) -> Self:
        """Queue what `Cache.set` does."""
        return self._queue(
            "set",
            self.commands.set(key, value, timeout, version, nx=nx, xx=xx),
            key,
            value,
            timeout,
        )

    def add(
        self, key: Key, value: Any, timeout: Timeout = DEFAULT, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.add` does."""
        return self._queue(
            "add", self.commands.add(key, value, timeout, version), key, value, timeout
        )

    def delete(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.delete` does."""
        return self._queue("delete", self.commands.delete(key, version), key)

    def has_key(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.has_key` does."""
        return self._queue("has_key", self.commands.has_key(key, version), key)

    def touch(self, key: Key, timeout: Timeout = DEFAULT, version: Version | None = None) -> Self:
        """Queue what `Cache.touch` does."""
        return self._queue("touch", self.commands.touch(key, timeout, version), key, timeout)

    def incr(
        self, key: Key, delta: int = 1, version: Version | None = None, *, create: bool = False
    ) -> Self:
        """Queue what `Cache.incr` does."""
        return self._queue(
            "incr", self.commands.incr(key, delta, version, create=create), key, delta
        )

    def decr(self, key: Key, delta: int = 1, version: Version | None = None) -> Self:
        """Queue what `Cache.decr` does."""
        return self._queue("decr", self.commands.decr(key, delta, version), key, delta)

    def rate_limit(
        self,
        key: Key,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.rate_limit` does."""
        return self._queue(
            "rate_limit",
            self.commands.rate_limit(key, limit, period, cost=cost, version=version),
            key,
            limit,
            period,
        )

    def eval_script(
        self,
        script: str | bytes,
        *,
        keys: Sequence[Key] = (),
        args: Sequence[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.eval_script` does."""
        return self._queue(
            "eval_script",
            self.commands.eval_script(
                script,
                keys=keys,
                args=args,
                pre_hook=pre_hook,
                post_hook=post_hook,
                version=version,
            ),
            script,
        )

    def ttl(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.ttl` does."""
        return self._queue("ttl", self.commands.ttl(key, version), key)

    def pttl(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.pttl` does."""
        return self._queue("pttl", self.commands.pttl(key, version), key)

    def expire(
        self, key: Key, timeout: float | timedelta | Default, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.expire` does."""
        return self._queue("expire", self.commands.expire(key, timeout, version), key, timeout)

    def pexpire(
        self, key: Key, timeout: int | timedelta | Default, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.pexpire` does."""
        return self._queue("pexpire", self.commands.pexpire(key, timeout, version), key, timeout)

    def expire_at(self, key: Key, when: float | datetime, version: Version | None = None) -> Self:
        """Queue what `Cache.expire_at` does."""
        return self._queue("expire_at", self.commands.expire_at(key, when, version), key, when)

    def pexpire_at(self, key: Key, when: int | datetime, version: Version | None = None) -> Self:
        """Queue what `Cache.pexpire_at` does."""
        return self._queue("pexpire_at", self.commands.pexpire_at(key, when, version), key, when)

    def persist(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.persist` does."""
        return self._queue("persist", self.commands.persist(key, version), key)
