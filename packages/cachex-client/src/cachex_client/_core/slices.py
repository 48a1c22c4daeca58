"""Cutting work on very many keys or commands into slices."""

from collections.abc import Iterator

SLICE = 1000
"""How many keys or commands are sent at a time."""
STEP = 100
"""After how many values it is worth looking at the clock: some take long to read."""


def slices(count: int, size: int = STEP) -> Iterator[slice]:
    """Yield the slices that `count` things make."""
    return (slice(start, start + size) for start in range(0, count, size))
