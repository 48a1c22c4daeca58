"""The verbs of a cache that look through all keys."""

from __future__ import annotations

from typing import Any

import pytest

from cachex_client import Cache, ConfigurationError, Keys
from support.monitor import Monitor
from support.servers import Replicated, Standalone


def test_keys_are_found_by_pattern_and_come_back_as_given(make_cache: Any) -> None:
    for prefix in ("", "app", "app:prod", "a*[b]?\\"):
        cache = make_cache(keys=Keys(prefix))
        cache.set_many(dict.fromkeys(["user:1", "user:2", "userx", "ä"], 1))
        cache.set("user:3", 1, version=2)
        assert sorted(cache.keys()) == ["user:1", "user:2", "userx", "ä"]
        assert sorted(cache.keys("user:*")) == ["user:1", "user:2"]
        assert sorted(cache.keys("user?")) == ["userx"]
        assert cache.keys("user:[34]", version=2) == ["user:3"]
        assert sorted(cache.iter_keys("user:*")) == ["user:1", "user:2"]
        assert cache.keys("none*") == []
        cache.clear()


def test_a_prefix_with_wildcards_does_not_find_other_prefixes(make_cache: Any) -> None:
    wild, tame = make_cache(keys=Keys("a*")), make_cache(keys=Keys("abc"))
    tame.set("key", 1)
    assert wild.keys() == []
    assert wild.delete_pattern("*") == 0
    assert wild.clear() == 0
    assert tame.get("key") == 1


def test_keys_that_are_not_text_come_back_usable(cache: Cache, standalone: Standalone) -> None:
    standalone.command("SET", b":1:\xff\xfe", "5")
    (key,) = cache.keys()
    assert cache.get(key) == 5


def test_many_keys_are_found_and_removed_in_bounded_batches(
    cache: Cache, standalone: Standalone
) -> None:
    names = {f"key:{number}" for number in range(3_500)}
    cache.set_many(dict.fromkeys(names, 1))
    cache.set("other", 1)
    assert set(cache.keys("key:*")) == names
    assert set(cache.iter_keys("key:*", itersize=100)) == names
    with Monitor(standalone) as monitor:
        assert cache.delete_pattern("key:*") == 3_500
    removed = [one[1:] for one in monitor.commands if one[0] == b"UNLINK"]
    assert {key for batch in removed for key in batch} == {f":1:{name}".encode() for name in names}
    # All full but the last. A table that shrinks meanwhile has SCAN return some keys twice.
    *full, last = (len(batch) for batch in removed)
    assert full == [1_000] * len(full)
    assert 0 < last <= 1_000
    assert len(full) >= 3
    scans = [one for one in monitor.commands if one[0] == b"SCAN"]
    assert all(command[-2:] == (b"COUNT", b"1000") for command in scans)
    assert cache.keys() == ["other"]


def test_itersize_is_what_the_server_is_asked_for(cache: Cache, standalone: Standalone) -> None:
    cache.set("key", 1)
    with Monitor(standalone) as monitor:
        cache.delete_pattern("*", itersize=7)
    scan, *_ = (one for one in monitor.commands if one[0] == b"SCAN")
    assert scan[-2:] == (b"COUNT", b"7")


def test_delete_pattern_keeps_to_its_version(cache: Cache) -> None:
    cache.set("key", 1)
    cache.set("key", 2, version=2)
    assert cache.delete_pattern("*", version=2) == 1
    assert cache.get("key") == 1


def test_clear_removes_all_versions_of_its_own_prefix(
    make_cache: Any, standalone: Standalone
) -> None:
    app, mail, none = (make_cache(keys=Keys(prefix)) for prefix in ("app", "app:mail", ""))
    for cache in (app, mail, none):
        cache.set("key", 1)
        cache.set("key", 2, version=2)
    standalone.command("SET", "app:plain", "not ours")
    assert app.clear() == 2
    assert (app.get("key"), app.get("key", version=2)) == (None, None)
    assert none.clear() == 2
    assert (mail.get("key"), mail.get("key", version=2)) == (1, 2)
    assert standalone.command("GET", "app:plain") == b"not ours"


