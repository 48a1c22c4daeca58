"""What `clear`, `keys` and `delete_pattern` take: a cache's own keys, on every topology."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from cachex_client import ConfigurationError
from django_cachex.management.commands import cachex_clear, cachex_keys
from djangocache import project
from support.servers import Cluster, Replicated, Sentinels, Standalone

Place = Callable[..., dict[str, Any]]


class Colour:
    """Calls the methods of a cache, or their asynchronous twins."""

    def __init__(self, name: str, run: Any) -> None:
        self.name, self.run = name, run

    def __call__(self, alias: str, method: str, *arguments: Any, **named: Any) -> Any:
        if self.name == "sync":
            found = getattr(caches[alias], method)(*arguments, **named)
            return list(found) if method == "iter_keys" else found

        async def main() -> Any:
            found = getattr(caches[alias], f"a{method}")(*arguments, **named)
            if method == "iter_keys":
                return [key async for key in found]
            return await found

        return self.run(main())


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, run: Any) -> Colour:
    return Colour(request.param, run)


@pytest.fixture(params=["standalone", "replicated", "sentinels", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """Make an entry of CACHES on each topology."""
    servers = request.getfixturevalue(request.param)

    def make(**rest: Any) -> dict[str, Any]:
        rest.setdefault("read_from", "primary")
        if isinstance(servers, Sentinels):
            return project.sentinel_entry(servers, **rest)
        if isinstance(servers, Cluster):
            return project.cluster_entry(servers, **rest)
        urls = servers.urls if isinstance(servers, Replicated) else servers.url
        return project.entry(urls, **rest)

    return make


def bare(key: Any, prefix: str, version: Any) -> str:
    return str(key)


def hashed(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}:{version}:{hashlib.sha256(str(key).encode()).hexdigest()}"


def tenants(place: Place) -> dict[str, Any]:
    return {
        "default": place(KEY_PREFIX="t"),
        "one": place(KEY_PREFIX="t:1"),
        "two": place(KEY_PREFIX="t:2"),
        "blue": place(KEY_PREFIX="t:blue", VERSION="v1"),
    }


def test_clear_leaves_longer_prefixes_alone(place: Place, call: Colour) -> None:
    with override_settings(CACHES=tenants(place)):
        for alias in ("one", "two", "blue"):
            call(alias, "set", "session", alias)
            call(alias, "set", "session", alias, version=7)
        call("default", "set_many", {"x": 1, "user:y": 1})
        call("default", "set", "x", 1, version="v2")
        call("default", "set", "user:7:x", 1, version="green")
        assert call("default", "clear") == 4
        for alias in ("one", "two", "blue"):
            assert call(alias, "get", "session") == alias
            assert call(alias, "get", "session", version=7) == alias
        assert call("one", "clear") == 2
        assert call("one", "clear") == 0
        assert call("two", "get", "session") == "two"


def test_longer_prefixes_are_no_keys_of_the_shorter(place: Place, call: Colour) -> None:
    with override_settings(CACHES=tenants(place)):
        call("one", "set", "session", "one")
        call("default", "set_many", {"x": 1, "user:y": 1})
        assert sorted(call("default", "keys")) == ["user:y", "x"]
        assert sorted(call("default", "iter_keys", "*")) == ["user:y", "x"]
        assert call("one", "keys") == ["session"]
        assert call("default", "delete_pattern", "*") == 2
        assert call("one", "get", "session") == "one"


def test_what_cannot_be_told_apart_or_listed_is_refused(place: Place, call: Colour) -> None:
    for function in (bare, hashed):
        app = place(KEY_PREFIX="app", KEY_FUNCTION=function, reverse_key_function=str)
        with override_settings(CACHES={"default": place(KEY_PREFIX="other"), "app": app}):
            call("default", "set", "k", 1)
            call("app", "set", "k", 1)
            for method, arguments in [
                ("clear", ()),
                ("keys", ("*",)),
                ("iter_keys", ("*",)),
                ("delete_pattern", ("*",)),
            ]:
                with pytest.raises(ConfigurationError) as caught:
                    call("app", method, *arguments)
                assert "flush_db()" in str(caught.value)
                assert 'CLEAR="database"' in str(caught.value)
            assert call("default", "get", "k") == 1
            assert call("app", "get", "k") == 1
            call("app", "flush_db")
            assert call("app", "get", "k") is None
            assert call("default", "get", "k") is None


def test_clear_empties_the_database_of_whoever_owns_it(place: Place, call: Colour) -> None:
    for function in (None, bare, hashed):
        with override_settings(CACHES={"default": place(clear="database", KEY_FUNCTION=function)}):
            call("default", "set_many", {f"k{number}": 1 for number in range(30)})
            redis = caches["default"].client.get_client(write=True)
            redis.set("foreign", 1)
            assert call("default", "clear") == 31
            assert redis.get("foreign") is None
            assert call("default", "get_many", [f"k{number}" for number in range(30)]) == {}


# One server


def test_prefixes_beyond_caches_can_be_named(standalone: Standalone, make_cache: Any) -> None:
    deep, near, own = "shop:mail:eu:1:k", "shop:mail:1:k", "shop:blue:1:k"
    for names, left in [
        (None, [near, own]),  # both look like keys of a longer prefix
        (["shop:mail:eu"], [deep]),
        (["shop:mail", "shop:mail:eu"], [near, deep]),
        ([], []),
    ]:
        options = {} if names is None else {"other_prefixes": names}
        cache = make_cache(standalone.url, KEY_PREFIX="shop", **options)
        for full in (deep, near, own):
            standalone.command("SET", full, "1")
        cache.clear()
        assert sorted(standalone.command("KEYS", "*")) == sorted(map(str.encode, left))
        standalone.command("FLUSHDB")


def test_another_database_is_not_anothers(standalone: Standalone, make_cache: Any) -> None:
    """Its prefix does not matter: what looks like its keys is the cache's own."""
    make_cache(standalone.url.replace("/0", "/5"), alias="other", KEY_PREFIX="t:1")
    cache = make_cache(standalone.url, KEY_PREFIX="t")
    cache.set("5:profile", 1)
    assert cache.keys() == ["5:profile"]
    assert cache.clear() == 1


