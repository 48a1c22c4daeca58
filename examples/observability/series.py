"""The names of dashboard and alerts: which series they read, and what they ask of those."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from cachex_otel import attributes

HERE = Path(__file__).resolve().parent
ALERTS = HERE / "alerts.yml"
DASHBOARD = HERE / "dashboard.json"
UNITS = {"s": "seconds", "By": "bytes"}
OF_PROMETHEUS = {"instance", "job", "le", "service"}
"""Labels that come from the configuration of Prometheus, or of histograms."""

_GROUPS = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_BRACES = re.compile(r"\{([^}]*)\}")


def exposed() -> dict[str, str]:
    """Return the names Prometheus has for our metrics, and our own name of each."""
    return {
        name: metric.name
        for metric in attributes.METRICS
        for name in _exposed_as(metric.name, metric.kind, metric.unit)
    }


def _exposed_as(name: str, kind: str, unit: str) -> Iterator[str]:
    base = "_".join([name.replace(".", "_"), *([UNITS[unit]] if unit in UNITS else [])])
    if kind == "histogram":
        yield from (f"{base}_bucket", f"{base}_count", f"{base}_sum")
    else:
        yield f"{base}_total" if kind == "counter" else base


def labels() -> set[str]:
    """Return the labels our series may have."""
    values = vars(attributes).values()
    return {one.replace(".", "_") for one in values if isinstance(one, str)} | OF_PROMETHEUS


def panels() -> list[tuple[str, str]]:
    """Return title and query of every target of the dashboard."""
    found = json.loads(DASHBOARD.read_text())["panels"]
    return [(one["title"], each["expr"]) for one in found for each in one.get("targets", [])]


def alerts() -> list[tuple[str, str]]:
    """Return name and query of every alert."""
    text = ALERTS.read_text()
    names = re.findall(r"^ +- alert: (\w+)$", text, re.MULTILINE)
    return list(zip(names, re.findall(r"^ +expr: (.+)$", text, re.MULTILINE), strict=True))


def metrics_of(query: str) -> set[str]:
    """Return the series that a query reads."""
    bare = _BRACES.sub("", _GROUPS.sub("", query))
    return set(re.findall(r"\b[a-z]+_[a-z_]+\b(?!\s*\()", bare)) - {"rate_interval"}


def selected_by(query: str) -> Iterator[tuple[str, set[str]]]:
    """Yield every series that a query reads, with the labels it is selected by."""
    for name, inside in re.findall(r"\b([a-z]+_[a-z_]+)\{([^}]*)\}", query):
        yield name, set(re.findall(r"(\w+)\s*[=!]", inside))


def grouped_by(query: str) -> set[str]:
    """Return the labels that a query groups by, or matches on."""
    groups = _GROUPS.findall(query)
    return {name.strip() for group in groups for name in group.split(",")} - {""}


def labels_of(query: str) -> set[str]:
    """Return the labels that a query names."""
    return grouped_by(query).union(*(labels for _, labels in selected_by(query)))
