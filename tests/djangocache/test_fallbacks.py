"""IGNORE_EXCEPTIONS, method by method: a documented answer within the deadline."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import redis.exceptions
from django.contrib.sessions.backends.cache import SessionStore
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDatabaseStore

import fallback_tables
from django_cachex import failures
from django_cachex.errors import CacheUnavailable
from fallback_tables import called
from support.proxy import MakeProxy, Proxy
from support.refusals import busy, no_disk
from support.servers import Standalone
from support.waiting import Pulse

Make = Callable[..., Any]

DEADLINE = 0.5
SLACK = 0.5  # for a machine that has other things to do
OPTIONS: dict[str, Any] = {
    "ignore_exceptions": True,
    "socket_timeout": DEADLINE,
    "socket_connect_timeout": DEADLINE,
}
REFUSING = ("read-only", "full", "no-disk", "no-replicas", "busy")
"""What a server that answers refuses because of its state; a full one refuses only some writes."""
TROUBLES = ("refused", "reset", "blackhole", "stopped", *REFUSING)
HANGING = ("blackhole", "stopped")
PAGE: dict[str, Any] = {
    **OPTIONS,
    "socket_timeout": 2.0,
    # As it is where trouble is ignored, but for so long that no slow machine sees the next try.
    "breaker": {"failures": 1, "open_for": 60.0, "max_open_for": 60.0},
}


@pytest.fixture
def in_front(standalone: Standalone, proxy: MakeProxy) -> Proxy:
    return proxy(standalone)


@pytest.fixture
def befall(standalone: Standalone, in_front: Proxy) -> Iterator[Callable[[str], None]]:
    """Let something happen to the server: `befall("refused")`."""

    def befall(trouble: str) -> None:
        if trouble == "refused":
            in_front.refuse()
            in_front.cut_all()
        elif trouble == "reset":
            in_front.reset_on_use()
        elif trouble == "blackhole":
            in_front.blackhole()
        elif trouble == "stopped":
            standalone.pause()
        elif trouble == "full":
            standalone.command("CONFIG", "SET", "maxmemory", "1")
        elif trouble == "no-disk":
            stack.enter_context(no_disk(standalone))
        elif trouble == "no-replicas":
            standalone.command("CONFIG", "SET", "min-replicas-to-write", "9")
        elif trouble == "busy":
            stack.enter_context(busy(standalone))
        else:
            standalone.command("REPLICAOF", "127.0.0.1", "1")

    with ExitStack() as stack:
        yield befall
        if standalone.paused:
            standalone.resume()
    standalone.command("REPLICAOF", "NO", "ONE")


def test_every_method_has_a_documented_answer() -> None:
    names = fallback_tables.methods()
    assert {"get", "set_many", "iter_keys", "lock", "incr", "close"} <= set(names)
    for name in names:
        fallback_tables.shown(name)  # KeyError: say in tools/fallback_tables.py what it answers


def test_the_table_of_answers_is_that_of_the_code() -> None:
    page = fallback_tables.PAGE.read_text()
    assert page == fallback_tables.updated(page), "dev.py python tools/fallback_tables.py"


ASKING = [name for name in fallback_tables.methods() if name not in fallback_tables.OBJECTS]


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call answers, all of it, or the class of the error it raises."""
    try:
        answer = call()
        return list(answer) if inspect.isgenerator(answer) else answer
    except Exception as error:
        return _class_of(error)


async def aoutcome(call: Callable[[], Any]) -> Any:
    try:
        answer = call()
        if inspect.isasyncgen(answer):
            return [item async for item in answer]
        return await answer
    except Exception as error:
        return _class_of(error)


def _class_of(error: Exception) -> Any:
    words = str(error)
    if "unknown command" in words:
        return "unknown"  # to this server, which is older than the command
    if "no such key" in words or "NOGROUP" in words:
        return "unknown"  # the answer of a server that is there and read, of a missing stream
    return type(error)


def check(answers: dict[str, Any]) -> None:
    wrong = {
        name: (answer, fallback_tables.answer(name))
        for name, answer in answers.items()
        if answer not in ("unknown", fallback_tables.answer(name))
    }
    assert wrong == {}


@pytest.mark.parametrize("trouble", [one for one in TROUBLES if one != "full"])
def test_every_method_answers_what_is_documented(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None]
) -> None:
    cache = make_cache(in_front.url, **OPTIONS)
    cache.get("k")
    befall(trouble)
    check(
        {
            name: outcome(lambda name=name: called(cache, name))  # type: ignore[misc]
            for name in ASKING
        }
    )


