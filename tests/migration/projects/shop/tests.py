"""The shop's own tests."""

from __future__ import annotations

import unittest

import pytest
from django.core.cache import cache, caches
from django.test import Client

from migration.projects.shop import shop


class ShopTests(unittest.TestCase):
    def tearDown(self) -> None:
        cache.delete_pattern("*", version=None)
        caches["api"].delete_pattern("*")
        raw = shop.get_redis_connection("default")
        raw.delete("cart:77", "stock:nut")

    def test_products(self) -> None:
        first = shop.product(1)
        assert cache.get("product:1") == first
        shop.product(2)
        assert sorted(cache.keys("product:*")) == ["product:1", "product:2"]
        assert sorted(cache.iter_keys("product:*", itersize=10)) == ["product:1", "product:2"]
        assert shop.forget_products() == 2
        assert shop.forget_products() == 0
        assert cache.get("product:1") is None

    def test_price_list(self) -> None:
        assert shop.price_list() == [1, 2, 3]
        assert cache.ttl("price-list") is None
        lock = cache.lock("price-list:lock", timeout=10)
        assert lock.acquire(blocking=False)
        assert not cache.lock("price-list:lock").acquire(blocking=False)
        lock.release()

    def test_carts(self) -> None:
        shop.add_to_cart(77, "apple", 1)
        shop.add_to_cart(77, "apple", 2)
        assert shop.cart(77) == {"apple": 3}

    def test_stock(self) -> None:
        raw = cache.client.get_client(write=True)
        raw.set("stock:nut", 5)
        assert shop.take_from_stock("nut", 2) == 3
        assert shop.take_from_stock("nut", 9) == -1

    def test_counting(self) -> None:
        assert [shop.seen("x"), shop.seen("x")] == [1, 2]
        assert cache.ttl("seen:x") is None
        with pytest.raises(ValueError, match="not found"):
            cache.incr("unknown")

    def test_single_values(self) -> None:
        assert cache.set("k", 1, nx=True) is True
        assert not cache.set("k", 2, nx=True)
        assert cache.set("k", 3, xx=True)
        assert cache.add("k", 4) is False
        assert cache.get("k") == 3
        assert cache.has_key("k") is True
        assert cache.delete("k")
        assert not cache.delete("k")
        assert cache.delete_many(["k", "l"]) == 0
        cache.set_many({"k": 1, "l": 2})
        assert cache.get_many(["k", "l", "m"]) == {"k": 1, "l": 2}
        assert cache.delete_many(["k", "l", "m"]) == 2

    def test_lifetimes(self) -> None:
        cache.set("k", 1, timeout=100)
        assert cache.ttl("k") in (99, 100)
        assert 99000 < cache.pttl("k") <= 100000
        assert cache.expire("k", timeout=50)
        assert cache.pexpire("k", timeout=50000)
        assert cache.persist("k")
        assert cache.ttl("k") is None
        assert not cache.persist("unknown")
        assert cache.touch("k", 10)
        assert cache.ttl("k") in (9, 10)
        assert cache.ttl("unknown") <= 0

    def test_keys(self) -> None:
        assert cache.make_key("k") == "shop:1:k"
        assert caches["api"].make_key("k") == "api:3:k"
        assert caches["api"].make_key("k", version=4) == "api:4:k"

    def test_collections(self) -> None:
        assert cache.sadd("s", "a", "b") == 2
        assert cache.sismember("s", "a")
        assert cache.scard("s") == 2
        assert cache.srem("s", "a") == 1
        assert cache.smembers("s") == {"b"}
        assert cache.zadd("z", {"a": 1.0, "b": 2.0}) == 2
        assert cache.zrange("z", 0, -1, withscores=True) == [("a", 1.0), ("b", 2.0)]
        assert cache.zincrby("z", 5, "a") == 6.0
        assert cache.zrevrange("z", 0, 0) == ["a"]
        assert cache.hset("h", "field", {"any": "thing"}) == 1
        assert cache.hexists("h", "field")
        assert cache.hkeys("h") == ["field"]
        assert cache.hdel("h", "field") == 1

    def test_pages(self) -> None:
        client = Client()
        first = client.get("/").content
        assert client.get("/").content == first
        visits = [int(client.get("/visit").content) for _ in range(3)]
        assert visits == [1, 2, 3]
