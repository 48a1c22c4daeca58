"""A reply of a type that its command never gives is an error of ours, whatever method is called.

The server here answers every command of a call with one and the same well-formed reply.
"""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from cachex_client import Cache, ClientOptions, SentinelMap
from cachex_client.commands import custom, strlen
from cachex_client.errors import (
    ClusterUnreachable,
    LockError,
    RateLimitExceeded,
    SemaphoreError,
    SerializerError,
    SlotNotCovered,
)
from cachex_client.scripting import decode_list_post
from cachex_pool import Endpoint, PoolError, ProtocolError
from support.scripted import Scripted
from support.structure_calls import FAMILIES, VALUES, K, L, waits

REPLIES = {
    "ok": b"+OK\r\n",
    "integer": b":7\r\n",
    "text": b"$1\r\nx\r\n",
    "no text": b"$2\r\n\xff\xfe\r\n",
    "null": b"_\r\n",
    "true": b"#t\r\n",
    "double": b",1.5\r\n",
    "infinity": b",inf\r\n",
    "nothing": b"*0\r\n",
    "a number": b"*1\r\n:1\r\n",
    "two texts": b"*2\r\n$1\r\n0\r\n$1\r\nx\r\n",
    "nested": b"*2\r\n*1\r\n:1\r\n*1\r\n*0\r\n",
    "page of numbers": b"*2\r\n$1\r\n0\r\n*2\r\n:1\r\n:2\r\n",
    "page of null": b"*2\r\n$1\r\n0\r\n_\r\n",
    "an error inside": b"*2\r\n-ERR no\r\n-ERR no\r\n",
    "map": b"%1\r\n+a\r\n+b\r\n",
    "map of numbers": b"%1\r\n:1\r\n:2\r\n",
    "map of lists": b"%1\r\n+a\r\n*1\r\n*2\r\n+b\r\n:1\r\n",
    "set of a number": b"~1\r\n:1\r\n",
}

Run = Callable[[Any], Any]
TABLE: list[tuple[str, str, Run]] = []
"""The method, the call as text, and what makes it: every method of the cache is here."""

for one in [*VALUES, *(one for calls in FAMILIES.values() for one in calls)]:
    TABLE.append(
        (
            one.method,
            str(one),
            lambda cache, one=one: getattr(cache, one.method)(*one.arguments, **one.options),
        )
    )


FOR_ALL = {"integer", "text", "page of numbers"}
SAME_IN_PIPELINES = {str(call) for calls in FAMILIES.values() for call in calls if not waits(call)}
"""Calls that are read by the same functions in a pipeline, where they all cost one round trip."""


def add(method: str, *arguments: Any, **options: Any) -> None:
    def run(cache: Any) -> Any:
        result = getattr(cache, method)(*arguments, **options)
        return list(result) if method.startswith("iter_") or method.endswith("_iter") else result

    TABLE.append((method, f"{method}{arguments}", run))


add("get_many", [K, L, "c"])
add("set_many", {K: 1, "c": 2})
add("set_many", {K: 1, L: 2}, 0)
add("delete_many", [K, L, "c"])
add("touch_many", [K, L])
add("touch_many", [K], None)
add("touch_many", [K], 0)
add("incr_many", {K: 1, L: 2})
add("get_or_set", K, 1)
add("get_or_set", K, lambda: 1)
add("get_or_set", K, lambda: 1, 0)
add("incr_version", K)
add("decr_version", K)
add("keys", "*")
add("iter_keys", "*")
add("delete_pattern", "*")
add("clear")
add("flush_db")
add("hscan_iter", K)
add("sscan_iter", K)
add("zscan_iter", K)
add("throttle", K, 5, 60, timeout=0)
add("eval_script", "return 1", keys=[K], post_hook=decode_list_post)

SCANS = {"keys", "iter_keys", "delete_pattern", "clear"}
"""Methods that look through all servers."""

NOT_IN_TABLE = {"from_config", "from_url", "lock", "semaphore", "pipeline", "aclose", "close"}
"""No call to a server; what they make is tested below."""


def documented(method: str, error: Exception) -> bool:
    """Tell whether a method says that it raises an error, or whether it is one of the pool's.

    An error inside of a list is the server's, and raised as such.
    """
    if isinstance(error, PoolError | SerializerError | ResponseError):
        return True
    if method == "throttle":
        return isinstance(error, RateLimitExceeded)
    missing = method in {"incr", "decr", "incr_version", "decr_version"}
    return missing and type(error) is ValueError and "not found" in str(error)


def of_its_type(method: str, result: Any) -> bool:
    """Tell whether a result is of the type that the method is annotated with."""
    hint = inspect.signature(getattr(Cache, method)).return_annotation
    kind = typing.get_origin(hint) or hint
    return kind not in {bool, int, float, list, dict, set, tuple} or isinstance(result, kind)


