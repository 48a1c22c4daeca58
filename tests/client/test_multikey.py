"""Many keys of a cluster: one write to each server, and what became of each key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from cachex_client import ClientOptions
from cachex_client.commands import strings
from support.proxy import Proxies
from support.servers import Cluster
from support.waiting import eventually

KEYS = [f"key-{n}".encode() for n in range(300)] + [f"{{tag}}{n}".encode() for n in range(50)]


@pytest.fixture
def proxies(cluster: Cluster) -> Iterator[Proxies]:
    with Proxies(cluster.servers) as proxies:
        yield proxies


@pytest.fixture
def client(colour: Any, proxies: Proxies) -> Any:
    options = ClientOptions(read_from="primary", timeout=10.0)
    client = colour.make("ClusterClient", proxies.urls, options, address_remap=proxies.remap)
    client.get_many(KEYS)  # everything is known and connected
    return client


def forget(proxies: Proxies) -> None:
    for proxy in proxies:
        proxy.forget()


def traffic_of(
    call: Callable[[], Any], cluster: Cluster, proxies: Proxies
) -> list[tuple[int, int]]:
    """Return the writes and round trips that a call costs each primary.

    If a machine is so busy that a primary keeps the client waiting, the client asks the others
    what they know of it: then the call is made again, since this is traffic, too.
    """

    def undisturbed() -> list[tuple[int, int]] | None:
        forget(proxies)
        call()
        if proxies.count("CLUSTER"):
            return None
        found = [proxies[server] for server in cluster.primaries]
        return [(proxy.writes(), proxy.round_trips()) for proxy in found]

    return eventually(undisturbed, 30, what="a call that need not ask for the cluster") or []


def test_many_keys_cost_one_write_and_one_round_trip_per_server(
    cluster: Cluster, proxies: Proxies, client: Any
) -> None:
    for call in (
        lambda: client.get_many(KEYS),
        lambda: client.execute_many([strings.set(key, b"1") for key in KEYS]),
        lambda: client.execute_many([strings.get(key) for key in KEYS]),
        lambda: client.delete_many(KEYS),
    ):
        assert traffic_of(call, cluster, proxies) == [(1, 1)] * 3


def test_keys_of_one_slot_travel_in_one_command(proxies: Proxies, client: Any) -> None:
    forget(proxies)
    client.get_many(KEYS)
    assert proxies.count("MGET") <= 5  # the tag's, and slots that two keys share by chance
    assert proxies.count("GET") >= 280


def test_a_server_that_is_down_costs_its_own_keys_only(
    cluster: Cluster, proxies: Proxies, client: Any
) -> None:
    client.execute_many([strings.set(key, key) for key in KEYS])
    dead = cluster.primaries[1]
    down = {key for key in KEYS if cluster.shard_of(key) == 1}
    for server in (dead, *cluster.members(1)):
        proxies[server].refuse()
        proxies[server].cut_all()
    for found in (
        client.get_many(KEYS),
        client.execute_many([strings.get(key) for key in KEYS]),
    ):
        for key, value in zip(KEYS, found, strict=True):
            assert isinstance(value, redis.ConnectionError) if key in down else value == key
    stored = client.execute_many([strings.set(key, b"2") for key in KEYS])
    assert {key for key, done in zip(KEYS, stored, strict=True) if done is not True} == down


def test_a_cache_says_which_keys_could_not_be_stored(
    cluster: Cluster, proxies: Proxies, client: Any, colour: Any
) -> None:
    cache = colour.cache(client)
    values = {f"name-{n}": n for n in range(50)}
    for server in cluster.members(2):
        proxies[server].refuse()
        proxies[server].cut_all()
    down = [name for name in values if cluster.shard_of(f":1:{name}") == 2]
    assert cache.set_many(values) == down
    failures: dict[Any, Exception] = {}
    found = cache.get_many(list(values), on_error=failures.__setitem__)
    assert sorted(failures) == sorted(down)
    assert found == {name: value for name, value in values.items() if name not in down}


def test_a_lost_reply_is_asked_for_again_where_that_does_no_harm(
    cluster: Cluster, proxies: Proxies, client: Any
) -> None:
    client.execute_many([strings.set(key, key) for key in KEYS])
    victim = proxies[cluster.primaries[0]]
    victim.truncate_reply(0, to="GET", nth=20)
    assert client.get_many(KEYS) == KEYS
    victim.cut_reply(to="INCRBY", nth=2)
    counters = [f"counter-{n}".encode() for n in range(30)]
    results = client.execute_many([strings.incrby(key, 1) for key in counters])
    unknown = [at for at, result in enumerate(results) if isinstance(result, redis.ConnectionError)]
    assert unknown
    assert all(cluster.shard_of(counters[at]) == 0 for at in unknown)
    totals = [int(value or 0) for value in client.get_many(counters)]
    assert set(totals) <= {0, 1}
    assert all(totals[at] == 1 for at in range(30) if at not in unknown)


def test_errors_stay_with_their_commands(client: Any) -> None:
    client.execute(strings.set(b"text", b"x"))
    results = client.execute_many(
        [strings.incrby(b"text", 1), strings.set(b"other", b"1"), strings.get(b"text")]
    )
    assert isinstance(results[0], redis.ResponseError)
    assert results[1:] == [True, b"x"]
