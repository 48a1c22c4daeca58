# Written by tools/unasync.py from _async/engine.py: edit that file instead.
"""
Sending commands until they are done: what all topologies share.

A topology says which server answers a command and what a refusal means for its map; waiting,
trying again, deadlines and the order of results are the same for all. `pursuit` does that for one
command, `rounds` for many; here is what callers see. All decisions are in `_core`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import attrs
from redis.exceptions import ReadOnlyError, RedisError

from cachex_client import commands as build
from cachex_client._sync.aim import Aim
from cachex_client._sync.rounds import Rounds
from cachex_client._audience import audience
from cachex_client._concurrency import Closable, Pacer, sleep, monotonic
from cachex_client._core.batches import MAX_COMMANDS, is_in_vain
from cachex_client._core.scans import ScanProgress
from cachex_client._core.series import Series
from cachex_client._core.slices import SLICE, Parts, Sliced, slices
from cachex_client._core.transaction import transaction_of
from cachex_client._core.wrong_replies import wrong_list
from cachex_client._links import Link
from cachex_client._telling import announced, settle
from cachex_client._watch import UNWATCHED, Watch
from cachex_client.command import Command, Spec, on_primary
from cachex_client.observer import Origin
from cachex_client.options import ClientOptions
from cachex_pool import PooledConnection, PoolClosed, PoolError, PoolStats

if TYPE_CHECKING:
    from cachex_client._sync.facade import Redis

T = TypeVar("T")
C = TypeVar("C", bound=Closable)

LEASE = Spec("WATCH", write=True, idempotent=True)
LEASE_OF_ANY = attrs.evolve(LEASE, key=0)
PAUSE = 0.05
SUCCESSION = 3.0
"""Seconds in which the map should know who leads after a primary that is none any more."""


class Engine(Rounds[C]):
    """What callers see of a client of any topology."""

    def __init__(self, options: ClientOptions | None) -> None:
        super().__init__(options)
        self._redis: Redis | None = None

    def __copy__(self) -> Self:
        """Return the client itself: a copy of what holds it goes on with the same connections."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: its connections belong to this process;"
            " make a client in each process"
        )

    def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """
        Send a command, return its parsed reply.

        `timeout` is the deadline in seconds, None for the client's own. Raises the server's
        error as redis-py's exception for it, or a PoolError.
        """
        raise NotImplementedError

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Send commands, one write for each server, and return their results in order.

        A command that failed has its error in its place: one bad key, or one server that is
        down, does not hide the others. At most 2,000 commands or 256 KiB go in one write.
        """
        if len(commands) > Pacer.HUGE:
            return self._execute_slices(commands, SLICE, timeout)
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
        whole = transaction_of(commands)
        return self._conclude(whole, commands, None, deadline, atomic=True)

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
        if len(keys) > Pacer.HUGE:
            return self._get_slices(keys, timeout)
        parts = [keys[at : at + MAX_COMMANDS] for at in range(0, len(keys), MAX_COMMANDS)]
        found = self._execute_parts([build.mget(part) for part in parts], timeout)
        values: list[Any] = []
        for part, reply in zip(parts, found, strict=True):
            values += _value_of_each(reply, len(part))
        return values

    def _get_slices(self, keys: Sequence[bytes], timeout: float | None) -> list[Any]:
        """Do as `get_many` for very many keys."""
        found = self._execute_slices(Parts(keys, MAX_COMMANDS, build.mget), 1, timeout)
        values: list[Any] = []
        pacer = Pacer()
        for at, part in enumerate(slices(len(keys), MAX_COMMANDS)):
            reply = found[at]
            if not audience.senders:  # they keep the replies
                found[at] = None
            values += _value_of_each(reply, len(keys[part]))
            pacer.pause()
        return values

    def delete_many(
        self, keys: Sequence[bytes], *, timeout: float | None = None
    ) -> list[int | Exception]:
        """Remove keys with UNLINK; return how many there were, or the error, for each part."""
        if len(keys) > Pacer.HUGE:
            return self._execute_slices(Parts(keys, MAX_COMMANDS, _unlink), 1, timeout)
        parts = [keys[at : at + MAX_COMMANDS] for at in range(0, len(keys), MAX_COMMANDS)]
        return self._execute_parts([build.unlink(*part) for part in parts], timeout)

    def scan(
        self, pattern: bytes, count: int = 1000, *, origin: Origin | None = None
    ) -> Iterator[list[bytes]]:
        """
        Yield the keys that match a glob pattern, batch by batch, from every primary.

        As SCAN promises: a key that is there throughout comes at least once. Each step has a
        deadline of its own, and `options.scan_timeout` limits all of them together, with those
        that failed and the pauses between them; `count` is SCAN's hint. `origin` is for observers.
        Raises ScanAborted if there is no end.
        """
        progress = ScanProgress.of(self.options, monotonic())
        while True:
            (link,) = self.primaries(monotonic() + self._timeout)
            progress.begin(link.name, monotonic())
            try:
                for keys in self.scan_one(link, pattern, count, origin, progress):
                    yield keys
            except PoolError as error:
                if not self.follows:
                    raise
                progress.fail(error, monotonic())
                self.refreshed()
                sleep(PAUSE)
                continue
            progress.finish()
            # A cursor, and what was walked, are worth something on this server only.
            if self.primaries(monotonic() + self._timeout) == (link,):
                return

    def scan_one(
        self,
        link: Link,
        pattern: bytes,
        count: int,
        origin: Origin | None,
        progress: ScanProgress,
    ) -> Iterator[list[bytes]]:
        """Walk over the keys of one server, at which `progress` has begun."""
        cursor = b"0"
        while True:
            step = build.scan(cursor, match=pattern, count=count)
            step.origin = origin
            deadline = monotonic() + self._timeout
            cursor, keys = self._conclude(step, (step,), Aim(link, fixed=True), deadline)
            progress.step(cursor, len(keys), given := monotonic())
            yield keys
            progress.idle += monotonic() - given
            if cursor == b"0":
                return

    @contextmanager
    def lease(
        self, *, key: bytes | None = None, timeout: float | None = None
    ) -> Iterator[PooledConnection]:
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
        """
        Close the connections (of the running event loop) that are idle.

        Those in use are closed when they come back, so that no call fails, also none of others
        who share this client; the next call opens again. A client that is used no more then
        holds nothing: no connection, no thread.
        """
        if self._redis is not None:
            self._redis.connection_pool.disconnect(inuse_connections=False)
        self._links.disconnect()

    # -- inside

    def _conclude(
        self,
        command: Command[T],
        commands: Sequence[Command[Any]],
        aim: Aim | None,
        deadline: float,
        *,
        atomic: bool = False,
    ) -> T:
        """Send a command until it is done, to `aim` if it has one; observers hear of `commands`."""
        if audience.senders:
            sent = announced(self.address, commands, atomic=atomic)
            if sent is not None:
                try:
                    return self._pursue_told(sent, command, aim, deadline)
                finally:
                    settle(sent)
        if aim is None:
            aim = self._aim(command, monotonic(), deadline)
        return self._pursue(command, aim, deadline)

    def _execute_parts(
        self, commands: Sequence[Command[Any]], timeout: float | None
    ) -> list[Any]:
        if len(commands) != 1:
            return self.execute_many(commands, timeout=timeout)
        try:
            return [self.execute(commands[0], timeout=timeout)]
        except (PoolError, RedisError) as error:
            return [error]

    def _execute_slices(
        self, commands: Sequence[Command[Any]], size: int, timeout: float | None
    ) -> list[Any]:
        """
        Do as `execute_many` for very many, `size` at a time, on connections that nobody shares.

        So neither the event loop nor the connection that others use is taken up for long.
        """
        deadline = monotonic() + (self._timeout if timeout is None else timeout)
        sent = None
        if audience.senders and not self.clustered:  # there each server's part of a slice is one
            sent = announced(self.address, commands)
        work = Sliced(commands, size, deadline, sent)
        try:
            self._send_slices(work)
            if sent is not None:
                sent.came(work.replies)
        except BaseException as error:
            if sent is not None:
                sent.error = error
            raise
        finally:
            if sent is not None:
                settle(sent)
        unreadable, work.error = work.error, None
        if unreadable is None:
            return work.results
        try:
            raise unreadable
        finally:
            del unreadable  # its traceback refers to this frame: no cycle keeps all the replies

    def _send_slices(self, work: Sliced) -> None:
        """Send all slices, one after the other."""
        commands, pacer = work.commands, Pacer()
        writes = self._any_writes(commands)
        for part in slices(len(commands), work.size):
            some = commands[part]
            if writes and not isinstance(some, Series):  # who reads it has to see what is written
                some = [one if one.spec.write else on_primary(one) for one in some]
            watch = None if self.clustered else UNWATCHED  # an observer that declined the whole
            if work.sent is not None:
                watch = Watch.of_slice(work.sent, some)
            came = self._replies_of(some, work.deadline, watch=watch, exclusive=True)
            work.take(some, came)
            lost = came[-1]
            if is_in_vain(lost) and (not self.clustered or monotonic() >= work.deadline):
                work.end(lost)
                return
            pacer.pause()

    def _any_writes(self, commands: Sequence[Command[Any]]) -> bool:
        """Tell whether there is a write in a list of commands that are not all of one kind."""
        if isinstance(commands, Parts):
            return False
        pacer = Pacer()
        for part in slices(len(commands), SLICE):
            some = commands[part]
            if isinstance(some, Series):
                return False
            if any(one.spec.write for one in some):
                return True
            pacer.pause()
        return False


def _unlink(keys: Sequence[bytes]) -> Command[int]:
    return build.unlink(*keys)


def _value_of_each(reply: Any, count: int) -> list[Any]:
    """Return MGET's reply for `count` keys, or what is wrong with it in each key's place."""
    failed = reply if isinstance(reply, Exception) else wrong_list(reply, count)
    return reply if failed is None else [failed] * count


def _deposed(result: Any) -> bool:
    return isinstance(result, ReadOnlyError | PoolClosed)
