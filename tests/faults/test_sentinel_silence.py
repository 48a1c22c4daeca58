"""Sentinels that say nothing, or not everything: what that costs callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cachex_client import ClientOptions, ClusterUnreachable
from cachex_client._core.silence import FIRST_PAUSE, LONG, LONGEST_PAUSE, Silence
from cachex_client.commands import strings
from cachex_pool import PoolOptions
from support import documents
from support.clients import MakeClient, map_of, seeds_of
from support.servers import Sentinels
from support.waiting import eventually

PAGE = Path(__file__).resolve().parents[2] / "docs/topologies/sentinel.md"
CONNECT = 0.5
OPTIONS = ClientOptions(
    timeout=10.0, read_from="replica_preferred", pool=PoolOptions(connect_timeout=CONNECT)
)
USER = documents.users(PAGE)[1]
"""What the page says that a user of the Sentinels needs, as a command."""
PASSWORD = next(word[1:] for word in USER if word.startswith(">"))


@pytest.fixture(scope="module")
def one_sentinel() -> Iterator[Sentinels]:
    with Sentinels(replicas=1, sentinels=1) as servers:
        yield servers


# The rule


def test_a_quick_failure_keeps_nobody_from_asking() -> None:
    silence = Silence()
    silence.note(100.0, LONG / 2, 0.5, answered=False)
    assert not silence.silent


def test_who_was_silent_is_asked_again_later_and_later_until_somebody_answers() -> None:
    silence, now, pauses = Silence(), 100.0, []
    for _ in range(5):
        silence.note(now, 1.0, 0.5, answered=False)
        assert silence.silent
        assert not silence.may_ask(now)
        before = now
        while not silence.may_ask(now):
            now += 0.125
        pauses.append(now - before)
    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    silence.note(now, 1.0, 0.5, answered=True)
    assert not silence.silent
    silence.note(now, 1.0, 0.5, answered=False)
    assert silence.may_ask(now + FIRST_PAUSE)


# A Sentinel that hangs


def test_a_service_whose_only_sentinel_hangs_costs_one_question_and_then_nothing(
    make_client: MakeClient, one_sentinel: Sentinels
) -> None:
    one_sentinel.reset()
    (sentinel,) = one_sentinel.sentinels
    sentinel.pause()
    try:
        client = make_client.of("SentinelClient", map_of(one_sentinel), OPTIONS)
        with pytest.raises(ClusterUnreachable):
            client.execute(strings.get(b"k"))
        before, threads = client.map.failures, threading.active_count()
        started = time.monotonic()
        for _ in range(300):
            with pytest.raises(ClusterUnreachable):
                client.execute(strings.get(b"k"))
        took = time.monotonic() - started
        # Had each call asked, or waited for who asks, that would be 300 times CONNECT.
        assert took < 30 * CONNECT
        assert threading.active_count() <= threads + 3
        assert client.map.failures - before <= 1 + took / CONNECT
    finally:
        sentinel.resume()

    def answers() -> bool:
        return client.execute(strings.get(b"k")) is None

    eventually(answers, 20, ignore=(ClusterUnreachable,), what="the service being found")


def test_a_read_only_primary_is_no_reason_to_wait_for_a_sentinel_that_hangs(
    make_client: MakeClient, one_sentinel: Sentinels
) -> None:
    one_sentinel.reset()
    client = make_client.of("SentinelClient", map_of(one_sentinel), OPTIONS)
    client.execute(strings.set(b"k", b"v"))
    primary, (sentinel,) = one_sentinel.primary, one_sentinel.sentinels
    sentinel.pause()
    try:
        primary.command("REPLICAOF", "127.0.0.1", "1")

        def write() -> float:
            started = time.monotonic()
            with pytest.raises(redis.exceptions.ReadOnlyError):
                client.execute(strings.set(b"k", b"w"))
            return time.monotonic() - started

        write()  # finds the Sentinel silent
        assert client.map.silence.silent
        assert sum(write() for _ in range(20)) < 20 * CONNECT
    finally:
        primary.command("REPLICAOF", "NO", "ONE")
        sentinel.resume()

    def works() -> bool:
        return client.execute(strings.set(b"k", b"x")) in (True, b"OK", "OK")

    eventually(works, 20, ignore=(redis.RedisError,), what="writes")


# A Sentinel that does not say everything


def test_the_page_says_what_a_user_of_the_sentinels_needs() -> None:
    assert USER[:2] == ["ACL", "SETUSER"]
    assert {"-@all", "+sentinel|master", "+sentinel|replicas", "+subscribe"} <= {*USER}
    assert not {"+@all", "allcommands", "nopass"} & {*USER}


@pytest.mark.parametrize("refused", ["", "replicas"])
def test_the_primary_is_followed_by_a_user_who_may_not_ask_for_all(
    make_client: MakeClient, sentinels: Sentinels, refused: str
) -> None:
    rules = [*USER[3:], *(f"-sentinel|{one}" for one in refused.split())]
    for sentinel in sentinels.sentinels:
        sentinel.command("ACL", "SETUSER", "app", "reset", *rules)
    try:
        map = map_of(sentinels, seeds_of(sentinels, username="app", password=PASSWORD))
        client = make_client.of("SentinelClient", map, OPTIONS)
        client.execute(strings.set(b"k", b"v"))
        known = client.map.opinion
        assert known.primary.port == sentinels.primary.port
        assert len(known.replicas) == (0 if "replicas" in refused else 2)
        new = sentinels.failover()
        eventually(lambda: client.map.opinion.primary.port == new.port, 20, what="the new primary")
        client.execute(strings.set(b"k", b"w"))
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.command("ACL", "DELUSER", "app")


def test_a_user_who_may_not_ask_for_the_primary_is_told_so(
    make_client: MakeClient, sentinels: Sentinels
) -> None:
    for sentinel in sentinels.sentinels:
        sentinel.command("ACL", "SETUSER", "app", "reset", "on", ">hush", "+@connection")
    try:
        map = map_of(sentinels, seeds_of(sentinels, username="app", password="hush"))
        client = make_client.of("SentinelClient", map, OPTIONS)
        with pytest.raises(ClusterUnreachable, match=r"permissions.*sentinel"):
            client.execute(strings.get(b"k"))
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.command("ACL", "DELUSER", "app")


# Options


def test_whoever_looks_for_the_primary_in_the_background_has_the_clients_options(
    make_client: MakeClient, sentinels: Sentinels
) -> None:
    client = make_client.of("SentinelClient", map_of(sentinels), OPTIONS)
    client.execute(strings.get(b"k"))
    finder = client.map.finder(lambda: True)
    assert {link.pool.options for link in finder._sentinels} == {OPTIONS.pool}
    assert finder._question_time == CONNECT
