"""The verbs of a cache for one key, on a real server and in both colours."""

from __future__ import annotations

import asyncio
import pickle
import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

import pytest
from redis.exceptions import LockError, ResponseError

from cachex_client import AsyncCache, AsyncDefaultClient, Cache, Codec, Keys
from cachex_client.errors import SerializerError
from cachex_client.timeouts import DEFAULT, milliseconds
from support.servers import Standalone


class Colour(IntEnum):
    RED = 1


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**63 - 1, 2**100, 1.5, "", "text", "1", b"bytes", [], {"a": [1]},
    (1, 2), {1, 2}, Colour.RED, "ä€😀", "x" * 100_000,
]  # fmt: skip


def commands_of(server: Standalone) -> dict[str, int]:
    """Return how often each command came since the statistics were reset."""
    report = server.command("INFO", "commandstats").decode()
    return {
        name: int(calls)
        for name, calls in re.findall(r"cmdstat_([\w|-]+):calls=(\d+)", report)
        if name not in ("config|resetstat", "info")
    }


@pytest.fixture
def calls(standalone: Standalone) -> Any:
    """Count what the server is asked: `calls()` returns it, and starts again."""

    def counted() -> dict[str, int]:
        found = commands_of(standalone)
        standalone.command("CONFIG", "RESETSTAT")
        return found

    return counted


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_value_comes_back_with_its_type(cache: Cache, value: Any) -> None:
    assert cache.set("key", value) is True
    assert cache.get("key", "default") == value
    assert type(cache.get("key")) is type(value)


def test_a_missing_key_gives_the_default(cache: Cache) -> None:
    assert cache.get("key") is None
    assert cache.get("key", "default") == "default"


def test_a_stored_none_is_a_value(cache: Cache) -> None:
    cache.set("key", None)
    assert cache.get("key", "default") is None
    assert cache.get_or_set("key", "other") is None
    assert cache.has_key("key") is True


def test_keys_are_kept_apart_by_prefix_and_version(make_cache: Any) -> None:
    a, b = make_cache(keys=Keys("a:b", 0)), make_cache(keys=Keys("a"))
    a.set("key", "of a")
    b.set("key", "of b")
    a.set("key", "of version 7", version=7)
    assert a.get("key") == "of a"
    assert a.get("key", version=0) == "of a"
    assert a.get("key", version=7) == "of version 7"
    assert b.get("key") == "of b"


def test_any_key_is_a_key(cache: Cache) -> None:
    for key in ("", ":", "ä", "with space", "\n", 7, None, "x" * 5_000, "\udcff"):
        assert cache.set(key, repr(key))
        assert cache.get(key) == repr(key)
        assert cache.delete(key) is True


def test_set_nx_and_xx(cache: Cache) -> None:
    assert cache.set("key", 1, xx=True) is False
    assert cache.set("key", 1, nx=True) is True
    assert cache.set("key", 2, nx=True) is False
    assert cache.get("key") == 1
    assert cache.set("key", 3, xx=True) is True
    assert cache.get("key") == 3


def test_add_stores_only_what_is_missing(cache: Cache) -> None:
    assert cache.add("key", None) is True
    assert cache.add("key", 1) is False
    assert cache.get("key", "default") is None


def test_delete_says_whether_there_was_something(cache: Cache) -> None:
    cache.set("key", 1)
    assert cache.delete("key") is True
    assert cache.delete("key") is False
    assert cache.has_key("key") is False


# -- timeouts


def test_the_timeout_of_the_cache_holds_unless_a_call_says_otherwise(make_cache: Any) -> None:
    cache = make_cache(timeout=60)
    cache.set("own", 1)
    cache.set("said", 1, DEFAULT)
    cache.set("other", 1, 10)
    cache.set("never", 1, None)
    assert 59_000 < cache.pttl("own") <= 60_000
    assert 59_000 < cache.pttl("said") <= 60_000
    assert 9_000 < cache.pttl("other") <= 10_000
    assert cache.pttl("never") is None
    for_ever = make_cache(timeout=None)
    for_ever.set("own", 1)
    assert for_ever.pttl("own") is None


def test_parts_of_a_second_are_kept(cache: Cache) -> None:
    cache.set("key", 1, 0.5)
    assert 300 < cache.pttl("key") <= 500
    cache.set("key", 1, 2.75)
    assert 2_500 < cache.pttl("key") <= 2_750
    assert cache.touch("key", 0.9) is True
    assert 600 < cache.pttl("key") <= 900


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [(1, 1000), (0.5, 500), (0.0001, 1), (0, 0), (-1, 0), (-0.0, 0), (timedelta(minutes=1), 60_000),
     (timedelta(0), 0), (1e9, 10**12)],
)  # fmt: skip
def test_milliseconds(timeout: Any, expected: int) -> None:
    assert milliseconds(timeout) == expected


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), "5"])
def test_what_is_no_time_is_refused(cache: Cache, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="a timeout is"):
        cache.set("key", 1, timeout)
    assert cache.has_key("key") is False


