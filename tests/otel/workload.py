"""A little of everything, for those who look at what is told of it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from redis.exceptions import RedisError

import cachex_client
from cachex_client import Cache, ClientOptions, DefaultClient, commands
from cachex_pool import PoolOptions, PoolTimeout


def of_cache(cache: Any) -> None:
    """Use every kind of verb, and have some of them fail."""
    cache.set("a", 1)
    cache.set("text", "x" * 200)
    cache.add("a", 2)
    cache.get("a")
    cache.get("missing")
    cache.set_many({f"key-{n}": n for n in range(20)})
    cache.get_many([f"key-{n}" for n in range(25)])
    cache.get_or_set("new", lambda: "made")
    cache.incr("a")
    cache.incr_version("new")
    cache.touch("a", 100)
    cache.touch("a", None)
    cache.has_key("a")
    list(cache.iter_keys("key-*"))
    cache.delete_pattern("key-1*")
    cache.delete_many(["key-2", "missing"])
    cache.delete("text")
    for verb in (lambda: cache.incr("missing"), lambda: cache.get_or_set("x", lambda: 1 / 0)):
        with contextlib.suppress(ValueError, ZeroDivisionError):
            verb()
    cache.clear()


def of_client(client: Any) -> None:
    """Send commands of every kind, and have some of them fail."""
    client.execute(commands.set(b"text", b"text"))
    client.execute_many([commands.get(b"text")])
    client.execute_many([commands.get(b"text"), commands.custom("LPUSH", b"text", b"x")])
    client.execute_atomic([commands.set(b"{a}1", b"1"), commands.set(b"{a}2", b"2")])
    client.execute(commands.ping())
    for words in (("LPUSH", b"text", b"x"), ("NO.SUCH", b"a"), ("EVALSHA", "f" * 40, 0)):
        with contextlib.suppress(RedisError):
            client.execute(commands.custom(*words))


def of_waiting(url: str) -> None:
    """Wait for a connection in vain."""
    client = DefaultClient([url], ClientOptions(pool=PoolOptions(max_size=1)))
    with client.lease(), contextlib.suppress(PoolTimeout):
        client.execute(commands.get(b"a"), timeout=0.02)
    client.close()


def main(url: str) -> None:
    """Do it all in this process and print what the metrics are called, sorted."""
    from otel.receiver import receiving

    with receiving() as receiver:
        receiver.instrument(metrics="full")
        client = cachex_client.DefaultClient([url])
        of_cache(Cache(client, name="default"))
        of_client(client)
        of_waiting(url)
        for name, metric in sorted(receiver.metrics().items()):
            for labels in sorted(metric.points, key=repr):
                print(name, labels)
        client.close()


if __name__ == "__main__":
    main(sys.argv[1])
