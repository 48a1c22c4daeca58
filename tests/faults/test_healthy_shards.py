"""A shard that hangs, and calls on keys of the others."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from cachex_client import Cache, ClientOptions, ClusterClient
from cachex_pool import PoolOptions
from support.proxy import Proxies
from support.servers import Cluster
from support.waiting import eventually


@pytest.mark.parametrize("warm", [True, False], ids=["connected", "not connected"])
def test_reads_of_many_keys_that_wait_for_a_shard_keep_no_connection_of_another(
    cluster: Cluster, warm: bool
) -> None:
    """As many threads as there are connections wait; who asks a healthy shard does not."""
    threads, healthy = 4, next(cluster.keys_of_shard(1, ":1:other")).removeprefix(":1:")
    with Proxies(cluster.servers) as proxies:
        pool = PoolOptions(max_size=threads, connect_timeout=30.0)
        client = ClusterClient(
            proxies.urls[:1],
            ClientOptions(read_from="primary", timeout=30.0, pool=pool),
            address_remap=proxies.remap,
        )
        cache = Cache(client)
        keys = [f"key-{n}" for n in range(30)]
        cache.set_many(dict.fromkeys(keys, 1))
        hanging = proxies[cluster.primaries[0]]
        link = next(
            link for link in client.primaries(monotonic() + 5) if link.endpoint.port == hanging.port
        )
        if not warm:
            link.pool.retire()
        hanging.freeze()
        found: list[object] = []
        asking = [
            threading.Thread(target=lambda: found.append(cache.get_many(keys)))
            for _ in range(threads)
        ]
        for thread in asking:
            thread.start()

        def all_wait() -> bool:
            stats = link.stats()
            return stats.lent + stats.opening + stats.waiting == threads

        eventually(all_wait)
        cache.set(healthy, "well", timeout=None)
        assert cache.get(healthy) == "well"
        assert all_wait()
        hanging.heal()
        for thread in asking:
            thread.join(30)
        assert found == [dict.fromkeys(keys, 1)] * threads
        client.close()
