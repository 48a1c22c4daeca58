# Written by tools/unasync.py from _async/semaphore.py: edit that file instead.
"""A semaphore that processes and machines share."""

from datetime import timedelta
from math import inf
from random import random
from types import TracebackType
from typing import TypeVar
from uuid import uuid4

from cachex_client import _concurrency
from cachex_client._sync.scripting import run
from cachex_client._audience import audience
from cachex_client._concurrency import monotonic
from cachex_client._core import semaphore as decide
from cachex_client._telling import origin_of
from cachex_client.commands import Scripted
from cachex_client.errors import (
    ConfigurationError,
    SemaphoreError,
    SemaphoreLostError,
    SemaphoreTimeoutError,
)
from cachex_client.executor import Executor
from cachex_client.timeouts import milliseconds, seconds
from cachex_pool.forks import register, run_after_fork, same_process

T = TypeVar("T")

_SHORTEST = 0.1  # seconds an attempt is given even if the caller's patience ends sooner


class Semaphore:
    """
    Room for so many at a time under one key, on one server and in a cluster alike.

    Each holder takes `weight` of the `capacity`, which all users of a key should agree on. What
    somebody holds is free again after `lease` seconds unless `extend` is called, so that who dies
    keeps nothing for ever; work that may take longer has to extend, or there may be more at work
    than there is room for. `timeout` is for how many seconds to wait for room, None for ever.

    Who came first gets in first: a heavy one is not overtaken by light ones for which there would
    be room. Who has not asked for two seconds has left the queue. The server's clock counts.

    One object may be shared by threads or tasks; each holds a share of its own, and nobody two.
    """

    def __init__(
        self,
        client: Executor,
        key: bytes,
        capacity: int,
        *,
        weight: int = 1,
        lease: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        cache: str = "",
    ) -> None:
        if not 1 <= capacity <= decide.LARGEST:
            raise ConfigurationError(
                f"a semaphore's capacity is 1 to {decide.LARGEST}, not {capacity!r}"
            )
        if not 1 <= weight <= capacity:
            raise ConfigurationError(f"a weight of {weight!r} is not 1 to the capacity {capacity}")
        lease, timeout = seconds(lease), seconds(timeout)
        if lease is None or not 0 < lease < inf:
            raise ConfigurationError(
                "a semaphore needs a finite lease above 0: the seconds after which what a dead one"
                f" held is free again, not {lease!r}"
            )
        self.capacity = capacity
        self.weight = weight
        self.lease = lease
        self.timeout = timeout
        self._client = client
        self._cache = cache
        self._key = key
        self._name = key.decode("utf-8", "backslashreplace")
        self.after_fork()
        register(self)

    def after_fork(self) -> None:
        """Hold nothing in a child process: what the parent holds is the parent's to give back."""
        # By who acquired it; with until when it is held for all this side knows.
        self._claims: dict[int, tuple[bytes, float]] = {}

    def __repr__(self) -> str:
        held = f", held {len(self._claims)} times" if self._claims else ""
        return f"<Semaphore {self._name!r} of {self.capacity}{held}>"

    def __enter__(self) -> "Semaphore":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.release()
        except SemaphoreLostError:
            if error is None:
                raise

    def acquire(self, *, blocking: bool = True, timeout: float | None = None) -> bool:
        """
        Take a share; True, or False if there is no room and `blocking` is off.

        `timeout` is for how many seconds to wait, that of the semaphore if not given. Raises
        SemaphoreTimeoutError after that, and SemaphoreError if this thread or task holds a share
        of this object already. If it is cancelled, or the connection breaks, what may have been
        taken is given back beside, or is free again when the lease ends.
        """
        if not same_process:
            run_after_fork()
        me = _concurrency.identity()
        if me in self._claims and monotonic() < self._claims[me][1]:
            raise SemaphoreError(f"{self._name!r} is held already, and a holder takes no second")
        patience = self.timeout if timeout is None else timeout
        until = inf if patience is None else monotonic() + patience
        claim = decide.claim_of(self.weight, uuid4().hex.encode())
        attempt = 0
        try:
            while True:
                asked = monotonic()
                left = until - asked
                ahead = self._ask(claim, left, queue=blocking and left > 0)
                if ahead < 0:
                    self._claims[me] = claim, asked + self.lease
                    return True
                if not blocking:
                    return False
                if left <= 0:
                    break
                rest = decide.pause(attempt, ahead, self.capacity, random())
                _concurrency.sleep(max(0.0, min(rest, until - monotonic())))
                attempt += 1
        except BaseException as error:
            if not isinstance(error, Exception) or getattr(error, "written", False):
                self._leave(claim)
            raise
        raise SemaphoreTimeoutError(
            f"no room for {self.weight} of {self.capacity} under {self._name!r} within {patience} s"
        )

    def release(self) -> None:
        """
        Give the share back that this thread or task holds, or else the oldest one.

        Raises SemaphoreError if there is none, SemaphoreLostError if its lease had ended. If it is
        cancelled or interrupted, the share is given back in the background.
        """
        who, share = self._held("release")
        claim, _ = share
        if self._claims.get(who) is share:  # else another one was acquired meanwhile
            self._claims.pop(who, None)
        try:
            released = self._run("release", decide.release(self._key, claim))
        except BaseException as error:
            if not isinstance(error, Exception):
                self._leave(claim)
            raise
        if not released:
            raise SemaphoreLostError(
                f"the lease of {self.lease} s on {self._name!r} had ended before the release"
            )

    def extend(self, lease: float | None = None) -> None:
        """
        Let the lease end in `lease` seconds from now, as many as at first if not given.

        Raises SemaphoreLostError if it has ended, SemaphoreError if there is none.
        """
        who, share = self._held("extend")
        claim, _ = share
        asked = monotonic()
        lease = self.lease if lease is None else lease
        if not 0 < lease < inf:
            raise ConfigurationError(f"a lease is above 0 and finite, not {lease!r}")
        extend = decide.extend(self._key, claim, milliseconds(lease))
        if not self._run("extend", extend):
            raise SemaphoreLostError(f"the lease on {self._name!r} has ended, nothing to extend")
        if self._claims.get(who) is share:
            self._claims[who] = claim, asked + lease

    # -- inside

    def _ask(self, claim: bytes, left: float, *, queue: bool) -> int:
        lease = milliseconds(self.lease)
        call = decide.acquire(self._key, claim, self.weight, self.capacity, lease, queue=queue)
        timeout = min(self._client.options.timeout, max(left, _SHORTEST))
        return self._run("acquire", call, timeout)

    def _run(self, verb: str, call: Scripted[T], timeout: float | None = None) -> T:
        origin = origin_of(self._cache, f"semaphore.{verb}") if audience.observers else None
        return run(self._client, call, origin, timeout=timeout)

    def _leave(self, claim: bytes) -> None:
        """Have the share or the place in the queue given back that nobody knows of."""
        _concurrency.spawn(
            lambda: self._run("release", decide.release(self._key, claim)), needed=True
        )

    def _held(self, verb: str) -> tuple[int, tuple[bytes, float]]:
        """Return whose share is meant, and which it is."""
        if not same_process:
            run_after_fork()
        me = _concurrency.identity()
        claims = dict(self._claims)
        for who in (me, *claims):
            if who in claims:
                return who, claims[who]
        raise SemaphoreError(f"cannot {verb} {self._name!r}: no share of it is held here")
