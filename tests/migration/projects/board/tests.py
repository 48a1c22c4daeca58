"""The notice board's own tests."""

from __future__ import annotations

import unittest

from django.core.cache import cache
from django.test import Client

from migration.projects.board import board


class BoardTests(unittest.TestCase):
    def tearDown(self) -> None:
        cache.delete_pattern("*")
        board.get_valkey_connection("default").delete("scores")

    def test_notices(self) -> None:
        board.pin(2, "second")
        board.pin(1, "first")
        assert [notice["text"] for notice in board.notices()] == ["first", "second"]
        assert sorted(cache.keys("notice:*")) == ["notice:1", "notice:2"]
        assert board.unpin_all() == 2
        assert board.notices() == []

    def test_scores(self) -> None:
        assert [board.score("bob", 1), board.score("bob", 2.5)] == [1.0, 3.5]

    def test_values(self) -> None:
        assert cache.set("k", 0.5, timeout=None)
        assert cache.get("k") == 0.5
        assert cache.ttl("k") is None
        assert not cache.add("k", 1)
        assert not cache.set("k", 1, nx=True)
        assert cache.expire("k", 60)
        assert cache.ttl("k") in (59, 60)
        assert cache.persist("k")
        assert cache.delete_many(["k", "l"]) == 1
        assert cache.get_or_set("k", lambda: "made") == "made"

    def test_the_raw_client(self) -> None:
        raw = cache.client.get_client(write=True)
        raw.set("board:1:raw", 5)
        assert cache.get("raw") == 5
        assert cache.make_key("raw") == "board:1:raw"

    def test_sessions(self) -> None:
        client = Client()
        assert [int(client.get("/visit").content) for _ in range(2)] == [1, 2]
