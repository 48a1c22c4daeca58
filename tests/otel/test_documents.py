"""The page about telemetry names all that is told, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from cachex_otel import attributes

PAGE = Path(__file__).parents[2] / "docs/telemetry.md"


def rows() -> list[list[str]]:
    """Return the cells of all tables."""
    lines = PAGE.read_text().splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`((?:cachex|db|error|server|network|sentry|cache)\.[a-z_.]+)`", text))


def test_every_metric_is_there_with_its_kind_and_its_unit() -> None:
    kinds = {"updowncounter": "up-down counter"}
    told = {
        name: (cells[1], cells[2])
        for cells in rows()
        if len(cells) == 5 and cells[1] in ("histogram", "counter", "up-down counter")
        for name in names_in(cells[0])
    }
    ours = {
        one.name: (kinds.get(one.kind, one.kind), f"`{one.unit}`") for one in attributes.METRICS
    }
    assert told == ours


def test_every_attribute_is_there_and_no_other() -> None:
    ours = {
        value
        for name, value in vars(attributes).items()
        if isinstance(value, str) and name.isupper() and "." in value and "/" not in value
    }
    metrics = {one.name for one in attributes.METRICS}
    told = names_in(PAGE.read_text())
    assert ours <= told
    assert told - ours - metrics <= {"server.*"}
