"""With a signing key: nothing is read that was not written with it, for that very key."""

from __future__ import annotations

import hmac
import inspect
import json
import pickle
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError, WatchError

from cachex_client import Cache, Codec, ConfigurationError, Keys, SerializerError
from cachex_client._async.pipeline import AsyncPipeline
from cachex_client._sync.pipeline import Pipeline
from cachex_client.codec import FIELD, MEMBER
from cachex_client.errors import UnhashableMember
from cachex_client.scripting import (
    Encoded,
    decode_fields_post,
    decode_list_post,
    decode_member_post,
    decode_members_post,
    decode_single_post,
    encode_members_pre,
)
from cachex_client.serializers import JsonSerializer
from cachex_client.signing import MARK, OVERHEAD, Signer
from support.examples import how_many
from support.servers import Standalone
from support.shown import shown_by

SECRET = "a secret of many letters"
VALUE = {"user": [1, 2.5, "x"]}
K, L = "{tag}k", "{tag}l"
PLACE = b":1:{tag}k"


class Own:
    """A serializer of a user, which pickles and does not say so."""

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


class Bomb:
    """Blows up in whoever unpickles it."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


SERIALIZERS: list[Any] = ["pickle", "json", "msgpack", "orjson", Own(), ["json", "pickle"]]


@pytest.mark.parametrize(
    "serializer", SERIALIZERS, ids=["pickle", "json", "msgpack", "orjson", "own", "chain"]
)
def test_every_serializer_is_signed_and_nothing_unsigned_is_read(serializer: Any) -> None:
    codec, plain = Codec(serializer, "zlib", signing_key=SECRET), Codec(serializer, "zlib")
    for value in (VALUE, "x" * 5000, None, True, 1.5, ""):
        stored = codec.dumps(value, PLACE)
        assert stored.startswith(MARK)
        assert codec.loads(stored, PLACE) == value
        unsigned = plain.dumps(value)
        for wrong in (unsigned, MARK + bytes(32) + unsigned, stored[OVERHEAD:]):
            with pytest.raises(SerializerError, match="sign"):
                codec.loads(wrong, PLACE)
    bomb = pickle.dumps(Bomb())
    for wrong in (bomb, zlib.compress(bomb), MARK + bomb, MARK + bytes(32) + bomb):
        with pytest.raises(SerializerError, match="sign"):
            codec.loads(wrong, PLACE)


@given(st.binary(), st.binary(), st.binary(), st.binary())
def test_what_is_signed_for_one_place_is_nothing_in_another(
    place: bytes, part: bytes, other: bytes, others: bytes
) -> None:
    codec = Codec(signing_key=SECRET)
    stored = codec.dumps(VALUE, place, part)
    assert codec.loads(stored, place, part) == VALUE
    if (place, part) != (other, others):
        with pytest.raises(SerializerError, match="for this key"):
            codec.loads(stored, other, others)
    assert codec.loads(codec.moved(stored, place, other, part), other, part) == VALUE


def test_a_place_and_its_part_are_not_told_apart_by_where_one_ends() -> None:
    codec = Codec(signing_key=SECRET)
    with pytest.raises(SerializerError):
        codec.loads(codec.dumps(VALUE, b"ab", b"c"), b"a", b"bc")


def test_without_binding_a_value_is_valid_under_every_key() -> None:
    codec = Codec(signing_key=SECRET, signing_binds_key=False)
    bound = Codec(signing_key=SECRET)
    stored = codec.dumps(VALUE, b"a", MEMBER)
    assert codec.loads(stored, b"b") == VALUE
    assert codec.moved(stored, b"a", b"b") == stored
    for one, other in ((codec, bound), (bound, codec)):
        with pytest.raises(SerializerError):
            other.loads(one.dumps(VALUE, b"a"), b"a")


def test_numbers_are_plain_as_far_as_the_server_counts() -> None:
    codec = Codec(signing_key=SECRET)
    for number in (0, -1, 2**63 - 1, -(2**63)):
        assert codec.dumps(number, PLACE) == b"%d" % number
        assert codec.loads(b"%d" % number, PLACE) == number
    for number in (2**63, -(2**63) - 1, 10**100):
        assert codec.dumps(number, PLACE).startswith(MARK)
        assert codec.loads(codec.dumps(number, PLACE), PLACE) == number
        with pytest.raises(SerializerError, match="not signed"):
            codec.loads(b"%d" % number, PLACE)
    for wrong in (
        b"1.5",
        b"inf",
        b"nan",
        b"1e5",
        b"-",
        b"",
        b"+1",
        b" 1",
        b"1" * 4000,
        b"1" * 9999,
    ):
        with pytest.raises(SerializerError):
            codec.loads(wrong, PLACE)


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack", "orjson"])
def test_numbers_can_be_signed_as_well(serializer: str) -> None:
    codec = Codec(serializer, signing_key=SECRET, signing_plain_integers=False)
    for number in (0, -1, 48, 57, 10**15):
        assert codec.dumps(number, PLACE).startswith(MARK)
        assert codec.loads(codec.dumps(number, PLACE), PLACE) == number
        with pytest.raises(SerializerError, match="not signed"):
            codec.loads(b"%d" % number, PLACE)
    with pytest.raises(SerializerError, match="not signed"):
        codec.loads(b"1.5", PLACE)


def test_what_is_there_from_before_can_be_read_during_a_migration() -> None:
    codec = Codec(["pickle", "json"], signing_key=SECRET, signing_accepts_unsigned=True)
    for value in (VALUE, 5, 10**30, 1.5):
        assert codec.loads(Codec("pickle").dumps(value), PLACE) == value
        assert codec.loads(Codec("json").dumps(value), PLACE) == value
        assert codec.loads(codec.dumps(value, PLACE), PLACE) == value
    with pytest.raises(SerializerError):  # a signature is looked at, all the same
        codec.loads(Codec(signing_key="another").dumps(VALUE, PLACE), PLACE)


def mutated(stored: bytes, dice: random.Random) -> bytes:
    """Return what somebody without the key can make of a signed value."""
    changed = bytearray(stored)
    way = dice.randrange(6)
    if way == 0:
        changed[dice.randrange(len(changed))] ^= dice.randrange(1, 256)
    elif way == 1:
        del changed[dice.randrange(len(changed)) :]
    elif way == 2:
        changed += dice.randbytes(dice.randrange(1, 9))
    elif way == 3:
        at = dice.randrange(len(changed) + 1)
        changed[at:at] = dice.randbytes(1)
    elif way == 4:
        changed[len(MARK) : OVERHEAD] = dice.randbytes(32)
    else:
        del changed[dice.randrange(len(changed))]
    return bytes(changed)


@pytest.mark.parametrize("part", range(4))
def test_no_forged_value_is_accepted(part: int) -> None:
    dice = random.Random(part)
    codec = Codec(["json", "pickle"], "zlib", signing_key=SECRET)
    originals = [codec.dumps(value, PLACE) for value in (VALUE, "x", "x" * 2000, None, [1] * 9)]
    accepted = []
    for _ in range(how_many(2_500, full=1_250_000)):
        forged = mutated(dice.choice(originals), dice)
        if forged in originals:
            continue
        try:
            accepted.append((forged, codec.loads(forged, PLACE)))
        except SerializerError:
            continue
    assert accepted == []


@pytest.mark.parametrize("key", ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
def test_a_key_that_can_be_guessed_is_called_weak(key: str) -> None:
    assert Codec(signing_key=key).has_weak_key
    assert Codec(signing_key=SECRET, signing_fallbacks=[key]).has_weak_key
    assert not Codec(signing_key=SECRET).has_weak_key
    assert not Codec().has_weak_key


# -- on a server

Call = Callable[[Any, str], Any]


def in_pipeline(verb: str, *arguments: Any) -> Call:
    def call(cache: Any, key: str) -> Any:
        found = getattr(cache.pipeline(), verb)(key, *arguments).execute()
        if inspect.isawaitable(found):
            found = cache._loop.run_until_complete(found)
        return found[0]

    return call


def hash_of(cache: Any, key: str) -> None:
    cache.hset(key, "a", VALUE)


def list_of(cache: Any, key: str) -> None:
    cache.rpush(key, VALUE, VALUE)


def set_of(cache: Any, key: str) -> None:
    cache.sadd(key, "member")


def sorted_set_of(cache: Any, key: str) -> None:
    cache.zadd(key, {"member": 1.5})


def places_of(cache: Any, key: str) -> None:
    cache.geoadd(key, {"member": (13.4, 52.5)})


def stream_of(cache: Any, key: str) -> None:
    cache.xadd(key, {"a": VALUE}, entry_id="1-1")
    cache.xgroup_create(key, "group", "0")


ENTRY = ("1-1", {"a": VALUE})
ROUNDS: dict[str, tuple[Call, Call, Any]] = {
    "get": (lambda c, k: c.set(k, VALUE), lambda c, k: c.get(k), VALUE),
    "add": (lambda c, k: c.add(k, VALUE), lambda c, k: c.get(k), VALUE),
    "get_many": (
        lambda c, k: c.set_many({k: VALUE}),
        lambda c, k: list(c.get_many([k]).values()),
        [VALUE],
    ),
    "get_or_set": (lambda c, k: c.set(k, VALUE), lambda c, k: c.get_or_set(k, 0), VALUE),
    "made by get_or_set": (
        lambda c, k: c.get_or_set(k, lambda: VALUE),
        lambda c, k: c.get(k),
        VALUE,
    ),
    "pipelined": (in_pipeline("set", VALUE), in_pipeline("get"), VALUE),
    "hget": (hash_of, lambda c, k: c.hget(k, "a"), VALUE),
    "hsetnx": (lambda c, k: c.hsetnx(k, "a", VALUE), lambda c, k: c.hget(k, "a"), VALUE),
    "hmget": (hash_of, lambda c, k: c.hmget(k, "a", "b"), [VALUE, None]),
    "hgetall": (hash_of, lambda c, k: c.hgetall(k), {"a": VALUE}),
    "hvals": (hash_of, lambda c, k: c.hvals(k), [VALUE]),
    "hscan": (hash_of, lambda c, k: c.hscan(k), (0, {"a": VALUE})),
    "hscan_iter": (hash_of, lambda c, k: list(c.hscan_iter(k)), [("a", VALUE)]),
    "hset of many": (
        lambda c, k: c.hset(k, mapping={"a": VALUE}, items=["b", 5]),
        in_pipeline("hgetall"),
        {"a": VALUE, "b": 5},
    ),
    "lrange": (list_of, lambda c, k: c.lrange(k, 0, -1), [VALUE, VALUE]),
    "lindex": (list_of, lambda c, k: c.lindex(k, 0), VALUE),
    "lpop": (list_of, lambda c, k: c.lpop(k), VALUE),
    "rpop": (list_of, lambda c, k: c.rpop(k, 1), [VALUE]),
    "blpop": (list_of, lambda c, k: c.blpop(k, timeout=1)[1], VALUE),
    "lmove": (list_of, lambda c, k: c.lmove(k, k, "LEFT", "RIGHT"), VALUE),
    "lset": (
        lambda c, k: (c.rpush(k, 1), c.lset(k, 0, VALUE)),
        lambda c, k: c.lindex(k, 0),
        VALUE,
    ),
    "linsert": (
        lambda c, k: (c.rpush(k, "x"), c.linsert(k, "BEFORE", "x", VALUE)),
        lambda c, k: c.lindex(k, 0),
        VALUE,
    ),
    "smembers": (set_of, lambda c, k: c.smembers(k), {"member"}),
    "spop": (set_of, lambda c, k: c.spop(k), "member"),
    "srandmember": (set_of, lambda c, k: c.srandmember(k, 1), ["member"]),
    "sscan": (set_of, lambda c, k: c.sscan(k), (0, {"member"})),
    "sscan_iter": (set_of, lambda c, k: list(c.sscan_iter(k)), ["member"]),
    "sunion of one": (set_of, lambda c, k: c.sunion(k), {"member"}),
    "zrange": (sorted_set_of, lambda c, k: c.zrange(k, 0, -1), ["member"]),
    "zrangebyscore": (
        sorted_set_of,
        lambda c, k: c.zrangebyscore(k, 0, 9, withscores=True),
        [("member", 1.5)],
    ),
    "zpopmin": (sorted_set_of, lambda c, k: c.zpopmin(k), ("member", 1.5)),
    "zscan": (sorted_set_of, lambda c, k: c.zscan(k), (0, [("member", 1.5)])),
    "zscan_iter": (sorted_set_of, lambda c, k: list(c.zscan_iter(k)), [("member", 1.5)]),
    "geosearch": (
        places_of,
        lambda c, k: c.geosearch(k, longitude=13.4, latitude=52.5, radius=1, unit="km"),
        ["member"],
    ),
    "xrange": (stream_of, lambda c, k: c.xrange(k), [ENTRY]),
    "xrevrange": (stream_of, lambda c, k: c.xrevrange(k), [ENTRY]),
    "xread": (stream_of, lambda c, k: c.xread({k: "0"}), {K: [ENTRY]}),
    "xreadgroup": (stream_of, lambda c, k: c.xreadgroup("group", "me", {k: ">"}), {K: [ENTRY]}),
    "xinfo_stream": (stream_of, lambda c, k: c.xinfo_stream(k)["first-entry"], ENTRY),
    "eval_script": (
        lambda c, k: c.eval_script(
            "redis.call('SET', KEYS[1], ARGV[1])", keys=[k], args=[Encoded(VALUE)]
        ),
        lambda c, k: c.eval_script(
            "return redis.call('GET', KEYS[1])", keys=[k], post_hook=decode_single_post
        ),
        VALUE,
    ),
}


@pytest.fixture
def signing(make_cache: Any) -> Any:
    """A cache on an empty server whose values are signed."""
    return make_cache(codec=Codec("json", "zlib", signing_key=SECRET))


@pytest.mark.parametrize("name", ROUNDS)
def test_a_value_is_read_where_it_was_stored_and_not_under_another_key(
    name: str, signing: Cache, standalone: Standalone
) -> None:
    write, read, expected = ROUNDS[name]
    write(signing, K)
    stored = standalone.command("DUMP", f":1:{K}")
    assert read(signing, K) == expected
    standalone.command("DEL", f":1:{K}")
    standalone.command("RESTORE", f":1:{L}", 0, stored)
    with pytest.raises(SerializerError, match="for this key"):
        read(signing, L)


@pytest.mark.parametrize("name", ROUNDS)
def test_without_binding_it_is_read_under_another_key_too(
    name: str, make_cache: Any, standalone: Standalone
) -> None:
    cache = make_cache(codec=Codec("json", signing_key=SECRET, signing_binds_key=False))
    write, read, expected = ROUNDS[name]
    write(cache, K)
    standalone.command("RENAME", f":1:{K}", f":1:{L}")
    found = read(cache, L)
    assert found == ({L: expected[K]} if isinstance(expected, dict) and K in expected else expected)


def test_members_are_found_by_their_value(signing: Cache) -> None:
    signing.rpush("list", "x", "y")
    assert (signing.lpos("list", "y"), signing.lrem("list", 0, "y")) == (1, 1)
    signing.sadd("set", "x")
    assert (signing.sismember("set", "x"), signing.smismember("set", "x", "y")) == (
        True,
        [True, False],
    )
    assert (signing.srem("set", "x"), signing.scard("set")) == (1, 0)
    signing.zadd("sorted", {"x": 1.0, "y": 2.0})
    assert signing.zincrby("sorted", 2, "x") == 3.0
    assert (signing.zrank("sorted", "x"), signing.zrevrank("sorted", "x")) == (1, 0)
    assert (signing.zscore("sorted", "y"), signing.zmscore("sorted", "y", "z")) == (
        2.0,
        [2.0, None],
    )
    assert signing.zrem("sorted", "y") == 1
    signing.geoadd("places", {"x": (1, 2), "y": (1.001, 2)})
    assert signing.geodist("places", "x", "y", "km") == pytest.approx(0.11, rel=0.1)
    assert signing.geosearch("places", member="x", radius=10, unit="m") == ["x"]
    assert signing.pfadd("seen", "x", "y")
    signing.pfadd("others", "x")
    assert signing.pfcount("seen", "others") == 2


def test_a_field_is_worth_nothing_in_another_field(signing: Cache, standalone: Standalone) -> None:
    signing.hset("hash", mapping={"admin": True, "guest": False})
    stored = standalone.command("HGET", ":1:hash", "admin")
    standalone.command("HSET", ":1:hash", "guest", stored)
    assert signing.hget("hash", "admin") is True
    with pytest.raises(SerializerError):
        signing.hget("hash", "guest")


SEVERAL: dict[str, Call] = {
    "lmove": lambda c, k: c.lmove(k, L, "LEFT", "LEFT"),
    "blmove": lambda c, k: c.blmove(k, L, 1),
    "smove": lambda c, k: c.smove(k, L, "x"),
    "sdiff": lambda c, k: c.sdiff(k, L),
    "sinter": lambda c, k: c.sinter(k, L),
    "sunion": lambda c, k: c.sunion([k, L]),
    "sdiffstore": lambda c, k: c.sdiffstore("{tag}m", k, L),
    "sinterstore": lambda c, k: c.sinterstore(L, k),
    "sunionstore": lambda c, k: c.sunionstore(L, [k]),
    "geosearchstore": lambda c, k: c.geosearchstore(
        L, k, longitude=1, latitude=1, radius=1, unit="km"
    ),
    "rename in a pipeline": lambda c, k: c.pipeline().rename(k, L),
    "renamenx in a pipeline": lambda c, k: c.pipeline().renamenx(k, L),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_what_moves_members_as_they_are_stored_is_refused_before_it_is_sent(
    name: str, signing: Cache
) -> None:
    with pytest.raises(ConfigurationError, match=r"SIGNING_BINDS_KEY=False"):
        SEVERAL[name](signing, K)


COUNTING: dict[str, Call] = {
    "incr": lambda c, k: c.incr(k),
    "decr": lambda c, k: c.decr(k),
    "incr and create": lambda c, k: c.incr(k, create=True),
    "incr_many": lambda c, k: c.incr_many({k: 1}),
    "hincrby": lambda c, k: c.hincrby(k, "a"),
    "hincrbyfloat": lambda c, k: c.hincrbyfloat(k, "a"),
    "incr in a pipeline": lambda c, k: c.pipeline().incr(k),
}


@pytest.mark.parametrize("name", COUNTING)
def test_signed_numbers_are_not_counted_with(name: str, make_cache: Any) -> None:
    codec = Codec(signing_key=SECRET, signing_plain_integers=False)
    with pytest.raises(ConfigurationError, match=r"SIGNING_PLAIN_INTEGERS=False|SIGNING_KEY"):
        COUNTING[name](make_cache(codec=codec), K)


def test_plain_integers_are_counted_with(signing: Cache) -> None:
    signing.set("n", 5)
    assert signing.incr("n") == signing.get("n") == 6
    assert signing.hincrby("hash", "a", 2) == signing.hget("hash", "a") == 2
    with pytest.raises(ConfigurationError, match="hincrbyfloat leaves a number with a fraction"):
        signing.hincrbyfloat("hash", "a")
    assert signing.incr_many({"n": 2}) == {"n": 8}


# -- scripts


RPUSH, LRANGE = (
    "return redis.call('RPUSH', KEYS[1], unpack(ARGV))",
    "return redis.call('LRANGE', KEYS[1], 0, -1)",
)


def test_hooks_of_scripts_read_and_write_where_they_say(signing: Cache) -> None:
    run = signing.eval_script
    assert run(RPUSH, keys=["list"], args=["x", VALUE], pre_hook=encode_members_pre) == 2
    assert signing.lrange("list", 0, -1) == ["x", VALUE]
    assert run(LRANGE, keys=["list"], post_hook=decode_members_post) == ["x", VALUE]
    pop = "return redis.call('LPOP', KEYS[1])"
    assert run(pop, keys=["list"], post_hook=decode_member_post) == "x"
    assert run(pop, keys=["nothing"], post_hook=decode_member_post) is None
    assert run("return nil", keys=["list"], post_hook=decode_members_post) == []

    signing.set_many({"{tag}1": [1], "{tag}2": "b"})
    found = run(
        "return redis.call('MGET', unpack(KEYS))",
        keys=["{tag}1", "{tag}2", K],
        post_hook=decode_list_post,
    )
    assert found == [[1], "b", None]
    second = "return redis.call('GET', KEYS[2])"
    both = ["{tag}1", "{tag}2"]
    assert run(second, keys=both, post_hook=lambda helpers, it: helpers.decode(it, both[1])) == "b"
    with pytest.raises(SerializerError, match="for this key"):
        run(second, keys=both, post_hook=decode_single_post)

    signing.hset("hash", mapping={"a": VALUE, "n": 5})
    fields = run(
        "return redis.call('HGETALL', KEYS[1])", keys=["hash"], post_hook=decode_fields_post
    )
    assert fields == {"a": VALUE, "n": 5}
    assert run("return nil", keys=["hash"], post_hook=decode_fields_post) == {}
    one = run(
        "return redis.call('HGET', KEYS[1], 'a')",
        keys=["hash"],
        post_hook=lambda helpers, it: helpers.decode(it, field="a"),
    )
    assert one == VALUE


def test_a_script_writes_where_its_arguments_say(signing: Cache) -> None:
    signing.eval_script(
        "redis.call('HSET', KEYS[1], 'f', ARGV[1]) redis.call('SADD', KEYS[2], ARGV[2])"
        " redis.call('SET', KEYS[3], ARGV[3])",
        keys=["{tag}1", "{tag}2", "{tag}3"],
        args=[
            Encoded("x", field="f"),
            Encoded("y", key="{tag}2", member=True),
            Encoded("z", key="{tag}3"),
        ],
        version=7,
    )
    assert signing.hget("{tag}1", "f", version=7) == "x"
    assert signing.smembers("{tag}2", version=7) == {"y"}
    assert signing.get("{tag}3", version=7) == "z"


# -- moves of our own


def test_a_value_that_moves_to_another_version_is_signed_anew(
    signing: Cache, standalone: Standalone
) -> None:
    signing.set("key", VALUE, 100)
    assert signing.incr_version("key") == 2
    assert signing.get("key", version=2) == VALUE
    assert 0 < signing.ttl("key", version=2) <= 100  # type: ignore[operator]
    standalone.command("COPY", ":2:key", ":1:key")
    with pytest.raises(SerializerError, match=r"^':1:key': "):
        signing.incr_version("key")
    assert signing.get("key", version=2) == VALUE


CONTENTS: dict[str, tuple[Call, Call]] = {
    "string": (lambda c, k: c.set(k, VALUE, None), lambda c, k: c.get(k)),
    "number": (lambda c, k: c.set(k, 5, None), lambda c, k: c.incr(k)),
    "hash": (
        lambda c, k: c.hset(k, mapping={f"f{n}": n * 1.5 for n in range(2500)}),
        lambda c, k: c.hgetall(k),
    ),
    "list": (
        lambda c, k: c.rpush(k, *(f"{n}" for n in range(2500))),
        lambda c, k: c.lrange(k, 0, -1),
    ),
    "set": (lambda c, k: c.sadd(k, *(f"{n}" for n in range(2500))), lambda c, k: c.smembers(k)),
    "sorted set": (
        lambda c, k: c.zadd(k, {f"{n}": n / 3 for n in range(2500)}),
        lambda c, k: c.zrange(k, 0, -1, withscores=True),
    ),
    "places": (places_of, lambda c, k: c.geopos(k, "member")),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_is_renamed_is_signed_anew(kind: str, signing: Cache, make_cache: Any) -> None:
    write, read = CONTENTS[kind]
    write(signing, K)
    signing.expire(K, 100)
    plain = make_cache(keys=Keys("plain"))
    write(plain, K)
    signing.set(L, "something else")
    assert signing.renamenx(K, L) is False
    assert signing.rename(K, L) is True
    assert read(signing, L) == read(plain, K)
    assert 0 < signing.ttl(L) <= 100  # type: ignore[operator]
    assert not signing.has_key(K)
    assert signing.renamenx(L, K, version_dst=2) is True
    assert signing.has_key(K, version=2)


def test_what_cannot_be_renamed_stays_where_it_is(signing: Cache, standalone: Standalone) -> None:
    with pytest.raises(ResponseError, match="no such key"):
        signing.rename("nothing", "else")
    stream_of(signing, K)
    with pytest.raises(ConfigurationError, match="a stream cannot be renamed"):
        signing.rename(K, L)
    assert signing.xrange(K) == [ENTRY]
    standalone.command("SET", ":1:forged", '"x"')
    with pytest.raises(SerializerError, match=r"^':1:forged': .*not signed"):
        signing.rename("forged", "real")
    assert not signing.has_key("real")
    assert signing.rename(K, K) is True


def test_the_ends_of_fields_are_kept(signing: Cache, standalone: Standalone) -> None:
    hash_of(signing, K)
    signing.hset(K, "b", 1)
    known = standalone.command("COMMAND", "INFO", "HPEXPIRE")
    if known[0]:
        signing.hpexpire(K, 90_000, "a")
    signing.rename(K, L)
    assert signing.hgetall(L) == {"a": VALUE, "b": 1}
    if known[0]:
        left, never = signing.hpttl(L, "a", "b")
        assert 0 < left <= 90_000  # type: ignore[operator]
        assert never is None


def server_key(key: str) -> bytes:
    return f":1:{key}".encode()


@pytest.fixture
def placed(place: Any, colour: Any) -> Any:
    """A cache whose values are signed, on each topology."""
    return colour.cache(
        colour.take(place.client(colour.prefix)), codec=Codec("json", signing_key=SECRET)
    )


WRITTEN: dict[str, Call] = {
    "string": lambda c, k: c.set(k, VALUE, None),
    "hash": hash_of,
    "list": list_of,
    "set": set_of,
    "sorted set": sorted_set_of,
}
READ: dict[str, Call] = {
    "string": lambda c, k: c.get(k),
    "hash": lambda c, k: c.hgetall(k),
    "list": lambda c, k: c.lrange(k, 0, -1),
    "set": lambda c, k: c.smembers(k),
    "sorted set": lambda c, k: c.zrange(k, 0, -1, withscores=True),
}


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any], times: int = 1) -> None:
    """Change the key that is renamed once its type was read."""
    left = [times]
    for pipeline in (Pipeline, AsyncPipeline):
        call = pipeline.immediate_execute_command

        def changed(self: Any, *args: Any, _call: Any = call, **options: Any) -> Any:
            if args[0] in ("GET", "HGETALL", "LRANGE", "SMEMBERS", "ZRANGE") and left[0]:
                left[0] -= 1
                change()
            return _call(self, *args, **options)

        monkeypatch.setattr(pipeline, "immediate_execute_command", changed)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_key_that_is_removed_while_it_is_renamed_is_no_such_key(
    kind: str, placed: Any, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITTEN[kind](placed, K)
    placed.set(L, "kept")
    meanwhile(monkeypatch, lambda: place.server(K).command("DEL", server_key(K)))
    with pytest.raises(ResponseError, match=r"^no such key$"):
        placed.rename(K, L)
    monkeypatch.undo()
    assert placed.get(L) == "kept"


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_key_of_another_type_meanwhile_is_read_anew(
    kind: str, placed: Any, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "string" if kind != "string" else "hash"
    WRITTEN[other](placed, K)
    expected = READ[other](placed, K)
    server = place.server(K)
    content = server.command("DUMP", server_key(K))
    placed.delete(K)
    WRITTEN[kind](placed, K)
    meanwhile(monkeypatch, lambda: server.command("RESTORE", server_key(K), 0, content, "REPLACE"))
    assert placed.rename(K, L) is True
    monkeypatch.undo()
    assert READ[other](placed, L) == expected
    assert not placed.has_key(K)


def test_a_key_that_changes_all_the_time_is_not_renamed(
    placed: Any, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_of(placed, K)
    server = place.server(K)
    meanwhile(monkeypatch, lambda: server.command("HINCRBY", server_key(K), "n", 1), 10**6)
    with pytest.raises(WatchError, match="was changed 16 times"):
        placed.rename(K, L)
    monkeypatch.undo()
    assert placed.hgetall(K) == {"a": VALUE, "n": 16}
    assert not placed.has_key(L)


@pytest.mark.parametrize("kind", WRITTEN)
def test_on_every_topology_a_value_is_read_where_it_was_stored(
    kind: str, placed: Any, place: Any
) -> None:
    WRITTEN[kind](placed, K)
    expected, server = READ[kind](placed, K), place.server(K)
    content = server.command("DUMP", server_key(K))
    assert placed.rename(K, L) is True
    assert READ[kind](placed, L) == expected
    server.command("RESTORE", server_key(L), 0, content, "REPLACE")
    with pytest.raises(SerializerError, match="for this key"):
        READ[kind](placed, L)


def test_on_every_topology_many_values_are_signed_and_moved(placed: Any, place: Any) -> None:
    values = {f"key:{n}": [n] for n in range(20)}
    placed.set_many(values)
    assert placed.get_many(values) == values
    assert placed.incr_version("key:1") == 2
    assert placed.get("key:1", version=2) == [1]
    place.server("key:2").command("SET", server_key("key:2"), b"forged")
    failed: dict[str, Exception] = {}
    del values["key:1"], values["key:2"]
    assert placed.get_many([*values, "key:2"], on_error=failed.__setitem__) == values
    assert isinstance(failed["key:2"], SerializerError)


NEVER_SIGNED: dict[str, Call] = {
    "bitmap": lambda c, k: c.setbit(k, 7, 1),
    "HyperLogLog": lambda c, k: c.pfadd(k, "x"),
    "rate limit": lambda c, k: c.rate_limit(k, 5, 10),
}


@pytest.mark.parametrize("kind", NEVER_SIGNED)
def test_what_is_never_signed_is_not_renamed_and_the_error_says_so(
    kind: str, signing: Cache, standalone: Standalone
) -> None:
    NEVER_SIGNED[kind](signing, K)
    before = standalone.command("DUMP", server_key(K))
    says = "bitmaps, HyperLogLogs, locks, semaphores and rate limits"
    for call in (lambda: signing.rename(K, L), lambda: signing.incr_version(K)):
        with pytest.raises(SerializerError, match=says):
            call()
    assert standalone.command("DUMP", server_key(K)) == before


# -- another key, and the first

OLD, NEW = "an old key with letters", "a new key with letters"
FIRST: dict[str, dict[str, Any]] = {
    "another key": {"signing_key": OLD},
    "another key for any place": {"signing_key": OLD, "signing_binds_key": False},
    "no key": {},
}


@pytest.fixture(params=FIRST)
def changed(request: pytest.FixtureRequest, make_cache: Any) -> tuple[Any, Any, Any]:
    """Caches with the settings of before, of now, and of later."""
    before = FIRST[request.param]
    later = {**before, "signing_key": NEW}
    now = (
        {**later, "signing_fallbacks": [OLD]}
        if before
        else {**later, "signing_accepts_unsigned": True}
    )
    return tuple(make_cache(codec=Codec("json", **one)) for one in (before, now, later))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", WRITTEN)
def test_renaming_a_key_to_itself_signs_all_of_it_with_the_first_key(
    kind: str, changed: Any
) -> None:
    before, now, later = changed
    WRITTEN[kind](before, K)
    now.expire(K, 100)
    expected = READ[kind](now, K)
    with pytest.raises(SerializerError):
        READ[kind](later, K)
    assert now.rename(K, K) is True
    assert READ[kind](later, K) == expected
    assert 0 < now.ttl(K) <= 100


def test_renaming_a_key_to_itself_removes_members_that_are_there_twice(changed: Any) -> None:
    before, now, later = changed
    for cache in (before, now):
        cache.sadd("set", "x", "y")
    before.zadd("sorted", {"x": 9.0, "y": 1.0})
    now.zadd("sorted", {"x": 5.0})
    assert (now.scard("set"), now.zcard("sorted")) == (4, 3)
    now.rename("set", "set")
    now.rename("sorted", "sorted")
    assert (later.scard("set"), later.smembers("set")) == (2, {"x", "y"})
    assert later.zrange("sorted", 0, -1, withscores=True) == [("y", 1.0), ("x", 5.0)]


def test_members_of_other_forms_are_found_and_removed(changed: Any) -> None:
    before, now, _ = changed
    for cache in (before, now):
        cache.sadd("set", cache is before, "both", 7)
    assert now.sismember("set", True) is now.sismember("set", "both") is True
    assert now.sismember("set", "neither") is False
    assert now.smismember("set", True, "neither", False, 7) == [True, False, True, True]
    assert now.srem("set", True, "both") == 3
    assert now.smembers("set") == {False, 7}

    before.zadd("sorted", {"x": 0.0, "y": 5.0})
    now.zadd("sorted", {"z": 3.0, "y": 4.0})
    assert (now.zscore("sorted", "x"), now.zscore("sorted", "gone")) == (0.0, None)
    assert now.zmscore("sorted", "x", "gone", "y", "z") == [0.0, None, 4.0, 3.0]
    ranks = [now.zrank("sorted", one) for one in ("x", "z", "y", "gone")]
    assert ranks == [0, 1, 2, None]
    assert (now.zrevrank("sorted", "x"), now.zrevrank("sorted", "gone")) == (3, None)
    assert now.zrem("sorted", "x", "y") == 3
    assert now.zrange("sorted", 0, -1) == ["z"]

    before.geoadd("places", {"old": (1, 2)})
    now.geoadd("places", {"new": (3, 4)})
    assert [one is None for one in now.geopos("places", "old", "gone", "new")] == [
        False,
        True,
        False,
    ]
    assert [one is None for one in now.geohash("places", "old", "gone")] == [False, True]


def filled(before: Any, now: Any) -> list[str]:
    """Write a list of members in both forms."""
    before.delete("list")
    values = "x y x x y x".split()
    for number, value in enumerate(values):
        (before if number % 2 else now).rpush("list", value)
    return values


def test_values_of_other_forms_are_found_in_lists(changed: Any) -> None:
    before, now, _ = changed
    values = filled(before, now)
    at = [index for index, value in enumerate(values) if value == "x"]
    assert now.lpos("list", "x") == at[0]
    assert now.lpos("list", "gone") is None
    for rank in (1, 2, 4, 5):
        assert now.lpos("list", "x", rank=rank, count=0) == at[rank - 1 :]
        assert now.lpos("list", "x", rank=-rank, count=2) == at[::-1][rank - 1 : rank + 1]
    assert now.lpos("list", "x", count=0, maxlen=3) == [0, 2]
    assert now.lpos("list", "gone", count=0) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, -1, -2, -3, -9])
def test_values_of_other_forms_are_removed_from_lists(count: int, changed: Any) -> None:
    before, now, _ = changed
    values = filled(before, now)
    at = [index for index, value in enumerate(values) if value == "x"]
    if count < 0:
        at.reverse()
    gone = at[: abs(count)] if count else at
    assert now.lrem("list", count, "x") == len(gone)
    assert now.lrange("list", 0, -1) == [
        value for index, value in enumerate(values) if index not in gone
    ]


def test_numbers_that_were_plain_are_found_among_signed_ones(make_cache: Any) -> None:
    before = make_cache(codec=Codec("pickle"))
    now = make_cache(
        codec=Codec(signing_key=NEW, signing_plain_integers=False, signing_accepts_unsigned=True)
    )
    before.sadd("set", 1, 10**30)
    assert now.smismember("set", 1, 10**30, 2) == [True, True, False]


def test_members_of_other_forms_are_found_in_pipelines(changed: Any) -> None:
    before, now, _ = changed
    before.sadd("set", "x")
    before.rpush("list", "a", "x")
    assert in_pipeline("sismember", "x")(now, "set") is True
    assert in_pipeline("lpos", "x")(now, "list") == 1
    assert in_pipeline("lrem", 0, "x")(now, "list") == 1


def test_on_every_topology_members_of_another_key_are_found(place: Any, colour: Any) -> None:
    client = colour.take(place.client(colour.prefix))
    before = colour.cache(client, codec=Codec("json", signing_key=OLD))
    now = colour.cache(client, codec=Codec("json", signing_key=NEW, signing_fallbacks=[OLD]))
    before.sadd("set", "x")
    before.zadd("sorted", {"x": 1.0})
    assert now.sismember("set", "x") is True
    assert (now.zscore("sorted", "x"), now.zrank("sorted", "x")) == (1.0, 0)
    assert (now.srem("set", "x"), now.zrem("sorted", "x")) == (1, 1)
    assert not now.has_key("set")


@given(st.one_of(st.integers(), st.text(), st.none(), st.lists(st.integers())))
def test_all_forms_of_a_value_are_read_and_the_first_is_written(value: Any) -> None:
    codec = Codec(
        "json", "zlib", signing_key=NEW, signing_fallbacks=[OLD], signing_accepts_unsigned=True
    )
    forms = codec.forms(value, PLACE, MEMBER)
    assert forms[0] == codec.dumps(value, PLACE, MEMBER)
    assert codec.loads_each(forms, PLACE) == [value] * len(forms)
    for other in (Codec("json", "zlib", signing_key=OLD), Codec("json", "zlib")):
        assert other.dumps(value, PLACE, MEMBER) in forms


def test_a_bitmap_stays_as_it_is_while_unsigned_values_are_accepted(make_cache: Any) -> None:
    cache = make_cache(codec=Codec("json", signing_key=NEW, signing_accepts_unsigned=True))
    cache.setbit("bits", 7, 1)
    assert cache.rename("bits", "bits") is True
    assert (cache.getbit("bits", 7), cache.bitcount("bits")) == (1, 1)


# -- what an error shows


def shows_nothing(error: BaseException) -> None:
    """Check that neither a stored value nor the signing key is in what an error tracker sees."""
    shown = shown_by(error)
    purpose = b"cachex_client.signing.bound"
    derived = hmac.digest(SECRET.encode(), purpose, "sha256")
    for secret in (CANARY, SECRET, repr(derived)[2:-1], derived.hex(), r"\xc1\x01"):
        assert secret not in shown


CANARY = "canary-in-the-value"


@pytest.mark.parametrize("name", ROUNDS)
def test_no_error_shows_what_was_stored_or_the_key(
    name: str, signing: Cache, standalone: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read, _ = ROUNDS[name]
    monkeypatch.setattr(  # all that is stored has it
        JsonSerializer, "dumps", lambda self, value: json.dumps([value, CANARY]).encode()
    )
    write(signing, K)
    monkeypatch.undo()
    assert CANARY.encode() in standalone.command("DUMP", f":1:{K}")
    standalone.command("RENAME", f":1:{K}", f":1:{L}")
    with pytest.raises(SerializerError) as caught:
        read(signing, L)
    shows_nothing(caught.value)


def test_no_error_for_one_of_many_shows_what_was_stored(
    signing: Cache, standalone: Standalone
) -> None:
    signing.set_many({"a": CANARY, "b": CANARY})
    standalone.command("COPY", ":1:a", ":1:c")
    standalone.command("SET", ":1:d", f"unsigned {CANARY}")
    failed: dict[str, Exception] = {}
    found = signing.get_many(["a", "b", "c", "d"], on_error=failed.__setitem__)
    assert found == {"a": CANARY, "b": CANARY}
    assert failed.keys() == {"c", "d"}
    for error in failed.values():
        assert isinstance(error, SerializerError)
        shows_nothing(error)


@pytest.mark.parametrize("signed", [True, False])
def test_members_that_no_set_can_hold_are_not_shown(signed: bool, make_cache: Any) -> None:
    cache = make_cache(codec=Codec("json", signing_key=SECRET if signed else None))
    cache.sadd("set", [CANARY], 1)
    with pytest.raises(UnhashableMember, match="list") as caught:
        cache.smembers("set")
    shows_nothing(caught.value)


class Quoting:
    """A serializer of a user whose errors quote what it cannot read."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        error = ValueError(f"cannot read {data!r}")
        error.add_note(f"it was {data!r}")
        raise error


