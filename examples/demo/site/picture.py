"""The servers as this process sees them, beside what the stage knows of them."""

from __future__ import annotations

import json
import socket
from time import monotonic, time
from typing import Any

import attrs
from demo.site.traffic import TOPICS, keys_of, traffic
from demo.site.watching import watcher
from django.conf import settings
from django.core.cache import cache, caches
from django.http import HttpRequest

from cachex_client import NodeView, TopologyView
from cachex_pool import PoolError, pack

SERVERS = {
    "standalone": "one Valkey server",
    "replica": "one Valkey primary, one replica",
    "sentinel": "a Valkey primary with two replicas, watched by three Sentinels",
    "cluster": "a Valkey cluster of three shards, each a primary with its replica",
}
CALM = 0.5
"""Seconds without an error after which an outage is over."""


def about(request: HttpRequest) -> dict[str, str]:
    """Give what every template may say."""
    return {"kind": settings.TOPOLOGY, "servers_are": SERVERS[settings.TOPOLOGY]}


def ask_director(word: str) -> dict[str, Any]:
    """Say a word to the stage's director, return the answer: see `Director`."""
    with socket.socket(socket.AF_UNIX) as conversation:
        conversation.settimeout(5)
        conversation.connect(settings.DIRECTOR)
        conversation.sendall(f"{word}\n".encode())
        with conversation.makefile() as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def now() -> dict[str, Any]:
    """Return all that the page of the topology draws."""
    view = caches["default"].client.view()
    director, numbers = ask_director("status"), traffic.snapshot()
    return {
        "kind": settings.TOPOLOGY,
        "refreshes": view.refreshes,
        "uncovered": view.uncovered_slots,
        "shards": shards(view, director, numbers["topics"]),
        "sentinels": director["sentinels"],
        "possible": director["possible"],
        "action": outcome(director["action"], numbers),
        "traffic": numbers,
    }


def shards(
    view: TopologyView, director: dict[str, Any], topics: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Describe each shard: its slots, its servers, the primary first, the topics in it."""
    slots = ranges(view)
    found = []
    for number, members in enumerate(director["members"]):
        seen = [node for node in view.nodes if short(node.name) in members]
        seen.sort(key=lambda node: (node.role != "primary", members.index(short(node.name))))
        nodes = [described(node, director["away"]) for node in seen]
        names = {node["name"] for node in nodes}
        nodes += [
            {"name": name, "role": "unknown", "healthy": False, "away": name in director["away"]}
            for name in members
            if name not in names
        ]
        own = [part for node in seen for part in slots.get(short(node.name), ())]
        found.append(
            {
                "number": number + 1,
                "ranges": own,
                "slots": sum(node.slots for node in seen),
                "nodes": nodes,
                "topics": [
                    topic
                    for topic in topics
                    if any(first <= topic["slot"] <= last for first, last in own)
                    or view.kind != "cluster"
                ],
            }
        )
    return found


def described(node: NodeView, away: list[str]) -> dict[str, Any]:
    """Describe one server; the numbers are those of all its pools in this process."""
    pools = node.pools
    return {
        "name": short(node.name),
        "role": node.role,
        "primary": node.primary and short(node.primary),
        "healthy": node.healthy,
        "away": short(node.name) in away,
        "limit": pools[0].max_size if pools else 0,
        "breaker": next((pool.breaker for pool in pools if pool.breaker != "closed"), "closed"),
        **{
            name: sum(getattr(pool, name) for pool in pools)
            for name in ("size", "idle", "lent", "waiting", "opened", "uses")
        },
    }


def outcome(action: dict[str, Any] | None, numbers: dict[str, Any]) -> dict[str, Any] | None:
    """Add to what the director does what the traffic has felt; spans are in seconds."""
    if action is None:
        return None
    happened, promoted = action["happened"], action["promoted"]
    last_error = numbers["last_error"]
    over = promoted and time() - max(promoted, last_error or 0) > CALM
    return {
        **action,
        "promotion_took": promoted and promoted - happened,
        "errors_ended": last_error - promoted if over and last_error else None,
        "over": bool(over),
    }


def keys() -> dict[str, int]:
    """Read all keys of the traffic; tell how many there are, and how many there should be."""
    wanted = [key for topic in TOPICS for key in keys_of(topic)]
    return {"found": len(cache.get_many(wanted)), "wanted": len(wanted)}


def short(name: str) -> str:
    """Return host:port without the database."""
    return name.partition("/")[0]


# Slots: the view has their number, a server tells which.


@attrs.define
class _Known:
    of: tuple[tuple[str, int], ...] = ()
    ranges: dict[str, list[tuple[int, int]]] = attrs.field(factory=dict)


_known = _Known()


def ranges(view: TopologyView) -> dict[str, list[tuple[int, int]]]:
    """Return the first and the last slot of all ranges of each primary, asked when they change."""
    leading = [node for node in view.nodes if node.slots]
    of = tuple(sorted((short(node.name), node.slots) for node in leading))
    if of == _known.of:
        return _known.ranges
    for node in leading:
        try:
            answer = watcher(node.name).call(pack(("CLUSTER", "SLOTS")), monotonic() + 0.5)
        except PoolError:
            continue
        found: dict[str, list[tuple[int, int]]] = {}
        for first, last, (host, port, *_), *_ in sorted(answer, key=lambda entry: entry[0]):
            found.setdefault(f"{host.decode()}:{port}", []).append((first, last))
        if set(found) == {name for name, _ in of}:
            _known.of, _known.ranges = of, found
            return found
    return {}
