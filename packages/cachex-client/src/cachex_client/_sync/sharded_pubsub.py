# Written by tools/unasync.py from _async/sharded_pubsub.py: edit that file instead.
"""Publish and subscribe in a cluster: sharded channels are heard at the server of their slot."""

import contextlib
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from redis import exceptions
from redis.utils import str_if_bytes

from cachex_client._concurrency import sleep
from cachex_client._core.keyslot import slot_of
from cachex_client.errors import ClientError
from cachex_pool import Pool, PoolError
from cachex_pool.redis_py import RedisPyPubSub

TURN = 0.02
"""Seconds that one server's messages are waited for while there are others to listen to."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether channels are subscribed at the right servers."""
AGAIN_AFTER = 0.1
"""Seconds until a subscription that failed is tried again."""

AT_ONCE = 0.005
"""The same after a redirect, which two servers may give in turns for a while."""

LOST = (exceptions.ConnectionError, exceptions.TimeoutError, PoolError, ClientError, OSError)
PASSING = (exceptions.AskError, exceptions.ClusterDownError, exceptions.TryAgainError)
"""Error replies after which a subscription is tried again; MOVED that leads nowhere, too."""
KINDS = frozenset(("smessage", "ssubscribe", "sunsubscribe"))
"""What the server of a sharded channel sends."""


