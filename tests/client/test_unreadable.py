"""Values that cannot be read: looked at once, told with key, type and cause, kept by nothing."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from cachex_client import ClientObserver, Codec, SerializerError, observe, unobserve
from cachex_pool import ProtocolError

CALLS: list[int] = []


def note(number: int) -> int:
    CALLS.append(number)
    if number < 0:
        raise ImportError("the class is gone")
    return number


class Noted:
    """Says whenever it is unpickled; below 0, it cannot be."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return note, (self.number,)


def pickled(*numbers: int) -> list[bytes]:
    CALLS.clear()
    return [pickle.dumps(Noted(number)) for number in numbers]


CODECS = {
    "pickle": Codec(),
    "pickle and json": Codec(["pickle", "json"]),
    "json and pickle": Codec(["json", "pickle"]),
    "with a compressor": Codec("pickle", "zlib"),
}
each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


@each_codec
def test_a_bad_value_is_unpickled_once(codec: Codec) -> None:
    (bad,) = pickled(-1)
    with pytest.raises(SerializerError, match="ImportError: the class is gone"):
        codec.loads(bad)
    assert CALLS == [-1]


@each_codec
def test_good_values_beside_a_bad_one_are_unpickled_once(codec: Codec) -> None:
    stored = pickled(1, 2, -1, 3, -2, 4)
    with pytest.raises(SerializerError):
        codec.loads_found(range(6), stored)
    assert CALLS == [1, 2, -1]
    CALLS.clear()
    with pytest.raises(SerializerError):
        codec.loads_each(stored)
    assert CALLS == [1, 2, -1]
    CALLS.clear()
    failed: list[int] = []
    found = codec.loads_found(range(6), stored, lambda name, error: failed.append(name))
    assert found == {0: 1, 1: 2, 3: 3, 5: 4}
    assert failed == [2, 4]
    assert CALLS == [1, 2, -1, 3, -2, 4]


def test_what_only_looks_like_a_pickle_is_read_among_others() -> None:
    codec = Codec(["pickle", "msgpack"])
    good = codec.dumps([1])
    assert codec.loads(b"\x80") == {}
    assert codec.loads_each([good, b"\x80", None, b"12", good]) == [[1], {}, None, 12, [1]]
    assert codec.loads_found("abcd", [good, b"\x80", None, b"7"]) == {"a": [1], "b": {}, "d": 7}


def test_an_error_in_the_place_of_a_value_is_raised_or_handed_over() -> None:
    lost = ConnectionError("lost")
    codec = Codec()
    with pytest.raises(ConnectionError, match="lost"):
        codec.loads_found("ab", [b"1", lost])
    failed: list[Any] = []
    found = codec.loads_found("abc", [b"1", lost, b"2"], lambda *one: failed.append(one))
    assert found == {"a": 1, "c": 2}
    assert failed == [("b", lost)]
    with pytest.raises(ProtocolError, match="1 in place of 2 values"):
        codec.loads_found("ab", [b"1"])


BAD = {
    "json": (Codec("json"), b"\x00" * 100),
    "of several": (Codec(["json", "pickle", "msgpack"]), b"\x00\x01" * 100),
    "pickle": (Codec(), b"\x80\x05c__main__\nRenamed\n."),
    "compressed": (Codec("json", "zlib"), Codec("pickle", "zlib").dumps("x" * 500)),
    "signed": (Codec(signing_key="a"), Codec(signing_key="b").dumps([1])),
}


@pytest.mark.parametrize("bad", BAD)
def test_an_error_leaves_no_reference_cycle(bad: str) -> None:
    codec, stored = BAD[bad]

    def attempt(call: Callable[[], object]) -> None:
        try:
            call()
        except SerializerError:
            pass

    calls: list[Callable[[], object]] = [
        lambda: codec.loads(stored),
        lambda: codec.loads_each([stored]),
        lambda: codec.loads_found("a", [stored]),
        lambda: codec.loads_found("a", [stored], lambda name, error: None),
    ]
    gc.collect()
    gc.disable()
    try:
        for call in calls:
            attempt(call)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kept = [one for one in gc.garbage if isinstance(one, Exception | bytes)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert kept == []


def test_it_is_caught_by_what_catches_unpickling_errors() -> None:
    for stored in (b"\x80\x05c__main__\nRenamed\n.", b"garbage", b""):
        with pytest.raises(pickle.UnpicklingError):
            Codec().loads(stored)
        with pytest.raises(pickle.PickleError):
            Codec().loads(stored)


class Counts(ClientObserver):
    def looked_up(self, *_: Any) -> None: ...


@pytest.mark.parametrize("observed", [False, True])
def test_it_names_key_type_and_cause(cache: Any, standalone: Any, observed: bool) -> None:
    observer = Counts()
    if observed:
        observe(observer)
    try:
        standalone.command("SET", ":1:bad", b"\x80\x05c__main__\nRenamed\n.")
        standalone.command("SET", ":1:good", b"5")
        standalone.command("HSET", ":1:hash", "f", b"garbage")
        standalone.command("SADD", ":1:set", b"garbage")
        renamed = (
            r"^':1:bad': 21 bytes that begin with 80 05 cannot be read by PickleSerializer:"
            r" AttributeError: .*Renamed"
        )
        for call in (
            lambda: cache.get("bad"),
            lambda: cache.get_many(["good", "bad"]),
            lambda: cache.get_or_set("bad", 1),
        ):
            with pytest.raises(SerializerError, match=renamed) as caught:
                call()
            assert caught.value.key == b":1:bad"
            assert isinstance(caught.value.__cause__, AttributeError)
        with pytest.raises(SerializerError, match=r"^':1:hash': 7 bytes"):
            cache.hget("hash", "f")
        with pytest.raises(SerializerError, match=r"^':1:set': 7 bytes"):
            cache.smembers("set")
        with pytest.raises(SerializerError, match=r"^':1:set': 7 bytes"):
            list(cache.sscan_iter("set"))
        failed: dict[str, Any] = {}
        assert cache.get_many(["bad", "good"], on_error=failed.__setitem__) == {"good": 5}
        assert failed["bad"].key == b":1:bad"
    finally:
        if observed:
            unobserve(observer)
