"""
What the error replies of Redis and Valkey mean: one table.

An error reply begins with a code. `ERROR_CODES` has every code that Redis 8 and Valkey 9 know, what
a client does about it, and whether the state of the server or the program is its cause. Retries
and `IGNORE_EXCEPTIONS` follow this table, and so does docs/reference/error-codes.md.
"""

import re
from collections.abc import Mapping
from enum import Enum

import attrs
from redis import exceptions as redis_errors


class Action(Enum):
    """What a client does about an error reply; the values are what the documentation says."""

    WAIT = "backs off and sends it again, until the deadline"
    SUSPEND = "backs off and sends it again to the same server, until the deadline"
    RECONNECT = "connects again, up to 4 attempts; then the circuit breaker opens"
    SPLIT = "sends it again, up to 13 times; bulk methods ask key by key"
    REDIRECT = "follows it, up to 8 times"
    REDISCOVER = "looks for the primary and sends it again there"
    LOAD = "sends the script's text; raised where it is not known"
    RAISE = "raised"


class Cause(Enum):
    """Who can do something about an error reply."""

    STATE = "state of the server"
    PROGRAM = "program or configuration"


@attrs.frozen
class ErrorCode:
    """
    One row of the table.

    `contains` tells rows of the same code apart: it is in the text of the reply.
    """

    code: str
    meaning: str
    action: Action
    cause: Cause
    contains: str = ""

    @property
    def rejected(self) -> bool:
        """Whether the server did nothing and may do it later, or another server may."""
        return self.action not in (Action.RAISE, Action.LOAD)


_WAIT, _RAISE, _REDISCOVER = Action.WAIT, Action.RAISE, Action.REDISCOVER
_STATE, _PROGRAM = Cause.STATE, Cause.PROGRAM

TABLE: tuple[ErrorCode, ...] = (
    # Not executed, and a later attempt may succeed.
    ErrorCode("LOADING", "the server reads its data from disk", _WAIT, _STATE),
    ErrorCode("MASTERDOWN", "a replica without a primary serves no old data", _WAIT, _STATE),
    ErrorCode("CLUSTERDOWN", "slots have no server, or only reads are served", _WAIT, _STATE),
    ErrorCode(
        "NOREPLICAS",
        "fewer replicas than `min-replicas-to-write` asks for",
        Action.SUSPEND,
        _STATE,
    ),
    ErrorCode(
        "ERR",
        "`maxclients` is reached; said to new connections",
        Action.RECONNECT,
        _STATE,
        contains="max number of clients",
    ),
    ErrorCode("TRYAGAIN", "the keys are on two servers while slots move", Action.SPLIT, _STATE),
    ErrorCode("MOVED", "another server has the slot", Action.REDIRECT, _STATE),
    ErrorCode("ASK", "another server has the key while the slot moves", Action.REDIRECT, _STATE),
    ErrorCode("READONLY", "the server is a replica", _REDISCOVER, _STATE),
    ErrorCode(
        "REDIRECT",
        "the server is a replica (Valkey; only after `CLIENT CAPA redirect`)",
        _REDISCOVER,
        _STATE,
    ),
    ErrorCode(
        "UNBLOCKED",
        "the server became a replica while a command waited",
        _REDISCOVER,
        _STATE,
        contains="instance state changed",
    ),
    # Not executed, and likely to last.
    ErrorCode("MISCONF", "the server cannot write to its disk", _RAISE, _STATE),
    ErrorCode("OOM", "`maxmemory` is reached, and nothing may be evicted", _RAISE, _STATE),
    ErrorCode("BUSY", "a script, function or module command runs for long", _RAISE, _STATE),
    ErrorCode(
        "ERR",
        "the cluster is down; said to scripts",
        _RAISE,
        _STATE,
        contains="while the cluster is down",
    ),
    ErrorCode(
        "ERR",
        "a replica without a primary; said to scripts",
        _RAISE,
        _STATE,
        contains="on a stale replica",
    ),
    ErrorCode("IOERR", "`MIGRATE` lost the other server", _RAISE, _STATE),
    ErrorCode("NOMASTERLINK", "a replica without a primary, asked to replicate", _RAISE, _STATE),
    ErrorCode("NOQUORUM", "too few Sentinels, in reply to `SENTINEL CKQUORUM`", _RAISE, _STATE),
    ErrorCode("INPROG", "a failover is under way already (Sentinel)", _RAISE, _STATE),
    ErrorCode("NOGOODSLAVE", "no replica can be promoted (Sentinel)", _RAISE, _STATE),
    # What the program or its configuration causes.
    ErrorCode("ERR", "everything without a code: arguments, syntax, limits", _RAISE, _PROGRAM),
    ErrorCode("WRONGTYPE", "the key holds another type", _RAISE, _PROGRAM),
    ErrorCode("NOAUTH", "a password is needed", _RAISE, _PROGRAM),
    ErrorCode("WRONGPASS", "user name or password is wrong", _RAISE, _PROGRAM),
    ErrorCode("NOPERM", "the user may not do that", _RAISE, _PROGRAM),
    ErrorCode("DENIED", "protected mode: a password or `bind` is missing", _RAISE, _PROGRAM),
    ErrorCode("NOPROTO", "the server does not speak that RESP version", _RAISE, _PROGRAM),
    ErrorCode("CROSSSLOT", "the keys of one command are in several slots", _RAISE, _PROGRAM),
    ErrorCode("NOSCRIPT", "the server has not seen the script", Action.LOAD, _PROGRAM),
    ErrorCode(
        "EXECABORT",
        "a transaction was discarded; the row of its cause counts if one is named",
        _RAISE,
        _PROGRAM,
    ),
    ErrorCode("BUSYKEY", "`RESTORE` or `MIGRATE` found the key taken", _RAISE, _PROGRAM),
    ErrorCode("BUSYGROUP", "the consumer group exists", _RAISE, _PROGRAM),
    ErrorCode("NOGROUP", "there is no such consumer group", _RAISE, _PROGRAM),
    ErrorCode("INVALIDOBJ", "the value is no HyperLogLog any more", _RAISE, _PROGRAM),
    ErrorCode("UNBLOCKED", "somebody called `CLIENT UNBLOCK … ERROR`", _RAISE, _PROGRAM),
    ErrorCode("NOTBUSY", "there is no script to kill", _RAISE, _PROGRAM),
    ErrorCode("UNKILLABLE", "a script that has written cannot be killed", _RAISE, _PROGRAM),
    ErrorCode("NOGOODPRIMARY", "the other server knows no `FAILOVER`", _RAISE, _PROGRAM),
)
"""Every code, in the order of the documentation; rows of one code with `contains` come first."""

