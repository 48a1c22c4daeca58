"""What the Sentinels and the servers themselves say, put together: whom to follow, whom to read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from cachex_client._core.addresses import MALFORMED, Address, AddressRules, as_text, whole_number
from cachex_client.errors import BadAddress

MAX_REPLICAS = 1000
"""So many replicas a service may have; a Sentinel that names more is not believed."""

_UNFIT = frozenset(("s_down", "o_down", "disconnected"))
_DOUBTED = frozenset(("s_down", "o_down", "failover_in_progress"))
_PROMOTING = frozenset(("send_slaveof_noone", "wait_promotion"))
"""States in which it has chosen whom to promote, and may have told it already."""
_PROMOTED = frozenset(("reconf_slaves", "update_config"))
"""States of a failover in which a Sentinel has the new epoch, but still names the old primary."""


@attrs.frozen(slots=True)
class Opinion:
    """
    What one Sentinel says of a service, or several do: who leads, since which epoch, who follows.

    `unwell` are replicas that reads had better not go to now; one of them may lead tomorrow.
    `claimed` are those that too few Sentinels name to be believed. `votes` is how many Sentinels
    say so, `doubted` whether one of them holds the primary for dead, `heir` the replica that one
    of them is promoting. `ahead` is one that we followed before they named it.
    """

    primary: Address
    epoch: int
    replicas: tuple[Address, ...]
    unwell: tuple[Address, ...] = ()
    claimed: tuple[Address, ...] = attrs.field(default=(), eq=False)
    votes: int = attrs.field(default=1, eq=False)
    doubted: bool = attrs.field(default=False, eq=False)
    heir: Address | None = attrs.field(default=None, eq=False)
    ahead: bool = attrs.field(default=False, eq=False)

    @property
    def followers(self) -> tuple[Address, ...]:
        """All replicas, well or not, but those that are only claimed."""
        return (*self.replicas, *self.unwell)

    def led_by(self, node: Address) -> "Opinion":
        """Return the opinion after a promotion that the Sentinels have not told of yet."""
        replicas = tuple(one for one in self.replicas if one != node)
        unwell = (self.primary, *(one for one in self.unwell if one != node))
        return attrs.evolve(self, primary=node, replicas=replicas, unwell=unwell, heir=None)

    def led_ahead_by(self, node: Address) -> "Opinion":
        """Do as `led_by`, and remember that the Sentinels have not said so."""
        return attrs.evolve(self.led_by(node), ahead=True)


@attrs.frozen(slots=True)
class Role:
    """
    What a server says of itself in its reply to ROLE.

    `offset` is how far its data go if it leads, None if it follows; `replicas` are those that it
    knows to follow it.
    """

    offset: int | None
    replicas: tuple[Address, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether it says that it is a primary."""
        return self.offset is not None


def read_role(reply: Any, node: Address, rules: AddressRules) -> Role:
    """
    Read the reply to ROLE that `node` gave; ValueError if it is none.

    Of the replicas that it lists, those are left out that must not be connected to.
    """
    try:
        kind = as_text(reply[0])
        if kind == "slave":
            return Role(None)
        if kind == "master":
            listed = []
            for host, port, *_ in reply[2][:MAX_REPLICAS]:
                try:
                    listed.append(rules.read(host, port, node))
                except BadAddress:
                    continue
            return Role(whole_number(reply[1]), tuple(listed))
    except MALFORMED:
        pass
    raise ValueError(f"{node} does not tell its role: {str(reply)[:200]}")


