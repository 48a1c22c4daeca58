"""The wheels of the four distributions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import layers
from support import programs


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the four wheels: Pants leaves them in its own, else they are built."""
    if list(Path.cwd().glob("cachex_*.whl")):
        return Path.cwd()
    out = tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    for pyproject in sorted(layers.ROOT.glob("packages/*/pyproject.toml")):
        subprocess.run(build, check=True, capture_output=True, cwd=pyproject.parent)
    return out


@pytest.fixture(scope="session", autouse=True)
def _no_programs_left() -> Iterator[None]:
    """End what the programs of documents are forked from."""
    yield
    programs.end()
