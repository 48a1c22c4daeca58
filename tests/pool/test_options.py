"""How a pool behaves: what may be asked for, what is refused."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from cachex_pool import (
    BreakerOptions,
    ConfigurationError,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    NodeUnavailable,
    PoolClosed,
    PoolError,
    PoolOptions,
    PoolTimeout,
    ProtocolError,
    TooManyWaiting,
)
from cachex_pool.stats import PoolStats

STATS = PoolStats(
    name="h:1/0",
    max_size=2,
    min_size=0,
    size=2,
    idle=0,
    lent=2,
    opening=0,
    waiting=7,
    uses=0,
    opened=0,
    closed={},
    waits=0,
    wait_time=0.0,
    timeouts=0,
    dial_failures=0,
    dial_time=0.0,
    breaker="closed",
    generation=0,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_size": 0},
        {"max_size": 2.5},
        {"min_size": -1},
        {"min_size": 3, "max_size": 2},
        {"max_waiting": -1},
        {"max_idle": 0},
        {"max_idle": "300"},
        {"max_lifetime": -1},
        {"jitter": 2},
        {"alive_bypass": -0.1},
        {"connect_timeout": 0},
        {"max_dials": 0},
        {"backoff": 0},
        {"leak_after": 0},
        {"leak_after": "10"},
        {"max_waiting": "10"},
        {"max_size": True},
        {"max_idle": math.nan},
        {"keepalive": "no"},
        {"breaker": {}},
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))) as caught:
        PoolOptions(**wrong)
    assert "Attribute" not in str(caught.value)


def test_what_was_given_and_what_is_taken_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        PoolOptions(jitter=1.5)
    assert str(caught.value) == "jitter is a number of at least 0 and at most 1, not 1.5"


@pytest.mark.parametrize(
    "wrong",
    [
        {"failures": 0},
        {"ratio": 0},
        {"ratio": 1.1},
        {"ratio": "half"},
        {"volume": 0},
        {"open_for": 0},
        {"enabled": 1},
    ],
)
def test_breaker_options_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        BreakerOptions(**wrong)


def test_twenty_times_as_many_as_there_are_connections_may_wait_unless_said() -> None:
    assert PoolOptions(max_size=3).waiting_limit == 60
    assert PoolOptions(max_size=3, max_waiting=0).waiting_limit == 0


ERRORS = [
    PoolClosed("h:1/0"),
    PoolTimeout("h:1/0", 5.0, STATS),
    TooManyWaiting("h:1/0", 0.0, STATS),
    ConnectTimeout("h:1/0", "no answer"),
    NodeUnavailable("h:1/0", "it failed"),
    ConnectionLost("h:1/0", "reset", written=True),
    DeadlineExceeded("h:1/0", "waiting for the reply", written=True),
    ProtocolError("h:1/0", "garbage"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_can_be_sent_to_another_process(error: PoolError) -> None:
    error.add_note("given up after 2 attempts")
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


def test_a_timeout_of_the_pool_says_how_full_it_was() -> None:
    text = str(PoolTimeout("h:1/0", 5.0, STATS))
    assert "h:1/0" in text
    assert "5.000 s" in text
    assert "limit 2, lent 2, opening 0, waiting 7" in text
