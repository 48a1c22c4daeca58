"""
A connection for threads: one caller at a time, one send and as few receives as can be.

A plain socket is left blocking, with short kernel timeouts (`SO_RCVTIMEO`): a quick reply then
costs two system calls and no timer of Python's. Whoever gets no reply within `SLICE` goes on
with `poll()`, which keeps to the caller's deadline to the millisecond, whatever signals come.
TLS sockets do not block and take the second way at once. Sockets that are not the standard
library's (gevent, eventlet) are asked to keep time themselves.
"""

import _socket
import errno
import math
import os
import select
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from cachex_pool._wire.lengths import AGGREGATES, BULK, Lengths, is_plain
from cachex_pool._wire.protocol import (
    BROKEN,
    MAX_REPLY,
    NOT_READY,
    OVERDUE_AFTER,
    Push,
    new_reader,
    screen,
)
from cachex_pool.errors import ConnectionLost, DeadlineExceeded, ProtocolError, ReplyTooLarge
from cachex_pool.forks import run_after_fork, same_process
from cachex_pool.options import Guard

SLICE = 0.02
_PAUSE = struct.pack("ll", 0, int(SLICE * 1e6))
CHUNK = 65536
PIECES = 4
"""How many pieces of a server's replies, each within SLICE, may keep those of others waiting."""
RECORD = 16384
_DAY = 86400.0
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_EOF = "closed by the server"
_IN_USE = "an exchange is under way on it, of another caller or one that was broken off"


