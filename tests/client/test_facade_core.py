"""What the facade decides without asking anybody: routes, waiting times, shapes of replies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import ClientOptions, DefaultClient
from cachex_client._core.replies import as_resp2, decoded, hgetall
from cachex_client._core.routes import FOREVER, Way, route_of, wait_of
from support.servers import Replicated

SCALARS = st.none() | st.binary(max_size=4) | st.integers()
RESP2 = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
RESP3 = st.recursive(
    SCALARS | st.floats(allow_nan=False) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.binary(max_size=4), inner, max_size=4)
        | st.sets(st.binary(max_size=4), max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("given_", "name", "words", "way"),
    [
        (("GET", "k"), "GET", ("GET",), Way.SHARED),
        (("get", "k"), "GET", ("get",), Way.SHARED),
        ((b"GET", "k"), "GET", ("GET",), Way.SHARED),
        (("CONFIG GET", "x"), "CONFIG GET", ("CONFIG", "GET"), Way.SHARED),
        (("SELECT", 1), "SELECT", ("SELECT",), Way.OWN),
        (("CLIENT TRACKING", "ON"), "CLIENT TRACKING", ("CLIENT", "TRACKING"), Way.OWN),
        (("client", b"tracking", "ON"), "CLIENT", ("client",), Way.OWN),
        (("CLIENT", "LIST"), "CLIENT", ("CLIENT",), Way.SHARED),
        (("CLIENT",), "CLIENT", ("CLIENT",), Way.SHARED),
        (("SCRIPT LOAD", "x"), "SCRIPT LOAD", ("SCRIPT", "LOAD"), Way.SHARED),
        (("SUBSCRIBE", "x"), "SUBSCRIBE", ("SUBSCRIBE",), Way.PUBSUB),
        (("JSON.GET", "x"), "JSON.GET", ("JSON.GET",), Way.REDIS_PY),
        (("HIMPORT SET", "x"), "HIMPORT SET", ("HIMPORT", "SET"), Way.REDIS_PY),
        (("", "x"), "", ("",), Way.SHARED),
    ],
    ids=repr,
)
def test_routes(given_: Any, name: str, words: tuple[str, ...], way: Way) -> None:
    route = route_of(given_)
    assert (route.name, route.words, route.way) == (name, words, way)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (("BLPOP", "a", "b", 2), 2.0),
        (("blpop", b"a", b"0.5"), 0.5),
        (("BLPOP", "a", 0), FOREVER),
        (("BLMOVE", "a", "b", "LEFT", "RIGHT", 3), 3.0),
        (("BLMPOP", 1.5, 1, "a", "LEFT"), 1.5),
        (("BZMPOP", 0, 1, "a", "MIN"), FOREVER),
        (("XREAD", "COUNT", 1, "BLOCK", 1500, "STREAMS", "s", "$"), 1.5),
        (("XREAD", b"block", 0, "STREAMS", "s", "$"), FOREVER),
        (("XREAD", "STREAMS", "BLOCK", "0"), 0.0),
        (("XREADGROUP", "GROUP", "BLOCK", "me", "BLOCK", 20, "STREAMS", "s", ">"), 0.02),
        (("XREADGROUP", "GROUP", "BLOCK", "7", "STREAMS", "s", ">"), 0.0),
        (("WAIT", 1, 250), 0.25),
        (("WAITAOF", 1, 1, 0), FOREVER),
        (("BLPOP", "a", "soon"), 0.0),
        (("GET", "5"), 0.0),
    ],
    ids=repr,
)
def test_waiting_times(arguments: tuple[Any, ...], seconds: float) -> None:
    assert wait_of(arguments) == pytest.approx(seconds)


@given(RESP2, st.sampled_from(["GET", "MGET", "ZMPOP", "SCAN", "XRANGE"]))
def test_what_is_resp2_stays_as_it_is(reply: Any, name: str) -> None:
    assert as_resp2(name, reply) == reply


@given(RESP3, st.sampled_from(["GET", "ZRANGE", "XREAD", "CONFIG GET", "XINFO STREAM"]))
def test_nothing_of_resp3_is_left(reply: Any, name: str) -> None:
    def kinds(value: Any) -> set[type]:
        inner = [kind for item in value for kind in kinds(item)] if type(value) is list else []
        return {type(value), *inner}

    changed = as_resp2(name, reply)
    assert kinds(changed) <= {list, bytes, int, type(None)}


@pytest.mark.parametrize(
    ("name", "resp3", "resp2"),
    [
        ("ZRANGE", [[b"a", 1.0], [b"b", 2.5]], [b"a", b"1", b"b", b"2.5"]),
        ("ZRANGE", [b"a", b"b"], [b"a", b"b"]),
        ("ZPOPMIN", [b"a", 1.0], [b"a", b"1"]),
        ("ZMPOP", [b"k", [[b"a", 1.0]]], [b"k", [[b"a", b"1"]]]),
        ("ZSCORE", float("inf"), b"inf"),
        ("ZSCORE", 1e20, b"1e+20"),
        ("ZSCORE", -0.5, b"-0.5"),
        ("CONFIG GET", {b"a": b"1"}, [b"a", b"1"]),
        ("XREAD", {b"s": [[b"1-1", [b"f", b"v"]]]}, [[b"s", [[b"1-1", [b"f", b"v"]]]]]),
        ("FUNCTION LIST", [{b"a": {b"b"}}], [[b"a", [b"b"]]]),
        ("EVAL", [True, 1.5, None], [1, b"1.5", None]),
        ("HGETALL", {b"f": b"v"}, {b"f": b"v"}),
        ("SMEMBERS", {b"a"}, {b"a"}),
    ],
)
def test_shapes(name: str, resp3: Any, resp2: Any) -> None:
    assert as_resp2(name, resp3) == resp2
    error = ValueError()
    assert as_resp2(name, [error]) == [error]


@given(st.dictionaries(st.binary(max_size=3), st.binary(max_size=3)))
def test_a_hash_is_the_same_by_either_protocol(fields: dict[bytes, bytes]) -> None:
    flat = [item for pair in fields.items() for item in pair]
    assert hgetall(flat) == hgetall(fields) == fields
    assert hgetall(None) == {}


def test_all_bytes_become_text() -> None:
    reply = [b"\xe4", {b"a": {b"b"}}, 1, None]
    assert decoded(reply, "latin-1", "strict") == ["ä", {"a": {"b"}}, 1, None]
    assert decoded(reply, "utf-8", "ignore")[0] == ""


def test_a_scan_keeps_to_one_server() -> None:
    with Replicated() as servers:
        urls = [server.url for server in servers.servers]
        client: Any = DefaultClient(urls, ClientOptions(read_from="replica", read_your_writes=0))
        facade = client.redis
        facade.mset({f"k{number}": "v" for number in range(200)})
        for replica in servers.servers[1:]:
            facade.ping()
            assert replica.commands_seen()["SCAN"] == 0
        assert len(set(facade.scan_iter(count=10))) == 200
        for replica in servers.servers[1:]:
            assert replica.commands_seen()["SCAN"] == 0
        client.close()
