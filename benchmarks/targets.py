"""Every speed this project promises, in one table; `run.py --check` holds a run against it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from measure import Metric, Outcome, Spread


@frozen(kw_only=True)
class Target:
    """One promise about `ours` in a case.

    With `against`, the ratio to the fastest of those contenders: `at_least` counts how many times
    less than them ours takes, `at_most` how many times more. Without `against`, `at_most` is in
    microseconds per operation, with `over` in microseconds more than that contender. CPU time goes
    by the median of the rounds; wall time, and what is added, by the slices in which nobody else
    wanted the machine.
    """

    case: str
    metric: Metric
    against: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    ours: str = "cachex"
    over: str = ""


PEERS = ("Django", "django-redis", "django-valkey")

TARGETS: tuple[Target, ...] = (
    Target(case="django-get", metric="cpu", against=("Django",), at_least=2.0),
    Target(case="client-get", metric="wall", against=("bare socket",), at_most=1.15),
    Target(
        case="client-get",
        metric="wall",
        against=("bare socket",),
        at_most=1.25,  # it makes a key and unpickles besides
        ours="cachex Cache",
    ),
    Target(case="django-get-many", metric="cpu", against=PEERS, at_least=2.5),
    Target(case="django-set-many", metric="cpu", against=PEERS, at_least=5.0),
    Target(case="loop-get", metric="cpu", against=("redis.asyncio",), at_least=10.0),
    Target(
        case="loop-get",
        metric="cpu",
        against=("redis.asyncio",),
        at_least=10.0,
        ours="cachex Cache",
    ),
    Target(case="django-aget", metric="cpu", against=("Django",), at_least=8.0),
    Target(case="pool", metric="cpu", at_most=1.5),
    Target(case="connect-tls", metric="cpu", against=("redis-py",), at_least=5.0),
    Target(case="cluster-get", metric="cpu", against=("redis-py",), at_least=1.8),
    Target(case="cluster-get-many", metric="cpu", against=("redis-py",), at_least=8.0),
    Target(case="cluster-get-many", metric="wall", against=("redis-py",), at_least=5.0),
    Target(case="cluster-set-many", metric="cpu", against=("redis-py",), at_least=8.0),
    Target(case="cluster-set-many", metric="wall", against=("redis-py",), at_least=5.0),
    # What telemetry adds to a call.
    Target(case="telemetry-look", metric="cpu", over="nothing", at_most=0.05),
    Target(case="telemetry-inside", metric="cpu", over="cachex", at_most=0.3, ours="no provider"),
    Target(case="telemetry-get", metric="cpu", over="cachex", at_most=5, ours="sampled out"),
    Target(case="telemetry-get", metric="cpu", over="cachex", at_most=40, ours="spans"),
    Target(case="telemetry-get", metric="cpu", over="cachex", at_most=22, ours="metrics"),
)


@frozen
class Verdict:
    """A target, whether it was met, and the figure that decided; none if it could not run."""

    target: Target
    met: bool
    figure: Spread | None
    against: str = ""
    reason: str = ""

    @property
    def wanted(self) -> str:
        target = self.target
        if target.at_least is not None:
            return f">= {target.at_least:g}x"
        more = "+" if target.over else ""
        return f"<= {more}{target.at_most:g}{'x' if target.against else ' µs'}"


def judge(outcomes: Mapping[str, Outcome]) -> list[Verdict]:
    """Hold the outcomes against the targets of the cases that ran."""
    return [_judge(t, outcomes[t.case]) for t in TARGETS if t.case in outcomes]


def _judge(target: Target, outcome: Outcome) -> Verdict:
    if target.ours not in outcome.samples:
        return Verdict(target, False, None, reason=outcome.absent.get(target.ours, "not there"))
    present = [name for name in target.against if name in outcome.samples]
    if target.against and not present:
        reason = "; ".join(f"{n}: {outcome.absent.get(n)}" for n in target.against)
        return Verdict(target, False, None, reason=reason)
    if target.over:
        if target.over not in outcome.samples:
            return Verdict(target, False, None, reason=f"{target.over} did not run")
        figure = outcome.added(target.ours, target.over, target.metric)
        return Verdict(target, figure.median <= (target.at_most or 0), figure, target.over)
    if not target.against:
        took = outcome.took(target.ours, target.metric)
        figure = Spread(took.median * 1e6, took.p10 * 1e6, took.p90 * 1e6)
        return Verdict(target, figure.median <= (target.at_most or 0), figure)
    best = min(present, key=lambda name: outcome.took(name, target.metric).median)
    compare = outcome.undisturbed if target.metric == "wall" else outcome.ratio
    if target.at_least is not None:
        figure = compare(best, target.ours, target.metric)
        return Verdict(target, figure.median >= target.at_least, figure, best)
    figure = compare(target.ours, best, target.metric)
    return Verdict(target, figure.median <= (target.at_most or 0), figure, best)
