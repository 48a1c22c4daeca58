"""Projects that were written for another backend keep their data and pass their tests on ours.

Each is run in processes of its own: first as it was written, then with another BACKEND on the same
data, then without the other package, and at last as it was written again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from migration import child
from support.servers import Standalone

OURS = "django_cachex.cache.RedisCache"
Run = Callable[..., None]


@pytest.fixture
def run(standalone: Standalone, tmp_path: Path) -> Run:
    """Run a project: `run("shop", "test remember", BACKEND, CONNECTIONS)`."""

    def run(
        project: str, orders: str, backend: str, connections: str = "", not_installed: str = ""
    ) -> None:
        program = [sys.executable, "-W", "error::DeprecationWarning:migration"]
        facts = str(tmp_path / "facts.json")
        done = subprocess.run(
            [*program, "-m", "migration.projects.run", facts, project, *orders.split()],
            env=child.environment(
                CACHE_BACKEND=backend,
                CACHE_URL=standalone.url,
                CONNECTIONS=connections,
                NOT_INSTALLED=not_installed,
            ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{project} {orders} on {backend}:\n{done.stderr}{done.stdout}"

    return run


PROJECTS = [
    ("shop", "django_redis.cache.RedisCache", "django_redis", OURS),
    pytest.param(
        *("news", "django.core.cache.backends.redis.RedisCache", "", OURS),
        marks=pytest.mark.thorough,
    ),
    pytest.param(
        *("board", "django_valkey.cache.ValkeyCache", "django_valkey"),
        "django_cachex.cache.ValkeyCache",
        marks=pytest.mark.thorough,
    ),
]


@pytest.mark.parametrize(("project", "theirs", "package", "ours"), PROJECTS, ids=lambda v: v)
def test_a_project_moves_here_with_its_data_and_back(
    project: str, theirs: str, package: str, ours: str, run: Run
) -> None:
    run(project, "test remember", theirs, package)
    run(project, "recall test", ours, package)
    # Without the package, and with its one import changed.
    run(project, "remember recall test remember", ours, "django_cachex", package)
    # Back again.
    run(project, "recall", theirs, package)