class Garbage:
    """What a server says: `reply` to everything, but for the words that `honest` has."""

    def __init__(self) -> None:
        self.reply = b"+OK\r\n"
        self.honest: dict[bytes, bytes] = {}

    def __call__(self, words: tuple[bytes, ...]) -> bytes:
        return self.honest.get(b" ".join(words[:2]).upper(), self.honest.get(words[0], self.reply))


@pytest.fixture
def garbage() -> Garbage:
    return Garbage()


@pytest.fixture
def server(garbage: Garbage) -> Iterator[Scripted]:
    with Scripted(garbage) as server:
        yield server


@pytest.fixture(params=["standalone", "cluster"])
def client(request: pytest.FixtureRequest, garbage: Garbage, server: Scripted, colour: Any) -> Any:
    options = ClientOptions(timeout=5.0)
    if request.param == "standalone":
        return colour.make("DefaultClient", [server.url], options)
    slots = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%d\r\n" % server.port
    garbage.honest |= {b"CLUSTER": b"$0\r\n\r\n", b"CLUSTER SLOTS": slots}
    return colour.make("ClusterClient", [server.url], options)


@pytest.fixture
def cache(client: Any, colour: Any) -> Any:
    return colour.cache(client)


def test_every_method_is_in_the_table() -> None:
    public = {
        name for name, found in inspect.getmembers(Cache, callable) if not name.startswith("_")
    }
    assert public == {method for method, _, _ in TABLE} | (NOT_IN_TABLE & public)


@pytest.mark.parametrize("reply", REPLIES)
def test_a_method_raises_an_error_of_ours_or_returns_what_it_says(
    cache: Any, garbage: Garbage, reply: str
) -> None:
    garbage.reply = REPLIES[reply]
    wrong = []
    for method, call, run in TABLE:
        if (cache.client.clustered and method in SCANS) or (
            call in SAME_IN_PIPELINES and reply not in FOR_ALL
        ):
            continue
        try:
            result = run(cache)
        except Exception as error:
            if not documented(method, error):
                wrong.append(f"{call} raised {error!r}")
        else:
            if not of_its_type(method, result):
                wrong.append(f"{call} returned {result!r}")
    assert wrong == []


KEPT = [call for calls in (VALUES, *FAMILIES.values()) for call in calls if not waits(call)]
KEPT = [call for call in KEPT if "x" not in call.options.get("keys", ())]
"""The calls that pipelines take, with keys that share a slot."""


def in_a_pipeline(cache: Any, colour: Any, *, transaction: bool) -> list[Any]:
    """Make all calls in one write; return results and errors in order."""
    kept = cache.pipeline(transaction)
    for call in KEPT:
        getattr(kept, call.method)(*call.arguments, **call.options)
    results: list[Any] = colour.plain(kept).execute(raise_on_error=False)
    return results


@pytest.mark.parametrize("transaction", [False, True])
def test_a_pipeline_has_an_error_of_ours_in_the_place_of_a_result(
    cache: Any, colour: Any, garbage: Garbage, transaction: bool
) -> None:
    for reply in REPLIES.values():
        garbage.reply = reply
        if transaction:
            garbage.honest[b"MULTI"] = b"+OK\r\n"
            garbage.honest[b"EXEC"] = b"*%d\r\n" % len(KEPT) + reply * len(KEPT)
        results = in_a_pipeline(cache, colour, transaction=transaction)
        assert len(results) == len(KEPT)
        for call, result in zip(KEPT, results, strict=True):
            if isinstance(result, Exception):
                assert documented(call.method, result), f"{reply!r}: {call} came to {result!r}"
            else:
                assert of_its_type(call.method, result), f"{reply!r}: {call} came to {result!r}"


def test_what_is_no_list_of_results_is_no_transaction(
    cache: Any, colour: Any, garbage: Garbage
) -> None:
    for name in REPLIES.keys() - {"null"}:  # which says that a key changed that was watched
        garbage.reply = REPLIES[name]
        with pytest.raises(ProtocolError, match="as the reply to EXEC"):
            in_a_pipeline(cache, colour, transaction=True)


def test_a_lock_raises_errors_of_locks_or_of_ours(
    cache: Any, colour: Any, garbage: Garbage
) -> None:
    for reply in REPLIES.values():
        lock = colour.plain(cache.lock(K, timeout=60))
        garbage.reply = b"+OK\r\n"
        assert lock.acquire()
        garbage.reply = reply
        other = colour.plain(cache.lock(K))
        for step in (lock.locked, lock.owned, lock.reacquire, lock.release):
            with contextlib.suppress(LockError, PoolError):
                assert step() in {True, False, None}
        with contextlib.suppress(LockError, PoolError):
            assert lock.extend(5) in {True, False}
        with contextlib.suppress(LockError, PoolError):
            assert other.acquire(blocking=False) in {True, False}