@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_a_timeout_that_is_over_stores_nothing(cache: Cache, timeout: float) -> None:
    cache.set("old", 1)
    assert cache.set("old", 2, timeout) is True
    assert cache.get("old") is None
    assert cache.add("new", 1, timeout) is True
    assert cache.get("new") is None
    cache.set("there", 1)
    assert cache.add("there", 2, timeout) is False
    assert cache.get("there") == 1
    assert cache.set("there", 2, timeout, xx=True) is True
    assert cache.set("there", 2, timeout, xx=True) is False
    assert cache.has_key("there") is False


def test_touch_gives_a_new_end(cache: Cache) -> None:
    assert cache.touch("key", 10) is False
    assert cache.touch("key", None) is False
    cache.set("key", 1, 10)
    assert cache.touch("key") is True
    assert cache.pttl("key") > 200_000
    assert cache.touch("key", None) is True
    assert cache.pttl("key") is None
    assert cache.touch("key", None) is True
    assert cache.touch("key", 0) is True
    assert cache.touch("key", 0) is False
    assert cache.has_key("key") is False


def test_ttl_tells_missing_from_endless(cache: Cache) -> None:
    assert (cache.ttl("key"), cache.pttl("key")) == (-2, -2)
    cache.set("key", 1, None)
    assert (cache.ttl("key"), cache.pttl("key")) == (None, None)
    cache.set("key", 1, 100)
    assert cache.ttl("key") in (99, 100)


def test_ends_can_be_set_and_taken_away(cache: Cache) -> None:
    cache.set("key", 1)
    now = datetime.now(UTC)
    for change, least, most in [
        (lambda: cache.expire("key", 100), 99, 100),
        (lambda: cache.expire("key", timedelta(seconds=90)), 89, 90),
        (lambda: cache.expire("key", 2.5), 2.2, 2.5),
        (lambda: cache.pexpire("key", 80_000), 79, 80),
        (lambda: cache.pexpire("key", timedelta(seconds=70)), 69, 70),
        (lambda: cache.expire_at("key", now + timedelta(seconds=60)), 50, 60),
        (lambda: cache.expire_at("key", now.timestamp() + 50), 40, 50),
        (lambda: cache.pexpire_at("key", now + timedelta(seconds=40)), 30, 40),
        (lambda: cache.pexpire_at("key", int(now.timestamp() * 1000) + 30_000), 20, 30),
        (lambda: cache.expire_at("key", (now + timedelta(seconds=20)).astimezone(None)), 10, 20),
    ]:
        assert change() is True
        assert least * 1000 < cache.pttl("key") <= most * 1000 + 1
    assert cache.persist("key") is True
    assert cache.persist("key") is False
    assert cache.pttl("key") is None
    assert cache.expire("key", 0) is True
    assert cache.has_key("key") is False
    assert cache.expire("key", 10) is False
    assert cache.expire_at("key", now) is False


# -- counting


def test_incr_counts_and_keeps_the_end(cache: Cache) -> None:
    cache.set("number", 41, 100)
    assert cache.incr("number") == 42
    assert cache.incr("number", 8) == 50
    assert cache.decr("number") == 49
    assert cache.decr("number", 50) == -1
    assert cache.get("number") == -1
    assert 99_000 < cache.pttl("number") <= 100_000


def test_incr_by_a_fraction_is_refused(cache: Cache) -> None:
    cache.set("number", 1)
    with pytest.raises(TypeError):
        cache.incr("number", 1.5)  # type: ignore[arg-type]
    assert cache.get("number") == 1


def test_incr_of_a_missing_key_creates_nothing(cache: Cache) -> None:
    for call in (cache.incr, cache.decr):
        with pytest.raises(ValueError, match="Key 'number' not found"):
            call("number")
    assert cache.has_key("number") is False


def test_incr_of_what_is_no_whole_number_is_the_servers_error(cache: Cache) -> None:
    cache.set("text", "text")
    with pytest.raises(ResponseError, match=r"^value is not an integer or out of range$"):
        cache.incr("text")
    cache.set("largest", 2**63 - 1)
    with pytest.raises(ResponseError, match="overflow"):
        cache.incr("largest")
    assert cache.get("largest") == 2**63 - 1


def test_incr_is_one_round_trip_even_after_the_script_was_forgotten(
    cache: Cache, standalone: Standalone, calls: Any
) -> None:
    cache.set("number", 1)
    standalone.command("SCRIPT", "FLUSH")
    calls()
    assert cache.incr("number") == 2
    assert calls() == {"evalsha": 1, "eval": 1, "exists": 1, "incrby": 1}
    assert cache.incr("number") == 3
    assert calls() == {"evalsha": 1, "exists": 1, "incrby": 1}


def test_no_increment_gets_lost(standalone: Standalone, run: Any) -> None:
    async def count() -> Any:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client)
        await cache.set("number", 0)
        await asyncio.gather(*(cache.incr("number") for _ in range(500)))
        total = await cache.get("number")
        await client.aclose()
        return total

    assert run(count()) == 500


# -- versions


