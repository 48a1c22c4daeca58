# Written by tools/unasync.py from _async/redis_py.py: edit that file instead.
"""A pool of ours in the form that redis-py's clients, and libraries built on them, expect."""

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

import redis
from redis.retry import Retry
from redis.backoff import NoBackoff

from cachex_pool._sync.pool import Pool
from cachex_pool._concurrency import monotonic
from cachex_pool._wire import pack
from cachex_pool._wire.redis_py import RedisPyConnection, Loan, here, session_registry
from cachex_pool._wire.redis_py_settings import connection_class, connection_settings
from cachex_pool.endpoint import Endpoint

_HELLO_2 = pack(("HELLO", "2"))


class RedisPyPool(redis.ConnectionPool):
    """
    A pool that redis-py takes: `redis.Redis(connection_pool=RedisPyPool(pool))`.

    For pub/sub, MONITOR and libraries that bring their own commands. A connection lent so counts
    against the pool's limit for as long as it is open. `keep` of them stay open when they come
    back, by default a tenth of the limit; the rest is closed, so that the pool's own callers get
    the place, and so is one that SELECT or the like has changed. `timeout` (seconds, None for
    ever) is how long to wait for a place in the pool, and for a reply; messages of a subscription
    are waited for as long as it takes. `retry` is redis-py's; by default nothing is sent twice.
    Replies have the shapes of RESP2.

    `pool` may be a function that returns the pool to borrow from at that moment. Of redis-py's
    ConnectionPool only the name is inherited, for those who ask for one; all of it is done here.

    `connection_class` and `connection_kwargs` are those of a plain pool of redis-py for the same
    server, login and TLS included: libraries compare them, and build clients for other processes
    of them. Those of a pool with a guard name no server, as nothing would guard such a client.
    """

    cache = None

    def __init__(
        self,
        pool: Pool | Callable[[], Pool],
        *,
        timeout: float | None = 5.0,
        keep: int | None = None,
        retry: Retry | None = None,
        encoding: str = "utf-8",
        encoding_errors: str = "strict",
        decode_responses: bool = False,
    ) -> None:  # redis-py's own is not called: it would set up what is not used
        self._pool = (lambda: pool) if isinstance(pool, Pool) else pool
        self._keep = keep
        self._timeout = timeout
        self._idle: WeakKeyDictionary[Any, deque[RedisPyConnection]] = WeakKeyDictionary()
        self._lent: set[RedisPyConnection] = set()
        self._kwargs: dict[str, Any] = {
            "protocol": 2,
            "encoding": encoding,
            "encoding_errors": encoding_errors,
            "decode_responses": decode_responses,
            "socket_timeout": timeout,
            "retry": retry or Retry(NoBackoff(), 0),
            **session_registry(),
        }
        self._own = tuple(self._kwargs)
        self._address: dict[str, Any] = {}
        self.himport_registry = self._kwargs.get("himport_registry")
        self._encoder = self.make_connection().encoder

    def __repr__(self) -> str:
        return f"<RedisPyPool: {len(self._lent)} lent>"

    # -- what libraries look at

    @property
    def connection_class(self) -> type[Any]:
        """The class of redis-py's connections to the server, as it is known now."""
        endpoint = self._endpoint()
        return RedisPyConnection if endpoint is None else connection_class(endpoint)

    @property  # type: ignore[misc]
    def connection_kwargs(self) -> dict[str, Any]:
        """The settings of redis-py's connections to the server, as it is known now."""
        endpoint = self._endpoint()
        address = {} if endpoint is None else connection_settings(endpoint)
        if address != self._address:  # what others have set stays as they set it
            for name in self._address:
                self._kwargs.pop(name, None)
            self._kwargs |= address
            self._address = address
        return self._kwargs

    def _endpoint(self) -> Endpoint | None:
        """Return the server, None while there is none, or if only guarded commands may go there."""
        try:
            pool = self._pool()
        except (LookupError, RuntimeError):  # it is not known yet, or no event loop is running
            return None
        return None if pool.options.guard is not None else pool.endpoint

    # -- what redis-py's clients call

    def get_connection(self, command_name: object = None, *_: object, **__: object) -> Any:
        """Lend a connected connection; PoolTimeout and its kin if the pool has none to give."""
        try:
            connection = self._shelf().pop()
        except IndexError:
            connection = self.make_connection()
        self._lent.add(connection)
        try:
            if connection.is_stale():
                connection.disconnect()
            connection.connect()
        except BaseException:
            self._lent.discard(connection)
            connection.disconnect()
            raise
        return connection

    def release(self, connection: RedisPyConnection) -> None:
        """Take a connection back, to keep it or to close it."""
        if connection not in self._lent:
            return
        self._lent.discard(connection)
        shelf = self._shelf()
        if connection.is_clean and len(shelf) < self._limit():
            shelf.append(connection)
        else:
            connection.disconnect()

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close what is kept and, unless told otherwise, what is lent."""
        shelf = self._shelf()
        while shelf:
            shelf.pop().disconnect()
        if inuse_connections:
            for connection in list(self._lent):
                connection.disconnect()

    def close(self) -> None:
        """Close what is kept and what is lent; the pool underneath stays as it is."""
        self.disconnect()

    def reset(self) -> None:
        """Forget all connections."""
        self._idle.clear()
        self._lent.clear()

    def make_connection(self) -> RedisPyConnection:
        """Return a connection that is not connected yet."""
        settings = {name: self._kwargs[name] for name in self._own if name in self._kwargs}
        return RedisPyConnection(self._borrow, **settings)

    def get_protocol(self) -> int:
        """Return the version of RESP that these connections speak."""
        return 2

    def get_encoder(self) -> Any:
        """Return redis-py's encoder for the settings of this pool."""
        return self._encoder

    def set_retry(self, retry: Retry) -> None:
        """Set the retries of connections made from now on, and of those that are lent."""
        self._kwargs["retry"] = retry
        for connection in list(self._lent):
            connection.retry = retry

    def re_auth_callback(self, token: object) -> None:
        """Do nothing: the pool underneath logs in with whatever its provider says."""

    def maint_notifications_enabled(self) -> bool:
        return False

    def get_connection_count(self) -> list[tuple[int, dict[str, str]]]:
        """Return how many connections are kept and how many are lent, for redis-py's metrics."""
        kept = sum(map(len, self._idle.values()))
        return [
            (kept, {"db.client.connection.state": "idle"}),
            (len(self._lent), {"db.client.connection.state": "used"}),
        ]

    # -- inside

    def _shelf(self) -> deque[RedisPyConnection]:
        return self._idle.setdefault(here(), deque())

    def _limit(self) -> int:
        return self._pool().options.max_size // 10 if self._keep is None else self._keep

    def _borrow(self) -> Loan:
        pool = self._pool()
        deadline = monotonic() + (inf if self._timeout is None else self._timeout)
        connection = pool.checkout(deadline)
        connection.on_overdue = None  # messages come when they come
        connection.owner = None  # redis-py's clients keep what they have: it is no leak
        try:
            if connection.protocol != 2:
                reply = connection.call(_HELLO_2, deadline)
                if isinstance(reply, Exception):
                    raise reply
        except BaseException as error:
            pool.checkin_failed(connection, error)
            raise
        return Loan(
            connection,
            end=partial(pool.checkin_closed, connection, "handed over"),
            lasts=partial(pool.keeps, connection),
            guard=pool.options.guard,
        )
