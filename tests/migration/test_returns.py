"""The table of docs/migration/return-values.md: the same calls on four backends."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.test import override_settings

import peer_tables
from django_cachex.cache import RedisCache
from migration import child
from migration.child import OWN_TIMEOUT
from migration.test_values import DJANGO, DJANGO_REDIS, DJANGO_VALKEY, OURS
from support.servers import Standalone

ERROR = redis.exceptions.ResponseError
DATA = redis.exceptions.DataError
SCORES = ("zadd", "k", {"a": 1, "b": 2})
MEMBERS = ("sadd", "k", "bar1", "bar2", "zoo")
MISSING = object()
"""The backend has no such method."""

# What goes before, a call, and what it returns: on Django's, django-redis, django-valkey and ours.
# A class is that of the error that is raised.
CALLS: list[tuple[list[tuple[Any, ...]], tuple[Any, ...], tuple[Any, Any, Any, Any]]] = [
    ([("set", "k", None)], ("get", "k", "default"), (None, None, None, None)),
    ([], ("set", "k", 1), (None, True, True, True)),
    ([], ("add", "k", 1), (True, True, True, True)),
    ([("set", "k", 1)], ("add", "k", 1), (False, False, None, False)),
    ([], ("set_many", {"k": 1}), ([], None, None, [])),
    ([("set", "k", 1)], ("delete_many", ["k", "l"]), (None, 1, 1, 1)),
    ([], ("delete_many", []), (None, 0, 0, None)),
    ([("set", "k", 1)], ("delete", "k"), (True, True, True, True)),
    ([], ("delete", "k"), (False, False, False, False)),
    ([], ("incr", "k"), (ValueError, ValueError, ValueError, ValueError)),
    ([("set", "k", None)], ("incr_version", "k"), (2, ValueError, ValueError, 2)),
    ([("set", "k", 1, None)], ("ttl", "k"), (MISSING, None, None, None)),
    ([], ("ttl", "k"), (MISSING, 0, 0, -2)),
    ([("set", "k", 1, None)], ("pttl", "k"), (MISSING, None, None, None)),
    ([], ("pttl", "k"), (MISSING, 0, 0, -2)),
    ([("set", "k", 1)], ("expire", "k", 5), (MISSING, True, True, True)),
    ([], ("expire", "k", 5), (MISSING, False, False, False)),
    ([("set", "k", 1)], ("pexpire", "k", 5000), (MISSING, True, True, True)),
    ([("set", "k", 1)], ("expire_at", "k", 4_000_000_000), (MISSING, True, True, True)),
    ([("set", "k", 1)], ("pexpire_at", "k", 4_000_000_000_000), (MISSING, True, True, True)),
    ([("set", "k", 1)], ("persist", "k"), (MISSING, True, True, True)),
    ([("set", "k", 1, None)], ("persist", "k"), (MISSING, False, False, False)),
    ([("set", "k", 1, None)], ("touch", "k", None), (False, False, False, True)),
    ([("set", "k", 1)], ("touch", "k"), (True, True, True, True)),
    ([("set", "k", 1, 0.9)], ("get", "k"), (None, 1, 1, 1)),
    ([("set", "k", 1)], ("keys", "*"), (MISSING, ["k"], ["k"], ["k"])),
    ([("set", "k", 1)], ("delete_pattern", "*"), (MISSING, 1, 1, 1)),
    ([("set", "k", "text")], ("incr", "k"), (ERROR, TypeError, TypeError, ERROR)),
    ([("set", "k", 2**63 - 1)], ("incr", "k"), (ERROR, 2**63, 2**63, ERROR)),
    ([("set", "k", 1)], ("get_many", ["k", "l"]), ({"k": 1},) * 4),
    ([], ("get_or_set", "k", 5), (5, 5, 5, 5)),
    ([("set", "k", 1)], ("has_key", "k"), (True, True, True, True)),
    ([("set", "k", 1)], ("decr", "k"), (0, 0, 0, 0)),
    ([], ("close",), (None, None, None, None)),
    ([SCORES], ("zpopmin", "k"), (MISSING, ("a", 1.0), MISSING, ("a", 1.0))),
    ([SCORES], ("zpopmax", "k"), (MISSING, ("b", 2.0), MISSING, ("b", 2.0))),
    ([], ("zpopmin", "k"), (MISSING, None, MISSING, None)),
    ([], ("zpopmax", "k"), (MISSING, None, MISSING, None)),
    ([SCORES], ("zpopmin", "k", 1), (MISSING, [("a", 1.0)], MISSING, [("a", 1.0)])),
    ([], ("zpopmax", "k", 2), (MISSING, [], MISSING, [])),
    ([("set", "k", 1)], ("expire", "k", OWN_TIMEOUT), (MISSING, True, True, True)),
    ([("set", "k", 1)], ("pexpire", "k", OWN_TIMEOUT), (MISSING, True, True, True)),
    ([("set", "k", 1), ("expire", "k", OWN_TIMEOUT)], ("ttl", "k"), (MISSING, 300, 300, 300)),
    # django-redis takes TIMEOUT, which is in seconds, for milliseconds
    ([("set", "k", 1), ("pexpire", "k", OWN_TIMEOUT)], ("ttl", "k"), (MISSING, 0, 0, 300)),
    ([("set", "k", 1)], ("expire", "k", None), (MISSING, DATA, DATA, TypeError)),
    ([("set", "k", 1)], ("incr", "k", 1.5), (ERROR, 2.5, 2.5, TypeError)),
    ([("set", "k", 1)], ("decr", "k", 1.5), (ERROR, -0.5, -0.5, TypeError)),
    ([MEMBERS], ("sscan_iter", "k", "zoo"), (MISSING, ["zoo"], ["zoo"], ["zoo"])),
    ([MEMBERS], ("sscan_iter", "k", "bar*"), (MISSING, *[["bar1", "bar2"]] * 3)),
    ([MEMBERS], ("sscan_iter", "k", "ba*"), (MISSING, [], [], [])),
    ([MEMBERS], ("sscan_iter", "k", "*zoo*"), (MISSING, [], [], [])),
    ([MEMBERS], ("exists", "k"), (MISSING, MISSING, MISSING, True)),
]
BACKENDS = (DJANGO, DJANGO_REDIS, DJANGO_VALKEY, OURS)


def outcome(answer: Any, expected: Any) -> Any:
    """Return an answer as the table has it."""
    if isinstance(answer, AttributeError) and expected is MISSING:
        return MISSING
    if isinstance(answer, TypeError) and expected is ValueError:
        return ValueError  # django-valkey's script speaks to Valkey only
    if type(answer).__name__ == DATA.__name__:  # valkey-py has one of its own
        return DATA
    return type(answer) if isinstance(answer, Exception) else answer


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_return_what_the_table_says(backend: str, standalone: Standalone) -> None:
    column = BACKENDS.index(backend)
    orders, ends = [], []
    entries = {}
    for number, (before, call, _) in enumerate(CALLS):  # each with keys of its own
        alias = f"a{number}"
        entries[alias] = {"BACKEND": backend, "LOCATION": standalone.url, "KEY_PREFIX": alias}
        orders += [(alias, *order) for order in (*before, call)]
        ends.append(len(orders) - 1)
    answers = child.run(entries, orders)
    wrong = {}
    for at, (before, call, expected) in zip(ends, CALLS, strict=True):
        got = outcome(answers[at], expected[column])
        if got != expected[column] or type(got) is not type(expected[column]):
            wrong[f"{before} {call}"] = (answers[at], expected[column])
    assert wrong == {}


@pytest.fixture
def cache(standalone: Standalone) -> Any:
    entry = {"BACKEND": OURS, "LOCATION": standalone.url}
    with override_settings(CACHES={"default": entry, "other": {**entry, "KEY_PREFIX": "other"}}):
        yield caches["default"]


def test_incr_may_make_a_key_that_never_ends(cache: Any, run: Any) -> None:
    assert cache.incr("hits", ignore_key_check=True) == 1
    assert cache.incr("hits", 4, ignore_key_check=True) == 5
    assert cache.ttl("hits") is None
    assert run(cache.aincr("more", 2, ignore_key_check=True)) == 2
    with pytest.raises(ValueError, match="not found"):
        cache.incr("nothing")


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_expire_takes_the_timeout_of_the_cache(cache: Any, run: Any, colour: str) -> None:
    own = copy(cache)
    own.default_timeout = 50.5
    for one, most in ((cache, 300_000), (own, 50_500)):
        for method in ("expire", "pexpire"):
            cache.set("k", 1, None)
            if colour == "sync":
                assert getattr(one, method)("k", DEFAULT_TIMEOUT) is True
            else:
                assert run(getattr(one, "a" + method)("k", DEFAULT_TIMEOUT)) is True
            assert most - 20_000 < cache.pttl("k") <= most
            cache.persist("k")
            assert getattr(one.pipeline(), method)("k", DEFAULT_TIMEOUT).execute() == [True]
            assert most - 20_000 < cache.pttl("k") <= most


@pytest.mark.parametrize("method", ["expire", "pexpire"])
def test_expire_without_an_end_says_how_to_let_a_key_never_end(
    cache: Any, run: Any, method: str
) -> None:
    endless = copy(cache)
    endless.default_timeout = None
    for one, timeout in ((cache, None), (endless, DEFAULT_TIMEOUT)):
        with pytest.raises(TypeError, match=r"persist\(key\) and touch\(key, None\)"):
            getattr(one, method)("k", timeout)
        with pytest.raises(TypeError, match=r"persist\(key\) and touch\(key, None\)"):
            run(getattr(one, "a" + method)("k", timeout))
        with pytest.raises(TypeError, match=r"persist\(key\) and touch\(key, None\)"):
            getattr(one.pipeline(), method)("k", timeout)


@pytest.mark.parametrize("options", [{}, {"ignore_key_check": True}])
def test_incr_by_a_fraction_says_what_to_do(cache: Any, run: Any, options: dict[str, Any]) -> None:
    cache.set("k", 1)
    with pytest.raises(TypeError, match=r"not the float 1\.5: .* client\.redis\.incrbyfloat"):
        cache.incr("k", 1.5, **options)
    with pytest.raises(TypeError, match=r"not the float 1\.5: .* client\.redis\.incrbyfloat"):
        run(cache.aincr("k", 1.5, **options))
    with pytest.raises(TypeError, match=r"not the float -1\.5"):
        cache.decr("k", 1.5)
    with pytest.raises(TypeError, match=r"not the float 1\.5"):
        cache.incr_many({"k": 1.5})
    with pytest.raises(TypeError, match=r"not the float 1\.5"):
        cache.pipeline().incr("k", 1.5)
    assert cache.client.redis.incrbyfloat(cache.make_key("k"), 1.5) == 2.5
    assert cache.get("k") == 2.5


def test_set_says_whether_it_stored(cache: Any) -> None:
    assert cache.set("k", 1, nx=True) is True
    assert cache.set("k", 2, nx=True) is False
    assert cache.set("l", 1, xx=True) is False


def test_clear_leaves_alone_what_is_not_its_own(cache: Any, standalone: Standalone) -> None:
    cache.set("k", 1)
    caches["other"].set("k", 1)
    standalone.command("SET", "foreign", "1")
    cache.clear()
    assert set(standalone.command("KEYS", "*")) == {b"other:1:k", b"foreign"}
    cache.flush_db()
    assert standalone.command("DBSIZE") == 0


def test_a_lock_knows_both_names_of_its_time(cache: Any) -> None:
    with cache.lock("a", lease=60), cache.get_lock("b", timeout=60):
        assert (cache.ttl("a") > 50, cache.ttl("b") > 50) == (True, True)
    with pytest.raises(TypeError, match=r"waiting is blocking_timeout="):
        cache.lock("a", lease=60, timeout=5)


@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        ("iter_keys", ("*", 100), {}),
        ("sscan", ("k", "a*"), {}),
        ("delete_pattern", ("*", None, "prefix"), {}),
        ("get", ("k",), {"client": None}),
        ("delete", ("k",), {"prefix": "x"}),
        ("keys", (), {"search": "*"}),
    ],
)
def test_an_argument_that_is_not_here_is_never_ignored(
    method: str, arguments: tuple[Any, ...], named: dict[str, Any], cache: Any
) -> None:
    with pytest.raises(TypeError):
        list(getattr(cache, method)(*arguments, **named))


def test_the_client_says_where_a_method_is(cache: Any) -> None:
    with pytest.raises(AttributeError, match=r"write cache\.make_key"):
        cache.client.make_key("k")
    with pytest.raises(AttributeError, match=r"write cache\.ttl"):
        cache.client.ttl("k")
    with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
        _ = cache.client.nonsense


def test_the_raw_client_is_found_by_all_its_names(cache: Any) -> None:
    import django_cachex

    raw = django_cachex.get_redis_connection("default")
    assert raw.set(cache.make_key("k"), 5)
    same = [
        cache.client.get_client(),
        cache.client.get_client(True),
        cache.client.get_client(write=True),
        cache.get_client(write=True),
        cache.get_client("k", write=True),
        cache._cache.get_client("k", write=True),
        django_cachex.get_valkey_connection(),
        django_cachex.get_valkey_connection("default", write=True, key="k"),
    ]
    assert all(one is raw for one in same)
    reads = [
        cache.client.get_client(False),
        cache.client.get_client(write=False),
        cache.get_client(),
        cache._cache.get_client(),
        django_cachex.get_redis_connection("default", False),
    ]
    assert {one.get(cache.make_key("k")) for one in reads} == {b"5"}
    assert cache.get("k") == 5


PAGE = Path(peer_tables.PAGE).with_name("return-values.md")


@pytest.mark.parametrize("package", ["django_redis", "django_valkey"])
def test_a_method_or_argument_of_a_peer_is_here_or_on_the_page(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "migration.signatures"],
        env=child.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    page = PAGE.read_text()
    theirs = json.loads(done.stdout)[package]
    assert {"get", "lock", "sadd", "iter_keys", "delete_pattern"} <= set(theirs)
    unsaid = set()
    for name, arguments in theirs.items():
        method = getattr(RedisCache, name, None)
        if method is None:
            unsaid |= {name} if f"`{name}" not in page and f".{name}(" not in page else set()
            continue
        ours = inspect.signature(method).parameters.values()
        if any(one.kind is one.VAR_KEYWORD for one in ours):
            continue
        missing = {*arguments} - {one.name for one in ours}
        unsaid |= {f"{name}({one}=)" for one in missing if f"`{one}=`" not in page}
    assert unsaid == set()
