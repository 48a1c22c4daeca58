# Written by tools/unasync.py from _async/facade.py: edit that file instead.
"""redis-py's client on our connections: its whole command surface, our way down."""

from collections.abc import Iterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

import redis
from redis.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import PubSubError, ResponseError, TryAgainError

from cachex_client._sync.lock import Lock
from cachex_client._sync.pipeline import Pipeline
from cachex_client._sync.scripts import Script
from cachex_client._sync.sharded_pubsub import ShardedPubSub
from cachex_client._concurrency import know_servers, monotonic
from cachex_client._core.everywhere import EVERYWHERE, KEY_BY_KEY
from cachex_client._core.replies import as_resp2, decoded, hgetall
from cachex_client._core.routes import CURSORS, Way, route_of, wait_of
from cachex_client._core.scans import ScanProgress
from cachex_client._core.specs import spec_for, spec_of
from cachex_client._telling import Telling
from cachex_client.command import Command, on_primary
from cachex_client.errors import ConfigurationError
from cachex_client.options import ClientOptions
from cachex_pool import Pool, Endpoint, pack
from cachex_pool.redis_py import RedisPyPool, RedisPyPubSub

_OURS = frozenset((EMPTY_RESPONSE, NEVER_DECODE, "keys"))
"""Options of redis-py's `execute_command` that are not for the callback of the reply."""


class Backing(Protocol):
    """What the facade needs of a client."""

    options: ClientOptions

    def execute(self, command: Command[Any], *, timeout: float | None = None) -> Any: ...

    def execute_many(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]: ...

    def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]: ...

    clustered: bool
    address: Endpoint

    def execute_everywhere(
        self, command: Command[Any], *, timeout: float | None = None
    ) -> list[Any]: ...

    def scan(self, pattern: bytes, count: int = 1000) -> Any:
        """Walk over the keys of every primary."""

    def lease(self, *, key: bytes | None = None, timeout: float | None = None) -> Any:
        """Borrow a connection for a block; it is closed afterwards if the block raises."""

    def ready(self) -> None:
        """Find out which servers there are, if that is not known."""

    def redirected(self, error: Exception, key: bytes | None) -> None:
        """Learn from a redirect that a command on `key` met on a leased connection."""

    def refreshed(self) -> None:
        """Look at the topology again, if there is one to look at."""

    def primary_pool(self) -> Pool:
        """Return the pool of the primary (for the running event loop)."""


class ReadyPool(RedisPyPool):
    """Connections for redis-py from a client that may have to find its servers first."""

    def __init__(self, backing: Backing, **settings: Any) -> None:
        super().__init__(backing.primary_pool, **settings)
        self.backing = backing
        self.in_use = False  # before, redis-py looks at settings, and no server is needed

    def _endpoint(self) -> Endpoint | None:
        if not self.in_use:
            return None
        if self.backing.clustered:  # the pools take turns, but who compares wants one answer
            guarded = self.backing.options.pool.guard is not None
            return None if guarded else self.backing.address
        know_servers(self.backing)
        return super()._endpoint()

    def get_connection(self, command_name: object = None, *_: object, **__: object) -> Any:
        """Lend a connected connection."""
        self.backing.ready()
        return super().get_connection(command_name)


class Condemned(Exception):
    """Raised through a lease whose connection must not be used again; never gets out."""


