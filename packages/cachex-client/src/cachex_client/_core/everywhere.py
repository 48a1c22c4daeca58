"""Commands that a cluster answers by several servers, and what their answers are together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _first(replies: Sequence[Any]) -> Any:
    return replies[0]


def _joined(replies: Sequence[Any]) -> list[Any]:
    return [item for reply in replies for item in reply]


def _all_have(replies: Sequence[Any]) -> list[int]:
    return [int(all(several)) for several in zip(*replies, strict=True)]


EVERYWHERE: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "DBSIZE": sum,
    "FLUSHALL": _first,
    "FLUSHDB": _first,
    "FUNCTION DELETE": _first,
    "FUNCTION FLUSH": _first,
    "FUNCTION LOAD": _first,
    "FUNCTION RESTORE": _first,
    "KEYS": _joined,
    "SCRIPT EXISTS": _all_have,
    "SCRIPT FLUSH": _first,
    "SCRIPT LOAD": _first,
}
"""Sent to every primary of a cluster; how the replies, without errors, are put together."""

KEY_BY_KEY = frozenset(("DEL", "EXISTS", "TOUCH", "UNLINK"))
"""Count keys, so that each key may be asked for where it is."""
