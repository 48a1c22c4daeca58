"""Two versions of the packages side by side: `python3 dev.py bench --against COMMIT`.

Each is installed in an environment of its own and runs in a process of its own; both talk to the
same servers and share one CPU. They are timed in turns of a few milliseconds, so that whatever else
the machine does befalls both, and what is compared are the ratios of neighbouring slices.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from attrs import field, frozen
from cases import CASES
from measure import Metric, Sample
from servers import Servers
from targets import TARGETS

LIMIT = 1.05
SLICE = 0.002
"""Seconds of one slice: short, so that the next one finds the machine as this one did."""
FEWEST = 31
"""Rounds that there are in any case, however long a slice takes."""
AGAIN = 2
"""Where something is over the limit, so many times the repetitions follow before it is believed."""


@frozen
class Row:
    """One contender by one clock: what older and newer took in each repetition."""

    case: str
    contender: str
    metric: Metric
    older: list[float] = field(factory=list)
    newer: list[float] = field(factory=list)
    ratios: list[float] = field(factory=list)

    def add(self, before: Sequence[float], after: Sequence[float]) -> None:
        """Note what a repetition found, round by round."""
        self.older.append(statistics.median(before))
        self.newer.append(statistics.median(after))
        self.ratios.append(_ratio(before, after, self.metric))

    @property
    def ratio(self) -> float:
        """The median over the repetitions."""
        return statistics.median(self.ratios)


class Side:
    """A process that runs one version."""

    def __init__(self, python: Path, servers: Servers, cpus: Iterable[int], seed: int) -> None:
        self._servers = servers
        program = Path(__file__).with_name("side.py")
        # The same order of sets in both, another one in each repetition.
        variables = {**os.environ, "PYTHONHASHSEED": str(seed)}
        variables.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            [str(python), str(program), str(servers.port), *map(str, cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
        )

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, *request: object) -> Any:
        """Have something done; return the answer, starting servers that it takes."""
        self._say(request)
        while True:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the process that was asked {request} has ended")
            said = json.loads(line)
            if "answer" in said:
                return said["answer"]
            self._say(getattr(self._servers, said["wants"])())

    def _say(self, what: object) -> None:
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)


@frozen
class Comparison:
    """What a run found: rows, and what could not be compared."""

    rows: dict[tuple[str, str, str], Row] = field(factory=dict)
    only_new: dict[str, str] = field(factory=dict)
    broken: dict[str, str] = field(factory=dict)

    def row(self, case: str, contender: str, metric: Metric) -> Row:
        return self.rows.setdefault((case, contender, metric), Row(case, contender, metric))

    def over(self, limit: float) -> list[Row]:
        """Return the rows in which newer took more than so many times what older took."""
        return [row for row in self.rows.values() if row.ratio > limit]

    def note_absent(self, case: str, older: dict[str, Any], newer: dict[str, Any]) -> list[str]:
        """Return the contenders that both have; an older version may lack what is new."""
        both = [name for name in newer["ready"] if name in older["ready"]]
        for name in newer["ready"]:
            if name not in both:
                reasons = older["absent"]
                self.only_new[f"{case}, {name}"] = reasons.get(name) or reasons.get("", "not there")
        for name, reason in newer["absent"].items():
            self.broken[f"{case}, {name}" if name else case] = reason
        return both


@frozen
class Run:
    """Starts a pair of processes for each repetition: no two are alike to the percent."""

    older: Path
    newer: Path
    servers: Servers
    cpus: Sequence[int]
    rounds: int
    _seeds: Iterator[int] = field(factory=itertools.count, init=False)

    def repeat(self, names: Iterable[str], comparison: Comparison) -> None:
        """Run cases once with new processes."""
        seed = next(self._seeds)
        with (
            Side(self.older, self.servers, self.cpus, seed) as older,
            Side(self.newer, self.servers, self.cpus, seed) as newer,
        ):
            for name in names:
                if sys.stderr.isatty():
                    print(f"\r{seed + 1}: {name:<40}\r", end="", file=sys.stderr, flush=True)
                self._compare(comparison, name, older, newer)

    def _compare(self, comparison: Comparison, case: str, older: Side, newer: Side) -> None:
        """Run the contenders of one case that both versions have, in turns."""
        both = comparison.note_absent(case, older.ask("begin", case), newer.ask("begin", case))
        for name in both:
            counts, took = zip(
                *(one.ask("turns", name, SLICE) for one in (older, newer)), strict=True
            )
            count, rounds = max(counts), _rounds(self.rounds, max(took))
            before, after = list[Sample](), list[Sample]()
            order = [(older, before), (newer, after)]
            for _ in range(rounds):
                for side, samples in order:
                    samples.append(Sample(*side.ask("slice", name, count)))
                order.reverse()
            for metric in _metrics(case):
                row = comparison.row(case, name, metric)
                row.add(
                    [getattr(one, metric) for one in before],
                    [getattr(one, metric) for one in after],
                )


def main() -> int:
    """Compare; 1 if anything got slower by more than the limit, or does not run any more."""
    asked = _arguments()
    names = chosen(asked.cases or ["*"])
    cpus, beside = _cpus()
    if beside:
        os.sched_setaffinity(0, beside)
    comparison = Comparison()
    with contextlib.ExitStack() as stack:
        servers = Servers(stack)
        print(f"{servers.version}, {asked.repetitions} repetitions", flush=True)
        run = Run(asked.older, asked.newer, servers, cpus, asked.rounds)
        for number in range(asked.repetitions):
            run.repeat(names, comparison)
            print(f"repetition {number + 1} of {asked.repetitions} is done", flush=True)
        suspects = sorted({row.case for row in comparison.over(asked.limit)}, key=names.index)
        if suspects:
            print(f"over the limit, so once more: {', '.join(suspects)}", flush=True)
        for _ in range(AGAIN * asked.repetitions if suspects else 0):
            run.repeat(suspects, comparison)
    print("\n".join(report(comparison, asked.limit)))
    if asked.json:
        asked.json.write_text(json.dumps(_document(comparison), indent=1))
    return int(bool(comparison.over(asked.limit) or comparison.broken))


def chosen(patterns: Sequence[str]) -> list[str]:
    """Return the names of the cases that patterns such as `loop-*` choose."""
    names = [name for name in CASES if any(fnmatch.fnmatch(name, one) for one in patterns)]
    if not names:
        sys.exit(f"no case is called {' or '.join(patterns)}; there are: {', '.join(CASES)}")
    return names


def _ratio(before: Sequence[float], after: Sequence[float], metric: Metric) -> float:
    """Return the median of the ratios; of wall time, that of the quick slices.

    Waiting for a CPU makes a slice longer and never shorter.
    """
    if metric == "cpu":
        return statistics.median(new / old for old, new in zip(before, after, strict=True))
    return _quick(after) / _quick(before)


def _rounds(wanted: int, seconds: float) -> int:
    """Return how many rounds to run: fewer where a single call takes longer than a slice."""
    return max(min(wanted, FEWEST), int(wanted * min(1.0, SLICE / seconds)))


def _quick(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[0]


def _metrics(case: str) -> list[Metric]:
    """Return the clocks by which a case is judged: those of its targets, or CPU time."""
    wanted = {target.metric for target in TARGETS if target.case == case} | {"cpu"}
    return [metric for metric in get_args(Metric) if metric in wanted]


def _cpus() -> tuple[list[int], list[int]]:
    """Return the CPU of both versions, and those of everything else; none if not to be had."""
    if not hasattr(os, "sched_setaffinity"):
        return [], []
    *beside, last = sorted(os.sched_getaffinity(0))
    return [last], beside


def report(comparison: Comparison, limit: float) -> Iterator[str]:
    """Yield the lines of the table, and the worst case."""
    head = f"{'case':<20} {'contender':<26} clock"
    yield f"{head}{'older µs':>10}{'newer µs':>10}{'ratio':>8}  each"
    rows = comparison.rows.values()
    for row in rows:
        each = " ".join(f"{ratio:.3f}" for ratio in row.ratios)
        took = f"{_us(row.older):>10}{_us(row.newer):>10}"
        mark = "  SLOWER" if row.ratio > limit else ""
        head = f"{row.case:<20} {row.contender:<26} {row.metric:<5}"
        yield f"{head}{took}{row.ratio:>8.3f}  {each}{mark}"
    for what, reason in comparison.only_new.items():
        yield f"not in the older version: {what}: {reason}"
    for what, reason in comparison.broken.items():
        yield f"DOES NOT RUN: {what}: {reason}"
    if rows:
        worst = max(rows, key=lambda row: row.ratio)
        what = f"{worst.case}, {worst.contender}, {worst.metric}"
        yield f"worst: {what}: {worst.ratio:.3f} (allowed: {limit:.3f})"


def _us(seconds: Sequence[float]) -> str:
    us = statistics.median(seconds) * 1e6
    return f"{us:.2f}" if us < 100 else f"{us:.0f}"


def _document(comparison: Comparison) -> dict[str, Any]:
    rows = [
        {
            "case": row.case,
            "contender": row.contender,
            "metric": row.metric,
            "older": row.older,
            "newer": row.newer,
            "ratios": row.ratios,
            "ratio": row.ratio,
        }
        for row in comparison.rows.values()
    ]
    return {"rows": rows, "only_new": comparison.only_new, "broken": comparison.broken}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench --against COMMIT", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--older", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--newer", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument(
        "--cases", nargs="+", metavar="PATTERN", help=f"only these: {', '.join(CASES)}; or loop-*"
    )
    parser.add_argument("--rounds", type=int, default=151, metavar="N", help="default: 151")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, metavar="RATIO", help=f"default: {LIMIT}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
