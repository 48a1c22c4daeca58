"""Traffic in the background, so that something is going on when a server goes away."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import attrs
from django.core.cache import cache
from redis import RedisError
from redis.crc import key_slot

TOPICS = ("daisy", "amber", "pearl", "jade", "olive", "rose")
"""A thread for each. As hash tags they are spread over the slots of a cluster: a sixth for each."""

KEYS = 4
"""Of each topic."""

CYCLE = 16
"""Calls of a thread of which the first is a `set`, the next four are `get_many`, the rest `get`."""

PAUSE = 0.01
"""Seconds between two calls of a thread."""

UNSEEN = 30.0
"""Seconds after which it rests if nobody has looked."""

MINUTE = 60


def keys_of(topic: str) -> list[str]:
    return [f"traffic:{{{topic}}}:{number}" for number in range(KEYS)]


@attrs.define
class Second:
    """What happened in one second; `slowest` is in seconds."""

    at: int
    calls: int = 0
    errors: int = 0
    slowest: float = 0.0


@attrs.define
class Tally:
    """What one thread has done. Only that thread writes to it."""

    calls: int = 0
    errors: int = 0
    reads: int = 0
    slowest: float = 0.0
    last_error: float | None = None
    error: str = ""
    seconds: deque[Second] = attrs.field(factory=lambda: deque([Second(0)], maxlen=MINUTE + 1))

    def note(self, started: float, *, read: bool, error: Exception | None) -> None:
        took, now = time.monotonic() - started, time.time()
        if self.seconds[-1].at != int(now):
            self.seconds.append(Second(int(now)))
        second = self.seconds[-1]
        self.calls += 1
        second.calls += 1
        self.reads += read and error is None
        self.slowest = max(self.slowest, took)
        second.slowest = max(second.slowest, took)
        if error is not None:
            self.errors += 1
            second.errors += 1
            self.last_error, self.error = now, f"{type(error).__name__}: {error}"


class Traffic:
    """Threads that write, read and read many, all of which may be repeated; once per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies = {topic: Tally() for topic in TOPICS}
        self._end: threading.Event | None = None
        self._looked = 0.0

    @property
    def running(self) -> bool:
        return self._end is not None and not self._end.is_set()

    def start(self) -> None:
        """Begin, if it is not under way."""
        with self._lock:
            self._looked = time.monotonic()
            if self.running:
                return
            self._end = threading.Event()
            for topic in TOPICS:
                threading.Thread(target=self._run, args=(topic, self._end), daemon=True).start()

    def stop(self) -> None:
        if self._end is not None:
            self._end.set()

    def count_anew(self) -> None:
        """Forget the numbers, but for the last minute's."""
        for topic, tally in self._tallies.items():
            self._tallies[topic] = Tally(seconds=tally.seconds)

    def snapshot(self) -> dict[str, Any]:
        """Return all numbers; times are milliseconds, but moments are seconds since 1970."""
        self._looked = time.monotonic()
        tallies = dict(self._tallies)
        all_of_them = tallies.values()
        worst = max(all_of_them, key=lambda tally: tally.last_error or 0)
        return {
            "running": self.running,
            "calls": sum(tally.calls for tally in all_of_them),
            "errors": sum(tally.errors for tally in all_of_them),
            "slowest": max(tally.slowest for tally in all_of_them) * 1000,
            "last_error": worst.last_error,
            "error": worst.error,
            "minute": minute(list(all_of_them)),
            "topics": [
                {
                    "name": topic,
                    "slot": key_slot(topic.encode()),
                    "calls": tally.calls,
                    "reads": tally.reads,
                    "errors": tally.errors,
                    "failing": tally.last_error is not None and tally.last_error > time.time() - 1,
                }
                for topic, tally in tallies.items()
            ],
        }

    def _run(self, topic: str, end: threading.Event) -> None:
        keys, number = keys_of(topic), -1
        while not end.wait(PAUSE):
            if time.monotonic() - self._looked > UNSEEN:
                end.set()
            number += 1
            rounds, step = divmod(number, CYCLE)
            key = keys[rounds % KEYS]
            error: Exception | None = None
            started = time.monotonic()
            try:
                if step == 0:
                    cache.set(key, f"{topic} {number}")
                elif step <= 4:
                    cache.get_many(keys)
                else:
                    cache.get(key)
            except (RedisError, OSError) as caught:
                error = caught
            self._tallies[topic].note(started, read=step != 0, error=error)


def minute(tallies: list[Tally]) -> list[dict[str, float]]:
    """Add up the threads' last minute, second by second, the last whole one at the end."""
    last = int(time.time()) - 1
    found = {at: Second(at) for at in range(last - MINUTE + 1, last + 1)}
    for tally in tallies:
        for second in list(tally.seconds):
            if total := found.get(second.at):
                total.calls += second.calls
                total.errors += second.errors
                total.slowest = max(total.slowest, second.slowest)
    return [
        {"calls": one.calls, "errors": one.errors, "slowest": one.slowest * 1000}
        for one in found.values()
    ]


traffic = Traffic()
