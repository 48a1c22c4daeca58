"""How a pool behaves. Checked once, when it is built."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from cachex_pool.checks import function, made_of, number, whole
from cachex_pool.errors import ConfigurationError

LOOK_AFTER = 0.002
"""Seconds of idleness after which a connection is looked at (one poll) before it is used again."""
Guard: TypeAlias = Callable[[Sequence[bytes]], None]
"""What is called with the words of a command before it is sent, and raises to refuse it."""


@attrs.frozen(kw_only=True, slots=True)
class BreakerOptions:
    """
    When to give a node up for a moment.

    It opens after `failures` connect failures or timeouts in a row, or when at least
    `ratio` of at least `volume` uses failed within `window` seconds; it stays open for
    `open_for` seconds, doubling up to `max_open_for`, with jitter, and lets one probe
    through at a time.
    """

    enabled: bool = attrs.field(default=True, validator=made_of(bool))
    failures: int = attrs.field(default=5, validator=whole(1))
    ratio: float = attrs.field(default=0.5, validator=number(above=0, most=1))
    volume: int = attrs.field(default=20, validator=whole(1))
    window: float = attrs.field(default=10.0, validator=number(above=0))
    open_for: float = attrs.field(default=0.5, validator=number(above=0))
    max_open_for: float = attrs.field(default=10.0, validator=number(above=0))


@attrs.frozen(kw_only=True, slots=True)
class PoolOptions:
    """
    Limits of one pool, per process and per server; all times in seconds.

    `min_size`        connections kept when nobody needs them (filled by `warm_up()` and upkeep)
    `max_size`        connections at most; callers beyond that queue
    `max_waiting`     callers allowed to queue, None for 20 times `max_size`
    `max_idle`        an unused connection is closed after this; less than the server's `timeout`
    `max_lifetime`    any connection is closed after this, less or more `jitter` (a share)
    `alive_bypass`    a connection unused for longer is checked before it is used; more than the
                      default lets a reply that was not asked for be taken for the next one
    `connect_timeout` cap for dial, TLS and handshake together
    `max_dials`       connections being opened at the same time
    `backoff`, `max_backoff`  pause of the whole pool after a failed dial, doubling with jitter
    `keepalive`       TCP keep-alive after 15 s, every 5 s, 3 times
    `leak_after`      report connections lent for longer than this, None for never
    `guard`           called with the words of every command before it is sent on any connection of
                      the pool, those lent to redis-py included; what it raises is raised to the
                      caller, and nothing is sent. Handshakes are not shown to it.
    """

    min_size: int = attrs.field(default=0, validator=whole(0))
    max_size: int = attrs.field(default=50, validator=whole(1))
    max_waiting: int | None = attrs.field(default=None, validator=whole(0, or_none=True))
    max_idle: float = attrs.field(default=300.0, validator=number(above=0))
    max_lifetime: float = attrs.field(default=1800.0, validator=number(above=0))
    jitter: float = attrs.field(default=0.1, validator=number(least=0, most=1))
    alive_bypass: float = attrs.field(default=LOOK_AFTER, validator=number(least=0))
    connect_timeout: float = attrs.field(default=1.0, validator=number(above=0))
    max_dials: int = attrs.field(default=4, validator=whole(1))
    backoff: float = attrs.field(default=0.01, validator=number(above=0))
    max_backoff: float = attrs.field(default=2.0, validator=number(above=0))
    keepalive: bool = attrs.field(default=True, validator=made_of(bool))
    leak_after: float | None = attrs.field(default=None, validator=number(above=0, or_none=True))
    guard: Guard | None = attrs.field(default=None, validator=function(or_none=True))
    breaker: BreakerOptions = attrs.field(factory=BreakerOptions, validator=made_of(BreakerOptions))

    def __attrs_post_init__(self) -> None:
        if self.min_size > self.max_size:
            raise ConfigurationError(f"min_size {self.min_size} is above max_size {self.max_size}")

    @property
    def waiting_limit(self) -> int:
        """Callers that may queue."""
        return 20 * self.max_size if self.max_waiting is None else self.max_waiting
