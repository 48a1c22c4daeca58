"""What a call costs: the commands that servers see, and the round trips of the client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from django_cachex.cache import RedisCache
from support import structure_calls
from support.monitor import Monitored
from support.server import Server
from support.structure_calls import Call

NAME = "costs"
"""The name of the client whose commands are counted."""

SET_UP = frozenset("HELLO AUTH SELECT CLIENT READONLY PING".split())
"""What is said when connections are made."""

UPKEEP = frozenset(("CLUSTER SLOTS", "CLUSTER INFO", "CLUSTER MYID", "ROLE"))
"""What is asked to know the servers: beside calls, now and then; MYID by each new connection."""

KEYS = [f"k{number}" for number in range(12)]
NUMBERS = dict.fromkeys(KEYS, 1)
K = structure_calls.K


class Example(NamedTuple):
    """A call of a method where the cache holds what `given` says, or `many` plain values."""

    given: Mapping[str, Any]
    run: Callable[[Any], Any]
    arun: Callable[[Any], Any]
    needs: str = ""
    many: Mapping[str, Any] = MappingProxyType({})


def plain(
    method: str, *arguments: Any, given: Mapping[str, Any] | None = None, **named: Any
) -> Example:
    return example(Call(method, arguments, named, given or {}, None, {}, None, ""))


def example(call: Call) -> Example:
    async def arun(cache: Any) -> Any:
        made = getattr(cache, f"a{call.method}")(*call.arguments, **call.options)
        if hasattr(made, "__aiter__"):
            return [one async for one in made]
        return await made if asyncio.iscoroutine(made) else made

    def run(cache: Any) -> Any:
        made = getattr(cache, call.method)(*call.arguments, **call.options)
        return list(made) if hasattr(made, "__next__") else made

    return Example(call.given, run, arun, call.needs)


def held(method: str, *arguments: Any, **named: Any) -> Example:
    """Take and release something."""

    def run(cache: Any) -> None:
        with getattr(cache, method)(*arguments, **named):
            pass

    async def arun(cache: Any) -> None:
        async with getattr(cache, f"a{method}")(*arguments, **named):
            pass

    return Example({}, run, arun)


def piped(cache: Any) -> None:
    with cache.pipeline() as pipe:
        pipe.set(K, 1)
        pipe.get(K)
        pipe.execute()


async def apiped(cache: Any) -> None:
    async with cache.apipeline() as pipe:
        pipe.set(K, 1)
        pipe.get(K)
        await pipe.execute()


EXAMPLES: dict[str, Example] = {
    "get": plain("get", K, given={K: 1}),
    "set": plain("set", K, "v"),
    "add": plain("add", K, "v"),
    "get_or_set": plain("get_or_set", K, "v"),
    "delete": plain("delete", K, given={K: 1}),
    "touch": plain("touch", K, 60, given={K: 1}),
    "has_key": plain("has_key", K, given={K: 1}),
    "incr": plain("incr", K, given={K: 1}),
    "decr": plain("decr", K, given={K: 1}),
    "incr_version": plain("incr_version", "k1", given={"k1": 1}),
    "decr_version": plain("decr_version", "k1", given={"k1": 1}),
    "get_many": plain("get_many", KEYS, given=NUMBERS),
    "set_many": plain("set_many", NUMBERS),
    "delete_many": plain("delete_many", KEYS, given=NUMBERS),
    "touch_many": plain("touch_many", KEYS, 60, given=NUMBERS),
    "incr_many": plain("incr_many", NUMBERS, given=NUMBERS),
    "ttl": plain("ttl", K, given={K: 1}),
    "pttl": plain("pttl", K, given={K: 1}),
    "expire": plain("expire", K, 60, given={K: 1}),
    "pexpire": plain("pexpire", K, 60_000, given={K: 1}),
    "expire_at": plain("expire_at", K, 2_000_000_000, given={K: 1}),
    "pexpire_at": plain("pexpire_at", K, 2_000_000_000_000, given={K: 1}),
    "persist": plain("persist", K, given={K: 1}),
    "keys": plain("keys", "*", given=NUMBERS),
    "iter_keys": plain("iter_keys", "*", given=NUMBERS),
    "delete_pattern": plain("delete_pattern", "*", given=NUMBERS),
    "clear": plain("clear", given=NUMBERS),
    "flush_db": plain("flush_db", given=NUMBERS),
    "close": plain("close"),
    "lock": held("lock", K, timeout=5),
    "get_lock": held("get_lock", K, timeout=5),
    "semaphore": held("semaphore", K, 3, lease=5, timeout=1),
    "rate_limit": plain("rate_limit", K, 100, 60),
    "throttle": plain("throttle", K, 100, 60, timeout=1),
    "eval_script": plain("eval_script", "return redis.call('GET', KEYS[1])", keys=[K]),
    "pipeline": Example({}, piped, apiped),
    "hscan_iter": plain("hscan_iter", K, given={K: {"a": 1}}),
    "sscan_iter": plain("sscan_iter", K, given={K: {1}}),
    "zscan_iter": plain("zscan_iter", K, given={K: structure_calls.Scores({"a": 1.0})}),
}
for _family in structure_calls.FAMILIES.values():
    for _call in _family:
        EXAMPLES.setdefault(_call.method, example(_call))


def methods() -> set[str]:
    """Return the methods of a cache that have a twin for asyncio."""
    names = [name for name in dir(RedisCache) if not name.startswith("_")]
    return {name for name in names if f"a{name}" in names and callable(getattr(RedisCache, name))}


class Cost(NamedTuple):
    """What was measured: how often each command, and round trips as the page writes them."""

    commands: Counter[str]
    trips: str


class Watch:
    """Sees what servers are asked between two marks."""

    def __init__(self, servers: Sequence[Server], cache: Any) -> None:
        self._servers, self._cache = servers, cache
        self._marks = 0
        self._trips: list[dict[str, int]] = []

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        with ExitStack() as stack:
            monitors = [stack.enter_context(server.monitor()) for server in self._servers]
            yield self
            self.mark()
            ours = [
                {one["addr"] for one in server.clients() if one["name"] == NAME}
                for server in self._servers
            ]
        self._seen = [
            list(_between(monitor.entries, addresses))
            for monitor, addresses in zip(monitors, ours, strict=True)
        ]

    def mark(self) -> int:
        """Begin the next part; return its number."""
        for server in self._servers:
            server.command("ECHO", f"mark-{self._marks}")
        self._marks += 1
        stats = [one for node in self._cache.client.view().nodes for one in node.pools]
        uses = {one.name: 0 for one in stats}
        for one in stats:
            uses[one.name] += one.uses
        self._trips.append(uses)
        return self._marks - 1

    def cost(self, part: int) -> Cost:
        commands: Counter[str] = Counter()
        for seen in self._seen:
            commands.update(name for name in seen[part] if name not in UPKEEP)
        before, after = self._trips[part], self._trips[part + 1]
        names = [server_name(server) for server in self._servers]
        used = []
        for name, seen in zip(names, self._seen, strict=True):
            looked = seen[part].count("CLUSTER SLOTS") + seen[part].count("ROLE")
            used.append(after.get(name, 0) - before.get(name, 0) - looked)
        used = [one for one in used if one]
        if len(used) > 2 and len(set(used)) == 1:
            return Cost(commands, f"{used[0]} per node")
        return Cost(commands, str(sum(used)))


def _between(entries: Sequence[Monitored], ours: set[str]) -> Iterator[list[str]]:
    """Yield the names of commands between marks, without what is sent to set up connections."""
    part: list[str] | None = None
    for entry in entries:
        name = entry.command[0].decode().upper()
        if name == "ECHO" and entry.command[1].startswith(b"mark-"):
            if part is not None:
                yield part
            part = []
        elif part is not None and entry.sender in ours and name not in SET_UP:
            part.append(
                f"{name} {entry.command[1].decode().upper()}" if name == "CLUSTER" else name
            )


def server_name(server: Server) -> str:
    return f"{server.host}:{server.port}/0"
