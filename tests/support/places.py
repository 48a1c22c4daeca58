"""A topology by its name: where a key is, whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from support.servers import Server

TOPOLOGIES = ("standalone", "replicated", "sentinels", "cluster")
"""Fixtures that give servers."""


class Place(NamedTuple):
    """Servers of the fixture `name`: who writes a key, and how many replicas each primary has."""

    name: str
    servers: Any
    primary_for: Callable[[str], Server]
    primaries: list[Server]
    replicas: int


def place(name: str, servers: Any) -> Place:
    if name == "cluster":
        return Place(name, servers, servers.primary_for, servers.primaries, 1)
    primary = servers if name == "standalone" else servers.primary
    replicas = 0 if name == "standalone" else len(servers.replicas)
    return Place(name, servers, lambda key: primary, [primary], replicas)
