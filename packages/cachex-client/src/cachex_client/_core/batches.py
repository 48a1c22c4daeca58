"""Cutting a list of commands into writes, and sorting the replies."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, TypeAlias, TypeGuard

import attrs

from cachex_client._core.series import Series
from cachex_client._core.shapes import done, flag, integer, integer_or_none
from cachex_client._core.wrong_replies import as_reply_to
from cachex_client.command import Command, Spec, as_is
from cachex_pool import ConnectionLost, PoolError, ProtocolError, pack

_AtOnce: TypeAlias = tuple[frozenset[type], Callable[[list[Any]], list[Any]]]
_NEVER: _AtOnce = (frozenset(), list)
AT_ONCE: dict[Callable[[Any], Any], _AtOnce] = {
    integer: (frozenset((int,)), as_is),
    integer_or_none: (frozenset((int, type(None))), as_is),
    flag: (frozenset((int,)), lambda replies: list(map(bool, replies))),
    done: (frozenset((bytes,)), lambda replies: [True] * len(replies)),
}
"""What ways to read make of many replies of these types: calling them for each takes longer."""

MAX_COMMANDS = 2000
MAX_BYTES = 256 * 1024
_PARSE = attrgetter("parse")


@attrs.frozen(slots=True)
class Batch:
    """
    Commands that leave in one write; `positions` are theirs in the caller's list.

    `replies` is how many come for each; the last of them is the command's own.
    """

    positions: Sequence[int]
    data: bytes
    replies: int = 1

    @property
    def count(self) -> int:
        """How many replies will come."""
        return len(self.positions) * self.replies


def batches(
    commands: Sequence[Command[Any]], positions: Sequence[int], before: bytes = b""
) -> Iterator[Batch]:
    """
    Cut the commands at `positions` into writes of a bounded number and size.

    `before`, a packed command such as ASKING, goes before each.
    """
    packed = _packed(commands, positions)
    if before:
        packed = [before + one for one in packed]
    replies = 2 if before else 1
    if len(packed) <= MAX_COMMANDS and sum(map(len, packed)) <= MAX_BYTES:
        yield Batch(positions, b"".join(packed), replies)
        return
    start, size = 0, 0
    for end, one in enumerate(packed):
        if end > start and (end - start == MAX_COMMANDS or size + len(one) > MAX_BYTES):
            yield Batch(positions[start:end], b"".join(packed[start:end]), replies)
            start, size = end, 0
        size += len(one)
    yield Batch(positions[start:], b"".join(packed[start:]), replies)


def _packed(commands: Sequence[Command[Any]], positions: Sequence[int]) -> list[bytes]:
    everything = positions == range(len(commands))
    if isinstance(commands, Series):
        return commands.packed if everything else [commands.packed[at] for at in positions]
    wanted = commands if everything else [commands[at] for at in positions]
    return [command.packed or pack(command.arguments) for command in wanted]


def strictest(commands: Sequence[Command[Any]]) -> Spec:
    """Return the spec that decides where a list of commands goes: a write's, if there is one."""
    for command in commands:
        if command.spec.write:
            return command.spec
    return commands[0].spec


def may_be_done(results: Sequence[Any]) -> bool:
    """Tell whether any of what was asked for was done, or may have been."""
    return any(not isinstance(one, Exception) or getattr(one, "written", False) for one in results)


def outcomes(batch: Batch, answer: "list[Any] | Exception") -> list[Any]:
    """
    Return what became of each command: its reply, or the error that befell it.

    Where the connection broke in the middle, the replies that came before it count.
    """
    last = batch.replies - 1
    if not isinstance(answer, Exception):
        return answer[last :: batch.replies] if last else answer
    came = answer.replies[last :: batch.replies] if isinstance(answer, ConnectionLost) else ()
    return [*came, *[answer] * (len(batch.positions) - len(came))]


def is_in_vain(answer: object) -> TypeGuard[PoolError]:
    """Say whether what was to follow on the same server would fare no better."""
    return isinstance(answer, PoolError) and not isinstance(answer, ConnectionLost | ProtocolError)


def unsent(error: PoolError, count: int) -> list[Exception]:
    """Return what became of commands that were not sent because of another's failure."""
    error = copy(error)
    error.written = False
    return [error] * count


def any_error(replies: Sequence[Any]) -> bool:
    """Say whether an error is among the replies; looks at each kind of reply once."""
    return any(issubclass(kind, Exception) for kind in set(map(type, replies)))


def parse_all(commands: Sequence[Command[Any]], replies: list[Any]) -> list[Any]:
    """Turn replies into the commands' results; errors stay as they are."""
    ways = {commands.parse} if isinstance(commands, Series) else set(map(_PARSE, commands))
    if len(ways) == 1:  # mostly all are read in one way
        (way,) = ways
        if way is as_is:
            return replies
        kinds, read = AT_ONCE.get(way, _NEVER)
        if kinds.issuperset(map(type, replies)):
            return read(replies)
        if not any_error(replies):
            try:
                return list(map(way, replies))
            except ProtocolError:  # of one of them: which, is said below
                pass
    return [
        reply if command.parse is as_is or isinstance(reply, Exception) else _parsed(command, reply)
        for command, reply in zip(commands, replies, strict=True)
    ]


def _parsed(command: Command[Any], reply: Any) -> Any:
    """Return the result of one command, or the error that says why its reply makes no sense."""
    try:
        return command.parse(reply)
    except ProtocolError as error:
        return as_reply_to(command.name, error)
