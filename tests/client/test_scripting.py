"""`eval_script`: keys of the cache, arguments as they are meant, one round trip."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from cachex_client import Cache, Codec, Keys
from cachex_client.scripting import (
    Encoded,
    ScriptHelpers,
    decode_list_post,
    decode_single_post,
    encoded_pre,
    full_encode_pre,
    keys_only_pre,
)
from support.proxy import MakeProxy
from support.servers import Standalone

ARGUMENTS = "return ARGV"
GET = "return redis.call('GET', KEYS[1])"
GETS = "return redis.call('MGET', unpack(KEYS))"
SWAP = """
local old = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return old
"""


def test_keys_are_those_of_the_cache(make_cache: Any) -> None:
    cache = make_cache(keys=Keys("app", 3))
    script = "return KEYS"
    assert cache.eval_script(script, keys=["a", "b"]) == [b"app:3:a", b"app:3:b"]
    assert cache.eval_script(script, keys=["a"], version=7) == [b"app:7:a"]
    assert cache.eval_script("return 5") == 5


def test_arguments_go_as_they_are_or_as_they_would_be_stored(cache: Cache) -> None:
    sent = cache.eval_script(
        ARGUMENTS, args=["text", b"bytes", 5, 2**70, 0.1, bytearray(b"b"), "ä", Encoded([1])]
    )
    assert sent[:7] == [b"text", b"bytes", b"5", str(2**70).encode(), b"0.1", b"b", "ä".encode()]
    assert sent[7] == Codec().dumps([1])
    for wrong in (None, True, [1], object()):
        with pytest.raises(TypeError, match="Encoded"):
            cache.eval_script(ARGUMENTS, args=[wrong])


def test_values_come_back_as_they_were(cache: Cache) -> None:
    old, new = {"a": [1]}, ["new"]
    cache.set("k", old)
    found = cache.eval_script(
        SWAP, keys=["k"], args=[Encoded(new), 60_000], post_hook=decode_single_post
    )
    assert found == old
    assert cache.get("k") == new
    assert cache.eval_script(GET, keys=["gone"], post_hook=decode_single_post) is None
    cache.set("n", 5)
    found = cache.eval_script(GETS, keys=["k", "gone", "n"], post_hook=decode_list_post)
    assert found == [new, None, 5]
    assert cache.eval_script("return nil", post_hook=decode_list_post) == []


def test_hooks_say_what_is_sent_and_returned(cache: Cache) -> None:
    both = "return {KEYS[1], ARGV[1]}"
    stored = Codec().dumps("v")
    for hook, sent in (
        (keys_only_pre, b"v"),
        (full_encode_pre, stored),
        (encoded_pre, b"v"),
        (lambda helpers, keys, args: (["raw"], args), b"v"),
    ):
        key = b":2:k" if hook.__name__.endswith("_pre") else b"raw"
        found = cache.eval_script(both, keys=["k"], args=["v"], pre_hook=hook, version=2)
        assert found == [key, sent]

    def post(helpers: ScriptHelpers, reply: Any) -> Any:
        assert helpers.make_key("k") == b":2:k"
        assert helpers.make_key("k", 3) == b":3:k"
        assert helpers.decode(helpers.encode([1])) == [1]
        assert helpers.decode_values([helpers.encode(1), None, 7]) == [1, None, 7]
        return len(reply)

    found = cache.eval_script(both, keys=["k"], args=["v"], post_hook=post, version=2)
    assert found == 2


def test_a_script_is_sent_by_digest_and_by_text_once(cache: Cache, standalone: Standalone) -> None:
    cache.get("k")
    standalone.command("SCRIPT", "FLUSH")
    for expected in ([b"EVALSHA", b"EVAL"], [b"EVALSHA"], [b"EVALSHA"]):
        with standalone.monitor() as monitor:
            cache.eval_script(GET, keys=["k"])
        sent = [entry.command[0] for entry in monitor.entries if entry.sender != "lua"]
        assert sent == expected


def test_it_is_never_run_twice(colour: Any, standalone: Standalone, proxy: MakeProxy) -> None:
    between = proxy(standalone)
    cache = colour.cache(colour.make("DefaultClient", [between.url]))
    count = "return redis.call('INCR', KEYS[1])"
    assert cache.eval_script(count, keys=["n"]) == 1
    between.cut_reply(to="EVALSHA")
    with pytest.raises(redis.ConnectionError):
        cache.eval_script(count, keys=["n"])
    assert cache.get("n") == 2


def test_errors_of_a_script_are_raised(cache: Cache) -> None:
    cache.set("k", "text")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        cache.eval_script("return redis.call('INCR', KEYS[1])", keys=["k"])
    with pytest.raises(redis.ResponseError, match="compiling"):
        cache.eval_script("this is not Lua")


def test_it_runs_where_its_keys_are(place: Any, run: Any) -> None:
    increment = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    with place.cache() as cache:
        for number in range(10):
            assert cache.eval_script(increment, keys=[f"k{number}"], args=[number]) == number
        both = "redis.call('SET', KEYS[1], 1) return redis.call('SET', KEYS[2], 2)"
        cache.eval_script(both, keys=["{tag}a", "{tag}b"])
        assert cache.get_many(["{tag}a", "{tag}b"]) == {"{tag}a": 1, "{tag}b": 2}
        if place.topology == "cluster":
            with pytest.raises(redis.ResponseError):
                cache.eval_script(both, keys=["a", "b"])

    async def main() -> None:
        async with place.async_cache() as tasks:
            for number in range(10):
                found = await tasks.eval_script(increment, keys=[f"k{number}"], args=[number])
                assert found == 2 * number

    run(main())
