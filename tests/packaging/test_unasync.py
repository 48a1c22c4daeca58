"""The generator of `_sync/`: what it changes, what it leaves, and what `--check` notices."""

from __future__ import annotations

from pathlib import Path

import pytest

import unasync

ASYNC = f'''{unasync.FIRST_LINE}
"""What an AsyncPool does."""

from contextlib import asynccontextmanager
from redis.asyncio import Redis
from pkg._async.wire import AsyncWire, async_dial, _async_private, _AsyncThing


class AsyncPool(AbstractAsyncContextManager):
    async def __aenter__(self): return self
    async def __aexit__(self, *error): await self.aclose()
    def __aiter__(self): return self
    async def __anext__(self): return await self.one()

    @asynccontextmanager
    async def each(self, asynchronous: bool):
        async with self.lock:
            return [(await x.run()).reply async for x in self]
'''
SYNC = f'''{unasync.BANNER.format(source="_async/pool.py")}
"""What an Pool does."""

from contextlib import contextmanager
from redis import Redis
from pkg._sync.wire import Wire, dial, _private, _Thing


class Pool(AbstractContextManager):
    def __enter__(self): return self
    def __exit__(self, *error): self.close()
    def __iter__(self): return self
    def __next__(self): return self.one()

    @contextmanager
    def each(self, asynchronous: bool):
        with self.lock:
            return [(x.run()).reply for x in self]
'''
VERBS = """
    async def aget(self, key):
        return await self._acache.aget(key) or await self._averbatim.again(key, self.get)
"""


def package(root: Path, name: str, **files: str) -> Path:
    """Make an import package whose `_async` folder holds these modules."""
    folder = root / "packages" / name / "src" / name
    (folder / "_async").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    for module, source in files.items():
        (folder / "_async" / f"{module}.py").write_text(source)
    return folder


def test_every_common_rule_and_no_line_moves(tmp_path: Path) -> None:
    folder = package(tmp_path, "pkg", pool=ASYNC)
    assert unasync.run(tmp_path, check=False) == []
    assert (folder / "_sync/pool.py").read_text() == SYNC
    assert unasync.run(tmp_path, check=True) == []  # every rule of the common list had a use


def test_django_verbs_change_in_the_django_package_only(tmp_path: Path) -> None:
    source = f"{unasync.FIRST_LINE}{VERBS}"
    django = package(tmp_path, unasync.DJANGO_PACKAGE, operations=source)
    other = package(tmp_path, "other", operations=source)
    unasync.run(tmp_path, check=False)
    changed = "return self._cache.get(key) or self._verbatim.again(key, self.get)"
    assert changed in (django / "_sync/operations.py").read_text()
    assert "def aget(" in (other / "_sync/operations.py").read_text()


def test_check_compares_whole_files_and_writes_nothing(tmp_path: Path) -> None:
    folder = package(tmp_path, "pkg", pool=ASYNC)
    assert unasync.run(tmp_path, check=True) == ["out of step: packages/pkg/src/pkg/_sync/pool.py"]
    assert not (folder / "_sync").exists()
    unasync.run(tmp_path, check=False)
    with (folder / "_sync/pool.py").open("a") as file:
        file.write("# by hand\n")
    assert unasync.run(tmp_path, check=True) == ["out of step: packages/pkg/src/pkg/_sync/pool.py"]


@pytest.mark.parametrize("check", [True, False])
def test_a_twin_without_a_source_is_an_orphan(tmp_path: Path, check: bool) -> None:
    folder = package(tmp_path, "pkg", pool=ASYNC)
    unasync.run(tmp_path, check=False)
    (folder / "_sync/gone.py").write_text(SYNC)
    problems = unasync.run(tmp_path, check=check)
    assert problems == ["orphan: packages/pkg/src/pkg/_sync/gone.py"]


def test_a_rule_without_a_use_fails_the_check(tmp_path: Path) -> None:
    package(tmp_path, "pkg", pool=ASYNC.replace("aclose", "stop"))
    assert unasync.run(tmp_path, check=False) == []
    assert unasync.run(tmp_path, check=True) == [r"rule never used: \baclose\b"]


def test_an_unused_django_verb_fails_the_check(tmp_path: Path) -> None:
    package(tmp_path, unasync.DJANGO_PACKAGE, pool=ASYNC, operations=unasync.FIRST_LINE + VERBS)
    unasync.run(tmp_path, check=False)
    problems = unasync.run(tmp_path, check=True)
    assert len(problems) == len(unasync.DJANGO_VERBS) - 1
    assert not any(r"aget\b" in problem for problem in problems)


def test_a_source_without_the_first_line_is_refused(tmp_path: Path) -> None:
    package(tmp_path, "pkg", pool="import this\n")
    with pytest.raises(unasync.BadSource, match=r"_async/pool\.py: the first line has to be"):
        unasync.run(tmp_path, check=False)


def test_the_repository_is_in_step() -> None:
    assert unasync.run(unasync.ROOT, check=True) == []
