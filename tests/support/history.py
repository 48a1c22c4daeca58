"""What clients did and saw while things broke, and whether that can be right.

Three rules cover most of what a cache client may get wrong under faults: a read gives only what
somebody wrote to that very key; a counter has counted all that was acknowledged and nothing
twice; nobody gets the reply to somebody else's question.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

SHOWN = 10


class Outcome(Enum):
    OK = "ok"
    NOT_APPLIED = "failed, not applied"
    UNKNOWN = "unknown"


@dataclass
class Event:
    """One operation; times are seconds of `time.monotonic()`.

    `value` is what was written or the number added; `result` is what came back.
    """

    client: object
    op: str
    key: str
    value: Any
    start: float
    end: float = float("inf")
    result: Any = None
    outcome: Outcome = Outcome.UNKNOWN
    error: BaseException | None = None


def outcome_of(error: BaseException) -> Outcome:
    """Say what is known after an error: nothing, unless it says that nothing was written."""
    if getattr(error, "written", None) is False:
        return Outcome.NOT_APPLIED
    return Outcome.UNKNOWN


def stamp(key: str, sequence: int, size: int = 0) -> bytes:
    """Return a value that tells for which key it was made; at least `size` bytes long."""
    body = f"{key}|{sequence}|".encode()
    body += b"x" * (size - len(body) - 9)
    return body + b"|%08x" % zlib.crc32(body)


def unstamp(value: bytes) -> tuple[str, int]:
    """Return the key and the number for which a value was made. Raises ValueError if damaged."""
    body, _, checksum = value.rpartition(b"|")
    if b"%08x" % zlib.crc32(body) != checksum:
        raise ValueError(f"damaged value {value[:80]!r}")
    key, sequence, _ = body.rsplit(b"|", 2)
    return key.decode(), int(sequence)


class History:
    """Records operations of any number of threads and tasks, and judges them.

    `expected` are the errors that an operation may end with: they are recorded and swallowed.
    `judge` says what such an error means for a write.

        with history.write("client 1", "key") as event:
            cache.set("key", event.value)
        with history.read("client 2", "key") as event:
            event.result = cache.get("key")
        history.check()
    """

    def __init__(
        self,
        expected: tuple[type[BaseException], ...] = (),
        judge: Callable[[BaseException], Outcome] = outcome_of,
    ) -> None:
        self.events: list[Event] = []
        self._expected, self._judge = expected, judge
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    # Recording

    def write(
        self, client: object, key: str, size: int = 0
    ) -> contextlib.AbstractContextManager[Event]:
        """Record that a new value, made for this, is written: write `event.value`."""
        with self._lock:
            number = next(self._numbers)
        return self.record(client, "write", key, stamp(key, number, size))

    def read(self, client: object, key: str) -> contextlib.AbstractContextManager[Event]:
        """Record a read: put what came into `event.result`, None for nothing."""
        return self.record(client, "read", key)

    def delete(self, client: object, key: str) -> contextlib.AbstractContextManager[Event]:
        return self.record(client, "delete", key)

    def add(
        self, client: object, key: str, delta: int = 1
    ) -> contextlib.AbstractContextManager[Event]:
        """Record that `delta` is added to a counter: put what came into `event.result`."""
        return self.record(client, "add", key, delta)

    @contextlib.contextmanager
    def record(self, client: object, op: str, key: str, value: Any = None) -> Iterator[Event]:
        """Record what happens in the `with` block as one operation."""
        event = Event(client, op, key, value, time.monotonic())
        self.events.append(event)
        try:
            yield event
            event.outcome = Outcome.OK
        except BaseException as error:
            event.error, event.outcome = error, self._judge(error)
            if not isinstance(error, self._expected):
                raise
        finally:
            event.end = time.monotonic()

    def count(self, outcome: Outcome, op: str | None = None) -> int:
        return sum(e.outcome is outcome and op in (None, e.op) for e in self.events)

    def longest(self) -> float:
        """Return how many seconds the longest operation took."""
        return max((event.end - event.start for event in self.events), default=0.0)

    def check_longest(self, seconds: float) -> None:
        """Check that no operation took longer."""
        complain(
            f"{event.end - event.start:.3f} s, more than {seconds:.3f}: {event}"
            for event in sorted(self.events, key=lambda event: event.start - event.end)
            if event.end - event.start > seconds
        )

    # Judging

    def check(self) -> None:
        """Check everything that holds whatever breaks. Raises AssertionError with what is wrong."""
        complain(self.strange_reads())
        complain(self.doubled_counts())

    def strange_reads(self) -> Iterator[str]:
        """Yield reads of something that nobody can have written to that key by then."""
        written = {event.value: event for event in self.events if event.op == "write"}
        for read in self._ok("read"):
            if read.result is None:
                continue
            try:
                key, _ = unstamp(read.result)
            except (ValueError, AttributeError, TypeError) as error:
                yield f"{read}: {error}"
                continue
            write = written.get(read.result)
            if key != read.key:
                yield f"{read} got the value of another key, {key}"
            elif write is None or write.outcome is Outcome.NOT_APPLIED or write.start > read.end:
                yield f"{read} got what nobody had written: {write}"

    def stale_reads(self) -> Iterator[str]:
        """Yield reads of something that a later write had replaced before the read began.

        Holds for reads from a primary that was not failed over. A read of nothing counts only if
        the key was never deleted: do not use this with keys that expire.
        """
        for key, events in self._by_key().items():
            writes = [e for e in events if e.op == "write" and e.outcome is Outcome.OK]
            deleted = any(event.op == "delete" for event in events)
            by_value = {write.value: write for write in writes}
            for read in events:
                if read.op != "read" or read.outcome is not Outcome.OK:
                    continue
                old = by_value.get(read.result)
                if old is None and (read.result is not None or deleted):
                    continue
                since = old.end if old else float("-inf")
                for new in writes:
                    if since < new.start and new.end < read.start:
                        yield f"{read} of {key} got {old}, after {new}"
                        break

    def backward_reads(self) -> Iterator[str]:
        """Yield reads that go back to an older value than the same client had seen.

        Holds for keys with one writer, read from one server.
        """
        seen: dict[tuple[object, str], int] = {}
        for read in self._ok("read"):
            if read.result is None:
                continue
            _, number = unstamp(read.result)
            last = seen.get((read.client, read.key), 0)
            if number < last:
                yield f"{read} came after number {last}"
            seen[read.client, read.key] = max(last, number)

    def doubled_counts(self) -> Iterator[str]:
        """Yield additions whose result another one had too (all deltas above zero)."""
        for key, events in self._by_key().items():
            results: dict[int, Event] = {}
            for event in events:
                if event.op == "add" and event.outcome is Outcome.OK and event.value > 0:
                    if event.result in results:
                        yield f"{event} of {key} got what {results[event.result]} had got"
                    results[event.result] = event

    def wrong_total(self, key: str, total: int, start: int = 0) -> Iterator[str]:
        """Yield a complaint if a counter's final value cannot be (all deltas above zero)."""
        adds = [event for event in self.events if event.op == "add" and event.key == key]
        sure = start + sum(e.value for e in adds if e.outcome is Outcome.OK)
        most = sure + sum(e.value for e in adds if e.outcome is Outcome.UNKNOWN)
        if not sure <= total <= most:
            yield f"{key} is {total}, but must be in {sure}..{most}"

    def check_total(self, key: str, total: int, start: int = 0) -> None:
        """Check that acknowledged <= total <= acknowledged + unknown."""
        complain(self.wrong_total(key, total, start))

    def _ok(self, op: str) -> Iterator[Event]:
        return (e for e in self.events if e.op == op and e.outcome is Outcome.OK)

    def _by_key(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event.key].append(event)
        return found


def complain(complaints: Iterable[str]) -> None:
    """Raise AssertionError if there are complaints, with the first few of them."""
    found = list(complaints)
    if found:
        raise AssertionError("\n".join([f"{len(found)} wrong:", *found[:SHOWN]]))