def opinion(primary: Any, replicas: Any, by: Address, rules: AddressRules) -> Opinion:
    """
    Read the replies to SENTINEL MASTER and REPLICAS that the Sentinel `by` gave.

    Replicas that are down or disconnected, by their flags, or do not follow, are kept apart. A
    Sentinel in the midst of a failover counts as naming whom it promoted, as its SENTINEL
    GET-MASTER-ADDR-BY-NAME does. Raises ValueError for replies of another shape or of more than
    MAX_REPLICAS, BadAddress for an address that is none or that the rules refuse.
    """
    try:
        told, others = _fields(primary), list(map(_fields, replicas))
        if len(others) > MAX_REPLICAS:
            raise ValueError(f"{len(others)} replicas, and more than {MAX_REPLICAS} are not read")
        leader = _address(told, by, rules)
        followers = {_address(one, by, rules): _fit(one) for one in others}
        followers.pop(leader, None)
        found = Opinion(
            primary=leader,
            epoch=whole_number(told.get("config-epoch", 0)),
            replicas=tuple(sorted(node for node, fit in followers.items() if fit)),
            unwell=tuple(sorted(node for node, fit in followers.items() if not fit)),
            doubted=bool(_DOUBTED & _flags(told)),
        )
        heirs = [_address(one, by, rules) for one in others if "promoted" in _flags(one)]
        if heirs and told.get("failover-state") in _PROMOTED:
            return found.led_by(heirs[0])
        if heirs and told.get("failover-state") in _PROMOTING:
            return attrs.evolve(found, heir=heirs[0])
        return found
    except MALFORMED as error:
        raise ValueError(f"not what a Sentinel says of a service: {error}") from None


def without_refused(reply: Any) -> Any:
    """
    Replace what a Sentinel refused to say of replicas by nothing.

    Not every user may ask for that, and not every service has it. The primary can be followed
    without.
    """
    return () if isinstance(reply, Exception) else reply


def agree(opinions: Sequence[Opinion], sentinels: int) -> bool:
    """Say whether more than half of so many Sentinels name the same primary."""
    votes = Counter(one.primary for one in opinions)
    return bool(votes) and 2 * max(votes.values()) > sentinels


def majority(opinions: Sequence[Opinion], failed: int) -> Opinion | None:
    """
    Return what the Sentinels say together, None if that decides nothing.

    `failed` is how many of them said nothing that is of use, or not in time. More than half of all
    have to name the same primary. Fewer are enough if all others have failed, and if they are of
    one mind: one that is quicker than the others decides nothing. Nor does one of them say alone
    which replicas there are, or that its epoch is the newest.
    """
    votes = Counter(one.primary for one in opinions)
    if not votes:
        return None
    needed = (len(opinions) + failed) // 2 + 1
    primary, count = votes.most_common(1)[0]
    if count < needed and len(votes) > 1:
        return None
    agreeing = [one for one in opinions if one.primary == primary]
    fit = Counter(node for one in agreeing for node in one.replicas)
    named = fit + Counter(node for one in agreeing for node in one.unwell)
    named.pop(primary, None)
    epochs = sorted((one.epoch for one in agreeing), reverse=True)
    return Opinion(
        primary,
        epochs[min(needed, count) - 1],
        tuple(sorted(node for node in named if fit[node] >= needed)),
        tuple(sorted(node for node in named if named[node] >= needed > fit[node])),
        tuple(sorted(node for node in named if named[node] < needed and fit[node])),
        count,
        any(one.doubted for one in agreeing),
        next((one.heir for one in agreeing if one.heir is not None), None),
    )


def to_ask(told: Opinion | None, now: Opinion | None) -> list[Address]:
    """Return the servers whose ROLE matters; who is only claimed to be a replica is not asked."""
    asked: list[Address] = []
    for one in (told, now):
        if one is not None:
            asked += [one.primary, *one.followers]
    if told is not None and told.heir in asked:
        asked.insert(1, told.heir)
    return list(dict.fromkeys(asked))


def claims(told: Opinion | None, roles: Mapping[Address, Role]) -> list[Address]:
    """Return which of those that few Sentinels call replicas the primary itself lists."""
    if told is None or told.primary not in roles:
        return []
    listed = roles[told.primary].replicas
    return [node for node in told.claimed if node in listed and node not in roles]


