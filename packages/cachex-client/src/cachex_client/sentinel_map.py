"""What a process knows of one service that Sentinels watch, and the ear it has at the Sentinels."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import ref

import attrs
from redis.backoff import NoBackoff
from redis.retry import Retry

from cachex_client._audience import tell
from cachex_client._background import BackgroundWork
from cachex_client._concurrency import Ear, Listeners, monotonic, sleep
from cachex_client._core.addresses import Address, AddressRules, Remap
from cachex_client._core.sentinel import Opinion
from cachex_client._shared_map import SharedMap
from cachex_client.errors import ConfigurationError
from cachex_client.options import ClientOptions
from cachex_pool import Endpoint, Pool, PoolOptions
from cachex_pool.forks import register
from cachex_pool.redis_py import RedisPyPool, RedisPyPubSub

CHECK_EVERY = 0.1
"""Seconds between two looks for a new primary while the old one fails."""
POLL_EVERY = 10.0
"""Seconds after which the Sentinels are asked anyway."""
EVENTS = (
    "+switch-master",
    "+failover-state-wait-promotion",
    "+promoted-slave",
    "+odown",
    "+reboot",
    "+slave",
    "+sdown",
    "-sdown",
    "+role-change",
)
PING_EVERY = 5.0
"""Seconds without a word after which a Sentinel is sent a PING, and then another."""
SILENCE = 15.0
"""Seconds without a word, not even to a PING, after which a Sentinel is called anew."""


class SentinelMap(SharedMap):
    """
    Who leads a service and who follows: the newest opinion, a frozen value swapped whole.

    `service` is the name the Sentinels know it by; `pattern` says how to log in to its servers,
    `sentinels` where the Sentinels are and how to log in to them. While the map is in use, one
    thread for each Sentinel listens for what it announces; where that fails, failing calls
    and a poll every ten seconds find out. `ask_within` are the seconds a Sentinel may take to
    answer, None for a client's `connect_timeout`: a majority of the Sentinels decides, and fewer
    only if all others have failed by then. `address_remap` turns an announced `(host, port)` into
    one that can be reached; `allowed_hosts`, if given, are the names and networks that Sentinels
    may name beside their own hosts, see `AllowedHosts`.
    """

    def __init__(
        self,
        service: str,
        sentinels: Sequence[Endpoint],
        pattern: Endpoint | None = None,
        *,
        address_remap: Remap | None = None,
        allowed_hosts: Sequence[str] | None = None,
        listen: bool = True,
        ask_within: float | None = None,
    ) -> None:
        if not service:
            raise ConfigurationError("a Sentinel client needs the name of the service; it is empty")
        if not sentinels:
            raise ConfigurationError("a Sentinel client needs at least one Sentinel")
        super().__init__()
        self.service = service
        self.sentinels = tuple(sentinels)
        hosts = [one.host for one in sentinels]
        self.rules = AddressRules.of(address_remap, allowed_hosts, hosts)
        self.ask_within = ask_within
        self.opinion: Opinion | None = None
        self._pattern = pattern or Endpoint()
        self._earliest = 0.0
        self.leaderless = False
        self._finder: Any = None
        self._options = ClientOptions()
        self._listeners = Listeners(partial(_listen, ref(self)), self.sentinels) if listen else None
        register(self)

    def after_fork(self) -> None:
        """Go on in a child process, where nobody listens or looks for the primary."""
        self.schedule.running_since = None
        if self.opinion is not None:
            self.schedule.due_at = 0.0

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

    def listen(self) -> None:
        """Listen to the Sentinels, unless that is done already."""
        with self._lock:
            self._listen()

    def may_introduce(self, now: float, patience: float) -> bool:
        """Do as the base class says, and listen."""
        with self._lock:
            if self._used():
                self._listen()
        return super().may_introduce(now, patience)

    def learn(
        self, opinion: Opinion | None, now: float, chance: float, *, led: bool = True
    ) -> bool:
        """
        Take a newer opinion, None if there is none; say whether it brought news.

        `led` is whether the primary that was known so far said that it leads.
        """
        with self._lock:
            before = self.opinion
            self.leaderless = not led and (opinion is None or opinion.heir is not None)
            changed = opinion is not None and opinion != self.opinion
            if opinion is not None:
                self.opinion = opinion
            self.schedule.count += 1
            self.schedule.running_since = None
            # Soon after a change there is more to come: the old primary turns up as a replica.
            self.schedule.unchanged = 0 if changed else self.schedule.unchanged + 1
            pause = min(POLL_EVERY, 0.5 * 2.0 ** min(self.schedule.unchanged, 10))
            self.schedule.due_at = min(self.schedule.due_at, now + pause * (0.9 + 0.2 * chance))
        if before is not None and opinion is not None and before.primary != opinion.primary:
            tell("promoted", self.name, old=str(before.primary), new=str(opinion.primary))
        return changed

    def want(self, now: float, trigger: str = "failure") -> None:
        """Note a reason to look for the primary again, a moment from now at the latest."""
        with self._lock:
            self.trigger = trigger
            self.schedule.due_at = min(self.schedule.due_at, now)

    def may_check(self, now: float) -> bool:
        """Say whether the caller is the one to look, now."""
        with self._lock:
            if self._used():  # and not by a look that goes on after the last client was closed
                self._listen()
            if now < self._earliest:
                return False
            if self.schedule.may_start(now):
                self._earliest = now + CHECK_EVERY
                return True
            return False

    def listen_with(self, options: ClientOptions) -> None:
        """Connect as a client does that uses this map, when listening and when looking."""
        with self._lock:
            self._options = options

    def forget(self, follower: Any) -> None:
        """Tell it nothing any more; when nobody is left, stop listening."""
        with self._lock:
            self._followers.discard(follower)
            if self._used():
                return
            finder, self._finder = self._finder, None
            if self._listeners is not None:
                self._listeners.stop()
        if finder is not None:
            finder.close()

    def hear(self, listening: Callable[[], bool]) -> None:
        """
        Look for the primary, as a Sentinel announced something.

        This runs in the thread that listens, so that calls which hang on the old primary need not
        end before anybody looks. Somebody looks after this was heard: here, unless another does.
        """
        heard = now = monotonic()
        self.want(heard, "announced")
        while listening() and (
            self.schedule.due_at <= heard or (self.leaderless and now < heard + POLL_EVERY)
        ):
            if self.leaderless:  # a Sentinel takes a second to notice whom it has promoted
                self.want(now, "announced")
            finder = self.finder(listening)
            if finder is not None and self.may_check(now):
                finder.check(BackgroundWork(finder))
            else:
                sleep(0.01)
            now = monotonic()
        for follower in self._all_followers():
            follower.follow()

    def finder(self, listening: Callable[[], bool]) -> Any:
        """Return the links with which the listening threads look for the primary, if they do."""
        with self._lock:
            if self._finder is None and listening():
                from cachex_client._sync.sentinel_links import SentinelLinks

                self._finder = SentinelLinks(self, self._options, ())
            return self._finder

    def _used(self) -> bool:
        """Say whether anybody follows but the map's own links."""
        return len(self._followers) > (self._finder in self._followers)

    def _listen(self) -> None:
        if self._listeners is not None:
            self._listeners.start()


