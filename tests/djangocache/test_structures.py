"""Data structures on Django's cache object: every method, on every topology, in both colours."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import CacheKeyWarning
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection

from cachex_client import AsyncCache, CacheCommands, Codec
from cachex_client.commands import custom
from cachex_client.keys import Keys
from django_cachex import failures
from django_cachex.cache import RedisCache
from django_cachex.errors import CacheIsReadOnly, CacheUnavailable
from django_cachex.failures import FALLBACKS, FALLBACKS_IN_PIPELINES
from djangocache import project
from support.colours import Awaited, own_loop
from support.places import TOPOLOGIES, Place, place
from support.refused_calls import REFUSED, Refused
from support.servers import Sentinels, Server, Standalone
from support.structure_calls import (
    FAMILIES,
    VALUES,
    WAITING,
    Call,
    K,
    L,
    as_expected,
    as_stored,
    commands_known,
    content,
    fill,
    minding,
    put_another_type,
    waits,
)

Make = Callable[..., Any]

CODEC = Codec()
ALL = [one for calls in FAMILIES.values() for one in calls]
AWAY: dict[str, Any] = {
    "ignore_exceptions": True,
    "socket_timeout": 0.3,
    "socket_connect_timeout": 0.2,
}


class Twins:
    """A cache whose methods are their asynchronous twins, each awaited in one event loop."""

    def __init__(self, cache: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._awaited = Awaited(cache, loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._awaited, f"a{name}")


@pytest.fixture(params=["sync", "async"])
def coloured(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """Return a cache as it is, or with its twins in the places of its methods."""
    if request.param == "sync":
        yield lambda cache: cache
    else:
        with own_loop() as loop:
            yield lambda cache: Twins(cache, loop)


@pytest.fixture(params=TOPOLOGIES)
def at(request: pytest.FixtureRequest) -> Place:
    return place(request.param, request.getfixturevalue(request.param))


@pytest.fixture
def alone(standalone: Standalone) -> Place:
    return place("standalone", standalone)


def configured(make_cache: Make, at: Place, **rest: Any) -> Any:
    """Return a cache that reads from replicas, where there are any, whatever was written before."""
    rest = {"read_from": "replica_preferred", "read_your_writes": 0, "timeout": 20, **rest}
    if at.name == "sentinels":
        entry = project.sentinel_entry(at.servers, **rest)
    elif at.name == "cluster":
        entry = project.cluster_entry(at.servers, **rest)
    else:
        entry = project.entry(getattr(at.servers, "urls", None) or at.servers.url, **rest)
    location = entry.pop("LOCATION")
    entry.pop("BACKEND")
    return make_cache(location, **entry)


def doable(calls: list[Call], server: Server) -> Iterator[Call]:
    known = commands_known(server)
    return (one for one in calls if not one.needs or one.needs in known)


def prepare(at: Place, call: Call, head: str) -> None:
    for key, what in call.given.items():
        full = f"{head}{key}"
        fill(at.primary_for(full), full, what, CODEC.dumps, at.replicas)


def outcome(thing: Any, call: Call | Refused, **more: Any) -> Any:
    """Return the result of a call, or the error that it raised."""
    try:
        return getattr(thing, call.method)(*call.arguments, **call.options, **more)
    except ValueError as error:
        return error


def check(at: Place, call: Call, head: str, result: Any) -> None:
    assert as_expected(result, call.returns), f"{call} returned {result!r}"
    for key, wanted in call.holds.items():
        found = content(at.primary_for(f"{head}{key}"), f"{head}{key}")
        assert found == as_stored(wanted, CODEC.dumps), f"{call} left {found!r} under {key}"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_does_what_it_says_on_every_topology(
    family: str, at: Place, make_cache: Make, coloured: Any
) -> None:
    cache = coloured(configured(make_cache, at, KEY_PREFIX="app"))
    for number, call in enumerate(doable(FAMILIES[family], at.primaries[0])):
        head = f"app:{number}:"
        prepare(at, call, head)
        check(at, call, head, outcome(cache, call, version=number))


def test_version_and_prefix_are_the_caches_own(
    alone: Place, make_cache: Make, coloured: Any
) -> None:
    cache = coloured(configured(make_cache, alone, KEY_PREFIX="app", VERSION=2))
    for call in doable(ALL, alone.primaries[0]):
        alone.primaries[0].command("FLUSHALL")
        prepare(alone, call, "app:2:")
        check(alone, call, "app:2:", outcome(cache, call))


def test_a_pipeline_returns_what_the_methods_return(
    at: Place, make_cache: Make, coloured: Any
) -> None:
    cache = coloured(configured(make_cache, at, KEY_PREFIX="app"))
    calls = [one for one in doable([*ALL, *VALUES], at.primaries[0]) if not waits(one)]
    pipeline = cache.pipeline()
    for number, call in enumerate(calls):
        prepare(at, call, f"app:{number}:")
        outcome(pipeline, call, version=number)
    if isinstance(cache, Twins):
        results = cache._awaited.loop.run_until_complete(pipeline.execute(raise_on_error=False))
    else:
        results = pipeline.execute(raise_on_error=False)
    for number, (call, result) in enumerate(zip(calls, results, strict=True)):
        check(at, call, f"app:{number}:", result)


def test_every_method_has_the_signature_of_its_twin_and_of_the_client() -> None:
    for call in ALL:
        sync, twin = getattr(RedisCache, call.method), getattr(RedisCache, f"a{call.method}")
        assert str(inspect.signature(sync)) == str(inspect.signature(twin))
        assert inspect.iscoroutinefunction(twin)
        of_client = inspect.signature(getattr(AsyncCache, call.method))
        assert list(inspect.signature(sync).parameters) == list(of_client.parameters)
        assert sync.__doc__ == getattr(CacheCommands, call.method).__doc__


def test_a_cache_that_is_only_read_from_refuses_to_change_anything(
    sentinels: Sentinels, make_cache: Make, coloured: Any
) -> None:
    at = place("sentinels", sentinels)
    entry = project.sentinel_entry(sentinels, "?is_master=0", read_your_writes=0)
    location, _ = entry.pop("LOCATION"), entry.pop("BACKEND")
    made = make_cache(location, **entry)
    cache = coloured(made)
    for number, call in enumerate(doable(ALL, sentinels.primary)):
        command = getattr(made._cache.commands, call.method)(*call.arguments, **call.options)
        if custom(*command.arguments).spec.write:
            with pytest.raises(CacheIsReadOnly, match=command.name):
                pytest.fail(f"{call} returned {outcome(cache, call)!r}")
            continue
        prepare(at, call, f":{number}:")
        check(at, call, f":{number}:", outcome(cache, call, version=number))


# Values


class AsksTheDatabase:
    """Is pickled as 7, which it gets from the database."""

    def __reduce__(self) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 7")
            return (int, cursor.fetchone())


def test_pickling_may_ask_the_database_in_a_loop(alone: Place, make_cache: Make, run: Any) -> None:
    cache = configured(make_cache, alone)

    async def store() -> None:
        with pytest.raises(SynchronousOnlyOperation):
            cache.rpush("list", AsksTheDatabase())  # Django's rule for synchronous calls
        assert await cache.arpush("list", AsksTheDatabase(), 8) == 2
        assert await cache.ahset("hash", mapping={"a": AsksTheDatabase()}) == 1
        assert await cache.asadd("set", AsksTheDatabase(), version=2) == 1
        assert await cache.azadd("sorted", {AsksTheDatabase(): 1.5}) == 1

    run(store())
    assert cache.lrange("list", 0, -1) == [7, 8]
    assert cache.hgetall("hash") == {"a": 7}
    assert cache.smembers("set", version=2) == {7}
    assert cache.zscan("sorted") == (0, [(7, 1.5)])


# Timeouts, keys


def test_fields_end_with_the_timeout_of_the_cache(alone: Place, make_cache: Make) -> None:
    if "HSETEX" not in commands_known(alone.primaries[0]):
        pytest.skip("this server's fields do not end")
    cache = configured(make_cache, alone, TIMEOUT=100)
    cache.hsetex("key", "own", 1)
    cache.hsetex("key", "default", 1, DEFAULT_TIMEOUT)
    cache.hsetex("key", "never", 1, None)
    own, default, never = cache.httl("key", "own", "default", "never")
    assert 90 < own <= 100
    assert 90 < default <= 100
    assert never is None
    cache.default_timeout = 1000
    cache.hsetex("key", "own", 1)
    assert 900 < cache.httl("key", "own")[0] <= 1000


def test_a_pipeline_knows_the_timeout_of_the_cache(alone: Place, make_cache: Make) -> None:
    cache = configured(make_cache, alone, TIMEOUT=100)
    with cache.pipeline() as pipeline:
        pipeline.set("own", 1).add("default", 1, DEFAULT_TIMEOUT).set("given", 1, 50)
        pipeline.set("never", 1, None).set("versioned", 1, version=5)
        assert pipeline.execute() == [True] * 5
    assert 90 < cache.ttl("own") <= 100
    assert 90 < cache.ttl("default") <= 100
    assert 40 < cache.ttl("given") <= 50
    assert cache.ttl("never") is None
    assert 90 < cache.ttl("versioned", version=5) <= 100
    cache.default_timeout = 1000
    cache.pipeline(version=9).set("own", 1).touch("default").execute()
    assert 900 < cache.ttl("own", version=9) <= 1000


def test_keys_are_warned_of_as_everywhere(alone: Place, make_cache: Make) -> None:
    cache = configured(make_cache, alone)
    with pytest.warns(CacheKeyWarning):
        cache.hset("with space", "f", 1)
    with pytest.warns(CacheKeyWarning):
        cache.pipeline(version=3).llen("with space")


def test_keys_of_a_function_are_used_and_read_back(alone: Place, make_cache: Make) -> None:
    cache = configured(
        make_cache, alone, KEY_FUNCTION=lambda key, prefix, version: f"{key}@{version}"
    )
    cache.rpush("list", 1)
    cache.pipeline(version=2).rpush("list", 2).execute()
    assert alone.primaries[0].command("LLEN", "list@2") == 1
    assert cache.blpop("list", timeout=1) == ("list", 1)


# Without a server


@pytest.fixture
def away(alone: Place, make_cache: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cache whose server is not there, with IGNORE_EXCEPTIONS."""
    monkeypatch.setattr(failures, "QUIET", 0.05)
    cache = make_cache(alone.servers.url, **AWAY)
    alone.servers.kill()
    return cache


