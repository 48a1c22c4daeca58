"""How many examples Hypothesis tries, and which: a conftest.py imports `pytest_configure`.

They are the same in every run, so that no run is red by chance. With CACHEX_NEW_EXAMPLES=1 they are
others each time: what such a run finds is written down with `@example`, and mended.
`dev.py soak --full` sets CACHEX_FULL=1: what searches at random then does so for hours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest

EVERY_DAY = 25
THOROUGH = 100


def how_many(everyday: int, full: int) -> int:
    """Return how often something is tried: in every run, or in one that is started by hand."""
    return full if os.environ.get("CACHEX_FULL") else everyday


def tries(everyday: int | None = None, *, full: int) -> hypothesis.settings:
    """Return settings for so many examples; in a full run they are others each time.

    Unless `everyday` says how many are tried in other runs, these are as many, and the same, as of
    any other test.
    """
    usual = hypothesis.settings()
    if everyday is None:
        everyday = usual.max_examples
        derandomize = usual.derandomize
    else:
        derandomize = True
    return hypothesis.settings(
        max_examples=how_many(everyday, full), derandomize=derandomize and not how_many(0, full=1)
    )


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where thorough tests are left out."""
    every_day = "not thorough" in config.getoption("markexpr")
    hypothesis.settings.register_profile(
        "cachex",
        max_examples=EVERY_DAY if every_day else THOROUGH,
        derandomize=not os.environ.get("CACHEX_NEW_EXAMPLES"),
        # A machine that is busy with other things must not fail a test of what is true.
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("cachex")


def some_everyday(values: Iterable[Any], every: int) -> list[Any]:
    """Return values of a parameter: each `every`th for all runs, the others for thorough ones."""
    return [
        pytest.param(value, marks=[] if at % every == 0 else pytest.mark.thorough)
        for at, value in enumerate(values)
    ]
