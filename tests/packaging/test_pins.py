"""The constraints file: exact versions of all that is asked for, and no address."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import layers

PINS = layers.ROOT / "3rdparty/python/constraints.txt"
PIN = re.compile(r"([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.]*(; python_version [<>=]+ \"3\.\d+\")?")
PACKAGES = sorted(layers.ROOT.glob("packages/*/pyproject.toml"))
LISTS = [
    *sorted(p for p in PINS.parent.glob("*.txt") if p != PINS),
    layers.ROOT / "benchmarks/requirements.txt",
]


def taken_elsewhere(build: Path) -> set[str]:
    """Return the requirements that a BUILD file leaves to another one (its `overrides`)."""
    return {
        name
        for node in ast.walk(ast.parse(build.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "overrides"
        for name in ast.literal_eval(node.value)
    }


def lines(path: Path) -> Iterator[str]:
    """Yield the lines that are not comments."""
    for line in path.read_text().splitlines():
        if text := line.partition("#")[0].strip():
            yield text


def pinned() -> set[str]:
    return {layers.project_name(line) for line in lines(PINS)}


def test_every_pin_is_exact_and_names_no_address() -> None:
    assert [line for line in lines(PINS) if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_what_the_repository_asks_for_is_pinned(path: Path) -> None:
    assert {layers.project_name(line) for line in lines(path)} <= pinned()


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_what_a_package_asks_for_is_pinned_or_ours(path: Path) -> None:
    ours = {p.parent.name for p in PACKAGES}
    assert {layers.project_name(asked) for asked in layers.requirements(path)} <= pinned() | ours


def test_pants_has_one_provider_of_every_requirement() -> None:
    provided = [
        layers.project_name(requirement)
        for path in PACKAGES
        for requirement in layers.requirements(path)
        if layers.project_name(requirement) not in taken_elsewhere(path.with_name("BUILD"))
    ]
    assert len(provided) == len(set(provided))
    assert not set(provided) & {path.parent.name for path in PACKAGES}
    asked = {layers.project_name(r) for path in PACKAGES for r in layers.requirements(path)}
    assert asked - {path.parent.name for path in PACKAGES} == set(provided)
