"""Which servers to ask first. Health is a preference, never a filter."""

from collections.abc import Sequence
from typing import Any

import attrs

from cachex_client.errors import ConfigurationError
from cachex_client.options import Candidate, ReadFrom

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
WEIGHT = 0.2  # of the newest measurement
NEW_EPISODE = 2.0
"""Seconds without a rejection after which the next one begins another episode."""
LOOK_AROUND = 50  # one read in so many measures the servers that are not the nearest


@attrs.define(eq=False)
class Health:
    """How the last uses of one server went."""

    ok: bool = True
    latency: float = 0.0
    accepted_at: float = float("-inf")
    _pause: float = FIRST_PAUSE
    _next_probe: float = 0.0
    _failed_at: float = 0.0
    _rejecting_since: float = float("-inf")
    _rejected_at: float = float("-inf")

    def failed(self, now: float) -> None:
        """Ask others first from now on; callers who fail together count as one."""
        if not self.ok and now < self._failed_at + FIRST_PAUSE:
            return
        self._pause = FIRST_PAUSE if self.ok else min(self._pause * 2, LONGEST_PAUSE)
        self.ok = False
        self._failed_at = now
        self._next_probe = now + self._pause

    def rejected(self, now: float, patience: float) -> bool:
        """
        Note that it turned a command away for now; say whether to wait until it does not.

        It is waited for as long as one call may take, from the first rejection on. After that,
        calls are not held up any more until it has stopped to reject.
        """
        if now - self._rejected_at > NEW_EPISODE:
            self._rejecting_since = now
        self._rejected_at = now
        return now - self._rejecting_since < patience

    def accepted(self, now: float) -> None:
        """Note that it did what it had turned away before."""
        self.accepted_at = now

    def succeeded(self) -> None:
        """Trust it again."""
        self.ok = True

    def measured(self, seconds: float) -> None:
        """Take one more latency into the average."""
        self.latency += (seconds - self.latency) * (WEIGHT if self.latency else 1.0)

    def worth_trying(self, now: float) -> bool:
        """Say whether to ask it as if it were well; a sick one is tried by one caller at a time."""
        if self.ok:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self._pause
        return True


def in_order(
    policy: ReadFrom, primary: Any, replicas: Sequence[Any], turn: int, now: float
) -> list[Any]:
    """
    Return the servers to ask, the best first.

    A server is anything with `name` and `health`. `turn` is a number that grows: replicas take
    turns. Servers that failed come last, unless it is time to look at one again.
    """
    others = _turned(replicas, turn)
    if policy == "primary" or not others:
        return [primary]
    if policy == "replica":
        asked = others
    elif policy == "replica_preferred":
        asked = [*others, primary]
    elif policy == "primary_preferred":
        asked = [primary, *others]
    elif policy == "nearest":
        everybody = [primary, *replicas]
        asked = sorted([primary, *others], key=lambda one: one.health.latency)
        if turn % LOOK_AROUND == LOOK_AROUND - 1:  # who was slow once may be near by now
            asked = _turned(everybody, turn // LOOK_AROUND)
    elif callable(policy):
        asked = _as_told(policy, [primary, *others], primary)
    else:  # any
        asked = _turned([primary, *replicas], turn)
    return _well_first(asked, now)


def _turned(servers: Sequence[Any], turn: int) -> list[Any]:
    turn %= len(servers) or 1
    return [*servers[turn:], *servers[:turn]]


def _well_first(servers: Sequence[Any], now: float) -> list[Any]:
    if all(one.health.ok for one in servers):
        return list(servers)
    # Nobody else may use up a probe: it is for who really asks the server.
    first = next((one for one in servers if one.health.worth_trying(now)), None)
    rest = [one for one in servers if one is not first]
    rest.sort(key=lambda one: not one.health.ok)
    return rest if first is None else [first, *rest]


def _as_told(policy: Any, servers: Sequence[Any], primary: Any) -> list[Any]:
    known = {
        Candidate(
            name=one.name, primary=one is primary, healthy=one.health.ok, latency=one.health.latency
        ): one
        for one in servers
    }
    chosen = list(policy(tuple(known)))
    if strange := [one for one in chosen if one not in known]:
        names = ", ".join(one.name for one in known)
        raise ConfigurationError(
            f"the read_from function returned {strange[0]!r}, which is none of the servers it was"
            f" given ({names})"
        )
    return [known[one] for one in chosen] or [primary]
