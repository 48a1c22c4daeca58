"""Commands without a builder of their own."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from cachex_client._core.specs import spec_for
from cachex_client.command import Argument, Command, as_is

T = TypeVar("T")


def custom(
    *arguments: Argument,
    parse: Callable[[Any], T] = as_is,
    write: bool | None = None,
    idempotent: bool | None = None,
) -> Command[T]:
    """Make a command of its words, as `custom("OBJECT", "ENCODING", key)`.

    A name of two words may come as one, as `custom("OBJECT ENCODING", key)`. What the command
    means for routing and retries is looked up; `write` and `idempotent` overrule that, for
    commands of modules and for a caller who knows that a script may be sent twice.
    """
    name = arguments[0]
    if isinstance(name, str) and " " in name:
        arguments = (*name.split(), *arguments[1:])
    spec = spec_for(arguments)
    if write is not None:
        spec = attrs.evolve(spec, write=write)
    if idempotent is not None:
        spec = attrs.evolve(spec, idempotent=idempotent)
    return Command(arguments, spec, parse)
