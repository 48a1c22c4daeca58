# Written by tools/unasync.py from _async/engine.py: edit that file instead.
"""
Sending commands until they are done: what all topologies share.

A topology says which server answers a command and what a refusal means for its map; waiting,
trying again, deadlines and the order of results are here. All decisions are in `_core`.
"""

from collections.abc import Iterator, Iterable, Sequence
from contextlib import contextmanager
from random import random
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import attrs
from redis.exceptions import AskError, MovedError, ReadOnlyError, RedisError

from cachex_client import commands as build
from cachex_client._concurrency import (
    Closable,
    Linked,
    sleep,
    last_write,
    monotonic,
)
from cachex_client._core.batches import (
    MAX_COMMANDS,
    Batch,
    any_error,
    batches,
    is_in_vain,
    outcomes,
    parse_all,
    unsent,
)
from cachex_client._core.retry import REDIRECTS, Verdict, judge
from cachex_client._links import Link, exchange_all
from cachex_client._watch import Watch, watch_over
from cachex_client.command import Command, Spec
from cachex_client.observer import Origin, Sent, announced, audience, settle
from cachex_client.options import ClientOptions
from cachex_pool import (
    Connection,
    Pool,
    Endpoint,
    PoolClosed,
    PoolError,
    PoolStats,
    full_jitter,
    pack,
)

if TYPE_CHECKING:
    from cachex_client._sync.facade import Redis

T = TypeVar("T")
C = TypeVar("C", bound=Closable)

ASKING = pack(("ASKING",))
LEASE = Spec("WATCH", write=True, idempotent=True)
LEASE_OF_ANY = attrs.evolve(LEASE, key=0)
PAUSE = 0.05
SUCCESSION = 3.0
"""Seconds in which the map should know who leads after a primary that is none any more."""
PATIENT = 2
"""So many redirects are followed at once; more mean that the servers do not agree yet."""


@attrs.define(eq=False, slots=True)
class Aim:
    """Where a command goes next, and what was tried for it so far."""

    link: Link
    share: int = 1  # servers that are left to try, this one included
    asking: bool = False
    pause: bool = False
    redirects: int = 0
    fixed: bool = False  # this server or none
    tried: tuple[Link, ...] = ()
    heir_of: Link | None = None  # the silent primary whose replica is asked in its stead
    cause: Exception | None = None  # why the heir is asked
    written: bool = False  # whether a server may have seen the command before
    moved_by: Link | None = None  # the server whose MOVED led here
    size: int = 0  # bytes written, for observers


Came: TypeAlias = tuple[Aim | None, Sequence[int], list[Any]]
"""What one server answered: to the commands at these positions, these replies or errors."""