def test_every_method_answers_as_if_nothing_were_there(away: Any, coloured: Any) -> None:
    cache = coloured(away)
    for call in ALL:
        result = outcome(cache, call)
        assert as_expected(result, call.away), f"{call} answered {result!r}"
    assert sum(away.failures.ignored.values()) == len(ALL)


def test_every_method_has_an_answer_of_the_type_it_returns() -> None:
    verbs = {name for name in vars_of(CacheCommands) if name != "at"}
    assert verbs <= FALLBACKS_IN_PIPELINES.keys()
    assert {call.method for call in ALL} <= FALLBACKS.keys()
    for call in ALL:  # an empty cache answers with the same type as one that is away
        if not call.given and not isinstance(call.returns, type) and call.away is not None:
            assert type(call.away) is type(call.returns), call


def vars_of(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and name not in vars(Keys)}


def test_an_answer_is_everybodys_own(away: Any) -> None:
    for method in ("hgetall", "smembers", "lrange", "hscan"):
        first = getattr(away, method)("k", *(0, -1) * (method == "lrange"))
        second = getattr(away, method)("k", *(0, -1) * (method == "lrange"))
        if isinstance(first, tuple):
            first, second = first[1], second[1]
        assert first is not second, method


@pytest.mark.parametrize("transaction", [False, True])
def test_each_result_of_a_pipeline_is_what_its_method_would_answer(
    transaction: bool, away: Any, coloured: Any
) -> None:
    cache = coloured(away)
    calls = [one for one in [*ALL, *VALUES] if not waits(one)]
    pipeline = cache.pipeline(transaction)
    for call in calls:
        outcome(pipeline, call)
    if isinstance(cache, Twins):
        results = cache._awaited.loop.run_until_complete(pipeline.execute(raise_on_error=False))
    else:
        results = pipeline.execute(raise_on_error=False)
    for call, result in zip(calls, results, strict=True):
        assert as_expected(result, call.away), f"{call} answered {result!r}"