def decision(
    told: Opinion | None,
    now: Opinion | None,
    roles: Mapping[Address, Role],
    sentinels: int = 1,
) -> Opinion | None:
    """
    Say whom to follow and whom to read from, None to leave things as they are.

    Whom to follow is as `believed` says. A replica is used if more than half of the Sentinels name
    it or its primary's ROLE lists it, and its own ROLE says that it follows; one that was used
    before may be silent.
    """
    found = believed(told, now, roles, sentinels)
    if found is None:
        return None
    used = () if now is None else now.replicas
    replicas = [*found.replicas, *(node for node in found.claimed if node in roles)]
    fit = {one for one in replicas if (not roles[one].leads if one in roles else one in used)}
    rest = {*found.unwell, *found.replicas} - fit
    return attrs.evolve(found, replicas=tuple(sorted(fit)), unwell=tuple(sorted(rest)), claimed=())


def believed(
    told: Opinion | None,
    now: Opinion | None,
    roles: Mapping[Address, Role],
    sentinels: int = 1,
) -> Opinion | None:
    """
    Say whom to follow, None to leave things as they are.

    `told` is the word of those that answered of so many `sentinels`, `now` whom we follow. `roles`
    has what each server says of itself; who is silent is not in it. A minority that names an older
    epoch than we know, or in the same epoch another primary than ours that still leads, is not
    listened to. A primary that the Sentinels name is believed if it agrees. While they still name
    one that does not lead any more, and ours does not either, another server that leads may just
    have been promoted, see `_heirs`.
    """
    leaders = {node: one.offset for node, one in roles.items() if one.offset is not None}
    if told is not None and now is not None and 2 * told.votes <= sentinels:
        other = told.primary != now.primary and now.primary in leaders
        told = None if told.epoch < now.epoch + other else told
    if told is not None and told.heir in leaders and _may_inherit(told, now):
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


def _may_inherit(told: Opinion, now: Opinion | None) -> bool:
    """
    Say whether the word of the one Sentinel that promotes a replica is enough to follow it.

    An old primary that nobody has told leads as well: so it has to be a server that followed when
    we last asked.
    """
    return now is not None and told.heir in now.replicas and told.epoch >= now.epoch


def _is_ahead(now: Opinion, told: Opinion, leaders: Mapping[Address, int]) -> bool:
    """Say whether we follow a new primary that those who name the old one have not heard of yet."""
    news = now.ahead and now.primary in leaders
    return news and told.primary in now.unwell and told.epoch <= now.epoch


def _heirs(
    told: Opinion | None, now: Opinion | None, roles: Mapping[Address, Role]
) -> list[Address]:
    """
    Return which of the servers that say they lead may have been promoted.

    An old primary that was started again says so, too, for seconds: until a Sentinel tells it whom
    to follow. So nobody is the heir of a primary that is merely silent, unless a Sentinel holds it
    for dead; and then only who followed it when we last heard. It does not matter to a primary
    that says itself that it follows. Of several heirs, an old primary has the lower offset.
    """
    leaders = [node for node, one in roles.items() if one.leads]
    if any(one is not None and _follows(one.primary, roles) for one in (now, told)):
        return leaders
    if told is not None and not told.doubted:
        return []
    return leaders if now is None else [node for node in leaders if node in now.replicas]


def _follows(node: Address, roles: Mapping[Address, Role]) -> bool:
    """Say whether a server says that it is a replica."""
    return node in roles and not roles[node].leads


def _fit(told: Mapping[str, str]) -> bool:
    return not _UNFIT & _flags(told) and told.get("role-reported") != "master"


def _flags(told: Mapping[str, str]) -> set[str]:
    return set(told.get("flags", "").split(","))


def _address(told: Mapping[str, str], by: Address, rules: AddressRules) -> Address:
    return rules.read(told["ip"], told["port"], by)


def _fields(reply: Any) -> Mapping[str, str]:
    """Read a map that RESP2 gives as a flat list."""
    if not isinstance(reply, Mapping):
        reply = dict(zip(reply[::2], reply[1::2], strict=True))
    return {str(as_text(key)): str(as_text(value)) for key, value in reply.items()}
