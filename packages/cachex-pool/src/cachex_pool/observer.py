"""
The seam for metrics and tracing: the pool tells, observers listen.

`observe(observer)` is for all pools of this process, those that exist and those to come; an
observer may also be given to one pool when that is made. With no observer nothing is told, and
with one that does not override `released` lending a connection costs what it costs without.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from cachex_pool.forks import StateLock, in_this_process
from cachex_pool.logs import logger

if TYPE_CHECKING:
    from cachex_pool.endpoint import Endpoint
    from cachex_pool.stats import PoolStats

log = logger("cachex_pool")


class PoolObserver:
    """
    Override what you want to hear; the rest stays silent.

    Methods are called outside the pool's lock, in the thread or task that caused
    the event, and must not block. One that raises is logged once, and its observer hears nothing
    more. Times are seconds.
    """

    def opened(self, endpoint: "Endpoint", *, took: float) -> None:
        """Hear of a new connection: dialled, TLS and handshake done."""

    def dial_failed(self, endpoint: "Endpoint", *, took: float, error: Exception) -> None:
        """Hear that no connection could be opened."""

    def closed(self, endpoint: "Endpoint", *, reason: str) -> None:
        """Hear of a connection's end: idle, lifetime, retired, lost, timeout, error, ..."""

    def acquired(self, endpoint: "Endpoint", *, waited: float) -> None:
        """Hear that somebody got a connection after queueing."""

    def released(self, endpoint: "Endpoint", *, used: float) -> None:
        """
        Hear that somebody gave a connection back.

        The only event of every call: override it only if you need it.
        """

    def timed_out(self, endpoint: "Endpoint", *, waited: float) -> None:
        """Hear that somebody waited in vain."""

    def breaker_changed(self, endpoint: "Endpoint", *, state: str) -> None:
        """Hear that the breaker is now "closed", "open" or "half-open"."""

    def leaked(self, endpoint: "Endpoint", *, owner: str, lent_for: float) -> None:
        """Hear of a connection that has been lent for longer than `leak_after`."""


class Audience:
    """The pools of this process, held weakly, and who hears of all of them."""

    def __init__(self) -> None:
        self.pools: WeakSet[Any] = WeakSet()
        self.observers: tuple[PoolObserver, ...] = ()
        self._lock = StateLock()

    def register(self, pool: Any) -> None:
        """Have a pool told who listens, now and whenever that changes."""
        with in_this_process(self._lock):
            self.pools.add(pool)
            own = pool.observers
            pool.listen((*own, *(one for one in self.observers if one not in own)))

    def join(self, observer: PoolObserver) -> None:
        with in_this_process(self._lock):
            if observer in self.observers:
                return
            self.observers = (*self.observers, observer)
            for pool in self.pools:
                if observer not in pool.observers:
                    pool.listen((*pool.observers, observer))

    def leave(self, observer: PoolObserver) -> bool:
        """Return whether it was there."""
        with in_this_process(self._lock):
            known = observer in self.observers
            self.observers = tuple(one for one in self.observers if one is not observer)
            for pool in self.pools:
                if observer in pool.observers:
                    known = True
                    pool.listen(tuple(one for one in pool.observers if one is not observer))
        return known

    def all_pools(self) -> list[Any]:
        with in_this_process(self._lock):
            return list(self.pools)


audience = Audience()


def observe(observer: PoolObserver) -> None:
    """Have an observer told of all pools of this process, from now on; once."""
    audience.join(observer)


def unobserve(observer: PoolObserver) -> None:
    """Tell it nothing more, of any pool."""
    audience.leave(observer)


def live_stats() -> "list[PoolStats]":
    """
    Return a picture of every pool of this process that is not closed.

    Good for gauges. A pool takes its counters along when it goes: what has to grow for ever
    is counted by an observer.
    """
    return [pool.stats() for pool in audience.all_pools() if not pool.state.closed]


def tell(observers: Sequence[PoolObserver], event: str, *facts: Any, **more: Any) -> None:
    """Call a method of every observer; one that raises is logged once and hears no more."""
    for observer in observers:
        try:
            getattr(observer, event)(*facts, **more)
        except Exception as error:
            if audience.leave(observer):
                log.error("observer raised, detached", observer=repr(observer), exc_info=error)


def hears_of_each_call(observers: Sequence[PoolObserver]) -> bool:
    """Say whether any of them wants to know of every connection that comes back."""
    return any(
        getattr(one.released, "__func__", None) is not PoolObserver.released for one in observers
    )
