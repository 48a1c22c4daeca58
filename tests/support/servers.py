"""The servers to test against: one, a primary with replicas, Sentinels, a cluster."""

from __future__ import annotations

from support.cluster import Cluster, slot_of
from support.sentinels import Sentinels
from support.server import Server, ServerFailed
from support.topologies import Replicated, Topology

Standalone = Server

__all__ = [
    "Cluster",
    "Replicated",
    "Sentinels",
    "Server",
    "ServerFailed",
    "Standalone",
    "Topology",
    "slot_of",
]