@pytest.mark.parametrize("value", [None, "text", 5, {"a": 1}], ids=repr)
def test_incr_version_moves_a_value_and_what_is_left_of_its_time(cache: Cache, value: Any) -> None:
    cache.set("key", value, 100)
    assert cache.incr_version("key") == 2
    assert cache.get("key", "gone") == "gone"
    assert cache.get("key", "gone", version=2) == value
    assert 99_000 < cache.pttl("key", version=2) <= 100_000
    assert cache.decr_version("key", version=2) == 1
    assert cache.get("key", "gone") == value
    assert cache.incr_version("key", 5) == 6
    assert cache.has_key("key", version=6)


def test_incr_version_keeps_endless_keys_endless(cache: Cache) -> None:
    cache.set("key", 1, None)
    cache.incr_version("key")
    assert cache.pttl("key", version=2) is None


def test_a_value_that_stays_where_it_is_is_not_lost(make_cache: Any) -> None:
    cache = make_cache()
    cache.set("key", "value", 100)
    assert cache.incr_version("key", 0) == 1
    assert cache.get("key") == "value"
    cache = make_cache(keys=Keys(function=lambda key, prefix, version: f"{prefix}/{key}"))
    cache.set("key", "without versions")
    assert cache.incr_version("key") == 2
    assert cache.get("key") == "without versions"


def test_incr_version_of_a_missing_key_is_an_error(cache: Cache) -> None:
    with pytest.raises(ValueError, match="Key 'key' not found"):
        cache.incr_version("key")
    with pytest.raises(ValueError, match="Key 'key' not found"):
        cache.decr_version("key")


# -- get_or_set


def test_get_or_set_stores_once(cache: Cache) -> None:
    assert cache.get_or_set("key", 1, 100) == 1
    assert cache.get_or_set("key", 2) == 1
    assert 99_000 < cache.pttl("key") <= 100_000
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return 3

    assert cache.get_or_set("other", make) == 3
    assert cache.get_or_set("other", make) == 3
    assert made == [1]


def test_get_or_set_returns_what_somebody_else_stored_first(
    cache: Cache, standalone: Standalone
) -> None:
    def slow() -> int:
        standalone.command("SET", ":1:key", "1")
        return 2

    assert cache.get_or_set("key", slow) == 1


def test_async_get_or_set_awaits(standalone: Standalone, run: Any) -> None:
    async def check() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client)

        async def make() -> str:
            await cache.set("key", "theirs")
            return "ours"

        assert await cache.get_or_set("key", make) == "theirs"
        assert await cache.get_or_set("other", asyncio.sleep(0, "awaited")) == "awaited"
        await client.aclose()

    run(check())


# -- what goes wrong


def test_what_cannot_be_read_is_an_error(cache: Cache, standalone: Standalone) -> None:
    standalone.command("SET", ":1:key", b"\x80\x05broken")
    with pytest.raises(SerializerError):
        cache.get("key")


def test_what_cannot_be_stored_is_an_error_and_leaves_the_old_value(cache: Cache) -> None:
    cache.set("key", "old")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        cache.set("key", lambda: None)
    assert cache.get("key") == "old"


def test_errors_of_the_server_are_raised_unchanged(cache: Cache, standalone: Standalone) -> None:
    standalone.command("RPUSH", ":1:list", "a")
    for call in (cache.get, cache.incr, cache.incr_version):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            call("list")


def test_a_value_signed_with_another_key_is_not_read(make_cache: Any) -> None:
    make_cache(codec=Codec(signing_key="other")).set("key", "value")
    with pytest.raises(SerializerError):
        make_cache(codec=Codec(signing_key="ours")).get("key")


# -- the rest


def test_a_lock_is_a_key_of_the_cache(cache: Cache) -> None:
    first = cache.lock("job", timeout=10)
    second = cache.lock("job", timeout=10, blocking=False)
    run = getattr(cache, "_loop", None)
    wait = (lambda result: result) if run is None else run.run_until_complete
    assert wait(first.acquire()) is True
    assert cache.has_key("job")
    assert 9_000 < cache.pttl("job") <= 10_000
    assert wait(second.acquire()) is False
    wait(first.release())
    assert not cache.has_key("job")
    with pytest.raises(LockError):
        wait(first.release())


def test_every_verb_is_one_round_trip(cache: Cache, calls: Any) -> None:
    cache.set("key", 1)
    calls()
    for call, expected in [
        (lambda: cache.get("key"), {"get": 1}),
        (lambda: cache.set("key", 1), {"set": 1}),
        (lambda: cache.add("key", 1), {"set": 1}),
        (lambda: cache.touch("key"), {"pexpire": 1}),
        (lambda: cache.touch("key", None), {"exists": 1, "persist": 1}),
        (lambda: cache.has_key("key"), {"exists": 1}),
        (lambda: cache.ttl("key"), {"ttl": 1}),
        (lambda: cache.delete("key"), {"unlink": 1}),
    ]:
        call()
        assert calls() == expected


def test_the_repr_says_where_keys_go(cache: Cache, standalone: Standalone) -> None:
    assert "Keys(prefix=''" in repr(getattr(cache, "_cache", cache))
    assert str(standalone.address[1]) in repr(getattr(cache, "_cache", cache))
