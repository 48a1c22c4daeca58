"""A primary under Sentinels that is swapped, killed or stopped, while it is used."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import AsyncSentinelClient, ClientOptions, SentinelClient, SentinelMap
from cachex_client.commands import strings
from cachex_pool import Endpoint
from support import load
from support.clients import map_of
from support.colours import Awaited, own_loop
from support.history import History, Outcome
from support.leaks import no_leaks
from support.proxy import Proxies
from support.resp import RespError
from support.servers import Sentinels, Server
from support.topologies import NOT_YET, role_of
from support.waiting import Pulse, eventually

EXPECTED = (redis.RedisError, OSError)
OPTIONS = ClientOptions(read_from="primary", timeout=3.0)
PROMPT = 0.3
"""Seconds after a promotion in which everything has to work again."""


def use_meanwhile(
    colour: str,
    map: SentinelMap,
    history: History,
    happening: Callable[[], None],
    options: ClientOptions = OPTIONS,
) -> None:
    """Write and read with 8 threads or 32 tasks while something happens."""

    def work(number: int) -> None:
        key = f"key-{number}"
        with history.write(number, key) as event:
            client.execute(strings.set(key.encode(), event.value))
        with history.read(number, key) as event:
            event.result = client.execute(strings.get(key.encode()))
        time.sleep(0.003)

    async def async_work(client: AsyncSentinelClient, number: int) -> None:
        key = f"key-{number}"
        with history.write(number, key) as event:
            await client.execute(strings.set(key.encode(), event.value))
        with history.read(number, key) as event:
            event.result = await client.execute(strings.get(key.encode()))
        await asyncio.sleep(0.02)

    async def main() -> None:
        client = AsyncSentinelClient(map, options)
        await client.warm_up()
        async with load.tasks(32, lambda number: async_work(client, number)):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(happening)
        await client.aclose()

    if colour == "async":
        asyncio.run(main())
        return
    client = SentinelClient(map, options)
    client.warm_up()
    with load.threads(8, work):
        time.sleep(0.3)
        happening()
    client.close()


class Promotion:
    """Watches when one of the replicas becomes the primary."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels
        self.old = sentinels.primary
        self.others = sentinels.replicas
        self.at = float("inf")

    def by_command(self) -> Server:
        """Have a replica promoted by a Sentinel, and wait for it.

        A Sentinel to whom no replica looks good at that moment gives up and tells nobody: then it
        is told again.
        """
        for _ in range(11):
            with contextlib.suppress(RespError):  # it is at it, or sees no good replica
                self._sentinels.sentinels[0].command("SENTINEL", "FAILOVER", self._sentinels.name)
            with contextlib.suppress(AssertionError):
                return self.wait(5)
        return self.wait(5)

    def wait(self, timeout: float = 60) -> Server:
        def promoted() -> Server | None:
            others = [one for one in self.others if not one.paused]
            return next((one for one in others if role_of(one) == "master"), None)

        new = eventually(promoted, timeout, interval=0.005, ignore=NOT_YET, what="a promotion")
        self.at = time.monotonic()
        assert new is not None
        return new


@pytest.mark.timing
@pytest.mark.parametrize(
    ("colour", "how"),
    [
        ("sync", "command"),
        ("sync", "kill"),
        ("async", "pause"),
        pytest.param("async", "kill", marks=pytest.mark.thorough),
        pytest.param("async", "command", marks=pytest.mark.soak),
        pytest.param("sync", "pause", marks=pytest.mark.soak),
    ],
)
def test_a_new_primary_is_used_soon_after_its_promotion(
    sentinels: Sentinels, colour: str, how: str
) -> None:
    history = History(EXPECTED)
    promotion = Promotion(sentinels)

    def happening() -> None:
        if how == "command":
            promotion.by_command()
        else:
            getattr(promotion.old, how)()
            promotion.wait()
        time.sleep(1.0)

    with Pulse() as pulse:
        use_meanwhile(colour, map_of(sentinels), history, happening)
    slack = PROMPT + 3 * pulse.worst
    failed = [event for event in history.events if event.error is not None]
    last = max([event.end for event in failed], default=promotion.at)
    worked = [
        event.end
        for event in history.events
        if event.op == "write" and event.error is None and event.end > promotion.at
    ]
    print(
        f"{len(failed)} of {len(history.events)} failed, last error"
        f" {last - promotion.at:.3f} s after the promotion, first write"
        f" {min(worked) - promotion.at:.3f} s after it, late threads {pulse.worst:.3f}"
    )
    history.check()
    assert last <= promotion.at + slack
    assert min(worked) <= promotion.at + slack
    if how == "command":
        assert not failed


