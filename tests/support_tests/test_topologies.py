"""Replicas, Sentinels and clusters come up, survive what tests do to them, and come back."""

from __future__ import annotations

import pytest

from support.resp import RespError
from support.servers import Cluster, Replicated, Sentinels, slot_of
from support.topologies import role_of


def test_replicas_have_what_the_primary_has(replicated: Replicated) -> None:
    replicated.primary.command("SET", "key", "value")
    replicated.wait_in_sync()
    assert [replica.command("GET", "key") for replica in replicated.replicas] == [b"value"] * 2
    assert [role_of(server) for server in replicated.servers] == ["master", "slave", "slave"]


def test_reset_undoes_a_promotion_and_a_death(replicated: Replicated) -> None:
    replicated.replicas[0].command("REPLICAOF", "NO", "ONE")
    replicated.replicas[0].command("SET", "key", "value")
    replicated.replicas[1].kill()
    replicated.reset()
    assert [role_of(server) for server in replicated.servers] == ["master", "slave", "slave"]
    assert [server.command("DBSIZE") for server in replicated.servers] == [0, 0, 0]


def test_sentinels_name_another_primary_when_theirs_dies(sentinels: Sentinels) -> None:
    old = sentinels.primary
    old.kill()
    new = sentinels.wait_for_another_primary(old)
    assert role_of(new) == "master"
    sentinels.reset()
    assert sentinels.primary is new
    assert old in sentinels.replicas


@pytest.mark.parametrize(
    ("key", "slot"),
    [("", 0), ("123456789", 0x31C3), ("{tag}x", slot_of("tag")), ("{}x{y}", slot_of(b"{}x{y}"))],
)
def test_slots(key: str, slot: int, cluster: Cluster) -> None:
    assert slot_of(key) == slot == cluster.servers[0].command("CLUSTER", "KEYSLOT", key)


def test_keys_go_to_the_shard_we_say(cluster: Cluster) -> None:
    for shard, primary in enumerate(cluster.primaries):
        keys = cluster.keys_of_shard(shard)
        for _ in range(20):
            assert primary.command("SET", next(keys), "value") == "OK"


@pytest.mark.parametrize("how", ["", "FORCE", "TAKEOVER"])
def test_a_cluster_fails_over_when_told(cluster: Cluster, how: str) -> None:
    old = cluster.primary_of_shard(1)
    new = cluster.failover(1, how)
    cluster.reset()
    assert cluster.primary_of_shard(1) is new
    assert old in cluster.replicas


def test_a_half_moved_slot_answers_ask_and_tryagain(cluster: Cluster) -> None:
    source, target, _ = cluster.primaries
    keys = ["a{key-0}", "b{key-0}"]
    slot = slot_of(keys[0])
    assert source is cluster.primary_for(keys[0])
    source.command("MSET", keys[0], "1", keys[1], "2")
    cluster.begin_migration(slot, source, target)
    cluster.move_key(keys[0], source, target)
    with pytest.raises(RespError, match=f"ASK {slot} 127.0.0.1:{target.port}"):
        source.command("GET", keys[0])
    with pytest.raises(RespError, match="TRYAGAIN"):
        source.command("MGET", *keys)
    cluster.reset()
    assert all(primary.command("DBSIZE") == 0 for primary in cluster.primaries)


def test_a_cluster_with_a_moved_slot_is_built_anew(cluster: Cluster) -> None:
    source, target, _ = cluster.primaries
    source.command("SET", "key-0", "value")
    cluster.begin_migration(slot_of("key-0"), source, target)
    cluster.finish_migration(slot_of("key-0"), source, target)
    assert target.command("GET", "key-0") == b"value"
    with pytest.raises(RespError, match="MOVED"):
        source.command("GET", "key-0")
    cluster.reset()
    assert cluster.primary_for("key-0").command("GET", "key-0") is None