def test_a_lock_is_not_taken_because_of_a_wrong_reply(
    cache: Any, colour: Any, garbage: Garbage
) -> None:
    for name in REPLIES.keys() - {"ok", "text", "no text", "null"}:
        garbage.reply = REPLIES[name]
        lock = colour.plain(cache.lock(K, timeout=60))
        with pytest.raises(ProtocolError, match="in place of OK, as the reply to SET"):
            lock.acquire(blocking=False)
        with pytest.raises(ProtocolError, match="in place of a value, as the reply to GET"):
            lock.locked()


def test_a_semaphore_raises_errors_of_semaphores_or_of_ours(
    cache: Any, colour: Any, garbage: Garbage
) -> None:
    for reply in REPLIES.values():
        semaphore = colour.plain(cache.semaphore(K, 3, lease=60, timeout=0))
        garbage.reply = b":-1\r\n"
        assert semaphore.acquire()
        garbage.reply = reply
        other = colour.plain(cache.semaphore(K, 3, lease=60))
        for step in (semaphore.extend, semaphore.release):
            with contextlib.suppress(SemaphoreError, PoolError):
                step()
        with contextlib.suppress(SemaphoreError, PoolError):
            assert other.acquire(blocking=False) in {True, False}


@pytest.mark.parametrize(
    ("reply", "method", "arguments", "message"),
    [
        ("ok", "delete", (K,), "bytes in place of a whole number, as the reply to UNLINK"),
        ("map", "delete_many", ([K],), "dict in place of a whole number, as the reply to UNLINK"),
        ("nothing", "has_key", (K,), "list in place of a whole number, as the reply to EXISTS"),
        ("integer", "hgetall", (K,), "int in place of fields and values, as the reply to HGETALL"),
        ("a number", "hgetall", (K,), "list in place of fields and values"),
        ("text", "smembers", (K,), "bytes in place of a list, as the reply to SMEMBERS"),
        ("double", "zrange", (K, 0, 1), "float in place of a list, as the reply to ZRANGE"),
        ("integer", "lrange", (K, 0, 1), "int in place of a list of values, as the reply to LRA"),
        ("integer", "set", (K, 1), "int in place of OK, as the reply to SET"),
        ("integer", "set_many", ({K: 1, L: 2},), "int in place of OK, as the reply to SET"),
        ("nothing", "touch_many", ([K],), "list in place of 1 or 0, as the reply to PEXPIRE"),
        ("integer", "get", (K,), "int in place of a value"),
    ],
)
def test_the_error_says_what_came_what_was_due_and_for_which_command(
    cache: Any, garbage: Garbage, reply: str, method: str, arguments: Any, message: str
) -> None:
    garbage.reply = REPLIES[reply]
    with pytest.raises(ProtocolError, match=message) as caught:
        getattr(cache, method)(*arguments)
    assert caught.value.written


def test_one_wrong_reply_of_many_hides_no_other(client: Any, garbage: Garbage) -> None:
    garbage.honest |= {b"STRLEN A": b":1\r\n", b"STRLEN B": b"*0\r\n", b"STRLEN C": b":3\r\n"}
    one, wrong, three = client.execute_many([strlen(key) for key in (b"a", b"b", b"c")])
    assert (one, three) == (1, 3)
    assert isinstance(wrong, ProtocolError)


def test_what_a_function_of_a_user_raises_stays_what_it_is(client: Any, garbage: Garbage) -> None:
    garbage.reply = b":7\r\n"
    with pytest.raises(TypeError, match="not iterable"):
        client.execute(custom("STRLEN", "a", parse=lambda reply: list(reply)))
    with pytest.raises(ZeroDivisionError):
        client.execute(custom("STRLEN", "a", parse=lambda reply: reply / 0))


@pytest.mark.parametrize("reply", ["ok", "integer", "text", "a number", "nested", "map"])
def test_a_topology_that_makes_no_sense_is_an_error_of_ours(
    colour: Any, server: Scripted, garbage: Garbage, reply: str
) -> None:
    garbage.reply = REPLIES[reply]
    options = ClientOptions(timeout=0.2)
    clients = [
        colour.make("DefaultClient", [server.url, server.url], options),
        colour.make("ClusterClient", [server.url], options),
        colour.make(
            "SentinelClient",
            SentinelMap("main", [Endpoint(host=server.host, port=server.port)]),
            options,
        ),
    ]
    for client in clients:
        with contextlib.suppress(PoolError, ClusterUnreachable, SlotNotCovered):
            colour.cache(client).delete(K)
