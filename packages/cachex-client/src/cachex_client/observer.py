"""
The seam for metrics and tracing: clients and caches tell, observers listen.

`observe(observer)` is for the whole process: for clients that exist and for those to come. With no
observer nothing is built and a call costs one look at `audience.observers`.

What is told:

- A `Sent` for every wire operation, as its caller sees it: retries and redirects included. A single
  command is one; so is a transaction; `execute_many` makes one for each server it writes
  to first (of very many keys in a cluster, on an event loop, one for each slice). What a redirect
  or a retry then moves to another server stays on the `Sent` it began on, which counts it, and
  whose `peer` is the server that answered last.
- An `Operation` around a verb of a cache that makes several calls, or whose one call may go to
  several servers: `get_or_set`, `incr_version`, `keys`, `delete_pattern`, `clear`, `flush_db` and
  taking a lock ("lock.acquire") everywhere; `get_many`, `set_many`, `delete_many`, `touch_many`
  and `incr_many` in a cluster. Of these five it is the conversation with the servers, without
  what the cache does to keys and values before and after, as with a `Sent`.
- All other verbs are their `Sent`, which then has an `origin`; so are the verbs for many
  keys outside clusters, as one call is one write there. `Sent.requested` and `Sent.found`
  count their keys. `iter_keys` makes no `Operation`, as its caller works between its
  steps: each SCAN has it for its origin. The commands of a cache's pipeline are of the
  operation "pipeline". The parts of an `Operation` have no origin.
- Commands on borrowed connections (WATCH and what follows it, SELECT, ...) are told one by one.
  Those that redis-py sends itself are not: subscriptions, MONITOR, commands of modules.
- Counts of keys, for verbs of caches only: `looked_up`, `wrote`, `deleted`; after `settled`, before
  `ended`.

`sending`, `settled`, `began` and `ended` run in the caller's thread or task, in his context, and
in pairs: the second is called once for each token that is not None, whatever happens in between.
Background work (finding servers, filling pools) is no operation, and runs in an empty context.
"""

from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import attrs
from redis.exceptions import AskError

from cachex_client.command import Command
from cachex_pool import Endpoint

_LOOKUPS = frozenset(("GET", "MGET"))


@attrs.frozen(slots=True)
class Origin:
    """
    The verb of a cache that a command was sent for.

    `cache` is the cache's name (a Django alias), "" if it has none; `operation` the verb: "get",
    "add", "hget", "lock.release", ...
    """

    cache: str
    operation: str


class Sent:
    """
    One wire operation as its caller sees it.

    Known from the start: `server`, the address the client was given (the first one, or the first
    Sentinel's); `commands`; `atomic` for MULTI; `origin` and `requested`, see the module. Known in
    the end: `peer`, the server that answered last, and its `address`, None where nobody was asked
    or where a connection was borrowed for several commands; `replies`, raw and in the commands'
    order, errors in place; `error`, what was raised, or the first error in place, None if there
    is none; `failed`, how many commands have an error; `retried` and `redirected`, why it was sent
    again, all or some of it: the code of an error reply ("CLUSTERDOWN", "MOVED") or the name of an
    exception, each reason once for each time. `bytes_out` are the bytes of the commands, written
    once; 0 if they were not counted.

    Not slots, but defaults in the class: most are never set, and a `Sent` for a dormant observer
    has to cost next to nothing.
    """

    link: Any = None  # the client's own, to the server that is asked
    atomic: bool = False
    _whole: "Operation | None" = None
    replies: Sequence[Any] = ()
    error: BaseException | None = None
    failed: int = 0
    retried: tuple[str, ...] = ()
    redirected: tuple[str, ...] = ()
    bytes_out: int = 0
    tokens: "tuple[tuple[ClientObserver, Any], ...]" = ()

    server: Endpoint
    _commands: "Sequence[Command[Any]] | Callable[[], Sequence[Command[Any]]]"
    # No __init__: calling one would be half of the cost of a `Sent`.

    @property
    def commands(self) -> Sequence[Command[Any]]:
        """The commands; where a client packed them without making any, they are made now."""
        made = self._commands
        if callable(made):
            made = self._commands = made()
        return made

    @property
    def peer(self) -> Endpoint | None:
        """The server that answered last, by the name that the client knows."""
        return None if self.link is None else self.link.endpoint

    @property
    def address(self) -> Endpoint | None:
        """That server by its address; None where only a name is known, see `Pool.peer`."""
        return None if self.link is None else self.link.pool.peer

    @property
    def origin(self) -> Origin | None:
        """The verb of a cache that this is; None for what is part of an `Operation`, or no verb."""
        if self._whole is not None:
            return self._whole.origin
        commands = self.commands
        return commands[0].origin if commands else None

    @property
    def size(self) -> int:
        """How many commands these are, without MULTI and EXEC."""
        return len(self.commands)

    @property
    def name(self) -> str:
        """The command's name in upper case, "PIPELINE" for several, "MULTI" for a transaction."""
        if self.atomic:
            return "MULTI"
        commands = self.commands
        return commands[0].spec.name if len(commands) == 1 else "PIPELINE"

    @property
    def common(self) -> str | None:
        """The one name that all commands share, None if they do not."""
        names = {command.spec.name for command in self.commands}
        return names.pop() if len(names) == 1 else None

    @property
    def attempts(self) -> int:
        """How often it was sent, all or some of it; once more where that had several reasons."""
        return 1 + self.retries + self.redirects

    @property
    def retries(self) -> int:
        """How many times a failure made the client send again."""
        return len(self.retried)

    @property
    def redirects(self) -> int:
        """How many times MOVED or ASK was followed."""
        return len(self.redirected)

    @property
    def code(self) -> str | None:
        """The word an error reply begins with, "WRONGTYPE" say; None if it is no reply's."""
        return error_code(self.error)

    @property
    def requested(self) -> int | None:
        """How many keys were asked for, or were to be written; None if that means nothing."""
        if self._whole is not None:
            return self._whole.requested
        commands = self.commands
        if not commands or any(command.spec.name not in _LOOKUPS for command in commands):
            return None
        return sum(len(command.arguments) - 1 for command in commands)

    @property
    def found(self) -> int | None:
        """How many of the keys that GET or MGET asked for are there; None for other commands."""
        commands = self.commands
        if not commands or any(command.spec.name not in _LOOKUPS for command in commands):
            return None
        found = 0
        for reply in self.replies:
            if isinstance(reply, list | tuple):
                found += sum(one is not None for one in reply)
            elif reply is not None and not isinstance(reply, BaseException):
                found += 1
        return found

    def again(self, *errors: Exception) -> None:
        """Count that it is sent again, all or some of it, and why: once for each reason."""
        retried, redirected = dict[str, None](), dict[str, None]()
        for error in errors:
            several = redirected if isinstance(error, AskError) else retried  # MovedError is one
            several[error_code(error) or type(error).__name__] = None
        self.retried += tuple(retried)
        self.redirected += tuple(redirected)

    def came(self, replies: Sequence[Any]) -> None:
        """Take the replies, errors in place."""
        self.replies = replies
        errors = [one for one in replies if isinstance(one, Exception)]
        if errors:
            self.error, self.failed = errors[0], len(errors)

    def __repr__(self) -> str:
        return f"<Sent {self.name} of {self.size} to {(self.peer or self.server).name}>"


