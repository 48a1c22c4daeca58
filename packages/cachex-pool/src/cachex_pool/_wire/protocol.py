"""RESP: commands to bytes, the reader of replies, the handshake."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs
import hiredis
from redis import exceptions as redis_errors

from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    AuthenticationFailed,
    ConnectFailed,
    HandshakeRefused,
    reply_error,
)
from cachex_pool.options import Guard

Argument: TypeAlias = str | bytes | int | float
Push = hiredis.PushNotification

MAX_REPLY = 1 << 30
"""Bytes one reply may have; the server's own limit for a string is half of that."""
OVERDUE_AFTER = 0.5
"""Seconds without a byte of a reply after which a connection calls its `on_overdue`, repeatedly."""


BROKEN = (hiredis.ProtocolError, MemoryError, TypeError)
"""What a reader raises over bytes that are no sensible reply: absurd lengths, maps as keys."""


class _NotReady:
    def __repr__(self) -> str:
        return "NOT_READY"


NOT_READY = _NotReady()
_AS_IS = frozenset((bytes, str))


def pack(arguments: Sequence[Argument]) -> bytes:
    """
    Write one command as RESP.

    Numbers become text here and never reach `hiredis.pack_command`, which crashes the
    process when a signal handler raises while it turns one into text.
    """
    for argument in arguments:
        if type(argument) not in _AS_IS:
            arguments = tuple(map(_encode, arguments))
            break
    return hiredis.pack_command(tuple(arguments))  # type: ignore[no-any-return, arg-type]


def pack_many(commands: Iterable[Sequence[Argument]]) -> bytes:
    """Write commands one after the other."""
    return b"".join(map(pack, commands))


def unpack(data: bytes) -> Iterator[list[bytes]]:
    """Read packed commands; what is not packed as `pack` does it comes as one word."""
    at = 0
    while at < len(data):
        if data[at : at + 1] != b"*":
            yield [data[at:]]
            return
        end = data.index(b"\r\n", at)
        count, at = int(data[at + 1 : end]), end + 2
        words = []
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size, at = int(data[at + 1 : end]), end + 2
            words.append(data[at : at + size])
            at += size + 2
        yield words


def screen(guard: Guard, data: bytes) -> None:
    """Show each of the packed commands to a guard, which raises if it must not be sent."""
    for words in unpack(data):
        guard(words)


def _encode(argument: Any) -> bytes:
    if isinstance(argument, bytes):
        return bytes(argument)
    if isinstance(argument, str):
        return argument.encode("utf-8", "surrogateescape")
    if isinstance(argument, bool) or not isinstance(argument, (int, float, bytearray, memoryview)):
        kind = type(argument).__name__
        raise redis_errors.DataError(
            f"a command's argument is bytes, str, int or float, not {kind}; convert it first"
        )
    if isinstance(argument, (bytearray, memoryview)):
        return bytes(argument)
    return (int.__repr__ if isinstance(argument, int) else float.__repr__)(argument).encode()


def new_reader() -> Any:
    """Make a reader that gives error replies as redis-py's exceptions, as values."""
    reader = hiredis.Reader(replyError=reply_error, notEnoughData=NOT_READY)
    reader.setmaxbuf(1 << 20)
    return reader


class Hidden(str):
    """A password, of which a report that shows local variables shows nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class HiddenBytes(bytes):
    """The same for packed commands that have a password in them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


@attrs.frozen
class Handshake:
    """
    What is sent to a new connection, and what its replies mean.

    Everything leaves in one write. `HELLO` may be unknown (Redis before 6, some proxies):
    then the rest is sent again as RESP2 would have it. `CLIENT SETINFO` and the name are
    niceties; what the server says to them does not matter.
    """

    endpoint: Endpoint
    login: tuple[str | None, str] | None = attrs.field(repr=False)

    def first(self) -> list[tuple[Argument, ...]]:
        """The commands of the first write."""
        if self.endpoint.protocol == 2:
            return self.second()
        hello: tuple[Argument, ...] = ("HELLO", "3")
        if self.login is not None:
            hello += ("AUTH", self.login[0] or "default", Hidden(self.login[1]))
        return [hello, *self._rest()]

    def second(self) -> list[tuple[Argument, ...]]:
        """The commands in RESP2; without HELLO only PING tells that a password is needed."""
        if self.login is None:
            return [*self._rest(), ("PING",)]
        name, password = self.login[0], Hidden(self.login[1])
        return [("AUTH", password) if name is None else ("AUTH", name, password), *self._rest()]

    def packed(self, commands: Iterable[Sequence[Argument]]) -> bytes:
        """Write the commands of a handshake as RESP."""
        return HiddenBytes(pack_many(commands))

    def _rest(self) -> list[tuple[Argument, ...]]:
        commands: list[tuple[Argument, ...]] = []
        if self.endpoint.db:
            commands.append(("SELECT", self.endpoint.db))
        if self.endpoint.read_only:
            commands.append(("READONLY",))
        if self.endpoint.client_name:
            commands.append(("CLIENT", "SETNAME", self.endpoint.client_name))
        commands.append(("CLIENT", "SETINFO", "LIB-NAME", "cachex"))
        return commands

    def falls_back(self, replies: list[Any]) -> bool:
        """Say whether the server does not know HELLO 3, so that `second` has to follow."""
        hello = replies[0]
        if self.endpoint.protocol == 2 or not isinstance(hello, Exception):
            return False
        if getattr(hello, "code", "") == "NOAUTH":
            return self.login is not None  # said of our AUTH, it would be WRONGPASS
        # Each proxy has words of its own for what it does not know or let through.
        return isinstance(hello, redis_errors.ResponseError) and not isinstance(
            hello, redis_errors.NoPermissionError
        )

    def check(self, commands: list[tuple[Argument, ...]], replies: list[Any]) -> dict[str, Any]:
        """Raise what the server refused; return what HELLO told, keys as str."""
        for command, reply in zip(commands, replies, strict=False):
            if not isinstance(reply, Exception):
                continue
            if command[0] == "PING" and isinstance(reply, redis_errors.NoPermissionError):
                continue  # who may not do that, is in
            if command[0] != "CLIENT" or isinstance(reply, redis_errors.AuthenticationError):
                raise _refusal(self.endpoint.name, str(command[0]), reply)
        told = replies[0] if replies else None
        if not isinstance(told, dict):
            return {}
        return {_text(key): _text(value) for key, value in told.items()}


def no_credentials(endpoint: Endpoint, error: Exception) -> ConnectFailed:
    """Say that who was to give user name and password did not."""
    return ConnectFailed(endpoint.name, f"no credentials: {type(error).__name__}: {error}")


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _refusal(name: str, command: str, reply: Exception) -> ConnectFailed:
    detail = f" (in reply to {command})"
    if isinstance(reply, redis_errors.AuthenticationError | redis_errors.NoPermissionError):
        error: ConnectFailed = AuthenticationFailed(name, reply, detail)
    elif isinstance(reply, redis_errors.ConnectionError):  # max number of clients, LOADING
        error = ConnectFailed(name, reply, detail)
    elif command == "AUTH":  # before Redis 6 with no code of its own
        error = AuthenticationFailed(name, reply, detail)
    else:
        error = HandshakeRefused(name, reply, detail)
    error.__cause__ = reply
    return error
