"""The newspaper's own tests."""

from __future__ import annotations

import asyncio
import unittest

import pytest
from django.core.cache import cache, caches
from django.test import Client

NAMES = ("k", "l", "m", "readers:sport")


class NewsTests(unittest.TestCase):
    def setUp(self) -> None:
        cache.delete_many(NAMES)
        caches["drafts"].delete("k")

    def test_single_values(self) -> None:
        assert cache.get("k") is None
        assert cache.add("k", 1)
        assert not cache.add("k", 2)
        assert cache.incr("k", 5) == 6
        assert cache.decr("k") == 5
        assert cache.touch("k", 60)
        assert not cache.touch("l")
        assert "k" in cache
        assert cache.delete("k")
        assert not cache.delete("k")
        with pytest.raises(ValueError, match="not found"):
            cache.incr("k")

    def test_many_values(self) -> None:
        assert cache.set_many({"k": 1, "l": None}) == []
        assert cache.get_many(["k", "l", "m"]) == {"k": 1, "l": None}
        cache.delete_many(["k", "l"])
        assert cache.get_many(["k", "l"]) == {}

    def test_versions(self) -> None:
        cache.set("k", "two")
        assert cache.get("k", version=3) is None
        assert cache.incr_version("k") == 3
        assert cache.get("k", version=3) == "two"
        assert cache.decr_version("k", version=3) == 2
        assert cache.make_key("k") == "news:eu:2:k"
        assert caches["drafts"].make_key("k") == "1//k"

    def test_computing_once(self) -> None:
        assert cache.get_or_set("k", lambda: [1]) == [1]
        assert cache.get_or_set("k", lambda: [2]) == [1]

    def test_expired_at_once(self) -> None:
        cache.set("k", 1)
        cache.set("k", 2, timeout=0)
        assert cache.get("k") is None

    def test_the_raw_client(self) -> None:
        raw = cache._cache.get_client()  # type: ignore[attr-defined]
        cache.set("k", 5)
        assert raw.get("news:eu:2:k") == b"5"
        with raw.pipeline() as pipe:
            pipe.incr("news:eu:2:k").ttl("news:eu:2:k")
            assert pipe.execute()[0] == 6

    def test_tasks(self) -> None:
        async def use() -> list[object]:
            await cache.aset("k", 1)
            await cache.aset_many({"l": 2})
            return [await cache.aget("k"), await cache.aget_many(["k", "l"])]

        assert asyncio.run(use()) == [1, {"k": 1, "l": 2}]

    def test_pages(self) -> None:
        client = Client()
        assert client.get("/").content == client.get("/").content
        first = client.get("/topic/sport").content
        assert client.get("/topic/sport").content == first
        assert client.get("/mine").content == b"sport"
        assert client.get("/readers/sport").content == b"1"
        assert client.get("/readers/sport").content == b"2"
