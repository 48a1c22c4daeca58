"""Bytes to fewer bytes and back.

A compressor is anything with `compress(data) -> bytes` and `decompress(data) -> bytes`. Three more
attributes are read if it has them: `min_length`, the number of bytes below which it is not worth
trying (0 if missing); `always`, whether to keep even what became longer, as other programs do; and
`magic`, what its output may begin with; without that, `decompress` is tried on everything and has
to raise on bytes that `compress` did not write.

A method keeps a small value from becoming a huge one: `decompress_within(data, limit)` stops with
`ValueTooLarge` once there are more than `limit` bytes, before it has made room for them. Without
it, the size is looked at when the value has been decompressed.

All of these write the frames that other programs write and read, a checksum or length included.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import attrs

from cachex_client.errors import CompressorError, ValueTooLarge
from cachex_client.serializers import need

MIN_LENGTH = 256
MAX_DECOMPRESSED = 128 << 20
"""Bytes a value may have: a quarter of what a server stores, and what a process can stand."""

_DEFLATE, _LZ4 = 1032, 255
"""How many times as long as its input the output of a format can be."""
_XZ_NEEDS = 80 << 20
"""Bytes that the decoder of the highest preset needs besides what it writes."""


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        if len(data) * _DEFLATE <= limit:
            return zlib.decompress(data)
        return _frames(self, data, limit, lambda: _ZlibStream(zlib.MAX_WBITS), one=True)


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        if len(data) * _DEFLATE <= limit:
            return gzip.decompress(data)
        return _frames(self, data, limit, lambda: _ZlibStream(_GZIP))


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        return _frames(self, data, limit, bz2.BZ2Decompressor)


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        def stream() -> Any:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=max(limit, _XZ_NEEDS))

        return _frames(self, data, limit, stream)


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        if self._frame.get_frame_info(data)["content_size"] > limit:  # 0 if it does not say
            raise ValueTooLarge(len(data), limit, type(self).__name__)
        if len(data) * _LZ4 <= limit:
            return self.decompress(data)
        return _frames(self, data, limit, self._frame.LZ4FrameDecompressor, one=True)


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

    def decompress_within(self, data: bytes, limit: int, /) -> bytes:
        if sys.version_info >= (3, 14):
            return _frames(self, data, limit, self._zstd.ZstdDecompressor)
        size = self._zstd.frame_content_size(data)  # -1 if it does not say
        if size > limit:
            raise ValueTooLarge(len(data), limit, type(self).__name__)
        if size >= 0:  # which is checked
            whole: bytes = self._zstd.ZstdDecompressor().decompress(data)
            return whole
        stream = self._zstd.ZstdDecompressor().decompressobj()
        pieces, left = [], limit
        for at in range(0, len(data), _ZSTD_STEP):
            pieces.append(stream.decompress(data[at : at + _ZSTD_STEP]))
            left -= len(pieces[-1])
            if left < 0:
                raise ValueTooLarge(len(data), limit, type(self).__name__)
            if stream.eof:
                return b"".join(pieces)
        raise CompressorError(f"{len(data)} bytes are not a whole Zstandard frame")


_GZIP = 31  # what zlib calls a gzip header with a window of any size
_STEP = 1 << 20  # bytes of output at a time
_ZSTD_STEP = 64  # bytes of input at a time, of which a frame can make 2 MiB


class _ZlibStream:
    """zlib's stream with the face of those of bz2, lzma and lz4."""

    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)
        self.needs_input = False

    def decompress(self, data: bytes, size: int) -> bytes:
        stream = self._stream
        piece = stream.decompress(data or stream.unconsumed_tail, size)
        self.needs_input = len(piece) < size and not stream.unconsumed_tail
        return piece

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data.lstrip(b"\0")  # gzip fills up with zeros


def _frames(
    compressor: Any, data: bytes, limit: int, stream: Callable[[], Any], *, one: bool = False
) -> bytes:
    """Decompress one frame after the other, step by step, or only `one`.

    What follows a frame of bz2 or lzma and is none is left alone, as their modules do.
    """
    pieces: list[bytes] = []
    rest, left = data, limit
    while rest and not (one and pieces):
        frame = stream()
        try:
            piece = frame.decompress(rest, min(_STEP, left + 1))
        except (OSError, lzma.LZMAError):
            if pieces:
                break
            raise
        while True:
            left -= len(piece)
            if left < 0:
                raise ValueTooLarge(len(data), limit, type(compressor).__name__)
            pieces.append(piece)
            if frame.eof:
                break
            if frame.needs_input:
                name = type(compressor).__name__
                raise CompressorError(f"{len(data)} bytes are not all that {name} has written")
            piece = frame.decompress(b"", min(_STEP, left + 1))
        rest = frame.unused_data or b""
    return b"".join(pieces)
