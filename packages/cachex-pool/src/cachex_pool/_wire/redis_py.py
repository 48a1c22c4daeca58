"""
redis-py's own connection objects on sockets that our pools opened.

Pub/sub, MONITOR, modules and other libraries want to be given such objects. Address, TLS and
login are settled by the time a socket is lent, so nothing of it is repeated here: redis-py takes
the socket over, under RESP2, and it is closed when redis-py is done with it.

What is relied on of redis-py's private side has been the same from 6.2 to 8.1: `_connect` gives a
socket (a reader and a writer), `connect_check_health` calls it, `redis_connect_func` replaces the
handshake, `_parser.on_connect` starts the parser.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

import attrs
import redis.asyncio.client
import redis.asyncio.connection
import redis.client
import redis.connection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from cachex_pool._wire.protocol import screen
from cachex_pool.errors import PoolError, ProtocolError, printable
from cachex_pool.forks import run_after_fork, same_process
from cachex_pool.options import Guard

try:
    from redis.himport import HImportRegistry
except ImportError:  # redis-py before 8.1
    HImportRegistry = None  # type: ignore[assignment, misc]

_UNKNOWN = float("inf")
_PARAMETERS = signature(redis.connection.AbstractConnection.__init__).parameters
# The server knows who we are; redis-py would look its version up in files, for 3 ms each time.
_UNNAMED: dict[str, Any] = {"driver_info": None} if "driver_info" in _PARAMETERS else {}
_CAN_READ = hasattr(redis.asyncio.connection.Connection, "can_read")  # redis-py 8


@attrs.frozen(eq=False)
class Loan:
    """A connection of ours, the way to give up its place, and whether the pool would lend it on.

    `guard` is that of the pool's options.
    """

    connection: Any
    end: Callable[[], None]
    lasts: Callable[[], bool]
    guard: Guard | None = None


class _Everywhere:
    """Where threads run: one place."""


_EVERYWHERE = _Everywhere()


def here() -> object:
    """Return what a connection may not leave: nothing, for threads."""
    return _EVERYWHERE


def async_here() -> object:
    """Return what a connection may not leave: the running event loop."""
    return asyncio.get_running_loop()


def session_registry() -> dict[str, Any]:
    """Return the settings that redis-py's connections of one pool share."""
    return {} if HImportRegistry is None else {"himport_registry": HImportRegistry()}


_CHANGING = frozenset("ASKING AUTH HELLO MULTI READONLY READWRITE RESET SELECT".split())
_CHANGING_PARTS = frozenset(
    "CACHING CAPA NO-EVICT NO-TOUCH REPLY SETINFO SETNAME TRACKING".split()  # of CLIENT
)


def _changes(words: tuple[Any, ...]) -> bool:
    """Say whether a command leaves the connection another one than it was."""
    name, *rest = " ".join(_text(word) for word in words[:2]).upper().split() or [""]
    return name in _CHANGING or (name == "CLIENT" and not _CHANGING_PARTS.isdisjoint(rest))


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _start_parser(connection: Any) -> None:
    connection._parser.on_connect(connection)


class _Counting:
    """
    Counts the replies that are owed.

    Looking whether something is there to read would not do: it may be on its way. A connection
    that is owed a reply, or does not know how many, must not be lent again; nor one that a command
    such as SELECT has changed, which is taken for one that does not know.
    """

    owed = 0.0
    _packed = _UNKNOWN  # commands in what is sent next
    _loan: Loan | None = None  # there is one while it is connected

    @property
    def is_clean(self) -> bool:
        """Whether it is connected, owed nothing, and neither retired nor too old."""
        return self._loan is not None and not self.owed and self._loan.lasts()

    def pack_command(self, *args: Any) -> Any:
        self._packed = _UNKNOWN if _changes(args) else 1
        return super().pack_command(*args)  # type: ignore[misc]

    def pack_commands(self, commands: Any) -> Any:
        commands = list(commands)
        packed = super().pack_commands(commands)  # type: ignore[misc]
        changed = any(_changes(words) for words in commands if words and words[0] != "MULTI")
        self._packed = _UNKNOWN if changed else len(commands)
        return packed

    def _screen(self, packed: Any) -> None:
        """Show what is to be sent to the pool's guard, which raises to refuse it."""
        if self._loan is not None and self._loan.guard is not None:
            pieces = (packed,) if isinstance(packed, bytes | str) else packed
            data = b"".join(one.encode() if isinstance(one, str) else one for one in pieces)
            screen(self._loan.guard, data)

    def _owe(self) -> None:
        if not same_process:
            run_after_fork()
        self.owed += self._packed
        self._packed = _UNKNOWN


