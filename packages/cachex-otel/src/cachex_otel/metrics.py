"""
Instruments, and the plain integers most of them read.

Adding to an integer costs a hundredth of what a call of the SDK costs, so whatever is a count is
one, read when somebody collects; only durations are recorded as they happen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeAlias

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from cachex_client import live_clients
from cachex_otel import attributes as names
from cachex_otel.attributes import Metric
from cachex_pool import PoolStats, live_stats
from cachex_pool.forks import run_after_fork, same_process

Label: TypeAlias = tuple[str, str]
Labels: TypeAlias = tuple[Label, ...]


class Counts:
    """
    Integers that only grow, by metric and attributes.

    Threads add without a lock: between reading and writing an item of a dict whose keys hash in C
    no other thread gets the interpreter lock.
    """

    def __init__(self) -> None:
        self._of: dict[str, defaultdict[Labels, int]] = defaultdict(lambda: defaultdict(int))

    def of(self, metric: Metric) -> defaultdict[Labels, int]:
        """Return the counts of a metric, to add to."""
        return self._of[metric.name]

    def read(self, metric: Metric) -> list[tuple[Labels, int]]:
        """Return a copy of the counts of a metric."""
        return list(self._of[metric.name].copy().items())

    def reset(self) -> None:
        """Start at nothing: in a child process, whose parent goes on to tell of these."""
        for one in self._of.values():
            one.clear()


class Meters:
    """
    The instruments made with one meter.

    They stay with their provider for ever, as OpenTelemetry has no way to take one back; `active`
    says whether there is anything to tell.
    """

    def __init__(self, meter: Meter) -> None:
        self.active = False
        self.counts = counts = Counts()
        self._meter = meter
        self.lookups = counts.of(names.LOOKUPS)
        self.writes = counts.of(names.WRITES)
        self.deletes = counts.of(names.DELETES)
        self.io = counts.of(names.IO)
        self.retries = counts.of(names.RETRIES)
        self.redirects = counts.of(names.REDIRECTS)
        self.refreshes = counts.of(names.REFRESHES)
        self.failovers = counts.of(names.FAILOVERS)
        self.timeouts = counts.of(names.CONNECTION_TIMEOUTS)
        self.closes = counts.of(names.CONNECTION_CLOSES)
        self.duration = self._histogram(names.OPERATION_DURATION)
        self.cache_duration = self._histogram(names.CACHE_DURATION)
        self.create_time = self._histogram(names.CONNECTION_CREATE_TIME)
        self.wait_time = self._histogram(names.CONNECTION_WAIT_TIME)
        self.use_time = self._histogram(names.CONNECTION_USE_TIME)
        for metric in names.METRICS:
            if metric.kind == "counter":
                self._observe(metric, self._reader(metric))
        for metric, figure in _OF_POOLS.items():
            self._observe(metric, partial(_per_pool, figure))
        self._observe(names.CONNECTION_COUNT, _connections)
        self._observe(names.BREAKER, _breakers)
        self._observe(names.NODES, _nodes)

    def _histogram(self, metric: Metric) -> Histogram:
        return self._meter.create_histogram(
            metric.name,
            unit=metric.unit,
            description=metric.description,
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )

    def _reader(self, metric: Metric) -> "Callable[[], Iterator[Observation]]":
        def read() -> Iterator[Observation]:
            for labels, count in self.counts.read(metric):
                yield Observation(count, dict(labels))

        return read

    def _observe(self, metric: Metric, read: "Callable[[], Iterable[Observation]]") -> None:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            if not same_process:
                run_after_fork()
            return read() if self.active else ()

        create: Any = (
            self._meter.create_observable_counter
            if metric.kind == "counter"
            else self._meter.create_observable_up_down_counter
        )
        create(metric.name, [observe], unit=metric.unit, description=metric.description)


_OF_POOLS: dict[Metric, Callable[[PoolStats], int]] = {
    names.CONNECTION_MAX: lambda stats: stats.max_size,
    names.CONNECTION_IDLE_MAX: lambda stats: stats.max_size,
    names.CONNECTION_IDLE_MIN: lambda stats: stats.min_size,
    names.CONNECTION_PENDING: lambda stats: stats.waiting,
}


def _per_pool(figure: Callable[[PoolStats], int]) -> Iterator[Observation]:
    return _summed((((names.POOL_NAME, one.name),), figure(one)) for one in live_stats())


def _connections() -> Iterator[Observation]:
    return _summed(
        (((names.POOL_NAME, one.name), (names.CONNECTION_STATE, state)), count)
        for one in live_stats()
        for state, count in ((names.IDLE, one.idle), (names.USED, one.lent))
    )


def _breakers() -> Iterator[Observation]:
    return _summed(
        (((names.POOL_NAME, one.name), (names.BREAKER_STATE, state)), one.breaker == state)
        for one in live_stats()
        for state in names.BREAKER_STATES
    )


def _nodes() -> Iterator[Observation]:
    """Yield how many servers there are in each role, each once, whoever knows it."""
    known = {(node.role, node.name) for one in live_clients() for node in one.view().nodes}
    return _summed((((names.NODE_ROLE, role),), 1) for role, _ in known)


def _summed(figures: Iterable[tuple[Labels, int]]) -> Iterator[Observation]:
    """Yield one observation for each set of attributes: a server may have several pools."""
    sums: defaultdict[Labels, int] = defaultdict(int)
    for labels, figure in figures:
        sums[labels] += figure
    for labels, total in sums.items():
        yield Observation(total, dict(labels))
