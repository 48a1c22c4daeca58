"""
What can go wrong between a caller and a server.

Every error is also one of redis-py's, so code written for redis-py keeps catching
it, and says in `written` whether the server may have seen the command: what was
never written can be sent again without doing anything twice.
"""

import pickle
from collections.abc import Sequence
from typing import Any

from redis import exceptions as redis_errors

from cachex_pool.stats import PoolStats


class Portable(Exception):
    """
    An error that survives `pickle` and `copy`: type, arguments, attributes, notes and text.

    A worker process that raises it hands it to its parent as it is. An error among its attributes
    that cannot be pickled itself travels as its text.
    """

    def __copy__(self) -> Any:
        return _again(type(self), self.args, self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {name: _portable(value) for name, value in self.__dict__.items()}
        return _again, (type(self), self.args, facts)


def _again(kind: type[Exception], arguments: tuple[Any, ...], facts: dict[str, Any]) -> Any:
    """Make an error as it was: in another process, or as a copy without the traceback."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(facts)
    if "__notes__" in facts:
        error.__notes__ = list(facts["__notes__"])
    return error


def _portable(value: Any) -> Any:
    if isinstance(value, tuple) and any(isinstance(one, Exception) for one in value):
        return tuple(map(_portable, value))
    if not isinstance(value, Exception) or isinstance(value, Portable):
        return value
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # whatever its class, or what it holds, raises
        return RuntimeError(f"{type(value).__name__}: {value}")
    return value


class PoolError(Portable):
    """Base of every error the pool raises itself."""

    written = False


class ConfigurationError(PoolError, ValueError):
    """A URL, an option or a TLS setting makes no sense; nothing was connected."""


class PoolClosed(PoolError, redis_errors.ConnectionError):
    """The pool was closed; it lends nothing any more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the pool of {name} is closed")


class PoolTimeout(PoolError, redis_errors.TimeoutError):
    """No connection came free before the caller's deadline."""

    def __init__(self, name: str, waited: float, stats: PoolStats) -> None:
        super().__init__(
            f"no connection to {name} within {waited:.3f} s (limit {stats.max_size},"
            f" lent {stats.lent}, opening {stats.opening}, waiting {stats.waiting})"
        )
        self.waited = waited
        self.stats = stats


class TooManyWaiting(PoolTimeout):
    """The queue for a connection is full; the caller was not let in."""


class ConnectFailed(PoolError, redis_errors.ConnectionError):
    """
    No connection could be opened; the cause is chained.

    `hung_up`: the server ended the connection during the handshake, and did not say why.
    `server_at_fault`: False if the credential provider failed or was late; that does not count
    against the node.
    """

    hung_up = False
    server_at_fault = True

    def __init__(self, name: str, cause: object, detail: str = "") -> None:
        super().__init__(f"cannot connect to {name}: {cause}{detail}")
        self.name = name


class ConnectTimeout(ConnectFailed, redis_errors.TimeoutError):
    """Connecting, TLS and handshake together took longer than `connect_timeout`."""


class AuthenticationFailed(ConnectFailed, redis_errors.AuthenticationError):
    """The server refused the user name or the password."""


class HandshakeRefused(ConnectFailed, redis_errors.ResponseError):
    """The server refused a setting of the connection, such as the database number."""


class NodeUnavailable(ConnectFailed):
    """The node failed too often just now; calls fail at once until a probe succeeds."""


class ConnectionLost(PoolError, redis_errors.ConnectionError):
    """
    The connection broke before the whole reply was read.

    `replies` are those that came before.
    """

    replies: Sequence[Any] = ()

    def __init__(self, name: str, why: object, *, written: bool) -> None:
        super().__init__(f"lost the connection to {name}: {why}")
        self.written = written


class DeadlineExceeded(PoolError, redis_errors.TimeoutError):
    """The server did not answer before the caller's deadline."""

    def __init__(self, name: str, phase: str, *, written: bool) -> None:
        super().__init__(f"{name} did not answer before the deadline, while {phase}")
        self.phase = phase
        self.written = written


class ProtocolError(PoolError, redis_errors.InvalidResponse, redis_errors.ConnectionError):
    """
    What came back is not RESP, too large, or more than was asked for.

    Or it is of a type that its command never gives: the message says which was due.
    """

    def __init__(self, name: str, why: object) -> None:
        super().__init__(f"{name} broke the protocol: {why}")
        self.written = True


class ReplyTooLarge(ProtocolError):
    """A reply is larger than any that makes sense, or says that it will be; not asked for again."""


_BY_CODE: dict[str, type[Exception]] = {
    "ASK": redis_errors.AskError,
    "CLUSTERDOWN": redis_errors.ClusterDownError,
    "CROSSSLOT": redis_errors.ClusterCrossSlotError,
    "EXECABORT": redis_errors.ExecAbortError,
    "LOADING": redis_errors.BusyLoadingError,
    "MASTERDOWN": redis_errors.MasterDownError,
    "MOVED": redis_errors.MovedError,
    "NOAUTH": redis_errors.AuthenticationError,
    "NOPERM": redis_errors.NoPermissionError,
    "NOSCRIPT": redis_errors.NoScriptError,
    "OOM": redis_errors.OutOfMemoryError,
    "READONLY": redis_errors.ReadOnlyError,
    "TRYAGAIN": redis_errors.TryAgainError,
    "WRONGPASS": redis_errors.AuthenticationError,
}


def printable(text: str) -> str:
    """
    Return a text of others as it may be shown on a terminal or written to a log.

    Whatever is not printable (line ends, escape sequences, marks that turn the writing direction,
    halves of characters) is written as a backslash and its code.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def reply_error(message: str) -> Exception:
    """
    Turn an error reply into redis-py's exception for it.

    The RESP error prefix ("WRONGTYPE", "ERR", ...) is kept in `code`. As in redis-py,
    the text loses the prefix where an own class stands for it. What is not printable is escaped.
    """
    message = printable(message)
    code, _, rest = message.partition(" ")
    kind = _BY_CODE.get(code)
    error: Any
    if kind is not None:
        try:
            error = kind(rest)
        except (ValueError, IndexError):  # "MOVED", but not where to
            error = redis_errors.ResponseError(message)
    elif message.startswith("ERR max number of clients"):
        error = redis_errors.ConnectionError(message)
    elif code == "ERR":
        error = redis_errors.ResponseError(rest)
    else:
        error = redis_errors.ResponseError(message)
    error.code = code
    return error  # type: ignore[no-any-return]