ERROR_CODES: Mapping[str, tuple[ErrorCode, ...]] = {
    code: tuple(row for row in TABLE if row.code == code)
    for code in dict.fromkeys(row.code for row in TABLE)
}
"""The rows of each code."""

_CODES_OF_CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (redis_errors.ReadOnlyError, "READONLY"),
    (redis_errors.TryAgainError, "TRYAGAIN"),
    (redis_errors.BusyLoadingError, "LOADING"),
    (redis_errors.MasterDownError, "MASTERDOWN"),
    (redis_errors.ClusterDownError, "CLUSTERDOWN"),
    (redis_errors.OutOfMemoryError, "OOM"),
)
"""For errors that were not made from a reply: of a code or another client."""

_REASON = re.compile(
    r"Transaction discarded because of: (?P<transaction>[A-Z]+) "
    r"|Error running script .*?: -(?P<script>[A-Z]+) "
)
"""EXEC names the error that kept it from running; before Redis 7, so did scripts."""


def row_of(error: object) -> ErrorCode | None:
    """Return what the table says of an error, None if it is no error reply of a known code."""
    code = getattr(error, "code", None)
    if code is None:
        code = next((code for kind, code in _CODES_OF_CLASSES if isinstance(error, kind)), None)
        if code is None:
            return None
    text = str(error)
    if code in ("EXECABORT", "ERR") and (reason := _REASON.search(text)) is not None:
        code = reason["transaction"] or reason["script"]
    return next((row for row in ERROR_CODES.get(code, ()) if row.contains in text), None)


def is_server_state(error: object) -> bool:
    """
    Say whether an error reply is due to the state of the server, not to the program.

    Such an error may end by itself or by an administrator's hand, and the same call succeeds then.
    """
    row = row_of(error)
    return row is not None and row.cause is Cause.STATE
