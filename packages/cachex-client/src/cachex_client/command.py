"""A command as a value: what to send, what it means for routing, how to read the reply."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import attrs

if TYPE_CHECKING:
    from cachex_client.observer import Origin

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

Argument: TypeAlias = str | bytes | int | float
Arguments: TypeAlias = tuple[Argument, ...]


@attrs.frozen(slots=True)
class Spec:
    """What has to be known about a command to route it and to retry it.

    `write` means that only a primary may answer; `idempotent` that sending it twice leaves the
    server as sending it once does; `blocking` that the server may hold the reply back, so that the
    command needs a connection for itself. `key` is the index of the first key in the arguments,
    0 if there is none.
    """

    name: str
    write: bool = True
    idempotent: bool = False
    blocking: bool = False
    key: int = 1


def as_is(reply: Any) -> Any:
    return reply


# One of these is made for every call, and a hundred for a set_many(100). `attrs.frozen` costs
# 370 ns each, this 140 ns (Python 3.11); nobody assigns to a command all the same.
@attrs.define(slots=True)
class Command(Generic[T_co]):
    """What to send, and how to read what comes back. Treat it as frozen.

    `arguments` are the words of the command, the first one its name; `parse` turns a reply that is
    not an error into the result. `packed`, if given, are the very bytes that `arguments` make on
    the wire: builders of the commands sent most often fill it in, as a template costs half of
    packing the words one by one. `origin` says for which verb of a cache it is sent, if
    anybody observes.
    """

    arguments: Arguments
    spec: Spec
    parse: Callable[[Any], T_co] = as_is
    packed: bytes | None = attrs.field(default=None, repr=False)
    origin: "Origin | None" = attrs.field(default=None, repr=False, eq=False)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def key(self) -> bytes | None:
        """The first key, which decides the slot and thus the node; None goes to any."""
        position = self.spec.key
        if not 0 < position < len(self.arguments):
            return None
        key = self.arguments[position]
        return key if type(key) is bytes else _to_bytes(key)

    @property
    def keys(self) -> list[bytes]:
        """All keys of a command that takes several of them, else the first one alone."""
        places = _SEVERAL_KEYS.get(self.spec.name)
        if places is None:
            return [] if self.key is None else [self.key]
        return [_to_bytes(one) for one in self.arguments[places]]

    def then(self, change: Callable[[T_co], U]) -> "Command[U]":
        """Return a command that sends the same and makes more of the result."""
        parse = self.parse
        if parse is as_is:
            return Command(self.arguments, self.spec, change, self.packed)
        return Command(self.arguments, self.spec, lambda reply: change(parse(reply)), self.packed)


@cache
def _for_primary(spec: Spec) -> Spec:
    return attrs.evolve(spec, write=True)


def on_primary(command: Command[T]) -> Command[T]:
    """Return a read that the primary answers, as a write depends on it."""
    return attrs.evolve(command, spec=_for_primary(command.spec))


_ALL, _TWO = slice(1, None), slice(1, 3)
_SEVERAL_KEYS = {
    **dict.fromkeys(
        (
            "DEL EXISTS MGET PFCOUNT PFMERGE RENAME RENAMENX SDIFF SDIFFSTORE SINTER SINTERSTORE"
            " SUNION SUNIONSTORE TOUCH UNLINK WATCH"
        ).split(),
        _ALL,
    ),
    **dict.fromkeys(("MSET", "MSETNX"), slice(1, None, 2)),
    **dict.fromkeys(("BLMOVE", "BRPOPLPUSH", "COPY", "LMOVE", "RPOPLPUSH", "SMOVE"), _TWO),
    **dict.fromkeys(("BLPOP", "BRPOP", "BZPOPMAX", "BZPOPMIN"), slice(1, -1)),
}


def _to_bytes(key: Argument) -> bytes:
    if isinstance(key, bytes):
        return key
    return str(key).encode("utf-8", "surrogateescape")
