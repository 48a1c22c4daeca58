"""Calls caches in a process of its own: `run` there, this file as a program here.

The other backends change the process they are imported in (django-valkey its signals), so that none
of them is imported by the tests. Each has one process, which lives until `end_all`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Call: TypeAlias = tuple[Any, ...]
"""Alias, method, and the arguments of the method."""

OWN_TIMEOUT = ("DEFAULT_TIMEOUT",)
"""Stands for Django's DEFAULT_TIMEOUT, which is another object in each process."""

TESTS = Path(__file__).resolve().parent.parent


def run(caches: Mapping[str, Any], calls: Iterable[Call]) -> list[Any]:
    """Make calls one after the other with these CACHES and return their results.

    An exception that a call raises is its result; what an iterator yields is a sorted list.
    """
    (backend,) = {entry["BACKEND"] for entry in caches.values()}
    if backend not in _children:
        _children[backend] = _Child()
    return _children[backend].run(dict(caches), list(calls))


def end_all() -> None:
    """End the processes that `run` has started."""
    while _children:
        _children.popitem()[1].end()


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which the tests' modules and the packages are found."""
    path = os.pathsep.join(os.path.abspath(one) for one in (str(TESTS), *sys.path) if one)
    return {**os.environ, "PYTHONPATH": path, **variables}


class _Child:
    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "migration.child"],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def run(self, *order: Any) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        limit = threading.Timer(120, self._process.kill)
        limit.start()
        try:
            pickle.dump(order, self._process.stdin)
            self._process.stdin.flush()
            results: list[Any] = pickle.load(self._process.stdout)
        except (OSError, EOFError):
            self._process.wait()
            self._errors.seek(0)
            raise AssertionError(self._errors.read().decode()) from None
        finally:
            limit.cancel()
        return results

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


_children: dict[str, _Child] = {}


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints
    from django.conf import settings

    settings.configure(CACHES={"default": {}}, SECRET_KEY="of tests")
    import django

    django.setup()
    from django.core.cache import caches as by_alias
    from django.core.cache.backends.base import DEFAULT_TIMEOUT
    from django.test import override_settings

    while True:
        try:
            caches, calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        results = []
        with override_settings(CACHES={"default": {}, **caches}):
            for alias, method, *arguments in calls:
                given = [DEFAULT_TIMEOUT if one == OWN_TIMEOUT else one for one in arguments]
                try:
                    result = getattr(by_alias[alias], method)(*given)
                    results.append(sorted(result) if isinstance(result, Iterator) else result)
                except Exception as error:
                    results.append(error)
        pickle.dump(results, answers)
        answers.flush()


if __name__ == "__main__":
    main()