class Engine(Linked[C]):
    """The part of a client that knows no topology."""

    follows = False
    """Whether another server may take the primary's place."""
    clustered = False
    """Whether keys are spread over servers by hash slot."""
    address: Endpoint
    """The first address that was given, a Sentinel's where there are such; for observers."""

    def __init__(self, options: ClientOptions | None) -> None:
        self.options = options or ClientOptions()
        self._timeout = self.options.timeout
        self._redis: Redis | None = None

    # -- what a topology says

    def _route(
        self,
        spec: Spec,
        key: bytes | None,
        now: float,
        deadline: float,
        tried: Sequence[Link] = (),
    ) -> Aim | None:
        """Say who answers a command and was not tried yet; None if nobody is left."""
        raise NotImplementedError

    def _redirected(
        self, error: AskError, aim: Aim, deadline: float, *, moved: bool
    ) -> Link | None:
        """Learn from a redirect; return the server it names. None: there are no redirects here."""
        return None

    def _irreplaceable(self, link: Link) -> bool:
        """Say whether a lost connection to this server is no reason to ask another one."""
        return False

    def _promoted(self, command: Command[Any], aim: Aim) -> None:
        """Learn that a replica answered in its primary's stead."""

    def _led_astray(self, command: Command[Any], by: Link) -> None:
        """Learn that there is nobody where a server's MOVED led."""

    def _explained(self, error: Exception, command: Command[Any]) -> Exception:
        """Return an error that says more, or the same one."""
        return error

    def ready(self) -> None:
        """Find out which servers there are, if that is not known."""

    def redirected(self, error: MovedError) -> None:
        """Learn from a redirect that came on a leased connection."""

    def refreshed(self) -> None:
        """Look at the topology again, if there is one to look at."""

    def _learn(
        self, verdict: Verdict, error: Exception, link: Link, deadline: float
    ) -> None:
        """Learn from a failure of a server."""

    def primaries(self, deadline: float) -> Sequence[Link]:
        """Return every primary, in the order of their names."""
        raise NotImplementedError

    def _links_in_use(self) -> Iterable[Link]:
        """Return every server there is a pool for, of all event loops."""
        raise NotImplementedError

    # -- commands

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """
        Send a command, return its parsed reply.

        `timeout` is the deadline in seconds, None for the client's own. Raises the server's
        error as redis-py's exception for it, or a PoolError.
        """
        now = monotonic()
        deadline = now + (self._timeout if timeout is None else timeout)
        if audience.senders and (sent := announced(self.address, (command,))) is not None:
            try:
                return self._pursue_told(sent, command, None, deadline)
            finally:
                settle(sent)
        return self._pursue(command, self._aim(command, now, deadline), deadline)

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Send commands, one write for each server, and return their results in order.

        A command that failed has its error in its place: one bad key, or one server that is
        down, does not hide the others. At most 2,000 commands or 256 KiB go in one write.
        """
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        return self._pursue_many(commands, deadline)

    def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Run commands as one transaction (MULTI ... EXEC) on a primary, in one write.

        Raises what the server refused when a command was queued; what fails while the
        transaction runs is an error in its command's place, as Redis goes on with the rest.
        """
        if not commands:
            return []
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        data = (
            pack(("MULTI",)),
            *(command.packed or pack(command.arguments) for command in commands),
            pack(("EXEC",)),
        )
        idempotent = all(command.spec.idempotent for command in commands)
        keyed = next((command for command in commands if command.key is not None), commands[0])
        spec = attrs.evolve(keyed.spec, name="MULTI", write=True, idempotent=idempotent)
        whole = Transaction(keyed.arguments, spec, packed=b"".join(data), commands=commands)
        if audience.senders:
            sent = announced(self.address, commands, atomic=True)
            if sent is not None:
                try:
                    return self._pursue_told(sent, whole, None, deadline)
                finally:
                    settle(sent)
        return self._pursue(whole, self._aim(whole, monotonic(), deadline), deadline)

    def execute_everywhere(
        self, command: Command[Any], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Send a command to every primary, all at once; return their results, errors in place.

        For commands without a key that are about a server: FLUSHDB, DBSIZE, SCRIPT LOAD. Where
        one turns out to be no primary any more, its successor is asked instead.
        """
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        done: dict[Link, Any] = {}
        patience = SUCCESSION if self.follows or self.clustered else 0.0
        until = min(deadline, monotonic() + patience)
        while True:
            links = self.primaries(deadline)
            todo = [link for link in links if link not in done or _deposed(done[link])]
            if not todo or (done and monotonic() >= until):
                break
            if done:
                sleep(min(PAUSE, max(0.0, deadline - monotonic())))
            aims = {at: Aim(link, fixed=True) for at, link in enumerate(todo)}
            results = self._pursue_many([command] * len(todo), deadline, aims=aims)
            done |= zip(todo, results, strict=True)
        return [done[link] for link in links if link in done]

    def get_many(self, keys: Sequence[bytes], *, timeout: float | None = None) -> list[Any]:
        """
        Return what is stored under each key, None where there is nothing.

        A key whose read failed has the error in its place.
        """
        parts = [keys[at : at + MAX_COMMANDS] for at in range(0, len(keys), MAX_COMMANDS)]
        found = self._execute_parts([build.mget(part) for part in parts], timeout)
        values: list[Any] = []
        for part, reply in zip(parts, found, strict=True):
            values += [reply] * len(part) if isinstance(reply, Exception) else reply
        return values

    def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> list[int | Exception]:
        """Remove keys with UNLINK; return how many there were, or the error, for each part."""
        parts = [keys[at : at + MAX_COMMANDS] for at in range(0, len(keys), MAX_COMMANDS)]
        return self._execute_parts([build.unlink(*part) for part in parts], timeout)

    def scan(
        self, pattern: bytes, count: int = 1000, *, origin: Origin | None = None
    ) -> Iterator[list[bytes]]:
        """
        Yield the keys that match a glob pattern, batch by batch, from every primary.

        As SCAN promises: a key that is there throughout comes at least once. Each step has a
        deadline of its own; `count` is SCAN's hint. `origin` is for observers.
        """
        patience = monotonic() + self._timeout
        while True:
            (link,) = self.primaries(monotonic() + self._timeout)
            try:
                for keys in self.scan_one(link, pattern, count, origin):
                    yield keys
                    patience = monotonic() + self._timeout
            except PoolError:
                if not self.follows or monotonic() > patience:
                    raise
                self.refreshed()
                sleep(PAUSE)
                continue
            # A cursor, and what was walked, are worth something on this server only.
            if self.primaries(monotonic() + self._timeout) == (link,):
                return

    def scan_one(
        self, link: Link, pattern: bytes, count: int, origin: Origin | None = None
    ) -> Iterator[list[bytes]]:
        """Walk over the keys of one server."""
        cursor = b"0"
        while True:
            step = build.scan(cursor, match=pattern, count=count)
            step.origin = origin
            cursor, keys = self._scan_step(step, Aim(link, fixed=True))
            yield keys
            if cursor == b"0":
                return

    def _scan_step(self, step: Command[T], aim: Aim) -> T:
        until = monotonic() + self._timeout
        if audience.senders and (sent := announced(self.address, (step,))) is not None:
            try:
                return self._pursue_told(sent, step, aim, until)
            finally:
                settle(sent)
        return self._pursue(step, aim, until)

    @contextmanager
    def lease(
        self, *, key: bytes | None = None, timeout: float | None = None
    ) -> Iterator[Connection]:
        """
        Borrow a connection for a block, to the primary that holds `key`: for WATCH and its like.

        `timeout` (seconds) is how long to wait for it.
        """
        now = monotonic()
        deadline = now + (self._timeout if timeout is None else timeout)
        spec = LEASE if key is not None else LEASE_OF_ANY
        aim = self._aim(Command(("WATCH", key or b""), spec), now, deadline)
        with aim.link.lease(deadline) as connection:
            yield connection

    def primary_pool(self) -> Pool:
        """Return the pool of a primary (in the running event loop)."""
        raise NotImplementedError

    @property
    def redis(self) -> "Redis":
        """The whole command surface of redis-py on this client's connections."""
        if self._redis is None:
            from cachex_client._sync.facade import Redis

            self._redis = Redis(self)
        return self._redis

    # -- life

    def stats(self) -> list[PoolStats]:
        """Return a picture of every pool."""
        return [link.stats() for link in self._links_in_use()]

    def close(self) -> None:
        """Close the connections (of the running event loop); a later use opens new ones."""
        links = self._links
        self._forget_links()
        links.close()

    # -- inside: one command

    def _aim(self, command: Command[Any], now: float, deadline: float) -> Aim:
        aim = self._route(command.spec, command.key, now, deadline)
        if aim is None:
            raise self._nobody(command)
        return aim

    def _nobody(self, command: Command[Any]) -> Exception:
        return PoolError(f"no server can answer {command.name}")

    def _pursue_told(
        self, sent: Sent, command: Command[T], aim: Aim | None, deadline: float
    ) -> T:
        """Do as `_pursue`, and tell observers the end, whatever it is."""
        try:
            if aim is None:
                aim = self._aim(command, monotonic(), deadline)
            return self._pursue(command, aim, deadline, sent=sent)
        except BaseException as error:
            sent.error = error
            raise
        finally:
            settle(sent)  # whoever called does so again, should an interrupt keep this one from it

    def _pursue(
        self,
        command: Command[T],
        aim: Aim,
        deadline: float,
        failed: Exception | None = None,
        sent: Sent | None = None,
    ) -> T:
        """Send a command until it is done or there is nothing left to try."""
        data = command.packed or pack(command.arguments)
        started, attempt = monotonic(), 1
        while True:
            if sent is not None:
                sent.peer = aim.link.endpoint
                sent.bytes_out += len(data)
            reply = failed or self._send(command, data, aim, deadline)
            if not isinstance(reply, Exception):
                aim.link.health.succeeded()
                if aim.heir_of is not None:
                    self._promoted(command, aim)
                self._note_write(command.spec)
                if sent is not None:
                    sent.came(reply if sent.atomic else (reply,))
                return command.parse(reply)
            following = self._after(reply, command, aim, attempt, deadline)
            if following is None or not self._may_go_on([following], attempt, deadline):
                reply = self._explained(_first_cause(reply, aim), command)
                if getattr(reply, "written", False):
                    self._note_write(command.spec)
                raise _tell(reply, attempt, monotonic() - started)
            following.written = aim.written or getattr(reply, "written", False)
            if sent is not None:
                sent.again(reply)
            aim, failed = following, None
            attempt += 1

    def _send(self, command: Command[Any], data: bytes, aim: Aim, deadline: float) -> Any:
        """Send a command once; return its reply or what went wrong."""
        until = _until(deadline, aim.share)
        link = aim.link
        measured = self.options.read_from == "nearest"
        started = monotonic() if measured else 0.0
        try:
            if isinstance(command, Transaction):
                return command.settle(_exchange(link, data, command.count, until, aim.asking))
            if aim.asking:
                return (_exchange(link, data, 1, until, True))[0]
            if command.spec.blocking:
                return link.call_alone(data, until)
            reply = link.call(data, until)
        except PoolError as error:
            return error
        if measured:
            link.health.measured(monotonic() - started)
        return reply

    def _after(
        self,
        error: Exception,
        command: Command[Any],
        aim: Aim,
        attempt: int,
        deadline: float,
        learned: "set[tuple[int, Verdict]] | None" = None,
    ) -> Aim | None:
        """
        Say where a command goes after a failure; None if that was the end of it.

        `learned` is what failures of other commands of the same write have told already.
        """
        if isinstance(error, AskError):
            return self._after_redirect(error, aim, attempt, deadline)
        verdict = judge(error, command.spec)
        now = monotonic()
        lesson = (id(aim.link), verdict)
        if learned is None or lesson not in learned:
            if learned is not None:
                learned.add(lesson)
            if verdict.blame:
                aim.link.health.failed(now)
            self._learn(verdict, error, aim.link, deadline)
        if isinstance(error, PoolClosed) and aim.link.left and not aim.fixed:
            more = attempt < self.options.retry.attempts  # the map changed meanwhile
            return self._route(command.spec, command.key, now, deadline) if more else None
        if not verdict.again:
            return None
        at_once = verdict.at_once and attempt == 1
        if aim.fixed or (at_once and self._irreplaceable(aim.link)):
            more = verdict.here and attempt < self.options.retry.attempts
            return attrs.evolve(aim, pause=not at_once) if more else None
        tried = (*aim.tried, aim.link)
        following = self._route(command.spec, command.key, now, deadline, tried)
        if following is not None:
            following.tried = tried
            following.cause = aim.cause or error
            return following
        if not verdict.here or attempt >= self.options.retry.attempts:
            return None
        if aim.moved_by is not None:  # which is alive, and may know better by now
            self._led_astray(command, aim.moved_by)
            return Aim(aim.moved_by, pause=True, redirects=aim.redirects, cause=aim.cause or error)
        following = self._route(command.spec, command.key, now, deadline)
        if following is not None:
            following.pause = not at_once
        return following

    def _after_redirect(
        self, error: AskError, aim: Aim, attempt: int, deadline: float
    ) -> Aim | None:
        moved = isinstance(error, MovedError)  # which is an AskError too
        link = self._redirected(error, aim, deadline, moved=moved)
        if link is None or aim.fixed or aim.redirects >= REDIRECTS:
            return None
        if moved and link is aim.heir_of:  # not promoted yet
            again = attempt < self.options.retry.attempts
            return Aim(link, pause=True, cause=aim.cause) if again else None
        following = Aim(link, asking=not moved, redirects=aim.redirects + 1)
        following.moved_by = aim.link if moved and link is not aim.link else None
        following.pause = following.redirects > PATIENT
        return following

    def _may_go_on(self, aims: Sequence[Aim], attempt: int, deadline: float) -> bool:
        """
        Make the pause that is due, and take what it leads to from the servers' budgets.

        Free are redirects, the first replacement of a lost connection, and a server that was not
        asked yet: there are only so many of those, and each call in flight has a right to them.
        """
        now = monotonic()
        if now >= deadline:
            return False
        for link in {aim.link for aim in aims if aim.pause and not aim.redirects}:
            if not link.budget.take(now, link.pool.state.uses):
                return False
        if any(aim.pause for aim in aims):
            retry = self.options.retry
            pause = full_jitter(attempt - 1, retry.backoff, retry.max_backoff, random())
            closed = max(aim.link.pool.state.pause_left(now) for aim in aims if aim.pause)
            if closed <= retry.max_backoff:
                pause += closed  # before that a pool would refuse what a server may take
            if now + pause >= deadline:
                return False
            sleep(pause)
        return True

    # -- inside: many commands

    def _pursue_many(
        self,
        commands: Sequence[Command[Any]],
        deadline: float,
        came: "Sequence[Came] | None" = None,
        aims: dict[int, Aim] | None = None,
        watch: Watch | None = None,
    ) -> list[Any]:
        """
        Go round until all commands are done.

        `came` is what a first round brought already, `aims` where commands at positions have to go.
        """
        if came is None and watch is None:
            watch = watch_over(self.address, commands)
        if watch is None:
            return self._go_round(commands, deadline, came, aims, None)
        try:
            return self._go_round(commands, deadline, came, aims, watch)
        except BaseException as error:
            watch.break_off(error)
            raise
        finally:
            watch.break_off()  # does nothing, unless an interrupt kept it from being told

    def _go_round(
        self,
        commands: Sequence[Command[Any]],
        deadline: float,
        came: "Sequence[Came] | None",
        aims: dict[int, Aim] | None,
        watch: Watch | None,
    ) -> list[Any]:
        results: list[Any] = [None] * len(commands)
        started = monotonic()
        aims = {} if aims is None else aims
        pending: Sequence[int] = range(len(commands))
        attempt = 0
        while pending:
            attempt += 1
            if came is None:
                groups = self._group(commands, pending, aims, monotonic(), deadline)
                if watch is not None:
                    watch.leave(groups)
                came = self._round(commands, groups, deadline)
            again: list[int] = []
            causes: dict[int, Exception] = {}
            learned: set[tuple[int, Verdict]] = set()
            for aim, positions, replies in came:
                if watch is not None:
                    watch.reach(aim, positions)
                for position, reply in zip(positions, replies, strict=True):
                    results[position] = reply
                if aim is None:
                    continue
                if not (aim.heir_of or any_error(replies)):
                    if not aim.link.health.ok:
                        aim.link.health.succeeded()
                    continue
                settled: tuple[Any, Any, Any] = (None, None, None)  # error, spec, what came of it
                for position, reply in zip(positions, replies, strict=True):
                    if not isinstance(reply, Exception):
                        if aim.heir_of is not None:
                            self._promoted(commands[position], aim)
                        continue
                    command = commands[position]
                    if reply is settled[0] and command.spec is settled[1]:
                        results[position] = settled[2]  # one write was lost, thousands may be in it
                        continue
                    following = self._after(reply, command, aim, attempt, deadline, learned)
                    results[position] = self._explained(_first_cause(reply, aim), command)
                    if following is None:
                        _tell(results[position], attempt, monotonic() - started)
                        settled = (reply, command.spec, results[position])
                    else:
                        following.written = aim.written or getattr(reply, "written", False)
                        aims[position] = following
                        again.append(position)
                        causes[position] = reply
            if watch is not None:
                watch.settle(results, again)
            if again and not self._may_go_on([aims[at] for at in again], attempt, deadline):
                for position in again:
                    _tell(results[position], attempt, monotonic() - started)
                break
            if watch is not None:
                watch.go_on(causes)
            pending, came = again, None
        if watch is not None:
            watch.settle(results)
        self._note_writes(commands)
        return parse_all(commands, results)

    def _group(
        self,
        commands: Sequence[Command[Any]],
        positions: Sequence[int],
        aims: dict[int, Aim],
        now: float,
        deadline: float,
    ) -> list[tuple[Aim | None, list[int]]]:
        """Gather the commands that go to the same server, in a fixed order of servers."""
        groups: dict[Any, tuple[Aim | None, list[int]]] = {}
        for position in positions:
            command = commands[position]
            aim = aims.get(position)
            if aim is None:
                aim = self._route(command.spec, command.key, now, deadline)
            place = None if aim is None else (id(aim.link), aim.asking)
            groups.setdefault(place, (aim, []))[1].append(position)
        return sorted(groups.values(), key=lambda one: "" if one[0] is None else one[0].link.name)

    def _round(
        self,
        commands: Sequence[Command[Any]],
        groups: Sequence[tuple[Aim | None, Sequence[int]]],
        deadline: float,
    ) -> "list[Came]":
        """Write to all servers, then read from all; return what came, by server."""
        came: list[Came] = []
        todo = []
        for target, positions in groups:
            if target is None:
                came.append((None, positions, [self._nobody(commands[at]) for at in positions]))
            else:
                before = ASKING if target.asking else b""
                todo.append((target, batches(commands, positions, before)))
        while todo:
            step: list[tuple[Aim, Batch]] = []
            for aim, rest in todo:
                batch = next(rest, None)
                if batch is not None:
                    step.append((aim, batch))
            if not step:
                break
            for aim, batch in step:
                aim.size += len(batch.data)
            answers = exchange_all(
                [(a.link, b.data, b.count, _until(deadline, a.share)) for a, b in step]
            )
            going_on = []
            for (aim, batch), answer in zip(step, answers, strict=True):
                came.append((aim, batch.positions, outcomes(batch, answer)))
                rest = next(rest for one, rest in todo if one is aim)
                if not isinstance(answer, PoolError) or not is_in_vain(answer):
                    going_on.append((aim, rest))
                    continue
                for left in rest:
                    came.append((aim, left.positions, unsent(answer, len(left.positions))))
            todo = going_on
        return came

    def _execute_parts(
        self, commands: Sequence[Command[Any]], timeout: float | None
    ) -> list[Any]:
        if len(commands) != 1:
            return self.execute_many(commands, timeout=timeout)
        try:
            return [self.execute(commands[0], timeout=timeout)]
        except (PoolError, RedisError) as error:
            return [error]

    def _note_write(self, spec: Spec) -> None:
        if spec.write and self.options.read_your_writes:
            last_write.set(monotonic())

    def _note_writes(self, commands: Sequence[Command[Any]]) -> None:
        if commands:
            self._note_write(strictest(commands))


@attrs.define(slots=True)
class Transaction(Command[list[Any]]):
    """MULTI, commands, EXEC: one command to the retry rules, many replies on the wire."""

    commands: Sequence[Command[Any]] = ()

    @property
    def count(self) -> int:
        """How many replies there will be."""
        return len(self.commands) + 2

    def settle(self, replies: Sequence[Any]) -> Any:
        """Return the commands' results, or the error that kept the transaction from running."""
        refused = next((one for one in replies[:-1] if isinstance(one, Exception)), None)
        if refused is not None or isinstance(replies[-1], Exception):
            return refused or replies[-1]
        return parse_all(self.commands, replies[-1])


def _exchange(
    link: Link, data: bytes, count: int, until: float, asking: bool
) -> list[Any]:
    if not asking:
        return link.exchange(data, count, until)
    return (link.exchange(ASKING + data, count + 1, until))[1:]


def strictest(commands: Sequence[Command[Any]]) -> Spec:
    """Return the spec that decides where a list of commands goes: a write's, if there is one."""
    for command in commands:
        if command.spec.write:
            return command.spec
    return commands[0].spec


def _deposed(result: Any) -> bool:
    return isinstance(result, ReadOnlyError | PoolClosed)


def _first_cause(error: Exception, aim: Aim) -> Exception:
    """
    Return what a primary's silence was, if all its replica said is that it is still none.

    What was written in an earlier attempt was written, whatever became of the last one.
    """
    if aim.cause is not None and aim.heir_of is not None and isinstance(error, AskError):
        error = aim.cause
    if aim.written and isinstance(error, PoolError):
        error.written = True
    return error


def _until(deadline: float, share: int) -> float:
    """Leave time for the servers that would be asked after this one."""
    if share <= 1:
        return deadline
    now = monotonic()
    return now + (deadline - now) / share


def _tell(error: Exception, attempts: int, seconds: float) -> Exception:
    """Write into an error how often and how long it was tried."""
    if attempts > 1 and not hasattr(error, "attempts"):  # one error may befall many commands
        error.attempts = attempts  # type: ignore[attr-defined]
        error.add_note(f"given up after {attempts} attempts in {seconds:.3f} s")
    return error
