# tools/unasync.py writes the sync twin of this file.
"""Borrowing connections: the async shell around `_core.state`."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from random import random
from typing import Any

from attrs import evolve

from cachex_pool._concurrency import (
    SLICE,
    AsyncStateLock,
    AsyncTicket,
    OutOfTime,
    async_dial_until,
    async_outlive,
    async_owner,
    async_spawn,
    monotonic,
    survive_fork,
)
from cachex_pool._core.state import Closed, Permit, PoolState, QueueFull, Unavailable
from cachex_pool._wire import AsyncConnection, async_dial
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    HandshakeRefused,
    NodeUnavailable,
    PoolClosed,
    PoolError,
    PoolTimeout,
    TooManyWaiting,
)
from cachex_pool.logs import logger
from cachex_pool.observer import PoolObserver, audience, hears_of_each_call, tell
from cachex_pool.options import PoolOptions
from cachex_pool.stats import PoolStats

log = logger("cachex_pool")

UPKEEP_EVERY = 1.0
TOO_SHORT = 0.05
"""Seconds: a dial that was given less by its caller says nothing of the node when it fails."""
_LENT = 0.0
"""What `idle_since` is while a connection is lent."""


class AsyncPool:
    """
    Lends ready-to-talk connections to one server, each to one caller at a time.

    Deadlines are times of `time.monotonic()`. Nothing is connected before the first use
    (see `warm_up`). A connection that comes back in the middle of an exchange is closed,
    never lent again. Usable from any number of threads, and in a child process after
    a fork; its asyncio twin belongs to the event loop that uses it first.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: PoolOptions | None = None,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        self.endpoint = endpoint
        self.options = options or PoolOptions()
        self.observers = tuple(observers)
        self.on_overdue: Callable[[], None] | None = None  # called while a reply is long in coming
        self._state = PoolState(self.options)
        self._start()
        audience.register(self)
        survive_fork(self)

    def _start(self) -> None:
        self._lock = AsyncStateLock()
        self._closes: Counter[str] = Counter()
        self._opened = self._waits = self._timeouts = self._dial_failures = 0
        self._wait_time = self._dial_time = 0.0
        self._upkeep_at = 0.0
        self._under_way: set[AsyncConnection] = set()
        self._peer = self.endpoint.peer

    def listen(self, observers: Sequence[PoolObserver]) -> None:
        """Take the observers there are from now on."""
        self.observers = tuple(observers)
        self._watched = hears_of_each_call(observers) or self.options.leak_after is not None

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<AsyncPool {stats.name}: {stats.idle} idle, {stats.lent} lent, {stats.opening}"
            f" opening, {stats.waiting} waiting, limit {stats.max_size},"
            f" breaker {stats.breaker}{', closed' if self._state.closed else ''}>"
        )

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

    # -- talking

    async def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is a value.

        Raises PoolError's kinds. One with `written` False never reached the server.
        """
        # `acquire` and `release` without calling them, where nothing is out of the ordinary:
        # this is what every call does, and it saves a quarter of what the pool costs.
        state = self._state
        try:
            connection = state.idle.pop()
        except IndexError:
            connection = await self._acquire_slowly(deadline)
        else:
            if (
                connection.generation == state.generation
                and monotonic() - connection.idle_since < self.options.alive_bypass
                and not self._watched
            ):
                connection.uses += 1
                connection.idle_since = _LENT
            elif not self._usable(connection):
                connection = await self._acquire_slowly(deadline)
        try:
            reply = await connection.call(data, deadline)
        except BaseException as error:
            self.abandon(connection, error)
            raise
        now = monotonic()
        if (
            connection.generation != state.generation
            or now >= connection.expires_at
            or now >= self._upkeep_at
            or state.breaker.consecutive
            or state.waiting
            or self._watched
        ):
            self.release(connection)
            return reply
        connection.idle_since = now
        state.idle.append(connection)
        if state.waiting or connection.generation != state.generation:
            self._look_again(now)
        return reply

    async def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; as `call` otherwise."""
        connection = await self.acquire(deadline)
        try:
            replies = await connection.exchange(data, count, deadline)
        except BaseException as error:
            self.abandon(connection, error)
            raise
        self.release(connection)
        return replies

    @asynccontextmanager
    async def connection(self, deadline: float) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection for a block; it is closed instead of kept if the block raises."""
        connection = await self.acquire(deadline)
        connection.on_overdue = None  # what is borrowed may wait: for a message, a list's next item
        try:
            yield connection
        except BaseException as error:
            self.abandon(connection, error)
            raise
        connection.on_overdue = self.on_overdue
        self.release(connection)

    # -- borrowing

    async def acquire(self, deadline: float) -> AsyncConnection:
        """
        Lend a connection: the one used last, a new one, or what comes free before `deadline`.

        Raises PoolTimeout, TooManyWaiting, PoolClosed, ConnectFailed, or NodeUnavailable
        while the breaker is open. Give it back with `release`, or `abandon` after an error.
        """
        state = self._state
        try:
            connection: AsyncConnection = state.idle.pop()
        except IndexError:
            return await self._acquire_slowly(deadline)
        if (
            connection.generation == state.generation
            and monotonic() - connection.idle_since < self.options.alive_bypass
        ):
            connection.uses += 1
            connection.idle_since = _LENT
            if self._watched:
                self._note_owner(connection)
            return connection
        if self._usable(connection):
            return connection
        return await self._acquire_slowly(deadline)

    def release(self, connection: AsyncConnection) -> None:
        """
        Give a connection back; one that is busy, old or of a past generation is closed.

        To give one back twice, or after it was closed, changes nothing.
        """
        if connection.idle_since != _LENT:
            return
        state = self._state
        now = monotonic()
        if (
            connection.busy
            or connection.generation != state.generation
            or now >= connection.expires_at
        ):
            self._end(connection, self._why(connection), now)
            return
        if self._watched:
            self._note_return(connection, now)
        connection.idle_since = now
        if state.waiting:
            with self._lock:
                state.give(connection, now)
        else:
            state.idle.append(connection)
            if state.waiting or connection.generation != state.generation:
                self._look_again(now)
        if state.breaker.consecutive:
            self._succeeded()
        if now >= self._upkeep_at:
            self._upkeep(now)

    def abandon(self, connection: AsyncConnection, error: BaseException) -> None:
        """Close a connection after an error in its use; timeouts count against the node."""
        now = monotonic()
        if isinstance(error, DeadlineExceeded):
            self._failed(error, now)
            self._end(connection, "timeout", now)
        else:
            self._end(connection, "lost" if isinstance(error, Exception) else "killed", now)
            if isinstance(error, ConnectionLost):
                self._end_all_lost(now)

    def report(self, error: Exception) -> None:
        """Count a timeout against the node though no connection came back with it."""
        self._failed(error, monotonic())

    def waited_in_vain(self, seconds: float) -> None:
        """Count one who got no connection in time; `acquire` does so by itself."""
        self._timeouts += 1
        tell(self.observers, "timed_out", self.endpoint, waited=seconds)

    def answered(self) -> None:
        """Note that the node answered; `release` does so by itself."""
        if self._state.breaker.consecutive:
            self._succeeded()

    def discard(self, connection: AsyncConnection, reason: str = "error") -> None:
        """Close a connection and give up its place; `reason` is what the statistics count."""
        self._end(connection, reason, monotonic())

    # -- life

    async def warm_up(self, count: int | None = None, timeout: float = 5.0) -> int:
        """
        Open connections until `count` (default: `min_size`, at least one) are there.

        Returns how many there are; raises as `acquire` does. `timeout` is in seconds.
        """
        wanted = min(count or max(1, self.options.min_size), self.options.max_size)
        deadline = monotonic() + timeout
        held = []
        try:
            while self._state.size < wanted:
                held.append(await self.acquire(deadline))
        finally:
            for connection in held:
                self.release(connection)
        return self._state.size

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

    async def aclose(self) -> None:
        """Stop lending, close what is idle now and the rest when it comes back."""
        with self._lock:
            idle = self._state.close(monotonic())
        self._close_all(idle, "pool closed")

    def at_exit(self) -> None:
        """Close what is idle, so that the interpreter finds no open sockets when it ends."""
        with self._lock:
            idle = self._state.retire(monotonic())
        for connection in idle:
            connection.close()

    def after_fork(self) -> None:
        """Start empty in a child process; the parent's sockets are let go without a word."""
        for connection in self._state.members():
            connection.forget()
        self._state.start_anew()
        self._start()

    def stats(self) -> PoolStats:
        """Return a picture of the pool."""
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

    # -- inside: getting one

    async def _acquire_slowly(self, deadline: float) -> AsyncConnection:
        started = monotonic()
        while True:
            granted = await self._request(deadline, started)
            if granted.__class__ is Permit:
                granted = await self._open(granted, deadline, started)
                granted.uses += 1
                self._note_owner(granted)
                return granted  # type: ignore[no-any-return]
            if self._usable(granted):
                return granted  # type: ignore[no-any-return]

    async def _request(self, deadline: float, started: float) -> Any:
        state = self._state
        now = monotonic()
        ticket = None
        try:
            with self._lock:
                state.reap()
                granted = state.request(now)
                if granted is None:
                    ticket = AsyncTicket()
                    state.enqueue(ticket, now)
        except Closed:
            raise PoolClosed(self.endpoint.name) from None
        except Unavailable:
            raise self.unavailable(now) from None
        except QueueFull:
            raise TooManyWaiting(self.endpoint.name, now - started, self.stats()) from None
        if ticket is not None:
            granted = await self._wait(ticket, deadline, started)
        return granted

    async def _wait(self, ticket: AsyncTicket, deadline: float, started: float) -> Any:
        state = self._state
        now = monotonic()
        self._waits += 1
        try:
            while not await ticket.wait(min(SLICE, deadline - now)):
                now = monotonic()
                if now >= deadline:
                    raise PoolTimeout(self.endpoint.name, now - started, self.stats())
                with self._lock:
                    state.recheck(ticket, now)
                if state.breaker.remaining(now) > 0:
                    raise self.unavailable(now)
                if now >= self._upkeep_at:  # nobody may give anything back any more
                    self._upkeep(now)
        except BaseException as error:
            with self._lock:
                state.abandon(ticket, monotonic())
            if isinstance(error, PoolTimeout):
                self.waited_in_vain(error.waited)
            raise
        waited = monotonic() - started
        self._wait_time += waited
        granted = ticket.granted
        if isinstance(granted, Closed):
            raise PoolClosed(self.endpoint.name)
        if isinstance(granted, Exception):
            raise self._refusal(granted)
        tell(self.observers, "acquired", self.endpoint, waited=waited)
        return granted

    def _usable(self, connection: AsyncConnection) -> bool:
        """Look a connection over that was idle for longer, or that was handed on."""
        now = monotonic()
        if not self._state.keeps(connection, now):
            self._end(connection, self._why(connection), now)
            return False
        if now - connection.idle_since >= self.options.alive_bypass and not connection.is_alive():
            self._end(connection, "lost", now)
            return False
        connection.uses += 1
        connection.idle_since = _LENT
        self._note_owner(connection)
        return True

    async def _open(self, permit: Permit, deadline: float, started: float) -> Any:
        """Open a connection; if the caller leaves meanwhile, the pool keeps what comes."""

        async def dial() -> AsyncConnection:
            return await self._dial(permit, deadline)

        try:
            return await async_outlive(dial, self.release, deadline - monotonic())
        except OutOfTime:
            waited = monotonic() - started
            raise ConnectTimeout(
                self.endpoint.name, f"not connected within {waited:.3f} s"
            ) from None

    async def _dial(self, permit: Permit, deadline: float) -> AsyncConnection:
        state = self._state
        started = monotonic()
        cap = started + self.options.connect_timeout
        until = async_dial_until(cap, deadline)
        try:
            connection = await async_dial(
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
        now = monotonic()
        connection.expires_at = now + self._lifetime()
        connection.idle_since = _LENT
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
        if found is None:
            self._peer = None
        elif self._peer is None or (self._peer.host, self._peer.port) != found:
            self._peer = evolve(self.endpoint, host=found[0], port=found[1])

    def _lifetime(self) -> float:
        return self.options.max_lifetime * (1 + self.options.jitter * (2 * random() - 1))

    def _dial_failed(self, error: Exception, now: float, took: float) -> None:
        self._dial_failures += 1
        tell(self.observers, "dial_failed", self.endpoint, took=took, error=error)
        self._failed(error, now)

    def _refusal(self, error: Exception) -> Exception:
        """Say to one who waited for it why the dial failed; each gets an exception of his own."""
        kind = type(error) if isinstance(error, ConnectFailed) else ConnectFailed
        fresh = kind(self.endpoint.name, str(error).removeprefix(_CANNOT.format(self.endpoint)))
        fresh.__cause__ = error
        return fresh

    # -- inside: losing one

    def _why(self, connection: AsyncConnection) -> str:
        if connection.closed:
            return "lost"
        if connection.busy:
            return "busy"
        if self._state.closed:
            return "pool closed"
        return "retired" if connection.generation != self._state.generation else "lifetime"

    def _end(self, connection: AsyncConnection, reason: str, now: float) -> None:
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
            self._close_all((connection,), reason)

    def _close_all(self, connections: Sequence[AsyncConnection], reason: str) -> None:
        for connection in connections:
            connection.close()
            with self._lock:
                self._closes[reason] += 1
            tell(self.observers, "closed", self.endpoint, reason=reason)

    # -- inside: the breaker and the housekeeping

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

    def _tell_breaker(self, state: str, **facts: str) -> None:
        log.warning("breaker " + state, server=self.endpoint.name, **facts)
        tell(self.observers, "breaker_changed", self.endpoint, state=state)

    def _note_owner(self, connection: AsyncConnection) -> None:
        if self._watched:
            connection.owner = async_owner()
            connection.lent_at = monotonic()

    def _note_return(self, connection: AsyncConnection, now: float) -> None:
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
            async_spawn(self._fill)

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