class Operation:
    """
    A verb of a cache that takes several calls, or may take several servers.

    `requested` and `found` count keys, None where that means nothing; `error` is what was raised.
    A key that failed while others did not is an error of the `Sent` it belongs to.
    """

    found: int | None = None
    error: BaseException | None = None
    tokens: "tuple[tuple[ClientObserver, Any], ...]" = ()

    def __init__(self, origin: Origin, requested: int | None = None) -> None:
        self.origin = origin
        self.requested = requested

    def __repr__(self) -> str:
        return f"<Operation {self.origin.operation} of {self.origin.cache!r}>"


class ClientObserver:
    """
    Override what you want to hear; the rest stays silent.

    Methods must be quick and not block. One that raises is logged once and its observer hears
    nothing more, but for the ends of what it gave tokens for. What nobody overrides costs nothing:
    who is not sure yet whether there is anything to do observes with an object that has
    `sending` and `asleep` alone; in its place he puts another when there is.
    """

    def asleep(self) -> bool:
        """
        Say that no wire operation need be told; asked before each if nobody else wants to hear.

        That is cheaper than to make one that `sending` has no use for.
        """
        return False

    def sending(self, sent: Sent) -> Any:
        """
        Hear of a wire operation before its first byte; return a token for `settled`.

        None: do not tell me of its end. If nobody wants to know, the client does no more for it.
        """

    def settled(self, sent: Sent, token: Any) -> None:
        """Hear of its end: after the last reply, or failure, or cancellation."""

    def began(self, operation: Operation) -> Any:
        """
        Hear of a verb before its first part; return a token for `ended`, None for none.

        Who attaches a context here has it attached for the parts, in `sending`, and for what the
        verb calls: the `default` of `get_or_set`.
        """

    def ended(self, operation: Operation, token: Any) -> None:
        """Hear of its end, in the context in which it began."""

    def followed(self, leader: Context) -> None:
        """
        Hear, within `get_or_set`, that its caller waits for what another one makes already.

        `leader` is a copy of that one's context, and may be run.
        """

    def looked_up(self, cache: str, operation: str, hits: int, misses: int, errors: int) -> None:
        """Hear how many keys were there, were not, could not be read."""

    def wrote(self, cache: str, operation: str, keys: int) -> None:
        """Hear how many keys were written, touched ones not counted."""

    def deleted(self, cache: str, operation: str, keys: int) -> None:
        """Hear how many keys were removed."""

    def refreshed(
        self, topology: str, *, trigger: str, took: float, error: Exception | None
    ) -> None:
        """
        Hear that a client looked at its topology; `took` is in seconds.

        `topology` names the cluster by its seeds, or the service and its Sentinels. `trigger` is
        "first" at first use, "failure" after redirects and trouble, "announced" by a Sentinel, or
        "timer". Not in the context of a call.
        """

    def promoted(self, topology: str, *, old: str, new: str) -> None:
        """Hear that `new` leads where `old` did, as "host:port"; in clusters, for each shard."""


def error_code(error: BaseException | None) -> str | None:
    """Return the word an error reply begins with, None for other errors."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and code else None
