"""The verbs of a cache with arguments that go with the key "k"."""

from __future__ import annotations

from typing import Any

READS: list[tuple[str, tuple[Any, ...]]] = [
    ("get", ("k",)),
    ("get_many", (["k", "other"],)),
    ("has_key", ("k",)),
    ("ttl", ("k",)),
    ("pttl", ("k",)),
    ("keys", ("*",)),
]

WRITES: list[tuple[str, tuple[Any, ...]]] = [
    ("set", ("k", 1)),
    ("add", ("k", 1)),
    ("get_or_set", ("other", 1)),
    ("set_many", ({"k": 1},)),
    ("delete", ("k",)),
    ("delete_many", (["k"],)),
    ("touch", ("k",)),
    ("touch_many", (["k"],)),
    ("incr", ("k",)),
    ("decr", ("k",)),
    ("incr_many", ({"k": 1},)),
    ("incr_version", ("k",)),
    ("expire", ("k", 60)),
    ("pexpire", ("k", 60_000)),
    ("expire_at", ("k", 2_000_000_000)),
    ("pexpire_at", ("k", 2_000_000_000_000)),
    ("persist", ("k",)),
    ("delete_pattern", ("k*",)),
    ("clear", ()),
    ("flush_db", ()),
]