class Connection:
    """
    A ready-to-talk connection to one server.

    It is busy from before its first byte is sent until its last reply is read. One that
    comes back busy is never lent again: that is what keeps replies from going to the
    wrong caller, whatever killed the one before.
    """

    __slots__ = (
        "__weakref__",
        "_early",
        "_feed",
        "_gets",
        "_lengths",
        "_pending",
        "_reader",
        "_recv",
        "_send",
        "_sock",
        "asks_provider",
        "busy",
        "expires_at",
        "generation",
        "idle_since",
        "lent_at",
        "name",
        "on_overdue",
        "owner",
        "peer",
        "protocol",
        "server",
    )

    def __init__(self, sock: Any, name: str) -> None:
        self._sock = sock
        self._reader = new_reader()
        self._feed = self._reader.feed
        self._gets = self._reader.gets
        self._pending = self._reader.has_data
        self._lengths = Lengths(name, self._pending)
        self._early: deque[bytes] = deque()  # received while a command was still being sent
        self._send = sock.send
        self._recv = sock.recv
        self.name = name
        self.busy = False
        self.peer: tuple[str, int] | None = None
        self.protocol = 2
        self.server: dict[str, Any] = {}
        self.generation = 0
        self.idle_since = self.lent_at = monotonic()
        self.expires_at = float("inf")
        self.owner: str | None = None
        self.asks_provider = False
        self.on_overdue: Callable[[], None] | None = None
        self._set_up()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "busy" if self.busy else "idle"
        return f"<Connection to {self.name}, {state}>"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._sock is None

    def call(self, data: bytes, deadline: float) -> Any:
        """
        Send one packed command and return its reply; an error reply is returned, not raised.

        `deadline` is a time of `time.monotonic()`. Raises ConnectionLost, DeadlineExceeded
        or ProtocolError; the connection is then of no more use.
        """
        if not same_process:
            run_after_fork()
        return self.call_unchecked(data, deadline)

    def exchange(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and return their `count` replies; errors as in `call`."""
        if not same_process:
            run_after_fork()
        return self.exchange_unchecked(data, count, deadline)

    def write(self, data: bytes, deadline: float) -> None:
        """Send packed commands; `read` has to follow."""
        if not same_process:
            run_after_fork()
        self._write(data, deadline)

    def read(self, count: int, deadline: float) -> list[Any]:
        """Return the next `count` replies; error replies are values in the list."""
        if not same_process:
            run_after_fork()
        return self._read(count, deadline)

    def call_unchecked(self, data: bytes, deadline: float) -> Any:
        """Do as `call`, for a caller that has looked at `same_process` already."""
        if self.busy:
            self._refuse()
        self.busy = True
        try:
            sent = self._send(data)
        except _LATER:
            sent = 0
        except OSError as error:
            _raise_if_foreign(error)
            raise ConnectionLost(self.name, error, written=False) from error
        if sent != len(data):
            self._send_rest(data, sent, deadline)
            return self._read(1, deadline)[0]
        try:
            chunk = self._recv(CHUNK)
        except BlockingIOError:
            self._await(select.POLLIN, deadline)
            return self._read(1, deadline)[0]
        except _LATER:
            return self._read(1, deadline)[0]
        except OSError as error:
            _raise_if_foreign(error)
            raise ConnectionLost(self.name, error, written=True) from error
        if not chunk:
            raise ConnectionLost(self.name, _EOF, written=True)
        if chunk[0] != BULK and chunk[0] in AGGREGATES and not is_plain(chunk):
            replies: list[Any] = []
            if self.take(chunk, 1, replies):
                return replies[0]
            del chunk  # an error of the rest does not show what came so far
            return self._read(1, deadline)[0]
        self._feed(chunk)
        try:
            reply = self._gets()
        except BROKEN as error:
            del chunk
            raise ProtocolError(self.name, error) from error
        if reply is NOT_READY:
            self._lengths.begun(chunk)
            del chunk
            return self._read(1, deadline)[0]
        if self._pending():
            self._end_exchange(self._is_over(chunk))
            return reply
        self.busy = False
        return reply

    def exchange_unchecked(self, data: bytes, count: int, deadline: float) -> list[Any]:
        """Do as `exchange`, for a caller that has looked at `same_process` already."""
        if self.busy:
            self._refuse()
        self._write(data, deadline)
        return self._read(count, deadline)

    def _refuse(self) -> None:
        """Let nobody begin an exchange in the middle of another: the replies would change hands."""
        if self._sock is not None:
            raise ConnectionLost(self.name, _IN_USE, written=False)

    def _write(self, data: bytes, deadline: float) -> None:
        self.busy = True
        try:
            sent = self._send(data)
        except _LATER:
            sent = 0
        except OSError as error:
            _raise_if_foreign(error)
            raise ConnectionLost(self.name, error, written=False) from error
        if sent != len(data):
            self._send_rest(data, sent, deadline)

    def _read(self, count: int, deadline: float) -> list[Any]:
        replies: list[Any] = []
        waited = False
        try:
            while True:
                if waited and monotonic() >= deadline:  # a trickle never makes us wait
                    raise DeadlineExceeded(self.name, "waiting for the reply", written=True)
                waited = not self._early
                if self.take(self._receive(deadline), count, replies):
                    return replies
        except ConnectionLost as error:
            error.replies = replies
            raise

    def guard_with(self, guard: Guard) -> None:
        """Have every command from now on shown to `guard`, which raises to refuse it."""
        send = self._send

        def guarded(data: Any, *flags: int) -> Any:
            if data.__class__ is not memoryview:  # else the rest of what was let through
                screen(guard, data)
            return send(data, *flags)

        self._send = guarded

    def start(self, data: bytes) -> int:
        """Send packed commands as far as that goes within a moment; return how many bytes went."""
        self.busy = True
        try:
            return self._send(data)  # type: ignore[no-any-return]
        except _LATER:
            return 0
        except OSError as error:
            _raise_if_foreign(error)
            raise ConnectionLost(self.name, error, written=False) from error

    def read_soon(self, count: int, replies: list[Any]) -> bool:
        """
        Add the next replies to `replies`, if they come within a moment; say whether all did.

        A server that reads a long list piece by piece answers piece by piece as well.
        """
        for _ in range(PIECES):
            try:
                chunk = self._recv(CHUNK)
            except _LATER:
                return False
            except OSError as error:
                _raise_if_foreign(error)
                lost = ConnectionLost(self.name, error, written=True)
                lost.replies = replies
                raise lost from error
            if not chunk:
                lost = ConnectionLost(self.name, _EOF, written=True)
                lost.replies = replies
                raise lost
            if self.take(chunk, count, replies):
                return True
        return False

    def take(self, chunk: bytes, count: int, replies: list[Any]) -> bool:
        """
        Add the replies that `chunk` completes to `replies`; say whether `count` are there.

        Raises ProtocolError.
        """
        gets, feed, lengths = self._gets, self._feed, self._lengths
        left = count - len(replies)
        try:
            pieces = lengths.pieces(chunk)
            rest = iter(pieces)
            for piece in rest:
                feed(piece)
                before = left
                while (reply := gets()) is not NOT_READY:
                    if reply.__class__ is Push:
                        continue
                    replies.append(reply)
                    left -= 1
                    if not left:
                        lengths.received = lengths.announced = 0
                        if pieces.__class__ is not tuple or self._pending():
                            self._end_exchange(self._is_over(pieces=rest) and not self._early)
                        else:
                            self._end_exchange(not (lengths.held or self._early))
                        return True
                if left < before:
                    lengths.received = lengths.announced = 0
        except BROKEN as error:
            chunk = pieces = rest = piece = reply = None  # type: ignore[assignment]
            raise ProtocolError(self.name, error) from error
        if lengths.received > MAX_REPLY:
            del chunk, pieces, rest, piece, reply
            raise ReplyTooLarge(self.name, f"a reply of more than {MAX_REPLY} bytes")
        return False

    def push(self, data: Any) -> int:
        """Send what fits without waiting; return how many bytes that is."""
        if isinstance(self._sock, ssl.SSLSocket):
            return self._send(data)  # type: ignore[no-any-return]
        return self._send(data, socket.MSG_DONTWAIT)  # type: ignore[no-any-return]

    def fileno(self) -> int:
        """Return the number of the socket's file."""
        return -1 if self._sock is None else self._sock.fileno()

    def is_alive(self) -> bool:
        """
        Say whether the server still holds the line and has said nothing unasked.

        One that is not is closed: what told us so was read, and would not be there again.
        """
        if not same_process:
            run_after_fork()
        if self._sock is None:
            return False
        try:
            alive = self._is_quiet()
        except _LATER:  # only TLS had something to say
            alive = True
        except OSError as error:
            _raise_if_foreign(error)
            alive = False
        except (*BROKEN, ProtocolError):
            alive = False
        if not alive:
            self.close()
        return alive

    def close(self) -> None:
        """Close the socket; nothing is sent."""
        sock, self._sock = self._sock, None
        self._send = self._recv = _gone
        if sock is not None:
            sock.close()

    def sever(self, why: str) -> None:
        """Wake whoever waits for a reply, in another thread, with ConnectionLost."""
        if not same_process:
            run_after_fork()
        sock = self._sock
        if sock is not None:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except (OSError, TypeError):  # gone already, or not a socket of the standard library
                return

    def forget(self) -> None:
        """Let go of a socket that belongs to the parent process, without a word on the wire."""
        sock, self._sock = self._sock, None
        self._send = self._recv = _gone
        if sock is not None:
            socket.close(sock.detach())

    def __del__(self) -> None:
        try:
            self.close()
        except (OSError, AttributeError, TypeError):  # interpreter shutdown
            pass

    # -- inside

    def _set_up(self) -> None:
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.setblocking(False)
            self._send = _by_record(self._sock.send)
            return
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PAUSE)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _PAUSE)

    def _receive(self, deadline: float) -> bytes:
        """Wait for bytes."""
        if self._early:
            return self._early.popleft()
        while True:
            try:
                chunk = self._recv(CHUNK)
            except ssl.SSLWantWriteError:
                events = select.POLLOUT
            except _LATER:
                events = select.POLLIN
            except OSError as error:
                _raise_if_foreign(error)
                raise ConnectionLost(self.name, error, written=True) from error
            else:
                if not chunk:
                    raise ConnectionLost(self.name, _EOF, written=True)
                return chunk  # type: ignore[no-any-return]
            self._await(events, deadline)

    def _await(self, events: int, deadline: float) -> None:
        """Wait until it is worth looking for the reply again."""
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise DeadlineExceeded(self.name, "waiting for the reply", written=True)
        self._wait_long(events, remaining)

    def _send_rest(self, data: bytes, sent: int, deadline: float) -> None:
        """
        Send what did not fit at once, taking in replies that come meanwhile.

        Without that, a proxy that cannot get rid of its replies would stop reading.
        """
        view = memoryview(data)
        while sent < len(data):
            remaining = deadline - monotonic()
            if remaining <= 0:
                raise DeadlineExceeded(self.name, "sending the command", written=sent > 0)
            try:
                if self._wait_long(select.POLLIN | select.POLLOUT, remaining) & select.POLLIN:
                    self._take_in()
                sent += self._send(view[sent : sent + 4 * CHUNK])
            except _LATER:
                continue
            except OSError as error:
                _raise_if_foreign(error)
                raise ConnectionLost(self.name, error, written=sent > 0) from error

    def _take_in(self) -> None:
        try:
            chunk = self.peek()
        except _LATER:
            return
        if not chunk:
            raise ConnectionLost(self.name, _EOF, written=True)
        self._early.append(chunk)

    def peek(self, patience: float = 0.0) -> bytes:
        """Receive what is there; only a socket without `poll` waits for it, `patience` seconds."""
        if isinstance(self._sock, ssl.SSLSocket):
            return self._recv(CHUNK)  # type: ignore[no-any-return]
        return self._recv(CHUNK, socket.MSG_DONTWAIT)  # type: ignore[no-any-return]

    def _wait_long(self, events: int, seconds: float) -> int:
        """Do as `_wait`, and tell whoever wants to know that the server says nothing."""
        if self.on_overdue is None or seconds <= OVERDUE_AFTER:
            return self._wait(events, seconds)
        until = monotonic() + seconds
        ready = self._wait(events, OVERDUE_AFTER)
        while not ready and (left := until - monotonic()) > 0:
            if self.on_overdue is not None:
                self.on_overdue()
            ready = self._wait(events, min(left, OVERDUE_AFTER))
        return ready

    def _wait(self, events: int, seconds: float) -> int:
        """Wait until the socket is ready; return the events, 0 if the time ran out."""
        poller = select.poll()
        poller.register(self._sock.fileno(), events)
        ready = poller.poll(math.ceil(min(seconds, _DAY) * 1000))  # it overflows after 24 days
        return ready[0][1] if ready else 0

    def _is_quiet(self) -> bool:
        if not isinstance(self._sock, ssl.SSLSocket) and not self._wait(select.POLLIN, 0.0):
            return not self._pending()
        chunk = self.peek()
        if not chunk:
            return False
        return self._is_over(pieces=self._lengths.pieces(chunk))

    def _end_exchange(self, over: bool) -> None:
        self.busy = not over
        if not over:
            self.generation = -1  # so that no pool lends it again

    def _is_over(self, fed: bytes = b"", pieces: Iterable[bytes] = ()) -> bool:
        """
        Say whether nothing but whole pushes came beyond the reply; anything else is not ours.

        `fed` is what the reader has been given at once, `pieces` what it is to get. Raises
        ProtocolError for a reply; what is not whole yet may become one.
        """
        over = True
        if fed and self._lengths.suspects(fed):
            raise ReplyTooLarge(self.name, "more than was asked for, and too large")
        if self._pending():
            over = self._gets_pushes_only()
        for piece in pieces:
            self._feed(piece)
            over = self._gets_pushes_only()
        return over and not self._lengths.held

    def _gets_pushes_only(self) -> bool:
        """Read pushes; say whether the last one is whole."""
        while True:
            try:
                extra = self._gets()
            except BROKEN as error:
                raise ProtocolError(self.name, error) from error
            if extra is NOT_READY:
                return False
            if extra.__class__ is not Push:
                raise ProtocolError(self.name, "a reply that nobody asked for")
            self._lengths.received = self._lengths.announced = 0
            if not self._pending():
                return True


