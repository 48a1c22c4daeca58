"""Clients and caches belong to a process: a copy goes on with the same one, a pickle is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import cachex_client
from cachex_client import AsyncCache, Cache, ClusterMap, SentinelMap
from cachex_pool import Endpoint

URL = "redis://127.0.0.1:1/0"


def clients() -> list[Any]:
    there = Endpoint(port=1)
    return [
        cachex_client.DefaultClient([URL]),
        cachex_client.AsyncDefaultClient([URL]),
        cachex_client.ClusterClient((), map=ClusterMap([there])),
        cachex_client.AsyncClusterClient((), map=ClusterMap([there])),
        cachex_client.SentinelClient(SentinelMap("shop", [there])),
        cachex_client.AsyncSentinelClient(SentinelMap("shop", [there])),
        cachex_client.ReadOnlyClient(SentinelMap("shop", [there])),
        cachex_client.AsyncReadOnlyClient(SentinelMap("shop", [there])),
    ]


@pytest.mark.parametrize("client", clients(), ids=lambda one: type(one).__name__)
def test_a_copy_of_a_client_is_the_client(client: Any) -> None:
    assert copy.copy(client) is client
    assert copy.deepcopy({"of": [client]})["of"][0] is client
    with pytest.raises(TypeError, match=f"^{type(client).__name__} cannot be pickled: .* process"):
        pickle.dumps(client)


@pytest.mark.parametrize("kind", [Cache, AsyncCache])
def test_a_copy_of_a_cache_is_on_the_same_client(kind: Any) -> None:
    client = cachex_client.DefaultClient([URL])
    cache = kind(client, timeout=7.0, name="shop")
    for twin in (copy.copy(cache), copy.deepcopy(cache), copy.deepcopy({"of": cache})["of"]):
        assert type(twin) is kind
        assert twin is not cache
        assert twin.client is client
        assert vars(twin) == vars(cache)
    with pytest.raises(TypeError, match=f"^{kind.__name__} cannot be pickled: .* process"):
        pickle.dumps(cache)