def test_entries_that_cannot_be_read_and_other_backends_count_by_their_prefix(
    standalone: Standalone,
) -> None:
    others = {
        "wrong": project.entry(standalone.url, KEY_PREFIX="t:1", max_conections=1),
        "djangos": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": standalone.url,
            "KEY_PREFIX": "t:2",
        },
        "memory": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "KEY_PREFIX": "t:3",
        },
        "broken": project.entry(standalone.url, KEY_PREFIX="t:4", KEY_FUNCTION="nowhere.at_all"),
    }
    default = project.entry(standalone.url, KEY_PREFIX="t")
    with override_settings(CACHES={"default": default, **others}):
        cache = caches["default"]
        for number in range(1, 5):
            standalone.command("SET", f"t:{number}:1:k", "1")
        assert cache.clear() == 1
    left = sorted(standalone.command("KEYS", "*"))
    assert left == [b"t:1:1:k", b"t:2:1:k", b"t:4:1:k"]


def test_a_prefix_changed_at_run_time_is_what_is_cleared(
    standalone: Standalone, make_cache: Any
) -> None:
    cache = make_cache(standalone.url, KEY_PREFIX="shop:1")
    cache.set("k", 1)
    cache.key_prefix = "shop"
    cache.set("k", 2)
    assert cache.clear() == 1
    assert standalone.command("KEYS", "*") == [b"shop:1:1:k"]


def test_a_backend_with_its_own_keys_clears_them(standalone: Standalone, make_cache: Any) -> None:
    backend = "djangocache.test_operations.Particular"
    make_cache(standalone.url, alias="other")
    cache = make_cache(standalone.url, backend=backend)
    cache.set("k", 1)
    cache.set("k", 1, version="blue")
    caches["other"].set("k", 1)
    assert cache.clear() == 2
    assert standalone.command("KEYS", "*") == [b":1:k"]


def test_an_unknown_word_for_clear_is_refused(standalone: Standalone, make_cache: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="expected 'prefix' or 'database'; got 'all'"):
        make_cache(standalone.url, clear="all").get("k")
    with pytest.raises(ImproperlyConfigured, match="expected a list of str"):
        make_cache(standalone.url, other_prefixes=3).get("k")


# Management commands


def run_command(module: Any, *arguments: str) -> str:
    out = io.StringIO()
    call_command(module.Command(), *arguments, stdout=out, stderr=io.StringIO(), no_color=True)
    return out.getvalue()


def test_commands_leave_longer_prefixes_alone(place: Place) -> None:
    with override_settings(CACHES=tenants(place)):
        caches["one"].set("session", 1)
        caches["default"].set("x", 1)
        caches["default"].set("x", 1, version="v2")
        assert run_command(cachex_keys).split() == ["x"]
        assert "removed 1 keys" in run_command(cachex_clear, "--noinput", "--pattern", "*")
        assert "would remove 1 keys" in run_command(cachex_clear, "--dry-run")
        assert "removed 1 keys" in run_command(cachex_clear, "--noinput")
        assert caches["one"].get("session") == 1


def test_commands_refuse_before_they_ask(standalone: Standalone, make_cache: Any) -> None:
    make_cache(standalone.url, KEY_FUNCTION="djangocache.test_clear.hashed").set("k", 1)
    for module, *arguments in [
        (cachex_clear,),
        (cachex_clear, "--dry-run"),
        (cachex_clear, "--pattern", "k*"),
        (cachex_keys,),
    ]:
        with pytest.raises(CommandError, match=r"flush_db\(\)"):
            run_command(module, *arguments)
    assert "removed 1 keys: ALL" in run_command(cachex_clear, "--noinput", "--flush-db")


def test_the_command_empties_the_database_of_whoever_owns_it(place: Place) -> None:
    with override_settings(CACHES={"default": place(clear="database")}):
        caches["default"].set("k", 1)
        caches["default"].client.get_client(write=True).set("foreign", 1)
        assert "would remove 2 keys: ALL keys" in run_command(cachex_clear, "--dry-run")
        assert "removed 2 keys: ALL keys" in run_command(cachex_clear, "--noinput")
        assert caches["default"].get("k") is None
