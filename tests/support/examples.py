"""How many examples Hypothesis tries: a conftest.py imports `pytest_configure`."""

from __future__ import annotations

import hypothesis
import pytest

EVERY_DAY = 25
THOROUGH = 100


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where thorough tests are left out."""
    every_day = "not thorough" in config.getoption("markexpr")
    hypothesis.settings.register_profile(
        "cachex",
        max_examples=EVERY_DAY if every_day else THOROUGH,
        # A machine that is busy with other things must not fail a test of what is true.
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("cachex")
