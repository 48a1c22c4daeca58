"""
A connection for asyncio: replies are matched to commands in order.

Commands given in one turn of the event loop leave in one write. A caller who is
cancelled, or whose deadline passes, leaves a tombstone: the reply is read and dropped,
and never reaches anybody else. One timer per connection watches all deadlines.
"""

import asyncio
import contextlib
import select
import socket
import sys
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from copy import copy
from functools import partial
from time import monotonic
from typing import Any

from cachex_pool._wire.credentials import async_login
from cachex_pool._wire.dial import answering, peer_of, remember, set_options
from cachex_pool._wire.lengths import AGGREGATES, Lengths
from cachex_pool._wire.protocol import (
    BROKEN,
    ENOUGH_FOR_HANDSHAKE,
    MAX_REPLY,
    NOT_READY,
    OVERDUE_AFTER,
    UNTIL_TRIED,
    Argument,
    Handshake,
    Push,
    greeted_minimally,
    handshakes,
    hung_up_again,
    late_credentials,
    new_reader,
    not_greeted,
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
    ReplyTooLarge,
)
from cachex_pool.forks import run_after_fork, same_process
from cachex_pool.options import LOOK_AFTER, Guard
from cachex_pool.secrecy import forget_variables

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
        self._context = Context()  # what it does is done for nobody in particular
        self._reader = new_reader()
        self._feed = self._reader.feed
        self._gets = self._reader.gets
        self._has_more = self._reader.has_data
        self._lengths = Lengths(name, self._has_more)
        self._whole = True  # no reply or push has come in part
        self._transport: Any = None
        # One entry per caller: its future, its deadline, its _Batch or None. First in, first out.
        self._pending: deque[tuple[asyncio.Future[Any], float, _Batch | None]] = deque()
        self._out: list[bytes] = []
        self._unsent = 0  # entries whose bytes are still in `_out`
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = _NEVER
        self._end: Exception | None = None
        self._greeted = False  # until then a full server may refuse us before we say anything
        self.paused: asyncio.Future[None] | None = None
        self.quiet_since = monotonic()
        self.on_end: Callable[[AsyncConnection, Exception], None] | None = None
        self.on_silence: Callable[[DeadlineExceeded, int], None] | None = None
        self.on_overdue: Callable[[], None] | None = None
        self.name = name
        self.peer: tuple[str, int] | None = None
        self.protocol = 2
        self.server: dict[str, Any] = {}
        self.generation = 0
        self.idle_since = self.lent_at = self.quiet_since
        self.expires_at = _NEVER
        self.owner: str | None = None
        self.asks_provider = False

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
            self._loop.call_soon(self._flush, context=self._context)
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
        if not same_process:
            run_after_fork()
        return await self.call_unchecked(data, deadline)

    async def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies."""
        if not same_process:
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
        if not same_process:
            run_after_fork()
        if self._end is not None or self._transport.is_closing():
            return False
        return bool(self._pending) or (self._whole and not self._has_unread())

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
        self.quiet_since = monotonic()
        pending = self._pending
        try:
            if (
                data[0] not in AGGREGATES
                and self._whole
                and len(pending) == 1
                and pending[0][2] is None
                and not self._unsent
            ):
                self._feed(data)  # most often a value, and nothing else
                reply = self._gets()
                if reply is NOT_READY:
                    self._whole = False
                    self._lengths.begun(data)
                    return
                if self._has_more():
                    self._expect_pushes(data)
                future = pending.popleft()[0]
                if not future.done():
                    future.set_result(reply)
                return
            for piece in self._lengths.pieces(data):
                self._feed(piece)
                self._match()
            if self._lengths.received > MAX_REPLY:
                raise ReplyTooLarge(self.name, f"a reply of more than {MAX_REPLY} bytes")
        except BROKEN as error:
            self._finish(ProtocolError(self.name, error))
        except ProtocolError as error:
            self._finish(error)

    def _expect_pushes(self, data: bytes) -> None:
        """Read what came in `data` beyond the one reply that is awaited."""
        if self._lengths.suspects(data):
            raise ReplyTooLarge(self.name, "more than was asked for, and too large")
        while self._has_more():
            extra = self._gets()
            if extra is NOT_READY:
                self._whole = False
                self.generation = -1  # what is not whole yet may become a reply
                return
            if extra.__class__ is not Push:
                raise ProtocolError(self.name, "a reply that nobody asked for")

    def _match(self) -> None:
        """Read all that is complete, and give it to those who wait for it."""
        pending, unsent, lengths = self._pending, self._unsent, self._lengths
        gets = self._gets
        self._whole = came = False
        while (reply := gets()) is not NOT_READY:
            came = True
            if reply.__class__ is not Push:
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
            if len(pending) <= unsent and not self._has_more():
                self._whole = not lengths.held  # worth knowing where nobody waits for a reply
                break
        if came:
            lengths.received = lengths.announced = 0

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
        if len(self._pending) == self._unsent and self._end is None:
            now = monotonic()  # the server had nothing to say until now
            if now - self.quiet_since > LOOK_AFTER and self._has_unread():
                # What came unasked is read first, so that it is not taken for a reply.
                self._loop.call_later(0, self._flush, context=self._context)
                return
            self.quiet_since = now
            if not self._whole and self._greeted:
                self._finish(ProtocolError(self.name, "a reply that nobody asked for"))
        if self._end is None:
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
        self._alarm = self._loop.call_later(delay, self._on_alarm, context=self._context)

    def _on_alarm(self) -> None:
        """Tell those who are out of time; end a connection that is stuck."""
        self._alarm, self._alarm_at = None, _NEVER
        now = monotonic()
        first_unsent = len(self._pending) - self._unsent
        late, told = False, 0
        following = _NEVER
        for position, (future, deadline, _) in enumerate(self._pending):
            if deadline > now:
                following = min(following, deadline)
                continue
            late = True  # a tombstone too: its caller may have had less patience than he said
            if not future.done():
                told += 1
                sent = position < first_unsent
                phase = "waiting for the reply" if sent else "sending the command"
                future.set_exception(DeadlineExceeded(self.name, phase, written=sent))
        silence = now - self.quiet_since
        stuck = late and silence >= STUCK_AFTER
        if (told or stuck) and silence > SILENT_AFTER and self.on_silence is not None:
            silent = DeadlineExceeded(self.name, "waiting for replies", written=True)
            self.on_silence(silent, max(1, told))
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
        if not same_process:
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
            # One whose reply is too large is not to ask again; those behind him know nothing of it.
            others = isinstance(why, ReplyTooLarge) and position > 0
            if isinstance(why, ConnectionLost) or not sent or others:
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


HEAD_START = 0.25
"""Seconds that one of a name's addresses is tried before the next is tried beside it."""

