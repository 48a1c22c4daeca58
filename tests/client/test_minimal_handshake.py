"""Caches behind a proxy that hangs up on HELLO, CLIENT and SELECT, as twemproxy does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cachex_client import Cache
from cachex_pool._wire.protocol import handshakes
from client.conftest import MakeCache
from support.proxy import Proxy
from support.servers import Standalone


@pytest.fixture
def proxy(standalone: Standalone) -> Iterator[Proxy]:
    with Proxy(standalone) as proxy:
        for name in ("HELLO", "CLIENT", "SELECT"):
            proxy.cut_request(to=name, times=1_000_000)
        yield proxy
    handshakes.greeted(proxy.address)  # its port may be another's soon


def is_used(cache: Cache) -> None:
    assert cache.get("a") is None
    assert cache.set("a", 1) is True
    assert cache.incr("a") == 2
    assert cache.set_many({"b": [1], "c": "x"}) == []
    assert cache.get_many(["a", "b", "c", "d"]) == {"a": 2, "b": [1], "c": "x"}
    assert cache.delete_many(["a", "b"]) == 2
    assert cache.hset("h", "f", 1) == 1
    assert cache.hgetall("h") == {"f": 1}


@pytest.mark.parametrize("query", ["", "?protocol=2", "?client_name=web-1"])
def test_no_call_notices_that_the_proxy_hangs_up_on_the_handshake(
    make_cache: MakeCache, proxy: Proxy, query: str
) -> None:
    is_used(make_cache([proxy.url + query]))
    is_used_again = make_cache([proxy.url + query])
    assert is_used_again.get("c") == "x"
    full = {number for number, words in proxy.commands if words[0] in (b"HELLO", b"CLIENT")}
    assert full == {1}


@pytest.mark.parametrize("database", ["0", ""])
def test_an_option_leaves_out_what_it_hangs_up_on(proxy: Proxy, database: str) -> None:
    url = f"redis://{proxy.host}:{proxy.port}/{database}?minimal_handshake=1&client_name=web"
    cache = Cache.from_url(url)
    is_used(cache)
    cache.client.close()
    assert len(proxy.connections) == 1
    assert proxy.count("HELLO") + proxy.count("CLIENT") + proxy.count("SELECT") == 0
