"""What was stored, and how it is called, is told to nobody."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import RedisError

import cachex_client
import cachex_pool
from cachex_client import commands
from otel.receiver import Receiver
from support.servers import Standalone

SECRET = "hunter2-4711"


@pytest.mark.parametrize("spans", ["auto", "both", "cache", "command"])
def test_a_secret_argument_is_nowhere(
    colour: Any,
    standalone: Standalone,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    spans: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = colour.client(standalone.url.replace("//", f"//default:{SECRET}@"))
    fine = colour.client(standalone.url)
    cache = colour.cache(fine)
    receiver.instrument(spans=spans, metrics="full", query_text="masked", key_attribute="hash")
    cache.set("text", SECRET)
    with pytest.raises(RedisError):
        cache.incr("text")
    for words in (
        ("NO.SUCH.COMMAND", SECRET),
        ("LPUSH", ":1:text", SECRET),
        ("SET", "a", SECRET, SECRET),
        ("EVAL", f"return redis.error_reply('{SECRET} is wrong')", 0),
        ("EVAL", f"error('{SECRET}')", 0),
        ("CONFIG", "SET", SECRET, SECRET),
        ("AUTH", SECRET, SECRET),
    ):
        with contextlib.suppress(RedisError):
            fine.execute(commands.custom(*words))
    with contextlib.suppress(RedisError):
        fine.execute_atomic([commands.custom("NO.SUCH", SECRET), commands.get(SECRET.encode())])
    with contextlib.suppress(RedisError):
        client.execute(commands.get(SECRET.encode()), timeout=2)
    with pytest.raises(LookupError):
        cache.get_or_set("b", lambda: {}[SECRET])
    assert len(receiver.ours) > 2
    assert SECRET not in receiver.everything()
    assert SECRET not in caplog.text


KEY, VALUE, PASSWORD = "kilo-4711", "victor-4712", "papa-4713"
ARGUMENTS: dict[str, Any] = {
    **dict.fromkeys(("key", "src", "dst", "dest", "more"), KEY),
    **dict.fromkeys(("timeout", "period", "lease"), 0.05),
    **dict.fromkeys(("wherefrom", "whereto", "where"), "LEFT"),
    "data": {KEY: VALUE, f"{KEY}2": VALUE},
    "deltas": {KEY: 1},
    "entry_ids": ["1-1"],
    "fields": {VALUE: VALUE},
    "keys": [KEY, f"{KEY}2"],
    "mapping": {VALUE: 1.0},
    "operation": "AND",
    "pattern": f"{KEY}*",
    "streams": {KEY: "0"},
    "when": 4_102_444_800,
}
"""What a parameter gets by its name; a number, if it is annotated so, and else the value."""
WAITING = {"lock": {"blocking_timeout": 0.02}, "semaphore": {"timeout": 0.02}}
PERIODS = {"semaphore": "lease", "blpop": "timeout", "brpop": "timeout", "throttle": "timeout"}
LEFT_OUT = {"aclose", "client", "close", "codec", "from_config", "from_url", "keyspace", "name"}


def calls(cache: Any, verbs: Any) -> Iterator[Callable[[], Any]]:
    """Yield a call of every method there is, as far as its parameters can be guessed."""
    for name, verb in inspect.getmembers(verbs, callable):
        if name.startswith("_") or name in LEFT_OUT:
            continue
        positional: list[Any] = []
        named: dict[str, Any] = dict(WAITING.get(name, {}))
        if name in PERIODS:
            named[PERIODS[name]] = 0.05
        for parameter in inspect.signature(verb).parameters.values():
            if parameter.name == "self" or parameter.name in named:
                continue
            if parameter.default is not parameter.empty or parameter.name == "version":
                continue
            number = any(kind in str(parameter.annotation) for kind in ("int", "float"))
            guessed = ARGUMENTS.get(parameter.name, 1 if number else VALUE)
            if parameter.kind is parameter.VAR_POSITIONAL and not isinstance(guessed, str):
                guessed = VALUE
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = guessed
            elif parameter.kind is not parameter.VAR_KEYWORD:
                positional.append(guessed)
        yield lambda name=name, given=positional, by=named: getattr(cache, name)(*given, **by)


def told_of_every_method(
    colour: Any, url: str, receiver: Receiver, **options: Any
) -> tuple[str, list[str]]:
    """Call all methods of a cache, with and without a value in their way; return what is told."""
    with_password = url.replace("//", f"//default:{PASSWORD}@")
    client = colour.client(with_password)
    cache = colour.cache(client)
    verbs = cachex_client.Cache if colour.name == "sync" else cachex_client.AsyncCache
    receiver.instrument(metrics="full", **options)
    errors: list[str] = []
    for in_the_way in (False, True):
        for call in calls(cache, verbs):
            cache.delete(KEY)
            if in_the_way:
                cache.set(KEY, VALUE)
            try:
                made = call()
                if hasattr(made, "__enter__"):
                    with made:
                        pass
                elif hasattr(made, "__next__"):
                    list(made)
            except Exception as error:
                said = (getattr(error, "code", ""), repr(error), *getattr(error, "__notes__", ()))
                errors.append(" ".join(map(str, said)))
    shown = [client, cache, client.stats(), client.view(), *cachex_pool.live_stats()]
    return receiver.everything() + "".join(map(repr, shown)), errors


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"query_text": "masked", "key_attribute": "hash", "sentry_compat": True},
        {"query_text": "keys", "key_attribute": "plain", "sentry_compat": True},
    ],
    ids=["plain", "masked", "keys"],
)
def test_of_what_any_method_was_given_nothing_is_told(
    colour: Any,
    standalone: Standalone,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
) -> None:
    caplog.set_level(logging.DEBUG)
    told, errors = told_of_every_method(colour, standalone.url, receiver, **options)
    assert len(receiver.ours) > 200
    assert any("WRONGTYPE" in error for error in errors)
    assert VALUE not in told
    assert (KEY in told) == (options.get("query_text") == "keys")
    for where in (told, caplog.text, *errors):
        assert PASSWORD not in where
    assert KEY not in caplog.text
    assert VALUE not in caplog.text
