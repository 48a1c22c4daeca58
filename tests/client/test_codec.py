"""What is stored for a value, and what is read from what somebody stored."""

from __future__ import annotations

import gzip
import hmac
import json
import lzma
import marshal
import pickle
import sys
import zlib
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cachex_client.codec import Codec
from cachex_client.compressors import GzipCompressor, Lz4Compressor, ZlibCompressor
from cachex_client.errors import CompressorError, ConfigurationError, SerializerError
from cachex_client.serializers import (
    JsonSerializer,
    MsgpackSerializer,
    OrjsonSerializer,
    PickleSerializer,
)
from cachex_client.signing import MARK

SERIALIZERS = ["pickle", "json", "msgpack", "orjson"]
COMPRESSORS = ["none", "zlib", "gzip", "bz2", "lzma", "lz4", "zstd"]

MODULES = {"msgpack": "msgpack", "orjson": "orjson", "lz4": "lz4.frame", "zstd": "zstandard"}
if sys.version_info >= (3, 14):
    MODULES["zstd"] = "compression.zstd"

# What every format keeps. Whole numbers beyond 64 bits are in a test of their own.
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
anything = plain | st.binary() | st.floats(allow_nan=False) | st.sets(st.integers())


class Colour(IntEnum):
    RED = 1
    TEN = 10
    ASCII_ZERO = 48


class Text:
    """A serializer of a user, which writes numbers as we do."""

    def dumps(self, value: Any) -> bytes:
        return str(value).encode()

    def loads(self, data: bytes) -> str:
        return data.decode()


class Reversing:
    """A compressor of a user, which does not say what its output begins with."""

    def compress(self, data: bytes) -> bytes:
        return b"R" + data[:0:-1]

    def decompress(self, data: bytes) -> bytes:
        if not data.startswith(b"R"):
            raise ValueError("not mine")
        return b"\x80" + data[:0:-1]


def need(*names: str) -> None:
    for name in names:
        if name in MODULES:
            pytest.importorskip(MODULES[name])


@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_value_comes_back_as_it_went(serializer: str, compressor: str) -> None:
    need(serializer, compressor)
    codec = Codec(serializer, compressor)

    @given(plain)
    def check(value: Any) -> None:
        for each in (value, [value] * 50):
            (stored,) = codec.dumps_many([each])
            assert stored == codec.dumps(each)
            assert codec.loads(stored) == each
            assert type(codec.loads(stored)) is type(each)
            assert codec.loads_found(["k", "none"], [stored, None]) == {"k": each}
            assert codec.loads_each([stored, None, b"-7"]) == [each, None, -7]

    check()


@given(anything)
def test_pickle_keeps_every_value_and_its_type(value: Any) -> None:
    codec = Codec()
    assert codec.loads(codec.dumps(value)) == value
    assert type(codec.loads(codec.dumps(value))) is type(value)


@given(st.integers())
def test_a_whole_number_is_its_decimals_in_every_format(number: int) -> None:
    for codec in (Codec(), Codec("json", "zlib")):
        assert codec.dumps(number) == str(number).encode()
        assert codec.loads(str(number).encode()) == number


@example(2**63 - 1)
@example(2**63)
@example(-(2**63))
@example(-(2**63) - 1)
@given(st.integers())
def test_with_a_signing_key_a_whole_number_that_incr_cannot_hold_is_signed(number: int) -> None:
    codec = Codec(signing_key="k")
    stored = codec.dumps(number)
    if -(2**63) <= number < 2**63:
        assert stored == str(number).encode()
    else:
        assert stored.startswith(MARK)
        with pytest.raises(SerializerError, match="not signed"):
            codec.loads(str(number).encode())
    assert codec.loads(stored) == number


def test_a_huge_whole_number_is_a_value_like_others() -> None:
    huge = 10**5_000
    codec = Codec(["pickle"], ["zlib"])
    assert codec.loads(codec.dumps(huge)) == huge
    assert codec.dumps_many([huge, 1]) == [codec.dumps(huge), b"1"]
    with pytest.raises(SerializerError, match="too large"):
        codec.loads(b"1" * 5_000)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("value", [True, False, *Colour, 1.0, -0.5, "1", "-1", ""])
