"""What the maps of a cluster and of a service that Sentinels watch have in common."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from cachex_client._core.refresh import RefreshSchedule
from cachex_client.errors import ClusterUnreachable
from cachex_pool.forks import StateLock, in_this_process


class SharedMap:
    """
    What is known of servers, once for a process: who asks for the first time, who is told of news.

    Threads, event loops and clients that share a map wait for the one who asks first, and for his
    failure, too.
    """

    def __init__(self) -> None:
        self.schedule = RefreshSchedule()
        self.trigger = "timer"
        """Why the next refresh is due, for observers."""
        self.failures = 0
        self._errors: Sequence[Exception] = ()
        self._followers: WeakSet[Any] = WeakSet()
        self._own_lock = StateLock()

    @property
    def _lock(self) -> StateLock:
        """The lock of what is known; a child process opens it before it is taken there."""
        return in_this_process(self._own_lock)

    @property
    def name(self) -> str:
        """What messages call it."""
        raise NotImplementedError

    def known(self) -> bool:
        """Say whether somebody has answered yet."""
        raise NotImplementedError

    def learn(self, found: Any, now: float, chance: float) -> bool:
        """Take what was found, None if nobody answered; say whether it brought news."""
        raise NotImplementedError

    def may_introduce(self, now: float, patience: float) -> bool:
        """
        Say whether the caller is the one to ask for the first time.

        Whoever is asking is waited for, but not for more than `patience` seconds: an event loop
        may have been stopped, or closed, with nobody told.
        """
        with self._lock:
            return not self.known() and self.schedule.may_begin(now, patience)

    def introduced(
        self, found: Any, errors: Sequence[Exception], now: float, chance: float
    ) -> None:
        """Take what was found first, or None and why there is nothing."""
        self.learn(found, now, chance)
        if found is None:
            with self._lock:
                self._errors = errors
                self.failures += 1

    def left_off(self) -> None:
        """Note that who asked first was kept from it, so that somebody else asks."""
        with self._lock:
            self.schedule.left_off()

    def failure(self) -> Exception:
        """Return an error that says why nothing is known."""
        return ClusterUnreachable(self.name, self._errors)

    def follow(self, follower: Any) -> None:
        """Tell `follower` of news, in any thread; held weakly."""
        with self._lock:
            self._followers.add(follower)

    def forget(self, follower: Any) -> None:
        """Tell it nothing any more."""
        with self._lock:
            self._followers.discard(follower)

    def _all_followers(self) -> list[Any]:
        with self._lock:
            return list(self._followers)
