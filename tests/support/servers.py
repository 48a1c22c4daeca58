"""The servers to test against: one, a primary with replicas, Sentinels, a cluster."""

from __future__ import annotations

from support.server import Server, ServerFailed
from support.topologies import Cluster, Replicated, Sentinels

Standalone = Server

__all__ = ["Cluster", "Replicated", "Sentinels", "Server", "ServerFailed", "Standalone"]
