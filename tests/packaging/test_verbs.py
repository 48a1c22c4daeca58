"""The generator of verbs: what it makes of a method, and what `--check` notices."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import methods
import verbs

SOURCE = '''"""Ropes."""

from typing import Any

from cachex_client.command import Command
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms
from cachex_client.timeouts import DEFAULT, Timeout


class RopeCommands(Terms):
    """Commands on ropes."""

    def pull(self, key: Key, *values: Any, version: Version | None = None) -> Command[list[Any]]:
        """Pull at a rope. Redis: PULL."""
        raise NotImplementedError

    def knot(
        self,
        key: Key,
        name: str = "a name that is long enough to need a line of its own in the end",
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        *,
        tight: bool = False,
    ) -> Command[int]:
        """Make a knot; return how many there are.

        It ends in `timeout` seconds. Redis: KNOT.
        """
        raise NotImplementedError

    def _inside(self) -> None: ...
'''


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A repository whose only methods are those of ropes."""
    (tmp_path / methods.SOURCES).mkdir(parents=True)
    (tmp_path / methods.SOURCES / "ropes.py").write_text(SOURCE)
    (tmp_path / "docs").mkdir()
    (tmp_path / verbs.PAGE).write_text(f"# Ropes\n\n{verbs.BEGIN}\n\n{verbs.END}\n\nThe end.\n")
    return tmp_path


def test_the_repository_is_in_step() -> None:
    assert verbs.run(verbs.ROOT, check=True) == []


def test_a_method_becomes_a_verb_of_everything(bare: Path) -> None:
    assert verbs.run(bare, check=False) == []
    client = (bare / verbs.CLIENT / "_async/structures/ropes.py").read_text()
    assert "    async def pull(self, key: Key, *values: Any, version" in client
    assert '"pull", self.commands.pull(key, *values, version=version)' in client
    queued = (bare / verbs.CLIENT / "queued/ropes.py").read_text()
    assert '"pull", self.commands.pull(key, *values, version=version), key, *values' in queued
    assert ") -> Self:" in queued
    django = (bare / verbs.DJANGO / "_async/structures/ropes.py").read_text()
    assert "    async def apull(self, key: Key, *values: Any" in django
    assert "self._acache.pull(key, *values, version=version)" in django
    assert '"""Pull at a rope. Redis: PULL."""' in client
    assert '"""Pull at a rope. Redis: PULL."""' in django
    page = (bare / verbs.PAGE).read_text()
    assert "| `pull(key, *values, version=None)` | `list[Any]` | Pull at a rope ([PULL]" in page
    assert page.endswith("The end.\n")


def test_the_timeout_of_djangos_cache_is_its_own(bare: Path) -> None:
    verbs.run(bare, check=False)
    django = (bare / verbs.DJANGO / "_async/structures/ropes.py").read_text()
    assert "timeout: Timeout = DEFAULT_TIMEOUT," in django
    assert "key, name, self.get_backend_timeout(timeout), version, tight=tight" in django
    assert "cachex_client.timeouts" not in django


def test_what_is_inside_stays_inside(bare: Path) -> None:
    verbs.run(bare, check=False)
    for path in bare.rglob("*/structures/*.py"):
        if "_async" in path.parts:
            assert "_inside" not in path.read_text()


def test_what_is_written_is_python(bare: Path) -> None:
    verbs.run(bare, check=False)
    written = [name for name in verbs.contents(bare) if name.endswith(".py")]
    assert len(written) == 6
    for name in written:
        ast.parse((bare / name).read_text())


def test_check_compares_and_writes_nothing(bare: Path) -> None:
    wanted = {f"out of step: {name}" for name in verbs.contents(bare)}
    assert set(verbs.run(bare, check=True)) == wanted
    assert not (bare / verbs.DJANGO).exists()
    verbs.run(bare, check=False)
    assert verbs.run(bare, check=True) == []
    with (bare / verbs.CLIENT / "queued/ropes.py").open("a") as file:
        file.write("# by hand\n")
    assert verbs.run(bare, check=True) == [f"out of step: {verbs.CLIENT}/queued/ropes.py"]


def test_what_no_module_stands_for_any_more_is_an_orphan(bare: Path) -> None:
    verbs.run(bare, check=False)
    orphan = bare / verbs.CLIENT / "queued/gone.py"
    orphan.write_text("")
    assert verbs.run(bare, check=False) == [f"orphan: {verbs.CLIENT}/queued/gone.py"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("-> Command[int]:", "-> int:"), "has to return a Command"),
        (("key: Key, *values", "key, *values"), "has no annotation"),
        (('"""Pull at a rope. Redis: PULL."""', ""), "has no docstring"),
    ],
)
def test_a_method_that_says_too_little_is_refused(
    bare: Path, change: tuple[str, str], reason: str
) -> None:
    (bare / methods.SOURCES / "ropes.py").write_text(SOURCE.replace(*change))
    with pytest.raises(ValueError, match=reason):
        methods.families(bare)
