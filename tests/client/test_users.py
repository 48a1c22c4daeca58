"""A user with exactly the rights that the pages name may call every method, and nothing else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from cachex_client import ClientOptions, Codec, Keys, SentinelMap
from cachex_pool import Endpoint
from support import documents
from support.places import TOPOLOGIES, Place, place
from support.structure_calls import FAMILIES, VALUES, Call, commands_known, fill, waits

DOCS = Path(__file__).parents[2] / "docs/topologies"
PAGES = {"sentinels": "sentinel", "replicated": "standalone"}
LOGIN = {"username": "shop", "password": "s3cret"}
OPTIONS = ClientOptions(timeout=20.0, read_from="replica_preferred", read_your_writes=0)


@pytest.fixture(params=TOPOLOGIES)
def at(request: pytest.FixtureRequest) -> Place:
    """Servers that know the user of the topology's page."""
    found = place(request.param, request.getfixturevalue(request.param))
    name = PAGES.get(request.param, request.param)
    (rule,) = documents.of_kind(DOCS / f"{name}.md", "text acl")
    for server in nodes_of(found):
        server.command(*rule.split())
    return found


def nodes_of(at: Place) -> list[Any]:
    if at.name == "standalone":
        return [at.servers]
    nodes: list[Any] = at.servers.nodes if at.name == "sentinels" else at.servers.servers
    return nodes


def client_of(colour: Any, at: Place) -> Any:
    if at.name == "sentinels":
        seeds = [Endpoint(host=host, port=port) for host, port in at.servers.addresses]
        map = SentinelMap(at.servers.name, seeds, Endpoint(**LOGIN))  # type: ignore[arg-type]
        return colour.make("SentinelClient", map, OPTIONS)
    servers = [Endpoint(host=one.host, port=one.port, **LOGIN) for one in nodes_of(at)]  # type: ignore[arg-type]
    return colour.make(
        "ClusterClient" if at.name == "cluster" else "DefaultClient", servers, OPTIONS
    )


def tried(cache: Any, call: Call, number: int) -> Any:
    try:
        return getattr(cache, call.method)(*call.arguments, **call.options, version=number)
    except (ResponseError, ValueError) as error:
        return error


def test_every_method_may_be_called(at: Place, colour: Any) -> None:
    cache = colour.cache(client_of(colour, at), keys=Keys("shop"))
    known = commands_known(at.primaries[0])
    every = [one for calls in (VALUES, *FAMILIES.values()) for one in calls]
    refused = []
    for number, call in enumerate(one for one in every if not one.needs or one.needs in known):
        for key, what in call.given.items():
            full = f"shop:{number}:{key}"
            fill(at.primary_for(full), full, what, Codec().dumps, 0)
        if isinstance(tried(cache, call, number), NoPermissionError):
            refused.append(call.method)
        if not waits(call):
            pipeline = cache.pipeline()
            getattr(pipeline, call.method)(*call.arguments, **call.options, version=number)
            for result in colour.plain(pipeline).execute(raise_on_error=False):
                if isinstance(result, NoPermissionError):
                    refused.append(f"{call.method} in a pipeline")
    assert refused == []


def test_what_takes_several_commands_may_be_done(at: Place, colour: Any) -> None:
    cache = colour.cache(client_of(colour, at), keys=Keys("shop"))
    cache.set_many({f"k{n}": n for n in range(20)}, 60)
    assert cache.get_or_set("made", lambda: 1) == 1
    assert cache.incr_many({"k1": 1}) == {"k1": 2}
    assert cache.touch_many(["k1", "none"]) == ["none"]
    assert cache.incr_version("k2") == 2
    assert cache.set("k2", 1, xx=True) is False
    assert len(cache.keys("k*")) >= 19
    assert len(list(cache.iter_keys("k*"))) >= 19
    cache.hset("hash", "a", 1)
    assert list(cache.hscan_iter("hash")) == [("a", 1)]
    lock = colour.plain(cache.lock("lock", timeout=5))
    assert lock.acquire()
    lock.release()
    semaphore = colour.plain(cache.semaphore("places", 2, lease=5))
    assert semaphore.acquire()
    semaphore.release()
    assert cache.rate_limit("rate", 5, 60).allowed
    assert cache.throttle("rate", 5, 60, timeout=1).allowed
    signing = colour.cache(
        client_of(colour, at), keys=Keys("shop"), codec=Codec(signing_key="a key of some letters")
    )
    signing.hset("{tag}signed", "a", 1)
    assert signing.rename("{tag}signed", "{tag}else")
    assert cache.delete_pattern("k1*") >= 10
    assert cache.clear() >= 5


def test_what_belongs_to_others_may_not_be_touched(at: Place, colour: Any) -> None:
    client = client_of(colour, at)
    mine, theirs = (colour.cache(client, keys=Keys(name)) for name in ("shop", "bank"))
    mine.set("key", 1)
    for attempt in (
        lambda: theirs.get("key"),
        lambda: theirs.set("key", 1),
        lambda: theirs.get_many(["key"]),
        lambda: theirs.incr("key"),
        lambda: mine.flush_db(),
        lambda: mine.eval_script("return redis.call('GET', 'bank:1:key')", keys=["key"]),
    ):
        with pytest.raises(ResponseError, match=r"permissions|NOPERM|ACL|can't run|No permissions"):
            attempt()
