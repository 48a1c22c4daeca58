"""Whose token is whose, in a lock object that threads or tasks share."""

from typing import Any


class Acquisition:
    """One acquisition of a lock: its token until it is released, then None."""

    __slots__ = ("__weakref__", "token")

    def __init__(self, token: Any) -> None:
        self.token = token


class Tokens:
    """
    The tokens of a lock object.

    Each thread or task has the token of its own acquisition. One without any sees the token of the
    latest acquisition, so that one task can acquire and another release.

    Args:
        own: `own.value` is what the running thread or task keeps for itself, None at first.
        shared: a namespace for the latest acquisition, seen by all who may release it.
    """

    def __init__(self, own: Any, shared: Any) -> None:
        self._own = own
        self._shared = shared

    @property
    def own(self) -> Acquisition | None:
        """The acquisition of the running thread or task."""
        own: Acquisition | None = self._own.value
        return own if own is not None and own.token is not None else None

    @property
    def current(self) -> Acquisition | None:
        """The acquisition that `release` and `extend` are about: one's own, or else the latest."""
        own = self.own
        if own is not None:
            return own
        latest: Acquisition | None = getattr(self._shared, "latest", None)
        return latest if latest is not None and latest.token is not None else None

    def acquired(self, acquisition: Acquisition) -> None:
        """Note that the lock was acquired: all earlier acquisitions have ended."""
        self._own.value = self._shared.latest = acquisition

    def in_doubt(self, acquisition: Acquisition) -> bool:
        """Note an acquisition of which no answer came; return whether there is room for it.

        What the running thread or task holds already is not given up for it, and others go on to
        see the latest acquisition that is known to be one.
        """
        if self.own is not None:
            return False
        if self.current is None:
            self._shared.latest = acquisition
        self._own.value = acquisition
        return True

    # redis-py's name: programs read it, and set it to release what another process acquired.

    @property
    def token(self) -> Any:
        """The token of the current acquisition, None if there is none."""
        current = self.current
        return None if current is None else current.token

    @token.setter
    def token(self, token: Any) -> None:
        if token is not None:
            self.acquired(Acquisition(token))
        elif (current := self.current) is not None:
            current.token = None