def test_a_pipeline_raises_what_its_methods_would_raise(away: Any) -> None:
    assert away.pipeline().set("a", 1).get("a", "default").execute() == [False, "default"]
    with pytest.raises(ValueError, match="the cache does not answer"):
        away.pipeline().incr("a").execute()
    with pytest.raises(CacheUnavailable):
        away.pipeline().add("django.contrib.sessions.cachexyz", 1).execute()


def test_iterators_end_at_once(away: Any, coloured: Any) -> None:
    cache = coloured(away)
    for method in ("hscan_iter", "sscan_iter", "zscan_iter"):
        assert list(getattr(cache, method)("k")) == []
    assert away.failures.ignored == {"hscan_iter": 1, "sscan_iter": 1, "zscan_iter": 1}


def test_an_outage_ends_with_a_pipeline_too(
    alone: Place, make_cache: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "QUIET", 0.0)
    cache = make_cache(alone.servers.url, **AWAY)
    cache.failures.ignore("get", redis.exceptions.ConnectionError("gone"))
    assert cache.failures.away
    assert cache.pipeline().llen("k").execute() == [0]
    assert not cache.failures.away


def test_an_error_of_the_caller_is_not_ignored(
    alone: Place, make_cache: Make, coloured: Any
) -> None:
    cache = coloured(make_cache(alone.servers.url, **AWAY))
    server = alone.primaries[0]
    for call in doable(minding(), server):
        for key in (K, L):
            put_another_type(server, call, f":1:{key}")
        with pytest.raises(redis.exceptions.ResponseError):
            pytest.fail(f"{call} returned {outcome(cache, call)!r}")


def test_what_says_nothing_or_too_much_is_refused_and_not_ignored(
    make_cache: Make, coloured: Any
) -> None:
    cache = coloured(make_cache("redis://127.0.0.1:1", **AWAY))
    pipeline = cache.pipeline()
    for call in REFUSED:
        assert call.says in str(outcome(cache, call)), str(call)
        if call.method not in WAITING:
            assert call.says in str(outcome(pipeline, call)), str(call)
    assert len(pipeline) == 0


def test_without_the_option_trouble_is_raised(
    alone: Place, make_cache: Make, coloured: Any
) -> None:
    cache = coloured(make_cache(alone.servers.url, socket_timeout=0.3))
    alone.servers.kill()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in ALL:
            with pytest.raises((redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
                getattr(cache, call.method)(*call.arguments, **call.options)