def test_what_is_only_like_a_whole_number_is_not_one(serializer: str, value: Any) -> None:
    need(serializer)
    codec = Codec(serializer)
    back = codec.loads(codec.dumps(value))
    assert back == value
    if not isinstance(value, IntEnum) or serializer == "pickle":
        assert type(back) is type(value)


def test_a_serializer_whose_output_reads_as_another_value_is_refused() -> None:
    codec = Codec(Text())
    assert codec.loads(codec.dumps("text")) == "text"
    with pytest.raises(SerializerError, match="read as a number"):
        codec.dumps("15")


@pytest.mark.parametrize(
    ("stored", "value"),
    [(b"0", 0), (b"-17", -17), (b"1.5", 1.5), (b"-2.5e-3", -0.0025), (b"1e30", 1e30)],
)
def test_numbers_that_servers_write_are_read(stored: bytes, value: float) -> None:
    for codec in (Codec(), Codec("json")):
        assert codec.loads(stored) == value
        assert codec.loads_found(["k"], [stored]) == {"k": value}
        assert codec.loads_each([stored]) == [value]


@pytest.mark.parametrize("stored", [b"", b"-", b"--1", b"1_0", b" 1", b"1 ", b"+1", b"1.", b"0x1"])
def test_what_python_would_take_for_a_number_is_not_one(stored: bytes) -> None:
    with pytest.raises(SerializerError):
        Codec().loads(stored)


# -- changing formats while the cache is in use


@pytest.mark.parametrize("new", SERIALIZERS)
@pytest.mark.parametrize("old", SERIALIZERS)
def test_values_of_the_old_serializer_are_still_read(old: str, new: str) -> None:
    need(old, new)
    before, after = Codec(old), Codec([new, old])

    @given(plain)
    def check(value: Any) -> None:
        assert after.loads(before.dumps(value)) == value
        assert after.loads(after.dumps(value)) == value

    check()


def test_messagepack_is_not_taken_for_a_pickle() -> None:
    need("msgpack")
    value = {46: None, **dict.fromkeys(range(14))}  # pickle would read an empty set
    codec = Codec(["pickle", "msgpack"])
    assert codec.loads(Codec("msgpack").dumps(value)) == value


@pytest.mark.parametrize("new", COMPRESSORS)
@pytest.mark.parametrize("old", COMPRESSORS)
@pytest.mark.parametrize("value", ["short", "long " * 200])
def test_values_of_the_old_compressor_are_still_read(old: str, new: str, value: str) -> None:
    need(old, new)
    stored = Codec("json", old).dumps(value)
    assert Codec("json", [new, old]).loads(stored) == value


def test_the_first_of_a_list_writes() -> None:
    codec = Codec(["json", "pickle"], ["gzip", "zlib"])
    assert codec.dumps("x") == b'"x"'
    assert codec.dumps("x" * 1000).startswith(b"\x1f\x8b")
    assert Codec("pickle", ["none", "zlib"]).dumps("x" * 1000)[:1] == b"\x80"


@pytest.mark.parametrize("serializers", ["pickle", ["json", "pickle"], ["msgpack", "pickle"]])
@pytest.mark.parametrize("compressor", [None, "zlib"])
def test_the_cause_is_that_of_who_is_most_likely_to_have_written_it(
    serializers: Any, compressor: Any
) -> None:
    renamed = b"\x80\x05c__main__\nRenamed\n."
    stored = renamed if compressor is None else zlib.compress(renamed)
    with pytest.raises(SerializerError) as caught:
        Codec(serializers, compressor or ()).loads(stored)
    assert isinstance(caught.value.__cause__, AttributeError)
    assert "Renamed" in str(caught.value.__cause__)


def test_what_cannot_be_read_is_an_error_that_shows_no_value() -> None:
    stored = b"secret value"
    with pytest.raises(SerializerError, match="12 bytes that begin with 73 65") as caught:
        Codec(["pickle", "json"]).loads(stored)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, Exception)
    with pytest.raises(SerializerError):
        Codec().loads_found(["k"], [stored])
    with pytest.raises(SerializerError):
        Codec().loads_each([stored])


