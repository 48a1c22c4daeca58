"""Who holds what: `cachex_pool._core.state`, without a socket, a thread or a clock."""

from __future__ import annotations

import gc
import itertools
import sys
from typing import Any

import pytest

from cachex_pool import PoolOptions
from cachex_pool._core.state import Closed, Permit, PoolState, QueueFull, Unavailable


class Connection:
    """What the state knows of a connection, and nothing else."""

    def __init__(self, expires_at: float = float("inf")) -> None:
        self.generation = 0
        self.idle_since = 0.0
        self.expires_at = expires_at
        self.busy = self.closed = False


class Ticket:
    """A place in the queue that tells the test in which order the places were served."""

    def __init__(self, served: list[Ticket] | None = None) -> None:
        self.granted: Any = None
        self._served = served if served is not None else []

    def grant(self, what: Any) -> None:
        assert self.granted is None, "one ticket was served twice"
        self.granted = what
        self._served.append(self)


def opened(state: PoolState, now: float = 0.0) -> Connection:
    """Open a connection as a caller who was let in at once."""
    permit = state.request(now)
    assert isinstance(permit, Permit)
    connection = Connection()
    state.opened(permit, connection, now)
    return connection


def queued(state: PoolState, now: float = 0.0) -> Ticket:
    """Queue as a caller for whom there is nothing."""
    assert state.request(now) is None
    ticket = Ticket()
    state.enqueue(ticket, now)
    return ticket


def test_a_grant_that_comes_after_the_timeout_goes_to_the_next() -> None:
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    first, second = queued(state), queued(state)
    state.give(connection, 1.0)
    assert first.granted is connection
    state.abandon(first, 1.0)
    assert second.granted is connection
    assert not state.idle


def test_a_permit_that_comes_after_the_timeout_goes_to_the_next() -> None:
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    first, second = queued(state), queued(state)
    state.drop(connection, 1.0)
    assert isinstance(first.granted, Permit)
    state.abandon(first, 1.0)
    assert isinstance(second.granted, Permit)
    assert state.opening == 1


def test_a_caller_who_queues_while_a_connection_comes_back_unseen_gets_it() -> None:
    # Giving back takes no lock: the connection lands in `idle` after the one asks and before
    # the other stands in the queue, so neither sees the other unless both look twice.
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    assert state.request(1.0) is None
    state.idle.append(connection)
    assert not state.waiting
    ticket = Ticket()
    state.enqueue(ticket, 1.0)
    assert ticket.granted is connection


def test_the_queue_has_an_end() -> None:
    state = PoolState(PoolOptions(max_size=1, max_waiting=1))
    connection = opened(state)
    ticket = queued(state)
    with pytest.raises(QueueFull):
        state.request(0.0)
    state.give(connection, 0.0)
    assert ticket.granted is connection


def test_one_who_comes_later_does_not_overtake() -> None:
    state = PoolState(PoolOptions(max_size=2, max_dials=1))
    permit = state.request(0.0)  # somebody is dialling, and no second dial may start
    first = queued(state)
    state.opened(permit, connection := Connection(), 0.0)
    second = Ticket()
    assert state.request(0.0) is None
    state.enqueue(second, 0.0)
    assert isinstance(first.granted, Permit)
    assert second.granted is None
    state.give(connection, 0.0)
    assert second.granted is connection


def test_after_a_failed_dial_the_whole_pool_pauses() -> None:
    state = PoolState(PoolOptions(max_size=4, backoff=1.0, max_backoff=8.0))
    error = OSError("refused")
    pauses = []
    now = 0.0
    for _ in range(6):
        state.dial_failed(state.request(now), error, now, chance=1.0)
        with pytest.raises(Unavailable):
            state.request(now)
        started = now
        while True:
            now += 0.25
            try:
                permit = state.request(now)
            except Unavailable:
                continue
            state.surrender(permit, now)
            pauses.append(now - started)
            break
        state.breaker.succeeded()
    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_nobody_waits_for_a_dial_that_failed_when_nothing_else_is_there() -> None:
    state = PoolState(PoolOptions(max_size=1))
    permit = state.request(0.0)
    waiting = [queued(state) for _ in range(3)]
    error = OSError("refused")
    state.dial_failed(permit, error, 0.0, chance=0.5)
    assert [ticket.granted for ticket in waiting] == [error] * 3


