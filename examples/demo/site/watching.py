"""What the connection pools and the servers say about themselves."""

from __future__ import annotations

from functools import cache as once
from time import monotonic
from typing import Any

from demo.site.lookups import tally
from django.core.cache import caches

from cachex_client import NodeView, TopologyView
from cachex_pool import Endpoint, Pool, PoolError, PoolOptions, PoolStats, pack_many

READS = ("get", "mget", "exists", "ttl", "pttl")
WRITES = ("set", "unlink", "del", "pexpire", "incrby", "evalsha")
POOL = ("size", "idle", "lent", "waiting", "opened", "waits", "breaker")


def snapshot() -> dict[str, Any]:
    """Return all that the page shows and refreshes."""
    return {"lookups": tally(), "pools": pools(), "servers": servers()}


def pools() -> list[dict[str, Any]]:
    """Describe the pools that threads use: one for each server of each cache."""
    return [
        {"id": f"{alias}-{port(stats.name)}", "cache": alias, "role": node.role, **described(stats)}
        for alias in caches
        for node in in_order(caches[alias].client.executor.view())
        for stats in node.pools
    ]


def in_order(view: TopologyView) -> list[NodeView]:
    """Return primaries before their replicas."""
    return sorted(view.nodes, key=lambda node: (port(node.primary or node.name), node.role))


def port(name: str) -> str:
    return name.partition("/")[0].rpartition(":")[2]


def described(stats: PoolStats) -> dict[str, Any]:
    return {
        "server": stats.name,
        "limit": stats.max_size,
        **{name: getattr(stats, name) for name in POOL},
    }


def servers() -> list[dict[str, Any]]:
    """Ask every server what it has done."""
    return [ask(node) for node in in_order(caches["default"].client.view())]


@once
def watcher(server: str) -> Pool:
    """Return a pool of one connection beside those of the caches, for looking at a server."""
    host, _, number = server.partition("/")[0].rpartition(":")
    endpoint = Endpoint(host=host, port=int(number), client_name="demo-watching", protocol=2)
    return Pool(endpoint, PoolOptions(max_size=1))


def ask(node: NodeView) -> dict[str, Any]:
    pool = watcher(node.name)
    about = {"id": port(node.name), "role": node.role, "server": node.name}
    questions = pack_many([("INFO", "everything"), ("CLIENT", "LIST")])
    try:
        info, clients = pool.exchange(questions, 2, monotonic() + 1)
    except PoolError as error:
        return {**about, "state": str(error)}
    lines = (line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    facts = dict(lines)
    return {
        **about,
        "state": "answers",
        "version": facts.get("valkey_version", facts["redis_version"]),
        "reads": sum(calls(facts, name) for name in READS),
        "writes": sum(calls(facts, name) for name in WRITES),
        "keys": keys(facts),
        "connections": clients.decode().count(" name=demo "),
        "commands": {name.upper(): n for name in (*READS, *WRITES) if (n := calls(facts, name))},
    }


def calls(facts: dict[str, str], command: str) -> int:
    text = facts.get(f"cmdstat_{command}", "calls=0,")
    return int(text.partition("=")[2].partition(",")[0])


def keys(facts: dict[str, str]) -> int:
    text = facts.get("db0", "keys=0,")
    return int(text.partition("=")[2].partition(",")[0])
