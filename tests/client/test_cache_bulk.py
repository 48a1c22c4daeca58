"""The verbs of a cache for many keys."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError

from cachex_client import Cache, Codec, Keys
from cachex_client.errors import SerializerError
from support.monitor import Monitor
from support.servers import Standalone

MANY = {f"key{number}": {"number": number} for number in range(5_000)}


class Failing:
    """Stands around a client, and lets the commands for some keys fail, as a shard does."""

    def __init__(self, client: Any, *broken: bytes) -> None:
        self._client = client
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _error(self, key: bytes | None) -> Exception | None:
        return ConnectionError(f"no {key!r}") if key in self._broken else None

    def execute_many(self, commands: Any, **options: Any) -> Any:
        return self._after(
            self._client.execute_many(commands, **options), [one.key for one in commands]
        )

    def get_many(self, keys: Any, **options: Any) -> Any:
        return self._after(self._client.get_many(keys, **options), keys)

    def delete_many(self, keys: Any, **options: Any) -> Any:
        return self._after(self._client.delete_many(keys, **options), keys[:1])

    def _after(self, results: Any, keys: Any) -> Any:
        if isinstance(results, list):
            return self._with_errors(results, keys)
        return self._awaited(results, keys)

    async def _awaited(self, results: Any, keys: Any) -> Any:
        return self._with_errors(await results, keys)

    def _with_errors(self, results: list[Any], keys: Any) -> list[Any]:
        return [self._error(key) or result for key, result in zip(keys, results, strict=True)]


@pytest.fixture
def broken(make_cache: Any) -> Cache:
    """A cache that cannot reach where `bad1` and `bad2` are."""
    cache: Cache = make_cache(around=lambda client: Failing(client, b":1:bad1", b":1:bad2"))
    make_cache().set_many({"good": 1, "bad1": 2, "bad2": 3})
    return cache


def told(call: Callable[..., Any], *arguments: Any) -> tuple[Any, list[Any]]:
    """Return what a verb returns, and the keys of which `on_error` was told."""
    keys: list[Any] = []
    result = call(
        *arguments,
        on_error=lambda key, error: keys.append(key) if isinstance(error, Exception) else None,
    )
    return result, keys


def test_what_is_set_is_got(cache: Cache) -> None:
    assert cache.set_many(MANY) == []
    assert cache.get_many(list(MANY)) == MANY
    assert cache.get_many(iter(MANY)) == MANY
    assert cache.get_many(["key1", "none", "key1"]) == {"key1": {"number": 1}}


def test_nothing_is_asked_for_nothing(cache: Cache, standalone: Standalone) -> None:
    with Monitor(standalone) as monitor:
        assert cache.get_many([]) == {}
        assert cache.get_many(iter(())) == {}
        assert cache.set_many({}) == []
        assert cache.delete_many([]) == 0
        assert cache.delete_many(iter(())) == 0
        assert cache.touch_many([]) == []
        assert cache.incr_many({}) == {}
    assert monitor.commands == []


def test_reading_is_one_mget_and_writing_one_set_with_its_end_each(
    cache: Cache, standalone: Standalone
) -> None:
    with Monitor(standalone) as monitor:
        cache.set_many({"a": 1, "b": 2}, 1.5)
        cache.get_many(["a", "b"])
        cache.delete_many(["a", "b"])
    seen = [one for one in monitor.commands if one[0] in (b"SET", b"MGET", b"UNLINK")]
    assert seen == [
        (b"SET", b":1:a", b"1", b"PX", b"1500"),
        (b"SET", b":1:b", b"2", b"PX", b"1500"),
        (b"MGET", b":1:a", b":1:b"),
        (b"UNLINK", b":1:a", b":1:b"),
    ]


def test_values_of_every_kind_come_back(cache: Cache) -> None:
    values = {
        "none": None,
        "int": 5,
        "true": True,
        "text": "5",
        "float": 2.5,
        "error": ValueError(),
    }
    cache.set_many(values)
    found = cache.get_many(values)
    assert isinstance(found.pop("error"), ValueError)
    assert found == {name: value for name, value in values.items() if name != "error"}


def test_the_callers_keys_come_back(make_cache: Any) -> None:
    cache = make_cache(keys=Keys("a:b", 3))
    assert cache.set_many({1: "one", "two:": "two", None: "none"}, version=0) == []
    assert cache.get_many([1, "two:", None, 4], version=0) == {
        1: "one",
        "two:": "two",
        None: "none",
    }
    assert cache.get_many([1, "two:", None]) == {}


def test_timeouts_hold_for_every_key(cache: Cache) -> None:
    cache.set_many({"a": 1, "b": 2}, 0.5)
    assert 300 < cache.pttl("b") <= 500
    cache.set_many({"a": 1, "b": 2}, None)
    assert cache.pttl("b") is None
    cache.set_many({"a": 1, "b": 2})
    assert 299_000 < cache.pttl("b") <= 300_000
    assert cache.set_many({"a": 1, "c": 2}, 0) == []
    assert cache.get_many(["a", "b", "c"]) == {"b": 2}


def test_delete_many_counts(cache: Cache) -> None:
    cache.set_many(MANY)
    assert cache.delete_many([*list(MANY)[:4_500], "none"]) == 4_500
    assert cache.delete_many(iter(MANY)) == 500


def test_touch_many_returns_what_is_missing(cache: Cache) -> None:
    cache.set_many({"a": 1, "b": 2})
    assert cache.touch_many(["a", "none", "b"], 50) == ["none"]
    assert 49_000 < cache.pttl("a") <= 50_000
    assert cache.touch_many(iter(["a", "none", "b"]), None) == ["none"]
    assert cache.pttl("a") is None
    assert cache.touch_many(["a", "b"], None) == []
    assert cache.touch_many(["a", "none"], 0) == ["none"]
    assert cache.get_many(["a", "b"]) == {"b": 2}


def test_incr_many_adds_and_keeps_ends(cache: Cache, standalone: Standalone) -> None:
    cache.set_many({"a": 1, "b": 10}, 100)
    standalone.command("SCRIPT", "FLUSH")
    assert cache.incr_many({"a": 1, "none": 5, "b": -20}) == {"a": 2, "b": -10}
    assert cache.incr_many({"a": 1}) == {"a": 3}
    assert cache.has_key("none") is False
    assert 99_000 < cache.pttl("a") <= 100_000


def test_incr_many_of_what_is_no_number_raises_after_the_others_are_done(cache: Cache) -> None:
    cache.set_many({"a": 1, "text": "text", "b": 2})
    with pytest.raises(ResponseError, match="not an integer"):
        cache.incr_many({"a": 1, "text": 1, "b": 1})
    assert cache.get_many(["a", "b"]) == {"a": 2, "b": 3}
    assert told(cache.incr_many, {"a": 1, "text": 1}) == ({"a": 3}, ["text"])


def test_compressed_and_signed_values_come_back_in_bulk(make_cache: Any) -> None:
    values = {"number": 5, "short": "x", "long": "x" * 5_000, "huge": 10**400}
    for codec in (Codec(compressors="zlib"), Codec(signing_key="k"), Codec("json", "gzip")):
        cache = make_cache(codec=codec)
        assert cache.set_many(values) == []
        assert cache.get_many(values) == values
        assert cache.incr("number") == 6


# -- one key that fails does not take the others with it


def test_a_key_that_cannot_be_read_costs_itself_only(broken: Cache) -> None:
    with pytest.raises(ConnectionError, match="bad1"):
        broken.get_many(["good", "bad1", "bad2"])
    assert told(broken.get_many, ["good", "bad1", "bad2"]) == ({"good": 1}, ["bad1", "bad2"])


def test_a_value_that_cannot_be_decoded_costs_itself_only(
    cache: Cache, standalone: Standalone
) -> None:
    cache.set("good", "value")
    standalone.command("SET", ":1:bad", b"\x80\x05broken")
    with pytest.raises(SerializerError):
        cache.get_many(["good", "bad"])
    assert told(cache.get_many, ["good", "bad"]) == ({"good": "value"}, ["bad"])


def test_keys_that_cannot_be_stored_are_returned(broken: Cache) -> None:
    values = {"good": 1, "bad1": 2, "bad2": 3}
    assert broken.set_many(values) == ["bad1", "bad2"]
    assert told(broken.set_many, values) == (["bad1", "bad2"], ["bad1", "bad2"])


def test_if_nothing_can_be_stored_the_reason_is_raised(broken: Cache) -> None:
    with pytest.raises(ConnectionError, match="bad1"):
        broken.set_many({"bad1": 2, "bad2": 3})
    assert told(broken.set_many, {"bad1": 2}) == (["bad1"], ["bad1"])


def test_the_servers_refusal_is_no_silent_failure(cache: Cache, standalone: Standalone) -> None:
    standalone.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(ResponseError, match="maxmemory"):
        cache.set_many({"a": 1, "b": 2})


def test_a_value_that_cannot_be_written_stores_nothing(cache: Cache) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        cache.set_many({"a": 1, "b": lambda: None})
    assert cache.get_many(["a", "b"]) == {}


def test_other_verbs_tell_of_keys_that_failed(broken: Cache) -> None:
    with pytest.raises(ConnectionError, match="bad1"):
        broken.touch_many(["good", "bad1"], 10)
    assert told(broken.touch_many, ["good", "bad1"], 10) == (["bad1"], ["bad1"])
    with pytest.raises(ConnectionError, match="bad1"):
        broken.delete_many(["bad1"])
    assert told(broken.delete_many, ["bad1"]) == (0, [None])


def test_what_on_error_raises_is_raised(broken: Cache) -> None:
    def refuse(key: Any, error: Exception) -> None:
        raise RuntimeError(key) from error

    for call in (
        lambda: broken.get_many(["good", "bad2"], on_error=refuse),
        lambda: broken.set_many({"good": 1, "bad2": 2}, on_error=refuse),
        lambda: broken.touch_many(["bad2"], on_error=refuse),
    ):
        with pytest.raises(RuntimeError, match="bad2"):
            call()
