"""Decisions about servers, in made-up histories in which some lie, some lag and some fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.examples import how_many
from support.histories import cluster_history, sentinel_history

PARTS = 8
"""So that several processes share a long run."""


def played(play: Callable[[int], list[str]], part: int, count: int) -> dict[int, list[str]]:
    """Play so many histories of one part; return what was decided wrongly, by seed."""
    seeds = range(part, count * PARTS, PARTS)
    return {seed: wrong for seed in seeds if (wrong := play(seed))}


@pytest.mark.parametrize("play", [sentinel_history, cluster_history])
def test_nothing_is_decided_wrongly(play: Callable[[int], list[str]]) -> None:
    assert played(play, 0, 1000) == {}


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("play", [sentinel_history, cluster_history])
def test_nothing_is_decided_wrongly_in_a_million_histories(
    play: Callable[[int], list[str]], part: int
) -> None:
    assert played(play, part, how_many(20_000, full=1_000_000) // PARTS) == {}
