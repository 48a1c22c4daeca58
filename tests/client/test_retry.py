"""Whether a command is sent again: `cachex_client._core.retry`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import ClientOptions, RetryOptions
from cachex_client._core.retry import (
    SUSPENDED,
    TURNED_AWAY,
    Budget,
    Verdict,
    is_rejection,
    judge,
    may_repeat,
)
from cachex_client.command import Spec
from cachex_client.commands import custom, scripts, strings
from cachex_pool import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    HandshakeRefused,
    NodeUnavailable,
    PoolClosed,
    PoolError,
    PoolStats,
    PoolTimeout,
    ProtocolError,
    TooManyWaiting,
)
from cachex_pool.errors import reply_error

NAME = "cache-1:6379/0"
TWICE = Spec("GET", write=False, idempotent=True)
ONCE = Spec("INCRBY", write=True, idempotent=False)
BOTH = [pytest.param(TWICE, id="idempotent"), pytest.param(ONCE, id="once")]
STATS = PoolStats(
    name=NAME,
    max_size=1,
    min_size=0,
    size=1,
    idle=0,
    lent=1,
    opening=0,
    waiting=1,
    uses=0,
    opened=1,
    closed={},
    waits=1,
    wait_time=0.0,
    timeouts=0,
    dial_failures=0,
    dial_time=0.0,
    breaker="closed",
    generation=0,
)
NOT_WRITTEN: list[Exception] = [
    ConnectFailed(NAME, "refused"),
    ConnectTimeout(NAME, "not connected within 1.0 s"),
    NodeUnavailable(NAME, "it failed 5 times in a row"),
    PoolTimeout(NAME, 1.0, STATS),
    TooManyWaiting(NAME, 0.0, STATS),
    ConnectionLost(NAME, "reset", written=False),
    DeadlineExceeded(NAME, "writing", written=False),
]
MAYBE_WRITTEN: list[Exception] = [
    ConnectionLost(NAME, "reset", written=True),
    DeadlineExceeded(NAME, "reading", written=True),
    ProtocolError(NAME, "not RESP"),
]


def named(error: Any) -> str:
    return f"{type(error).__name__}-{'written' if getattr(error, 'written', 0) else 'unwritten'}"


# What was not done


@pytest.mark.parametrize("spec", BOTH)
@pytest.mark.parametrize("error", NOT_WRITTEN, ids=named)
def test_what_was_never_written_may_be_sent_again_whatever_it_is(
    error: Exception, spec: Spec
) -> None:
    assert judge(error, spec).again


@pytest.mark.parametrize("error", MAYBE_WRITTEN, ids=named)
def test_what_may_have_been_written_is_sent_again_only_if_twice_is_like_once(
    error: Exception,
) -> None:
    assert judge(error, TWICE).again
    assert judge(error, ONCE) == Verdict(again=False, blame=True)


@pytest.mark.parametrize(
    "reply",
    [
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down",
    ],
)
@pytest.mark.parametrize("spec", BOTH)
def test_what_the_server_rejected_is_sent_again_after_a_pause(reply: str, spec: Spec) -> None:
    error = reply_error(reply)
    assert is_rejection(error)
    assert judge(error, spec) == Verdict(again=True, blame=True, patient=True)


@pytest.mark.parametrize("spec", BOTH)
def test_a_primary_without_its_replicas_is_well_and_nobody_else_can_take_its_writes(
    spec: Spec,
) -> None:
    error = reply_error("NOREPLICAS Not enough good replicas to write.")
    assert is_rejection(error)
    assert judge(error, spec) == Verdict(again=True, blame=False, passing=True, patient=True)


@pytest.mark.parametrize("verdict", [TURNED_AWAY, SUSPENDED])
def test_a_server_that_turns_commands_away_is_asked_as_often_as_it_is_worth_waiting_for(
    verdict: Verdict,
) -> None:
    assert may_repeat(verdict, 1000, 4, waits=True)
    assert [may_repeat(verdict, 3, 4), may_repeat(verdict, 4, 4)] == [True, False]
    assert not may_repeat(verdict, 1, 1, waits=True)  # one attempt is one attempt


@pytest.mark.parametrize("spec", BOTH)
def test_a_slot_on_the_move_is_waited_for_longer_and_no_servers_fault(spec: Spec) -> None:
    error = reply_error("TRYAGAIN Multiple keys request during rehashing of slot")
    assert is_rejection(error)
    verdict = judge(error, spec)
    assert verdict == Verdict(again=True, blame=False, passing=True)
    assert [may_repeat(verdict, 12, 4), may_repeat(verdict, 13, 4)] == [True, False]
    assert not may_repeat(verdict, 1, 1)


def test_others_get_as_many_attempts_as_the_options_say() -> None:
    verdict = Verdict(again=True)
    assert [may_repeat(verdict, 3, 4), may_repeat(verdict, 4, 4)] == [True, False]


@pytest.mark.parametrize("spec", BOTH)
def test_a_read_only_server_is_no_primary_any_more_but_not_unwell(spec: Spec) -> None:
    error = reply_error("READONLY You can't write against a read only replica.")
    assert is_rejection(error)
    assert judge(error, spec) == Verdict(again=True, demoted=True, blame=False)


@pytest.mark.parametrize(
    "reply",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR value is not an integer or out of range",
        "ERR unknown command 'NONSENSE'",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOAUTH Authentication required.",
        "NOPERM this user has no permissions",
        "NOSCRIPT No matching script",
        "MISCONF Redis is configured to save RDB snapshots",
        "BUSY Redis is busy running a script.",
        "EXECABORT Transaction discarded because of previous errors.",
        "CROSSSLOT Keys in request don't hash to the same slot",
        "LOADINGX no such code",
        "",
    ],
)
@pytest.mark.parametrize("spec", BOTH)
def test_any_other_reply_is_the_callers_and_says_nothing_of_the_node(
    reply: str, spec: Spec
) -> None:
    error = reply_error(reply)
    assert not is_rejection(error)
    assert judge(error, spec) == Verdict(again=False, blame=False)


@pytest.mark.parametrize(
    "error", [PoolClosed(NAME), ConfigurationError("TLS settings: no such file")], ids=named
)
@pytest.mark.parametrize("spec", BOTH)
def test_what_will_not_get_better_is_not_tried_again(error: Exception, spec: Spec) -> None:
    assert judge(error, spec) == Verdict(again=False, blame=False)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed(NAME, "WRONGPASS"),
        HandshakeRefused(NAME, "ERR DB index is out of range"),
    ],
    ids=named,
)
@pytest.mark.parametrize("spec", BOTH)
def test_who_does_not_let_us_in_is_not_asked_twice_but_another_is(
    error: Exception, spec: Spec
) -> None:
    assert judge(error, spec) == Verdict(again=True, here=False)


@pytest.mark.parametrize(
    "error",
    [
        reply_error("UNBLOCKED force unblock, instance state changed (master -> replica?)"),
        reply_error("LOADING Redis is loading the dataset in memory"),
        ConnectionLost(NAME, "closed by the server", written=False),
    ],
    ids=named,
)
@pytest.mark.parametrize("name", ["WAIT", "WAITAOF"])
def test_another_connection_is_not_asked_for_the_writes_of_this_one(
    error: Exception, name: str
) -> None:
    assert not judge(error, custom(name, 1, 1, 100).spec).again


# Where and when


def test_a_stale_connection_is_replaced_at_once_and_nobody_blamed() -> None:
    verdict = judge(ConnectionLost(NAME, "closed by the server", written=True), TWICE)
    assert (verdict.here, verdict.at_once, verdict.blame) == (True, True, False)


def test_a_node_that_refuses_connections_is_asked_again_after_a_pause() -> None:
    assert judge(ConnectFailed(NAME, "refused"), TWICE) == Verdict(again=True)


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded(NAME, "reading", written=True),
        NodeUnavailable(NAME, "it failed 5 times in a row"),
    ],
    ids=named,
)
def test_who_was_silent_or_given_up_is_not_asked_twice_but_another_is(error: Exception) -> None:
    verdict = judge(error, TWICE)
    assert (verdict.again, verdict.here, verdict.blame) == (True, False, True)


def test_our_own_crowd_is_not_the_nodes_fault() -> None:
    for error in (PoolTimeout(NAME, 1.0, STATS), TooManyWaiting(NAME, 0.0, STATS)):
        verdict = judge(error, ONCE)
        assert (verdict.again, verdict.here, verdict.blame) == (True, False, False)


POOL_ERRORS = st.sampled_from([*NOT_WRITTEN, *MAYBE_WRITTEN])
SPECS = st.builds(
    Spec, st.just("X"), write=st.booleans(), idempotent=st.booleans(), blocking=st.booleans()
)


@given(POOL_ERRORS, SPECS)
def test_nothing_is_ever_sent_twice_that_may_have_been_done_and_counts(
    error: PoolError, spec: Spec
) -> None:
    if error.written and not spec.idempotent:
        assert not judge(error, spec).again
    else:
        assert judge(error, spec).again


@pytest.mark.parametrize(
    ("command", "again"),
    [
        (strings.get(b"k"), True),
        (strings.set(b"k", b"v"), True),
        (strings.set(b"k", b"v", px=1000), True),
        (strings.set(b"k", b"v", nx=True), False),
        (strings.set(b"k", b"v", get=True), False),
        (strings.incrby(b"k", 1), False),
        (strings.getdel(b"k"), False),
        (custom("APPEND", "k", "v"), False),
        (custom("LPUSH", "k", "v"), False),
        (custom("PUBLISH", "channel", "m"), False),
        (custom("EXPIRE", "k", 5), True),
        (custom("SADD", "k", "v"), True),
        (custom("HSET", "k", "f", "v"), True),
        (custom("NO.SUCH", "k"), False),
        (custom("NO.SUCH", "k", idempotent=True), True),
        (scripts.eval_(b"return 1", [b"k"], []), False),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else str(value),
)
def test_commands_that_count_are_sent_once_and_others_again(command: Any, again: bool) -> None:
    lost = ConnectionLost(NAME, "reset", written=True)
    assert judge(lost, command.spec).again is again
    assert judge(ConnectionLost(NAME, "reset", written=False), command.spec).again


# The budget


def taken(budget: Budget, now: float, uses: int, wanted: int = 10_000) -> int:
    """Return how many retries there are to be had."""
    return next((n for n in range(wanted) if not budget.take(now, uses)), wanted)


def test_a_new_budget_is_full_and_then_empty() -> None:
    budget = Budget(RetryOptions(budget_per_second=10))
    assert taken(budget, now=100.0, uses=0) == 100
    assert not budget.take(100.0, 0)


def test_time_fills_it_again() -> None:
    budget = Budget(RetryOptions(budget_per_second=10))
    taken(budget, now=100.0, uses=0)
    assert taken(budget, now=101.0, uses=0) == 10
    assert taken(budget, now=101.05, uses=0) == 0
    assert taken(budget, now=1000.0, uses=0) == 100  # no more than full


def test_calls_fill_it_again() -> None:
    budget = Budget(RetryOptions(budget_per_second=10, budget_ratio=0.1))
    taken(budget, now=100.0, uses=0)
    assert taken(budget, now=100.0, uses=500) == 50
    assert taken(budget, now=100.0, uses=500) == 0


def test_no_budget_is_no_retry() -> None:
    budget = Budget(RetryOptions(budget_per_second=0, budget_ratio=0))
    assert taken(budget, now=100.0, uses=1_000_000) == 0


def test_a_clock_or_a_count_that_goes_back_takes_nothing() -> None:
    budget = Budget(RetryOptions(budget_per_second=10))
    assert budget.take(100.0, 1000)
    left = budget.tokens
    assert budget.take(50.0, 10)
    assert budget.tokens == left - 1


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 30)), min_size=1, max_size=200),
    st.floats(0, 1),
    st.integers(0, 20),
)
def test_over_time_there_are_no_more_retries_than_calls_and_seconds_earn(
    steps: list[tuple[float, int]], ratio: float, per_second: int
) -> None:
    budget = Budget(RetryOptions(budget_ratio=ratio, budget_per_second=per_second))
    now, uses, spent = 100.0, 0, 0
    for seconds, calls in steps:
        now, uses = now + seconds, uses + calls
        spent += budget.take(now, uses)
        assert spent <= 10 * per_second + ratio * uses + per_second * (now - 100.0) + 1e-6
        assert budget.tokens <= 10 * per_second


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=50, unique=True))
def test_an_outage_does_not_multiply_the_load(uses: list[int]) -> None:
    budget = Budget(RetryOptions())
    taken(budget, now=100.0, uses=0)
    for before, after in pairwise([0, *sorted(uses)]):
        assert taken(budget, now=100.0, uses=after) <= 0.1 * (after - before) + 1


# Options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", 1.5),
        ("backoff", 0),
        ("max_backoff", -1),
        ("budget_ratio", 1.1),
        ("budget_ratio", -0.1),
        ("budget_per_second", -1),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=name):
        RetryOptions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("read_your_writes", -1), ("retry", 3), ("pool", {}), ("read_from", "nobody")],
)
def test_settings_of_a_client_that_make_no_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=name):
        ClientOptions(**{name: value})
