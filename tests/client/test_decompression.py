"""A stored value that would become huge: refused before there is room made for it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import Cache, Codec, DefaultClient, SerializerError, ValueTooLarge
from cachex_client.compressors import (
    MAX_DECOMPRESSED,
    Bz2Compressor,
    GzipCompressor,
    Lz4Compressor,
    LzmaCompressor,
    NoCompressor,
    ZlibCompressor,
    ZstdCompressor,
)
from cachex_client.config.entry import read_config
from cachex_client.errors import CompressorError, ConfigurationError

MIB = 1 << 20
COMPRESSORS = (
    Bz2Compressor(),
    GzipCompressor(),
    Lz4Compressor(),
    LzmaCompressor(),
    ZlibCompressor(),
    ZstdCompressor(),
)
each = pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda one: type(one).__name__)


def streamed_zstd(data: bytes) -> bytes:
    """A frame that does not say how large it becomes."""
    made = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    packed: bytes = made.compress(data) + made.flush()
    return packed


def streamed_lz4(data: bytes) -> bytes:
    packed: bytes = lz4.frame.compress(data, store_size=False)
    return packed


WAYS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "bz2": ("bz2", bz2.compress),
    "bz2 in two streams": ("bz2", lambda data: bz2.compress(data) + bz2.compress(data)),
    "gzip": ("gzip", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data) + gzip.compress(data)),
    "lzma": ("lzma", lzma.compress),
    "lzma in two streams": ("lzma", lambda data: lzma.compress(data) + lzma.compress(data)),
    "lz4": ("lz4", lz4.frame.compress),
    "lz4 that says no size": ("lz4", streamed_lz4),
    "zlib": ("zlib", zlib.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd that says no size": ("zstd", streamed_zstd),
}
each_way = pytest.mark.parametrize("way", WAYS)


@each_way
def test_a_value_above_the_limit_is_refused_with_its_sizes(way: str) -> None:
    name, compress = WAYS[way]
    bomb = compress(pickle.dumps(bytes(3 * MIB)))
    codec = Codec("pickle", [name], max_decompressed=2 * MIB)
    with pytest.raises(ValueTooLarge, match=rf"{len(bomb)} bytes become more than {2 * MIB}") as no:
        codec.loads(bomb)
    assert (no.value.stored, no.value.limit) == (len(bomb), 2 * MIB)
    assert "MAX_DECOMPRESSED_SIZE" in str(no.value)
    assert isinstance(no.value, SerializerError)
    assert isinstance(no.value, CompressorError)
    with pytest.raises(ValueTooLarge):
        codec.loads_found(["k"], [bomb])
    with pytest.raises(ValueTooLarge):
        codec.loads_each([bomb])
    assert Codec("pickle", [name], max_decompressed=8 * MIB).loads(bomb) == bytes(3 * MIB)
    assert Codec("pickle", [name], max_decompressed=None).loads(bomb) == bytes(3 * MIB)


LEAN = """
import resource, sys
from cachex_client import Codec, ValueTooLarge
name, limit = sys.argv[1], int(sys.argv[2])
bomb = sys.stdin.buffer.read()
codec = Codec("pickle", [name], max_decompressed=limit)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    codec.loads(bomb)
except ValueTooLarge:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.thorough) if re.search("two|says no", way) else way
        for way in WAYS
    ],
)
def test_no_more_than_the_limit_is_allocated(way: str) -> None:
    name, compress = WAYS[way]
    bomb = compress(bytes(64 * MIB))
    words = [sys.executable, "-c", LEAN, name, str(2 * MIB)]
    grown = subprocess.run(words, input=bomb, check=True, capture_output=True).stdout
    # The decoders' own needs are in it: lzma has 64 MiB for the highest preset.
    assert int(grown) / 1024 < (95 if name == "lzma" else 25)


@each
@given(data=st.binary(max_size=5000), limit=st.integers(1, 6000))
def test_within_the_limit_it_is_what_decompress_returns(
    compressor: Any, data: bytes, limit: int
) -> None:
    packed = compressor.compress(data)
    if len(data) <= limit:
        assert compressor.decompress_within(packed, limit) == data
        return
    with pytest.raises(ValueTooLarge):
        compressor.decompress_within(packed, limit)


