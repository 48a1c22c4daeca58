"""The attributes of counts and durations."""

from collections.abc import Sequence
from typing import Any

from cachex_client import Origin
from cachex_otel import attributes as names
from cachex_otel.failures import error_type
from cachex_otel.metrics import Labels
from cachex_otel.tracing import Attributes

SENT: Labels = ((names.NETWORK_IO_DIRECTION, names.TRANSMIT),)
RECEIVED: Labels = ((names.NETWORK_IO_DIRECTION, names.RECEIVE),)
_TIER = (names.TIER, names.TIER_SERVER)


def of_verb(origin: Origin, error: BaseException | None) -> Attributes:
    labels: Attributes = {names.OPERATION_NAME: origin.operation, **dict(of_cache(origin.cache))}
    if error is not None:
        labels[names.ERROR_TYPE] = error_type(error)
    return labels


def of_cache(cache: str) -> Labels:
    return ((names.CACHE_NAME, cache),) if cache else ()


def of_lookup(cache: str, result: str) -> Labels:
    return (*of_cache(cache), (names.LOOKUP_RESULT, result), _TIER)


def bytes_in(replies: Sequence[Any]) -> int:
    """Return how many bytes of strings were received; lists are looked into, once."""
    total = 0
    for reply in replies:
        if type(reply) is bytes:
            total += len(reply)
        elif type(reply) is list:
            total += sum([len(one) for one in reply if type(one) is bytes])
    return total
