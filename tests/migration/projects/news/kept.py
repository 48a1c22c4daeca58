"""What the newspaper keeps in its cache from one day to the next."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache, caches
from django.test import Client

VALUES: dict[str, Any] = {
    "headline": "Nothing has happened",
    "circulation": 123_456,
    "none": None,
    "printed": datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    "authors": [("ann", 1), ("bob", 2)],
}


def remember() -> dict[str, Any]:
    cache.set_many(VALUES, timeout=None)
    cache.set("edition", "first", version=1)
    cache._cache.get_client().set("printed-copies", 7)  # type: ignore[attr-defined]
    caches["drafts"].set("draft", {"text": "..."})
    client = Client()
    front = client.get("/").content.decode()
    box = client.get("/topic/weather").content.decode()
    readers = int(client.get("/readers/kept").content)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {"cookie": cookie, "front": front, "box": box, "readers": readers}


def recall(facts: dict[str, Any]) -> None:
    assert cache.get_many(VALUES) == VALUES
    assert cache.get("none", "default") is None
    assert cache.get("edition", version=1) == "first"
    assert caches["drafts"].get("draft") == {"text": "..."}
    assert int(cache._cache.get_client(None, write=False).get("printed-copies")) == 7  # type: ignore[attr-defined]
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = facts["cookie"]
    assert client.get("/mine").content == b"weather"
    assert client.get("/").content.decode() == facts["front"]
    assert client.get("/topic/weather").content.decode() == facts["box"]
    assert int(client.get("/readers/kept").content) == facts["readers"] + 1