def test_a_failed_dial_does_not_concern_those_who_can_wait_for_another() -> None:
    state = PoolState(PoolOptions(max_size=2))
    connection = opened(state)
    permit = state.request(0.0)
    ticket = queued(state)
    state.dial_failed(permit, OSError("refused"), 0.0, chance=0.5)
    assert ticket.granted is None
    state.give(connection, 0.0)
    assert ticket.granted is connection


def test_room_of_what_was_dropped_comes_back_by_itself() -> None:
    state = PoolState(PoolOptions(max_size=2))
    connection = opened(state)
    permit = state.request(0.0)
    ticket = queued(state)
    del connection, permit
    state.dispatch(0.0)
    assert isinstance(ticket.granted, Permit)
    assert (state.size, state.opening) == (0, 1)


def test_nothing_runs_that_a_signal_could_kill_when_something_is_dropped() -> None:
    state = PoolState(PoolOptions(max_size=2))
    permit = state.request(0.0)
    connection = Connection()
    state.opened(state.request(0.0), connection, 0.0)
    ran: list[Any] = []
    sys.setprofile(lambda frame, event, _: ran.append(frame) if event == "call" else None)
    try:
        del permit, connection
    finally:
        sys.setprofile(None)
    assert ran == []
    state.reap()
    assert (state.size, state.opening) == (0, 0)


def test_who_is_killed_while_he_frees_places_leaves_the_rest_to_the_next() -> None:
    for step in range(100):
        state = PoolState(PoolOptions(max_size=3))
        held = [state.request(0.0) for _ in range(3)]
        state.opened(held.pop(), Connection(), 0.0)
        del held
        steps = itertools.count()

        def kill(*_: Any, steps: Any = steps, step: int = step) -> Any:
            if next(steps) == step:
                raise KeyboardInterrupt
            return kill

        before = sys.gettrace()
        sys.settrace(kill)  # told of each line in `reap`
        try:
            state.reap()
        except KeyboardInterrupt:
            killed = True
        else:
            killed = False
        finally:
            sys.settrace(before)
        state.reap()
        assert (state.size, state.opening) == (0, 0)
        if not killed:
            assert step > 10
            return


def test_a_dropped_ticket_costs_nobody_anything() -> None:
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    lost, ticket = queued(state), queued(state)
    del lost
    state.give(connection, 0.0)
    assert ticket.granted is connection


def test_a_ticket_lost_from_the_queue_is_put_first_in_line() -> None:
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    first, second = queued(state), queued(state)
    state.waiting.pop(id(first))  # as if its giver had been killed right then
    state.recheck(first, 0.0)
    state.give(connection, 0.0)
    assert first.granted is connection
    assert second.granted is None


def test_a_dropped_ticket_takes_no_place_in_a_full_queue() -> None:
    state = PoolState(PoolOptions(max_size=1, max_waiting=1))
    connection = opened(state)
    lost = queued(state)
    with pytest.raises(QueueFull):
        state.request(0.0)
    del lost
    ticket = queued(state)
    state.give(connection, 0.0)
    assert ticket.granted is connection


def test_retiring_lets_nothing_that_was_there_be_lent_again() -> None:
    state = PoolState(PoolOptions(max_size=2))
    lent, idle = opened(state), opened(state)
    state.give(idle, 0.0)
    assert state.retire(0.0, "test") == [idle]
    assert not state.keeps(lent, 0.0)
    assert state.size == 1


def test_a_connection_that_was_being_opened_while_the_pool_was_retired_is_not_kept() -> None:
    state = PoolState(PoolOptions(max_size=1))
    permit = state.request(0.0)
    state.retire(0.0, "test")
    connection = Connection()
    state.opened(permit, connection, 0.0)
    assert not state.keeps(connection, 0.0)


def test_closing_tells_everybody_who_waits() -> None:
    state = PoolState(PoolOptions(max_size=1))
    connection = opened(state)
    ticket = queued(state)
    assert state.close(0.0) == []
    assert isinstance(ticket.granted, Closed)
    assert not state.keeps(connection, 0.0)
    with pytest.raises(Closed):
        state.request(0.0)


