"""
Who holds which connection.

No I/O, no locks and no clock in here: the shells bring all three. Each method makes
one decision and applies it before it returns, under the shell's lock, so there is no
moment at which a connection is promised to one caller and visible to another.

Two things happen without that lock, because each is one atomic step of a deque: taking
the connection used last from `idle`, and putting one back while nobody waits (the
shell then looks at `waiting` once more, so a caller who queued meanwhile is served).

Everything that takes up room, an open connection or a permit to open one, is known by a
weak reference. Whoever is killed by a signal, a cancelled task or a dying greenlet
between two steps drops what it held; the room comes back by itself (`reap`).
"""

from collections import Counter, OrderedDict, deque
from typing import Any, Protocol
from weakref import ref

import attrs

from cachex_pool._core.backoff import equal_jitter
from cachex_pool._core.breaker import Breaker
from cachex_pool.options import PoolOptions

NO_GENERATION = -1
"""Of a connection that no pool has, or that has ended."""

KILLED = "killed"
POOL_CLOSED = "pool closed"
"""Why connections were closed, for the statistics."""


class Held(Protocol):
    """What the state needs to know of a connection; times are of one monotonic clock."""

    generation: int
    idle_since: float
    expires_at: float

    @property
    def busy(self) -> bool:
        """Whether replies are outstanding."""

    @property
    def closed(self) -> bool:
        """Whether it has ended, or was lost."""


class Permit:
    """The right to open one connection of a generation, in the place that is kept for it."""

    __slots__ = ("__weakref__", "generation", "probe")

    def __init__(self, generation: int = 0, *, probe: bool = False) -> None:
        self.generation = generation
        self.probe = probe  # whether this connection tells if the node is there


class Ticket(Protocol):
    """A caller's place in the queue."""

    granted: Any

    def grant(self, what: Any) -> None:
        """Wake the caller with a connection, a Permit or an exception to raise."""


class Refused(Exception):
    """Why nothing can be lent; the shell turns it into a public error."""


class Closed(Refused):
    """The pool was closed."""


class QueueFull(Refused):
    """Too many are waiting."""


class Unavailable(Refused):
    """The node failed just now: the breaker is open or the last dial's pause is not over."""


