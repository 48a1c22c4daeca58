"""Why the hot path is written as it is: our own ways of doing a thing, without a server."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import hiredis
from ground import Ground
from measure import Case, Entrant, contender

KEYS = [b":1:key%d" % number for number in range(100)]
STORED = [pickle.dumps(f"value-{number}", 5) for number in range(100)]
TEMPLATE = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nPX\r\n$6\r\n300000\r\n"

_pack: Any = hiredis.pack_command  # its stub knows tuples of one only


def sets(ground: Ground) -> Case:
    """Make 100 SET, ready to send."""
    return Case(
        name="inside-sets",
        title="100 SET with a time to live, made and packed, not sent",
        entrants=[
            Entrant("cachex", lambda: contender("cachex", _set_each)),
            Entrant("one by one", lambda: contender("one by one", _one_by_one)),
            Entrant("hiredis", lambda: contender("hiredis", _packed_by_hiredis)),
        ],
        expected=sum(map(len, _templates())),
        informative=True,
    )


def command(ground: Ground) -> Case:
    """Make one command."""
    from cachex_client.command import Command, Spec, as_is

    @attrs.frozen
    class Frozen:
        arguments: tuple[Any, ...]
        spec: Any
        parse: Any
        packed: bytes | None

    spec, words = Spec("GET"), ("GET", b"key")
    makers: dict[str, Any] = {"cachex": Command, "attrs.frozen": Frozen}
    return Case(
        name="inside-command",
        title="100 values that are a command: an attrs class, assignable or frozen",
        entrants=[
            Entrant(name, partial(contender, name, _make_each, make, words, spec, as_is, b""))
            for name, make in makers.items()
        ],
        expected=len(KEYS),
        informative=True,
    )


def _make_each(make: Callable[..., object], *arguments: object) -> int:
    return len([make(*arguments) for _ in KEYS])


def _set_each() -> int:
    from cachex_client import commands

    return sum(map(len, commands.set_each(KEYS, STORED, 300_000).packed))


def _one_by_one() -> int:
    from cachex_client import commands

    made = [commands.set(key, value, px=300_000) for key, value in zip(KEYS, STORED, strict=True)]
    return sum(len(one.packed or b"") for one in made)


def _templates() -> list[bytes]:
    return [
        TEMPLATE % (len(key), key, len(value), value)
        for key, value in zip(KEYS, STORED, strict=True)
    ]


def _packed_by_hiredis() -> int:
    packed = [
        _pack((b"SET", key, value, b"PX", b"300000"))
        for key, value in zip(KEYS, STORED, strict=True)
    ]
    return sum(map(len, packed))
