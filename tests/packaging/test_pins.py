"""The pins: exact versions of all that is asked for, hashes of their files, and no address."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import environments
import layers

PINS = layers.ROOT / "3rdparty/python/constraints.txt"
FLOOR = PINS.with_name("floor.txt")
PIN = re.compile(r"([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.]*(; python_version [<>=]+ \"3\.\d+\")?")
PACKAGES = sorted(layers.ROOT.glob("packages/*/pyproject.toml"))
HASHED = [environments.HASHES, *sorted(layers.ROOT.glob("build-support/*-requirements.txt"))]
LISTS = [
    *sorted(p for p in PINS.parent.glob("*.txt") if p not in (PINS, environments.HASHES)),
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


def test_the_files_of_every_pin_are_known_by_their_hashes() -> None:
    wanted = {line.partition(";")[0] for path in (PINS, FLOOR) for line in lines(path)}
    known = environments.read_hashes(environments.HASHES.read_text())
    assert {f"{name}=={version}" for name, version in known} == {
        f"{environments.normal(name)}=={version}"
        for name, version in (pin.split("==") for pin in wanted)
    }


@pytest.mark.parametrize("path", HASHED, ids=lambda path: path.name)
def test_what_is_written_of_hashes_holds_versions_and_hashes_alone(path: Path) -> None:
    words = {word for line in lines(path) for word in line.partition(";")[0].split()}
    pins = {word for word in words if "==" in word}
    hashes = {word for word in words if re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word)}
    assert len(hashes) >= len(pins) > 0
    assert words - pins - hashes <= {"\\"}


def test_what_has_no_known_hash_is_not_asked_of_pip() -> None:
    with pytest.raises(SystemExit, match=r"no hashes of attrs==0\.1: pin them"):
        environments.hashed([("attrs", "0.1")])


def a_lockfile(folder: Path, *hashes: str) -> Path:
    artifacts = [{"hash": one} for one in hashes]
    resolve = {
        "locked_requirements": [{"project_name": "a", "version": "1", "artifacts": artifacts}]
    }
    path = folder / "default.lock"
    path.write_text(f"// Pants writes such lines.\n{json.dumps({'locked_resolves': [resolve]})}")
    return path


def test_a_lockfile_with_a_strange_file_is_refused(tmp_path: Path) -> None:
    known = environments.hashed([("six", "1.17.0")]).split("sha256:")[1].split()[0]
    environments.check_lockfile(a_lockfile(tmp_path, known))
    with pytest.raises(SystemExit, match=r"no hashes of a==1 in hashes\.txt"):
        environments.check_lockfile(a_lockfile(tmp_path, known, "0" * 64))


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
