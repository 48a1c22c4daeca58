"""Several servers: who was asked, who answered, how the calls hang together."""

from __future__ import annotations

from typing import Any

import redis
from opentelemetry.trace import SpanKind

from cachex_client import ClientOptions, commands
from otel.receiver import Receiver, facts, failed
from support.clients import map_of
from support.servers import Cluster, Replicated, Sentinels, slot_of
from support.waiting import eventually

PRIMARY = ClientOptions(read_from="primary", timeout=20.0)
REPLICA = ClientOptions(read_from="replica_preferred", read_your_writes=0, timeout=20.0)


def peer(span: Any) -> int:
    found: int = facts(span)["network.peer.port"]
    return found


# A primary and its replicas


def test_reads_say_which_replica_answered(
    colour: Any, replicated: Replicated, receiver: Receiver
) -> None:
    client = colour.client([one.url for one in replicated.servers], options=REPLICA)
    receiver.instrument()
    for _ in range(4):
        client.execute(commands.get(b"a"))
    client.execute(commands.set(b"a", b"1"))
    replicas = {one.port for one in replicated.replicas}
    *reads, write = receiver.ours
    assert {peer(one) for one in reads} == replicas
    assert {facts(one)["server.port"] for one in receiver.ours} == {replicated.primary.port}
    assert peer(write) == replicated.primary.port


def test_a_replica_that_is_gone_is_a_retry_and_no_error(
    colour: Any, replicated: Replicated, receiver: Receiver
) -> None:
    primary, gone = replicated.primary, replicated.replicas[0]
    client = colour.client([primary.url, gone.url], options=REPLICA)
    client.execute(commands.get(b"a"))
    gone.kill()
    receiver.instrument()
    client.execute(commands.get(b"a"))
    assert facts(receiver.span)["cachex.retry.count"] >= 1
    assert peer(receiver.span) == primary.port
    assert not failed(receiver.span)
    assert "error.type" not in receiver.everything()


def test_servers_are_counted_by_role(
    colour: Any, replicated: Replicated, receiver: Receiver
) -> None:
    client = colour.client([one.url for one in replicated.servers])
    receiver.instrument()
    client.execute(commands.get(b"a"))
    count = receiver.metric("cachex.topology.node.count")
    assert count.value(cachex_node_role="primary") >= 1
    assert count.value(cachex_node_role="replica") >= 2


# Sentinel


def test_with_sentinels_spans_say_who_answered(
    colour: Any, sentinels: Sentinels, receiver: Receiver
) -> None:
    client = colour.client(map_of(sentinels), "SentinelClient", options=PRIMARY)
    receiver.instrument()
    with receiver.tracer.start_as_current_span("request"):
        client.execute(commands.get(b"a"))
    assert receiver.span.name == "GET"
    assert peer(receiver.span) == sentinels.primary.port
    refreshes = receiver.metric("cachex.topology.refreshes")
    assert refreshes.value(cachex_refresh_trigger="first") >= 1  # again if no Sentinel is in time


def test_a_failover_is_counted_and_the_next_call_says_who_answers_now(
    colour: Any, sentinels: Sentinels, receiver: Receiver
) -> None:
    client = colour.client(map_of(sentinels), "SentinelClient", options=PRIMARY)
    client.execute(commands.set(b"a", b"1"))
    receiver.instrument()
    with sentinels.patient():
        new = sentinels.failover(60)

        def told() -> bool:
            client.execute(commands.set(b"a", b"2"))
            return peer(receiver.ours[-1]) == new.port

        eventually(told, 60, ignore=(redis.RedisError,))
    eventually(lambda: receiver.metric("cachex.failovers").value() >= 1, 60)


# Cluster


def test_many_keys_of_three_nodes_are_four_spans_at_most(
    colour: Any, cluster: Cluster, receiver: Receiver
) -> None:
    client = colour.client(cluster.urls[:1], "ClusterClient", options=PRIMARY)
    cache = colour.cache(client)
    values = {f"key-{n}": n for n in range(1000)}
    cache.set_many(values)
    receiver.instrument()
    assert cache.get_many([*values, "missing"]) == values
    assert len(receiver.ours) <= 4
    verb = receiver.named("get_many default")
    assert verb.kind is SpanKind.INTERNAL
    said = facts(verb)
    assert (said["cachex.keys.requested"], said["cachex.keys.found"]) == (1001, 1000)
    parts = receiver.children(verb)
    assert {peer(one) for one in parts} == {one.port for one in cluster.primaries}
    assert len(parts) == 3
    receiver.clear()
    cache.set_many(values)
    assert len(receiver.ours) <= 4
    receiver.clear()
    assert cache.delete_many(values) == 1000
    assert len(receiver.ours) <= 4


def test_a_slot_that_has_moved_is_one_span_that_ends_at_the_new_node(
    colour: Any, cluster: Cluster, receiver: Receiver
) -> None:
    client = colour.client(cluster.urls[:1], "ClusterClient", options=PRIMARY)
    key = "moving"
    source = cluster.primary_for(key)
    target = next(one for one in cluster.primaries if one is not source)
    client.execute(commands.set(key.encode(), b"1"))
    slot = slot_of(key)
    cluster.begin_migration(slot, source, target)
    cluster.finish_migration(slot, source, target)
    receiver.instrument()
    try:
        assert client.execute(commands.get(key.encode())) == b"1"
    finally:
        cluster.begin_migration(slot, target, source)
        cluster.finish_migration(slot, target, source)
    assert receiver.span.name == "GET"
    assert facts(receiver.span)["cachex.redirect.count"] == 1
    assert peer(receiver.span) == target.port
    assert not failed(receiver.span)
    assert "error.type" not in facts(receiver.span)
    assert receiver.metric("cachex.redirects").value(cachex_redirect_type="moved") == 1


def test_a_batch_on_a_cluster_is_one_span_for_each_node(
    colour: Any, cluster: Cluster, receiver: Receiver
) -> None:
    client = colour.client(cluster.urls[:1], "ClusterClient", options=PRIMARY)
    client.execute(commands.get(b"a"))
    receiver.instrument()
    client.execute_many([commands.get(b"key-%d" % n) for n in range(30)])
    assert {one.name for one in receiver.ours} == {"PIPELINE GET"}
    assert len(receiver.ours) == 3
    assert sum(facts(one)["db.operation.batch.size"] for one in receiver.ours) == 30


def test_what_a_client_does_for_itself_makes_no_spans(
    colour: Any, cluster: Cluster, receiver: Receiver
) -> None:
    receiver.instrument()
    client = colour.client(cluster.urls[:1], "ClusterClient", options=PRIMARY)
    with receiver.tracer.start_as_current_span("request"):
        client.execute(commands.get(b"a"))
    assert [one.name for one in receiver.ours] == ["GET"]
    assert receiver.metric("cachex.topology.refreshes").value() >= 1
