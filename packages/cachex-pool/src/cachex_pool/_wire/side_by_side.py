"""
Exchanges with several servers at once, for threads: whichever is ready goes on.

For those that are not over within a moment: `Connection.start` and `read_soon` need no more system
calls than one exchange after the other would.
"""

import math
import select
from collections.abc import Iterable
from time import monotonic
from typing import Any

from cachex_pool._wire.protocol import OVERDUE_AFTER
from cachex_pool._wire.threads import (
    _EOF,
    _LATER,
    Connection,
    CooperativeConnection,
    _raise_if_foreign,
)
from cachex_pool.errors import ConnectionLost, DeadlineExceeded, PoolError

AT_ONCE = 16
"""Chunks of one server's replies that are read before the next server has its turn."""
TURN = 0.005
"""Seconds that each of several sockets is waited for in turn where there is no `poll` for them."""


class Exchange:
    """
    Commands on one connection, sent and answered bit by bit; `end` is what came of them.

    `sent` bytes of them have left, and `replies` of the `count` replies have come already.
    `position` is for whoever has several of them.
    """

    __slots__ = (
        "_sent",
        "connection",
        "count",
        "data",
        "deadline",
        "end",
        "position",
        "replies",
    )

    def __init__(
        self,
        connection: Connection,
        data: bytes,
        sent: int,
        count: int,
        deadline: float,
        replies: list[Any],
        position: int = 0,
    ) -> None:
        self.connection = connection
        self.data = data
        self.count = count
        self.deadline = deadline
        self.replies = replies
        self.position = position
        self.end: list[Any] | PoolError | None = None
        self._sent = sent

    def advance(self, patience: float = 0.0) -> bool:
        """
        Send and read as much as is possible without waiting; say whether anything came.

        Where there is no `poll`, the first bytes are waited for, for `patience` seconds.
        """
        came = False
        try:
            if self._sent < len(self.data):
                self._send()
            for _ in range(AT_ONCE):
                chunk = self.connection.peek(0.0 if came else patience)
                came = True
                if self._take(chunk):
                    break
        except _LATER:
            return came
        except OSError as error:
            _raise_if_foreign(error)
            self._lost(error)
        except PoolError as error:
            self.end = error
        return came

    def events(self) -> int:
        """Return what to wait for."""
        if self._sent < len(self.data):
            return select.POLLIN | select.POLLOUT
        return select.POLLIN

    def expire(self) -> None:
        """End it: its time is over."""
        unsent = self._sent < len(self.data)
        phase = "sending the command" if unsent else "waiting for the reply"
        name = self.connection.name
        self.end = DeadlineExceeded(name, phase, written=self._sent > 0)

    # -- inside

    def _send(self) -> None:
        data, push = self.data, self.connection.push
        try:
            self._sent += push(data if not self._sent else memoryview(data)[self._sent :])
            while self._sent < len(data):
                self._sent += push(memoryview(data)[self._sent :])
        except _LATER:
            return
        except OSError as error:
            _raise_if_foreign(error)
            name = self.connection.name
            raise ConnectionLost(name, error, written=self._sent > 0) from error

    def _take(self, chunk: bytes) -> bool:
        """Look at bytes that came; say whether that is the end."""
        if not chunk:
            self._lost(_EOF)
            return True
        if not self.connection.take(chunk, self.count, self.replies):
            return False
        if self._sent < len(self.data):
            self.connection.busy = True
        self.end = self.replies
        return True

    def _lost(self, why: object) -> None:
        error = ConnectionLost(self.connection.name, why, written=True)
        error.replies = self.replies
        if isinstance(why, BaseException):
            error.__cause__ = why
        self.end = error


class SideBySide:
    """Waits for exchanges; `next_ended` gives those that have come to an end, at least one."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._left = {one.connection.fileno(): one for one in exchanges}
        everybody = self._left.values()
        self._in_turn = any(isinstance(one.connection, CooperativeConnection) for one in everybody)
        self._overdue_at = dict.fromkeys(self._left, monotonic() + OVERDUE_AFTER)
        if not self._in_turn:
            self._poller = select.poll()
            for number, one in self._left.items():
                self._poller.register(number, one.events())

    def __bool__(self) -> bool:
        return bool(self._left)

    def next_ended(self) -> list[Exchange]:
        """Return exchanges that have ended, as soon as there are any."""
        while True:
            self._wait()
            now = monotonic()
            ended = []
            for number, one in list(self._left.items()):
                if one.end is None and now >= one.deadline:
                    one.expire()
                if one.end is not None:
                    del self._left[number]
                    if not self._in_turn:
                        self._poller.unregister(number)
                    ended.append(one)
            if ended:
                return ended
            for number, one in self._left.items():
                if now >= self._overdue_at[number]:
                    self._overdue_at[number] = now + OVERDUE_AFTER
                    if one.connection.on_overdue is not None:
                        one.connection.on_overdue()

    def _wait(self) -> None:
        if any(one.end is not None for one in self._left.values()):
            return
        if self._in_turn:
            for number, one in self._left.items():
                self._advance(number, one, TURN)
            return
        until = min(min(one.deadline, self._overdue_at[at]) for at, one in self._left.items())
        for number, _ in self._poller.poll(max(0, math.ceil((until - monotonic()) * 1000))):
            one = self._left[number]
            before = one.events()
            self._advance(number, one)
            if one.events() != before:
                self._poller.modify(number, one.events())

    def _advance(self, number: int, one: Exchange, patience: float = 0.0) -> None:
        if one.advance(patience):
            self._overdue_at[number] = monotonic() + OVERDUE_AFTER
