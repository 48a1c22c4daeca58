"""When a node is given up for a moment: `cachex_pool._core.breaker`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_pool import BreakerOptions
from cachex_pool._core.breaker import CLOSED, HALF_OPEN, OPEN, Breaker

ERROR = OSError("refused")


def fail(breaker: Breaker, times: int, now: float = 0.0, *, uses: int = 0) -> list[bool]:
    return [breaker.failed(ERROR, now, uses, chance=1.0) for _ in range(times)]


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(BreakerOptions(failures=5))
    assert fail(breaker, 5) == [False] * 4 + [True]
    assert breaker.state == OPEN
    assert not breaker.lets_through(0.1)
    assert breaker.last_error is ERROR


def test_an_answer_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(BreakerOptions(failures=5))
    for _ in range(100):
        fail(breaker, 4, uses=10_000)
        assert breaker.succeeded() is False
    assert breaker.state == CLOSED


def test_it_opens_when_half_of_many_uses_fail() -> None:
    breaker = Breaker(BreakerOptions(failures=1000, ratio=0.5, volume=20, window=10.0))
    opened_at = []
    for number in range(15):  # every second use fails
        if breaker.failed(ERROR, 100.0 + number * 0.1, 1000 + 2 * number, 1.0):
            opened_at.append(2 * number)
    assert opened_at == [20]


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = Breaker(BreakerOptions(failures=1000, volume=20, window=10.0))
    for number in range(200):
        assert not breaker.failed(ERROR, 100.0 + number, number, 1.0)


def test_few_failures_among_many_uses_do_not_count() -> None:
    breaker = Breaker(BreakerOptions(failures=1000, volume=20, window=10.0))
    for number in range(200):
        assert not breaker.failed(ERROR, 100.0, number * 3, 1.0)


def test_one_probe_at_a_time_goes_through() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5))
    fail(breaker, 1)
    assert [breaker.lets_through(0.6) for _ in range(3)] == [True, False, False]
    assert breaker.state == HALF_OPEN
    assert breaker.succeeded() is True
    assert breaker.lets_through(0.6)


def test_a_probe_that_never_reports_gives_way_to_another() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5))
    fail(breaker, 1)
    assert breaker.lets_through(0.6)
    assert not breaker.lets_through(1.5)
    assert breaker.lets_through(1.7)


def test_each_failed_probe_doubles_the_pause_up_to_the_limit() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5, max_open_for=4.0))
    now, pauses = 0.0, []
    for _ in range(6):
        fail(breaker, 1, now)
        pauses.append(breaker.remaining(now))
        now += pauses[-1]
        assert breaker.lets_through(now)
    assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0, 4.0, 4.0])


def test_after_recovery_the_pause_starts_small_again() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5))
    for now in (0.0, 1.0, 3.0):
        fail(breaker, 1, now)
        breaker.lets_through(now + 5.0)
    breaker.succeeded()
    fail(breaker, 1, 100.0)
    assert breaker.remaining(100.0) == pytest.approx(0.5)


def test_a_straggler_does_not_prolong_the_pause() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5))
    fail(breaker, 1, 0.0)
    assert fail(breaker, 50, 0.1) == [False] * 50
    assert breaker.remaining(0.0) == pytest.approx(0.5)


def test_a_straggler_does_not_prolong_a_pause_that_is_over() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5))
    fail(breaker, 1, 0.0)
    assert fail(breaker, 3, 0.7) == [False] * 3
    assert breaker.lets_through(0.7)


def test_callers_that_time_out_together_are_all_counted() -> None:
    breaker = Breaker(BreakerOptions(failures=5))
    assert not breaker.failed(ERROR, 0.0, 0, 1.0, times=4)
    assert breaker.failed(ERROR, 0.0, 0, 1.0, times=50)
    assert breaker.consecutive == 54


@pytest.mark.parametrize("dial_first", [False, True])
def test_a_call_and_a_connect_without_an_answer_open_it(dial_first: bool) -> None:
    breaker = Breaker(BreakerOptions(failures=5))
    assert not breaker.failed(ERROR, 0.0, 0, 1.0, dial=dial_first)
    assert breaker.failed(ERROR, 0.0, 0, 1.0, dial=not dial_first)


@pytest.mark.parametrize("dial", [False, True])
def test_an_answer_clears_the_suspicion(dial: bool) -> None:
    breaker = Breaker(BreakerOptions(failures=5))
    breaker.failed(ERROR, 0.0, 0, 1.0, dial=dial)
    assert breaker.suspects is not dial
    breaker.succeeded()
    assert not breaker.suspects
    assert not breaker.failed(ERROR, 0.0, 0, 1.0, dial=not dial)


def test_one_that_is_switched_off_suspects_nobody() -> None:
    breaker = Breaker(BreakerOptions(enabled=False))
    breaker.failed(ERROR, 0.0, 0, 1.0)
    assert not breaker.suspects


def test_the_time_a_probe_takes_is_part_of_the_next_pause() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.5, max_open_for=1.5))
    fail(breaker, 1, 0.0)
    now = 0.0
    for _ in range(5):
        now += breaker.remaining(now)
        assert breaker.lets_through(now)
        fail(breaker, 1, now + 1.0)  # it hangs for as long as a connect may take
        now += 1.0
    assert breaker.remaining(now) == pytest.approx(0.5)  # and not 1.5


def test_a_probe_that_took_longer_than_the_pause_is_followed_by_a_short_one() -> None:
    breaker = Breaker(BreakerOptions(failures=1, open_for=0.4, max_open_for=0.4))
    fail(breaker, 1, 0.0)
    assert breaker.lets_through(0.4, lasting=3.0)
    assert not breaker.lets_through(3.3)
    fail(breaker, 1, 3.4)
    assert breaker.remaining(3.4) == pytest.approx(0.1)


@given(st.floats(0, 1), st.floats(1, 10_000), st.floats(0, 1))
def test_however_long_the_outage_a_probe_goes_every_second_and_a_half(
    chance: float, outage: float, connect: float
) -> None:
    options = BreakerOptions()
    breaker = Breaker(options)
    now = 0.0
    for _ in range(options.failures):
        breaker.failed(ERROR, now, 0, chance, dial=True)
    probes = 0
    while now < outage and probes < 100:
        pause = breaker.remaining(now)
        assert pause <= 1.5
        now += pause + 1e-9  # a sum may be rounded down
        assert breaker.lets_through(now, lasting=1.0)
        started = now
        now += connect
        breaker.failed(ERROR, now, 0, chance, dial=True)
        assert now + breaker.remaining(now) - started <= max(1.5, connect + 0.125) + 1e-6
        probes += 1


def test_one_that_is_switched_off_never_opens() -> None:
    breaker = Breaker(BreakerOptions(enabled=False))
    assert not any(fail(breaker, 1000))
    assert breaker.lets_through(0.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("fail answer ask wait".split()), st.floats(0, 3)), max_size=60
    )
)
def test_whatever_happens_a_node_that_answers_again_is_used_again(
    steps: list[tuple[str, float]],
) -> None:
    options = BreakerOptions(max_open_for=10.0)
    breaker = Breaker(options)
    now = 0.0
    for what, seconds in steps:
        if what == "fail":
            breaker.failed(ERROR, now, 0, 0.5)
        elif what == "answer":
            breaker.succeeded()
        elif what == "ask":
            breaker.lets_through(now)
        else:
            now += seconds
        assert breaker.remaining(now) <= options.max_open_for
    assert breaker.lets_through(now + options.max_open_for)
    breaker.succeeded()
    assert breaker.state == CLOSED
    assert breaker.lets_through(now)
