"""How a command that was given by name has to travel, and how long it may take."""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import attrs

FOREVER = 1e9
"""Thirty years: not every timer takes an infinity."""


class Way(Enum):
    """Which connection a command may use."""

    SHARED = "any connection; nothing of the command stays on it"
    OWN = "one of its own, closed afterwards: it changes what the connection is"
    PUBSUB = "none: its replies come unasked; `pubsub()` is for that"
    REDIS_PY = "one of redis-py's: its replies, or its bookkeeping, are redis-py's affair"


@attrs.frozen(slots=True)
class Route:
    """A command's name in upper case, the words it is sent as, and the way it takes."""

    name: str
    words: tuple[str, ...]
    way: Way
    by_part: bool = False  # the second word decides, and was not given with the name


CURSORS = frozenset(("SCAN", "HSCAN", "SSCAN", "ZSCAN"))
"""A cursor means something only to the server that gave it; all steps go to the primary."""

_OWN = frozenset(
    """
    ASKING AUTH DISCARD EXEC HELLO MONITOR MULTI PSYNC QUIT READONLY READWRITE REPLCONF RESET
    SELECT SYNC UNWATCH WATCH
    """.split()
)
_PUBSUB = frozenset("PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE".split())
_OWN_PARTS = frozenset(
    (
        "CLIENT CACHING",
        "CLIENT CAPA",
        "CLIENT NO-EVICT",
        "CLIENT NO-TOUCH",
        "CLIENT REPLY",
        "CLIENT SETINFO",
        "CLIENT SETNAME",
        "CLIENT TRACKING",
        "SCRIPT DEBUG",
    )
)
_LAST_IN_SECONDS = frozenset(("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX"))
_FIRST_IN_SECONDS = frozenset(("BLMPOP", "BZMPOP"))
_LAST_IN_MILLISECONDS = frozenset(("WAIT", "WAITAOF"))
_STREAMS = {"XREAD": 1, "XREADGROUP": 4}  # where the options begin


def route_of(arguments: Sequence[Any]) -> Route:
    """Return the route of a command as redis-py gives it: the name may have a space in it."""
    route = _route(arguments[0])
    if not route.by_part or len(arguments) < 2:
        return route
    part = f"{route.name} {_text(arguments[1]).upper()}"
    return attrs.evolve(route, way=Way.OWN) if part in _OWN_PARTS else route


@lru_cache(maxsize=1024)
def _route(given: str | bytes) -> Route:
    text = _text(given)
    words = tuple(text.split()) or (text,)
    name = " ".join(words).upper()
    if "." in words[0] or words[0].upper() == "HIMPORT":
        way = Way.REDIS_PY  # modules have answers of their own for each protocol
    elif name in _PUBSUB:
        way = Way.PUBSUB
    elif words[0].upper() in _OWN or name in _OWN_PARTS:
        way = Way.OWN
    else:
        way = Way.SHARED
    return Route(name, words, way, by_part=name in ("CLIENT", "SCRIPT"))


def wait_of(arguments: Sequence[Any]) -> float:
    """
    Return for how many seconds the server may hold the reply back.

    `arguments` are those of a blocking command, its name first. 0 if it does not block, `FOREVER`
    if it blocks until something comes.
    """
    name = _text(arguments[0]).upper()
    unit = 1.0
    given: Any = None
    if name in _LAST_IN_SECONDS:
        given = arguments[-1]
    elif name in _FIRST_IN_SECONDS:
        given = arguments[1]
    else:
        unit = 0.001
        if name in _LAST_IN_MILLISECONDS:
            given = arguments[-1]
        elif name in _STREAMS:
            given = _block_option(arguments[_STREAMS[name] :])
    if given is None:
        return 0.0
    try:
        return float(_text(given)) * unit or FOREVER
    except ValueError:
        return 0.0  # the server will say so


def _block_option(options: Sequence[Any]) -> Any:
    words = iter(options)
    for word in words:
        text = _text(word).upper()
        if text == "STREAMS":
            return None
        if text == "BLOCK":
            return next(words, None)
    return None


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
