"""Who is asked first: `cachex_client._core.health`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client._core.health import FIRST_PAUSE, LONGEST_PAUSE, Health, in_order
from cachex_client.errors import ConfigurationError
from cachex_client.options import POLICIES, Candidate

NOW = 1000.0


@attrs.define(eq=False)
class Node:
    name: str
    health: Health = attrs.Factory(Health)

    def __repr__(self) -> str:
        return self.name


def nodes(replicas: int = 2) -> tuple[Node, list[Node]]:
    return Node("primary"), [Node(f"replica-{n}") for n in range(1, replicas + 1)]


def names(asked: Sequence[Any]) -> list[str]:
    return [one.name for one in asked]


# One server's health


def test_a_server_is_well_until_it_fails_and_again_when_it_answers() -> None:
    health = Health()
    assert health.ok
    assert health.worth_trying(NOW)
    health.failed(NOW)
    assert not health.ok
    assert not health.worth_trying(NOW)
    health.succeeded()
    assert health.ok
    assert health.worth_trying(NOW)


def test_a_sick_server_is_tried_by_one_at_a_time() -> None:
    health = Health()
    health.failed(NOW)
    assert not health.worth_trying(NOW + FIRST_PAUSE - 0.01)
    assert [health.worth_trying(NOW + FIRST_PAUSE) for _ in range(5)] == [True] + 4 * [False]


def test_a_probe_that_never_reports_gives_way_to_another() -> None:
    health = Health()
    health.failed(NOW)
    assert health.worth_trying(NOW + 1)
    assert not health.worth_trying(NOW + 1 + FIRST_PAUSE - 0.01)
    assert health.worth_trying(NOW + 1 + FIRST_PAUSE)


def test_probes_get_rarer_while_it_stays_sick_but_not_too_rare() -> None:
    health, now, probes = Health(), NOW, []
    for _ in range(10):
        health.failed(now)
        while not health.worth_trying(now):
            now += 0.25
        probes.append(now)
    pauses = [after - before for before, after in pairwise(probes)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 2 * FIRST_PAUSE
    assert pauses[-1] == LONGEST_PAUSE


def test_callers_who_fail_together_count_as_one() -> None:
    health = Health()
    for _ in range(100):
        health.failed(NOW)
    assert health.worth_trying(NOW + FIRST_PAUSE)


def test_a_new_illness_starts_with_a_short_pause() -> None:
    health = Health()
    for _ in range(10):
        health.failed(NOW)
    health.succeeded()
    health.failed(NOW)
    assert health.worth_trying(NOW + FIRST_PAUSE)


def test_latency_is_the_first_measurement_then_an_average() -> None:
    health = Health()
    assert health.latency == 0.0
    health.measured(0.010)
    assert health.latency == pytest.approx(0.010)
    health.measured(0.020)
    assert health.latency == pytest.approx(0.012)


@given(st.lists(st.floats(1e-6, 10), min_size=1))
def test_the_average_lies_between_what_was_measured(measurements: list[float]) -> None:
    health = Health()
    for seconds in measurements:
        health.measured(seconds)
    assert min(measurements) * 0.999999 <= health.latency <= max(measurements) * 1.000001


# Policies


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("primary", ["primary"]),
        ("primary_preferred", ["primary", "replica-2", "replica-1"]),
        ("replica", ["replica-2", "replica-1"]),
        ("replica_preferred", ["replica-2", "replica-1", "primary"]),
        ("any", ["replica-1", "replica-2", "primary"]),
        ("nearest", ["primary", "replica-2", "replica-1"]),
    ],
)
def test_who_is_asked_when_all_are_well(policy: str, expected: list[str]) -> None:
    primary, replicas = nodes()
    assert names(in_order(policy, primary, replicas, 1, NOW)) == expected


@pytest.mark.parametrize("policy", [*POLICIES, lambda candidates: candidates])
def test_without_replicas_the_primary_is_asked(policy: Any) -> None:
    primary, _ = nodes(0)
    assert in_order(policy, primary, [], 7, NOW) == [primary]


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        ("primary", {"primary": 60}),
        ("primary_preferred", {"primary": 60}),
        ("replica", {"replica-1": 20, "replica-2": 20, "replica-3": 20}),
        ("replica_preferred", {"replica-1": 20, "replica-2": 20, "replica-3": 20}),
        ("any", {"primary": 15, "replica-1": 15, "replica-2": 15, "replica-3": 15}),
    ],
)
def test_servers_take_turns(policy: str, first: dict[str, int]) -> None:
    primary, replicas = nodes(3)
    asked = Counter(in_order(policy, primary, replicas, turn, NOW)[0].name for turn in range(60))
    assert asked == first


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("primary", ["primary"]),
        ("primary_preferred", ["primary", "replica-2", "replica-1"]),
        ("replica", ["replica-2", "replica-1"]),
        ("replica_preferred", ["replica-2", "primary", "replica-1"]),
        ("any", ["primary", "replica-2", "replica-1"]),
        ("nearest", ["primary", "replica-2", "replica-1"]),
        (lambda candidates: candidates[::-1], ["replica-2", "primary", "replica-1"]),
    ],
)
def test_who_failed_is_asked_last(policy: Any, expected: list[str]) -> None:
    primary, replicas = nodes()
    replicas[0].health.failed(NOW)
    assert names(in_order(policy, primary, replicas, 0, NOW)) == expected


def test_a_primary_that_is_well_is_asked_before_replicas_that_failed() -> None:
    primary, replicas = nodes()
    for replica in replicas:
        replica.health.failed(NOW)
    asked = in_order("replica_preferred", primary, replicas, 0, NOW)
    assert names(asked) == ["primary", "replica-1", "replica-2"]


def test_a_replica_is_asked_before_a_primary_that_failed() -> None:
    primary, replicas = nodes()
    primary.health.failed(NOW)
    asked = in_order("primary_preferred", primary, replicas, 0, NOW)
    assert names(asked) == ["replica-1", "replica-2", "primary"]


@pytest.mark.parametrize("policy", ["primary_preferred", "replica_preferred", "replica", "any"])
def test_one_caller_at_a_time_looks_whether_a_server_is_well_again(policy: str) -> None:
    primary, replicas = nodes(2)
    sick = primary if policy == "primary_preferred" else replicas[0]
    sick.health.failed(NOW)
    before, later = NOW + FIRST_PAUSE - 0.01, NOW + FIRST_PAUSE
    asked = [in_order(policy, primary, replicas, turn, before)[0] for turn in range(20)]
    assert sick not in asked
    asked = [in_order(policy, primary, replicas, turn, later)[0] for turn in range(20)]
    assert asked.count(sick) == 1


@given(st.sampled_from(["replica", "replica_preferred", "any"]), st.integers(2, 12))
def test_however_many_servers_there_are_a_probe_goes_out_within_one_round(
    policy: str, count: int
) -> None:
    primary, replicas = nodes(count)
    replicas[0].health.failed(NOW)
    round_of = range(count + 1)
    firsts = [in_order(policy, primary, replicas, t, NOW + FIRST_PAUSE)[0] for t in round_of]
    assert replicas[0] in firsts


def test_who_is_preferred_and_well_is_asked_though_another_is_due_for_a_look() -> None:
    primary, replicas = nodes(2)
    replicas[1].health.failed(NOW)
    asked = in_order("primary_preferred", primary, replicas, 0, NOW + FIRST_PAUSE)
    assert names(asked) == ["primary", "replica-1", "replica-2"]


def test_with_the_primary_gone_replicas_are_looked_at_again_too() -> None:
    primary, replicas = nodes(2)
    primary.health.failed(NOW - FIRST_PAUSE)
    primary.health.failed(NOW)  # looked at later
    replicas[0].health.failed(NOW)
    asked = in_order("primary_preferred", primary, replicas, 0, NOW + FIRST_PAUSE)
    assert names(asked) == ["replica-1", "replica-2", "primary"]


def test_the_nearest_is_who_answered_quickest_and_who_was_never_asked_comes_first() -> None:
    primary, replicas = nodes(2)
    for node, seconds in zip((primary, *replicas), (0.003, 0.001, 0.002), strict=True):
        node.health.measured(seconds)
    for turn in range(3):
        asked = in_order("nearest", primary, replicas, turn, NOW)
        assert names(asked) == ["replica-1", "replica-2", "primary"]
    fresh = Node("replica-3")
    assert in_order("nearest", primary, [*replicas, fresh], 0, NOW)[0] is fresh


def test_who_was_slow_once_is_measured_again_now_and_then() -> None:
    primary, replicas = nodes(2)
    for node, seconds in zip((primary, *replicas), (0.001, 0.5, 0.5), strict=True):
        node.health.measured(seconds)
    asked = Counter(
        in_order("nearest", primary, replicas, turn, NOW)[0].name for turn in range(600)
    )
    assert asked["primary"] > 550
    assert asked["replica-1"] == asked["replica-2"] >= 2


# Functions


def test_a_function_sees_every_server_and_its_order_is_kept() -> None:
    primary, replicas = nodes(2)
    primary.health.measured(0.5)
    replicas[1].health.failed(NOW)
    seen: list[Candidate] = []

    def policy(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        seen.extend(candidates)
        return [one for one in candidates if not one.primary]

    assert names(in_order(policy, primary, replicas, 0, NOW)) == ["replica-1", "replica-2"]
    assert seen == [
        Candidate(name="primary", primary=True, healthy=True, latency=0.5),
        Candidate(name="replica-1", primary=False, healthy=True, latency=0.0),
        Candidate(name="replica-2", primary=False, healthy=False, latency=0.0),
    ]


def test_a_function_that_wants_nobody_gets_the_primary() -> None:
    primary, replicas = nodes(2)
    assert in_order(lambda _: [], primary, replicas, 0, NOW) == [primary]


# Whatever happened before

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 5)), max_size=30)


@given(st.sampled_from(POLICIES), st.integers(0, 3), st.integers(0, 10**9), EVENTS)
def test_everyone_eligible_is_in_the_order_once_whatever_befell_them(
    policy: str, count: int, turn: int, events: list[tuple[int, bool, float]]
) -> None:
    primary, replicas = nodes(count)
    everybody = [primary, *replicas]
    now = NOW
    for which, well, seconds in events:
        now += seconds
        health = everybody[which % len(everybody)].health
        health.succeeded() if well else health.failed(now)
        asked = in_order(policy, primary, replicas, turn, now)
        eligible = {"primary": [primary], "replica": replicas or [primary]}
        wanted = eligible.get(policy, everybody)
        assert sorted(names(asked)) == sorted(names(wanted))
        asked_well = [node.health.ok for node in asked]
        assert asked_well[1:] == sorted(asked_well[1:], reverse=True)  # a probe, the well, the sick


def test_a_function_that_names_a_stranger_is_told_whom_it_may_name() -> None:
    primary, replicas = nodes(1)
    stranger = Candidate(name="elsewhere", primary=False, healthy=True, latency=0.0)
    with pytest.raises(ConfigurationError, match=r"elsewhere.*\(primary, replica-1\)"):
        in_order(lambda known: [stranger], primary, replicas, 0, NOW)
