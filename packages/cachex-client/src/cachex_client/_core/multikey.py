"""Commands on many keys of a cluster: grouped by server, folded by slot, and taken apart again."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import attrs
from redis.exceptions import ClusterCrossSlotError

from cachex_client._core.keyslot import slot_of, slots_of
from cachex_client._core.wrong_replies import as_reply_to, wrong_list, wrong_reply
from cachex_client.command import Command, Spec
from cachex_pool import pack

N = TypeVar("N", bound=Hashable)

_VALUES = frozenset((bytes, int, type(None)))
"""What most replies are: asking that is quicker than asking whether they are errors."""


@attrs.frozen(slots=True)
class Foldable:
    """
    What is done for each of many keys: by command `one`, or by `many` where they share a slot.

    `single` makes the command for one key; `nothing` is the value of a key no reply is about.
    """

    one: bytes
    many: bytes
    single: Callable[[bytes], Command[Any]]
    nothing: Any
    spec: Spec = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.single(b"").spec, takes_self=True)
    )

    def value(self, result: Any) -> Any:
        """Return what `many` would have said of a key for which `single` came to `result`."""
        return self.nothing if _is_no_value(result) else result


@attrs.define(slots=True)
class Part:
    """
    What one server is asked: packed commands, and the keys that each stands for.

    `takers` has an index into the caller's keys for a command on one key, a list of them for one
    on several.
    """

    packed: list[bytes] = attrs.field(factory=list)
    takers: list[int | list[int]] = attrs.field(factory=list)

    def keys(self) -> list[int]:
        """Return the indices of all keys."""
        groups = ([one] if isinstance(one, int) else one for one in self.takers)
        return [at for group in groups for at in group]


def plan(keys: Sequence[bytes], owners: Sequence[N], one: bytes, many: bytes) -> dict[N, Part]:
    """
    Say what to ask whom: command `one` for a key alone in its slot, `many` for keys that share one.

    `owners` has a server for each slot. A command on keys of several slots would be refused, even
    where one server holds them all.
    """
    parts: dict[N, Part] = {}
    slots = slots_of(keys)
    head = b"*2\r\n$%d\r\n%b\r\n" % (len(one), one)
    if len(set(slots)) == len(slots):
        for at, (key, slot) in enumerate(zip(keys, slots, strict=True)):
            owner = owners[slot]
            part = parts.get(owner)
            if part is None:
                part = parts[owner] = Part()
            part.packed.append(b"%b$%d\r\n%b\r\n" % (head, len(key), key))
            part.takers.append(at)
        return parts
    by_slot: dict[int, int | list[int]] = {}
    for at, slot in enumerate(slots):
        if slot not in by_slot:
            by_slot[slot] = at
            continue
        taker = by_slot[slot]
        if isinstance(taker, int):
            by_slot[slot] = [taker, at]
        else:
            taker.append(at)
    for slot, taker in by_slot.items():
        owner = owners[slot]
        part = parts.get(owner)
        if part is None:
            part = parts[owner] = Part()
        part.takers.append(taker)
        if isinstance(taker, int):
            key = keys[taker]
            part.packed.append(b"%b$%d\r\n%b\r\n" % (head, len(key), key))
        else:
            part.packed.append(pack((many, *[keys[at] for at in taker])))
    return parts


def one_slot(name: str, keys: Sequence[bytes]) -> None:
    """Raise ClusterCrossSlotError, naming keys and cure, unless all keys share a slot."""
    by_slot: dict[int, bytes] = {}
    for key in keys:
        by_slot.setdefault(slot_of(key), key)
    if len(by_slot) > 1:
        some = ", ".join(f"{key!r} (slot {slot})" for slot, key in list(by_slot.items())[:4])
        raise ClusterCrossSlotError(
            f"{name} needs all its keys in one hash slot; these are in {len(by_slot)}: {some}."
            " Keys with the same {hash tag} share a slot, as {user:7}:name and {user:7}:age do"
        )


def hand_out(
    takers: Sequence[int | list[int]],
    replies: Sequence[Any],
    values: list[Any],
    *,
    counts: bool = True,
) -> list[tuple[int, Any]]:
    """
    Put replies where their keys' values belong; return the keys that got an error instead.

    A number for several keys, as UNLINK gives, goes to the first of them if `counts`.
    """
    failed: list[tuple[int, Any]] = []
    for taker, reply in zip(takers, replies, strict=True):
        if isinstance(taker, int):
            if reply.__class__ in _VALUES or not isinstance(reply, Exception):
                values[taker] = reply
            elif not _is_no_value(reply):
                failed.append((taker, reply))
        elif isinstance(reply, Exception):
            failed += [(at, reply) for at in taker]
        elif counts and isinstance(reply, int):
            values[taker[0]] = reply
        elif (wrong := wrong_list(reply, len(taker))) is not None:
            failed += [(at, wrong) for at in taker]
        else:
            for at, value in zip(taker, reply, strict=True):
                values[at] = value
    return failed


def counted(parts: list[Any]) -> list[int | Exception]:
    """Return the numbers that UNLINK gave, with an error in the place of what is no number."""
    if {int}.issuperset(map(type, parts)):
        return parts
    return [
        part
        if isinstance(part, int | Exception)
        else as_reply_to("UNLINK", wrong_reply(part, "a whole number"))
        for part in parts
    ]


def _is_no_value(reply: Any) -> bool:
    """Tell whether GET was refused for what is under a key: MGET passes over that."""
    return getattr(reply, "code", "") == "WRONGTYPE"
