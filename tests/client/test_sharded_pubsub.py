"""Sharded channels of a cluster: heard at the server of their slot, wherever that is."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import NoPermissionError

from cachex_client import ClientOptions, ClusterClient
from support.servers import Cluster, slot_of
from support.waiting import eventually


@pytest.fixture
def client(colour: Any, cluster: Cluster) -> Any:
    if colour.name == "async" and not hasattr(redis.asyncio.client.PubSub, "ssubscribe"):
        pytest.skip("this redis-py has no sharded channels for asyncio")
    return colour.make("ClusterClient", cluster.urls[:2], ClientOptions(read_from="primary"))


@pytest.fixture
def facade(colour: Any, client: Any) -> Any:
    return colour.plain(client.redis)


@pytest.fixture
def channel(colour: Any, facade: Any) -> Any:
    made = colour.plain(facade.pubsub(ignore_subscribe_messages=True))
    yield made
    end(made)


def end(channel: Any) -> None:
    getattr(channel, "aclose", channel.close)()


def subscribe(channel: Any, *names: str) -> None:
    channel.ssubscribe(*names)
    heard(channel)


def heard(channel: Any) -> list[tuple[str, Any, Any]]:
    """Return what came, until nothing comes for a moment."""
    found = []
    while (message := channel.get_message(timeout=0.1)) is not None:
        found.append((message["type"], message["channel"], message["data"]))
    return found


def hears(channel: Any, facade: Any, name: str) -> Any:
    """Publish until that is heard; return it."""

    def told() -> Any:
        facade.spublish(name, "x")
        return channel.get_message(timeout=0.1)

    message = eventually(told, 30, ignore=(Exception,))
    assert (message["type"], message["channel"]) == ("smessage", name.encode())
    return message


def test_messages_of_channels_on_all_servers_are_heard(
    cluster: Cluster, facade: Any, channel: Any
) -> None:
    names = [next(cluster.keys_of_shard(shard, "news")) for shard in range(3)]
    channel.ssubscribe(*names)
    channel.subscribe("plain")
    for name in names:
        hears(channel, facade, name)
    heard(channel)
    facade.publish("plain", "y")
    assert channel.get_message(timeout=10)["type"] == "message"
    for name in names:
        facade.spublish(name, "z")
    came = [channel.get_message(timeout=10) for _ in names]
    assert sorted(one["channel"].decode() for one in came) == sorted(names)
    assert heard(channel) == []


def test_a_subscription_is_confirmed_once_and_so_is_its_end(colour: Any, facade: Any) -> None:
    channel = colour.plain(facade.pubsub())
    channel.ssubscribe("news")
    assert channel.get_message(timeout=10)["type"] == "ssubscribe"
    channel.sunsubscribe("news")
    assert channel.get_message(timeout=10)["type"] == "sunsubscribe"
    assert not channel.subscribed
    facade.spublish("news", "x")
    assert heard(channel) == []
    end(channel)


def test_a_channel_is_heard_after_its_slot_has_moved(
    cluster: Cluster, facade: Any, channel: Any
) -> None:
    subscribe(channel, "news")
    hears(channel, facade, "news")
    slot, source = slot_of("news"), cluster.primary_for("news")
    target = next(one for one in cluster.primaries if one is not source)
    cluster.begin_migration(slot, source, target)
    cluster.finish_migration(slot, source, target)
    for _ in range(3):
        hears(channel, facade, "news")
    eventually(lambda: target.command("PUBSUB", "SHARDCHANNELS") == [b"news"])
    assert source.command("PUBSUB", "SHARDCHANNELS") == []


def test_a_channel_is_heard_after_a_planned_failover(
    cluster: Cluster, facade: Any, channel: Any
) -> None:
    subscribe(channel, "news")
    hears(channel, facade, "news")
    new = cluster.failover(cluster.shard_of("news"))

    def moved() -> bool:
        hears(channel, facade, "news")
        return bool(new.command("PUBSUB", "SHARDCHANNELS") == [b"news"])

    eventually(moved, 30)


def test_a_channel_is_heard_after_its_primary_has_died(
    cluster: Cluster, facade: Any, channel: Any
) -> None:
    subscribe(channel, "news")
    hears(channel, facade, "news")
    shard = cluster.shard_of("news")
    old = cluster.primary_of_shard(shard)
    cluster.be_quick()
    old.kill()
    cluster.wait_for_another_primary(shard, old)
    for _ in range(3):
        hears(channel, facade, "news")
    eventually(lambda: heard(channel) == [])
    facade.spublish("news", "once")
    assert channel.get_message(timeout=10)["data"] == b"once"
    assert heard(channel) == []


def test_what_the_server_does_not_allow_is_raised(
    cluster: Cluster, facade: Any, channel: Any
) -> None:
    for server in cluster.servers:
        server.command("ACL", "SETUSER", "default", "resetchannels", "&allowed")
    channel.ssubscribe("news")
    with pytest.raises(NoPermissionError):
        eventually(lambda: channel.get_message(timeout=0.1))


def test_a_thread_hears_what_is_subscribed_meanwhile(cluster: Cluster) -> None:
    client = ClusterClient(cluster.urls[:1], ClientOptions(read_from="primary"))
    names = [next(cluster.keys_of_shard(shard, "news")) for shard in range(3)]
    came: list[bytes] = []
    pubsub = client.redis.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(**{names[0]: lambda message: came.append(message["channel"])})
    worker = pubsub.run_in_thread(sleep_time=0.05, daemon=True)
    for name in names[1:]:
        pubsub.ssubscribe(**{name: lambda message: came.append(message["channel"])})

    def all_came() -> bool:
        for name in names:
            client.redis.spublish(name, "x")
        return set(came) == {name.encode() for name in names}

    eventually(all_came, 30)
    worker.stop()
    worker.join(30)
    assert not worker.is_alive()
    pubsub.close()
    client.close()