def test_a_truncated_value_is_an_error() -> None:
    for compressor in COMPRESSORS[1:]:
        need(compressor)
        codec = Codec("pickle", compressor)
        stored = codec.dumps("value " * 1000)
        for end in (3, len(stored) // 2, len(stored) - 1):
            with pytest.raises(SerializerError):
                codec.loads(stored[:end])


@given(st.binary())
def test_no_bytes_make_reading_fail_in_another_way(stored: bytes) -> None:
    codec = Codec(["json", "msgpack"], ["zlib", "gzip", "bz2", "lzma", "lz4", "zstd"])
    for key in (None, "secret"):
        codec = Codec(["json"], ["zlib", "gzip", "lzma"], signing_key=key)
        try:
            codec.loads(stored)
        except SerializerError:
            pass


# -- what others write


VALUE = {"name": "Grüße", "list": [1, 2.5, None, True], "long": "x" * 1000}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_all_protocols_are_read(protocol: int) -> None:
    codec = Codec()
    for value in (VALUE, None, True, 1, -1, 1.5, "text", "", b"", [], {}, 10**30, Colour.RED):
        assert codec.loads(pickle.dumps(value, protocol)) == value
        own = Codec(PickleSerializer(protocol))
        assert codec.loads(own.dumps(value)) == value


def test_values_of_other_cache_backends_are_read() -> None:
    pickled = pickle.dumps(VALUE, pickle.HIGHEST_PROTOCOL)
    text = json.dumps(VALUE).encode()
    for stored in (pickled, zlib.compress(pickled, 6), gzip.compress(pickled)):
        assert Codec("pickle", ["zlib", "gzip", "lzma"]).loads(stored) == VALUE
    assert Codec("pickle", "lzma").loads(lzma.compress(pickled, preset=4)) == VALUE
    for level in range(10):
        assert Codec("json", "zlib").loads(zlib.compress(text, level)) == VALUE


def test_zstandard_frames_without_a_length_are_read() -> None:
    zstandard = pytest.importorskip("zstandard")
    stream = zstandard.ZstdCompressor().compressobj()
    frame = stream.compress(json.dumps(VALUE).encode()) + stream.flush()
    assert Codec("json", "zstd").loads(frame) == VALUE


# -- compressors


def test_short_values_are_not_compressed() -> None:
    codec = Codec("json", ZlibCompressor(min_length=10))
    assert codec.dumps("x" * 7) == b'"xxxxxxx"'
    assert codec.dumps("x" * 100).startswith(b"x\x9c")


def test_what_does_not_get_shorter_stays_as_it_is() -> None:
    codec = Codec("json", ZlibCompressor(min_length=0))
    assert codec.dumps("abc") == b'"abc"'


def test_a_value_that_only_looks_compressed_is_read() -> None:
    codec = Codec(Text(), ["zlib", "gzip"])
    for text in ("x\x01 looks", "x^ like zlib", "x"):
        assert codec.loads(codec.dumps(text)) == text


def test_a_compressor_without_magic_is_tried_on_everything() -> None:
    codec = Codec("pickle", Reversing())
    stored = codec._finish(b"")  # nothing gets shorter by it, so it writes nothing
    assert stored == b""
    pickled = pickle.dumps("value", 5)
    assert codec.loads(Reversing().compress(pickled)) == "value"
    assert codec.loads(pickled) == "value"


def test_levels_and_thresholds_reach_the_compressor() -> None:
    fast, small = Codec("json", GzipCompressor(1)), Codec("json", GzipCompressor(level=9))
    value = [str(number) for number in range(2_000)]
    assert len(small.dumps(value)) < len(fast.dumps(value))
    assert small.loads(fast.dumps(value)) == value


def test_a_compressor_that_fails_says_so() -> None:
    with pytest.raises(CompressorError, match="ZlibCompressor"):
        Codec("json", ZlibCompressor(level=99)).dumps("x" * 1000)


# -- signatures


@given(anything)
def test_a_signed_value_comes_back(value: Any) -> None:
    for compressor in ("none", "zlib"):
        codec = Codec(compressors=compressor, signing_key="secret")
        assert codec.loads(codec.dumps(value)) == value


def test_a_pickle_that_was_not_signed_with_our_key_is_never_loaded() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was loaded",))

    codec = Codec(["json", "pickle"], ["zlib"], signing_key="secret")
    unsigned = pickle.dumps(Bomb())
    other = Codec(signing_key="other").dumps(Bomb())
    without_purpose = b"\xc1\x01" + hmac.digest(b"secret", unsigned, "sha256") + unsigned
    for stored in (unsigned, zlib.compress(unsigned), other, b"\xc1\x01" + unsigned, b"\xc1\x01"):
        with pytest.raises(SerializerError):
            codec.loads(stored)
        with pytest.raises(SerializerError):
            codec.loads_found(["k"], [stored])
        with pytest.raises(SerializerError):
            codec.loads_each([stored])
    with pytest.raises(SerializerError):
        codec.loads(without_purpose)


@given(st.data())
def test_a_changed_value_is_refused(data: st.DataObject) -> None:
    codec = Codec(signing_key="secret")
    stored = bytearray(codec.dumps("value"))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SerializerError):
        codec.loads(bytes(stored))


