"""docs/failures.md: what its first table says of each kind of trouble is so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ClusterDownError, RedisError

from cachex_pool import ConnectFailed, NodeUnavailable
from django_cachex.errors import CacheUnavailable
from djangocache import project
from support.refusals import busy, no_disk
from support.servers import Cluster, Standalone
from support.waiting import eventually

Make = Callable[..., Any]

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/failures.md"


def rows() -> dict[str, tuple[list[str], str, str]]:
    """Return errors, duration and what IGNORE_EXCEPTIONS does, by the words for the trouble."""
    table = PAGE.read_text().partition("| --- | --- | --- | --- | --- |\n")[2].partition("\n\n")[0]
    found = {}
    for line in table.splitlines():
        trouble, error, lasts, ignored, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        found[trouble] = (re.findall(r"`(\w+)`", error), lasts, ignored)
    return found


@contextmanager
def down(server: Standalone) -> Iterator[dict[str, Any]]:
    server.kill()
    yield {}


@contextmanager
def hangs(server: Standalone) -> Iterator[dict[str, Any]]:
    server.pause()
    yield {"timeout": 0.5, "socket_connect_timeout": 0.3}


@contextmanager
def read_only(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("REPLICAOF", "127.0.0.1", "1")
    yield {}
    server.command("REPLICAOF", "NO", "ONE")


@contextmanager
def full(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("CONFIG", "SET", "maxmemory", "1")
    yield {}


@contextmanager
def without_its_disk(server: Standalone) -> Iterator[dict[str, Any]]:
    with no_disk(server):
        yield {}


@contextmanager
def without_its_replicas(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("CONFIG", "SET", "min-replicas-to-write", "9")
    yield {"timeout": 0.5}


@contextmanager
def in_a_script(server: Standalone) -> Iterator[dict[str, Any]]:
    with busy(server):
        yield {}


@contextmanager
def another_password(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("ACL", "SETUSER", "default", "resetpass", ">right")
    yield {"password": "wrong"}


@contextmanager
def no_database(server: Standalone) -> Iterator[dict[str, Any]]:
    yield {"location": server.url.replace("/0", "/99")}


@contextmanager
def forbidden(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("ACL", "SETUSER", "ann", "on", ">p", "~shop:*", "+@all")
    yield {"username": "ann", "password": "p"}


@contextmanager
def crowded(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("CONFIG", "SET", "maxclients", "1")
    yield {}
    server.command("CONFIG", "SET", "maxclients", "10000")


@contextmanager
def another_type(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("LPUSH", ":1:k", "x")
    yield {}


@contextmanager
def unreadable(server: Standalone) -> Iterator[dict[str, Any]]:
    server.command("SET", ":1:k", b"\xff\xfe what is this")
    yield {"serializer": "json"}


TROUBLE: dict[str, tuple[Any, str]] = {
    "the server is down": (down, "get"),
    "the server hangs, packets are lost": (hangs, "get"),
    "the primary is read-only": (read_only, "set"),
    "the server is out of memory": (full, "set"),
    "the server cannot write to its disk": (without_its_disk, "set"),
    "the primary misses its replicas (`min-replicas-to-write`)": (without_its_replicas, "set"),
    "a script or a slow command of a module keeps the server": (in_a_script, "get"),
    "wrong or missing password": (another_password, "get"),
    "no such database": (no_database, "get"),
    "the user may not do that": (forbidden, "get"),
    "the server takes no more clients": (crowded, "get"),
    "something else is under the key": (another_type, "get"),
    "a value cannot be read": (unreadable, "get"),
}


def ask(cache: Any, verb: str) -> Any:
    return cache.get("k", "nothing") if verb == "get" else cache.set("k", "text")


def raised(cache: Any, verb: str) -> str:
    """Return the name of the error that a verb ends in, "" if it ends well."""
    try:
        ask(cache, verb)
    except Exception as error:
        return type(error).__name__
    return ""


def test_the_page_speaks_of_all_that_is_tried_here() -> None:
    assert set(rows()) == {*TROUBLE, "all connections of the process are busy"}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_looks_as_the_page_says(
    standalone: Standalone, make_cache: Make, trouble: str
) -> None:
    make, verb = TROUBLE[trouble]
    expected, lasts, ignored = rows()[trouble]
    expected = [one for one in expected if not one.isupper()]
    with ExitStack() as stack:
        options = stack.enter_context(make(standalone))
        location = options.pop("location", standalone.url)
        cache = make_cache(location, **options)
        seen = []
        for _ in range(12):
            seen.append(raised(cache, verb))
        assert set(seen) <= set(expected)
        assert seen[-1] == expected[-1]
        assert ("at once" in lasts) == (make not in (read_only, without_its_replicas))
        forgiving = make_cache(location, alias="forgiving", ignore_exceptions=True, **options)
        if ignored == "ignored":
            assert ask(forgiving, verb) in ("nothing", False)
            assert forgiving.failures.outages == 1
        else:
            assert raised(forgiving, verb) == expected[-1]


def test_a_busy_pool_is_as_the_page_says(standalone: Standalone, make_cache: Make) -> None:
    errors, _, ignored = rows()["all connections of the process are busy"]
    cache = make_cache(standalone.url, max_connections=1, timeout=0.2, ignore_exceptions=True)
    plain = make_cache(
        standalone.url, alias="plain", max_connections=1, timeout=0.2, client_name="plain"
    )
    with cache.client.executor.lease():
        assert ask(cache, "get") == "nothing"
    with plain.client.executor.lease():
        assert [raised(plain, "get")] == errors
    assert ignored == "ignored"


def test_sessions_are_as_the_page_says(standalone: Standalone, make_cache: Make) -> None:
    from django.contrib.sessions.backends.cache import SessionStore

    make_cache(standalone.url, ignore_exceptions=True)
    standalone.kill()
    assert SessionStore("a" * 32).load() == {}
    with pytest.raises(CacheUnavailable):
        SessionStore().create()


def test_a_shard_that_is_gone_is_as_the_page_says(cluster: Cluster, make_cache: Make) -> None:
    """The others answer only where the servers were told that most keys are better than none."""
    keys = [f"k{number}" for number in range(60)]
    entry = project.cluster_entry(cluster, socket_connect_timeout=0.5)
    location = entry.pop("LOCATION").replace(
        str(cluster.servers[0].port), str(cluster.servers[1].port)
    )
    cache = make_cache(location, **entry["OPTIONS"])
    assert cache.set_many(dict.fromkeys(keys, 1)) == []
    gone = {key for key in keys if cluster.shard_of(cache.make_key(key)) == 0}
    other = next(key for key in keys if key not in gone)
    for server in cluster.members(0):
        server.kill()

    def refused() -> bool:
        try:
            cache.get(other)
        except ClusterDownError:
            return True
        return False

    eventually(refused, 20, what="the other shards noticing")
    for server in cluster.servers:
        if server.state == "running":
            server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    eventually(lambda: not refused() and cache.get(other) == 1, 20, ignore=(RedisError,))
    assert raised(cache, "set") in ("", "ConnectFailed", "NodeUnavailable")
    with pytest.raises((ConnectFailed, NodeUnavailable)):
        cache.get_many(keys)
    assert set(cache.set_many(dict.fromkeys(keys, 2))) == gone
    forgiving = make_cache(location, alias="forgiving", ignore_exceptions=True, **entry["OPTIONS"])
    assert set(forgiving.get_many(keys)) == {*keys} - gone
