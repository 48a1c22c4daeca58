"""What the methods for data structures answer under IGNORE_EXCEPTIONS while no server does."""

from collections.abc import Callable, Mapping
from typing import Any


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


def _new(kind: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *_, **__: kind()


def _each(answer: Any, after: int = 1) -> Callable[..., Any]:
    """One answer for each of the names that come behind the first arguments."""
    return lambda error, *arguments, **_: [answer] * len(arguments[after:])


_NOTHING: tuple[tuple[Callable[..., Any], str], ...] = (
    (_always(None), "hget"),
    (_always(False), "hmset hsetnx hexists hsetex"),
    (_always(0), "hset hdel hlen hincrby"),
    (_always(0.0), "hincrbyfloat"),
    (_new(dict), "hgetall"),
    (_new(list), "hkeys hvals"),
    (_always((0, {})), "hscan"),
    (_each(None), "hmget hgetex"),
    (_each(-2), "httl hpttl hexpiretime hpersist"),
    (_each(-2, after=2), "hexpire hpexpire hexpireat hpexpireat"),
)

FALLBACKS_OF_STRUCTURES: Mapping[str, Callable[..., Any]] = {
    verb: fallback for fallback, verbs in _NOTHING for verb in verbs.split()
}
"""What a verb says of a key that is not there; of a sum, 0, as nothing was added."""
