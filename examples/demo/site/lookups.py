"""Expensive results through the cache, with a stopwatch and a tally."""

from __future__ import annotations

import threading
from collections import Counter
from time import perf_counter
from typing import Any

import attrs
from demo.site.work import PIECES, Piece, picture
from django.core.cache import cache

PICTURE = "mandelbrot"

_tally: Counter[str] = Counter(hits=0, misses=0)
_lock = threading.Lock()


@attrs.frozen
class Row:
    """One result and what it took; times in milliseconds."""

    piece: Piece
    result: str
    hit: bool
    computing: float
    looking_up: float
    expires_in: int | None

    @property
    def gain(self) -> str:
        return f"{self.computing / self.looking_up:,.0f}"


def tally() -> dict[str, int]:
    """Return the hits and misses of this process so far."""
    with _lock:
        return dict(_tally)


def note(hit: bool) -> None:
    with _lock:
        _tally["hits" if hit else "misses"] += 1


def milliseconds_since(started: float) -> float:
    return (perf_counter() - started) * 1000


def rows() -> list[Row]:
    return [row(piece) for piece in PIECES]


def row(piece: Piece) -> Row:
    """Look a result up; compute and store it if it is not there."""
    started = perf_counter()
    found = cache.get(piece.key)
    looking_up = milliseconds_since(started)
    note(hit := found is not None)
    if found is None:
        started = perf_counter()
        result = piece.compute()
        found = {"result": result, "computing": milliseconds_since(started)}
        cache.set(piece.key, found)
    return Row(
        piece=piece,
        result=found["result"],
        hit=hit,
        computing=found["computing"],
        looking_up=looking_up,
        expires_in=cache.ttl(piece.key),
    )


def all_at_once() -> tuple[int, float]:
    """Look all results up in one call; return how many there were, and the milliseconds."""
    started = perf_counter()
    found = cache.get_many([piece.key for piece in PIECES])
    return len(found), milliseconds_since(started)


def the_picture() -> bytes:
    """Return the picture, painted if it is not in the cache."""
    found: Any = cache.get(PICTURE)
    note(found is not None)
    if found is None:
        found = picture()
        cache.set(PICTURE, found)
    return bytes(found)


def forget() -> None:
    """Remove all results."""
    cache.delete_many([PICTURE, *(piece.key for piece in PIECES)])
