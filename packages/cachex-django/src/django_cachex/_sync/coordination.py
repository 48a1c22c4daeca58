# Written by tools/unasync.py from _async/coordination.py: edit that file instead.
"""What processes agree on through a cache, and threads about what is missing in it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from cachex_client import commands
from cachex_client.codec import discreet
from cachex_client.command import on_primary
from cachex_client.defaults import value_of
from cachex_client.errors import SerializerError
from cachex_client.flights import flights
from cachex_client.limits import RateLimit
from cachex_client.scripting import PostHook, PreHook
from cachex_client.semaphore import Semaphore
from django_cachex._concurrency import encoded
from django_cachex.core import CacheCore, Timeout, Version
from django_cachex.failures import TROUBLE


class Coordination(CacheCore):
    """Semaphores, rate limits and scripts; and values that are made once for all who ask."""

    def semaphore(
        self,
        key: Any,
        capacity: int,
        *,
        weight: int = 1,
        version: Version = None,
        lease: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> Semaphore:
        """
        Return room for `capacity` at a time, of which `with` or `acquire` takes `weight`.

        What is held is free again `lease` seconds after it was taken, unless extended; `timeout` is
        for how many seconds to wait for room, None for ever. All processes share it, and who came
        first is first. IGNORE_EXCEPTIONS does not cover semaphores.
        """
        return self._cache.semaphore(
            key, capacity, weight=weight, version=version, lease=lease, timeout=timeout
        )

    def rate_limit(
        self,
        key: Any,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version = None,
    ) -> RateLimit:
        """
        Count `cost` and say whether it is allowed: at most `limit` in each `period` of seconds.

        The answer is true if it is, and has `remaining`, `retry_after` and `reset_after`. With
        IGNORE_EXCEPTIONS everything is allowed while no server answers.
        """
        return self._cache.rate_limit(key, limit, period, cost=cost, version=version)

    def throttle(
        self,
        key: Any,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version = None,
        timeout: float | None = None,
    ) -> RateLimit:
        """
        Wait until a rate limit allows something, for `timeout` seconds at most, and count it.

        RateLimitExceeded is raised at once if it would take longer.
        """
        return self._cache.throttle(
            key, limit, period, cost=cost, version=version, timeout=timeout
        )

    def eval_script(
        self,
        script: str | bytes,
        *,
        keys: Sequence[Any] = (),
        args: Sequence[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: Version = None,
    ) -> Any:
        """
        Run a Lua script on keys of this cache and return what it returns, in one round trip.

        Text, bytes and numbers in `args` go as they are, `Encoded(value)` as a value is stored;
        the hooks of `cachex_client.scripting` change that, and make values of the reply.
        IGNORE_EXCEPTIONS does not cover scripts.
        """
        return self._cache.eval_script(
            script, keys=keys, args=args, pre_hook=pre_hook, post_hook=post_hook, version=version
        )

    def _made(
        self,
        key: Any,
        default: Callable[[], Any],
        timeout: Timeout,
        version: Version,
        since: float,
    ) -> Any:
        """Make a missing value once for all of this process who ask for it, and store it."""
        seconds = self.get_backend_timeout(timeout)
        made: list[Any] = []
        wire = self._keys.wire(key, version)

        def look() -> bytes | None:
            command = on_primary(commands.get(wire))
            try:
                return self.client.executor.execute(command)
            except TROUBLE as error:
                if not self._shared.config.ignore_exceptions:
                    raise
                self.failures.ignore("get", error)
                return None

        def make() -> bytes:
            value = value_of(default)
            try:
                stored = self.codec.dumps(value, wire)
            except SynchronousOnlyOperation:  # pickling has to ask the database
                stored = encoded(self.codec.dumps, value, wire)
            if not self._verbatim.add(key, stored, seconds, version):
                first = look()  # somebody else was faster
                if first is not None:
                    return first
            made.append(value)
            return stored

        what = (wire, self.codec)  # another cache may read the same key in another way
        stored = flights.bring(self.client, what, since, look, make)
        try:
            return made[0] if made else self.codec.loads(stored, wire)
        except SerializerError as error:
            del stored
            raise discreet(error.at(wire))  # noqa: B904  without what led to it
