"""How a client behaves. Checked once, when it is built."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import attrs

from cachex_client.errors import ConfigurationError
from cachex_pool import PoolOptions, checks

POLICIES = (
    "primary",
    "primary_preferred",
    "replica",
    "replica_preferred",
    "any",
    "nearest",
)


_number = partial(checks.number, error=ConfigurationError)
_whole = partial(checks.whole, error=ConfigurationError)
_made_of = partial(checks.made_of, error=ConfigurationError)


@attrs.frozen(kw_only=True, slots=True)
class Candidate:
    """
    A server that could answer a read, as a `read_from` function sees it.

    `healthy` is False while its last use failed; `latency` is a moving average in seconds,
    0.0 before the first use.
    """

    name: str
    primary: bool
    healthy: bool
    latency: float


ReadFrom: TypeAlias = str | Callable[[Sequence[Candidate]], Sequence[Candidate]]
"""Who answers reads: the name of a policy, or a function that puts candidates in order."""


@attrs.frozen(kw_only=True, slots=True)
class RetryOptions:
    """
    How often a command is sent again; what may be sent again is not a matter of options.

    At most `attempts` in all for one call, with pauses of up to `backoff` seconds, doubling up
    to `max_backoff` ("full jitter"). Over time a node gets no more retries than `budget_ratio`
    of its calls and `budget_per_second` on top, so that an outage does not multiply the load.
    """

    attempts: int = attrs.field(default=4, validator=_whole(1))
    backoff: float = attrs.field(default=0.005, validator=_number(above=0))
    max_backoff: float = attrs.field(default=0.25, validator=_number(above=0))
    budget_ratio: float = attrs.field(default=0.1, validator=_number(least=0, most=1))
    budget_per_second: float = attrs.field(default=10.0, validator=_number(least=0))


def _check_read_from(_: object, __: object, value: object) -> None:
    if callable(value) or value in POLICIES:
        return
    known = ", ".join(POLICIES)
    raise ConfigurationError(f"read_from is one of {known}, or a function; not {value!r}")


@attrs.frozen(kw_only=True, slots=True)
class ClientOptions:
    """
    How a client behaves; times in seconds.

    `timeout` is the deadline of every call that names none. `read_from` says who answers
    reads where there are replicas, `read_your_writes` for how long after a write the same
    thread or task reads from the primary. `scan_timeout` is how long one scan over keys or members
    may take, without the time that you take between two steps.
    """

    timeout: float = attrs.field(default=5.0, validator=_number(above=0))
    read_from: ReadFrom = attrs.field(default="replica_preferred", validator=_check_read_from)
    read_your_writes: float = attrs.field(default=0.5, validator=_number(least=0))
    scan_timeout: float = attrs.field(default=600.0, validator=_number(above=0))
    retry: RetryOptions = attrs.field(factory=RetryOptions, validator=_made_of(RetryOptions))
    pool: PoolOptions = attrs.field(factory=PoolOptions, validator=_made_of(PoolOptions))
