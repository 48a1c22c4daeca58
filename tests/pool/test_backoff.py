"""How long to pause: `cachex_pool._core.backoff`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cachex_pool._core.backoff import equal_jitter, full_jitter

attempts = st.integers(0, 10_000)
firsts = st.floats(0.001, 1.0)
caps = st.floats(0.001, 60.0)
chances = st.floats(0, 1)


@given(attempts, firsts, caps, chances)
def test_a_pause_is_never_negative_nor_above_the_cap(
    attempt: int, first: float, cap: float, chance: float
) -> None:
    assert 0 <= full_jitter(attempt, first, cap, chance) <= cap
    assert 0 < equal_jitter(attempt, first, cap, chance) <= cap


@given(attempts, firsts, caps, chances)
def test_equal_jitter_is_at_least_half_of_what_full_jitter_can_give(
    attempt: int, first: float, cap: float, chance: float
) -> None:
    assert equal_jitter(attempt, first, cap, chance) >= full_jitter(attempt, first, cap, 1.0) / 2


@given(st.integers(0, 59), firsts, st.sampled_from((0.0, 0.25, 0.5, 1.0)))
def test_a_pause_doubles_until_the_cap(attempt: int, first: float, chance: float) -> None:
    now = full_jitter(attempt, first, float("inf"), chance)
    assert full_jitter(attempt + 1, first, float("inf"), chance) == now * 2
