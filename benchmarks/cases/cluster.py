"""A cluster of three primaries: one GET, and a thousand keys at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ground import Ground
from measure import Case, Entrant, contender
from redis.cluster import RedisCluster

KEYS = [f"bench:cluster:{number}" for number in range(1000)]
VALUES = {key: f"value of {key}" for key in KEYS}
STORED = [value.encode() for value in VALUES.values()]


def get(ground: Ground) -> Case:
    return _case(
        ground,
        "cluster-get",
        "GET of a short value from a cluster of three primaries",
        lambda client, commands: lambda: client.execute(commands.get(KEYS[0].encode())),
        lambda peer: lambda: peer.get(KEYS[0]),
        STORED[0],
    )


def get_many(ground: Ground) -> Case:
    keys = [key.encode() for key in KEYS]
    return _case(
        ground,
        "cluster-get-many",
        "1,000 keys of some 970 slots; redis-py: mget_nonatomic",
        lambda client, commands: lambda: client.get_many(keys),
        lambda peer: lambda: peer.mget_nonatomic(KEYS),
        STORED,
    )


def set_many(ground: Ground) -> Case:
    keys = [key.encode() for key in KEYS]

    def ours(client: Any, commands: Any) -> Callable[[], bool]:
        return lambda: all(client.execute_many(commands.set_each(keys, STORED, 60_000)))

    def theirs(peer: Any) -> Callable[[], bool]:
        def call() -> bool:
            pipe = peer.pipeline()
            for key, value in VALUES.items():
                pipe.set(key, value, px=60_000)
            return all(pipe.execute())

        return call

    title = "1,000 SET with a time to live; redis-py: a pipeline of its cluster client"
    return _case(ground, "cluster-set-many", title, ours, theirs, True)


def _case(
    ground: Ground,
    name: str,
    title: str,
    ours: Callable[[Any, Any], Callable[[], Any]],
    theirs: Callable[[Any], Callable[[], Any]],
    expected: Any,
) -> Case:
    urls = ground.cluster()

    def peer() -> Any:
        client = RedisCluster.from_url(urls[0])
        ground.closing.callback(client.close)
        client.mset_nonatomic(VALUES)
        return contender("redis-py", theirs(client))

    def cachex() -> Any:
        from cachex_client import ClusterClient, commands

        client = ClusterClient(urls)
        ground.closing.callback(client.close)
        client.execute_many(commands.set_each([key.encode() for key in KEYS], STORED))
        return contender("cachex", ours(client, commands))

    return Case(
        name=name,
        title=title,
        entrants=[Entrant("cachex", cachex), Entrant("redis-py", peer)],
        expected=expected,
    )
