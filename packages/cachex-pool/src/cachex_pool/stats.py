"""How a pool is doing, as one frozen value."""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True, slots=True)
class PoolStats:
    """
    A picture of one pool, in this process.

    `size` is idle plus lent; `opening` are connections being dialled. Counters
    (`opened`, `closed` by reason, `uses`, `waits`, `timeouts`, `dial_failures`) only
    grow; `wait_time` and `dial_time` are seconds in total. What was opened is open or
    closed: "killed" is the reason where the caller that had the connection was interrupted.
    """

    name: str
    max_size: int
    min_size: int
    size: int
    idle: int
    lent: int
    opening: int
    waiting: int
    uses: int
    opened: int
    closed: Mapping[str, int]
    waits: int
    wait_time: float
    timeouts: int
    dial_failures: int
    dial_time: float
    breaker: str
    generation: int