@pytest.mark.parametrize("trouble", [one for one in TROUBLES if one != "full"])
def test_every_method_answers_a_task_what_is_documented(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None], run: Any
) -> None:
    cache = make_cache(in_front.url, **OPTIONS)

    async def ask() -> dict[str, Any]:
        await cache.aget("k")
        befall(trouble)
        return {
            name: await aoutcome(lambda name=name: called(cache, name, twin=True))  # type: ignore[misc]
            for name in ASKING
        }

    check(run(ask()))


CODES = {
    "read-only": "READONLY",
    "full": "OOM",
    "no-disk": "MISCONF",
    "no-replicas": "NOREPLICAS",
    "busy": "BUSY",
}


@pytest.mark.parametrize("twin", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("trouble", REFUSING)
def test_what_the_state_of_a_server_refuses_is_ignored_counted_and_logged_once(
    trouble: str,
    twin: bool,
    standalone: Standalone,
    make_cache: Make,
    befall: Callable[[str], None],
    run: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "django_cachex")
    cache = make_cache(standalone.url, **OPTIONS)
    raising = make_cache(standalone.url, alias="raising", socket_timeout=DEADLINE)
    cache.set("there", 1)
    befall(trouble)

    def call(method: str, *arguments: Any) -> Any:
        if not twin:
            return getattr(cache, method)(*arguments)

        async def main() -> Any:
            return await getattr(cache, f"a{method}")(*arguments)

        return run(main())

    for _ in range(3):
        assert call("set", "k", 1) is False
        assert call("set_many", {"k": 1, "l": 2}) == ["k", "l"]
        assert call("get", "there") == (None if trouble == "busy" else 1)
        results = cache.pipeline().set("k", 1).get("there").hset("h", "f", 1)
        results = run(results.aexecute()) if hasattr(results, "aexecute") else results.execute()
        assert results == [False, None if trouble == "busy" else 1, 0]
    ignored = cache.failures.ignored
    assert (ignored["set"], ignored["set_many"], ignored["hset"]) == (6, 3, 3)
    assert (cache.failures.outages, cache.failures.away) == (1, True)
    (told,) = [one for one in caplog.records if one.name == "django_cachex.failures"]
    assert "is refused what it asks for" in told.getMessage()
    with pytest.raises(redis.exceptions.ResponseError) as caught:
        raising.set("k", 1)
    assert caught.value.code == CODES[trouble]  # type: ignore[attr-defined]


def test_reads_that_go_on_do_not_end_an_outage_of_writes(
    standalone: Standalone,
    make_cache: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(failures, "QUIET", 0.0)
    caplog.set_level(logging.WARNING, "django_cachex")
    cache = make_cache(standalone.url, **OPTIONS)
    standalone.command("CONFIG", "SET", "maxmemory", "1")
    for number in range(5):
        assert cache.set("k", number) is False
        assert cache.get("k") is None
        assert cache.pipeline().get("k").execute() == [None]
    assert (cache.failures.outages, cache.failures.away) == (1, True)
    standalone.command("CONFIG", "SET", "maxmemory", "0")
    assert cache.get("k") is None
    assert cache.failures.away
    assert cache.set("k", 1)
    assert not cache.failures.away
    assert len([one for one in caplog.records if one.name == "django_cachex.failures"]) == 2


# What it costs

SEVERAL_CALLS = {"get_or_set": 3}  # without a breaker each of them waits


def took(name: str, started: float) -> float:
    return (time.monotonic() - started) / SEVERAL_CALLS.get(name, 1)


@pytest.mark.timing
@pytest.mark.parametrize("trouble", HANGING)
def test_no_method_outlasts_its_deadline(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None]
) -> None:
    cache = make_cache(in_front.url, **OPTIONS, breaker=False, max_connections=200)
    cache.get("k")
    befall(trouble)

    def call(name: str) -> tuple[str, Any, float]:
        started = time.monotonic()
        answer = outcome(lambda: called(cache, name))
        return name, answer, took(name, started)

    # Not all at once: a hundred threads that wake together keep each other waiting.
    with Pulse() as pulse, ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(call, ASKING))
    check({name: answer for name, answer, _ in answers})
    limit = DEADLINE * 1.1 + SLACK + 3 * pulse.worst
    assert {name: seconds for name, _, seconds in answers if seconds > limit} == {}


