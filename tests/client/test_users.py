"""A user with exactly the rights that the pages name may call every method, and nothing else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from cachex_client import (
    AsyncCache,
    Cache,
    ClientOptions,
    Codec,
    Keys,
    SentinelMap,
)
from cachex_client._sync.lock import Lock
from cachex_client._sync.semaphore import Semaphore
from cachex_pool import Endpoint
from support import documents
from support.places import TOPOLOGIES, Place, place
from support.structure_calls import FAMILIES, VALUES, Call, commands_known, fill, waits
from support.users import AT_SENTINELS, DOCS, LOGIN, known_at, nodes_of

OPTIONS = ClientOptions(timeout=20.0, read_from="replica_preferred", read_your_writes=0)


@pytest.fixture(params=TOPOLOGIES)
def at(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Servers that know the user of the topology's page, and Sentinels that know theirs."""
    with known_at(place(request.param, request.getfixturevalue(request.param))) as found:
        yield found


REFUSED = r"permissions|NOPERM|ACL|can't run|No permissions|can't access at least one of the keys"
"""What servers say to a user who may not; the last is what a script gets of Redis 7.0."""


def client_of(colour: Any, at: Place) -> Any:
    if at.name == "sentinels":
        seeds = [
            Endpoint(host=host, port=port, **AT_SENTINELS)  # type: ignore[arg-type]
            for host, port in at.servers.addresses
        ]
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


def set_many(cache: Any) -> None:
    cache.set_many({f"k{n}": n for n in range(20)}, 60)


def get_many(cache: Any) -> None:
    assert len(cache.get_many([f"k{n}" for n in range(30)])) == 20


def get_or_set(cache: Any) -> None:
    assert cache.get_or_set("made", lambda: 1) == 1


def incr_many(cache: Any) -> None:
    assert cache.incr_many({"k1": 1}) == {"k1": 2}


def touch_many(cache: Any) -> None:
    assert cache.touch_many(["k1", "none"]) == ["none"]


def incr_version(cache: Any) -> None:
    assert cache.incr_version("k2") == 2
    assert cache.set("k2", 1, xx=True) is False


def decr_version(cache: Any) -> None:
    assert cache.decr_version("k2", version=2) == 1
    assert cache.get("k2") == 2


def keys(cache: Any) -> None:
    assert len(cache.keys("k*")) >= 19


def iter_keys(cache: Any) -> None:
    assert len(list(cache.iter_keys("k*"))) >= 19


def hscan_iter(cache: Any) -> None:
    cache.hset("hash", "a", 1)
    assert list(cache.hscan_iter("hash")) == [("a", 1)]


def sscan_iter(cache: Any) -> None:
    cache.sadd("set", "a")
    assert list(cache.sscan_iter("set")) == ["a"]


def zscan_iter(cache: Any) -> None:
    cache.zadd("sorted", {"a": 1})
    assert list(cache.zscan_iter("sorted")) == [("a", 1.0)]


def lock(cache: Any, plain: Any) -> None:
    lock = plain(cache.lock("lock", timeout=5))
    assert lock.acquire()
    assert lock.locked()
    assert lock.owned()
    assert lock.extend(5)
    assert lock.reacquire()
    lock.release()


def semaphore(cache: Any, plain: Any) -> None:
    semaphore = plain(cache.semaphore("places", 2, lease=5))
    assert semaphore.acquire()
    semaphore.extend(5)
    semaphore.release()


def pipeline(cache: Any, plain: Any) -> None:
    for transaction in (False, True):
        queued = cache.pipeline(transaction)
        queued.set("{tag}a", 1)
        queued.get("{tag}a")
        assert plain(queued).execute() == [True, 1]


def throttle(cache: Any) -> None:
    assert cache.rate_limit("rate", 5, 60).allowed
    assert cache.throttle("rate", 5, 60, timeout=1).allowed


def delete_many(cache: Any) -> None:
    assert cache.delete_many(["k3", "k4", "none"]) == 2


def delete_pattern(cache: Any) -> None:
    assert cache.delete_pattern("k1*") >= 10


def clear(cache: Any) -> None:
    assert cache.clear() >= 5


SEVERAL: tuple[Callable[..., None], ...] = (
    set_many,
    get_many,
    get_or_set,
    incr_many,
    touch_many,
    incr_version,
    decr_version,
    keys,
    iter_keys,
    hscan_iter,
    sscan_iter,
    zscan_iter,
    throttle,
    delete_many,
    delete_pattern,
    clear,
)
"""Methods that take several commands, in an order in which they find what they need."""
OF_THEIR_OWN: tuple[Callable[..., None], ...] = (lock, semaphore, pipeline)
"""Methods whose results have methods."""
NOT_CALLED = {
    "flush_db": "needs +flushdb, as the page says; test_what_belongs_to_others... has it refused",
    "from_config": "sends nothing; the test of Django's backend makes a cache with it",
    "from_url": "sends nothing",
}
METHODS = {
    Lock: {"acquire", "extend", "locked", "owned", "reacquire", "release"},
    Semaphore: {"acquire", "extend", "release"},
}
"""What `lock` and `semaphore` call."""
SEND_NOTHING = {
    "after_fork",
    "cache",
    *("do_acquire", "do_extend", "do_reacquire", "do_release", "register_scripts"),
    *("lua_extend", "lua_reacquire", "lua_release"),
    *("LUA_EXTEND_SCRIPT", "LUA_REACQUIRE_SCRIPT", "LUA_RELEASE_SCRIPT"),
}
"""What these have besides, or what their methods call."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("kind", [Cache, AsyncCache])
def test_no_public_method_is_forgotten_here(kind: type) -> None:
    """A new one has to be called by these tests, or to be named with the reason why not."""
    tables = {one.method for calls in (VALUES, *FAMILIES.values()) for one in calls}
    here = {one.__name__ for one in (*SEVERAL, *OF_THEIR_OWN)}
    assert public(kind) - tables - here - {*NOT_CALLED} == set()
    assert (here | {*NOT_CALLED}) - public(kind) == set()
    for other, called in METHODS.items():
        assert public(other) - called - SEND_NOTHING == set()


def test_what_takes_several_commands_may_be_done(at: Place, colour: Any) -> None:
    cache = colour.cache(client_of(colour, at), keys=Keys("shop"))
    for call in OF_THEIR_OWN:
        call(cache, colour.plain)
    signing = colour.cache(
        client_of(colour, at), keys=Keys("shop"), codec=Codec(signing_key="a key of some letters")
    )
    signing.hset("{tag}signed", "a", 1)
    assert signing.rename("{tag}signed", "{tag}else")
    for call in SEVERAL:
        call(cache)


def test_publish_and_subscribe_take_what_the_page_says_on_top(at: Place, colour: Any) -> None:
    client = client_of(colour, at)
    facade = colour.plain(client.redis)
    with pytest.raises(NoPermissionError):
        facade.publish("shop:news", "x")
    (_, more) = documents.users(DOCS / "standalone.md")
    for server in nodes_of(at):
        server.command(*more)
    channel = colour.plain(facade.pubsub())
    try:
        channel.subscribe("shop:news")
        channel.psubscribe("shop:*")
        confirmed = [channel.get_message(timeout=10)["type"] for _ in range(2)]
        assert confirmed == ["subscribe", "psubscribe"]
        facade.publish("shop:news", "x")
        assert channel.get_message(timeout=10)["data"] == b"x"
        with pytest.raises(NoPermissionError):
            facade.publish("bank:news", "x")
    finally:
        (channel.close if colour.name == "sync" else channel.aclose)()


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
        with pytest.raises(ResponseError, match=REFUSED):
            attempt()