_inherited: list[Any] = []  # transports of the parent process: closing one would disturb its loop


async def async_dial(
    endpoint: Endpoint,
    deadline: float,
    *,
    keepalive: bool = True,
    under_way: set[AsyncConnection] | None = None,
    on_overdue: Callable[[], None] | None = None,
    questions: Sequence[tuple[str, ...]] = (),
) -> AsyncConnection:
    """Connect, do TLS and the handshake, all of it before `deadline`; as `dial` otherwise."""
    once = partial(_dial, endpoint, deadline, keepalive, under_way, on_overdue, questions)
    server = endpoint.address
    if endpoint.minimal_handshake or handshakes.wanted(server, monotonic()):
        try:
            return await once(minimal=True)
        except ConnectFailed as error:
            if error.hung_up:
                handshakes.hung_up(server, monotonic())
            raise
    try:
        connection = await once(minimal=False)
    except ConnectFailed as error:
        if not error.hung_up:
            raise
        while (may_try := handshakes.may_try(server, monotonic(), deadline)) is None:
            if monotonic() >= deadline:
                raise
            await asyncio.sleep(UNTIL_TRIED)
        if not may_try:
            raise
    else:
        handshakes.greeted(server)
        return connection
    try:
        connection = await once(minimal=True)
        greeted_minimally(endpoint, monotonic())
    except ConnectFailed as error:
        if not error.hung_up:
            raise
        handshakes.hung_up(server, monotonic())
        raise hung_up_again(endpoint, error) from error.__cause__
    finally:
        handshakes.tried(server)
    return connection


