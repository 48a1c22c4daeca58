"""Runs a project: its own tests, or what it keeps from one day to the next.

python -m migration.projects.run shop test
python -m migration.projects.run shop remember facts.json
python -m migration.projects.run shop recall facts.json
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


def main(project: str, what: str, facts: str = "") -> int:
    sys.meta_path.insert(0, NotInstalled(os.environ.get("NOT_INSTALLED", "").split()))  # type: ignore[arg-type]
    os.environ["DJANGO_SETTINGS_MODULE"] = f"migration.projects.{project}.settings"
    import django

    django.setup()
    if what == "test":
        tests = unittest.defaultTestLoader.loadTestsFromName(f"migration.projects.{project}.tests")
        outcome = unittest.TextTestRunner().run(tests)
        return 0 if outcome.wasSuccessful() and outcome.testsRun else 1
    kept = import_module(f"migration.projects.{project}.kept")
    if what == "remember":
        Path(facts).write_text(json.dumps(kept.remember()))
    else:
        kept.recall(json.loads(Path(facts).read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