def _listen(which: "ref[SentinelMap]", sentinel: Endpoint, ear: Ear) -> None:
    """Listen to one Sentinel until it breaks off, which raises, or nobody wants to know."""
    map = which()
    if map is None:
        return
    service, within = map.service.encode(), map.ask_within
    options = map._options.pool
    del map  # or it would live as long as this
    within = within or options.connect_timeout
    pool = Pool(
        sentinel,
        PoolOptions(max_size=1, connect_timeout=within, keepalive=options.keepalive),
    )
    # The listening thread calls this again when it breaks off: redis-py is not to reconnect.
    once = Retry(NoBackoff(), 0, supported_errors=())
    lender = RedisPyPool(pool, timeout=max(within, 2.0), retry=once)
    pubsub: Any = RedisPyPubSub(lender, ignore_subscribe_messages=True)
    ear.interrupt = partial(pool.retire, "nobody listens", sever=True)
    try:
        pubsub.subscribe(*EVENTS)
        silent = 0.0
        while ear() and which() is not None:
            message = pubsub.get_message(timeout=1.0)
            if message is None:
                silent += 1.0
                if silent > SILENCE:
                    raise TimeoutError(f"the Sentinel {sentinel.name} says nothing any more")
                if silent % PING_EVERY == 0:
                    pubsub.ping()
                continue
            silent = 0.0
            if message["type"] == "message" and service in message["data"].split(b" "):
                map = which()
                if map is not None:
                    map.hear(ear)
                del map
    finally:
        ear.interrupt = None
        pubsub.close()
        pool.close()
