"""IGNORE_EXCEPTIONS: what a cache answers while no server does, and what it never hides."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import redis.exceptions
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.cache import SessionStore
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDatabaseStore

from cachex_client import AsyncCache, Cache
from cachex_client.error_codes import TABLE, Cause, ErrorCode
from cachex_client.limits import RateLimit
from django_cachex import failures
from django_cachex.errors import CacheUnavailable
from django_cachex.failures import ENDING_EARLY, FALLBACKS, FALLBACKS_OF_BULK, Failures
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import eventually, lasting

Make = Callable[..., Any]

OPTIONS: dict[str, Any] = {
    "ignore_exceptions": True,
    "socket_timeout": 1.0,
    "socket_connect_timeout": 0.6,
}

# Every verb with arguments, and what it has to answer.
ANSWERS: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("get", ("k",), {}, None),
    ("get", ("k", 5), {}, 5),
    ("get", ("k",), {"default": 5, "version": 2}, 5),
    ("set", ("k", 1), {}, False),
    ("set", ("k", 1, 60), {"nx": True}, False),
    ("add", ("k", 1), {}, False),
    ("delete", ("k",), {}, False),
    ("touch", ("k",), {}, False),
    ("has_key", ("k",), {}, False),
    ("get_many", (["a", "b"],), {}, {}),
    ("set_many", ({"a": 1, "b": 2},), {"timeout": 5}, ["a", "b"]),
    ("delete_many", (["a", "b"],), {}, 0),
    ("touch_many", (["a", "b"],), {}, ["a", "b"]),
    ("incr_many", ({"a": 1},), {}, {}),
    ("get_or_set", ("k", 5), {}, 5),
    ("get_or_set", ("k", lambda: 6), {}, 6),
    ("ttl", ("k",), {}, -2),
    ("pttl", ("k",), {}, -2),
    ("expire", ("k", 1), {}, False),
    ("pexpire", ("k", 1), {}, False),
    ("expire_at", ("k", 2_000_000_000), {}, False),
    ("pexpire_at", ("k", 2_000_000_000_000), {}, False),
    ("persist", ("k",), {}, False),
    ("keys", ("*",), {}, []),
    ("delete_pattern", ("*",), {}, 0),
    ("clear", (), {}, 0),
    ("flush_db", (), {}, None),
    ("rate_limit", ("k", 5, 60), {}, RateLimit(True, 5, 4)),
    ("set_many", ({"k": 1, "l": 2}, 0), {}, ["k", "l"]),
    ("rate_limit", ("k", 5, 60), {"cost": 3}, RateLimit(True, 5, 2)),
    ("throttle", ("k", 5, 60), {"timeout": 0}, RateLimit(True, 5, 4)),
]
VERBS_WITHOUT_KEY = ("incr", "decr", "incr_version", "decr_version")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "QUIET", 0.05)


@pytest.fixture
def away(standalone: Standalone, make_cache: Make) -> Any:
    """A cache whose server is not there."""
    cache = make_cache(standalone.url, **OPTIONS)
    standalone.kill()
    return cache


@pytest.fixture
def hanging(standalone: Standalone, make_cache: Make) -> Iterator[Any]:
    """A cache whose server accepts connections and says nothing."""
    cache = make_cache(standalone.url, **OPTIONS)
    cache.get("k")
    standalone.pause()
    yield cache
    standalone.resume()


def test_every_verb_of_a_cache_has_a_fallback() -> None:
    verbs = {
        name
        for name in dir(Cache)
        if not name.startswith("_") and callable(getattr(Cache, name, None))
    }
    others = {"get_or_set", "decr", "decr_version", "keys"}  # made of others in the backend
    makers = {"from_config", "from_url", "pipeline"}
    raising = {"lock", "semaphore", "eval_script"}  # nothing can stand for these
    covered = {*FALLBACKS, *FALLBACKS_OF_BULK, *ENDING_EARLY}
    assert verbs - makers - raising == covered | others
    assert verbs == {
        name
        for name in dir(AsyncCache)
        if not name.startswith("_") and callable(getattr(AsyncCache, name, None))
    }


def test_nothing_is_in_a_cache_that_is_away(away: Any) -> None:
    for verb, args, kwargs, answer in ANSWERS:
        assert (verb, getattr(away, verb)(*args, **kwargs)) == (verb, answer)
    assert list(away.iter_keys("*")) == []
    assert "k" not in away
    for verb in VERBS_WITHOUT_KEY:
        with pytest.raises(ValueError, match="the cache does not answer"):
            getattr(away, verb)("k")


def test_nothing_is_in_a_cache_that_is_away_for_tasks_either(away: Any, run: Any) -> None:
    async def ask() -> None:
        for verb, args, kwargs, answer in ANSWERS:
            assert (verb, await getattr(away, f"a{verb}")(*args, **kwargs)) == (verb, answer)
        assert [key async for key in away.aiter_keys("*")] == []
        for verb in VERBS_WITHOUT_KEY:
            with pytest.raises(ValueError, match="the cache does not answer"):
                await getattr(away, f"a{verb}")("k")

    run(ask())


@pytest.mark.timing
def test_a_hanging_server_costs_a_call_its_deadline_and_then_nothing(hanging: Any) -> None:
    with lasting(0, 10 * 1.0):  # the breaker opens long before the end
        for verb, args, kwargs, answer in ANSWERS:
            assert (verb, getattr(hanging, verb)(*args, **kwargs)) == (verb, answer)


def test_without_the_option_trouble_is_raised(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, socket_timeout=0.3)
    standalone.kill()
    for verb, args, kwargs, _ in ANSWERS:
        with pytest.raises((redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
            getattr(cache, verb)(*args, **kwargs)
    with pytest.raises(redis.exceptions.ConnectionError):
        list(cache.iter_keys("*"))


def test_an_iterator_ends_where_the_server_does(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, **OPTIONS)
    cache.set_many({f"k{number}": number for number in range(200)})
    keys = cache.iter_keys("*", itersize=10)
    first = next(keys)
    standalone.kill()
    rest = list(keys)
    assert first.startswith("k")
    assert len(rest) < 199
    assert cache.failures.ignored == {"iter_keys": 1}


# What is never hidden


def test_an_error_of_the_caller_is_raised(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, **OPTIONS)
    standalone.command("LPUSH", ":1:list", "item")
    cache.set("text", "text")
    for verb, args in [
        ("get", ("list",)),
        ("get_many", (["list"],)),
        ("incr", ("list",)),
        ("incr", ("text",)),
        ("incr_many", ({"text": 1},)),
    ]:
        if verb == "get_many":
            continue  # MGET takes a list for nothing
        with pytest.raises(redis.exceptions.ResponseError):
            getattr(cache, verb)(*args)
    assert cache.failures.ignored == {}


def test_a_full_server_is_trouble(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url, **OPTIONS)
    standalone.command("CONFIG", "SET", "maxmemory", "1")
    assert cache.set("k", 1) is False
    assert cache.set_many({"k": 1}) == ["k"]
    assert cache.failures.ignored == {"set": 1, "set_many": 1}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.code}-{row.contains}".strip("-"))
def test_an_error_reply_is_ignored_or_raised_as_the_table_of_codes_says(
    standalone: Standalone, make_cache: Make, row: ErrorCode
) -> None:
    text = f"-{row.code} 1 127.0.0.1:1 {row.contains}\r\n".encode()
    with Proxy(standalone) as front:
        cache = make_cache(front.url, **OPTIONS, retry=False)
        cache.get("k")
        for command in ("SET", "HGETALL", "SSCAN", "EVALSHA", "EVAL"):
            front.inject_reply(text, to=command, times=100)
        calls: list[Callable[[], Any]] = [
            lambda: cache.set("k", 1),
            lambda: cache.set_many({"k": 1}),
            lambda: cache.hgetall("k"),
            lambda: list(cache.sscan_iter("k")),
            lambda: cache.incr_many({"k": 1}),
            lambda: cache.pipeline().set("k", 1).execute(),
        ]
        if row.cause is Cause.STATE:
            assert [call() for call in calls] == [False, ["k"], {}, [], {}, [False]]
            return
        for call in calls:
            with pytest.raises(redis.exceptions.RedisError) as caught:
                call()
            assert caught.value.code == row.code  # type: ignore[attr-defined]
        assert cache.failures.ignored == {}


def test_a_wrong_password_is_reported(standalone: Standalone, make_cache: Make) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "right")
    for password in (None, "wrong"):
        cache = make_cache(standalone.url, alias=f"{password}", password=password, **OPTIONS)
        with pytest.raises(redis.exceptions.AuthenticationError):
            cache.get("k")
        with pytest.raises(redis.exceptions.AuthenticationError):
            cache.get_many(["k"])
        with pytest.raises(redis.exceptions.AuthenticationError):
            list(cache.iter_keys("*"))


def test_a_database_that_is_not_there_is_reported(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url.replace("/0", "/99"), **OPTIONS)
    with pytest.raises(redis.exceptions.RedisError, match="DB index"):
        cache.get("k")


def test_a_primary_that_became_a_replica_is_trouble(
    standalone: Standalone, make_cache: Make
) -> None:
    cache = make_cache(standalone.url, **OPTIONS)
    standalone.command("REPLICAOF", "127.0.0.1", "1")
    try:
        assert cache.set("k", 1) is False
        assert cache.set_many({"k": 1}) == ["k"]
    finally:
        standalone.command("REPLICAOF", "NO", "ONE")
    assert cache.failures.ignored == {"set": 1, "set_many": 1}


# Counting and telling


def test_an_outage_is_counted_and_told_once_and_so_is_its_end(
    standalone: Standalone, make_cache: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "django_cachex")

    def told() -> list[logging.LogRecord]:  # what the pool says of its breaker is another matter
        return [one for one in caplog.records if one.name.startswith("django_cachex")]

    cache = make_cache(standalone.url, **OPTIONS)
    standalone.kill()
    for _ in range(5):
        cache.get("k")
    cache.get_many(["a", "b", "c"])
    assert cache.failures.ignored == {"get": 5, "get_many": 1}
    assert (cache.failures.outages, cache.failures.away) == (1, True)
    standalone.restart()
    eventually(lambda: cache.set("k", 1) and not cache.failures.away, what="the cache being back")
    cache.get("k")
    began, ended = told()
    assert (began.levelname, began.name) == ("ERROR", "django_cachex.failures")
    assert "cache 'default' is away" in began.getMessage()
    assert began.method == "get"  # type: ignore[attr-defined]
    assert (ended.levelname, "is back after" in ended.getMessage()) == ("WARNING", True)
    standalone.kill()
    cache.get("k")
    assert cache.failures.outages == 2
    assert len(told()) == 3


def test_each_error_is_logged_if_asked_for(
    standalone: Standalone, make_cache: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make_cache(standalone.url, **OPTIONS, log_ignored_exceptions=True, logger="mine")
    standalone.kill()
    for _ in range(3):
        cache.get("k")
    # What the pool says of its breaker is another matter.
    assert [one.name for one in caplog.records if one.name != "cachex_pool"] == ["mine"] * 3


def test_nothing_is_printed_unless_logging_is_set_up(
    away: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    away.get("k")
    assert capfd.readouterr() == ("", "")


def test_a_success_among_failures_does_not_end_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(failures, "monotonic", lambda: now[0])
    monkeypatch.setattr(failures, "QUIET", 1.0)
    record = Failures("default", "somewhere")
    trouble = redis.exceptions.ConnectionError("gone")
    for _ in range(10):  # writes fail, reads do not
        record.ignore("set", trouble)
        now[0] += 0.4
        record.succeeded()
    assert (record.outages, record.away) == (1, True)
    now[0] += 1
    record.succeeded()
    assert (record.outages, record.away) == (1, False)


def test_what_one_key_has_suffered_the_others_do_not(make_cache: Make) -> None:
    class Half:
        """Finds every second key, and no server for the others."""

        def get_many(self, keys: list[bytes], *, timeout: float | None = None) -> list[Any]:
            gone = redis.exceptions.ConnectionError("gone")
            return [b"1" if number % 2 else gone for number, _ in enumerate(keys)]

        def execute_many(self, commands: list[Any], *, timeout: float | None = None) -> list[Any]:
            gone = redis.exceptions.ConnectionError("gone")
            return [True if number % 2 else gone for number, _ in enumerate(commands)]

    cache = make_cache("redis://nowhere", **OPTIONS)
    cache._cache._inner.client = Half()
    assert cache.get_many(["a", "b", "c", "d"]) == {"b": 1, "d": 1}
    assert cache.set_many({"a": 1, "b": 1, "c": 1}) == ["a", "c"]
    assert cache.failures.ignored == {"get_many": 1, "set_many": 1}


# Sessions


@pytest.mark.timing
@pytest.mark.parametrize("trouble", ["away", "hanging"])
def test_a_session_is_not_tried_ten_thousand_times(
    trouble: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(trouble)
    session = SessionStore()
    session["user"] = 1
    refused = pytest.raises(CacheUnavailable, match="no session can be created")
    with lasting(0, 3.3), refused as caught:
        session.create()
    assert isinstance(caught.value, RuntimeError)  # which is what Django raises in the end
    assert isinstance(caught.value.__cause__, redis.exceptions.RedisError)
    with pytest.raises(UpdateError):  # which Django's middleware knows how to handle
        session.save()


@pytest.mark.timing
@pytest.mark.parametrize("trouble", ["away", "hanging"])
def test_a_session_is_not_tried_ten_thousand_times_by_a_task(
    trouble: str, request: pytest.FixtureRequest, run: Callable[[Awaitable[Any]], Any]
) -> None:
    request.getfixturevalue(trouble)

    async def create() -> None:
        session = SessionStore()
        session["user"] = 1
        await session.acreate()

    with lasting(0, 5.0), pytest.raises(CacheUnavailable):
        run(create())


def test_an_engine_of_ones_own_is_known_by_its_prefix(
    away: Any, settings_of_sessions: Callable[[str], None]
) -> None:
    settings_of_sessions("djangocache.own_sessions")
    from djangocache.own_sessions import SessionStore as OwnStore

    with pytest.raises(CacheUnavailable):
        OwnStore().create()
    assert away.add("something-else", 1) is False


@pytest.fixture
def settings_of_sessions() -> Iterator[Callable[[str], None]]:
    from contextlib import ExitStack

    from django.test import override_settings

    with ExitStack() as stack:
        yield lambda engine: stack.enter_context(override_settings(SESSION_ENGINE=engine))


def test_reading_a_session_finds_none(away: Any) -> None:
    session = SessionStore("a" * 32)
    assert session.get("user") is None
    assert session.session_key is None


def test_sessions_in_the_database_go_on(away: Any) -> None:
    session = CachedDatabaseStore()
    session["user"] = 1
    session.create()
    assert CachedDatabaseStore(session.session_key)["user"] == 1
    session.delete()
