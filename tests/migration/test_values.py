"""What another backend has stored is read as it is, and what we store it reads, too.

The settings are the other backend's, but for BACKEND; no value is written anew.
"""

from __future__ import annotations

import datetime
import decimal
import pickle
import uuid
from importlib.util import find_spec
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings

from migration import child
from support.servers import Standalone

OURS = "django_cachex.cache.RedisCache"
DJANGO = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"
DJANGO_VALKEY = "django_valkey.cache.ValkeyCache"

PLAIN: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "number": 42,
    "negative": -5,
    "large": 2**62,
    "half": 0.5,
    "minus-quarter": -0.25,
    "huge": 1e30,
    "tiny": 1e-30,
    "empty": "",
    "text": "plain text",
    "digits": "12345",
    "nan-in-words": "nan",
    "accents": "Grüße, привет, 你好 ☃",
    "long": "repetition " * 2_000,
    "list": [1, "two", None, [3.5]],
    "dict": {"a": 1, "b": {"c": [True, False]}},
}
WITH_BYTES: dict[str, Any] = {**PLAIN, "bytes": b"\x00\x01\xff" * 200, "no-bytes": b""}
ANYTHING: dict[str, Any] = {
    **WITH_BYTES,
    "huge-number": 2**100,
    "tuple": (1, "two"),
    "set": {1, 2, 3},
    "time": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
    "money": decimal.Decimal("12.50"),
    "id": uuid.UUID(int=7),
    "infinite": float("inf"),
    "minus-infinite": float("-inf"),
}
WITH_DATES: dict[str, Any] = {
    **PLAIN,
    "time": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC),
    "money": decimal.Decimal("12.50"),
    "id": uuid.UUID(int=7),
}
ZSTD = {"django_redis": "pyzstd", "django_valkey": "backports.zstd"}


def there_is(module: str) -> bool:
    """Tell whether a module is installed, which backports.zstd is not where Python has its own."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def formats(peer: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return OPTIONS by a name for them, each with values that go with them."""
    serializers = f"{peer}.serializers"
    compressors = f"{peer}.compressors"
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "default": ({}, ANYTHING),
        "json": ({"SERIALIZER": f"{serializers}.json.JSONSerializer"}, WITH_DATES),
        "msgpack": ({"SERIALIZER": f"{serializers}.msgpack.MSGPackSerializer"}, WITH_BYTES),
    }
    for protocol in range(-1, pickle.HIGHEST_PROTOCOL + 1):
        found[f"pickle{protocol}"] = ({"PICKLE_VERSION": protocol}, ANYTHING)
    stock = ["identity.Identity", "zlib.Zlib", "gzip.Gzip", "lzma.Lzma", "lz4.Lz4"]
    if there_is(ZSTD[peer]):
        stock.append("zstd.ZStd")
    if peer == "django_valkey":
        stock.append("bz2.Bz2")
    for name in stock:
        options = {"COMPRESSOR": f"{compressors}.{name}Compressor"}
        found[name] = (options, ANYTHING)
        options = {**options, "SERIALIZER": f"{serializers}.json.JSONSerializer"}
        found[f"json.{name}"] = (options, WITH_DATES)
    return found


PEERS: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    DJANGO: {
        "default": ({}, ANYTHING),
        "serializer": (
            {"serializer": "django.core.cache.backends.redis.RedisSerializer"},
            ANYTHING,
        ),
    },
    DJANGO_REDIS: formats("django_redis"),
    DJANGO_VALKEY: formats("django_valkey"),
}


def entries(peer: str, url: str, backend: str) -> dict[str, Any]:
    """Return CACHES with an alias for each format of a peer."""
    return {
        alias: {"BACKEND": backend, "LOCATION": url, "KEY_PREFIX": alias, "OPTIONS": options}
        for alias, (options, _) in PEERS[peer].items()
    }


def same(ours: Any, theirs: Any) -> bool:
    """Tell whether two values are the same, down to the types; repr() tells -0.0 and NaN apart."""
    return type(ours) is type(theirs) and repr(ours) == repr(theirs)


@pytest.mark.parametrize("peer", PEERS)
def test_what_a_peer_has_stored_is_read_as_it_is(peer: str, standalone: Standalone) -> None:
    kept = [
        (alias, name, value)
        for alias, (_, values) in PEERS[peer].items()
        for name, value in values.items()
    ]
    theirs = entries(peer, standalone.url, peer)
    writes = [(alias, "set", name, value) for alias, name, value in kept]
    found = child.run(theirs, [*writes, *((alias, "get", name) for alias, name, _ in kept)])
    found = found[len(kept) :]
    with override_settings(CACHES={"default": {}, **entries(peer, standalone.url, OURS)}):
        for (alias, name, value), peers_own in zip(kept, found, strict=True):
            ours = caches[alias].get(name, "nothing")
            if same(ours, value):  # though the peer may make something else of it: -5.0 of -5
                continue
            assert same(ours, peers_own), (alias, name, ours, peers_own)
        for alias, (_, values) in PEERS[peer].items():
            assert set(caches[alias].get_many(values)) == set(values)


@pytest.mark.parametrize("peer", PEERS)
def test_what_we_store_a_peer_reads(peer: str, standalone: Standalone) -> None:
    kept = [
        (alias, name, value)
        for alias, (_, values) in PEERS[peer].items()
        for name, value in values.items()
    ]
    ours = entries(peer, standalone.url, OURS)
    with override_settings(CACHES={"default": {}, **ours}):
        for alias, name, value in kept:
            caches[alias].set(name, value)
        own = [caches[alias].get(name) for alias, name, _ in kept]
    theirs = entries(peer, standalone.url, peer)
    found = child.run(theirs, [(alias, "get", name) for alias, name, _ in kept])
    for (alias, name, _), mine, peers_own in zip(kept, own, found, strict=True):
        assert mine == peers_own, (alias, name, mine, peers_own)


