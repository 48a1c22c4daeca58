"""Calls caches in a process of its own: `run` there, this file as a program here.

The other backends change the process they are imported in (django-valkey its signals), so that none
of them is imported by the tests.
"""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Call: TypeAlias = tuple[Any, ...]
"""Alias, method, and the arguments of the method."""

TESTS = Path(__file__).resolve().parent.parent


def run(
    caches: Mapping[str, Any], calls: Iterable[Call], settings: Mapping[str, Any] | None = None
) -> list[Any]:
    """Make calls one after the other with these CACHES and return their results.

    An exception that a call raises is its result.
    """
    order = base64.b64encode(pickle.dumps((dict(caches), list(calls), dict(settings or {}))))
    done = subprocess.run(
        [sys.executable, "-m", "migration.child"],
        input=order,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    results: list[Any] = pickle.loads(base64.b64decode(done.stdout))
    return results


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which the tests' modules and the packages are found."""
    path = os.pathsep.join(os.path.abspath(one) for one in (str(TESTS), *sys.path) if one)
    return {**os.environ, "PYTHONPATH": path, **variables}


def main() -> None:
    caches, calls, settings = pickle.loads(base64.b64decode(sys.stdin.buffer.read()))
    from django.conf import settings as django_settings

    django_settings.configure(CACHES={"default": {}, **caches}, SECRET_KEY="of tests", **settings)
    import django

    django.setup()
    from django.core.cache import caches as by_alias

    results = []
    for alias, method, *arguments in calls:
        try:
            results.append(getattr(by_alias[alias], method)(*arguments))
        except Exception as error:
            results.append(error)
    sys.stdout.buffer.write(base64.b64encode(pickle.dumps(results)))


if __name__ == "__main__":
    main()
