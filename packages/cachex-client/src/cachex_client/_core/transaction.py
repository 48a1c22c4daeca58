"""MULTI ... EXEC: commands that run as one, and what the replies mean."""

from collections.abc import Sequence
from typing import Any

import attrs
from redis.exceptions import WatchError

from cachex_client._core.batches import parse_all
from cachex_client._core.wrong_replies import as_reply_to, wrong_list
from cachex_client.command import Command
from cachex_pool import pack

MULTI = pack(("MULTI",))
EXEC = pack(("EXEC",))


@attrs.frozen(slots=True)
class Refusal:
    """Nothing was done: `error` says why, `position` which command it is about, or -1."""

    error: Exception
    position: int = -1


def settle(replies: Sequence[Any]) -> list[Any] | Refusal:
    """
    Return the result of each command, errors in place, or why there is none.

    `replies` are those to MULTI, to each command as it is queued, and to EXEC.
    """
    last = replies[-1]
    if last is None:
        return Refusal(WatchError("Watched variable changed."))
    if not isinstance(last, Exception):
        wrong = wrong_list(last, len(replies) - 2)
        return list(last) if wrong is None else Refusal(as_reply_to("EXEC", wrong))
    for position, reply in enumerate(replies[:-1], -1):
        if isinstance(reply, Exception):  # EXEC only says that there was something
            return Refusal(reply, position)
    return Refusal(last)


@attrs.define(slots=True)
class Transaction(Command[list[Any]]):
    """MULTI, commands, EXEC: one command to the retry rules, many replies on the wire."""

    commands: Sequence[Command[Any]] = ()

    @property
    def count(self) -> int:
        """How many replies there will be."""
        return len(self.commands) + 2

    def settle(self, replies: Sequence[Any]) -> Any:
        """Return the commands' results, or the error that kept the transaction from running."""
        settled = settle(replies)
        return settled.error if isinstance(settled, Refusal) else parse_all(self.commands, settled)


def transaction_of(commands: Sequence[Command[Any]]) -> Transaction:
    """Make a transaction of commands, of which there has to be one; it goes where their keys go."""
    packed = [command.packed or pack(command.arguments) for command in commands]
    idempotent = all(command.spec.idempotent for command in commands)
    keyed = next((command for command in commands if command.key is not None), commands[0])
    spec = attrs.evolve(keyed.spec, name="MULTI", write=True, idempotent=idempotent)
    data = b"".join((MULTI, *packed, EXEC))
    return Transaction(keyed.arguments, spec, packed=data, commands=commands)