def test_keys_can_be_rotated() -> None:
    old, new = Codec(signing_key="old"), Codec(signing_key="new", signing_fallbacks=["old"])
    assert new.loads(old.dumps("value")) == "value"
    with pytest.raises(SerializerError, match="does not match"):
        old.loads(new.dumps("value"))


def test_signed_values_need_a_key() -> None:
    with pytest.raises(SerializerError, match="no signing key"):
        Codec().loads(Codec(signing_key="secret").dumps("x"))


def test_a_key_is_neither_empty_nor_shown() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        Codec(signing_key="")
    assert "secret" not in repr(Codec(signing_key="secret"))


# -- what can be configured


@pytest.mark.parametrize(
    "named",
    [
        "json",
        JsonSerializer,
        JsonSerializer(),
        "cachex_client.serializers.JsonSerializer",
        ["json"],
        (JsonSerializer,),
        lambda: JsonSerializer(),
    ],
)
def test_a_serializer_can_be_given_in_many_ways(named: Any) -> None:
    assert Codec(named).serializers == (JsonSerializer(),)


def test_a_module_is_a_serializer_too() -> None:
    codec = Codec(marshal)
    assert codec.loads(codec.dumps(("a", 1))) == ("a", 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"serializers": "pickel"}, "expected pickle, json.*did you mean 'pickle'"),
        ({"serializers": "no.such.Module"}, "'no.such.Module' cannot be imported"),
        ({"serializers": "json.Missing"}, "'json.Missing' cannot be imported"),
        ({"serializers": []}, "at least one"),
        ({"serializers": 5}, "serializer 5 has no method dumps and no loads"),
        ({"serializers": ZlibCompressor}, "no method dumps"),
        ({"compressors": "gzp"}, "did you mean 'gzip'"),
        ({"compressors": JsonSerializer()}, "no method compress and no decompress"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Codec(**settings)


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (MsgpackSerializer, "msgpack"),
        (OrjsonSerializer, "orjson"),
        (Lz4Compressor, "lz4"),
    ],
)
def test_a_missing_module_says_what_to_install(
    make: type, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("msgpack", "orjson", "lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=rf"pip install \"cachex-client\[{extra}\]\""):
        make()


def test_an_impossible_protocol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="pickle protocol 99"):
        PickleSerializer(99)


def test_a_value_that_cannot_be_stored_raises_what_the_serializer_says() -> None:
    class Unpicklable:
        def __getstate__(self) -> Any:
            raise pickle.PickleError("not me")

    for call in (Codec().dumps, lambda value: Codec().dumps_many([value])):
        with pytest.raises(pickle.PickleError, match="not me"):
            call(Unpicklable())
    with pytest.raises(TypeError):
        Codec("json").dumps(object())


@pytest.mark.parametrize("name", ["json", "msgpack", "orjson"])
@pytest.mark.parametrize("value", [{1, 2}, [object()], {"n": 1j}])
def test_an_error_of_a_serializer_says_what_it_can_hold(name: str, value: Any) -> None:
    need(name)
    codec = Codec(name)
    for call in (codec.dumps, lambda value: codec.dumps_many([value])):
        with pytest.raises(TypeError) as caught:
            call(value)
        (note,) = caught.value.__notes__
        assert f"of type {type(value).__name__}. " in note
        assert "pickle." in note


def test_an_encoder_can_be_given_to_json() -> None:
    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return sorted(o)

    assert Codec(JsonSerializer(Encoder)).dumps({2, 1}) == b"[1,2]"