class RedisPyConnection(_Counting, redis.connection.Connection):
    """redis-py's connection; it borrows a socket when it connects."""

    def __init__(self, borrow: Callable[[], Loan], **settings: Any) -> None:
        self._borrow = borrow
        super().__init__(**settings, **_UNNAMED, redis_connect_func=_start_parser)

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if self._sock is None and self._loan is None:
            self._loan = self._borrow()
        super().connect_check_health(*args, **kwargs)

    def _connect(self) -> Any:
        sock = self._loan.connection._sock if self._loan is not None else None
        if sock is None:
            raise ConnectionError("closed meanwhile")
        if isinstance(sock, socket.socket):
            forever = struct.pack("ll", 0, 0)  # from now on, Python keeps the time
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, forever)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, forever)
        sock.settimeout(self.socket_timeout)
        return sock

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        loan, self._loan = self._loan, None
        self.owed = 0.0
        try:
            super().disconnect(*args, **kwargs)
        finally:
            if loan is not None:
                loan.end()

    def is_stale(self) -> bool:
        """Say whether it is closed, retired or too old, or has something that nobody has read."""
        if self._sock is None:
            return False
        if self._loan is None or self._loan.connection.closed or not self._loan.lasts():
            return True
        try:
            return bool(self.can_read())
        except (RedisError, OSError):
            return True

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        self._packed = _UNKNOWN if _changes(args) else 1
        super().send_command(*args, **kwargs)
        if args and args[0] == "MONITOR":
            self.socket_timeout = None
            sock: Any = self._sock
            sock.settimeout(None)

    def send_packed_command(self, command: Any, *args: Any, **kwargs: Any) -> None:
        if self._sock is None:
            self.connect_check_health(check_health=False)
        self._screen(command)
        self._owe()
        super().send_packed_command(command, *args, **kwargs)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        if not same_process:
            run_after_fork()
        if not kwargs.get("push_request"):
            try:
                reply = super().read_response(*args, **kwargs)
            except ResponseError:
                self.owed -= 1
                raise
            self.owed -= 1
            return reply
        if "timeout" in kwargs or self._sock is None:
            return super().read_response(*args, **kwargs)
        # Before redis-py 8, a subscriber asks like this and means to wait for ever.
        self._sock.settimeout(None)
        try:
            return super().read_response(*args, **kwargs)
        finally:
            if self._sock is not None:
                self._sock.settimeout(self.socket_timeout)

    def __del__(self) -> None:
        self._loan = None  # its pool notices; to tell it from here could find its lock taken
        super().__del__()


_MISREAD = (InvalidResponse, ValueError, TypeError, LookupError, RecursionError)
"""What redis-py raises where it stumbles over a reply."""
_TEXT = (bytes, str)
_SUBSCRIBED = frozenset(("subscribe", "psubscribe", "ssubscribe"))
_UNSUBSCRIBED = frozenset(("unsubscribe", "punsubscribe", "sunsubscribe"))
_LENGTHS = {"message": 3, "smessage": 3, "pmessage": 4, "pong": 2}
_LENGTHS |= dict.fromkeys(_SUBSCRIBED | _UNSUBSCRIBED, 3)
"""How long the lists are that servers send to subscribers, by their first word."""


def _is_pushed(reply: Any) -> bool:
    """Say whether a reply is what servers send to subscribers: a word, names, a text or number."""
    if not isinstance(reply, list) or not reply or not isinstance(reply[0], _TEXT):
        return False
    kind, names, last = _text(reply[0]), reply[1:-1], reply[-1]
    if len(reply) != _LENGTHS.get(kind):
        return False
    if kind in _UNSUBSCRIBED and names == [None]:  # there was no subscription
        names = []
    if kind in _SUBSCRIBED or kind in _UNSUBSCRIBED:
        texts, fits = names, isinstance(last, int)
    else:  # CLIENT TRACKING sends a list of keys, or None for all
        texts, fits = names + (last if isinstance(last, list) else [last or b""]), True
    return fits and all(isinstance(one, _TEXT) for one in texts)


def _pushed(reply: Any) -> Any:
    """Return what came for a subscriber; ProtocolError if redis-py could not read it."""
    if isinstance(reply, str):  # the answer to PING, which redis-py knows as bytes only
        return ["pong", "" if reply == "PONG" else reply]
    if reply is None or isinstance(reply, bytes) or _is_pushed(reply):
        return reply
    raise _no_message(type(reply).__name__)