@each_way
@pytest.mark.parametrize("limit", [4 * MIB, 1 << 40])
def test_a_value_that_was_cut_off_is_refused(way: str, limit: int) -> None:
    name, compress = WAYS[way]
    codec = Codec("pickle", [name], max_decompressed=limit)
    whole = compress(pickle.dumps(list(range(30_000))))
    assert codec.loads(whole) == list(range(30_000))
    for cut in (len(whole) // 3, len(whole) - 1):
        if "two" not in way:
            with pytest.raises(SerializerError):
                codec.loads(whole[:cut])


def test_zeros_may_follow_a_gzip_member() -> None:
    packed = gzip.compress(b"one") + bytes(10)
    assert GzipCompressor().decompress_within(packed, 1000) == b"one"
    assert GzipCompressor().decompress_within(packed, MIB) == b"one"


def test_what_follows_a_frame_is_left_alone_as_the_modules_do() -> None:
    assert Bz2Compressor().decompress_within(bz2.compress(b"one") + b"junk" * 9, 10) == b"one"
    assert LzmaCompressor().decompress_within(lzma.compress(b"one") + b"junk" * 9, 10) == b"one"
    assert ZlibCompressor().decompress_within(zlib.compress(b"one") + b"junk" * 9, 10) == b"one"


@each
def test_what_would_not_be_read_again_is_stored_uncompressed(compressor: Any) -> None:
    codec = Codec("pickle", [compressor], max_decompressed=1000)
    for size in (500, 990, 5000):
        value = bytes(size)
        stored = codec.dumps(value)
        assert codec.loads(stored) == value
        assert (len(stored) > size) == (len(pickle.dumps(value, 5)) > 1000)
        assert codec.dumps_many([value, value]) == [stored, stored]


def test_a_compressor_of_ones_own_is_looked_at_afterwards() -> None:
    class Mine:
        magic = (b"!",)

        def compress(self, data: bytes, /) -> bytes:
            return b"!" + zlib.compress(data)

        def decompress(self, data: bytes, /) -> bytes:
            return zlib.decompress(data[1:])

    bomb = Codec("pickle", [Mine()]).dumps(bytes(5000))
    with pytest.raises(ValueTooLarge, match="Mine"):
        Codec("pickle", [Mine()], max_decompressed=1000).loads(bomb)
    assert Codec("pickle", [Mine()]).loads(bomb) == bytes(5000)


class Watched(ZlibCompressor):
    seen: list[int] = []  # noqa: RUF012 - all of them

    def decompress(self, data: bytes, /) -> bytes:
        self.seen.append(len(data))
        return super().decompress(data)

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        self.seen.append(len(data))
        return super().decompress_within(data, limit)


def test_what_is_not_signed_is_refused_before_it_is_decompressed() -> None:
    Watched.seen.clear()
    signing = Codec("pickle", [Watched()], signing_key="secret")
    stored = signing.dumps(bytes(5000))
    assert signing.loads(stored) == bytes(5000)
    assert len(Watched.seen) == 1
    for wrong in (
        Codec("pickle", [Watched()]).dumps(bytes(5000)),  # not signed
        Codec("pickle", [Watched()], signing_key="another").dumps(bytes(5000)),
        stored[:-1] + bytes([stored[-1] ^ 1]),
    ):
        with pytest.raises(SerializerError, match=r"signed|signature"):
            signing.loads(wrong)
    assert len(Watched.seen) == 1


def test_what_is_signed_is_read_within_the_limit_as_well() -> None:
    writer = Codec("json", "zlib", signing_key="secret")
    codec = Codec(["pickle", "json"], "zlib", signing_key="secret", max_decompressed=6000)
    assert codec.loads(writer.dumps("x" * 5000)) == "x" * 5000
    with pytest.raises(ValueTooLarge):
        codec.loads(writer.dumps("x" * 9000))


def test_the_limit_is_an_option() -> None:
    def limit(**options: Any) -> int:
        entry = {"LOCATION": "redis://127.0.0.1:1/0", "OPTIONS": options}
        return read_config(entry).codec._max_decompressed

    assert limit() == MAX_DECOMPRESSED == 128 * MIB
    assert limit(MAX_DECOMPRESSED_SIZE=1000) == limit(max_decompressed_size="1000") == 1000
    assert limit(MAX_DECOMPRESSED_SIZE=None) == sys.maxsize
    for wrong in (0, -1, "much", 1.5):
        with pytest.raises(ConfigurationError, match="a whole number of bytes above 0"):
            limit(MAX_DECOMPRESSED_SIZE=wrong)
    with pytest.raises(ConfigurationError, match="max_decompressed is at least 1, not 0"):
        Codec(max_decompressed=0)
    assert NoCompressor().decompress_within(b"any", 1) == b"any"


def test_the_error_of_a_cache_names_the_key(standalone: Any) -> None:
    client: Any = DefaultClient([standalone.url])
    cache = Cache(client, codec=Codec("pickle", "zlib", max_decompressed=1000))
    client.redis.set(":1:bomb", zlib.compress(bytes(5000)))
    with pytest.raises(ValueTooLarge, match=r"^':1:bomb': \d+ bytes become more than 1000"):
        cache.get("bomb")
    assert cache.get_many(["bomb"], on_error=lambda key, error: None) == {}
    client.close()


def test_a_stream_may_be_longer_than_a_step() -> None:
    data = io.BytesIO()
    for number in range(400_000):
        data.write(b"%d" % number)
    for compressor in COMPRESSORS:
        made: Any = compressor
        packed = made.compress(data.getvalue())
        assert made.decompress_within(packed, 3 * MIB) == data.getvalue()
