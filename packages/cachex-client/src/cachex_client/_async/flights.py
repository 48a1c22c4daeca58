# tools/unasync.py writes the sync twin of this file.
"""One caller at a time makes what several want: the others wait and get it, too."""

import math
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from cachex_client import _concurrency
from cachex_client._audience import audience, tell
from cachex_client._concurrency import monotonic
from cachex_pool.forks import register, run_after_fork, same_process

PATIENCE = 30.0
"""Seconds for which a follower waits before he makes the value himself."""

FLIGHTS = 3
"""How many leaders may fail a follower before he does."""

REMEMBERED = 1_000  # keys of an owner
LAG = 0.5  # seconds in which a replica may not know yet what was stored

Look: TypeAlias = Callable[[], Any]
"""Called, and awaited by tasks, for what is stored; None if nothing is."""

Make: TypeAlias = Callable[[], Any]
"""Called, and awaited by tasks, for what is to be had, as it is stored."""

_Place: TypeAlias = tuple[object, Any, Any]  # who may wait for it, owner, key


class _AsyncFlight:
    """What one caller makes, for all who follow."""

    def __init__(self) -> None:
        self.arrival = _concurrency.AsyncArrival()
        self.began = monotonic()
        self.context = copy_context() if audience.observers else None
        self.stored: bytes | None = None  # once there is something to have


_leading: ContextVar[tuple[_AsyncFlight, ...]] = ContextVar("cachex_leading", default=())


class AsyncFlights:
    """
    The values that are being made in this process.

    A flight begins with the caller who finds that nobody makes his value, and ends with what he
    made, or with his failure: raised, cancelled, killed. Then the next of those who waited begins
    another. Whoever has waited long enough, or is asked by the very function that makes the
    value, makes it alone.
    """

    def __init__(self) -> None:
        self.after_fork()
        register(self)

    def after_fork(self) -> None:
        """Wait for nobody in a child process: who makes values in the parent does so there."""
        self._flights: dict[_Place, _AsyncFlight] = {}
        self._landed: WeakKeyDictionary[Any, dict[Any, float]] = WeakKeyDictionary()

    async def bring(self, owner: Any, key: Any, since: float, look: Look, make: Make) -> bytes:
        """
        Return what `make` returns here or for somebody who wants the same, as it is stored.

        The same is what has the same `owner`, of whom nothing is kept once it is gone, and `key`.
        `since` is when, by `monotonic`, the caller began to look in vain: if somebody has stored it
        after that, `look` finds it. What `make` raises is raised.
        """
        if not same_process:
            run_after_fork()
        mine, flying = _AsyncFlight(), (_concurrency.async_place(), owner, key)
        before = _leading.get()
        try:
            try:
                _leading.set((*before, mine))
                return await self._bring(mine, flying, since, look, make)
            finally:
                self._land(mine, flying, before)
        finally:
            self._land(mine, flying, before)  # in case that a signal kept the first one from it

    async def _bring(
        self, mine: _AsyncFlight, flying: _Place, since: float, look: Look, make: Make
    ) -> bytes:
        for _ in range(FLIGHTS):
            flight = self._flights.setdefault(flying, mine)
            if flight is mine:
                stored = await self._made(flying, since, look, make)
                mine.stored = stored
                return stored
            if flight in _leading.get():
                break
            theirs = await self._follow(flight, flying, mine.began + PATIENCE)
            if theirs is not None:
                return theirs
        alone: bytes = await make()
        return alone

    def _land(self, mine: _AsyncFlight, flying: _Place, before: tuple[_AsyncFlight, ...]) -> None:
        """End a flight, if it began; may be done twice."""
        if self._flights.get(flying) is mine:
            self._flights.pop(flying, None)
        mine.arrival.come()
        _leading.set(before)

    async def _made(self, flying: _Place, since: float, look: Look, make: Make) -> bytes:
        _, owner, key = flying
        landed = self._landed.setdefault(owner, {})
        if landed.get(key, -math.inf) > since - LAG:
            found: bytes | None = await look()
            if found is not None:
                return found
        stored: bytes = await make()
        if len(landed) >= REMEMBERED:
            landed.clear()
        landed[key] = monotonic()
        return stored

    async def _follow(self, flight: _AsyncFlight, flying: _Place, until: float) -> bytes | None:
        if audience.observers and flight.context is not None:
            tell("followed", flight.context.copy())  # as only one at a time may run it
        await flight.arrival.wait(until - monotonic())
        too_long = flight.stored is None and monotonic() - flight.began >= PATIENCE
        if too_long and self._flights.get(flying) is flight:
            self._flights.pop(flying, None)  # nobody has to wait for it any longer
        return flight.stored


async_flights = AsyncFlights()
