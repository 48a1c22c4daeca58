# Written by tools/unasync.py from _async/coordination.py: edit that file instead.
"""What processes agree on through a server: locks, semaphores, rates, scripts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs

from cachex_client import _concurrency
from cachex_client._sync.lock import Lock
from cachex_client._sync.scripting import run
from cachex_client._sync.semaphore import Semaphore
from cachex_client._sync.verbs import Verbs
from cachex_client._core import throttle
from cachex_client.codec import discreet
from cachex_client.errors import RateLimitExceeded, SerializerError
from cachex_client.keys import Key, Version
from cachex_client.limits import RateLimit
from cachex_client.scripting import PostHook, PreHook, ScriptHelpers


class CoordinationVerbs(Verbs):
    """The verbs of a cache on which several processes agree; each is about one key."""

    def lock(
        self,
        key: Key,
        version: Version | None = None,
        *,
        timeout: float | timedelta | None = None,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | timedelta | None = None,
        thread_local: bool = True,
    ) -> Lock:
        """Return a lock under a key of this cache, which `with` or `acquire` then takes.

        `timeout` is for how many seconds the lock holds at most, None for ever; `blocking_timeout`
        how many to wait for it, pausing for about `sleep` between attempts.
        """
        lock = Lock(
            self.client.redis,
            self.keyspace.wire(key, version),
            timeout=timeout,
            sleep=sleep,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            thread_local=thread_local,
        )
        lock.cache = self.name
        return lock

    def semaphore(
        self,
        key: Key,
        capacity: int,
        *,
        weight: int = 1,
        version: Version | None = None,
        lease: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> Semaphore:
        """Return room for `capacity` at a time, of which `with` or `acquire` then takes `weight`.

        `lease` has to be given: for how many seconds a share is held at most, unless extended.
        `timeout` is for how many to wait for one, None for ever. See `Semaphore`.
        """
        wire = self.keyspace.wire(key, version)
        return Semaphore(
            self.client,
            wire,
            capacity,
            weight=weight,
            lease=lease,
            timeout=timeout,
            cache=self.name,
        )

    def rate_limit(
        self,
        key: Key,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version | None = None,
    ) -> RateLimit:
        """Count `cost` and say whether it is allowed: at most `limit` in each `period` of seconds.

        What is refused is not counted, and `cost=0` counts nothing. What was used drains away
        evenly, on the server's clock. One round trip, never sent twice. `ConfigurationError` for
        a cost above the limit.
        """
        call = throttle.take(self.keyspace.wire(key, version), limit, period, cost)
        return run(self.client, call, self._origins["rate_limit"])

    def throttle(
        self,
        key: Key,
        limit: int,
        period: float | timedelta,
        *,
        cost: int = 1,
        version: Version | None = None,
        timeout: float | None = None,
    ) -> RateLimit:
        """Wait until `rate_limit` would allow something, and count it.

        Callers are let through in the order in which they asked, which takes one round trip and
        one pause. `timeout` is for how many seconds to wait, None for ever; if it would take
        longer, `RateLimitExceeded` is raised at once and nothing is counted. Who is cancelled
        while waiting has used what was counted all the same.
        """
        wire = self.keyspace.wire(key, version)
        call = throttle.take(wire, limit, period, cost, patience=timeout)
        result = run(self.client, call, self._origins["throttle"])
        if not result.allowed:
            raise RateLimitExceeded(key, result, timeout)
        wait = result.retry_after
        if wait > 0:
            _concurrency.sleep(wait)
        return attrs.evolve(result, retry_after=0.0, reset_after=result.reset_after - wait)

    def eval_script(
        self,
        script: str | bytes,
        *,
        keys: Sequence[Key] = (),
        args: Sequence[Any] = (),
        pre_hook: PreHook | None = None,
        post_hook: PostHook | None = None,
        version: Version | None = None,
    ) -> Any:
        """Run a Lua script and return what it returns.

        `keys` get prefix and version; of `args`, text, bytes and numbers go as they are, and
        `Encoded(value)` as a value is stored. A `pre_hook` makes of both what is sent instead, a
        `post_hook` of the reply what is returned: `decode_single_post` a value, say. In a cluster
        all keys have to be in one slot. One round trip, two where the server does not know the
        script; never sent twice.
        """
        helpers = ScriptHelpers(self.keyspace, self.codec, version)
        call = helpers.call(script, keys, args, pre_hook, post_hook)
        try:
            return run(self.client, call, self._origins["eval_script"])
        except SerializerError as error:
            only = call.keys[0] if len(call.keys) == 1 else None
            raise discreet(error.at(only))  # noqa: B904  without what led to it
