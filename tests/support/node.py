"""A node of a cluster that says what it is told, and which commands it got."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.scripted import Scripted

INFO = b"cluster_state:ok\r\ncluster_current_epoch:1\r\n"

HANG_UP = b"hang up"
"""What `first` returns to end the connection."""

Words = tuple[bytes, ...]


def sent(value: Any) -> bytes:
    """Return a reply in RESP2, as a server writes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list | tuple):
        return b"*%d\r\n" % len(value) + b"".join(map(sent, value))
    raw = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


class ScriptedNode(Scripted):
    """A node that has all slots, and `others` as replicas; `first` answers, unless with None."""

    def __init__(self, first: Callable[[Words], bytes | None] = lambda words: None) -> None:
        self.first = first
        self.others: list[ScriptedNode] = []
        super().__init__(self._said)

    @property
    def place(self) -> list[Any]:
        """What CLUSTER SLOTS says of the node."""
        return [self.host, self.port, f"id-{self.port}"]

    def line(self, slots: str = "0-16383") -> bytes:
        """Return what CLUSTER NODES says of the node."""
        address = f"{self.host}:{self.port}@1"
        return sent(f"id-{self.port} {address} myself,master - 0 0 1 connected {slots}\n")

    def asked(self, *name: bytes) -> int:
        """Return how often a command came."""
        return sum(words[: len(name)] == name for words in self.commands)

    def _said(self, words: Words) -> bytes | None:
        own = self.first(words)
        if own is not None:
            return None if own is HANG_UP else own
        match words[:2]:
            case (b"CLUSTER", b"SLOTS"):
                return sent([[0, 16383, self.place, *(one.place for one in self.others)]])
            case (b"CLUSTER", b"MYID"):
                return sent(f"id-{self.port}")
            case (b"CLUSTER", b"NODES"):
                return self.line()
            case (b"CLUSTER", _):
                return sent(INFO)
            case _:
                return b"+OK\r\n"
