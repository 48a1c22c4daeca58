"""RESP: commands to bytes, the reader of replies, the handshake."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs
import hiredis
from redis import exceptions as redis_errors

from cachex_pool._core.minimal import MinimalHandshakes
from cachex_pool.checks import said
from cachex_pool.endpoint import Endpoint
from cachex_pool.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    HandshakeRefused,
    PoolError,
    reply_error,
)
from cachex_pool.logs import logger
from cachex_pool.options import Guard

Argument: TypeAlias = str | bytes | int | float
Push = hiredis.PushNotification

MAX_REPLY = 1 << 30
"""Bytes one reply may have; the server's own limit for a string is half of that."""
ENOUGH_FOR_HANDSHAKE = 0.05
"""Seconds: if a credential provider leaves less, a server that is late has not failed."""
OVERDUE_AFTER = 0.5
"""Seconds without a byte of a reply after which a connection calls its `on_overdue`, repeatedly."""


BROKEN = (hiredis.ProtocolError, MemoryError, TypeError)
"""What a reader raises over bytes that are no sensible reply: absurd lengths, maps as keys."""


PASSING = frozenset(
    ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "TRYAGAIN")
)
"""Codes of replies that say how the server is, and not what is wrong with our settings."""


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
    niceties; what the server says to them does not matter. `questions` are asked along with
    it; whatever their replies, the handshake succeeds. A `minimal` one leaves out HELLO and CLIENT.
    """

    endpoint: Endpoint
    login: tuple[str | None, str] | None = attrs.field(repr=False)
    questions: Sequence[tuple[str, ...]] = ()
    minimal: bool = False

    @property
    def protocol(self) -> int:
        """The RESP version that `first` asks for."""
        return 2 if self.minimal else self.endpoint.protocol

    def first(self) -> list[tuple[Argument, ...]]:
        """The commands of the first write."""
        if self.protocol == 2:
            return self.second()
        hello: tuple[Argument, ...] = ("HELLO", "3")
        if self.login is not None:
            hello += ("AUTH", self._user or "default", Hidden(self.login[1]))
        return [hello, *self._rest()]

    def second(self) -> list[tuple[Argument, ...]]:
        """The commands in RESP2; without HELLO only PING tells that a password is needed."""
        if self.login is None:
            return [*self._rest(), ("PING",)]
        name, password = self._user, Hidden(self.login[1])
        return [("AUTH", password) if name is None else ("AUTH", name, password), *self._rest()]

    @property
    def _user(self) -> str | None:
        """The user name; without a password it may be one that was put in the wrong place."""
        user, password = self.login or (None, "")
        return user if password or user is None else Hidden(user)

    def packed(self, commands: Iterable[Sequence[Argument]]) -> bytes:
        """Write the commands of a handshake as RESP."""
        return HiddenBytes(pack_many(commands))

    def _rest(self) -> list[tuple[Argument, ...]]:
        commands: list[tuple[Argument, ...]] = []
        if self.endpoint.db:
            commands.append(("SELECT", self.endpoint.db))
        if self.endpoint.read_only:
            commands.append(("READONLY",))
        if self.endpoint.client_name and not self.minimal:
            commands.append(("CLIENT", "SETNAME", self.endpoint.client_name))
        if not self.minimal:
            commands.append(("CLIENT", "SETINFO", "LIB-NAME", "cachex"))
        return [*commands, *self.questions]

    def falls_back(self, replies: list[Any]) -> bool:
        """Say whether the server does not know HELLO 3, so that `second` has to follow."""
        hello = replies[0]
        if self.protocol == 2 or not isinstance(hello, Exception):
            return False
        if getattr(hello, "code", "") == "NOAUTH":
            return self.login is not None  # said of our AUTH, it would be WRONGPASS
        # Each proxy has words of its own for what it does not know or let through.
        return isinstance(hello, redis_errors.ResponseError) and not isinstance(
            hello, redis_errors.NoPermissionError
        )

    def scrub(self, replies: list[Any]) -> list[Any]:
        """
        Take the password out of what a server replied: some repeat a command they do not know.

        They may cut it off, escape it or write it in another way: of the reply to a login only
        words are left that servers are known to say. In the others the password is looked for.
        """
        if self.login is None:
            return replies
        user, password = self.login
        start = (password or user or "")[:8]
        for at, reply in enumerate(replies):
            if isinstance(reply, Exception) and (
                at == 0 or (len(start) >= WORTH_HIDING and start in str(reply))
            ):
                replies[at] = _known(reply)
        return replies

    def check(self, commands: list[tuple[Argument, ...]], replies: list[Any]) -> dict[str, Any]:
        """Raise what the server refused; return what HELLO told, and the replies to questions."""
        self.scrub(replies)
        for command, reply in zip(commands, replies, strict=False):
            if not isinstance(reply, Exception) or command in self.questions:
                continue
            if command[0] == "PING" and isinstance(reply, redis_errors.NoPermissionError):
                continue  # who may not do that, is in
            if command[0] != "CLIENT" or isinstance(reply, redis_errors.AuthenticationError):
                raise _refusal(self.endpoint.name, str(command[0]), reply)
        told = replies[0] if replies else None
        found: dict[str, Any] = {}
        if isinstance(told, dict):
            for key, value in told.items():
                name = key.decode("utf-8", "replace") if key.__class__ is bytes else key
                text = value.decode("utf-8", "replace") if value.__class__ is bytes else value
                found[name] = text
        if self.questions:
            for command, reply in zip(commands, replies, strict=False):
                if command in self.questions:
                    found[" ".join(command)] = reply  # type: ignore[arg-type]
        return found


log = logger("cachex_pool")

handshakes = MinimalHandshakes()
"""Which servers hang up on the full handshake, as far as this process knows."""
UNTIL_TRIED = 0.002
"""Seconds between two looks whether another caller has found that out."""


def greeted_minimally(endpoint: Endpoint, now: float) -> None:
    """Note that a server that hung up on the full handshake has answered to the minimal one."""
    handshakes.worked(endpoint.address, now)
    log.info(
        f"{endpoint.name} hangs up on HELLO or CLIENT and is spoken to without, in RESP2",
        server=endpoint.name,
    )


def not_greeted(endpoint: Endpoint, error: PoolError, *, ours: bool) -> ConnectFailed:
    """Say why a handshake failed; `ours` if it was broken off on this side."""
    failure = ConnectFailed(endpoint.name, error)
    failure.hung_up = isinstance(error, ConnectionLost) and not ours
    return failure


def hung_up_again(endpoint: Endpoint, error: ConnectFailed) -> ConnectFailed:
    """Say that a server hangs up on the minimal handshake, too."""
    detail = ", also without HELLO and CLIENT"
    if endpoint.db:
        detail += f"; SELECT {endpoint.db} was sent: a proxy that has none serves database 0 only"
    again = ConnectFailed(endpoint.name, error.__cause__, detail)
    again.hung_up = True
    return again


def no_credentials(endpoint: Endpoint, error: Exception) -> ConnectFailed:
    """Say that the credential provider failed."""
    failure = ConnectFailed(
        endpoint.name, f"no credentials: the provider raised {type(error).__name__}: {said(error)}"
    )
    failure.server_at_fault = False
    return failure


def late_credentials(endpoint: Endpoint, seconds: float) -> ConnectTimeout:
    """Say that the credential provider took longer than there was time to connect."""
    failure = ConnectTimeout(
        endpoint.name, f"no credentials: the provider took more than {seconds:.3f} s"
    )
    failure.server_at_fault = False
    return failure


WORTH_HIDING = 4
"""Characters from which on a password is looked for: shorter ones are in every other word."""
NOT_SHOWN = "(what the server says is not shown: it may repeat the password)"
KNOWN = re.compile(
    "|".join(
        (
            r"invalid username-password pair( or user is disabled\.)?",
            r"invalid password",
            r"Client sent AUTH, but no password is set",
            r"AUTH <password> called without any password configured for the default user\."
            r" Are you sure your configuration is correct\?",
            r"Authentication required\.",
            r"HELLO must be called with the client already authenticated, otherwise the HELLO"
            r" <proto> AUTH <user> <pass> option can be used to authenticate the client and select"
            r" the RESP protocol version at the same time",
            r"(this user|User default) has no permissions to run the '(hello|auth)' command",
            r"wrong number of arguments for '(hello|auth)' command",
            r"unknown command( [`']?(HELLO|AUTH|hello|auth)\b[`']?)?",
            r"[Ss]yntax error( in HELLO)?",
            r"NOPROTO (unsupported|sorry, this) protocol version",
            r"max number of clients( \+ cluster connections)? reached",
            r"(Redis|Valkey|KeyDB) is loading the dataset in memory",
            r"Link with (MASTER|PRIMARY) is down and replica-serve-stale-data is set to 'no'\.",
            r"DENIED (Redis|Valkey|KeyDB) is running in protected mode",
        )
    )
)
"""What servers say to a login: nothing of it is from its arguments."""


def _known(reply: Any) -> Exception:
    """Return an error reply with no more of its text than what is known to hold no password."""
    code, text = getattr(reply, "code", ""), str(reply)
    text = text.removeprefix("ERR ")
    found = KNOWN.match(text)
    if found is not None and found.group() == text:
        return reply  # type: ignore[no-any-return]
    code = code if re.fullmatch("[A-Z]{1,16}", code) else ""
    known = found.group() if found is not None else code
    kind = type(reply)
    if issubclass(kind, redis_errors.AskError):  # made of a slot and an address
        kind = redis_errors.ResponseError
    shown: Any = kind(f"{known} {NOT_SHOWN}".lstrip())
    shown.code = code
    del reply, text, found
    return shown  # type: ignore[no-any-return]


def _refusal(name: str, command: str, reply: Exception) -> ConnectFailed:
    detail = f" (in reply to {command})"
    is_setting = command in ("SELECT", "READONLY")
    if isinstance(reply, redis_errors.NoPermissionError) and is_setting:  # it has let us in
        error: ConnectFailed = HandshakeRefused(name, reply, detail)
    elif isinstance(reply, redis_errors.AuthenticationError | redis_errors.NoPermissionError):
        error = AuthenticationFailed(name, reply, detail)
    elif isinstance(reply, redis_errors.ConnectionError) or getattr(reply, "code", "") in PASSING:
        error = ConnectFailed(name, reply, detail)  # max number of clients, LOADING
    elif command == "AUTH":  # before Redis 6 with no code of its own
        error = AuthenticationFailed(name, reply, detail)
    else:
        error = HandshakeRefused(name, reply, detail)
    error.__cause__ = reply
    return error
