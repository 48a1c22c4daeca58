"""How a client behaves: what may be asked for, what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cachex_client import ClientOptions, ConfigurationError
from cachex_client.options import RetryOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": "5"},
        {"timeout": None},
        {"timeout": math.nan},
        {"timeout": True},
        {"read_your_writes": -1},
        {"read_from": "anybody"},
        {"retry": {}},
        {"pool": {}},
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))) as caught:
        ClientOptions(**wrong)
    assert "Attribute" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"attempts": 1.5}, {"backoff": 0}, {"budget_ratio": 2}, {"max_backoff": "1"}],
)
def test_retries_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        RetryOptions(**wrong)


def test_what_was_given_and_what_is_taken_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientOptions(timeout=0)
    assert str(caught.value) == "timeout is a number above 0, not 0"
