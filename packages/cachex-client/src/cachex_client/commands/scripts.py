"""Scripts in Lua, sent by digest."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Any, Generic, TypeVar

import attrs

from cachex_client._core.shapes import booleans, done
from cachex_client._core.specs import spec_of
from cachex_client.command import Command, as_is

T = TypeVar("T")

EVAL = spec_of("EVAL")
EVALSHA = spec_of("EVALSHA")
EVAL_ALONE = attrs.evolve(EVAL, key=0)
EVALSHA_ALONE = attrs.evolve(EVALSHA, key=0)
SCRIPT_EXISTS = spec_of("SCRIPT EXISTS")
SCRIPT_FLUSH = spec_of("SCRIPT FLUSH")
SCRIPT_LOAD = spec_of("SCRIPT LOAD")


@attrs.frozen(slots=True)
class Script:
    """The text of a script and its digest, by which a server that has run it once knows it."""

    text: bytes
    digest: bytes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        digest = sha1(self.text, usedforsecurity=False).hexdigest()  # the server's choice
        object.__setattr__(self, "digest", digest.encode())


@lru_cache(maxsize=1_000)
def script_of(text: str | bytes) -> Script:
    """Return the script with a text, whose digest is made once."""
    return Script(text.encode() if isinstance(text, str) else text)


@attrs.frozen(slots=True)
class Scripted(Generic[T]):
    """
    One run of a script: what to send first, and what to a server that does not know it.

    It is sent by digest. After `NoScriptError` the server has done nothing, and wants it by text.
    """

    script: Script
    keys: Sequence[bytes] = ()
    arguments: Sequence[bytes] = ()
    parse: Callable[[Any], T] = as_is

    def by_digest(self) -> Command[T]:
        """Return EVALSHA."""
        return evalsha(self.script.digest, self.keys, self.arguments, self.parse)

    def by_text(self) -> Command[T]:
        """Return EVAL."""
        return eval_(self.script.text, self.keys, self.arguments, self.parse)


def eval_(
    script: bytes,
    keys: Sequence[bytes] = (),
    arguments: Sequence[bytes] = (),
    parse: Callable[[Any], T] = as_is,
) -> Command[T]:
    """Run a script, sending its text, after which the server knows its digest."""
    spec = EVAL if keys else EVAL_ALONE
    return Command(("EVAL", script, b"%d" % len(keys), *keys, *arguments), spec, parse)


def evalsha(
    digest: bytes,
    keys: Sequence[bytes] = (),
    arguments: Sequence[bytes] = (),
    parse: Callable[[Any], T] = as_is,
) -> Command[T]:
    """Run a script by digest; `redis.exceptions.NoScriptError` if the server does not know it.

    The server has done nothing then, and `eval_` may follow.
    """
    spec = EVALSHA if keys else EVALSHA_ALONE
    return Command(("EVALSHA", digest, b"%d" % len(keys), *keys, *arguments), spec, parse)


def script_load(script: bytes) -> Command[bytes]:
    """Make a script known to one server and return its digest."""
    return Command(("SCRIPT", "LOAD", script), SCRIPT_LOAD)


def script_exists(*digests: bytes) -> Command[list[bool]]:
    return Command(("SCRIPT", "EXISTS", *digests), SCRIPT_EXISTS, booleans)


def script_flush() -> Command[bool]:
    """Let one server forget its scripts."""
    return Command(("SCRIPT", "FLUSH"), SCRIPT_FLUSH, done)
