"""What a process knows of one service that Sentinels watch, and the ear it has at the Sentinels."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import attrs
import redis

from cachex_client._concurrency import Listeners, StateLock, monotonic
from cachex_client._core.refresh import RefreshSchedule
from cachex_client._core.sentinel import Opinion
from cachex_client._core.topology import Address, Remap
from cachex_client.errors import ConfigurationError
from cachex_client.options import ClientOptions
from cachex_pool import Endpoint, Pool, PoolOptions
from cachex_pool.redis_py import RedisPyPool

CHECK_EVERY = 0.1
"""Seconds between two looks for a new primary while the old one fails."""
POLL_EVERY = 10.0
"""Seconds after which the Sentinels are asked anyway."""
EVENTS = ("+switch-master", "+promoted-slave", "+odown", "+reboot", "+slave", "+sdown", "-sdown")
SILENCE = 15.0
"""Seconds without a word, not even to a PING, after which a Sentinel is called anew."""


class SentinelMap:
    """
    Who leads a service and who follows: the newest opinion, a frozen value swapped whole.

    `service` is the name the Sentinels know it by; `pattern` says how to log in to its servers,
    `sentinels` where the Sentinels are and how to log in to them. While the map is in use, one
    thread for each Sentinel listens for what it announces; where that fails, failing calls
    and a poll every ten seconds find out. `ask_within` are the seconds a Sentinel may take to
    answer, None for a client's `connect_timeout`.
    """

    def __init__(
        self,
        service: str,
        sentinels: Sequence[Endpoint],
        pattern: Endpoint | None = None,
        *,
        address_remap: Remap | None = None,
        listen: bool = True,
        ask_within: float | None = None,
    ) -> None:
        if not service:
            raise ConfigurationError("a Sentinel client needs the name of the service; it is empty")
        if not sentinels:
            raise ConfigurationError("a Sentinel client needs at least one Sentinel")
        self.service = service
        self.sentinels = tuple(sentinels)
        self.remap = address_remap
        self.ask_within = ask_within
        self.opinion: Opinion | None = None
        self.schedule = RefreshSchedule()
        self._pattern = pattern or Endpoint()
        self._lock = StateLock()
        self._earliest = 0.0
        self._followers: WeakSet[Any] = WeakSet()
        self._finder: Any = None
        self._listeners = Listeners(self._listen, self.sentinels) if listen else None

    def __repr__(self) -> str:
        if self.opinion is None:
            return f"of {self.name}, not yet known"
        replicas = len(self.opinion.replicas)
        return f"of {self.name}: primary {self.opinion.primary}, {replicas} replicas"

    @property
    def name(self) -> str:
        """The service and its Sentinels, as messages name them."""
        sentinels = ", ".join(f"{one.host}:{one.port}" for one in self.sentinels)
        return f"{self.service} (Sentinels {sentinels})"

    def known(self) -> bool:
        """Say whether there is an opinion."""
        return self.opinion is not None

    def endpoint(self, node: Address) -> Endpoint:
        """Return how to connect to a server of the service."""
        return attrs.evolve(self._pattern, host=node.host, port=node.port)

    def learn(self, opinion: Opinion | None, now: float, chance: float) -> bool:
        """Take a newer opinion, None if there is none; say whether it brought news."""
        with self._lock:
            changed = opinion is not None and opinion != self.opinion
            if opinion is not None:
                self.opinion = opinion
            self.schedule.count += 1
            self.schedule.running_since = None
            # Soon after a change there is more to come: the old primary turns up as a replica.
            self.schedule.unchanged = 0 if changed else self.schedule.unchanged + 1
            pause = min(POLL_EVERY, 0.5 * 2.0 ** min(self.schedule.unchanged, 10))
            self.schedule.due_at = now + pause * (0.9 + 0.2 * chance)
            return changed

    def want(self, now: float) -> None:
        """Note a reason to look for the primary again, a moment from now at the latest."""
        with self._lock:
            self.schedule.due_at = min(self.schedule.due_at, now)

    def may_check(self, now: float) -> bool:
        """Say whether the caller is the one to look, now."""
        with self._lock:
            if self._listeners is not None:
                self._listeners.start()
            if now < self._earliest:
                return False
            if self.schedule.may_start(now):
                self._earliest = now + CHECK_EVERY
                return True
            return False

    def tell(self, follower: Any) -> None:
        """Call `follower.follow()` from any thread whenever there is news; held weakly."""
        self._followers.add(follower)

    def hear(self) -> None:
        """
        Look for the primary, as a Sentinel announced something.

        This runs in the thread that listens, so that calls which hang on the old primary need not
        end before anybody looks.
        """
        self.want(0.0)
        if self.may_check(monotonic()):
            self.finder().check()
        for follower in list(self._followers):
            follower.follow()

    def finder(self) -> Any:
        """Return the links with which the listening threads look for the primary."""
        with self._lock:
            if self._finder is None:
                from cachex_client._sync.sentinel import SentinelLinks

                self._finder = SentinelLinks(self, ClientOptions(), ())
            return self._finder

    def close(self) -> None:
        """Stop listening."""
        if self._listeners is not None:
            self._listeners.stop()

    def _listen(self, sentinel: Endpoint) -> None:
        """Listen to one Sentinel until it breaks off; raises then."""
        pool = Pool(sentinel, PoolOptions(max_size=1, connect_timeout=2.0))
        client: Any = redis.Redis(connection_pool=RedisPyPool(pool, timeout=2.0))
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        listeners = self._listeners
        try:
            pubsub.subscribe(*EVENTS)
            silent = 0.0
            while listeners is not None and not listeners.stopping:
                message = pubsub.get_message(timeout=1.0)
                if message is None:
                    silent += 1.0
                    if silent > SILENCE:
                        raise TimeoutError(f"the Sentinel {sentinel.name} says nothing any more")
                    if silent % 5 == 0:
                        pubsub.ping()
                    continue
                silent = 0.0
                if message["type"] == "message" and self._concerns(message["data"]):
                    self.hear()
        finally:
            pubsub.close()
            pool.close()

    def _concerns(self, data: bytes) -> bool:
        return self.service.encode() in data.split(b" ")