@pytest.mark.timing
@pytest.mark.parametrize("trouble", HANGING)
def test_no_method_outlasts_its_deadline_for_a_task(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None], run: Any
) -> None:
    cache = make_cache(in_front.url, **OPTIONS, breaker=False)

    async def call(name: str) -> tuple[str, Any, float]:
        started = time.monotonic()
        answer = await aoutcome(lambda: called(cache, name, twin=True))
        return name, answer, took(name, started)

    async def ask() -> list[tuple[str, Any, float]]:
        await cache.aget("k")
        befall(trouble)
        return await asyncio.gather(*map(call, ASKING))

    with Pulse() as pulse:
        answers = run(ask())
    check({name: answer for name, answer, _ in answers})
    limit = DEADLINE * 1.1 + SLACK + 3 * pulse.worst
    assert {name: seconds for name, _, seconds in answers if seconds > limit} == {}


@pytest.mark.timing
@pytest.mark.parametrize("used_before", [True, False])
@pytest.mark.parametrize("trouble", TROUBLES[:4])
def test_a_page_with_fifty_calls_waits_for_one_deadline(
    trouble: str,
    used_before: bool,
    in_front: Proxy,
    make_cache: Make,
    befall: Callable[[str], None],
) -> None:
    cache = make_cache(in_front.url, **PAGE, max_idle=100)
    if used_before:
        cache.set_many({"a": 1, "b": 2})
    befall(trouble)
    seconds = []
    with Pulse() as pulse:
        for number in range(25):
            for call in (lambda: cache.get("a"), lambda n=number: cache.set("b", n)):  # type: ignore[misc]
                before = time.monotonic()
                call()
                seconds.append(time.monotonic() - before)
    assert sum(seconds) < 2.0 + SLACK + 3 * pulse.worst
    assert sorted(seconds)[len(seconds) // 2] < 0.02 + pulse.worst


@pytest.mark.timing
def test_a_page_with_fifty_calls_of_tasks_waits_for_one_deadline(
    in_front: Proxy, make_cache: Make, befall: Callable[[str], None], run: Any
) -> None:
    cache = make_cache(in_front.url, **PAGE)

    async def page() -> float:
        await cache.aset("a", 1)
        befall("blackhole")
        started = time.monotonic()
        for number in range(25):
            assert await cache.aget("a") is None
            assert await cache.aset("b", number) is False
        return time.monotonic() - started

    with Pulse() as pulse:
        took = run(page())
    assert took < 2.0 + SLACK + 3 * pulse.worst


def test_one_timeout_is_enough_only_where_trouble_is_ignored(make_cache: Make) -> None:
    def failures(**options: Any) -> int:
        cache = make_cache("redis://nowhere", alias=str(sorted(options)), **options)
        return int(cache.client.config.options.pool.breaker.failures)

    assert failures() == 5
    assert failures(ignore_exceptions=True) == 1
    assert failures(ignore_exceptions=True, breaker={"failures": 3}) == 3
    assert failures(ignore_exceptions=True, breaker=True) == 5


def test_what_has_no_harmless_answer_raises(
    in_front: Proxy, make_cache: Make, befall: Callable[[str], None]
) -> None:
    cache = make_cache(in_front.url, **OPTIONS)
    befall("refused")
    semaphore = cache.semaphore("k", 2, lease=5)
    for taken in (cache.lock("k"), cache.get_lock("k", timeout=5), semaphore):
        with pytest.raises(redis.exceptions.ConnectionError):
            taken.acquire()
    with pytest.raises(redis.exceptions.ConnectionError):
        cache.eval_script("return 1")


# Sessions


@pytest.mark.timing
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_session_is_tried_once(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None]
) -> None:
    make_cache(in_front.url, **OPTIONS)
    befall(trouble)
    session = SessionStore()
    session["user"] = 1
    with Pulse() as pulse:
        started = time.monotonic()
        with pytest.raises(CacheUnavailable):
            session.create()
        assert SessionStore("a" * 32).get("user") is None
        took = time.monotonic() - started
    assert took < DEADLINE + SLACK + 3 * pulse.worst
    if trouble not in REFUSING:
        assert in_front.count("SET") <= 8


@pytest.mark.timing
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_session_that_is_in_the_database_too_goes_on(
    trouble: str, in_front: Proxy, make_cache: Make, befall: Callable[[str], None]
) -> None:
    make_cache(in_front.url, **OPTIONS)
    befall(trouble)
    with Pulse() as pulse:
        started = time.monotonic()
        session = CachedDatabaseStore()
        session["user"] = 1
        session.create()
        assert CachedDatabaseStore(session.session_key)["user"] == 1
        session["user"] = 2
        session.save()
        assert CachedDatabaseStore(session.session_key)["user"] == 2
        session.delete()
        took = time.monotonic() - started
    assert took < DEADLINE + SLACK + 3 * pulse.worst
