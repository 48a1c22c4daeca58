# Written by tools/unasync.py from _async/default.py: edit that file instead.
"""Talking to one server, or to a primary and its replicas: the shell around `_core`."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from random import random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from redis.exceptions import RedisError

from cachex_client import commands as build
from cachex_client._concurrency import Linked, sleep, last_write, monotonic
from cachex_client._core.batches import MAX_COMMANDS, batches, outcomes, parse
from cachex_client._core.health import in_order
from cachex_client._core.retry import Verdict, judge
from cachex_client._links import Link
from cachex_client.command import Command, Spec, as_is
from cachex_client.errors import ConfigurationError
from cachex_client.options import ClientOptions
from cachex_pool import (
    Connection,
    Endpoint,
    PoolError,
    PoolObserver,
    PoolStats,
    full_jitter,
    pack,
    parse_url,
)

if TYPE_CHECKING:
    from cachex_client._sync.facade import Redis

T = TypeVar("T")


@attrs.define(eq=False, slots=True)
class Links:
    """A primary and its replicas, of one process or one event loop."""

    primary: Link
    replicas: tuple[Link, ...]
    turn: int = 0

    @property
    def all(self) -> tuple[Link, ...]:
        return (self.primary, *self.replicas)

    def close(self) -> None:
        for link in self.all:
            link.close()


class DefaultClient(Linked[Links]):
    """
    Sends commands to one server, or to a primary and its replicas.

    `servers` are URLs or `Endpoint`s, the first one the primary. Nothing is connected before
    the first use. Every call has a deadline, `options.timeout` or its own `timeout` (seconds), that
    waiting, connecting, talking and trying again share. What is sent again, and what
    never is, `_core.retry` tells. One client serves a whole process: any number of threads, or
    any number of event loops, each with connections of its own.
    """

    def __init__(
        self,
        servers: Sequence[str | Endpoint],
        options: ClientOptions | None = None,
        *,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        self.options = options or ClientOptions()
        self.endpoints = tuple(map(_endpoint, servers))
        if not self.endpoints:
            raise ConfigurationError("a client needs the URL of a server; none was given")
        self._observers = tuple(observers)
        self._timeout = self.options.timeout
        self._alone = len(self.endpoints) == 1
        self._redis: Redis | None = None
        self._connect_with(self._open_links)

    def __repr__(self) -> str:
        names = ", ".join(endpoint.name for endpoint in self.endpoints)
        return f"<DefaultClient of {names}>"

    # -- commands

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """
        Send a command, return its parsed reply.

        Raises the server's error as redis-py's exception for it, or a PoolError.
        """
        spec = command.spec
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        if not self._alone or spec.blocking:
            return self._execute_routed(command, deadline)
        link = self._links.primary
        data = command.packed or pack(command.arguments)
        try:
            reply = link.call(data, deadline)
        except PoolError as error:
            return self._recover(command, data, error, [link], deadline)
        if isinstance(reply, Exception):
            return self._recover(command, data, reply, [link], deadline)
        return reply if command.parse is as_is else command.parse(reply)

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Send commands in one write, return their results in order.

        A command that failed has its error in its place: one bad key does not hide the others.
        Long lists are cut into writes of at most 2,000 commands or 256 KiB.
        """
        results: list[Any] = [None] * len(commands)
        if not commands:
            return results
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        spec = _strictest(commands)
        links = self._route(spec, monotonic())
        again = self._round(commands, range(len(commands)), links, deadline, results)
        started, attempt = monotonic(), 1
        while again:
            sample = results[again[0]]
            verdict = judge(sample, commands[again[0]].spec)
            link = self._next(verdict, sample, links, attempt, deadline)
            if link is None:
                _tell(sample, attempt, monotonic() - started)
                break
            attempt += 1
            again = self._round(commands, again, links, deadline, results)
        return [parse(command, result) for command, result in zip(commands, results, strict=True)]

    def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Run commands as one transaction (MULTI ... EXEC) on the primary, in one write.

        Raises what the server refused when a command was queued; what fails while the
        transaction runs is an error in its command's place, as Redis goes on with the rest.
        """
        if not commands:
            return []
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        data = b"".join(
            (
                pack(("MULTI",)),
                *(command.packed or pack(command.arguments) for command in commands),
                pack(("EXEC",)),
            )
        )
        whole: Command[Any] = Command(
            ("MULTI",),
            Spec(
                "MULTI",
                write=True,
                idempotent=all(command.spec.idempotent for command in commands),
                key=0,
            ),
        )
        link = self._links.primary
        error: Exception | None = None
        started, attempt = monotonic(), 0
        while True:
            attempt += 1
            try:
                replies = link.exchange(data, len(commands) + 2, deadline)
            except PoolError as trouble:
                error = trouble
            else:
                error = next((one for one in replies[:-1] if isinstance(one, Exception)), None)
                if error is None and not isinstance(replies[-1], Exception):
                    self._note_write(whole.spec)
                    return [
                        parse(command, reply)
                        for command, reply in zip(commands, replies[-1], strict=True)
                    ]
                error = error or replies[-1]
            verdict = judge(error, whole.spec)
            if self._next(verdict, error, [link], attempt, deadline) is None:
                raise _tell(error, attempt, monotonic() - started)

    def get_many(self, keys: Sequence[bytes], *, timeout: float | None = None) -> list[Any]:
        """
        Return what is stored under each key, None where there is nothing: MGET.

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

    def scan(self, pattern: bytes, count: int = 1000) -> Iterator[list[bytes]]:
        """
        Yield the keys that match a glob pattern, batch by batch, from the primary.

        As SCAN promises: a key that is there throughout comes at least once. Each step has a
        deadline of its own.
        """
        cursor = b"0"
        while True:
            step = build.scan(cursor, match=pattern, count=count)
            cursor, keys = self.execute(_on_primary(step))
            yield keys
            if cursor == b"0":
                return

    def lease(
        self, *, timeout: float | None = None
    ) -> AbstractContextManager[Connection]:
        """
        Borrow a connection to the primary for a block: for WATCH, pub/sub and their like.

        `timeout` (seconds) is how long to wait for it.
        """
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        return self._links.primary.lease(deadline)

    @property
    def redis(self) -> "Redis":
        """The whole command surface of redis-py on this client's connections."""
        if self._redis is None:
            from cachex_client._sync.facade import Redis

            self._redis = Redis(self)
        return self._redis

    # -- life

    def warm_up(self) -> None:
        """Connect to every server now; raises what the primary says, replicas may be down."""
        links = self._links
        links.primary.warm_up()
        for link in links.replicas:
            try:
                link.warm_up()
            except PoolError:
                link.health.failed(monotonic())

    def stats(self) -> list[PoolStats]:
        """Return a picture of every pool."""
        return [link.stats() for links in self._all_links() for link in links.all]

    def close(self) -> None:
        """Close the connections (of the running event loop); a later use opens new ones."""
        links = self._links
        self._forget_links()
        links.close()

    # -- inside

    def _open_links(self) -> Links:
        links = [Link(one, self.options, self._observers) for one in self.endpoints]
        return Links(links[0], tuple(links[1:]))

    def _route(self, spec: Spec, now: float) -> list[Link]:
        """Return the servers that may answer, the best first."""
        links = self._links
        if spec.write or not links.replicas:
            return [links.primary]
        if now - last_write.get() < self.options.read_your_writes:
            return [links.primary]
        links.turn += 1
        return in_order(self.options.read_from, links.primary, links.replicas, links.turn, now)

    def _execute_parts(
        self, commands: Sequence[Command[Any]], timeout: float | None
    ) -> list[Any]:
        if len(commands) != 1:
            return self.execute_many(commands, timeout=timeout)
        try:
            return [self.execute(commands[0], timeout=timeout)]
        except (PoolError, RedisError) as error:
            return [error]

    def _execute_routed(self, command: Command[T], deadline: float) -> T:
        """Do as `execute` where there is a choice of servers, or the command may block."""
        spec = command.spec
        now = monotonic()
        links = self._route(spec, now)
        data = command.packed or pack(command.arguments)
        try:
            reply = self._call(links[0], spec, data, _share(now, deadline, len(links)))
        except PoolError as error:
            return self._recover(command, data, error, links, deadline)
        if isinstance(reply, Exception):
            return self._recover(command, data, reply, links, deadline)
        self._note_write(spec)
        return command.parse(reply)

    def _call(self, link: Link, spec: Spec, data: bytes, deadline: float) -> Any:
        if spec.blocking:
            return link.call_alone(data, deadline)
        if self.options.read_from != "nearest":
            return link.call(data, deadline)
        started = monotonic()
        reply = link.call(data, deadline)
        link.health.measured(monotonic() - started)
        return reply

    def _recover(
        self,
        command: Command[T],
        data: bytes,
        error: Exception,
        links: list[Link],
        deadline: float,
    ) -> T:
        """Try again what may be tried again, until it works or nothing is left to try."""
        started, attempt = monotonic(), 1
        while True:
            link = self._next(judge(error, command.spec), error, links, attempt, deadline)
            if link is None:
                raise _tell(error, attempt, monotonic() - started)
            attempt += 1
            try:
                until = _share(monotonic(), deadline, len(links))
                reply = self._call(link, command.spec, data, until)
            except PoolError as trouble:
                error = trouble
                continue
            if not isinstance(reply, Exception):
                link.health.succeeded()
                self._note_write(command.spec)
                return command.parse(reply)
            error = reply

    def _next(
        self,
        verdict: Verdict,
        error: Exception,
        links: list[Link],
        attempt: int,
        deadline: float,
    ) -> Link | None:
        """
        Say who is asked next, after the pause that is due; None to give up.

        `links[0]` is who failed; it leaves the list if there are others.
        """
        failed, now = links[0], monotonic()
        if verdict.blame:
            failed.health.failed(now)
        if verdict.demoted:
            failed.pool.retire("read-only")
        if not verdict.again or now >= deadline:
            return None
        others = len(links) > 1
        if others:
            del links[0]
        elif not verdict.here or attempt >= self.options.retry.attempts:
            return None
        if not links[0].budget.take(now, links[0].pool.state.uses):
            return None
        if not others and not (verdict.at_once and attempt == 1):
            retry = self.options.retry
            pause = full_jitter(attempt - 1, retry.backoff, retry.max_backoff, random())
            if now + pause >= deadline:
                return None
            sleep(pause)
        return links[0]

    def _round(
        self,
        commands: Sequence[Command[Any]],
        positions: Sequence[int],
        links: list[Link],
        deadline: float,
        results: list[Any],
    ) -> list[int]:
        """Send the commands at `positions`, note their results; return which to send again."""
        again = []
        until = _share(monotonic(), deadline, len(links))
        for batch in batches(commands, positions):
            answer: list[Any] | Exception
            try:
                answer = links[0].exchange(batch.data, len(batch.positions), until)
            except PoolError as error:
                answer = error
            for position, reply in outcomes(batch, answer):
                results[position] = reply
                if isinstance(reply, Exception) and judge(reply, commands[position].spec).again:
                    again.append(position)
            self._note_write(_strictest(commands))
        return again

    def _note_write(self, spec: Spec) -> None:
        if spec.write and not self._alone:
            last_write.set(monotonic())


def _endpoint(server: str | Endpoint) -> Endpoint:
    if isinstance(server, Endpoint):
        return server
    endpoint, options = parse_url(server)
    if options:
        unknown = ", ".join(sorted(options))
        raise ConfigurationError(f"the URL of {endpoint.name} has options nobody knows: {unknown}")
    return endpoint


def _strictest(commands: Sequence[Command[Any]]) -> Spec:
    """Return the spec that decides where a list of commands goes: a write's, if there is one."""
    for command in commands:
        if command.spec.write:
            return command.spec
    return commands[0].spec


def _on_primary(command: Command[T]) -> Command[T]:
    return attrs.evolve(command, spec=attrs.evolve(command.spec, write=True))


def _share(now: float, deadline: float, servers: int) -> float:
    """Leave time for the servers that would be asked after this one."""
    return deadline if servers == 1 else now + (deadline - now) / servers


def _tell(error: Exception, attempts: int, seconds: float) -> Exception:
    """Write into an error how often and how long it was tried."""
    if attempts > 1:
        error.attempts = attempts  # type: ignore[attr-defined]
        error.add_note(f"given up after {attempts} attempts in {seconds:.3f} s")
    return error
