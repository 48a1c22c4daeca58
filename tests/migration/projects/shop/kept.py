"""What the shop keeps in its cache from one day to the next."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache, caches
from django.test import Client

from migration.projects.shop import shop

VALUES: dict[str, Any] = {
    "text": "words " * 500,
    "number": 42,
    "none": None,
    "day": datetime.date(2024, 2, 29),
    "nested": {"a": [1, 2.5, ("x", None)]},
}


def remember() -> dict[str, Any]:
    cache.set_many(VALUES, timeout=None)
    caches["api"].set("answer", {"ok": True, "items": [1, 2]}, timeout=None)
    cache.set("version", 1, timeout=500, version=2)
    shop.product(7)
    shop.get_redis_connection().delete("cart:1")
    shop.add_to_cart(1, "apple", 3)
    shop.remember_settings(1, colour="blue", size=9)
    shop.tag("pear", "fruit", "green")
    shop.rate("pear", 4.5)
    cache.set("counter", 10, timeout=None)
    client = Client()
    visits = int(client.get("/visit").content)
    front = client.get("/").content.decode()
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {"cookie": cookie, "visits": visits, "front": front}


def recall(facts: dict[str, Any]) -> None:
    assert cache.get_many(VALUES) == VALUES
    assert caches["api"].get("answer") == {"ok": True, "items": [1, 2]}
    assert cache.get("version", version=2) == 1
    assert 0 < cache.ttl("version", version=2) <= 500
    assert cache.ttl("text") is None
    assert "product:7" in cache.keys("product:*")
    assert shop.cart(1) == {"apple": 3}
    assert caches["api"].hlen("settings:1") == 2
    assert sorted(caches["api"].hkeys("settings:1")) == ["colour", "size"]
    assert cache.smembers("tags:pear") == {"fruit", "green"}
    assert cache.zscore("ratings", "pear") == 4.5
    assert cache.incr("counter") == 11
    assert cache.decr("counter") == 10
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = facts["cookie"]
    assert client.get("/").content.decode() == facts["front"]
    facts["visits"] += 1
    assert int(client.get("/visit").content) == facts["visits"]
