"""What the connection pools and the servers say about themselves."""

from __future__ import annotations

from functools import cache as once
from time import monotonic
from typing import Any

import attrs
from demo.site.lookups import tally
from django.core.cache import caches

from cachex_pool import Pool, PoolError, PoolOptions, PoolStats, pack_many

READS = ("get", "mget", "exists", "ttl", "pttl")
WRITES = ("set", "unlink", "del", "pexpire", "incrby", "evalsha")
POOL = ("size", "idle", "lent", "waiting", "opened", "waits", "breaker")


def snapshot() -> dict[str, Any]:
    """Return all that the page shows and refreshes."""
    return {"lookups": tally(), "pools": pools(), "servers": servers()}


def pools() -> list[dict[str, Any]]:
    """Describe the pools that threads use: one for each server of each cache."""
    return [
        {"id": f"{alias}-{number}", "cache": alias, "role": role(number), **described(stats)}
        for alias in caches
        for number, stats in enumerate(caches[alias].client.executor.stats())
    ]


def role(number: int) -> str:
    return "replica" if number else "primary"


def described(stats: PoolStats) -> dict[str, Any]:
    return {
        "server": stats.name,
        "limit": stats.max_size,
        **{name: getattr(stats, name) for name in POOL},
    }


def servers() -> list[dict[str, Any]]:
    """Ask every server what it has done."""
    return [ask(number) for number in range(len(watchers()))]


@once
def watchers() -> tuple[Pool, ...]:
    """One connection to each server, beside those of the caches, for looking at it."""
    return tuple(
        Pool(attrs.evolve(server, client_name="demo-watching", protocol=2), PoolOptions(max_size=1))
        for server in caches["default"].client.config.servers
    )


def ask(number: int) -> dict[str, Any]:
    pool = watchers()[number]
    about = {"id": str(number), "role": role(number), "server": pool.endpoint.name}
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
