"""What the shop does with its cache."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from django.core.cache import cache, caches

get_redis_connection = import_module(os.environ["CONNECTIONS"]).get_redis_connection

TAKE = """
local left = tonumber(redis.call('GET', KEYS[1]) or '0')
if left < tonumber(ARGV[1]) then return -1 end
return redis.call('DECRBY', KEYS[1], ARGV[1])
"""


def product(number: int) -> dict[str, Any]:
    def load() -> dict[str, Any]:
        return {"number": number, "name": f"product {number}", "text": "words " * 200}

    found: dict[str, Any] = cache.get_or_set(f"product:{number}", load, timeout=60)
    return found


def forget_products() -> int:
    removed: int = cache.delete_pattern("product:*")
    return removed


def price_list() -> list[int]:
    """Compute the list once, whoever asks."""
    with cache.lock("price-list:lock", timeout=10, blocking_timeout=5):
        prices: list[int] | None = cache.get("price-list")
        if prices is None:
            prices = [1, 2, 3]
            cache.set("price-list", prices, timeout=None)
    return prices


def add_to_cart(user: int, item: str, amount: int) -> None:
    """Carts are hashes that a warehouse program reads, too: no prefix, plain numbers."""
    r = get_redis_connection("default")
    with r.pipeline(transaction=True) as pipe:
        pipe.hincrby(f"cart:{user}", item, amount)
        pipe.expire(f"cart:{user}", 3600)
        pipe.execute()


def cart(user: int) -> dict[str, int]:
    r = get_redis_connection("default", write=False)
    return {name.decode(): int(amount) for name, amount in r.hgetall(f"cart:{user}").items()}


def take_from_stock(item: str, amount: int) -> int:
    r = get_redis_connection()
    left: int = r.register_script(TAKE)(keys=[f"stock:{item}"], args=[amount])
    return left


def seen(page: str) -> int:
    count: int = cache.incr(f"seen:{page}", ignore_key_check=True)
    return count


def remember_settings(user: int, **settings: Any) -> None:
    for name, value in settings.items():
        caches["api"].hset(f"settings:{user}", name, value)


def tag(item: str, *tags: str) -> None:
    cache.sadd(f"tags:{item}", *tags)


def rate(item: str, stars: float) -> None:
    cache.zadd("ratings", {item: stars})