class Redis(redis.Redis):
    """
    redis-py's client as the face of one of ours.

    Every method of `redis.Redis` is there and returns what it returns by default, in
    RESP2's shapes; retries, routing, deadlines and connections are the client's. What changes a
    connection for whoever uses it next (SELECT, SUBSCRIBE, CLIENT TRACKING, ...) runs on one
    that is closed afterwards. Pub/sub, MONITOR and commands of modules use redis-py's own
    connections, which count against the limit of the primary's pool; in a cluster, sharded channels
    are heard at the primaries of their slots.

    Closing it does nothing: the connections belong to `client`.

    Libraries make clients of the class of one they were given, for another process or server:
    with anything but one of our clients or its `connection_pool`, what comes is redis-py's own.
    A copy shares the client.
    """

    response_callbacks: Any

    def __new__(cls, client: Any = None, *args: Any, **settings: Any) -> Any:
        """Make one of ours for a client of ours, else redis-py's own."""
        pool = settings.get("connection_pool")
        if hasattr(client, "execute_atomic") or isinstance(pool, ReadyPool):
            return super().__new__(cls)
        given = args if client is None else (client, *args)
        return redis.Redis(*given, **settings)

    def __init__(
        self,
        client: Backing | None = None,
        *,
        connection_pool: ReadyPool | None = None,
        decode_responses: bool = False,
        encoding: str = "utf-8",
        encoding_errors: str = "strict",
    ) -> None:
        if client is None:
            assert connection_pool is not None  # else `__new__` has made something else
            client = connection_pool.backing
        self.backing = client
        self.timeout = client.options.timeout
        coding: dict[str, Any] = {
            "decode_responses": decode_responses,
            "encoding": encoding,
            "encoding_errors": encoding_errors,
        }
        pool = ReadyPool(client, timeout=self.timeout, **coding)
        super().__init__(connection_pool=pool)
        pool.in_use = True
        self._listening = ReadyPool(
            client,
            timeout=self.timeout,
            keep=0,
            retry=Retry(FullJitterBackoff(cap=1.0, base=0.01), 5),
            **coding,
        )
        self._coding = coding
        self.response_callbacks["HGETALL"] = hgetall
        self._decoding = (encoding, encoding_errors) if decode_responses else None
        self._encoding = (
            None if encoding.lower() in ("utf-8", "utf8") else (encoding, encoding_errors)
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.backing!r}>"

    def __copy__(self) -> Any:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} has connections of this process: it cannot be pickled")

    # -- commands

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command as redis-py's methods give it; return what redis-py would return."""
        route = route_of(args)
        if route.way is not Way.SHARED:
            return self._execute_apart(route.way, args, options)
        command = self.make_command(route.words + args[1:])
        try:
            if self.backing.clustered:
                reply = self.execute_in_cluster(command)
            else:
                reply = self.execute_shared(command)
        except ResponseError:
            if EMPTY_RESPONSE in options:
                return options[EMPTY_RESPONSE]
            raise
        return self.read_reply(args[0], route.name, reply, options)

    def execute_shared(self, command: Command[Any]) -> Any:
        """Send a command; one that blocks may take as long as it says, too."""
        timeout = self.timeout + wait_of(command.arguments) if command.spec.blocking else None
        return self.backing.execute(command, timeout=timeout)

    def execute_in_cluster(self, command: Command[Any]) -> Any:
        """Send a command to the server of its key, or to all that have a part of the answer."""
        if command.name in EVERYWHERE:
            replies = self.backing.execute_everywhere(command)
            merge: Any = EVERYWHERE[command.name]
        elif command.name in KEY_BY_KEY and len(command.arguments) > 2:
            name, *keys = command.arguments
            wanted: list[Command[int]] = [Command((name, key), command.spec) for key in keys]
            replies, merge = self.backing.execute_many(wanted), sum
        elif command.name == "SCAN":
            raise ConfigurationError(
                "SCAN has a cursor of its own on each server of a cluster: use scan_iter()"
            )
        else:
            try:
                return self.execute_shared(command)
            except TryAgainError:  # its keys are on two servers now, as their slot moves
                if command.name != "MGET":
                    raise
            wanted = [Command(("GET", key), spec_of("GET")) for key in command.arguments[1:]]
            replies, merge = self.backing.execute_many(wanted), list
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return merge(replies)

    def scan_iter(
        self, match: Any = None, count: int | None = None, _type: str | None = None, **options: Any
    ) -> Any:
        """
        Yield the keys that match a pattern; in a cluster, those of every primary.

        This and its like raise ScanAborted if the server finds no end; `scan_timeout` of the
        client's options limits them.
        """
        if not self.backing.clustered:
            terms = {"match": match, "count": count, "_type": _type, **options}
            for keys in self._pages(lambda cursor: self.scan(cursor, **terms)):
                for key in keys:
                    yield key
            return
        if _type is not None:
            raise ConfigurationError("scan_iter() of a cluster cannot select by type")
        encoder = self.get_encoder()
        for keys in self.backing.scan(encoder.encode(match or "*"), count or 1000):
            for key in keys:
                yield key if self._decoding is None else decoded(key, *self._decoding)

    def hscan_iter(
        self,
        name: Any,
        match: Any = None,
        count: int | None = None,
        no_values: bool | None = None,
    ) -> Any:
        """Yield the fields of a hash with their values, or without if `no_values`."""
        step = lambda cursor: self.hscan(name, cursor, match, count, no_values)  # noqa: E731
        for found in self._pages(step):
            for item in found if no_values else found.items():
                yield item

    def sscan_iter(self, name: Any, match: Any = None, count: int | None = None) -> Any:
        """Yield the members of a set."""
        for members in self._pages(lambda cursor: self.sscan(name, cursor, match, count)):
            for member in members:
                yield member

    def zscan_iter(
        self,
        name: Any,
        match: Any = None,
        count: int | None = None,
        score_cast_func: Any = float,
    ) -> Any:
        """Yield the members of a sorted set with their scores."""
        step = lambda cursor: self.zscan(name, cursor, match, count, score_cast_func)  # noqa: E731
        for pairs in self._pages(step):
            for pair in pairs:
                yield pair

    def _pages(self, step: Callable[[int], Any]) -> Iterator[Any]:
        """Yield what each step finds, until the cursor is back at 0; ScanAborted if it never is."""
        cursor, progress = 0, ScanProgress.of(self.backing.options, monotonic())
        progress.begin(self.backing.address.name, monotonic())
        while True:
            cursor, found = step(cursor)
            progress.step(cursor, len(found), given := monotonic())
            yield found
            progress.idle += monotonic() - given
            if cursor == 0:
                return

    def make_command(self, arguments: tuple[Any, ...]) -> Command[Any]:
        """Make a command of words as redis-py gives them."""
        if self._encoding is not None:
            encoding, errors = self._encoding
            arguments = tuple(
                word.encode(encoding, errors) if isinstance(word, str) else word
                for word in arguments
            )
        made: Command[Any] = Command(arguments, spec_for(arguments))
        return on_primary(made) if made.name in CURSORS else made

    def read_reply(self, given: Any, name: str, reply: Any, options: Mapping[str, Any]) -> Any:
        """Turn a reply into what redis-py returns; `given` is the command's name as given."""
        reply = as_resp2(name, reply)
        if self._decoding is not None and NEVER_DECODE not in options:
            reply = decoded(reply, *self._decoding)
        callback = dict.get(self.response_callbacks, given) or self._callback(given)
        if callback is None:
            return reply
        if options:
            options = {name: value for name, value in options.items() if name not in _OURS}
        return callback(reply, **options)

    def _execute_apart(self, way: Way, args: Any, options: dict[str, Any]) -> Any:
        if way is Way.REDIS_PY:
            return super().execute_command(*args, **options)
        if way is Way.PUBSUB:
            raise PubSubError(f"{args[0]} has no reply to wait for; use pubsub()")
        replies = self.exchange_alone([args])
        if isinstance(replies[0], Exception):
            raise replies[0]
        return self.read_reply(args[0], route_of(args).name, replies[0], options)

    def exchange_alone(
        self, commands: Sequence[Sequence[Any]], *, keep: bool = False, wait: float = 0.0
    ) -> list[Any]:
        """
        Send commands in one write on a connection nobody else uses; return all replies.

        The connection is closed afterwards, unless it is to be kept. `wait` is for how many
        seconds the commands may block.
        """
        made = [self.make_command(route_of(args).words + tuple(args[1:])) for args in commands]
        data = b"".join(pack(command.arguments) for command in made)
        key = next((command.key for command in made if command.key is not None), None)
        replies: list[Any] = []
        with Telling(self.backing.address, made) as sent:
            try:
                with self.backing.lease(key=key) as connection:
                    deadline = monotonic() + self.timeout + wait
                    replies = connection.exchange(data, len(commands), deadline)
                    if not keep:
                        raise Condemned
            except Condemned:
                pass
            if sent is not None:
                sent.bytes_out = len(data)
                sent.came(replies)
        return replies

    def _callback(self, given: Any) -> Any:
        if isinstance(given, str) and not given.isupper():
            return self.response_callbacks.get(given)
        return None

    # -- what redis-py makes of connections

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline: commands kept until `execute`, then sent in one write."""
        return Pipeline(self, transaction, shard_hint)

    def lock(
        self,
        name: Any,
        timeout: float | timedelta | None = None,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | timedelta | None = None,
        lock_class: Any = None,
        thread_local: bool = True,
        raise_on_release_error: bool = True,
    ) -> Any:
        """Return a lock under the key `name`; `Lock` explains the settings."""
        return (lock_class or Lock)(
            self,
            name,
            timeout=timeout,
            sleep=sleep,
            blocking=blocking,
            blocking_timeout=blocking_timeout,
            thread_local=thread_local,
            raise_on_release_error=raise_on_release_error,
        )

    def register_script(self, script: str | bytes) -> Script:
        """Return a callable that runs a Lua script by its digest."""
        return Script(self, script)

    def pubsub(self, **settings: Any) -> Any:
        """Return redis-py's object for publish and subscribe; it reconnects by itself."""
        sharded = hasattr(redis.client.PubSub, "ssubscribe")  # redis-py 8.0 for asyncio
        if self.backing.clustered and sharded:
            return ShardedPubSub(self.backing, self._listening, self._pool_of, **settings)
        return RedisPyPubSub(self._listening, **settings)

    def _pool_of(self, pool: Pool) -> Any:
        """Return connections to one server of a cluster for redis-py."""
        return RedisPyPool(pool, timeout=self.timeout, keep=0, **self._coding)

    def monitor(self) -> Any:
        """Return redis-py's object for MONITOR."""
        return redis.client.Monitor(self._listening)

    def client(self) -> Any:
        """Return a plain client of redis-py that keeps to one connection until it is closed."""
        return redis.Redis(
            connection_pool=self.connection_pool, single_connection_client=True
        )