def test_clear_removes_versions_that_are_text(make_cache: Any, standalone: Standalone) -> None:
    cache = make_cache(keys=Keys("app", "v1"))
    for version in (None, 7, "v2", "a:b", ""):
        cache.set("user:x", 1, version=version)
    standalone.command("SET", "app:mail:1:key", "of a longer prefix")
    assert cache.clear() == 5
    assert standalone.command("KEYS", "*") == [b"app:mail:1:key"]


def test_longer_prefixes_that_are_named_are_left_alone(make_cache: Any) -> None:
    tenant, parent = make_cache(keys=Keys("t:1")), make_cache(keys=Keys("t", others=["t:1"]))
    tenant.set("key", 1)
    parent.set_many({"key": 1, "user:key": 1})
    parent.set("1:key", 1, version="blue")
    assert sorted(parent.keys()) == ["key", "user:key"]
    assert sorted(parent.iter_keys()) == ["key", "user:key"]
    assert parent.delete_pattern("*") == 2
    assert parent.clear() == 1
    assert tenant.get("key") == 1


def hashed(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}:{version}:{hash(key)}"


def test_keys_that_cannot_be_listed_are_refused(make_cache: Any, standalone: Standalone) -> None:
    cache = make_cache(keys=Keys("app", 1, hashed, str))
    cache.set("key", 1)
    for call in (
        cache.clear,
        cache.keys,
        lambda: list(cache.iter_keys()),
        lambda: cache.delete_pattern("*"),
    ):
        with pytest.raises(ConfigurationError, match=r"flush_db\(\)"):
            call()
    assert cache.get("key") == 1


def test_clear_empties_the_database_of_whoever_owns_it(
    make_cache: Any, standalone: Standalone
) -> None:
    cache = make_cache(keys=Keys("app", 1, hashed, owns_database=True))
    cache.set("key", 1)
    standalone.command("SET", "other", "1")
    assert cache.clear() == 2
    assert standalone.command("DBSIZE") == 0


def test_flush_db_removes_everything(cache: Cache, standalone: Standalone) -> None:
    cache.set("key", 1)
    standalone.command("SET", "other", "1")
    cache.flush_db()
    assert standalone.command("DBSIZE") == 0


def test_a_key_function_needs_its_reverse_for_listing_only(make_cache: Any) -> None:
    def function(key: Any, prefix: str, version: Any) -> str:
        return f"{version}/{prefix}/{key}"

    plain = make_cache(keys=Keys("app", 1, function))
    plain.set_many({"a:1": 1, "b": 2})
    assert plain.get("a:1") == 1
    with pytest.raises(ConfigurationError, match="REVERSE_KEY_FUNCTION"):
        plain.keys()
    reverse = make_cache(keys=Keys("app", 1, function, lambda full: full.split("/", 2)[2]))
    assert sorted(reverse.keys()) == ["a:1", "b"]
    assert plain.delete_pattern("a*") == 1
    plain.set("b", 3, version=2)
    assert plain.clear() == 2


def test_reads_that_a_write_depends_on_are_answered_by_the_primary(
    make_cache: Any, replicated: Replicated
) -> None:
    cache = make_cache([one.url for one in replicated.servers], read_your_writes=0.0)
    with Monitor(replicated.primary) as monitor:
        for number in range(10):
            cache.set(number, number)
            assert cache.incr_version(number) == 2
            assert cache.touch(number, None, version=2) is True
        assert len(cache.keys(version=2)) == 10
        assert cache.clear() == 10
    asked = {command[0] for command in monitor.commands}
    assert {b"GET", b"PTTL", b"EXISTS", b"SCAN"} <= asked