@attrs.define(eq=False)
class PoolState:
    """All that is known of one pool; see the module's text for the rules."""

    options: PoolOptions
    generation: int = 0
    closed: bool = False
    idle: deque[Any] = attrs.field(factory=deque)  # last used on the right
    waiting: OrderedDict[int, Any] = attrs.field(factory=OrderedDict)  # weak; first come first
    breaker: Breaker = attrs.field(
        default=attrs.Factory(lambda self: Breaker(self.options.breaker), takes_self=True)
    )
    dial_error: Exception | None = None
    failed_dials: int = 0  # in a row
    uses: int = 0  # how often connections were lent
    opens: int = 0
    _closes: Counter[str] = attrs.field(factory=Counter)  # by reason
    _gate: float = 0.0  # no dial before this time
    _members: dict[int, Any] = attrs.field(factory=dict)
    _permits: dict[int, Any] = attrs.field(factory=dict)
    _dead: deque[Any] = attrs.field(factory=deque)  # weak references to nothing

    @property
    def size(self) -> int:
        """Open connections: idle and lent."""
        return len(self._members)

    @property
    def opening(self) -> int:
        """Connections somebody is opening or may open."""
        return len(self._permits)

    def members(self) -> list[Any]:
        """Return the open connections."""
        return [one for one in (weak() for weak in list(self._members.values())) if one is not None]

    def census(self) -> tuple[int, int]:
        """
        Return how many connections are open and being opened, without what was dropped.

        Nothing is changed, so that any thread may ask, also one that is not the event loop's.
        """
        members, permits = (
            sum(weak() is not None for weak in list(known.values()))
            for known in (self._members, self._permits)
        )
        return members, permits

    def counts(self) -> tuple[int, int, int, dict[str, int]]:
        """
        Return how many connections are open and being opened, were opened, and closed by reason.

        What was opened is there or was closed, also where a caller was killed before it gave the
        reason. What was opened is read first and what was closed last: any thread may ask.
        """
        opens = self.opens
        size, opening = self.census()
        closes = dict(self._closes)
        if (killed := opens - size - sum(closes.values())) > 0:
            closes[KILLED] = closes.get(KILLED, 0) + killed
        return size, opening, opens, closes

    def start_anew(self) -> None:
        """Forget everything, in a child process; what was lent is of a past generation."""
        self.generation += 1
        self.uses = self.opens = 0
        self._closes.clear()
        self.failed_dials, self.dial_error, self._gate = 0, None, 0.0
        self.breaker = Breaker(self.options.breaker)
        for known in (self.idle, self.waiting, self._members, self._permits, self._dead):
            known.clear()

    # -- asking

    def pause_left(self, now: float) -> float:
        """Return the seconds for which nobody is let in, as a dial failed just now."""
        if self._members or self._permits:
            return 0.0
        return max(0.0, self._gate - now)

    def request(self, now: float) -> Any:
        """Lend a connection or a Permit to open one, or return None: the caller has to queue."""
        if self.closed:
            raise Closed
        if not self.waiting:
            connection = self._take()
            if connection is not None:
                return connection
            if self._may_open(now):
                return self._permit()
        if not self.breaker.closed or self.pause_left(now) > 0:
            raise Unavailable
        if len(self.waiting) >= self.options.waiting_limit:
            raise QueueFull
        return None

    def enqueue(self, ticket: Ticket, now: float) -> None:
        """
        Put a caller at the end of the queue, and look once more.

        What came back after `request` looked, and before the queue could be seen, went to `idle`.
        """
        self._line_up(ticket)
        self.dispatch(now)

    def recheck(self, ticket: Ticket, now: float) -> None:
        """Serve who waits with what has come free unnoticed; put a lost ticket first in line."""
        if ticket.granted is None and id(ticket) not in self.waiting:
            self._line_up(ticket)
            self.waiting.move_to_end(id(ticket), last=False)
        self.dispatch(now)

    def abandon(self, ticket: Ticket, now: float) -> Any:
        """Leave the queue; what was granted in the meantime goes to the next in line."""
        self.waiting.pop(id(ticket), None)
        granted, ticket.granted = ticket.granted, None
        if isinstance(granted, Permit):
            self._permits.pop(id(granted), None)
        elif granted is not None and not isinstance(granted, Exception):
            self.idle.append(granted)
        self.dispatch(now)
        return granted

    def dispatch(self, now: float) -> None:
        """Hand out what is there to those who wait, first come first served."""
        self.reap()
        while self.waiting:
            what = self._take()
            if what is None:
                if not self._may_open(now):
                    return
                what = self._permit()
            ticket = self._next()
            if ticket is not None:
                ticket.grant(what)
            elif isinstance(what, Permit):
                self._permits.pop(id(what), None)
            else:
                self.idle.append(what)

    # -- giving back

    def keeps(self, connection: Held, now: float) -> bool:
        """Say whether a connection that comes back is worth keeping."""
        return (
            not connection.busy
            and connection.generation == self.generation
            and now < connection.expires_at
        )

    def give(self, connection: Held, now: float) -> None:
        """Pass a connection to whoever waits longest, else keep it."""
        ticket = self._next()
        if ticket is not None:
            ticket.grant(connection)
        else:
            self.idle.append(connection)
        self.dispatch(now)

    def drop(self, connection: Held, now: float, reason: str = "error") -> bool:
        """Forget a connection, False if it is unknown; its place goes to whoever waits longest."""
        connection.generation = NO_GENERATION
        known = self._members.pop(id(connection), None) is not None
        if known:
            self._closes[reason] += 1
        self.dispatch(now)
        return known

    # -- opening

    def opened(self, permit: Permit, connection: Held, now: float) -> None:
        """
        Put a new connection in its permit's place; the next in line may dial.

        If the pool was retired meanwhile, the connection serves the caller who opened it, and is
        closed when it comes back.
        """
        self.opens += 1
        self._members[id(connection)] = ref(connection, self._dead.append)
        self._permits.pop(id(permit), None)
        connection.generation = permit.generation
        self.failed_dials, self.dial_error = 0, None
        self.dispatch(now)

    def dial_failed(self, permit: Permit, error: Exception, now: float, chance: float) -> None:
        """Give a permit back; the whole pool pauses, and nobody waits for what cannot come."""
        self._permits.pop(id(permit), None)
        pause = equal_jitter(
            self.failed_dials, self.options.backoff, self.options.max_backoff, chance
        )
        self._gate = now + pause
        self.failed_dials += 1
        self.dial_error = error
        if not self._members and not self._permits:
            self.turn_away(error)
        else:
            self.dispatch(now)

    def surrender(self, permit: Permit, now: float) -> None:
        """Give a permit back unused."""
        self._permits.pop(id(permit), None)
        self.dispatch(now)

    def permit_more(self, now: float) -> Permit | None:
        """Return a permit if fewer than `min_size` connections are open."""
        if self.closed or self.size + self.opening >= self.options.min_size:
            return None
        return self._permit() if self._may_open(now) else None

    # -- ageing

    def prune(self, now: float) -> list[tuple[Any, str]]:
        """Take out idle connections that are past their time, for the caller to close."""
        self.reap()
        past: list[tuple[Any, str]] = []
        for connection in self.idle.copy():
            if connection.generation != self.generation:
                reason = "lost" if connection.closed else "retired"
            elif now >= connection.expires_at:
                reason = "lifetime"
            elif (
                now - connection.idle_since > self.options.max_idle
                and self.size > self.options.min_size
            ):
                reason = "idle"
            else:
                continue
            try:
                self.idle.remove(connection)
            except ValueError:
                continue  # somebody was quicker
            self.drop(connection, now, reason)
            past.append((connection, reason))
        return past

    def retire(self, now: float, reason: str) -> list[Any]:
        """Start a new generation; return the idle connections, for the caller to close."""
        self.generation += 1
        idle = self.take_idle()
        for connection in idle:
            self.drop(connection, now, reason)
        return idle

    def close(self, now: float) -> list[Any]:
        """Stop lending; return the idle connections, for the caller to close."""
        self.closed = True
        self.turn_away(Closed())
        return self.retire(now, POOL_CLOSED)

    def turn_away(self, error: Exception) -> None:
        """Have nobody wait for what nobody should get any more."""
        while (ticket := self._next()) is not None:
            ticket.grant(error)

    def take_idle(self) -> list[Any]:
        """Take out all that is idle, the one used first at the start; to be given or dropped."""
        taken: list[Any] = []
        while (connection := self._take()) is not None:
            taken.insert(0, connection)
        return taken

    def reap(self) -> None:
        """Free the places of what was dropped without being given back."""
        # Whoever is killed in here leaves the rest to the next one: what was seen to goes last.
        while self._dead:
            place = self._dead[0]
            for known in (self._members, self._permits):
                for key, weak in list(known.items()):
                    if weak is place:
                        known.pop(key, None)
            if place in self._dead:
                self._dead.remove(place)
            killed = self.opens - len(self._members) - sum(self._closes.values())
            self._closes[KILLED] += max(0, killed)

    # -- inside

    def _take(self) -> Any:
        try:
            return self.idle.pop()
        except IndexError:  # `if self.idle` first would race with those who take without the lock
            return None

    def _may_open(self, now: float) -> bool:
        probe = not self.breaker.closed
        if probe and self._permits:  # one connection at a time tells whether the node is back
            self.reap()
        most = 1 if probe else self.options.max_dials
        if len(self._permits) >= most or (now < self._gate and not probe):
            return False
        if len(self._members) + len(self._permits) >= self.options.max_size:
            self.reap()
            if len(self._members) + len(self._permits) >= self.options.max_size:
                return False
        return self.breaker.lets_through(now, self.options.connect_timeout)

    def _permit(self) -> Permit:
        probe = self.breaker.suspects or not self.breaker.closed
        permit = Permit(self.generation, probe=probe)
        self._permits[id(permit)] = ref(permit, self._dead.append)
        return permit

    def _line_up(self, ticket: Ticket) -> None:
        key, waiting = id(ticket), self.waiting
        waiting[key] = ref(ticket, lambda _: waiting.pop(key, None))

    def _next(self) -> Ticket | None:
        while self.waiting:
            try:
                ticket: Ticket | None = self.waiting.popitem(last=False)[1]()
            except KeyError:  # the last one was dropped just now
                return None
            if ticket is not None and ticket.granted is None:
                return ticket
        return None
