"""Bytes to fewer bytes and back.

A compressor is anything with `compress(data) -> bytes` and `decompress(data) -> bytes`. Three more
attributes are read if it has them: `min_length`, the number of bytes below which it is not worth
trying (0 if missing); `always`, whether to keep even what became longer, as other programs do; and
`magic`, what its output may begin with; without that, `decompress` is tried on everything and has
to raise on bytes that `compress` did not write.

All of these write the frames that other programs write and read, a checksum or length included.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from typing import Any, ClassVar, Protocol

import attrs

from cachex_client.errors import CompressorError
from cachex_client.serializers import need

MIN_LENGTH = 256


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


@attrs.frozen
class NoCompressor:
    """Compresses nothing: first in a list, it lets the others read what they have written."""

    magic: ClassVar[tuple[bytes, ...]] = ()
    min_length: ClassVar[int] = sys.maxsize

    def compress(self, data: bytes, /) -> bytes:
        return data

    def decompress(self, data: bytes, /) -> bytes:
        return data


@attrs.frozen
class ZlibCompressor:
    """Deflate with zlib's header; `level` 0 to 9."""

    magic: ClassVar[tuple[bytes, ...]] = (b"x\x9c", b"x\x01", b"x\x5e", b"x\xda")

    level: int = 6
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)

    def compress(self, data: bytes, /) -> bytes:
        return zlib.compress(data, self.level)

    def decompress(self, data: bytes, /) -> bytes:
        return zlib.decompress(data)


@attrs.frozen
class GzipCompressor:
    """Deflate with the header of gzip files; `level` 0 to 9."""

    magic: ClassVar[tuple[bytes, ...]] = (b"\x1f\x8b",)

    level: int = 6
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)

    def compress(self, data: bytes, /) -> bytes:
        return gzip.compress(data, self.level, mtime=0)  # the same value, the same bytes

    def decompress(self, data: bytes, /) -> bytes:
        return gzip.decompress(data)


@attrs.frozen
class Bz2Compressor:
    """Burrows and Wheeler's way as bzip2 has it, slow; `level` 1 to 9."""

    magic: ClassVar[tuple[bytes, ...]] = (b"BZh",)

    level: int = 9
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)

    def compress(self, data: bytes, /) -> bytes:
        return bz2.compress(data, self.level)

    def decompress(self, data: bytes, /) -> bytes:
        return bz2.decompress(data)


@attrs.frozen
class LzmaCompressor:
    """LZMA in xz frames, small and slow; `level` is the preset, 0 to 9."""

    magic: ClassVar[tuple[bytes, ...]] = (b"\xfd7zXZ\x00",)

    level: int = 4
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)

    def compress(self, data: bytes, /) -> bytes:
        return lzma.compress(data, preset=self.level)

    def decompress(self, data: bytes, /) -> bytes:
        return lzma.decompress(data, lzma.FORMAT_XZ)


@attrs.frozen
class Lz4Compressor:
    """LZ4 frames, the fastest; `level` 0 to 16. Needs the extra `lz4`."""

    magic: ClassVar[tuple[bytes, ...]] = (b"\x04\x22\x4d\x18",)

    level: int = 0
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)
    _frame: Any = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        frame = need("lz4.frame", by="Lz4Compressor", extra="lz4")
        object.__setattr__(self, "_frame", frame)

    def compress(self, data: bytes, /) -> bytes:
        packed: bytes = self._frame.compress(data, compression_level=self.level)
        return packed

    def decompress(self, data: bytes, /) -> bytes:
        unpacked: bytes = self._frame.decompress(data)
        return unpacked


@attrs.frozen
class ZstdCompressor:
    """Zstandard, small and fast; `level` 1 to 22. Needs the extra `zstd` before Python 3.14."""

    magic: ClassVar[tuple[bytes, ...]] = (b"\x28\xb5\x2f\xfd",)

    level: int = 3
    min_length: int = attrs.field(default=MIN_LENGTH, kw_only=True)
    always: bool = attrs.field(default=False, kw_only=True, repr=False)
    _zstd: Any = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        module = "compression.zstd" if sys.version_info >= (3, 14) else "zstandard"
        object.__setattr__(self, "_zstd", need(module, by="ZstdCompressor", extra="zstd"))

    def compress(self, data: bytes, /) -> bytes:
        packed: bytes = self._zstd.compress(data, self.level)
        return packed

    def decompress(self, data: bytes, /) -> bytes:
        if sys.version_info >= (3, 14):
            unpacked: bytes = self._zstd.decompress(data)
            return unpacked
        # Its one-shot function wants the length in the frame's header, which is optional.
        stream = self._zstd.ZstdDecompressor().decompressobj()
        content: bytes = stream.decompress(data)
        if not stream.eof:
            raise CompressorError(f"{len(data)} bytes are not a whole Zstandard frame")
        return content
