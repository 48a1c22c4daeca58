# Written by tools/unasync.py from _async/lock.py: edit that file instead.
"""A lock that processes and machines share."""

from datetime import timedelta
from math import inf
from random import random
from typing import Any
from uuid import uuid4

import redis.lock
from redis.exceptions import NoScriptError, ResponseError

from cachex_client import _concurrency
from cachex_client import commands as build
from cachex_client._sync.told import told
from cachex_client._audience import audience
from cachex_client._concurrency import monotonic
from cachex_client._core.shapes import done, flag, stored
from cachex_client._core.tokens import Acquisition, Tokens
from cachex_client._telling import origin_of
from cachex_client.command import Command, on_primary
from cachex_client.commands.scripts import Script
from cachex_client.errors import ClientError, ConfigurationError, LockError, LockNotOwnedError
from cachex_client.observer import Operation
from cachex_client.timeouts import seconds

_RELEASE = Script(
    b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""
)
_SET_TTL = Script(
    b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
)
_ADD_TTL = Script(
    b"""
local left = redis.call('PTTL', KEYS[1])
if left > 0 and redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], string.format('%d', left + ARGV[2]))
end
return 0
"""
)
_SHORTEST = 0.1  # seconds an attempt is given even if the caller's patience ends sooner


class Lock(redis.lock.Lock):
    """
    A lock under one key, which works the same way on one server and on a cluster.

    It is redis-py's by interface, and its own where that falls short: who waits does so with
    jitter and tries once more when his time is up; who asks is answered by the primary; a script
    the server does not know costs one round trip, not two; times below a millisecond do not
    become zero; and the errors are this package's, which are redis-py's too.

    `timeout` is for how many seconds the lock holds unless extended, None for ever. `sleep` is
    the pause between attempts, on average. `blocking` and `blocking_timeout` (seconds, None for
    ever) are for `acquire`. Both may be given as a `timedelta`.

    Threads or tasks may share one lock object. Each has the token of its own acquisition, which
    another's attempt never touches: `release`, `extend`, `reacquire` and `owned` are about that
    one. A task that holds nothing releases what another task of its thread holds; so does a thread
    with `thread_local=False`. With `thread_local`, only the thread that acquired may release.

    A primary that fails may take the news of a lock with it: do not build on it what must never
    happen twice.
    """

    redis: Any
    name: Any
    timeout: Any
    local: Any
    cache: str = ""
    """The cache whose lock it is, for observers."""

    def __init__(
        self,
        redis: Any,
        name: Any,
        timeout: float | timedelta | None = None,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | timedelta | None = None,
        thread_local: bool = True,
        raise_on_release_error: bool = True,
    ) -> None:
        timeout, blocking_timeout = seconds(timeout), seconds(blocking_timeout)
        if timeout is not None and not 0 < timeout < inf:
            raise ConfigurationError(
                f"a lock's timeout is above 0 and finite, or None for ever, not {timeout!r}"
            )
        super().__init__(
            redis,
            name,
            timeout=timeout,
            sleep=sleep,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            thread_local=thread_local,
            raise_on_release_error=raise_on_release_error,
        )
        self._tokens = Tokens(_concurrency.Local(), self.local)
        self.local = self._tokens  # redis-py's name for where the token is
        self._key: bytes = redis.get_encoder().encode(name)

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}{', held' if self._tokens.current else ''}>"

    def register_scripts(self) -> None:
        """Do nothing: the scripts are values."""

    def __enter__(self) -> "Lock":
        before = self._tokens.own
        try:
            taken = self.acquire()
        except Exception:
            doubtful = self._tokens.own
            if doubtful is not None and doubtful is not before:
                self._free(doubtful)  # the block that would do so is never entered
            raise
        if taken:
            return self
        raise LockError("Unable to acquire lock within the time specified", self.name)

    def acquire(
        self,
        blocking: bool | None = None,
        blocking_timeout: float | None = None,
        token: str | bytes | None = None,
        *,
        sleep: float | None = None,
    ) -> bool:
        """
        Take the lock; return whether it was taken.

        Without `blocking` there is one attempt, else there are more for `blocking_timeout`
        seconds. `token` is what the key holds, by default something nobody else will think of.
        If the connection breaks while the server is asked, its error is raised, and `release`
        frees what may have been taken. If the call is cancelled or interrupted, or if this thread
        or task holds the lock already, that is freed in the background.
        """
        own = uuid4().hex.encode() if token is None else self.redis.get_encoder().encode(token)
        blocking = self.blocking if blocking is None else blocking
        pause = self.sleep if sleep is None else sleep
        if blocking_timeout is None:
            blocking_timeout = self.blocking_timeout
        until = inf if blocking_timeout is None else monotonic() + blocking_timeout
        if not audience.beginners:
            return self._attempt(own, blocking, until, pause)
        whole = Operation(origin_of(self.cache, "lock.acquire"))
        taken: bool = told(whole, self._attempt, own, blocking, until, pause)
        return taken

    def _attempt(self, own: bytes, blocking: bool, until: float, pause: float) -> bool:
        while True:
            left = until - monotonic()
            if self._take(own, left):
                return True
            left = until - monotonic()
            if not blocking or left <= 0:
                return False
            _concurrency.sleep(min(left, pause * (0.5 + random())))

    def _take(self, token: bytes, left: float) -> bool:
        words: tuple[Any, ...] = ("SET", self._key, token, "NX")
        if self.timeout is not None:
            words += ("PX", _milliseconds(self.timeout))
        acquisition = Acquisition(token)
        try:
            command = self.redis.make_command(words).then(done)
            timeout = min(self.redis.timeout, max(left, _SHORTEST))
            taken: bool = self.redis.backing.execute(command, timeout=timeout)
            if taken:
                self._tokens.acquired(acquisition)
        except BaseException as error:
            if _may_have_taken(error):
                kept = isinstance(error, Exception) and self._tokens.in_doubt(acquisition)
                if not kept:
                    self._free(acquisition)
            raise
        return taken

    def locked(self) -> bool:
        """Say whether anybody holds the lock."""
        return self._holder() is not None

    def owned(self) -> bool:
        """Say whether this object holds the lock."""
        token = self._tokens.token
        return token is not None and self._holder() == token

    def release(self) -> None:
        """
        Free the lock.

        Raises LockError if it was not acquired here, LockNotOwnedError if it timed out meanwhile.
        If the connection breaks, it may be called again; if it is cancelled or interrupted, the
        lock is freed in the background.
        """
        held = self._held("release")
        try:
            self.do_release(held.token)
        except LockNotOwnedError:
            held.token = None
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                self._free(held)
            raise
        held.token = None

    def extend(self, additional_time: float, replace_ttl: bool = False) -> bool:
        """
        Add seconds to what is left of the lock's time, or with `replace_ttl` set it anew.

        Raises LockError if there is no lock or no timeout, LockNotOwnedError if it timed out.
        """
        return self.do_extend(additional_time, replace_ttl)

    def reacquire(self) -> bool:
        """Start the lock's time again; errors as in `extend`."""
        return self.do_reacquire()

    def do_release(self, expected_token: bytes) -> None:
        if not self._run("lock.release", _RELEASE, expected_token):
            raise LockNotOwnedError("Cannot release a lock that's no longer owned", self.name)

    def do_extend(self, additional_time: float, replace_ttl: bool) -> bool:
        token = self._held("extend", timed=True).token
        script = _SET_TTL if replace_ttl else _ADD_TTL
        if not self._run(
            "lock.extend", script, token, b"%d" % _milliseconds(additional_time)
        ):
            raise LockNotOwnedError("Cannot extend a lock that's no longer owned", self.name)
        return True

    def do_reacquire(self) -> bool:
        token = self._held("reacquire", timed=True).token
        if not self._run("lock.extend", _SET_TTL, token, b"%d" % _milliseconds(self.timeout)):
            raise LockNotOwnedError("Cannot reacquire a lock that's no longer owned", self.name)
        return True

    # -- inside

    def _held(self, verb: str, *, timed: bool = False) -> Acquisition:
        held = self._tokens.current
        if held is None:
            raise LockError(
                f"Cannot {verb} a lock that's not owned or is already unlocked", self.name
            )
        if timed and self.timeout is None:
            raise LockError(f"Cannot {verb} a lock with no timeout", self.name)
        return held

    def _free(self, acquisition: Acquisition) -> None:
        """Free in the background what an acquisition holds, or may hold."""
        token, acquisition.token = acquisition.token, None
        _concurrency.spawn(lambda: self._run("lock.release", _RELEASE, token), needed=True)

    def _holder(self) -> bytes | None:
        # a replica may not have heard of it yet
        asked = on_primary(build.get(self._key)).then(stored)
        found: bytes | None = self._execute("lock.owned", asked)
        return found

    def _run(self, operation: str, script: Script, *arguments: bytes) -> bool:
        call: Command[Any] = build.evalsha(script.digest, (self._key,), arguments, flag)
        try:
            held: bool = self._execute(operation, call)
        except NoScriptError:
            call = build.eval_(script.text, (self._key,), arguments, flag)
            held = self._execute(operation, call)
        return held

    def _execute(self, operation: str, command: Command[Any]) -> Any:
        if audience.observers:
            command.origin = origin_of(self.cache, operation)
        return self.redis.backing.execute(command)


def _may_have_taken(error: BaseException) -> bool:
    """Say whether the server may have set the key, of which the caller only has an error."""
    if isinstance(error, ResponseError | ClientError):  # a refusal
        return False
    return getattr(error, "written", True)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