class ShardedPubSub(RedisPyPubSub):
    """
    redis-py's object for publish and subscribe, for a cluster.

    `ssubscribe` goes to the primary of the channel's slot, over one connection for each server.
    When the slot moves or the primary changes, `get_message` and `listen` subscribe anew there,
    without passing on the confirmation; what is published meanwhile is lost, as always with publish
    and subscribe. `subscribe` and `psubscribe` use one more connection, to any server.
    """

    def __init__(
        self, backing: Any, pool: Any, pool_of: Callable[[Pool], Any], **settings: Any
    ) -> None:
        self._backing = backing
        self._pool_of = pool_of
        self._listeners: dict[Pool, Any] = {}  # by the pool of the server
        self._placed: dict[Any, Any] = {}  # the listener of each channel
        self._unplaced: set[Any] = set()
        self._moved: set[Any] = set()  # subscribed anew, and not confirmed yet
        self._due: dict[Any, float] = {}  # when the confirmation of a channel is overdue
        self._again_at = self._look_at = 0.0
        self._turn = 0
        super().__init__(pool, **settings)

    @property
    def subscribed(self) -> bool:
        """Whether there are subscriptions to channels or patterns."""
        return bool(self.channels or self.patterns or self.shard_channels)

    def execute_command(self, *args: Any) -> Any:
        """Send a command of publish and subscribe to the server that it is for."""
        if args[0] == "SSUBSCRIBE":
            for name in args[1:]:
                channel = self._channel(name)
                self._unplaced.discard(channel)
                self._place(channel)
            return None
        if args[0] == "SUNSUBSCRIBE":
            for name in args[1:] or list(self.shard_channels):
                self._leave(self._channel(name))
            return None
        return super().execute_command(*args)

    def on_connect(self, connection: Any) -> None:
        """Subscribe anew on the connection that is not for sharded channels."""
        sharded, self.shard_channels = self.shard_channels, {}
        pending = set(self.pending_unsubscribe_shard_channels)
        try:
            super().on_connect(connection)
        finally:
            self.shard_channels = sharded
            self.pending_unsubscribe_shard_channels |= pending

    def get_message(
        self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0
    ) -> Any:
        """
        Return the next message, None if there is none within `timeout` seconds.

        With a `timeout` of None, wait until there is one, or no subscription any more.
        """
        until = None if timeout is None else monotonic() + timeout
        while True:
            self._settle()
            # Another thread may subscribe meanwhile: one without a connection is not ready yet.
            listeners = [one for one in list(self._listeners.values()) if one.connection]
            if self.channels or self.patterns:
                listeners.append(self)
            left = LOOK_EVERY if until is None else max(0.0, min(LOOK_EVERY, until - monotonic()))
            if self._unplaced:
                left = min(left, max(0.001, self._again_at - monotonic()))
            turn = min(left, TURN)
            self._turn += 1
            first = self._turn % max(1, len(listeners))  # so that nobody has to wait for a flood
            listeners = listeners[first:] + listeners[:first]
            patience = (left,) if len(listeners) == 1 else (0.0, turn)  # what is there comes first
            for seconds in patience:
                for one in listeners:
                    message = self._hear(one, seconds, ignore_subscribe_messages)
                    if message is not None:
                        return message
            if not listeners:
                sleep(turn)
            if until is None:
                if not self.subscribed:
                    return None
            elif monotonic() >= until:
                return None

    get_sharded_message = get_message

    def listen(self) -> Any:
        """Yield messages for as long as there are subscriptions."""
        while self.subscribed:
            message = self.get_message(timeout=None)
            if message is not None:
                yield message

    def reset(self) -> None:
        """End all subscriptions and close their connections."""
        self._close_listeners()
        super().reset()

    def close(self) -> None:
        """End all subscriptions and close their connections."""
        self._close_listeners()
        super().close()

    # -- inside

    def _channel(self, name: Any) -> Any:
        return next(iter(self._normalize_keys({name: None})))

    def _encoded(self, channel: Any) -> bytes:
        encoder: Any = self.encoder
        return encoder.encode(channel)  # type: ignore[no-any-return]

    def _place(self, channel: Any) -> None:
        """Subscribe to a channel at the primary of its slot."""
        pool = self._backing.pool_for(self._encoded(channel))
        listener = self._listeners.get(pool)
        if listener is None:
            listener = RedisPyPubSub(self._pool_of(pool))
            self._placed[channel] = listener  # before anybody sees one that has no channels
            listener = self._listeners.setdefault(pool, listener)
        self._placed[channel] = listener  # before the reply, which another thread may read
        self._due.pop(channel, None)  # the order in there is that of asking
        self._due[channel] = monotonic() + self._backing.options.timeout
        try:
            listener.execute_command("SSUBSCRIBE", channel)
        except BaseException:
            self._drop(listener)
            raise

    def _leave(self, channel: Any) -> None:
        listener = self._placed.get(channel)
        if listener is not None:
            try:
                listener.execute_command("SUNSUBSCRIBE", channel)
            except LOST:
                self._drop(listener)
            else:
                return
        self._unplaced.discard(channel)
        self.shard_channels.pop(channel, None)
        self.pending_unsubscribe_shard_channels.discard(channel)

    def _unplace(self, channel: Any) -> None:
        self._placed.pop(channel, None)
        self._due.pop(channel, None)
        if channel in self.shard_channels:
            self._moved.add(channel)
            self._unplaced.add(channel)

    def _drop(self, listener: Any) -> None:
        """Give a connection up; its channels have to be subscribed anew."""
        for pool, one in list(self._listeners.items()):
            if one is listener:
                self._listeners.pop(pool, None)
        for channel, one in list(self._placed.items()):
            if one is listener:
                self._unplace(channel)
        with contextlib.suppress(*LOST):
            listener.close()

    def _settle(self) -> None:
        """Subscribe where that is to be done, and move what is at the wrong server."""
        now = monotonic()
        if self._unplaced and now >= self._again_at:
            for channel in list(self._unplaced):
                self._unplaced.discard(channel)
                if channel not in self.shard_channels:
                    continue
                try:
                    self._place(channel)
                except LOST:
                    self._unplaced.add(channel)
                    self._again_at = monotonic() + AGAIN_AFTER
                    self._backing.refreshed()
                    break
        if self._placed and now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            for channel, listener in list(self._placed.items()):
                with contextlib.suppress(*LOST):
                    pool = self._backing.pool_for(self._encoded(channel))
                    if self._listeners.get(pool) is not listener:
                        self._unplace(channel)
                        listener.execute_command("SUNSUBSCRIBE", channel)
            for listener in list(self._listeners.values()):
                if listener not in self._placed.values():
                    self._drop(listener)

    def _hear(self, listener: Any, seconds: float, ignore: bool) -> Any:
        """Return the next message of one server, if there is one within so many seconds."""
        if listener is self:
            raw = self.parse_response(block=False, timeout=seconds)
            return None if raw is None else self.handle_message(raw, ignore)
        owed = self._unconfirmed(listener)
        overdue = bool(owed) and monotonic() > self._due.get(owed[0], inf)
        if overdue:  # it may have come just now
            seconds = max(seconds, TURN)
        try:
            raw = listener.parse_response(block=False, timeout=seconds)
        except exceptions.MovedError as error:
            if self._has_moved(error, listener):
                return None
            raw = error
        except (*PASSING, *LOST) as error:
            raw = error
        except exceptions.ResponseError:
            for channel in owed[:1]:  # what was asked for first is answered first
                self._due.pop(channel, None)
            raise
        if raw is None and not overdue:
            return None
        if not isinstance(raw, list) or (kind := str_if_bytes(raw[0])) not in KINDS:
            self._drop(listener)
            self._again_at = monotonic() + AGAIN_AFTER
            self._backing.refreshed()
            return None
        channel = raw[1]
        if kind == "sunsubscribe" and channel not in self.pending_unsubscribe_shard_channels:
            if self._placed.get(channel) is listener:  # the server's doing: the slot has left it
                self._again_at = monotonic() + AT_ONCE
                self._unplace(channel)
                self._backing.refreshed()
            return None
        if self._placed.get(channel) is not listener:
            return None  # it is heard elsewhere by now
        if kind == "ssubscribe":
            self._due.pop(channel, None)
            if channel in self._moved:
                self._moved.discard(channel)
                return None
        if kind == "sunsubscribe":
            self._placed.pop(channel, None)
            self._due.pop(channel, None)
        return self.handle_message(raw, ignore)

    def _has_moved(self, error: exceptions.MovedError, listener: Any) -> bool:
        """Follow a redirect; say whether it was about a channel that is heard there."""
        moved = False
        for channel, one in list(self._placed.items()):
            name = self._encoded(channel)
            if one is listener and slot_of(name) == error.slot_id:
                moved = True
                self._again_at = monotonic() + AT_ONCE
                self._unplace(channel)
                with contextlib.suppress(*LOST):  # the map is looked at again
                    self._backing.redirected(error, name)
        return moved

    def _unconfirmed(self, listener: Any) -> list[Any]:
        """Return the channels that a server has not confirmed yet, in the order of asking."""
        return [one for one in list(self._due) if self._placed.get(one) is listener]

    def _close_listeners(self) -> None:
        self._placed.clear()
        self._unplaced.clear()
        self._due.clear()
        for listener in list(self._listeners.values()):
            self._drop(listener)