async def _dial(
    endpoint: Endpoint,
    deadline: float,
    keepalive: bool,
    under_way: set[AsyncConnection] | None,
    on_overdue: Callable[[], None] | None,
    questions: Sequence[tuple[str, ...]],
    *,
    minimal: bool,
) -> AsyncConnection:
    loop = asyncio.get_running_loop()
    connection = AsyncConnection(loop, endpoint.name)
    connection.on_overdue = on_overdue
    try:
        async with asyncio.timeout(deadline - monotonic()):
            await _open(loop, connection, endpoint, keepalive, deadline)
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
        await _shake_hands(connection, endpoint, deadline, questions, minimal)
    except DeadlineExceeded as error:
        connection.close()
        raise ConnectTimeout(endpoint.name, "no answer to the handshake") from error
    except BaseException as error:
        connection.close()
        if isinstance(error, PoolError) and not isinstance(error, ConnectFailed):
            raise not_greeted(endpoint, error, ours=connection not in under_way) from error
        raise
    finally:
        under_way.discard(connection)
    connection._greeted = True
    return connection


async def _open(
    loop: asyncio.AbstractEventLoop,
    connection: AsyncConnection,
    endpoint: Endpoint,
    alive: bool,
    deadline: float,
) -> None:
    if endpoint.path is not None:
        await loop.create_unix_connection(lambda: connection, endpoint.path)
        return
    tls = None if endpoint.tls is None else endpoint.tls.ssl_context()
    # One address needs no race (which may forget a socket when it is cancelled); uvloop has none.
    one_address = ":" in endpoint.host or endpoint.host.replace(".", "").isdigit()
    racing: dict[str, Any] = {}
    if isinstance(loop, asyncio.BaseEventLoop) and not one_address:
        racing["happy_eyeballs_delay"] = HEAD_START
    connect = partial(
        loop.create_connection,
        lambda: connection,
        ssl=tls,
        server_hostname=endpoint.host if tls is not None else None,
    )
    transport = None
    if not one_address and (first := answering(endpoint)) is not None:
        transport = await _open_at(loop, connect, endpoint, first, deadline)
    if transport is None:
        started = monotonic()
        transport, _ = await connect(endpoint.host, endpoint.port, **racing)
        if not one_address and monotonic() - started >= HEAD_START:
            with contextlib.suppress(OSError, AttributeError):
                remember(endpoint, transport.get_extra_info("socket").getpeername())
    connection.peer = peer_of(partial(transport.get_extra_info, "peername"))
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        set_options(sock, keepalive=alive)


async def _open_at(
    loop: asyncio.AbstractEventLoop,
    connect: Callable[..., Any],
    endpoint: Endpoint,
    address: tuple[Any, ...],
    deadline: float,
) -> Any:
    """Connect to one of a name's addresses; None if it does not answer, or is none any more."""
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    if address not in [one[4] for one in found]:
        return None
    now = monotonic()
    try:
        async with asyncio.timeout((deadline - now) / 2):  # leaves time for the others
            transport, _ = await connect(address[0], address[1])
    except OSError:  # TimeoutError among them
        remember(endpoint, None)
        return None
    return transport


async def _replies(
    connection: AsyncConnection,
    handshake: Handshake,
    commands: list[tuple[Argument, ...]],
    deadline: float,
) -> list[Any]:
    """Send the commands of a handshake; neither the replies nor an error repeat its password."""
    before = sys.exception()
    try:
        packed = handshake.packed(commands)
        return handshake.scrub(await connection.exchange(packed, len(commands), deadline))
    except Exception as error:
        forget_variables(error, before)  # what came until then is among them
        raise


async def _shake_hands(
    connection: AsyncConnection,
    endpoint: Endpoint,
    deadline: float,
    questions: Sequence[tuple[str, ...]],
    minimal: bool,
) -> None:
    started = monotonic()
    connection.asks_provider = endpoint.credentials is not None
    handshake = Handshake(endpoint, await async_login(endpoint, deadline), questions, minimal)
    connection.asks_provider = False
    asked = monotonic()
    commands = handshake.first()
    protocol = handshake.protocol
    try:
        replies = await _replies(connection, handshake, commands, deadline)
        if handshake.falls_back(replies):
            commands, protocol = handshake.second(), 2
            replies = await _replies(connection, handshake, commands, deadline)
    except ConnectionLost as error:
        error.replies = handshake.scrub(list(error.replies))
        handshake.check(commands, list(error.replies))  # "max number of clients", then the end
        raise
    except DeadlineExceeded as error:
        if endpoint.credentials is not None and deadline - asked < ENOUGH_FOR_HANDSHAKE:
            raise late_credentials(endpoint, asked - started) from error
        raise
    connection.server = handshake.check(commands, replies)
    connection.protocol = protocol
