"""The users that the pages on topologies name, on servers of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import documents
from support.places import Place

DOCS = Path(__file__).parents[2] / "docs/topologies"
PAGES = {"sentinels": "sentinel", "replicated": "standalone"}
LOGIN = {"username": "shop", "password": "s3cret"}
AT_SENTINELS = {"username": "shop", "password": "another"}


@contextmanager
def known_at(found: Place) -> Iterator[Place]:
    """Have servers know the user of the topology's page, and Sentinels theirs."""
    name = PAGES.get(found.name, found.name)
    user, *more = documents.users(DOCS / f"{name}.md")
    for server in nodes_of(found):
        server.command(*user)
    for sentinel in sentinels_of(found):
        sentinel.command(*more[0])
    yield found
    for sentinel in sentinels_of(found):
        sentinel.command("ACL", "DELUSER", "shop")


def sentinels_of(at: Place) -> list[Any]:
    return at.servers.sentinels if at.name == "sentinels" else []


def nodes_of(at: Place) -> list[Any]:
    if at.name == "standalone":
        return [at.servers]
    nodes: list[Any] = at.servers.nodes if at.name == "sentinels" else at.servers.servers
    return nodes


def refused_by(server: Any) -> set[str]:
    """Return what a server has refused to its users, as its log tells."""
    entries = server.command("ACL", "LOG")
    told = [
        one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True))
        for one in entries
    ]
    return {one[b"object"].decode() for one in told}
