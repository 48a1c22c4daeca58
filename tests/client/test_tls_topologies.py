"""Clusters and services under Sentinels whose servers are spoken to in TLS."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import redis

from cachex_client import ClientOptions, ClusterUnreachable, SentinelMap
from cachex_client.commands import strings
from cachex_pool import Endpoint, Tls, parse_url
from support.proxy import Proxy
from support.servers import Cluster, Sentinels, Server
from support.tls import Authority
from support.waiting import eventually

OPTIONS = ClientOptions(read_from="primary")


class Wrapped:
    """A proxy that speaks TLS in front of each server."""

    def __init__(self, servers: list[Server], authority: Authority, stack: Any) -> None:
        self._context = authority.server_context()
        self.by_address = {
            server.address: stack.enter_context(Proxy(server, tls=self._context))
            for server in servers
        }

    def remap(self, host: str, port: int) -> tuple[str, int]:
        return self.by_address[host, port].address

    def count(self, name: str) -> int:
        return sum(proxy.count(name) for proxy in self.by_address.values())


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def test_every_node_of_a_cluster_is_spoken_to_in_tls(
    cluster: Cluster, authority: Authority, colour: Any, stack: contextlib.ExitStack
) -> None:
    wrapped = Wrapped(cluster.servers, authority, stack)
    first, _ = parse_url(wrapped.by_address[cluster.servers[0].address].url)
    seed = attrs.evolve(first, tls=Tls(ca_certs=str(authority.ca)))
    client = colour.make("ClusterClient", [seed], OPTIONS, address_remap=wrapped.remap)
    keys = [f"key-{n}".encode() for n in range(30)]
    assert client.execute_many([strings.set(key, key) for key in keys]) == [True] * 30
    assert client.get_many(keys) == keys
    assert wrapped.count("SET") == 30


def test_renewed_authorities_hold_for_every_node_of_a_cluster(
    cluster: Cluster,
    authority: Authority,
    colour: Any,
    stack: contextlib.ExitStack,
    tmp_path: Path,
) -> None:
    wrapped = Wrapped(cluster.servers, authority, stack)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.ca.read_bytes())
    os.utime(trusted, (1_000_000_000, 1_000_000_000))
    first, _ = parse_url(wrapped.by_address[cluster.servers[0].address].url)
    seed = attrs.evolve(first, tls=Tls(ca_certs=str(trusted)))
    client = colour.make("ClusterClient", [seed], OPTIONS, address_remap=wrapped.remap)
    keys = [f"key-{n}".encode() for n in range(30)]
    assert client.execute_many([strings.set(key, key) for key in keys]) == [True] * 30
    renewed = Authority(tmp_path)
    trusted.write_bytes(renewed.ca.read_bytes())
    for proxy in wrapped.by_address.values():
        proxy.tls = renewed.server_context()
        proxy.cut_all()

    def answers() -> bool:
        try:
            return bool(client.get_many(keys) == keys)
        except redis.ConnectionError:  # of what was cut
            return False

    eventually(answers)


def test_a_node_with_a_certificate_of_nobody_is_not_spoken_to(
    cluster: Cluster, authority: Authority, colour: Any, stack: contextlib.ExitStack
) -> None:
    wrapped = Wrapped(cluster.servers, authority, stack)
    host, port = wrapped.by_address[cluster.servers[0].address].address
    seed = Endpoint(host=host, port=port, tls=Tls())
    client = colour.make("ClusterClient", [seed], OPTIONS, address_remap=wrapped.remap)
    with pytest.raises(ClusterUnreachable, match=r"certificate"):
        client.execute(strings.get(b"a"))


def test_sentinels_and_servers_have_tls_settings_of_their_own(
    sentinels: Sentinels, authority: Authority, colour: Any, stack: contextlib.ExitStack
) -> None:
    wrapped = Wrapped(sentinels.nodes, authority, stack)
    seeds = [Endpoint(host=host, port=port) for host, port in sentinels.addresses]
    pattern = Endpoint(tls=Tls(ca_certs=str(authority.ca)))
    map = SentinelMap(sentinels.name, seeds, pattern, address_remap=wrapped.remap, listen=False)
    client = colour.make("SentinelClient", map, OPTIONS)
    assert client.execute(strings.set(b"a", b"1")) is True
    assert client.execute(strings.get(b"a")) == b"1"

    both = Wrapped(sentinels.servers, authority, stack)
    seeds = [
        Endpoint(port=both.by_address[address].port, tls=Tls(ca_certs=str(authority.ca)))
        for address in sentinels.addresses
    ]
    map = SentinelMap(sentinels.name, seeds, pattern, address_remap=both.remap)
    client = colour.make("SentinelClient", map, OPTIONS)
    assert client.execute(strings.get(b"a")) == b"1"
    assert both.count("SENTINEL MASTER") >= 2