MEMBERS = ["red", "a longer member than sixteen bytes", {"a": [1, 2]}]


@pytest.mark.parametrize("peer", [DJANGO_REDIS, DJANGO_VALKEY])
def test_members_of_sets_are_found_as_a_peer_has_stored_them(
    peer: str, standalone: Standalone
) -> None:
    # By their bytes: those of gzip differ from second to second with either peer.
    aliases = [alias for alias in PEERS[peer] if "gzip" not in alias and "zstd" not in alias]
    theirs = entries(peer, standalone.url, peer)
    for entry in theirs.values():
        if "SERIALIZER" not in entry["OPTIONS"]:
            entry["OPTIONS"] = {"PICKLE_VERSION": 4, **entry["OPTIONS"]}
    stored = [(alias, "sadd", "set", *MEMBERS) for alias in aliases]
    assert child.run(theirs, stored) == [3] * len(aliases)
    ours = {alias: {**entry, "BACKEND": OURS} for alias, entry in theirs.items()}
    with override_settings(CACHES={"default": {}, **ours}):
        for alias in aliases:
            for member in MEMBERS:
                assert caches[alias].sismember("set", member), (alias, member)
            assert caches[alias].sadd("set", *MEMBERS) == 0
            assert caches[alias].srem("set", *MEMBERS) == 3


COUNTS = [("default", "incr", "counter"), ("default", "decr", "counter", 2)]


@pytest.mark.parametrize("peer", PEERS)
def test_old_and_new_workers_count_the_same_number(peer: str, standalone: Standalone) -> None:
    theirs = entries(peer, standalone.url, peer)
    child.run(theirs, [("default", "set", "counter", 10, None)])
    with override_settings(CACHES=entries(peer, standalone.url, OURS)):
        cache = caches["default"]
        assert cache.incr("counter", 5) == 15
        assert child.run(theirs, COUNTS) == [16, 14]
        assert cache.incr("counter") == 15
        assert cache.add("counter", 0) is False
        assert not child.run(theirs, [("default", "add", "counter", 0)])[0]


@pytest.mark.parametrize("peer", [DJANGO_REDIS, DJANGO_VALKEY])
def test_old_and_new_workers_take_turns_at_a_lock(peer: str, standalone: Standalone) -> None:
    with override_settings(CACHES=entries(peer, standalone.url, OURS)):
        cache = caches["default"]
        with cache.lock("door", timeout=60):
            assert standalone.command("EXISTS", "default:1:door") == 1
            theirs = entries(peer, standalone.url, peer)
            assert child.run(theirs, [("default", "get", "door")]) != [None]
            seen = child.run(theirs, [("default", "ttl", "door")])[0]
            assert 0 < seen <= 60
        assert child.run(theirs, [("default", "has_key", "door")]) == [False]


@pytest.mark.parametrize("peer", [DJANGO, DJANGO_REDIS, DJANGO_VALKEY])
@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"KEY_PREFIX": "shop"},
        {"KEY_PREFIX": "app:prod", "VERSION": 7},
        {"KEY_PREFIX": "*[?]", "VERSION": 2},
        {"KEY_FUNCTION": "migration.keys.key_function", "KEY_PREFIX": "p", "VERSION": 3},
    ],
)
def test_keys_are_those_of_the_peer(
    peer: str, beside: dict[str, Any], standalone: Standalone
) -> None:
    entry = {"LOCATION": standalone.url, **beside}
    names = ["plain", "with:colon", "ünï", "a" * 100, ""]
    if peer == DJANGO_VALKEY:
        names.remove("")  # which that stores without a prefix
    calls = [("default", "set", name, 1) for name in names]
    calls += [("default", "set", "elsewhere", 1, 300, 9)]
    child.run({"default": {"BACKEND": peer, **entry}}, calls)
    written = set(standalone.command("KEYS", "*"))
    standalone.command("FLUSHALL")
    reverse = {}
    if "KEY_FUNCTION" in beside:
        reverse["REVERSE_KEY_FUNCTION"] = "migration.keys.reverse_key_function"
    with override_settings(CACHES={"default": {"BACKEND": OURS, **entry, **reverse}}):
        cache = caches["default"]
        for name in names:
            cache.set(name, 1)
        cache.set("elsewhere", 1, 300, 9)
        assert set(standalone.command("KEYS", "*")) == written
        assert sorted(cache.keys("*")) == sorted(names)


@pytest.mark.parametrize("peer", PEERS)
def test_times_to_live_are_those_of_the_peer(peer: str, standalone: Standalone) -> None:
    entry = {"LOCATION": standalone.url, "TIMEOUT": 120}
    calls = [
        ("default", "set", "stock", 1),
        ("default", "set", "given", 1, 60),
        ("default", "set", "ever", 1, None),
        ("default", "set", "over", 1),
        ("default", "set", "over", 1, 0),
    ]

    def left() -> list[int]:
        names = ("stock", "given", "ever", "over")
        return [standalone.command("TTL", f":1:{name}") for name in names]

    child.run({"default": {"BACKEND": peer, **entry}}, calls)
    theirs = left()
    standalone.command("FLUSHALL")
    with override_settings(CACHES={"default": {"BACKEND": OURS, **entry}}):
        for alias, method, *arguments in calls:
            getattr(caches[alias], method)(*arguments)
    for mine, peers_own in zip(left(), theirs, strict=True):
        assert abs(mine - peers_own) <= 5
