"""Time several ways of doing one thing side by side.

The machine is shared and its speed drifts, so nothing is timed alone: in every round each contender
runs for one short slice, the order turns from round to round, and what is compared are the ratios
inside a round. Wall time and the CPU time of this process (user + system, all threads) are both
taken; servers and proxies are other processes and do not count.
"""

from __future__ import annotations

import gc
import operator
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat
from typing import Any, Literal

from attrs import field, frozen

Metric = Literal["wall", "cpu"]


@frozen
class Contender:
    """One way of doing it: `run(n)` does it n times, `probe()` does it once and answers.

    `weight` is how many operations one turn of `run` stands for, when that is not one; `around` is
    entered for each slice and not timed.
    """

    name: str
    run: Callable[[int], object]
    probe: Callable[[], object]
    weight: int = 1
    around: Callable[[], AbstractContextManager[object]] = nullcontext


@frozen
class Absent:
    """A contender that cannot run here, and why."""

    name: str
    reason: str


@frozen
class Entrant:
    """A contender that is not made yet."""

    name: str
    make: Callable[[], Contender]

    def enter(self) -> Contender | Absent:
        """Make the contender; one that cannot be made, or fails its first turn, is absent."""
        try:
            made = self.make()
            with made.around():
                made.run(3)
        except Exception as error:  # whatever it raises is the reason
            return Absent(self.name, f"{type(error).__name__}: {error}")
        return made


@frozen(kw_only=True)
class Case:
    """Contenders for one job. `reference` names the one all others are compared with.

    `over` names, for contenders that do what another one does and something besides, that other.
    """

    name: str
    title: str
    entrants: Sequence[Entrant]
    reference: str = "cachex"
    expected: object = None
    rounds: int = 21
    seconds: float = 0.03
    informative: bool = False
    over: Mapping[str, str] = field(factory=dict)

    def is_ours(self, name: str) -> bool:
        """Whether a contender of that name runs our code."""
        return self.over.get(name, name).startswith("cachex")


@frozen
class Sample:
    """Seconds per operation in one slice."""

    wall: float
    cpu: float


@frozen
class Spread:
    """A median with the 10th and 90th percentile."""

    median: float
    p10: float
    p90: float


@frozen
class Outcome:
    """What the contenders of a case took; `samples[name][round]` belong together by round."""

    case: Case
    samples: dict[str, list[Sample]] = field(factory=dict)
    absent: dict[str, str] = field(factory=dict)

    def took(self, name: str, metric: Metric) -> Spread:
        """Return the seconds per operation of one contender."""
        return spread([getattr(sample, metric) for sample in self.samples[name]])

    def ratio(self, name: str, over: str, metric: Metric) -> Spread:
        """Return what `name` took, divided round by round by what `over` took."""
        pairs = zip(self.samples[name], self.samples[over], strict=True)
        return spread([getattr(a, metric) / getattr(b, metric) for a, b in pairs])

    def undisturbed(self, name: str, over: str, metric: Metric) -> Spread:
        """Return the ratio of the two contenders' 10th percentiles; 5th and 25th as bounds.

        For wall time on a busy machine: waiting for a core makes a slice longer, never shorter, so
        the quick slices say what the contenders take and the others what the neighbours took.
        """
        return _of_the_quick(*self._both(name, over, metric), operator.truediv)

    def added(self, name: str, over: str, metric: Metric) -> Spread:
        """Return the microseconds that `name` took more than `over`; percentiles as above."""
        figure = _of_the_quick(*self._both(name, over, metric), operator.sub)
        return Spread(figure.median * 1e6, figure.p10 * 1e6, figure.p90 * 1e6)

    def _both(self, name: str, over: str, metric: Metric) -> tuple[list[float], list[float]]:
        ours = sorted(getattr(sample, metric) for sample in self.samples[name])
        return ours, sorted(getattr(sample, metric) for sample in self.samples[over])


def _of_the_quick(
    ours: Sequence[float], theirs: Sequence[float], compare: Callable[[float, float], float]
) -> Spread:
    low, tenth, high = (compare(_at(ours, part), _at(theirs, part)) for part in (0.05, 0.1, 0.25))
    return Spread(tenth, min(low, tenth, high), max(low, tenth, high))


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[int(part * len(ordered))]


def spread(values: Sequence[float]) -> Spread:
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    return Spread(statistics.median(values), deciles[0], deciles[-1])


def calling(call: Callable[..., Any], *arguments: Any) -> Callable[[int], None]:
    """Return a `run` that makes the same call n times."""

    def run(count: int) -> None:
        for _ in repeat(None, count):
            call(*arguments)

    return run


def contender(name: str, call: Callable[..., Any], *arguments: Any) -> Contender:
    """Return a contender that makes one call over and over."""
    return Contender(name, calling(call, *arguments), lambda: call(*arguments))


def measure(case: Case, rounds: int | None = None) -> Outcome:
    """Run all contenders of a case in turns.

    Raises AssertionError if a contender does not answer `case.expected`: a wrong answer has no
    speed.
    """
    outcome = Outcome(case)
    running: list[Contender] = []
    for entrant in case.entrants:
        one = entrant.enter()
        if isinstance(one, Absent):
            outcome.absent[one.name] = one.reason
            continue
        check(case, one)
        running.append(one)
        outcome.samples[one.name] = []
    counts = {one.name: turns(one, case.seconds) for one in running}
    gc.collect()
    gc.freeze()
    for turn in range(max(7, rounds or case.rounds)):
        start = turn % len(running) if running else 0
        for one in running[start:] + running[:start]:
            outcome.samples[one.name].append(timed(one, counts[one.name]))
    gc.unfreeze()
    return outcome


def check(case: Case, one: Contender) -> None:
    """Raise AssertionError unless a contender answers what the case expects."""
    with one.around():
        answer = one.probe()
    if case.expected is not None and answer != case.expected:
        raise AssertionError(f"{case.name}: {one.name} answered {answer!r:.200}")


def timed(one: Contender, count: int) -> Sample:
    """Run one slice and return what an operation of it took."""
    with one.around():
        wall, cpu = time.perf_counter(), time.process_time()
        one.run(count)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    operations = count * one.weight
    return Sample(wall / operations, cpu / operations)


def turns(one: Contender, seconds: float) -> int:
    """Return how many turns of a contender take about so many seconds."""
    count = 1
    while (took := timed(one, count).wall * count * one.weight) < seconds / 4:
        count *= 2
    return max(1, round(count * seconds / took))