@pytest.mark.parametrize(
    ("serializer", "stored"),
    [
        (Quoting(), CANARY.encode()),
        ("pickle", b"c" + CANARY.encode() + b"\nname\n."),
        ("json", b'{"a": "' + CANARY.encode()),
        ("msgpack", b"\x01" + CANARY.encode()),
        ("orjson", b'{"a": "' + CANARY.encode()),
    ],
    ids=["own", "pickle", "json", "msgpack", "orjson"],
)
@pytest.mark.parametrize("signed", [True, False])
def test_an_error_of_a_serializer_does_not_quote_what_was_stored(
    serializer: Any, stored: bytes, signed: bool, make_cache: Any, standalone: Standalone
) -> None:
    key = SECRET if signed else None
    if signed:
        stored = Signer(SECRET).sign(stored, b":1:key")
    standalone.command("SET", ":1:key", stored)
    cache = make_cache(codec=Codec(serializer, signing_key=key))
    failed: list[Exception] = []
    cache.get_many(["key"], on_error=lambda name, error: failed.append(error))
    with pytest.raises(SerializerError, match="cannot be read by") as caught:
        cache.get("key")
    for error in (caught.value, *failed):
        shows_nothing(error)


def test_a_server_that_refuses_what_is_renamed_does_not_make_it_shown(
    signing: Cache, standalone: Standalone
) -> None:
    signing.rpush(K, CANARY)
    standalone.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(ResponseError) as caught:
            signing.rename(K, L)
    finally:
        standalone.command("CONFIG", "SET", "maxmemory", "0")
    assert "caused error" not in str(caught.value)
    shows_nothing(caught.value)


def test_fields_of_streams_and_hashes_are_told_apart_from_members() -> None:
    codec = Codec(signing_key=SECRET)
    stored = codec.dumps(VALUE, PLACE, FIELD + b"a")
    for part in (b"", MEMBER, FIELD, FIELD + b"b"):
        with pytest.raises(SerializerError):
            codec.loads(stored, PLACE, part)
