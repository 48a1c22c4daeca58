"""What each command means for routing and retries."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

import attrs

from cachex_client._core.spec_table import BLOCKING, IDEMPOTENT, READS, WRITES
from cachex_client.command import Argument, Arguments, Spec


def _read_tables() -> dict[str, Spec]:
    blocking, idempotent = frozenset(BLOCKING.split()), frozenset(IDEMPOTENT.split())
    return {
        listed.replace("|", " "): Spec(
            name=listed.replace("|", " "),
            write=write,
            idempotent=not write or listed in idempotent,
            blocking=listed in blocking,
            key=key,
        )
        for write, table in ((False, READS), (True, WRITES))
        for key, names in table.items()
        for listed in names.split()
    }


SPECS: Mapping[str, Spec] = MappingProxyType(_read_tables())
"""Every command of Valkey 9 and Redis 7.2 by its name in capitals, as `"GET"`, `"CONFIG GET"`."""

CONTAINERS = frozenset(name.partition(" ")[0] for name in SPECS if " " in name)
"""Commands that say nothing without their second word."""


def spec_of(name: str) -> Spec:
    """Return what is known about the command `name`, in any case: `"get"`, `"config get"`.

    A command that is not known is taken for a write that must not be repeated, with its first key
    right after the name.
    """
    return SPECS.get(name) or SPECS.get(name.upper()) or Spec(name.upper())


def spec_for(arguments: Arguments) -> Spec:
    """Return what is known about a command with its arguments, one word each.

    This is `spec_of` and what the arguments say: SET with NX must not be repeated, XREAD without
    BLOCK does not block, EVAL may have no key.
    """
    name = _text(arguments[0])
    spec = SPECS.get(name) or SPECS.get(name := name.upper())
    if name in CONTAINERS and len(arguments) > 1:
        name = f"{name} {_text(arguments[1]).upper()}"
        return SPECS.get(name) or Spec(name, key=0)
    if spec is None:
        return Spec(name)
    refine = REFINEMENTS.get(name)
    return spec if refine is None else refine(spec, arguments)


def _text(word: Argument) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _words(arguments: Arguments, start: int) -> Iterator[str]:
    """Yield option words in capitals, up to where the data begin."""
    for argument in arguments[start:]:
        word = _text(argument).upper()
        if word == "FIELDS":
            return
        yield word


@cache
def _once(spec: Spec) -> Spec:
    return attrs.evolve(spec, idempotent=False)


@cache
def _with_key(spec: Spec, key: int) -> Spec:
    return attrs.evolve(spec, key=key)


@cache
def _not_blocking(spec: Spec) -> Spec:
    return attrs.evolve(spec, blocking=False)


def _unless(*options: str, start: int) -> Callable[[Spec, Arguments], Spec]:
    """Idempotent unless one of the options is given, which stand from `start` on."""
    decisive = frozenset(options)

    def refine(spec: Spec, arguments: Arguments) -> Spec:
        if len(arguments) > start and not decisive.isdisjoint(_words(arguments, start)):
            return _once(spec)
        return spec

    return refine


def _unless_leading(*options: str) -> Callable[[Spec, Arguments], Spec]:
    """The same, where the options stand between the key and pairs of number and member."""
    decisive, harmless = frozenset(options), frozenset(("XX", "GT", "LT", "CH"))

    def refine(spec: Spec, arguments: Arguments) -> Spec:
        for word in _words(arguments, 2):
            if word in decisive:
                return _once(spec)
            if word not in harmless:
                break
        return spec

    return refine


def _number_of_keys(spec: Spec, arguments: Arguments) -> Spec:
    """Their first key stands behind the number of keys, which may be 0."""
    return _with_key(spec, 0) if _text(arguments[2]) == "0" else spec


def _streams(start: int) -> Callable[[Spec, Arguments], Spec]:
    """They block only if asked to, and name their keys behind STREAMS."""

    def refine(spec: Spec, arguments: Arguments) -> Spec:
        words = list(_words(arguments, start))
        if "STREAMS" not in words:
            return spec  # the server will refuse it
        options = words[: words.index("STREAMS")]
        if "BLOCK" not in options:
            spec = _not_blocking(spec)
        return _with_key(spec, start + len(options) + 1)

    return refine


REFINEMENTS: Mapping[str, Callable[[Spec, Arguments], Spec]] = {
    "SET": _unless("NX", "GET", "IFEQ", start=3),
    "HSETEX": _unless("FNX", start=2),
    **dict.fromkeys(("ZADD", "GEOADD"), _unless_leading("NX", "INCR")),
    **dict.fromkeys(("EXPIRE", "EXPIREAT", "PEXPIRE", "PEXPIREAT"), _unless("NX", start=3)),
    **dict.fromkeys(("HEXPIRE", "HEXPIREAT", "HPEXPIRE", "HPEXPIREAT"), _unless("NX", start=3)),
    **dict.fromkeys(("EVAL", "EVALSHA", "FCALL"), _number_of_keys),
    **dict.fromkeys(("EVAL_RO", "EVALSHA_RO", "FCALL_RO"), _number_of_keys),
    "XREAD": _streams(1),
    "XREADGROUP": _streams(4),
}
