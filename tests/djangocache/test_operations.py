"""The methods of a cache, where Django's own tests do not look."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import CacheKeyWarning, InvalidCacheKey, caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection

from cachex_client._concurrency import last_write, pacing
from django_cachex import registry
from django_cachex.cache import RedisCache, ValkeyCache
from support.servers import Replicated, Standalone
from support.waiting import eventually

Make = Callable[..., Any]


def shout(key: Any, key_prefix: str, version: Any) -> str:
    return f"{key_prefix}!{version}!{key}"


def whisper(full: str) -> str:
    return full.split("!", 2)[2]


@pytest.fixture
def cache(standalone: Standalone, make_cache: Make) -> Any:
    return make_cache(standalone.url, TIMEOUT=60)


# The halves


def test_every_public_method_has_a_twin() -> None:
    ours = {
        name
        for kind in RedisCache.__mro__
        if kind.__module__.startswith("django_cachex._")
        for name in vars(kind)
        if not name.startswith("_")
    }
    sync = {name for name in ours if f"a{name}" in ours}
    assert {f"a{name}" for name in sync} == ours - sync
    assert {"get", "set_many", "iter_keys", "lock", "ttl", "close"} <= sync


def test_no_method_of_django_is_left_to_a_thread() -> None:
    for name in vars(BaseCache):
        if name.startswith("a") and f"{name[1:]}" in vars(BaseCache):
            assert getattr(RedisCache, name) is not getattr(BaseCache, name), name


def test_both_halves_see_the_same(cache: Any, run: Any) -> None:
    cache.set("k", [1])
    assert run(cache.aget("k")) == [1]
    run(cache.aset("k", {"a": 2}))
    assert cache.get("k") == {"a": 2}


def test_every_scheme_works_with_either_backend(standalone: Standalone, make_cache: Make) -> None:
    for number, kind in enumerate((RedisCache, ValkeyCache)):
        backend = f"django_cachex.cache.{kind.__name__}"
        for scheme in ("redis", "valkey"):
            url = standalone.url.replace("redis", scheme)
            cache = make_cache(url, alias=f"{number}{scheme}", backend=backend)
            assert type(cache) is kind
            cache.set("k", 1)
    assert make_cache(standalone.unix_url).get("k") == 1


# Lifetimes


def test_a_fraction_of_a_second_counts(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, TIMEOUT=0.2)
    cache.set("own", 1)
    cache.set("given", 1, 0.3)
    cache.set_many({"many": 1}, 0.3)
    assert 0 < cache.pttl("own") <= 200 < cache.pttl("given") <= 300
    assert cache.touch("given", 0.1) is True
    assert 0 < cache.pttl("given") <= 100
    time.sleep(0.35)
    assert cache.get_many(["own", "given", "many"]) == {}


@pytest.mark.parametrize("timeout", [0, -1, timedelta(0)])
def test_what_has_no_time_is_not_stored(cache: Any, timeout: Any) -> None:
    cache.set("k", 1)
    cache.set("k", 2, timeout)
    assert "k" not in cache
    assert cache.add("k", 1, timeout) is True
    assert cache.set_many({"k": 1}, timeout) == []
    assert "k" not in cache


def test_the_lifetime_of_the_cache_is_the_default(cache: Any) -> None:
    cache.set("a", 1)
    cache.add("b", 1)
    cache.set_many({"c": 1})
    cache.get_or_set("d", 1)
    cache.set("e", 1, None)
    cache.touch("e")
    assert {cache.ttl(key) for key in "abcde"} <= {59, 60}
    cache.default_timeout = None
    cache.set("a", 1)
    assert cache.ttl("a") is None


def test_ttl_methods(cache: Any) -> None:
    cache.set("k", 1, None)
    assert (cache.ttl("k"), cache.pttl("k")) == (None, None)
    assert (cache.ttl("gone"), cache.pttl("gone")) == (-2, -2)
    assert cache.expire("k", 100) is True
    assert cache.ttl("k") in (99, 100)
    assert cache.pexpire("k", 5_000) is True
    assert 4_000 < cache.pttl("k") <= 5_000
    assert cache.expire_at("k", datetime.now() + timedelta(hours=1)) is True
    assert 3_590 < cache.ttl("k") <= 3_600
    assert cache.pexpire_at("k", int((time.time() + 50) * 1000)) is True
    assert cache.ttl("k") in (49, 50)
    assert cache.persist("k") is True
    assert cache.persist("k") is False
    assert cache.expire("gone", 1) is False


# Values


def test_a_stored_none_is_a_value(cache: Any) -> None:
    cache.set("k", None)
    assert cache.get("k", "default") is None
    calls: list[int] = []
    assert cache.get_or_set("k", lambda: calls.append(1)) is None
    assert calls == []


def test_set_knows_nx_and_xx(cache: Any) -> None:
    assert cache.set("k", 1, xx=True) is False
    assert cache.set("k", 1, nx=True) is True
    assert cache.set("k", 2, nx=True) is False
    assert cache.set("k", 3, xx=True) is True
    assert cache.get("k") == 3


def test_incr_keeps_the_lifetime_and_takes_one_round_trip(
    standalone: Standalone, cache: Any
) -> None:
    cache.set("n", 5, 100)
    cache.incr("n")
    with standalone.monitor() as monitor:
        assert cache.incr("n", 10) == 16
    assert [entry.command[0] for entry in monitor.entries if entry.sender != "lua"] == [b"EVALSHA"]
    assert cache.ttl("n") in (99, 100)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("gone")
    assert "gone" not in cache


def test_incr_of_what_is_no_number_is_the_servers_error(cache: Any) -> None:
    cache.set("k", "text")
    with pytest.raises(redis.exceptions.ResponseError, match="not an integer"):
        cache.incr("k")


def test_many_numbers_and_lifetimes(cache: Any) -> None:
    cache.set_many({"a": 1, "b": 2})
    assert cache.incr_many({"a": 1, "b": -1, "gone": 1}) == {"a": 2, "b": 1}
    assert cache.touch_many(["a", "gone"], 500) == ["gone"]
    assert cache.ttl("a") in (499, 500)


def test_versions_move_with_their_lifetime(cache: Any) -> None:
    cache.set("k", None, 100)
    assert cache.incr_version("k") == 2
    assert cache.has_key("k", version=2)
    assert cache.ttl("k", version=2) in (99, 100)
    assert cache.decr_version("k", version=2) == 1
    assert cache.get("k", "default") is None


@pytest.mark.parametrize(
    ("timeout", "error"), [(float("nan"), ValueError), ("60", TypeError), ([], TypeError)]
)
def test_a_timeout_that_is_no_number_removes_nothing(
    cache: Any, run: Any, timeout: Any, error: type[Exception]
) -> None:
    cache.set("k", 1)
    for call in (
        lambda: cache.set("k", 2, timeout),
        lambda: cache.add("k", 2, timeout),
        lambda: cache.set_many({"k": 2}, timeout),
        lambda: cache.touch("k", timeout),
        lambda: run(cache.aset("k", 2, timeout)),
        lambda: run(cache.aset_many({"k": 2}, timeout)),
        lambda: run(cache.atouch("k", timeout)),
        lambda: cache.pipeline().set("k", 2, timeout),
    ):
        with pytest.raises(error, match="number of seconds"):
            call()
    assert cache.get("k") == 1


def test_a_point_in_time_is_a_date_or_a_number(cache: Any) -> None:
    cache.set("k", 1)
    for verb in (cache.expire_at, cache.pexpire_at, cache.expireat):
        with pytest.raises(TypeError, match="a datetime or a Unix time, not '2030-01-01'"):
            verb("k", "2030-01-01")
    assert cache.get("k") == 1


def test_bulk_methods_take_generators(cache: Any) -> None:
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many(key for key in ("a", "b", "c")) == {"a": 1, "b": 2}
    assert cache.delete_many(key for key in ("a", "b")) == 2
    assert cache.delete_many(iter(())) is None
    assert cache.get_many(iter(())) == {}


# Keys


def test_a_prefix_with_a_colon_comes_off_again(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, KEY_PREFIX="app:prod", VERSION=3)
    cache.set("a:b", 1)
    assert standalone.command("KEYS", "*") == [b"app:prod:3:a:b"]
    assert cache.keys("a*") == ["a:b"]
    assert list(cache.iter_keys("*", itersize=1)) == ["a:b"]
    assert cache.make_key("a:b") == "app:prod:3:a:b"
    assert cache.reverse_key("app:prod:3:a:b") == "a:b"
    assert cache.make_pattern("a*") == "app:prod:3:a*"


def test_patterns_match_one_version_of_one_cache(standalone: Standalone, make_cache: Make) -> None:
    one = make_cache(standalone.url, alias="one", KEY_PREFIX="one")
    two = make_cache(standalone.url, alias="two", KEY_PREFIX="two")
    for cache in (one, two):
        cache.set_many({"a1": 1, "a2": 1, "b1": 1})
        cache.set("a1", 1, version=2)
    assert sorted(one.keys("a*")) == ["a1", "a2"]
    assert one.delete_pattern("a*", itersize=1) == 2
    assert one.keys() == ["b1"]
    assert one.has_key("a1", version=2)
    assert sorted(two.keys()) == ["a1", "a2", "b1"]


def test_clear_removes_all_versions_of_its_own_prefix(
    standalone: Standalone, make_cache: Make
) -> None:
    mine = make_cache(standalone.url, alias="mine", KEY_PREFIX="app")
    other = make_cache(standalone.url, alias="other", KEY_PREFIX="app:mail")
    for cache in (mine, other):
        cache.set("k", 1)
        cache.set("k", 1, version=2)
    standalone.command("SET", "foreign", "1")
    mine.clear()
    assert sorted(standalone.command("KEYS", "*")) == [b"app:mail:1:k", b"app:mail:2:k", b"foreign"]
    mine.flush_db()
    assert standalone.command("DBSIZE") == 0


def test_key_functions_and_their_inverse(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(
        standalone.url,
        KEY_PREFIX="p",
        KEY_FUNCTION="djangocache.test_operations.shout",
        REVERSE_KEY_FUNCTION=whisper,
    )
    cache.set("k", 1)
    cache.set_many({"a": 1})
    assert sorted(standalone.command("KEYS", "*")) == [b"p!1!a", b"p!1!k"]
    assert cache.get_many(["k", "a"]) == {"k": 1, "a": 1}
    assert sorted(cache.keys()) == ["a", "k"]
    cache.clear()
    assert cache.keys() == []


class Particular(RedisCache):
    """Makes and checks keys in its own way, as Django allows."""

    def make_key(self, key: Any, version: Any = None) -> str:
        return f"tenant7:{super().make_key(key, version)}"

    def validate_key(self, key: str) -> None:
        if "forbidden" in key:
            raise InvalidCacheKey(key)


def test_a_backend_may_make_and_check_keys_itself(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, backend="djangocache.test_operations.Particular")
    cache.set("k k", 1)  # no warning: it is not forbidden
    cache.set_many({"b": 2})
    assert cache.get_many(["k k", "b"]) == {"k k": 1, "b": 2}
    assert sorted(standalone.command("KEYS", "*")) == [b"tenant7::1:b", b"tenant7::1:k k"]
    for call in (
        lambda: cache.get("forbidden"),
        lambda: cache.set("forbidden", 1),
        lambda: cache.get_many(["a", "forbidden"]),
    ):
        with pytest.raises(InvalidCacheKey):
            call()


@pytest.mark.parametrize("key", ["a b", "tab\t", "\x7f", "new\nline", "x" * 300, "é" * 248 + " "])
def test_warnings_are_djangos(cache: Any, key: str) -> None:
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        cache.get(key)
        cache.get_many(["fine", key])
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        BaseCache.validate_key(cache, cache.make_key(key))
    assert [str(one.message) for one in ours] == [str(one.message) for one in theirs] * 2
    assert {one.category for one in ours} == {CacheKeyWarning}


@pytest.mark.parametrize("key", ["é" * 200, "x" * 247, "日本", 5, ("a",), "surrogate\udcff"])
def test_portable_keys_of_all_kinds_pass_without_a_word(cache: Any, key: Any) -> None:
    cache.set(key, 1)
    assert cache.get(key) == 1
    assert cache.get_many([key]) == {key: 1}
    assert cache.keys() == [str(key)]


# Asynchronous only


class AsksTheDatabase:
    """Has to query when it is pickled, like a QuerySet nobody has looked at."""

    pickled = 0

    def __reduce__(self) -> Any:
        connection.ensure_connection()
        AsksTheDatabase.pickled += 1
        return (int, (7,))


def test_pickling_may_ask_the_database_in_a_loop(cache: Any, run: Any) -> None:
    async def store() -> None:
        with pytest.raises(SynchronousOnlyOperation):
            cache.set("k", AsksTheDatabase())  # Django's rule for synchronous calls
        assert await cache.aset("a", AsksTheDatabase(), 50) is True
        assert await cache.aadd("b", AsksTheDatabase(), 50) is True
        assert await cache.aadd("b", AsksTheDatabase(), 50) is False
        assert await cache.aset_many({"c": AsksTheDatabase(), "d": 4}, 50) == []
        value = await cache.aget_or_set("e", lambda: AsksTheDatabase(), 50)
        assert isinstance(value, AsksTheDatabase)

    AsksTheDatabase.pickled = 0
    run(store())
    assert cache.get_many("abcde") == {"a": 7, "b": 7, "c": 7, "d": 4, "e": 7}
    assert cache.ttl("c") in (49, 50)
    assert AsksTheDatabase.pickled == 5


MANY = {f"k{number}": number for number in range(3_000)}


@pytest.mark.parametrize("ignoring", [False, True])
def test_a_loop_goes_round_while_very_many_keys_are_worked_on(
    standalone: Standalone,
    make_cache: Make,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    ignoring: bool,
) -> None:
    pauses = 0
    pause = pacing.AsyncPacer.pause

    async def counted(pacer: pacing.AsyncPacer) -> None:
        nonlocal pauses
        pauses += 1
        await pause(pacer)

    monkeypatch.setattr(pacing.AsyncPacer, "pause", counted)
    cache = make_cache(standalone.url, OPTIONS={"IGNORE_EXCEPTIONS": ignoring})

    async def pipelined() -> Any:
        pipe = cache.apipeline()
        for key in MANY:
            pipe.get(key)
        return await pipe.execute()

    async def in_slices(work: Any) -> Any:
        """Return what the work comes to, unless it was done in one piece."""
        nonlocal pauses
        pauses = 0
        result = await work
        assert pauses >= 2  # in one piece there would be none
        return result

    async def main() -> None:
        assert await in_slices(cache.aset_many(MANY)) == []
        assert await in_slices(cache.aget_many(MANY)) == MANY
        assert await in_slices(cache.atouch_many([*MANY, "none"], 50)) == ["none"]
        sums = await in_slices(cache.aincr_many(MANY | {"none": 1}))
        assert sums == {key: 2 * number for key, number in MANY.items()}
        assert await in_slices(pipelined()) == list(sums.values())
        assert await in_slices(cache.adelete_many([*MANY, "none"])) == 3_000
        assert await in_slices(cache.aset_many(MANY | {"k5": AsksTheDatabase()})) == []
        assert await cache.aget("k5") == 7

    run(main())


def test_keys_are_iterated_without_blocking(cache: Any, run: Any) -> None:
    cache.set_many({f"k{number}": 1 for number in range(30)})

    async def collect() -> set[str]:
        return {key async for key in cache.aiter_keys("k*", itersize=5)}

    assert run(collect()) == set(cache.keys("k*")) == {f"k{number}" for number in range(30)}


# The rest


def test_locks_exclude_each_other(cache: Any, run: Any) -> None:
    with cache.lock("door", timeout=10) as lock:
        assert lock.locked()
        assert cache.lock("door", blocking=False).acquire() is False
        assert cache.ttl("door") in (9, 10)

    async def enter() -> bool:
        async with cache.alock("door", timeout=10):
            taken: bool = await cache.alock("door", blocking=False).acquire()
            return taken

    assert run(enter()) is False
    assert "door" not in cache


def test_reads_go_to_replicas_and_after_a_write_to_the_primary(
    replicated: Replicated, make_cache: Make
) -> None:
    last_write.set(0.0)  # that of the test before, in this thread
    cache = make_cache(replicated.urls, read_your_writes=0.2)
    cache.get("k")
    assert replicated.primary.commands_seen()["GET"] == 0
    cache.set("k", 1)
    assert cache.get("k") == 1
    assert replicated.primary.commands_seen()["GET"] == 1
    replicated.wait_in_sync()
    time.sleep(0.25)
    assert cache.get("k") == 1
    assert replicated.primary.commands_seen()["GET"] == 1


def test_a_dead_replica_costs_no_read(replicated: Replicated, make_cache: Make) -> None:
    cache = make_cache(replicated.urls, read_your_writes=0)
    cache.set("k", 1)
    replicated.wait_in_sync()
    for replica in replicated.replicas:
        replica.kill()
    assert [cache.get("k") for _ in range(20)] == [1] * 20


# Closing


def test_a_client_that_is_closed_by_one_caller_serves_all_others(
    standalone: Standalone, make_cache: Make
) -> None:
    cache, other = make_cache(standalone.url), make_cache(standalone.url, "other", KEY_PREFIX="o")
    cache.set("a", 1)
    cache.client.get_client().ping()
    cache.client.close()
    eventually(lambda: standalone.connected_clients() == 0)
    assert cache.get("a") == 1
    assert other.get("a") is None
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: caches["default"].get("a")).result() == 1


def test_a_client_that_is_closed_by_one_task_serves_all_others(cache: Any, run: Any) -> None:
    async def main() -> list[Any]:
        await cache.aset("a", 1)
        readers = [asyncio.ensure_future(cache.aget("a")) for _ in range(20)]
        await asyncio.sleep(0)
        await cache.client.aclose()
        return [*await asyncio.gather(*readers), await cache.aget("a")]

    assert run(main()) == [1] * 21


def test_closing_redis_pys_face_changes_nothing(cache: Any, run: Any) -> None:
    face = cache.client.get_client()
    with face:
        face.set("a", "1")
    face.close()
    assert face.get("a") == b"1"

    async def main() -> Any:
        tasks = cache.client.get_async_client()
        await tasks.aclose()
        return await tasks.get("a")

    assert run(main()) == b"1"


def test_a_cache_that_outlives_the_end_of_all_clients_opens_again(cache: Any) -> None:
    cache.set("a", 1)
    registry.close_all()
    assert cache.get("a") == 1
    cache.client.close()
