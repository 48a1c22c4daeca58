"""
A connection for asyncio: replies are matched to commands in order.

Commands given in one turn of the event loop leave in one write. A caller who is
cancelled, or whose deadline passes, leaves a tombstone: the reply is read and dropped,
and never reaches anybody else. One timer per connection watches all deadlines.
"""

import asyncio
import select
import socket
import warnings
from collections import deque
from collections.abc import Callable
from copy import copy
from functools import partial
from time import monotonic
from typing import Any

from cachex_pool._wire.dial import peer_of, set_options
from cachex_pool._wire.protocol import (
    BROKEN,
    MAX_REPLY,
    NOT_READY,
    OVERDUE_AFTER,
    Handshake,
    Push,
    new_reader,
    no_credentials,
    screen,
)
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    PoolError,
    ProtocolError,
)
from cachex_pool.forks import run_after_fork, same_process
from cachex_pool.options import LOOK_AFTER, Guard

STUCK_AFTER = 1.0
"""Seconds without a byte from the server after which a missed deadline ends the connection."""
SILENT_AFTER = 0.25
"""Seconds of silence after which a missed deadline says something about the server."""
_NEVER = float("inf")


class _Batch:
    """Several replies for one caller."""

    __slots__ = ("count", "future", "replies")

    def __init__(self, future: "asyncio.Future[Any]", count: int) -> None:
        self.future = future
        self.count = count
        self.replies: list[Any] = []


