"""Which servers a cache has, as its client knows them."""

from typing import Any

import attrs

from cachex_client import ClusterClient, SentinelClient
from cachex_pool import Endpoint
from django_cachex.client import DefaultClient


@attrs.frozen
class Place:
    """
    Where a server is and what it should be: "primary", "replica", "sentinel"; "" if unknown.

    `primary` is the name of the primary that a replica should follow.
    """

    endpoint: Endpoint
    role: str
    primary: str = ""

    @property
    def name(self) -> str:
        return self.endpoint.name


@attrs.frozen
class Places:
    """The servers of a cache; `error` is why not all of them could be found."""

    kind: str
    servers: tuple[Place, ...]
    uncovered_slots: int = 0
    error: Exception | None = None


def kind_of(client: DefaultClient) -> str:
    """Return "standalone", "replicated", "sentinel" or "cluster"."""
    return client.executor.view().kind


def find(client: DefaultClient) -> Places:
    """
    Return all servers of a client; Sentinels and clusters are asked for theirs first.

    Who cannot be asked is no reason to fail: then the servers that settings name are returned, and
    the error with them.
    """
    executor, error = client.executor, None
    try:
        executor.ready()
    except Exception as failure:  # whatever it is, it is told
        error = failure
    if isinstance(executor, SentinelClient):
        return Places("sentinel", tuple(_of_service(executor.map)), error=error)
    if isinstance(executor, ClusterClient):
        topology = executor.map.topology
        uncovered = 16384 if topology is None else topology.uncovered
        return Places("cluster", tuple(_of_cluster(executor.map)), uncovered, error)
    primary, *replicas = client.config.servers
    servers = [Place(primary, "primary")]
    servers += [Place(one, "replica", primary.name) for one in replicas]
    return Places("replicated" if replicas else "standalone", tuple(servers), error=error)


def _of_service(map: Any) -> list[Place]:
    sentinels = [Place(one, "sentinel") for one in map.sentinels]
    known = map.opinion
    if known is None:
        return sentinels
    primary = map.endpoint(known.primary)
    replicas = [map.endpoint(one) for one in (*known.replicas, *known.unwell)]
    found = [Place(primary, "primary")]
    found += [Place(one, "replica", primary.name) for one in replicas]
    return [*found, *sentinels]


def _of_cluster(map: Any) -> list[Place]:
    if map.topology is None:
        return [Place(map.endpoint(one, read_only=False), "") for one in map.seeds]
    found = []
    for shard in sorted(map.topology.shards, key=lambda one: one.primary):
        primary = map.endpoint(shard.primary, read_only=False)
        found.append(Place(primary, "primary"))
        for one in shard.replicas:
            found.append(Place(map.endpoint(one, read_only=False), "replica", primary.name))
    return found