class CooperativeConnection(Connection):
    """The same on sockets of gevent, eventlet and the like, which wait in their own way."""

    __slots__ = ()

    def _set_up(self) -> None:
        sock = self._sock
        sock.settimeout(SLICE)

        def receive(size: int, *flags: int) -> Any:
            try:
                return sock.recv(size, *flags)
            except TimeoutError as error:
                raise _later(error) from None

        def send(data: Any) -> Any:
            try:
                return sock.send(data)
            except TimeoutError as error:
                raise _later(error) from None

        tls = isinstance(sock, ssl.SSLSocket)
        self._recv, self._send = receive, _by_record(send) if tls else send

    def call_unchecked(self, data: bytes, deadline: float) -> Any:
        self._keep_time()
        return super().call_unchecked(data, deadline)

    def _write(self, data: bytes, deadline: float) -> None:
        self._keep_time()
        super()._write(data, deadline)

    def _keep_time(self) -> None:
        if self._sock is not None:
            self._sock.settimeout(SLICE)

    def start(self, data: bytes) -> int:
        self._sock.settimeout(SLICE)
        return super().start(data)

    def _wait_long(self, events: int, seconds: float) -> int:
        if self.on_overdue is None or events & select.POLLOUT:
            return super()._wait_long(events, seconds)
        if self._sock.gettimeout() >= OVERDUE_AFTER:  # which the last receive has waited in vain
            self.on_overdue()
        return self._wait(events, min(seconds, OVERDUE_AFTER))

    def _wait(self, events: int, seconds: float) -> int:
        patience = min(max(seconds, 1e-4), _DAY)
        if events & select.POLLOUT:  # replies are looked for as often
            patience = min(patience, SLICE)
        self._sock.settimeout(patience)  # the next send or receive waits that long
        return events

    def _take_in(self) -> None:
        """Receive all that is there; each send waits, so that there may be much."""
        known = -1
        while known < (known := len(self._early)):
            super()._take_in()

    def peek(self, patience: float = 0.0) -> bytes:
        before = self._sock.gettimeout()
        self._sock.settimeout(patience)
        try:
            return self._recv(CHUNK)  # type: ignore[no-any-return]
        finally:
            self._sock.settimeout(before)

    def push(self, data: Any) -> int:
        self._sock.settimeout(SLICE)
        return self._send(data)  # type: ignore[no-any-return]


def _later(error: TimeoutError) -> OSError:
    """Tell a socket's own timer from the kernel's giving the connection up (ETIMEDOUT)."""
    return error if error.errno == errno.ETIMEDOUT else BlockingIOError()


def connection_on(sock: Any, name: str) -> Connection:
    """Make the connection that fits the kind of socket."""
    plain = isinstance(sock, _socket.socket) and hasattr(select, "poll") and os.name == "posix"
    return (Connection if plain else CooperativeConnection)(sock, name)


def _by_record(send: Any) -> Any:
    """
    Send what fits into one TLS record.

    A longer write that cannot be finished at once would have sent some of it without saying how
    much, and would have to be repeated with the very same bytes.
    """

    def send_record(data: Any) -> Any:
        return send(data if len(data) <= RECORD else memoryview(data)[:RECORD])

    return send_record


def _raise_if_foreign(error: OSError) -> None:
    """Let through what no system call raised: a TimeoutError of a signal handler, say."""
    if error.errno is None and not isinstance(error, ssl.SSLError):
        raise error


def _gone(*_: Any) -> Any:
    raise OSError(errno.EBADF, "this connection is closed")
