"""What the notice board does with its cache."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from django.core.cache import cache

get_valkey_connection = import_module(os.environ["CONNECTIONS"]).get_valkey_connection


def pin(number: int, text: str) -> None:
    """Pin a notice, one at a time."""
    with cache.get_lock("board:lock", timeout=10, blocking_timeout=5):
        cache.set(f"notice:{number}", {"number": number, "text": text}, timeout=3600)
        cache.sadd("notices", number)


def notices() -> list[Any]:
    numbers = cache.smembers("notices")
    return [cache.get(f"notice:{number}") for number in sorted(numbers)]


def unpin_all() -> int:
    cache.delete("notices")
    removed: int = cache.delete_pattern("notice:*")
    return removed


def score(user: str, points: float) -> float:
    """Scores are a sorted set that other programs read, too."""
    with get_valkey_connection("default").pipeline() as pipe:
        pipe.zincrby("scores", points, user)
        pipe.expire("scores", 86_400)
        total: float = pipe.execute()[0]
    return total
