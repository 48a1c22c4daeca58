"""Runs a project: its own tests, and what it keeps from one day to the next, in any order.

python -m migration.projects.run facts.json shop test remember
python -m migration.projects.run facts.json shop recall
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from importlib import import_module
from pathlib import Path


class NotInstalled:
    """Keeps packages from being imported, as if nobody had installed them."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(facts: str, project: str, *orders: str) -> int:
    sys.meta_path.insert(0, NotInstalled(os.environ.get("NOT_INSTALLED", "").split()))  # type: ignore[arg-type]
    os.environ["DJANGO_SETTINGS_MODULE"] = f"migration.projects.{project}.settings"
    import django

    django.setup()
    kept = import_module(f"migration.projects.{project}.kept")
    for order in orders:
        if order == "test":
            if not passes(project):
                return 1
        elif order == "remember":
            Path(facts).write_text(json.dumps(kept.remember()))
        else:
            kept.recall(json.loads(Path(facts).read_text()))
    return 0


def passes(project: str) -> bool:
    """Run a project's own tests and tell whether there are some and all pass."""
    tests = unittest.defaultTestLoader.loadTestsFromName(f"migration.projects.{project}.tests")
    outcome = unittest.TextTestRunner().run(tests)
    return outcome.wasSuccessful() and outcome.testsRun > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
