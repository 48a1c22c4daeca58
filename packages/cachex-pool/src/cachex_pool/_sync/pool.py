# Written by tools/unasync.py from _async/pool.py: edit that file instead.
"""Borrowing connections: the async shell around `_core.state`."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cachex_pool._sync.members import LENT, Members
from cachex_pool._concurrency import (
    SLICE,
    Ticket,
    OutOfTime,
    in_background,
    outlive,
    close_at_exit,
    monotonic,
)
from cachex_pool._core.state import KILLED, POOL_CLOSED, Closed, Permit, QueueFull, Unavailable
from cachex_pool._wire import Connection
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    PoolClosed,
    PoolTimeout,
    TooManyWaiting,
)
from cachex_pool.forks import register, run_after_fork, same_process
from cachex_pool.observer import PoolObserver, audience, tell
from cachex_pool.options import PoolOptions
from cachex_pool.pooled import PooledConnection

PROBE_PATIENCE = 0.1
"""Seconds that a caller waits for the probe it has set off while the breaker is open."""
DIAL_PATIENCE = 0.2
"""Seconds that callers wait for a new connection at least, after a call has timed out."""


class Pool(Members):
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
        super().__init__(endpoint, options, observers)
        audience.register(self)
        register(self)
        close_at_exit(self)

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<Pool {stats.name}: {stats.idle} idle, {stats.lent} lent, {stats.opening}"
            f" opening, {stats.waiting} waiting, limit {stats.max_size},"
            f" breaker {stats.breaker}{', closed' if self._state.closed else ''}>"
        )

    # -- talking

    def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is a value.

        Raises PoolError's kinds. One with `written` False never reached the server.
        """
        # `checkout` and `checkin` without calling them, where nothing is out of the ordinary:
        # this is what every call does, and it saves a quarter of what the pool costs.
        if not same_process:
            run_after_fork()
        state = self._state
        try:
            connection = state.idle.pop()
        except IndexError:
            connection = self._checkout_slowly(deadline)
        else:
            if (
                connection.generation == state.generation
                and monotonic() - connection.idle_since < self._alive_bypass
                and not self._watched
            ):
                state.uses += 1
            elif not self._usable(connection):
                connection = self._checkout_slowly(deadline)
        try:
            reply = connection.call_unchecked(data, deadline)
        except BaseException as error:
            self.checkin_failed(connection, error)
            raise
        now = monotonic()
        if (
            now >= connection.expires_at
            or now >= self._upkeep_at
            or state.breaker.consecutive
            or state.waiting
            or self._watched
        ):
            connection.idle_since = LENT  # while it was in use, no other caller saw it
            self.checkin(connection)
            return reply
        connection.idle_since = now
        state.idle.append(connection)
        if state.waiting or connection.generation != state.generation:
            self._look_again(now)
        return reply

    def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; as `call` otherwise."""
        connection = self.checkout(deadline)
        try:
            replies = connection.exchange_unchecked(data, count, deadline)
        except BaseException as error:
            self.checkin_failed(connection, error)
            raise
        self.checkin(connection)
        return replies

    @contextmanager
    def connection(self, deadline: float) -> Iterator[PooledConnection]:
        """Acquire a connection for a block; it is closed instead of kept if the block raises."""
        connection = self.checkout(deadline)
        connection.on_overdue = None  # in a block one may wait: for a message, a list's next item
        pooled = PooledConnection(connection)
        try:
            yield pooled
        except BaseException as error:
            self.abandon(pooled, error)
            raise
        self.release(pooled)

    # -- acquired until it is released

    def acquire(self, deadline: float) -> PooledConnection:
        """
        Acquire a connection: the one used last, a new one, or what comes free before `deadline`.

        Raises PoolTimeout, TooManyWaiting, PoolClosed, ConnectFailed, or NodeUnavailable
        while the breaker is open. Give it back with `release`, or `abandon` after an error.
        """
        return PooledConnection(self.checkout(deadline))

    def release(self, pooled: PooledConnection) -> None:
        """
        Give a connection back; one that is busy, old or of a past generation is closed.

        To release it again changes nothing, also if another caller has it by then. With
        `leak_after`, a connection that comes from another thread or task than acquired it is
        reported.
        """
        connection = pooled.spend()
        if connection is not None:
            connection.on_overdue = self.on_overdue
            self.checkin(connection)

    def abandon(self, pooled: PooledConnection, error: BaseException) -> None:
        """Close a connection after an error in its use; timeouts count against the node."""
        connection = pooled.spend()
        if connection is not None:
            self.checkin_failed(connection, error)

    def discard(self, pooled: PooledConnection, reason: str = "error") -> None:
        """Close a connection and give up its place; `reason` is what the statistics count."""
        connection = pooled.spend()
        if connection is not None:
            self.checkin_closed(connection, reason)

    # -- checked out: the connection itself, for code that checks it in exactly once

    def checkout(self, deadline: float) -> Connection:
        """
        Return a connection as `acquire` does, without an object that makes sure of its release.

        The caller checks it in once and does not use it afterwards: `checkin`, `checkin_failed`
        after an error, or `checkin_closed`. It saves the half of a microsecond that such an object
        costs. Raises as `acquire` does.
        """
        if not same_process:
            run_after_fork()
        state = self._state
        try:
            connection: Connection = state.idle.pop()
        except IndexError:
            return self._checkout_slowly(deadline)
        if (
            connection.generation == state.generation
            and monotonic() - connection.idle_since < self._alive_bypass
        ):
            state.uses += 1
            connection.idle_since = LENT
            if self._watched:
                self._note_owner(connection)
            return connection
        if self._usable(connection):
            return connection
        return self._checkout_slowly(deadline)

    def checkout_now(self) -> Connection | None:
        """
        Check out a connection if one is idle; None if that takes waiting or connecting.

        Raises NodeUnavailable while the breaker is open, and PoolClosed.
        """
        if not same_process:
            run_after_fork()
        state = self._state
        while True:
            try:
                connection: Connection = state.idle.pop()
            except IndexError:
                break
            if (
                connection.generation == state.generation
                and monotonic() - connection.idle_since < self._alive_bypass
            ):
                state.uses += 1
                connection.idle_since = LENT
                if self._watched:
                    self._note_owner(connection)
                return connection
            if self._usable(connection):
                return connection
        if state.closed:
            raise PoolClosed(self.endpoint.name)
        now = monotonic()
        if state.breaker.remaining(now) > 0:
            raise self.unavailable(now)
        return None

    def checkin(self, connection: Connection) -> None:
        """
        Give a connection back that was checked out; as `release` otherwise.

        Once only: a second time takes it from the caller that has checked it out since.
        """
        if connection.idle_since:  # not LENT, which is 0
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

    def checkin_failed(self, connection: Connection, error: BaseException) -> None:
        """Close a connection that was checked out after an error; as `abandon` otherwise."""
        now = monotonic()
        if isinstance(error, DeadlineExceeded):
            self._failed(error, now)
            self._end(connection, "timeout", now)
            self._end_unproven(now)
        else:
            self._end(connection, "lost" if isinstance(error, Exception) else KILLED, now)
            if isinstance(error, ConnectionLost):
                self._end_all_lost(now)

    def waited_in_vain(self, seconds: float) -> None:
        """Count one who got no connection in time; `acquire` does so by itself."""
        self._timeouts += 1
        tell(self.observers, "timed_out", self.endpoint, waited=seconds)

    def checkin_closed(self, connection: Connection, reason: str) -> None:
        """Close a connection that was checked out; as `discard` otherwise."""
        self._end(connection, reason, monotonic())

    # -- life

    def warm_up(self, count: int | None = None, timeout: float = 5.0) -> int:
        """
        Open connections until `count` (default: `min_size`, at least one) are there.

        Returns how many there are; raises as `acquire` does. `timeout` is in seconds.
        """
        wanted = min(count or max(1, self.options.min_size), self.options.max_size)
        deadline = monotonic() + timeout
        held = []
        try:
            while self._state.size < wanted:
                held.append(self.checkout(deadline))
        finally:
            for connection in held:
                self.checkin(connection)
        return self._state.size

    def close(self) -> None:
        """Stop lending, close what is idle now and the rest when it comes back."""
        with self._lock:
            idle = self._state.close(monotonic())
        self._stop_watching(closed=True)
        self._close_all(idle, POOL_CLOSED)

    def at_exit(self) -> None:
        """Close what is idle, so that the interpreter finds no open sockets when it ends."""
        with self._lock:
            idle = self._state.retire(monotonic(), "exit")
        for connection in idle:
            connection.close()

    def after_fork(self) -> None:
        """Start empty in a child process; the parent's sockets are let go without a word."""
        for connection in self._state.members():
            connection.forget()
        self._state.start_anew()
        self._start()

    # -- inside: getting one

    def _checkout_slowly(self, deadline: float) -> Connection:
        started = monotonic()
        while True:
            granted = self._request(deadline, started)
            if granted.__class__ is Permit:
                granted = self._open(granted, deadline, started)
                self._state.uses += 1
                self._note_owner(granted)
                return granted  # type: ignore[no-any-return]
            if self._usable(granted):
                return granted  # type: ignore[no-any-return]

    def _request(self, deadline: float, started: float) -> Any:
        state = self._state
        now = monotonic()
        ticket = None
        try:
            with self._lock:
                state.reap()
                granted = state.request(now)
                if granted is None:
                    ticket = Ticket()
                    state.enqueue(ticket, now)
        except Closed:
            raise PoolClosed(self.endpoint.name) from None
        except Unavailable:
            raise self.unavailable(now) from None
        except QueueFull:
            raise TooManyWaiting(self.endpoint.name, now - started, self.stats()) from None
        if ticket is not None:
            granted = self._wait(ticket, deadline, started)
        return granted

    def _wait(self, ticket: Ticket, deadline: float, started: float) -> Any:
        state = self._state
        now = monotonic()
        self._waits += 1
        try:
            while not ticket.wait(min(SLICE, deadline - now)):
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

    def _usable(self, connection: Connection) -> bool:
        """Look a connection over that was idle for longer, or that was handed on."""
        now = monotonic()
        if not self._state.keeps(connection, now):
            self._end(connection, self._why(connection), now)
            return False
        if now - connection.idle_since >= self._alive_bypass and not connection.is_alive():
            self._end(connection, "lost", now)
            return False
        self._state.uses += 1
        connection.idle_since = LENT
        self._note_owner(connection)
        return True

    def _open(self, permit: Permit, deadline: float, started: float) -> Any:
        """Open a connection; if the caller leaves meanwhile, the pool keeps what comes."""

        def dial() -> Connection:
            return self._dial(permit, deadline)

        if permit.probe:
            return self._probe(permit, deadline)
        try:
            return outlive(dial, self.checkin, deadline - monotonic())
        except OutOfTime:
            raise self.not_connected(monotonic() - started) from None

    def _probe(self, permit: Permit, deadline: float) -> Any:
        """
        Find out in the background whether the server is there.

        The caller waits a moment for the answer, as a server that is there gives one at once; it
        does not wait for one that hangs. After a timeout a second silence opens the breaker.
        """

        def dial() -> Connection:
            return self._dial(permit, math.inf)

        patience, left = self._patience(), deadline - monotonic()
        try:
            return in_background(dial, self.checkin, min(patience, left))
        except OutOfTime:
            if left < patience or self.asks_provider:
                raise self.not_connected(min(patience, left)) from None
            self._silent_again(patience)
            raise self.unavailable(monotonic()) from None

    def _patience(self) -> float:
        """Return the seconds that are enough for a connection to a server that is there."""
        if not self._state.breaker.closed:
            return PROBE_PATIENCE
        return max(DIAL_PATIENCE, 4 * self._dial_time / max(1, self._state.opens))

    def _silent_again(self, seconds: float) -> None:
        """Open the breaker, as a call and then a new connection were not answered in time."""
        if self._state.breaker.closed:
            error = ConnectTimeout(self.endpoint.name, f"no answer within {seconds:.3f} s")
            self._failed(error, monotonic(), dial=True)
