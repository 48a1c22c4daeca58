"""Which of a cluster's 16384 hash slots a key is in (Redis Cluster specification)."""

from binascii import crc_hqx
from collections.abc import Sequence

SLOTS = 16384
_MASK = SLOTS - 1
_OPEN = ord("{")


def slot_of(key: bytes) -> int:
    """
    Return the hash slot of a key.

    Where the key has a `{tag}` that is not empty, only the first such tag counts, so that
    keys with the same tag share a slot.
    """
    if _OPEN in key:
        start = key.find(b"{") + 1
        end = key.find(b"}", start)
        if end > start:
            key = key[start:end]
    return crc_hqx(key, 0) & _MASK


def slots_of(keys: Sequence[bytes]) -> list[int]:
    """Return the hash slot of each key."""
    return [slot_of(key) if _OPEN in key else crc_hqx(key, 0) & _MASK for key in keys]
