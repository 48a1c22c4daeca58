# Written by tools/unasync.py from _async/members.py: edit that file instead.
"""The connections of a pool: how they come and go, and what that says of the server."""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from random import random
from typing import Any

from attrs import evolve

from cachex_pool._concurrency import (
    StateLock,
    dial_until,
    owner,
    spawn,
    monotonic,
)
from cachex_pool._core.state import Permit, PoolState
from cachex_pool._wire import Connection, dial
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    HandshakeRefused,
    NodeUnavailable,
    PoolClosed,
    PoolError,
)
from cachex_pool.forks import in_this_process, run_after_fork, same_process
from cachex_pool.logs import logger
from cachex_pool.observer import PoolObserver, hears_of_each_call, tell
from cachex_pool.options import PoolOptions
from cachex_pool.stats import PoolStats

log = logger("cachex_pool")

UPKEEP_EVERY = 1.0
TOO_SHORT = 0.05
"""Seconds: a dial that was given less by its caller says nothing of the node when it fails."""
LENT = 0.0
"""What `idle_since` is while a connection is lent."""


class Members:
    """A pool's connections; who gets which is the pool's business."""

    def __init__(
        self, endpoint: Endpoint, options: PoolOptions | None, observers: Sequence[PoolObserver]
    ) -> None:
        self.endpoint = endpoint
        self.options = options or PoolOptions()
        self._alive_bypass = self.options.alive_bypass  # read by each call
        self.observers = tuple(observers)
        self.on_overdue: Callable[[], None] | None = None  # called while a reply is long in coming
        self._state = PoolState(self.options)
        self._start()

    def _start(self) -> None:
        self._own_lock = StateLock()
        self._closes: Counter[str] = Counter()
        self._opened = self._waits = self._timeouts = self._dial_failures = 0
        self._wait_time = self._dial_time = 0.0
        self._upkeep_at = 0.0
        self._under_way: set[Connection] = set()
        self._peer = self.endpoint.peer

    @property
    def _lock(self) -> Any:
        """The lock of the state; a child process opens it before it is taken there."""
        return in_this_process(self._own_lock)

    def listen(self, observers: Sequence[PoolObserver]) -> None:
        """Take the observers there are from now on."""
        self.observers = tuple(observers)
        self._watched = hears_of_each_call(observers) or self.options.leak_after is not None

    @property
    def state(self) -> PoolState:
        """The pool's state, for those who share its connections."""
        return self._state

    @property
    def peer(self) -> Endpoint | None:
        """
        The endpoint by the address its connections have reached, where it is given by a name.

        None before the first connection, and while they lead to several addresses.
        """
        return self._peer

    def keeps(self, connection: Connection) -> bool:
        """Say whether a connection would be kept if it came back now."""
        if not same_process[0]:
            run_after_fork()
        return self._state.keeps(connection, monotonic())

    def release(self, connection: Connection) -> None:
        """Give a connection back."""
        raise NotImplementedError

    def retire(self, reason: str = "retired", *, sever: bool = False) -> None:
        """
        Let no connection that exists now be lent again.

        Idle ones are closed at once, lent ones when they come back. With `sever` who waits for a
        reply on a lent one gets ConnectionLost now, who waits for a connection ConnectFailed: the
        server is not the right one any more.
        """
        with self._lock:
            idle = self._state.retire(monotonic())
            lent = [*self._state.members(), *self._under_way] if sever else ()
            if sever:
                gone = ConnectionLost(self.endpoint.name, reason, written=False)
                self._state.turn_away(gone)
        for connection in lent:
            connection.sever(reason)
        self._close_all(idle, reason)
        log.info("pool retired", server=self.endpoint.name, reason=reason)

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        if not same_process[0]:
            run_after_fork()
        state = self._state  # read only: whoever collects metrics does so from another thread
        idle = len(state.idle)
        size, opening = state.census()
        return PoolStats(
            name=self.endpoint.name,
            max_size=self.options.max_size,
            min_size=self.options.min_size,
            size=size,
            idle=idle,
            lent=max(0, size - idle),
            opening=opening,
            waiting=len(state.waiting),
            uses=state.uses,
            opened=self._opened,
            closed=dict(self._closes),
            waits=self._waits,
            wait_time=self._wait_time,
            timeouts=self._timeouts,
            dial_failures=self._dial_failures,
            dial_time=self._dial_time,
            breaker=state.breaker.state,
            generation=state.generation,
        )

    def unavailable(self, now: float) -> Exception:
        """Return the error that says why nothing can be lent at the moment."""
        breaker = self._state.breaker
        left = breaker.remaining(now)
        error = self._state.dial_error or breaker.last_error
        if isinstance(error, AuthenticationFailed | HandshakeRefused) or (left <= 0 and error):
            return self._refusal(error)  # the former are for somebody to mend, not for waiting
        often = f" {breaker.consecutive} times in a row" if breaker.consecutive > 1 else ""
        return NodeUnavailable(
            self.endpoint.name, f"it failed{often}, next try in {left:.2f} s; last: {error}"
        )

    # -- coming

    def _dial(self, permit: Permit, deadline: float) -> Connection:
        state = self._state
        started = monotonic()
        cap = started + self.options.connect_timeout
        until = dial_until(cap, deadline)
        try:
            connection = dial(
                self.endpoint,
                until,
                keepalive=self.options.keepalive,
                under_way=self._under_way,
                on_overdue=self.on_overdue,
            )
        except BaseException as error:
            now = monotonic()
            hurried = until < cap and until - started < TOO_SHORT
            ours = hurried or isinstance(error, ConfigurationError)
            if isinstance(error, PoolError) and not ours:
                with self._lock:
                    state.dial_failed(permit, copy(error), now, random())
                self._dial_failed(error, now, now - started)
            else:
                with self._lock:
                    state.surrender(permit, now)
            raise
        if self.options.guard is not None:
            connection.guard_with(self.options.guard)
        now = monotonic()
        connection.expires_at = now + self._lifetime()
        connection.idle_since = LENT
        connection.lent_at = 0.0
        with self._lock:
            state.opened(permit, connection, now)
            self._opened += 1
            self._dial_time += now - started
        if state.closed:
            self._end(connection, "pool closed", now)
            raise PoolClosed(self.endpoint.name)
        self._note_peer()
        self._succeeded()
        tell(self.observers, "opened", self.endpoint, took=now - started)
        return connection

    def _note_peer(self) -> None:
        """Learn where a name leads; the endpoint stays the same object while that does."""
        if self.endpoint.peer is not None:
            return
        reached = {one.peer for one in self._state.members()}
        found = reached.pop() if len(reached) == 1 else None
        known = self._peer  # another thread may learn something else right now
        if found is None:
            self._peer = None
        elif known is None or (known.host, known.port) != found:
            self._peer = evolve(self.endpoint, host=found[0], port=found[1])

    def _lifetime(self) -> float:
        return self.options.max_lifetime * (1 + self.options.jitter * (2 * random() - 1))

    def _refusal(self, error: Exception) -> Exception:
        """Say to one who waited for it why the dial failed; each gets an exception of his own."""
        kind = type(error) if isinstance(error, ConnectFailed) else ConnectFailed
        fresh = kind(self.endpoint.name, str(error).removeprefix(_CANNOT.format(self.endpoint)))
        fresh.__cause__ = error
        return fresh

    # -- going

    def _why(self, connection: Connection) -> str:
        if connection.closed:
            return "lost"
        if connection.busy:
            return "busy"
        if self._state.closed:
            return "pool closed"
        return "retired" if connection.generation != self._state.generation else "lifetime"

    def _end(self, connection: Connection, reason: str, now: float) -> None:
        with self._lock:
            known = self._state.drop(connection, now)
        if known:
            self._close_all((connection,), reason)
        else:
            connection.close()

    def _end_all_lost(self, now: float) -> None:
        """Close what was lost together with another: a server that dies takes all along."""
        state = self._state
        lost = []
        with self._lock:
            for connection in state.take_idle():
                if connection.is_alive():
                    state.give(connection, now)
                else:
                    lost.append(connection)
        for connection in lost:
            self._end(connection, "lost", now)

    def _look_again(self, now: float) -> None:
        """See to who queued, or what was retired, just while a connection came back."""
        with self._lock:
            self._state.dispatch(now)
            past = self._state.prune(now)
        for connection, reason in past:
            self._close_all((connection,), "lost" if connection.closed else reason)

    def _close_all(self, connections: Sequence[Connection], reason: str) -> None:
        for connection in connections:
            connection.close()
            with self._lock:
                self._closes[reason] += 1
            tell(self.observers, "closed", self.endpoint, reason=reason)
        if self._peer is None:  # those that are left may agree
            self._note_peer()

    # -- the breaker

    def report(self, error: Exception) -> None:
        """Count a timeout against the node though no connection came back with it."""
        self._failed(error, monotonic())

    def answered(self) -> None:
        """Note that the node answered; `release` does so by itself."""
        if self._state.breaker.consecutive:
            self._succeeded()

    def _succeeded(self) -> None:
        with self._lock:
            reopened = self._state.breaker.succeeded()
        if reopened:
            self._tell_breaker("closed")

    def _failed(self, error: Exception, now: float) -> None:
        state = self._state
        with self._lock:
            opened = state.breaker.failed(copy(error), now, state.uses, random())
            idle = state.retire(now) if opened else ()
        if opened:
            self._close_all(idle, "breaker")
            self._tell_breaker("open", error=str(error))

    def _dial_failed(self, error: Exception, now: float, took: float) -> None:
        self._dial_failures += 1
        tell(self.observers, "dial_failed", self.endpoint, took=took, error=error)
        self._failed(error, now)

    def _tell_breaker(self, state: str, **facts: str) -> None:
        log.warning("breaker " + state, server=self.endpoint.name, **facts)
        tell(self.observers, "breaker_changed", self.endpoint, state=state)

    # -- the housekeeping

    def _note_owner(self, connection: Connection) -> None:
        if self._watched:
            connection.owner = owner()
            connection.lent_at = monotonic()

    def _note_return(self, connection: Connection, now: float) -> None:
        connection.owner = None
        since, connection.lent_at = connection.lent_at, 0.0
        if since:  # not if it was lent before anybody watched
            tell(self.observers, "released", self.endpoint, used=now - since)

    def _upkeep(self, now: float) -> None:
        """Close what is past its time, report leaks, open what `min_size` asks for."""
        self._upkeep_at = now + UPKEEP_EVERY
        with self._lock:
            past = self._state.prune(now)
            short = self._state.size + self._state.opening < self.options.min_size
        for connection, reason in past:
            self._close_all((connection,), reason)
        if self.options.leak_after is not None:
            self._report_leaks(now, self.options.leak_after)
        if short and not self._state.closed:
            spawn(self._fill)

    def _fill(self) -> None:
        while True:
            with self._lock:
                permit = self._state.permit_more(monotonic())
            if permit is None:
                return
            try:
                connection = self._dial(permit, monotonic() + self.options.connect_timeout)
            except PoolError:
                return  # told to the observers; the next use tries again
            self.release(connection)

    def _report_leaks(self, now: float, leak_after: float) -> None:
        idle = set(map(id, self._state.idle.copy()))
        for connection in self._state.members():
            owner, lent_for = connection.owner, now - connection.lent_at
            if id(connection) in idle or owner is None or lent_for < leak_after:
                continue
            connection.owner = None  # once is enough
            log.warning(
                "connection leaked", server=self.endpoint.name, owner=owner, seconds=lent_for
            )
            tell(self.observers, "leaked", self.endpoint, owner=owner, lent_for=lent_for)


_CANNOT = "cannot connect to {0.name}: "