def test_pruning_keeps_min_size_from_idleness_but_not_from_old_age() -> None:
    state = PoolState(PoolOptions(min_size=1, max_size=3, max_idle=10.0))
    connections = [opened(state) for _ in range(3)]
    for connection in connections:
        state.give(connection, 0.0)
    assert state.prune(5.0) == []
    assert [reason for _, reason in state.prune(11.0)] == ["idle", "idle"]
    (last,) = state.idle
    last.expires_at = 12.0
    assert state.prune(12.0) == [(last, "lifetime")]
    assert state.size == 0


def test_what_was_opened_is_there_or_was_closed_whatever_became_of_its_callers() -> None:
    state = PoolState(PoolOptions(max_size=5))
    kept, lost, killed, interrupted, other = (opened(state) for _ in range(5))
    assert state.counts() == (5, 0, 5, {})
    state.drop(lost, 0.0, "lost")
    state.drop(lost, 0.0, "error")  # that of a caller who does not know
    assert state.counts() == (4, 0, 5, {"lost": 1})
    del killed  # without a word
    assert state.counts() == (3, 0, 5, {"lost": 1, "killed": 1})
    state.reap()
    assert state.counts() == (3, 0, 5, {"lost": 1, "killed": 1})
    state._members.pop(id(interrupted))  # the first half of `drop`, and the whole once more
    state.drop(interrupted, 0.0, "error")
    assert state.counts() == (2, 0, 5, {"lost": 1, "killed": 2})
    state.give(other, 0.0)
    assert state.retire(0.0, "test") == [other]  # `kept` is lent
    state.drop(kept, 0.0, "retired")
    assert state.counts() == (0, 0, 5, {"lost": 1, "killed": 2, "test": 1, "retired": 1})


def test_an_idle_connection_goes_out_though_the_breaker_is_open() -> None:
    state = PoolState(PoolOptions(max_size=2))
    connection = opened(state)
    state.give(connection, 0.0)
    for _ in range(5):
        state.breaker.failed(OSError(), 0.0, 0, 0.5)
    assert state.request(0.0) is connection
    with pytest.raises(Unavailable):
        state.request(0.0)


def given_up(**options: Any) -> PoolState:
    """A pool whose server refused connections until the breaker opened."""
    state = PoolState(PoolOptions(**options))
    for _ in range(5):
        state.breaker.failed(OSError("refused"), 0.0, 0, 0.5, dial=True)
    return state


def test_a_probe_is_marked_as_one() -> None:
    state = given_up()
    assert not PoolState(PoolOptions()).request(0.0).probe
    assert state.request(10.0).probe


def test_after_a_timeout_a_new_connection_shows_whether_the_server_is_there() -> None:
    state = PoolState(PoolOptions())
    state.breaker.failed(OSError("silent"), 0.0, 0, 0.5)
    assert state.request(0.0).probe
    state.breaker.succeeded()
    assert not state.request(0.0).probe


def test_while_a_probe_is_under_way_nobody_queues_behind_it() -> None:
    state = given_up(connect_timeout=0.1)
    probe = state.request(10.0)
    for now in (10.0, 10.6, 20.0):  # however long it takes
        with pytest.raises(Unavailable):
            state.request(now)
    assert not state.waiting
    state.surrender(probe, 20.0)
    assert state.request(20.0).probe


def test_a_probe_whose_caller_was_killed_makes_room_for_another() -> None:
    state = given_up()
    probe = state.request(10.0)
    del probe
    gc.collect()
    assert state.request(20.0).probe


def test_the_pause_of_failed_connects_does_not_hold_a_probe_up() -> None:
    state = PoolState(PoolOptions(max_backoff=60.0, backoff=60.0))
    for _ in range(5):
        permit = state.request(0.0) if state.breaker.closed and not state.pause_left(0.0) else None
        if permit is not None:
            state.dial_failed(permit, OSError("refused"), 0.0, 1.0)
        state.breaker.failed(OSError("refused"), 0.0, 0, 0.5, dial=True)
    assert state.pause_left(2.0) > 0
    assert state.request(2.0).probe