class AsyncConnection(asyncio.Protocol):
    """
    A ready-to-talk connection to one server, for one event loop.

    It is busy while replies are outstanding. Used by one caller it is like the
    connection of threads; a multiplexer lets many callers use it at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._reader = new_reader()
        self._feed = self._reader.feed
        self._gets = self._reader.gets
        self._transport: Any = None
        # One entry per caller: its future, its deadline, its _Batch or None. First in, first out.
        self._pending: deque[tuple[asyncio.Future[Any], float, _Batch | None]] = deque()
        self._out: list[bytes] = []
        self._unsent = 0  # entries whose bytes are still in `_out`
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = _NEVER
        self._end: Exception | None = None
        self._received = 0  # bytes since the last whole reply
        self._greeted = False  # until then a full server may refuse us before we say anything
        self.paused: asyncio.Future[None] | None = None
        self.quiet_since = monotonic()
        self.on_end: Callable[[AsyncConnection, Exception], None] | None = None
        self.on_silence: Callable[[DeadlineExceeded], None] | None = None
        self.on_overdue: Callable[[], None] | None = None
        self.name = name
        self.peer: tuple[str, int] | None = None
        self.protocol = 2
        self.server: dict[str, Any] = {}
        self.generation = 0
        self.uses = 0
        self.idle_since = self.lent_at = self.quiet_since
        self.expires_at = _NEVER
        self.owner: str | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._pending)} pending"
        return f"<AsyncConnection to {self.name}, {state}>"

    @property
    def busy(self) -> bool:
        """Whether replies are outstanding."""
        return bool(self._pending)

    @property
    def awaited(self) -> bool:
        """Whether somebody still waits for a reply."""
        return any(not future.done() for future, _, _ in self._pending)

    @property
    def closed(self) -> bool:
        """Whether it was closed, by either side."""
        return self._end is not None

    # -- callers

    def submit(self, data: bytes, deadline: float) -> "asyncio.Future[Any]":
        """
        Send one packed command; the future gets its reply, error replies as values.

        Errors set in it: ConnectionLost, DeadlineExceeded (`deadline` is a time of
        `time.monotonic()`), ProtocolError.
        """
        if self._end is not None:
            raise ConnectionLost(self.name, self._end, written=False)
        future = self._loop.create_future()
        self._pending.append((future, deadline, None))
        self._unsent += 1
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(data)
        if deadline < self._alarm_at:
            self._wait_for(deadline)
        return future

    def submit_many(self, data: bytes, count: int, deadline: float) -> "asyncio.Future[Any]":
        """Send packed commands; the future gets the list of their `count` replies."""
        future = self.submit(data, deadline)
        self._pending[-1] = (future, deadline, _Batch(future, count))
        return future

    async def call(self, data: bytes, deadline: float) -> Any:
        """Send one packed command and return its reply; errors as in `submit`."""
        if not same_process[0]:
            run_after_fork()
        return await self.call_unchecked(data, deadline)

    async def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies."""
        if not same_process[0]:
            run_after_fork()
        return await self.exchange_unchecked(data, count, deadline)

    async def call_unchecked(self, data: bytes, deadline: float) -> Any:
        """Do as `call`, for a caller that has looked at `same_process` already."""
        if self.paused is not None:
            await self._until_writable(deadline)
        return await self.submit(data, deadline)

    async def exchange_unchecked(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Do as `exchange`, for a caller that has looked at `same_process` already."""
        if self.paused is not None:
            await self._until_writable(deadline)
        return await self.submit_many(data, count, deadline)  # type: ignore[no-any-return]

    def guard_with(self, guard: Guard) -> None:
        """Have every command from now on shown to `guard`, which raises to refuse it."""
        submit = self.submit

        def guarded(data: bytes, deadline: float) -> "asyncio.Future[Any]":
            screen(guard, data)
            return submit(data, deadline)

        self.submit = guarded  # type: ignore[method-assign]

    def is_alive(self) -> bool:
        """Say whether the server still holds the line and has said nothing unasked."""
        if not same_process[0]:
            run_after_fork()
        if self._end is not None or self._transport.is_closing():
            return False
        return bool(self._pending) or not self._has_unread()

    def close(self) -> None:
        """Close the socket; nothing more is sent, who still waits gets ConnectionLost."""
        self._finish(ConnectionLost(self.name, "closed by us", written=True))

    def sever(self, why: str) -> None:
        """End the connection; who waits for a reply gets ConnectionLost."""
        self._finish(ConnectionLost(self.name, why, written=True))

    def forget(self) -> None:
        """Let go of a socket that belongs to the parent process, without touching its loop."""
        self._end = ConnectionLost(self.name, "belongs to the parent process", written=False)
        self._pending.clear()
        _inherited.append(self._transport)
        sock = self._transport and self._transport.get_extra_info("socket")
        sock = getattr(sock, "_sock", None)  # uvloop keeps it to itself
        if sock is not None:
            socket.close(sock.detach())

    def _has_unread(self) -> bool:
        """Say whether bytes have come that the event loop has not read yet."""
        sock = self._transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0 or not hasattr(select, "poll"):
            return False
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        return bool(poller.poll(0))

    async def _until_writable(self, deadline: float) -> None:
        while (paused := self.paused) is not None:
            left = deadline - monotonic()
            done, _ = await asyncio.wait((paused,), timeout=max(0.0, left))
            if not done:
                raise DeadlineExceeded(self.name, "waiting to send the command", written=False)

    # -- the event loop

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._feed(data)
        self.quiet_since = monotonic()
        self._received += len(data)
        pending = self._pending
        unsent = self._unsent
        gets = self._gets
        try:
            while True:
                reply = gets()
                if reply is NOT_READY:
                    break
                if reply.__class__ is Push:
                    continue
                self._received = 0
                if len(pending) <= unsent and (self._greeted or not pending):
                    raise ProtocolError(self.name, "a reply that nobody asked for")
                future, _, batch = pending[0]
                if batch is not None:
                    batch.replies.append(reply)
                    if len(batch.replies) < batch.count:
                        continue
                    reply = batch.replies
                pending.popleft()
                if not future.done():
                    future.set_result(reply)
        except BROKEN as error:
            self._finish(ProtocolError(self.name, error))
        except ProtocolError as error:
            self._finish(error)
        if self._received > MAX_REPLY:
            self._finish(ProtocolError(self.name, f"a reply of more than {MAX_REPLY} bytes"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, why: Exception | None) -> None:
        self._finish(ConnectionLost(self.name, why or "closed by the server", written=True))

    def pause_writing(self) -> None:
        self.paused = self._loop.create_future()

    def resume_writing(self) -> None:
        paused, self.paused = self.paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)

    def _flush(self) -> None:
        out = self._out
        if self._end is None:
            if len(self._pending) == self._unsent:  # the server had nothing to say until now
                now = monotonic()
                if now - self.quiet_since > LOOK_AFTER and self._has_unread():
                    # What came unasked is read first, so that it is not taken for a reply.
                    self._loop.call_later(0, self._flush)
                    return
                self.quiet_since = now
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        self._unsent = 0
        out.clear()

    # -- deadlines

    def _wait_for(self, deadline: float) -> None:
        """Set the alarm for a deadline, or for when the server has said nothing for too long."""
        if self.on_overdue is not None:
            deadline = min(deadline, monotonic() + OVERDUE_AFTER)
        self._set_alarm(deadline)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = when
        if when == _NEVER:
            self._alarm = None
            return
        delay = max(0.0, when - monotonic())
        self._alarm = self._loop.call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        """Tell those who are out of time; end a connection that is stuck."""
        self._alarm, self._alarm_at = None, _NEVER
        now = monotonic()
        first_unsent = len(self._pending) - self._unsent
        late = told = False
        following = _NEVER
        for position, (future, deadline, _) in enumerate(self._pending):
            if deadline > now:
                following = min(following, deadline)
                continue
            late = True  # a tombstone too: its caller may have had less patience than he said
            if not future.done():
                told = True
                sent = position < first_unsent
                phase = "waiting for the reply" if sent else "sending the command"
                future.set_exception(DeadlineExceeded(self.name, phase, written=sent))
        silence = now - self.quiet_since
        stuck = late and silence >= STUCK_AFTER
        if (told or stuck) and silence > SILENT_AFTER and self.on_silence is not None:
            self.on_silence(DeadlineExceeded(self.name, "waiting for replies", written=True))
        if stuck:
            self._finish(ConnectionLost(self.name, "it answers no more", written=True))
            return
        if late:
            following = min(following, self.quiet_since + STUCK_AFTER)
        if self.on_overdue is not None and self._pending:
            due = self.quiet_since + OVERDUE_AFTER
            if due <= now:
                due = now + OVERDUE_AFTER
                if first_unsent > 0 and self.awaited:
                    self.on_overdue()
            following = min(following, due)
        if following != _NEVER and self._end is None:
            self._set_alarm(following)

    # -- the end

    def _finish(self, why: Exception) -> None:
        if not same_process[0]:
            run_after_fork()
        if self._end is not None:
            return
        self._end = why
        self.generation = -1  # so that no pool lends it again
        if self._alarm is not None:
            self._alarm.cancel()
        first_unsent = len(self._pending) - self._unsent
        for position, (future, _, batch) in enumerate(self._pending):
            if future.done() or self._loop.is_closed():
                continue
            sent = position < first_unsent
            error = copy(why)
            if isinstance(why, ConnectionLost) or not sent:
                cause = str(why).partition(": ")[2]
                error = ConnectionLost(self.name, cause, written=sent)
                error.replies = batch.replies if batch is not None else ()
            future.set_exception(error)
        self._pending.clear()
        if not self._loop.is_closed():
            self.resume_writing()
        if self._transport is not None:
            self._cut()
        if self.on_end is not None:
            self.on_end(self, why)

    def _cut(self) -> None:
        if not self._loop.is_closed():
            self._transport.abort()
            return
        # Its loop is gone, and the transport only garbage to be collected some time.
        sock = getattr(self._transport.get_extra_info("socket"), "_sock", None)
        if sock is not None:
            sock.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self._transport = None


_inherited: list[Any] = []  # transports of the parent process: closing one would disturb its loop


async def async_dial(
    endpoint: Endpoint,
    deadline: float,
    *,
    keepalive: bool = True,
    under_way: set[AsyncConnection] | None = None,
    on_overdue: Callable[[], None] | None = None,
) -> AsyncConnection:
    """Connect, do TLS and the handshake, all of it before `deadline`; as `dial` otherwise."""
    loop = asyncio.get_running_loop()
    connection = AsyncConnection(loop, endpoint.name)
    connection.on_overdue = on_overdue
    try:
        async with asyncio.timeout(deadline - monotonic()):
            await _open(loop, connection, endpoint, keepalive)
    except TimeoutError as error:
        connection.close()
        raise ConnectTimeout(endpoint.name, "no answer before the deadline") from error
    except (OSError, UnicodeError) as error:
        connection.close()
        raise ConnectFailed(endpoint.name, error) from error
    except BaseException:
        connection.close()
        raise
    under_way = set() if under_way is None else under_way
    under_way.add(connection)
    try:
        await _shake_hands(connection, endpoint, deadline)
    except DeadlineExceeded as error:
        connection.close()
        raise ConnectTimeout(endpoint.name, "no answer to the handshake") from error
    except BaseException as error:
        connection.close()
        if isinstance(error, PoolError) and not isinstance(error, ConnectFailed):
            raise ConnectFailed(endpoint.name, error) from error
        raise
    finally:
        under_way.discard(connection)
    connection._greeted = True
    return connection


async def _open(
    loop: asyncio.AbstractEventLoop, connection: AsyncConnection, endpoint: Endpoint, alive: bool
) -> None:
    if endpoint.path is not None:
        await loop.create_unix_connection(lambda: connection, endpoint.path)
        return
    tls = None if endpoint.tls is None else endpoint.tls.ssl_context()
    # One address needs no race (which may forget a socket when it is cancelled); uvloop has none.
    one_address = ":" in endpoint.host or endpoint.host.replace(".", "").isdigit()
    racing: dict[str, Any] = {}
    if isinstance(loop, asyncio.BaseEventLoop) and not one_address:
        racing["happy_eyeballs_delay"] = 0.25
    transport, _ = await loop.create_connection(
        lambda: connection,
        endpoint.host,
        endpoint.port,
        ssl=tls,
        server_hostname=endpoint.host if tls is not None else None,
        **racing,
    )
    connection.peer = peer_of(partial(transport.get_extra_info, "peername"))
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        set_options(sock, keepalive=alive)


async def _login(endpoint: Endpoint, deadline: float) -> tuple[str | None, str] | None:
    if endpoint.credentials is None:
        return endpoint.login()
    try:
        async with asyncio.timeout(deadline - monotonic()):
            return await endpoint.async_login()
    except TimeoutError as error:
        if monotonic() < deadline:
            raise no_credentials(endpoint, error) from error
        raise ConnectTimeout(endpoint.name, "no credentials before the deadline") from error
    except Exception as error:
        raise no_credentials(endpoint, error) from error


async def _shake_hands(connection: AsyncConnection, endpoint: Endpoint, deadline: float) -> None:
    handshake = Handshake(endpoint, await _login(endpoint, deadline))
    commands = handshake.first()
    protocol = endpoint.protocol
    try:
        replies = await connection.exchange(handshake.packed(commands), len(commands), deadline)
        if handshake.falls_back(replies):
            commands, protocol = handshake.second(), 2
            replies = await connection.exchange(handshake.packed(commands), len(commands), deadline)
    except ConnectionLost as error:
        handshake.check(commands, list(error.replies))  # "max number of clients", then the end
        raise
    connection.server = handshake.check(commands, replies)
    connection.protocol = protocol