def _no_message(what: str) -> ProtocolError:
    return ProtocolError("the server", f"{what} in place of a message to a subscriber")


def _as_ours(error: Exception) -> Exception:
    """Return an error of reading a message as it is to be raised."""
    if isinstance(error, PoolError | UnicodeDecodeError):  # the latter is about a message's text
        return error
    if isinstance(error, _MISREAD):
        return _no_message(f"a reply that is misread ({type(error).__name__})")
    error.args = tuple(printable(one) if isinstance(one, str) else one for one in error.args)
    return error


class RedisPyPubSub(redis.client.PubSub):
    """
    redis-py's object for publish and subscribe, which may subscribe anew while it subscribes.

    Where the connection was lost, that takes its lock twice: redis-py 6.2 waits for ever then.
    What no subscriber is ever sent is a ProtocolError; the connection is replaced at the next call.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.RLock()

    def parse_response(self, block: bool = True, timeout: Any = 0) -> Any:
        """Return what comes next, None if nothing does within `timeout` seconds."""
        try:
            return _pushed(super().parse_response(block, timeout))
        except (RedisError, PoolError, *_MISREAD) as error:
            ours = _as_ours(error)
            if isinstance(ours, ProtocolError) and self.connection is not None:
                self.connection.disconnect()
            if ours is error:
                raise
            raise ours from error


class AsyncRedisPyPubSub(redis.asyncio.client.PubSub):
    """
    redis-py's object for publish and subscribe in asyncio.

    What no subscriber is ever sent is a ProtocolError; the connection is replaced at the next call.
    """

    async def parse_response(self, block: bool = True, timeout: float = 0) -> Any:
        """Return what comes next, None if nothing does within `timeout` seconds."""
        try:
            return _pushed(await super().parse_response(block, timeout))
        except (RedisError, PoolError, *_MISREAD) as error:
            ours = _as_ours(error)
            if isinstance(ours, ProtocolError) and self.connection is not None:
                await self.connection.disconnect()
            if ours is error:
                raise
            raise ours from error


class AsyncRedisPyConnection(_Counting, redis.asyncio.connection.Connection):
    """redis-py's asyncio connection; it borrows a transport when it connects."""

    def __init__(self, borrow: Callable[[], Awaitable[Loan]], **settings: Any) -> None:
        self._borrow = borrow
        super().__init__(**settings, **_UNNAMED, redis_connect_func=_start_parser)

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected and self._loan is None:
            self._loan = await self._borrow()
        await super().connect_check_health(*args, **kwargs)

    async def _connect(self) -> None:
        transport = self._loan.connection._transport if self._loan is not None else None
        if transport is None or transport.is_closing():
            raise ConnectionError("closed meanwhile")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._reader = reader
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        loan, self._loan = self._loan, None
        self.owed = 0.0
        try:
            await super().disconnect(*args, **kwargs)
        finally:
            if loan is not None:
                loan.end()

    async def is_stale(self) -> bool:
        """Say whether it is closed, retired or too old, or has something that nobody has read."""
        if not self.is_connected:
            return False
        if self._loan is None or self._loan.connection.closed or not self._loan.lasts():
            return True
        try:
            return bool(await (self.can_read() if _CAN_READ else self.can_read_destructive()))
        except (RedisError, OSError):
            return True

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        await super().send_command(*args, **kwargs)
        if args and args[0] == "MONITOR":
            self.socket_timeout = None

    async def send_packed_command(self, command: Any, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        self._screen(command)
        self._owe()
        await super().send_packed_command(command, *args, **kwargs)

    async def read_response(
        self, disable_decoding: bool = False, timeout: float | None = None, **kwargs: Any
    ) -> Any:
        if not same_process:
            run_after_fork()
        if not kwargs.get("push_request"):
            try:
                reply = await super().read_response(disable_decoding, timeout, **kwargs)
            except ResponseError:
                self.owed -= 1
                raise
            if timeout is None or reply is not None:  # else it may be late
                self.owed -= 1
            return reply
        if timeout is not None:
            return await super().read_response(disable_decoding, timeout, **kwargs)
        # Before redis-py 8, a subscriber asks like this and means to wait for ever.
        patience, self.socket_timeout = self.socket_timeout, None
        try:
            return await super().read_response(disable_decoding, timeout, **kwargs)
        finally:
            self.socket_timeout = patience

    def _close(self) -> None:
        loan, self._loan = self._loan, None
        super()._close()
        if loan is not None:
            loan.end()
