"""What the Sentinels say, put together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from cachex_client._core.topology import Address, Remap

_UNFIT = frozenset(("s_down", "o_down", "disconnected"))
_DOUBTED = frozenset(("s_down", "o_down", "failover_in_progress"))
_PROMOTING = frozenset(("send_slaveof_noone", "wait_promotion"))
"""States in which it has chosen whom to promote, and may have told it already."""
_PROMOTED = frozenset(("reconf_slaves", "update_config"))
"""States of a failover in which a Sentinel has the new epoch, but still names the old primary."""


@attrs.frozen(slots=True)
class Opinion:
    """
    What one Sentinel says of a service: who leads, since which epoch, who follows.

    `unwell` are replicas that reads had better not go to now; one of them may lead tomorrow.
    `votes` is how many Sentinels say so, `doubted` whether one of them holds the primary for dead,
    `heir` the replica that one of them is promoting. `ahead` is one that we followed before they
    named it.
    """

    primary: Address
    epoch: int
    replicas: tuple[Address, ...]
    sentinels: tuple[Address, ...] = ()
    unwell: tuple[Address, ...] = ()
    votes: int = attrs.field(default=1, eq=False)
    doubted: bool = attrs.field(default=False, eq=False)
    heir: Address | None = attrs.field(default=None, eq=False)
    ahead: bool = attrs.field(default=False, eq=False)

    def led_by(self, node: Address) -> "Opinion":
        """Return the opinion after a promotion that the Sentinels have not told of yet."""
        replicas = tuple(one for one in self.replicas if one != node)
        unwell = (self.primary, *(one for one in self.unwell if one != node))
        return attrs.evolve(self, primary=node, replicas=replicas, unwell=unwell, heir=None)

    def led_ahead_by(self, node: Address) -> "Opinion":
        """Do as `led_by`, and remember that the Sentinels have not said so."""
        return attrs.evolve(self.led_by(node), ahead=True)


def opinion(
    primary: Any, replicas: Any, sentinels: Any, remap: Remap | None = None
) -> Opinion | None:
    """
    Read the replies to SENTINEL MASTER, REPLICAS and SENTINELS; None if one is unusable.

    Replicas that are down or disconnected, by their flags, or do not follow, are kept apart. A
    Sentinel in the midst of a failover counts as naming whom it promoted, as its SENTINEL
    GET-MASTER-ADDR-BY-NAME does.
    """
    try:
        told, others = _fields(primary), list(map(_fields, replicas))
        followers = [(_address(one, remap), _fit(one)) for one in others]
        found = Opinion(
            primary=_address(told, remap),
            epoch=int(told.get("config-epoch", 0)),
            replicas=tuple(sorted(node for node, fit in followers if fit)),
            sentinels=tuple(sorted(_address(one, None) for one in map(_fields, sentinels or ()))),
            unwell=tuple(sorted(node for node, fit in followers if not fit)),
            doubted=bool(_DOUBTED & _flags(told)),
        )
        heirs = [_address(one, remap) for one in others if "promoted" in _flags(one)]
        if heirs and told.get("failover-state") in _PROMOTED:
            return found.led_by(heirs[0])
        if heirs and told.get("failover-state") in _PROMOTING:
            return attrs.evolve(found, heir=heirs[0])
        return found
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def without_refused(replies: Sequence[Any]) -> list[Any]:
    """
    Replace what a Sentinel refused to say of replicas and other Sentinels by nothing.

    Not every user may ask for that, and not every service has it. The primary can be followed
    without.
    """
    return [() if isinstance(reply, Exception) else reply for reply in replies]


def agree(opinions: Sequence[Opinion], sentinels: int) -> bool:
    """Say whether more than half of so many Sentinels name the same primary."""
    votes = Counter(one.primary for one in opinions)
    return bool(votes) and 2 * max(votes.values()) > sentinels


def majority(opinions: Sequence[Opinion]) -> Opinion | None:
    """
    Return what most say of the primary; a tie goes to the higher epoch.

    With the primary come the replicas that any of those Sentinels names.
    """
    if not opinions:
        return None
    votes = Counter(one.primary for one in opinions)
    newest = {one.primary: one.epoch for one in sorted(opinions, key=lambda one: one.epoch)}
    primary = max(votes, key=lambda node: (votes[node], newest[node]))
    agreeing = [one for one in opinions if one.primary == primary]
    replicas = {node for one in agreeing for node in one.replicas} - {primary}
    unwell = {node for one in agreeing for node in one.unwell} - replicas - {primary}
    sentinels = {node for one in opinions for node in one.sentinels}
    return Opinion(
        primary,
        newest[primary],
        tuple(sorted(replicas)),
        tuple(sorted(sentinels)),
        tuple(sorted(unwell)),
        votes[primary],
        any(one.doubted for one in agreeing),
        next((one.heir for one in agreeing if one.heir is not None), None),
    )


def believed(
    told: Opinion | None,
    now: Opinion | None,
    roles: Mapping[Address, int | None],
    sentinels: int = 1,
) -> Opinion | None:
    """
    Say whom to follow, None to leave things as they are.

    `told` is the word of those that answered of so many `sentinels`, `now` whom we follow. `roles`
    has the replication offset of each server that says it leads, None for one that follows; who is
    silent is not in it. A minority that names an older epoch than we know, or in the same epoch
    somebody else than ours that still leads, is not listened to. A primary that the Sentinels name
    is believed if it agrees. While they still name one that does not lead any more, and ours does
    not either, another server that leads may just have been promoted, see `_heirs`.
    """
    leaders = {node: offset for node, offset in roles.items() if offset is not None}
    if told is not None and now is not None and 2 * told.votes <= sentinels:
        other = told.primary != now.primary and now.primary in leaders
        told = None if told.epoch < now.epoch + other else told
    if told is not None and told.heir in leaders:
        return told.led_ahead_by(told.heir)
    if told is not None and told.primary in leaders:
        return None if now is not None and _is_ahead(now, told, leaders) else told
    before = now or told
    if before is None or before.primary in leaders:
        return None
    heirs = _heirs(told, now, roles)
    if heirs:
        return before.led_ahead_by(
            max(heirs, key=lambda one: (one in before.replicas, leaders[one]))
        )
    # A silent primary is better than none: there may be replicas to read from.
    return told if now is None and before.primary not in roles else None


def _is_ahead(now: Opinion, told: Opinion, leaders: Mapping[Address, int]) -> bool:
    """Say whether we follow a new primary that those who name the old one have not heard of yet."""
    news = now.ahead and now.primary in leaders
    return news and told.primary in now.unwell and told.epoch <= now.epoch


def _heirs(
    told: Opinion | None, now: Opinion | None, roles: Mapping[Address, int | None]
) -> list[Address]:
    """
    Return which of the servers that say they lead may have been promoted.

    An old primary that was started again says so, too, for seconds: until a Sentinel tells it whom
    to follow. So nobody is the heir of a primary that is merely silent, unless a Sentinel holds it
    for dead; and then only who followed it when we last heard. It does not matter to a primary
    that says itself that it follows. Of several heirs, an old primary has the lower offset.
    """
    leaders = [node for node, offset in roles.items() if offset is not None]
    if any(one is not None and roles.get(one.primary, 0) is None for one in (now, told)):
        return leaders
    if told is not None and not told.doubted:
        return []
    return leaders if now is None else [node for node in leaders if node in now.replicas]


def _fit(told: Mapping[str, str]) -> bool:
    return not _UNFIT & _flags(told) and told.get("role-reported") != "master"


def _flags(told: Mapping[str, str]) -> set[str]:
    return set(told.get("flags", "").split(","))


def _address(told: Mapping[str, str], remap: Remap | None) -> Address:
    host, port = told["ip"], int(told["port"])
    if remap is not None:
        host, port = remap(host, port)
    return Address(host, port)


def _fields(reply: Any) -> Mapping[str, str]:
    """Read a map that RESP2 gives as a flat list."""
    if not isinstance(reply, Mapping):
        reply = dict(zip(reply[::2], reply[1::2], strict=True))
    return {_text(key): _text(value) for key, value in reply.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