def is_listened_to(sentinel: Server) -> bool:
    return any(one["sub"] != "0" for one in sentinel.clients())


@pytest.mark.timing
def test_a_planned_failover_is_followed_before_the_sentinels_name_the_new_primary(
    sentinels: Sentinels,
) -> None:
    """Till then the old one goes on leading, and what it takes is lost."""
    map = map_of(sentinels)
    client = SentinelClient(map, OPTIONS)
    client.warm_up()
    eventually(lambda: all(is_listened_to(one) for one in sentinels.sentinels))
    promotion = Promotion(sentinels)
    with Pulse() as pulse:
        new = promotion.by_command()
        eventually(lambda: map.opinion and map.opinion.primary.port == new.port, 30)
        took = time.monotonic() - promotion.at
    assert took <= PROMPT + 3 * pulse.worst
    client.execute(strings.set(b"key", b"1"))
    assert new.command("GET", "key") == b"1"
    client.close()


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("times", [10])
@pytest.mark.soak
def test_what_was_written_after_a_failover_is_there(
    sentinels: Sentinels, colour: str, times: int
) -> None:
    history = History(EXPECTED)

    def happening() -> None:
        for _ in range(times):
            eventually(lambda: try_failover(sentinels), 15, interval=0.2)
            time.sleep(0.5)

    use_meanwhile(colour, map_of(sentinels), history, happening)
    history.check()
    assert history.count(Outcome.OK) > 100 * times
    assert len([event for event in history.events if event.error is not None]) == 0


def try_failover(sentinels: Sentinels) -> bool:
    with contextlib.suppress(Exception):
        sentinels.failover(10)
        return True
    return False


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_without_any_sentinel_a_live_primary_goes_on(sentinels: Sentinels, colour: str) -> None:
    history = History()

    def happening() -> None:
        for sentinel in sentinels.sentinels:
            sentinel.kill()
        time.sleep(1.0)

    with no_leaks(4), Pulse() as pulse:
        use_meanwhile(colour, map_of(sentinels), history, happening)
    history.check()
    assert history.longest() < 0.1 + 3 * pulse.worst


@pytest.mark.timing
@pytest.mark.parametrize(
    ("colour", "dead"), [("async", 2), pytest.param("sync", 1, marks=pytest.mark.soak)]
)
def test_dead_sentinels_do_not_slow_calls_down(
    sentinels: Sentinels, colour: str, dead: int
) -> None:
    history = History()

    def happening() -> None:
        for sentinel in sentinels.sentinels[:dead]:
            sentinel.pause()
        time.sleep(1.0)

    with Pulse() as pulse:
        use_meanwhile(colour, map_of(sentinels), history, happening)
    assert history.longest() < 0.05 + 3 * pulse.worst


@contextlib.contextmanager
def proxied(sentinels: Sentinels) -> Iterator[tuple[Proxies, SentinelMap]]:
    with Proxies(sentinels.servers) as proxies:
        seeds = [Endpoint(port=proxies[one].port) for one in sentinels.sentinels]
        yield proxies, SentinelMap(sentinels.name, seeds, address_remap=proxies.remap)


@pytest.mark.timing
@pytest.mark.soak
def test_a_failover_is_found_out_by_failing_calls_where_listening_is_not_possible(
    sentinels: Sentinels,
) -> None:
    history = History(EXPECTED)
    promotion = Promotion(sentinels)

    def happening() -> None:
        promotion.old.kill()
        promotion.wait()
        time.sleep(1.0)

    with Pulse() as pulse:
        use_meanwhile("sync", map_of(sentinels, listen=False), history, happening)
    history.check()
    failed = [event for event in history.events if event.error is not None]
    assert max(event.end for event in failed) <= promotion.at + PROMPT + 3 * pulse.worst


def test_an_old_primary_that_is_cut_off_from_the_sentinels_is_left(
    sentinels: Sentinels,
) -> None:
    """The client reaches it, and its Sentinel still names it: two others do not."""
    history = History(EXPECTED)
    with sentinels.patient(), proxied(sentinels) as (proxies, map):
        promotion = Promotion(sentinels)
        stale = sentinels.sentinels[2]

        def happening() -> None:
            stale.pause()
            new = proxies[promotion.by_command()].port
            eventually(lambda: map.opinion and map.opinion.primary.port == new, timeout=30)
            stale.resume()
            for _ in range(50):
                time.sleep(0.01)
                assert map.opinion is not None
                assert map.opinion.primary.port == new
            assert role_of(promotion.old) == "master"

        use_meanwhile("sync", map, history, happening)
        history.check()
        assert not [event for event in history.events if event.error is not None]


