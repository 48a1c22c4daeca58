# tools/unasync.py writes the sync twin of this file.
"""The connections of a pool: how they come and go, and what that says of the server."""

from collections.abc import Callable, Sequence
from copy import copy
from random import random
from typing import Any

from attrs import evolve

from cachex_pool._concurrency import (
    AsyncStateLock,
    async_dial_until,
    async_later_for,
    async_owner,
    async_spawn,
    monotonic,
)
from cachex_pool._core.state import POOL_CLOSED, Permit, PoolState
from cachex_pool._wire import AsyncConnection, async_dial
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
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
PROVEN_FOR = 0.25
"""Seconds for which a reply on a connection is taken as proof that it still leads to the server."""
LENT = 0.0
"""What `idle_since` is while a connection is lent."""


class AsyncMembers:
    """A pool's connections; who gets which is the pool's business."""

    def __init__(
        self, endpoint: Endpoint, options: PoolOptions | None, observers: Sequence[PoolObserver]
    ) -> None:
        self.endpoint = endpoint
        self.options = options or PoolOptions()
        self._alive_bypass = self.options.alive_bypass  # read by each call
        self.observers = tuple(observers)
        self.on_overdue: Callable[[], None] | None = None  # called while a reply is long in coming
        self.questions: Sequence[tuple[str, ...]] = ()
        """Commands that are sent with the handshake, for `on_opened` to look at the replies."""
        self.on_opened: Callable[[AsyncConnection, float], Any] | None = None
        """Called with a new connection and its deadline: it may refuse it by a ConnectFailed."""
        self._state = PoolState(self.options)
        self._start()

    def _start(self) -> None:
        self._own_lock = AsyncStateLock()
        self._waits = self._timeouts = self._dial_failures = 0
        self._wait_time = self._dial_time = 0.0
        self._upkeep_at = 0.0
        self._unwatch_idle: Callable[[], object] | None = None
        self._under_way: set[AsyncConnection] = set()
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

    def keeps(self, connection: AsyncConnection) -> bool:
        """Say whether a connection would be kept if it came back now."""
        if not same_process:
            run_after_fork()
        return self._state.keeps(connection, monotonic())

    def checkin(self, connection: AsyncConnection) -> None:
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
            idle = self._state.retire(monotonic(), reason)
            lent = [*self._state.members(), *self._under_way] if sever else ()
            if sever:
                self._under_way.clear()
                gone = ConnectionLost(self.endpoint.name, reason, written=False)
                self._state.turn_away(gone)
        for connection in lent:
            connection.sever(reason)
        self._close_all(idle, reason)
        self._stop_watching()
        log.info("pool retired", server=self.endpoint.name, reason=reason)

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
        if not same_process:
            run_after_fork()
        state = self._state  # read only: whoever collects metrics does so from another thread
        idle = len(state.idle)
        size, opening, opens, closes = state.counts()
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
            opened=opens,
            closed=closes,
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
        pausing = breaker.closed and not breaker.suspects  # after a failed dial
        final = isinstance(error, AuthenticationFailed | HandshakeRefused)  # for people to mend
        if error is not None and (final or (left <= 0 and pausing)):
            return self._refusal(error)
        often = f" {breaker.consecutive} times in a row" if breaker.consecutive > 1 else ""
        return NodeUnavailable(
            self.endpoint.name, f"it failed{often}, next try in {left:.2f} s; last: {error}"
        )

    # -- coming

    async def _dial(self, permit: Permit, deadline: float) -> AsyncConnection:
        state = self._state
        started = monotonic()
        cap = started + self.options.connect_timeout
        until = async_dial_until(cap, deadline)
        reached = False
        try:
            connection = await async_dial(
                self.endpoint,
                until,
                keepalive=self.options.keepalive,
                under_way=self._under_way,
                on_overdue=self.on_overdue,
                questions=self.questions,
            )
            reached = True
            if self.on_opened is not None:
                await self._vet(self.on_opened, connection, until)
        except BaseException as error:
            now = monotonic()
            hurried = until < cap and until - started < TOO_SHORT
            ours = hurried or isinstance(error, ConfigurationError)
            blame = not reached and getattr(error, "server_at_fault", True)
            if isinstance(error, PoolError) and not ours:
                with self._lock:
                    state.dial_failed(permit, copy(error), now, random())
                self._dial_failed(error, now, now - started, blame=blame)
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
            self._dial_time += now - started
        if state.closed:
            self._end(connection, POOL_CLOSED, now)
            raise PoolClosed(self.endpoint.name)
        self._watch_idle()
        self._note_peer()
        self._succeeded()
        tell(self.observers, "opened", self.endpoint, took=now - started)
        return connection

    @property
    def asks_provider(self) -> bool:
        """Whether a connection that is being opened waits for the credential provider."""
        return any(one.asks_provider for one in self._under_way.copy())

    def not_connected(self, seconds: float) -> ConnectTimeout:
        """Return the error for a caller whose time is over before a connection is there."""
        reason = f"not connected within {seconds:.3f} s"
        if self.asks_provider:
            reason += ": no credentials yet, the provider has not answered"
        return ConnectTimeout(self.endpoint.name, reason)

    async def _vet(
        self,
        on_opened: Callable[[AsyncConnection, float], Any],
        connection: AsyncConnection,
        until: float,
    ) -> None:
        """Let the pool's owner refuse a connection before anybody uses it."""
        try:
            await on_opened(connection, until)
        except BaseException as error:
            connection.close()
            if isinstance(error, PoolError) and not isinstance(error, ConnectFailed):
                raise ConnectFailed(self.endpoint.name, error) from error
            raise

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
        fresh.server_at_fault = getattr(error, "server_at_fault", True)
        fresh.__cause__ = error
        return fresh

    # -- going

    def _why(self, connection: AsyncConnection) -> str:
        if connection.closed:
            return "lost"
        if connection.busy:
            return "busy"
        if self._state.closed:
            return POOL_CLOSED
        return "retired" if connection.generation != self._state.generation else "lifetime"

    def _end(self, connection: AsyncConnection, reason: str, now: float) -> None:
        state = self._state
        with self._lock:
            retired = connection.generation != state.generation
            known = state.drop(connection, now, reason)
        if known:
            self._close_all((connection,), reason)
        else:
            connection.close()
        if retired:
            self._stop_watching()

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

    def _end_unproven(self, now: float) -> None:
        """
        Close what was idle when the server did not answer in time on another connection.

        A network that forgets connections forgets all that were idle for as long; each of them
        would cost a deadline to find out. What was used a moment ago is kept.
        """
        state = self._state
        unproven = []
        with self._lock:
            for connection in state.take_idle():
                if now - connection.idle_since < PROVEN_FOR:
                    state.give(connection, now)
                else:
                    unproven.append(connection)
        for connection in unproven:
            self._end(connection, "timeout", now)

    def _look_again(self, now: float) -> None:
        """See to who queued, or what was retired, just while a connection came back."""
        with self._lock:
            self._state.dispatch(now)
            past = self._state.prune(now)
        for connection, reason in past:
            self._close_all((connection,), reason)
        self._stop_watching()

    def _close_all(self, connections: Sequence[AsyncConnection], reason: str) -> None:
        for connection in connections:
            connection.close()
            tell(self.observers, "closed", self.endpoint, reason=reason)
        if self._peer is None:  # those that are left may agree
            self._note_peer()

    # -- the breaker

    def report(self, error: Exception, times: int = 1) -> None:
        """Count so many timeouts against the node though no connection came back with them."""
        now = monotonic()
        self._failed(error, now, times)
        self._end_unproven(now)

    def answered(self) -> None:
        """Note that the node answered; `checkin` does so by itself."""
        if self._state.breaker.consecutive:
            self._succeeded()

    def _succeeded(self) -> None:
        with self._lock:
            reopened = self._state.breaker.succeeded()
        if reopened:
            self._tell_breaker("closed")

    def _failed(self, error: Exception, now: float, times: int = 1, dial: bool = False) -> None:
        state = self._state
        with self._lock:
            opened = state.breaker.failed(
                copy(error), now, state.uses, random(), times=times, dial=dial
            )
            idle = state.retire(now, "breaker") if opened else ()
        if opened:
            self._close_all(idle, "breaker")
            self._tell_breaker("open", error=str(error))

    def _dial_failed(self, error: Exception, now: float, took: float, *, blame: bool) -> None:
        self._dial_failures += 1
        tell(self.observers, "dial_failed", self.endpoint, took=took, error=error)
        if blame:
            self._failed(error, now, dial=True)

    def _tell_breaker(self, state: str, **facts: str) -> None:
        log.warning("breaker " + state, server=self.endpoint.name, **facts)
        tell(self.observers, "breaker_changed", self.endpoint, state=state)

    # -- the housekeeping

    def _note_owner(self, connection: AsyncConnection) -> None:
        if self._watched:
            connection.owner = async_owner()
            connection.lent_at = monotonic()

    def _note_return(self, connection: AsyncConnection, now: float) -> None:
        holder, connection.owner = connection.owner, None
        if self.options.leak_after is not None and holder not in (None, async_owner()):
            by, server = async_owner(), self.endpoint.name
            log.warning(
                f"a connection to {server}, acquired by {holder}, was released by {by}",
                server=server,
                owner=holder,
            )
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
            async_spawn(self._fill)

    def _watch_idle(self) -> None:
        """See to it that what stays idle is closed, also if nobody uses the pool any more."""
        with self._lock:
            if self._unwatch_idle is None and not self._state.closed:
                seconds = self.options.max_idle
                self._unwatch_idle = async_later_for(self, seconds, AsyncMembers.close_idle)

    def _stop_watching(self, *, closed: bool = False) -> None:
        """
        Let a pool that was retired, or closed, keep no timer and no thread once it is empty.

        If it becomes empty otherwise there will be a connection again soon: the timer stays.
        """
        with self._lock:
            if self._unwatch_idle is None or (self._state.size > 0 and not closed):
                return
            unwatch, self._unwatch_idle = self._unwatch_idle, None
        unwatch()

    def close_idle(self) -> None:
        """Close what has been idle for too long, and look again when the next one will be."""
        now, state = monotonic(), self._state
        with self._lock:
            self._unwatch_idle = None
            past = state.prune(now)
            since = [one.idle_since for one in state.idle.copy() if one.idle_since != LENT]
            if state.size > 0 and not state.closed:
                rest = min(since, default=now) + self.options.max_idle - now
                seconds = rest if rest > 0 else self.options.max_idle  # `min_size` keeps some
                self._unwatch_idle = async_later_for(self, seconds + 0.001, AsyncMembers.close_idle)
        for connection, reason in past:
            self._close_all((connection,), reason)

    async def _fill(self) -> None:
        while True:
            with self._lock:
                permit = self._state.permit_more(monotonic())
            if permit is None:
                return
            try:
                connection = await self._dial(permit, monotonic() + self.options.connect_timeout)
            except PoolError:
                return  # told to the observers; the next use tries again
            self.checkin(connection)

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
