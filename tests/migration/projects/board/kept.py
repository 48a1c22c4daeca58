"""What the notice board keeps in its cache from one day to the next."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache, caches
from django.test import Client

from migration.projects.board import board

VALUES: dict[str, Any] = {
    "half": 0.5,
    "number": 12,
    "text": "words " * 500,
    "flag": True,
    "nested": {"a": [1, None]},
}


def remember() -> dict[str, Any]:
    board.unpin_all()
    board.pin(1, "for sale")
    board.pin(2, "words " * 200)
    cache.set_many(VALUES, timeout=None)
    caches["json"].set_many(VALUES)
    board.get_valkey_connection().delete("scores")
    board.score("ann", 1.5)
    client = Client()
    visits = int(client.get("/visit").content)
    return {"visits": visits, "cookie": client.cookies[settings.SESSION_COOKIE_NAME].value}


def recall(facts: dict[str, Any]) -> None:
    assert cache.get_many(list(VALUES)) == VALUES
    assert caches["json"].get_many(list(VALUES)) == VALUES
    assert [notice["number"] for notice in board.notices()] == [1, 2]
    assert cache.sismember("notices", 1)
    assert board.score("ann", 1) == 2.5
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = facts["cookie"]
    assert int(client.get("/visit").content) == facts["visits"] + 1
