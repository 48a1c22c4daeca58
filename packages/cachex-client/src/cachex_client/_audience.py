"""Who observes this process, and what he is told."""

from typing import Any

from cachex_client.observer import ClientObserver
from cachex_pool import logger
from cachex_pool.forks import StateLock, in_this_process

log = logger("cachex_client")


class Audience:
    """Who listens, and to what; looked at by every call."""

    __slots__ = ("_lock", "beginners", "counters", "observers", "senders", "sleeper")

    def __init__(self) -> None:
        self._lock = StateLock()
        self._take(())

    def join(self, observer: ClientObserver) -> None:
        with in_this_process(self._lock):
            if observer not in self.observers:
                self._take((*self.observers, observer))

    def leave(self, observer: ClientObserver) -> bool:
        """Return whether it was there."""
        with in_this_process(self._lock):
            before = self.observers
            self._take(tuple(one for one in before if one is not observer))
            return len(self.observers) < len(before)

    def _take(self, observers: tuple[ClientObserver, ...]) -> None:
        self.senders = _who_override(observers, "sending")
        sleepers = _who_override(self.senders, "asleep")
        self.sleeper = sleepers[0] if len(sleepers) == len(self.senders) == 1 else None
        self.beginners = _who_override(observers, "began")
        self.counters = _who_override(observers, "looked_up", "wrote", "deleted")
        self.observers = observers


def _who_override(
    observers: tuple[ClientObserver, ...], *methods: str
) -> tuple[ClientObserver, ...]:
    def overrides(observer: ClientObserver, method: str) -> bool:
        own = getattr(getattr(observer, method), "__func__", None)
        return own is not getattr(ClientObserver, method)

    return tuple(one for one in observers if any(overrides(one, method) for method in methods))


audience = Audience()


def observe(observer: ClientObserver) -> None:
    """Have an observer told of all clients and caches of this process, from now on; once."""
    audience.join(observer)


def unobserve(observer: ClientObserver) -> None:
    """Tell it nothing more, but for the ends of what it gave tokens for."""
    audience.leave(observer)


def tell(event: str, *facts: Any, **more: Any) -> None:
    """Call a method of every observer."""
    for observer in audience.observers:
        try:
            getattr(observer, event)(*facts, **more)
        except Exception as error:
            detach(observer, error)


def all_asleep() -> bool:
    """Say whether nobody wants to hear of wire operations now."""
    sleeper = audience.sleeper
    if sleeper is None:
        return not audience.senders
    try:
        return sleeper.asleep()
    except Exception as error:
        detach(sleeper, error)
        return True


def detach(observer: ClientObserver, error: Exception) -> None:
    """Tell an observer nothing more, as it raised; say so, once."""
    if audience.leave(observer):
        log.error("observer raised and was detached", observer=repr(observer), exc_info=error)