@pytest.mark.soak
def test_the_sentinels_are_asked_few_times_per_failover(sentinels: Sentinels) -> None:
    history = History(EXPECTED)
    with proxied(sentinels) as (proxies, map):
        promotion = Promotion(sentinels)

        def happening() -> None:
            promotion.old.kill()
            proxies[promotion.old].refuse()
            proxies[promotion.old].cut_all()
            promotion.wait()
            time.sleep(1.0)

        started = time.monotonic()
        use_meanwhile("sync", map, history, happening)
        took = time.monotonic() - started
        looks = proxies.count("SENTINEL MASTER") / 3
        print(f"looked {looks:.0f} times in {took:.1f} s")
        assert looks <= 10 * took + 3
    assert threading.active_count() < 60


def test_a_walk_goes_on_with_the_new_primary(sentinels: Sentinels) -> None:
    client = SentinelClient(map_of(sentinels), OPTIONS)
    names = {b"there-%d" % number for number in range(500)}
    client.execute_many([strings.set(name, b"1") for name in names])
    sentinels.primary.command("WAIT", 2, 1000)
    promotion = Promotion(sentinels)

    def swap() -> None:
        new = promotion.by_command()
        promotion.old.kill()
        eventually(lambda: client.map.opinion and client.map.opinion.primary.port == new.port)

    found: set[bytes] = set()
    for step, keys in enumerate(client.scan(b"there-*", 10)):
        found.update(keys)
        if step == 5:
            swap()
    assert found == names
    client.close()


@pytest.mark.timing
def test_a_replica_that_is_slow_to_follow_does_not_keep_anybody_with_the_old_primary(
    sentinels: Sentinels,
) -> None:
    """Until it follows, one Sentinel goes on naming the old primary, which goes on leading."""
    slow, heir = sentinels.replicas
    slow.command("CONFIG", "SET", "replica-priority", 0)  # it shall not be the one to lead
    with sentinels.patient():
        eventually(lambda: sentinels.priority_of(slow) == {0}, 30)
        map = map_of(sentinels)
        client = SentinelClient(map, OPTIONS)
        client.warm_up()
        promotion = Promotion(sentinels)
        sentinels.sentinels[2].pause()
        slow.pause()
        assert promotion.by_command() is heir
        with Pulse() as pulse:
            started = time.monotonic()
            eventually(lambda: map.opinion and map.opinion.primary.port == heir.port, 30)
            took = time.monotonic() - started
            for number in range(100):
                client.execute(strings.set(b"key", b"%d" % number))
                time.sleep(0.005)
                assert heir.command("GET", "key") == b"%d" % number
        assert took < 1.0 + 3 * pulse.worst  # Sentinel waits 3 s for replicas
        for one in (slow, sentinels.sentinels[2]):
            one.resume()
        client.close()


@pytest.mark.parametrize("colour", ["sync", pytest.param("async", marks=pytest.mark.thorough)])
def test_an_old_primary_that_leads_again_gets_no_writes_while_the_new_one_is_silent(
    sentinels: Sentinels, colour: str
) -> None:
    """What it took would be lost once a Sentinel tells it whom to follow."""
    with sentinels.patient(), own_loop() as loop:
        old = sentinels.primary
        new = sentinels.failover(30)
        eventually(lambda: role_of(old) == "slave", 30, ignore=NOT_YET)
        map = map_of(sentinels)
        sync = colour == "sync"
        client: Any = (
            SentinelClient(map, OPTIONS)
            if sync
            else Awaited(AsyncSentinelClient(map, OPTIONS), loop)
        )
        client.execute(strings.set(b"key", b"1"))
        old.command("ACL", "SETUSER", "default", "-replicaof", "-slaveof")  # no Sentinel may help
        old.command("REPLICAOF", "NO", "ONE")
        new.pause()
        before = map.schedule.count
        while map.schedule.count < before + 4:
            with pytest.raises(EXPECTED):
                client.execute(strings.set(b"key", b"2"), timeout=0.2)
        assert role_of(old) == "master"
        assert map.opinion is not None
        assert map.opinion.primary.port == new.port
        new.resume()
        eventually(lambda: client.execute(strings.set(b"key", b"3")), 10, ignore=EXPECTED)
        assert new.command("GET", "key") == b"3"
        assert old.command("GET", "key") in (None, b"1")
        old.command("ACL", "SETUSER", "default", "+replicaof", "+slaveof")
        client.close()
