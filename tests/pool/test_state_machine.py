"""Everything that callers, kills and the clock may do to a pool's state, in any order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

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


class Pools(RuleBasedStateMachine):
    """Everything that callers, kills and the clock may do to a pool, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.held: list[Connection] = []
        self.permits: list[Permit] = []
        self.queue: list[Ticket] = []  # first come, first
        self.served: list[Ticket] = []
        self.unnoticed = False  # time passed, or something died, and nobody has looked since

    @initialize(
        max_size=st.integers(1, 4),
        min_size=st.integers(0, 1),
        max_dials=st.integers(1, 3),
        max_waiting=st.integers(0, 5),
    )
    def start(self, **limits: int) -> None:
        self.options = PoolOptions(**limits, backoff=0.1, max_backoff=1.0, max_idle=5.0)  # type: ignore[arg-type]
        self.state = PoolState(self.options)

    # -- what follows from each step

    def settle(self) -> None:
        """Let those who were served take what they got; they have to be the first in line."""
        while self.served:
            ticket = self.served.pop(0)
            assert ticket is self.queue.pop(0), "somebody overtook"
            self.take(ticket.granted)
            ticket.granted = None

    def take(self, what: Any) -> None:
        if isinstance(what, Permit):
            self.permits.append(what)
        elif isinstance(what, Connection):
            assert what not in self.held, "two callers hold one connection"
            self.held.append(what)

    def one_of(self, data: st.DataObject, things: list[Any]) -> Any:
        return things[data.draw(st.integers(0, len(things) - 1))]  # Hypothesis keeps what it draws

    def pick(self, data: st.DataObject, things: list[Any]) -> Any:
        return things.pop(data.draw(st.integers(0, len(things) - 1)))

    def grow_queue(self) -> None:
        ticket = Ticket(self.served)
        self.queue.append(ticket)
        self.state.enqueue(ticket, self.now)

    # -- callers

    @rule()
    def acquire(self) -> None:
        try:
            self.take(self.state.idle.pop())  # as the shell does, without the lock
            return
        except IndexError:
            pass
        self.request()

    @rule()
    def request(self) -> None:
        try:
            granted = self.state.request(self.now)
        except Closed:
            assert self.state.closed
        except QueueFull:
            assert len(self.state.waiting) >= self.options.waiting_limit
        except Unavailable:
            assert not self.state.breaker.closed or not self.held
        else:
            if granted is None:
                self.grow_queue()
                assert len(self.queue) <= self.options.waiting_limit
            else:
                assert not self.queue, "somebody overtook"
                self.take(granted)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        connection = self.pick(data, self.held)
        if not self.state.keeps(connection, self.now):
            self.state.drop(connection, self.now)
        elif self.state.waiting:
            self.state.give(connection, self.now)
        else:
            self.state.idle.append(connection)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back_while_somebody_asks(self, data: st.DataObject) -> None:
        connection = self.one_of(data, self.held)
        if not self.state.keeps(connection, self.now):
            return
        try:
            granted = self.state.request(self.now)
        except (Closed, QueueFull, Unavailable):
            return
        self.held.remove(connection)
        self.state.idle.append(connection)
        if self.state.waiting:
            self.state.dispatch(self.now)
        if granted is None:
            self.grow_queue()
        else:
            self.take(granted)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def break_one(self, data: st.DataObject) -> None:
        connection = self.pick(data, self.held)
        connection.busy = True
        assert not self.state.keeps(connection, self.now)
        self.state.drop(connection, self.now)
        self.settle()

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), late=st.booleans())
    def lose_patience(self, data: st.DataObject, late: bool) -> None:
        ticket = self.one_of(data, self.queue)
        if late and self.held and ticket is self.queue[0]:
            connection = self.pick(data, self.held)
            if self.state.keeps(connection, self.now):
                self.state.give(connection, self.now)
                assert ticket.granted is connection
                self.served.remove(ticket)
            else:
                self.state.drop(connection, self.now)
                if ticket.granted is not None:
                    self.served.remove(ticket)
        self.queue.remove(ticket)
        self.state.abandon(ticket, self.now)
        self.settle()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def look_again(self, data: st.DataObject) -> None:
        self.state.recheck(self.one_of(data, self.queue), self.now)
        self.settle()
        self.unnoticed = False

    # -- dialling

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), lifetime=st.floats(1, 50))
    def dialled(self, data: st.DataObject, lifetime: float) -> None:
        connection = Connection(self.now + lifetime)
        self.state.opened(self.pick(data, self.permits), connection, self.now)
        self.unnoticed |= self.state.breaker.succeeded()
        self.held.append(connection)
        self.settle()

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), chance=st.floats(0, 1))
    def dial_fails(self, data: st.DataObject, chance: float) -> None:
        self.state.dial_failed(self.pick(data, self.permits), OSError(), self.now, chance)
        self.settle()

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def surrender(self, data: st.DataObject) -> None:
        self.state.surrender(self.pick(data, self.permits), self.now)
        self.settle()

    @rule()
    def fill(self) -> None:
        permit = self.state.permit_more(self.now)
        if permit is not None:
            assert self.state.size + self.state.opening <= self.options.min_size
            self.permits.append(permit)

    # -- killed between two steps

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def holder_is_killed(self, data: st.DataObject) -> None:
        self.pick(data, self.held)
        self.unnoticed = True

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def dialler_is_killed(self, data: st.DataObject) -> None:
        self.pick(data, self.permits)
        self.unnoticed = True

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def waiter_is_killed(self, data: st.DataObject) -> None:
        self.pick(data, self.queue)

    @precondition(lambda self: self.queue)
    @rule()
    def giver_is_killed_with_the_first_ticket_in_hand(self) -> None:
        first = self.queue[0]
        self.state.waiting.pop(id(first))
        self.state.recheck(first, self.now)
        self.settle()

    # -- time, trouble, the end

    @rule(seconds=st.sampled_from((0.05, 0.2, 1.0, 6.0, 30.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.unnoticed = True

    @rule()
    def prune(self) -> None:
        for connection, reason in self.state.prune(self.now):
            assert connection not in self.held
            assert reason in ("idle", "lifetime")
        self.settle()

    @rule()
    def retire(self) -> None:
        for connection in self.state.retire(self.now, "test"):
            assert connection not in self.held
        assert not self.state.idle
        assert not any(self.state.keeps(connection, self.now) for connection in self.held)
        self.settle()

    @rule(chance=st.floats(0, 1))
    def node_times_out(self, chance: float) -> None:
        if self.state.breaker.failed(OSError(), self.now, self.state.uses, chance):
            self.retire()

    @rule()
    def node_answers(self) -> None:
        if self.state.breaker.succeeded():
            self.unnoticed = True

    @precondition(lambda self: self.now > 1100)
    @rule()
    def close(self) -> None:
        self.state.close(self.now)
        self.settle()
        assert not self.queue
        assert not self.state.idle

    # -- what always holds

    @invariant()
    def nobody_holds_what_another_holds(self) -> None:
        everything = [*self.held, *self.state.idle]
        assert len(set(map(id, everything))) == len(everything)

    @invariant()
    def what_was_opened_is_there_or_was_closed(self) -> None:
        size, opening, opens, closes = self.state.counts()
        assert (size, opening) == self.state.census()
        assert opens == size + sum(closes.values())

    @invariant()
    def limits_hold(self) -> None:
        assert self.state.size + self.state.opening <= self.options.max_size
        assert self.state.opening <= self.options.max_dials
        assert len(self.held) + len(self.permits) <= self.options.max_size

    @invariant()
    def lost_room_comes_back(self) -> None:
        self.state.reap()
        assert self.state.size == len(self.held) + len(self.state.idle)
        assert self.state.opening == len(self.permits)

    @invariant()
    def nobody_waits_while_there_is_something_to_have(self) -> None:
        if not self.queue:
            return
        if self.unnoticed:  # every waiter looks again a few times a second
            self.look_again_of(self.queue[-1])
        if not self.queue:
            return
        assert not self.state.idle, "somebody waits though a connection is idle"
        # While it is not known whether the node is back, one connection at a time is to tell.
        dials = self.options.max_dials if self.state.breaker.closed else 1
        assert self.state.opening >= dials or (
            self.state.size + self.state.opening == self.options.max_size
            or self.state._gate > self.now
            or self.state.breaker.remaining(self.now) > 0
        ), "somebody waits though there is room to open a connection"

    def look_again_of(self, ticket: Ticket) -> None:
        self.state.recheck(ticket, self.now)
        self.settle()
        self.unnoticed = False

    def teardown(self) -> None:
        """Whatever happened: give all back, and the whole capacity can be lent again."""
        if not hasattr(self, "state") or self.state.closed:
            return
        while self.queue:
            self.state.abandon(self.queue.pop(), self.now)
            self.settle()
        for permit in self.permits:
            self.state.surrender(permit, self.now)
        for connection in self.held:
            self.state.drop(connection, self.now)
        self.held, self.permits = [], []
        self.now += 100.0
        self.state.breaker.succeeded()
        lent = []
        for _ in range(self.options.max_size):
            granted = self.state.request(self.now)
            if isinstance(granted, Permit):
                connection = Connection()
                self.state.opened(granted, connection, self.now)
                granted = connection
            lent.append(granted)
        assert len(set(map(id, lent))) == self.options.max_size
        assert None not in lent
        assert not isinstance(self.state.permit_more(self.now), Permit)


everyday = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestPools = Pools.TestCase
TestPools.settings = everyday


@pytest.mark.soak
class TestPoolsAtLength(Pools.TestCase):
    settings = settings(everyday, max_examples=2_000, stateful_step_count=60)
