"""Values to what is stored, and back: whole numbers, serializers, compressors, signatures.

What is written:

1. A value whose type is exactly `int` is its decimal digits, so that INCR works on it.
2. Anything else goes through the first serializer, then, from the `min_length` of the first
   compressor on and if that makes it shorter, through the first compressor.
3. With a signing key, what a serializer that `executes` has written (pickle) gets a signature.

What is read, in this order, so that formats can be changed while the cache is in use:

1. `-` or nothing and then digits only are a whole number. No serializer here writes that for
   anything else; if one of your own does, `dumps` refuses rather than give back another value.
2. The mark of a signature: it is checked and taken off.
3. What begins like the output of a configured compressor is decompressed, if that succeeds.
4. The serializers are asked in turn, pickle first for what begins like a pickle. With a signing
   key, one that `executes` sees only what is signed.
5. A decimal fraction that no serializer could read is a float, as INCRBYFLOAT writes it.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pickle import dumps as pickle_dumps
from pickle import loads as pickle_loads
from typing import Any, TypeVar

from cachex_client.compressors import (
    Bz2Compressor,
    GzipCompressor,
    Lz4Compressor,
    LzmaCompressor,
    NoCompressor,
    ZlibCompressor,
    ZstdCompressor,
)
from cachex_client.errors import CompressorError, SerializerError
from cachex_client.resolve import Named, resolve_compressors, resolve_serializers
from cachex_client.serializers import (
    JsonSerializer,
    MsgpackSerializer,
    OrjsonSerializer,
    PickleSerializer,
    Serializer,
)
from cachex_client.signing import MARK, Signer
from cachex_pool import ProtocolError

N = TypeVar("N")

PICKLED = 0x80  # the first byte of a pickle of protocol 2 and later
PICKLE_START = bytes([PICKLED])
DIGITS = frozenset(b"-0123456789")
FRACTION = re.compile(rb"-?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)|nan")

# None of these writes or accepts what begins with PICKLED, but MessagePack the empty map.
OUR_SERIALIZERS = (PickleSerializer, JsonSerializer, MsgpackSerializer, OrjsonSerializer)
OUR_COMPRESSORS = (
    NoCompressor,
    ZlibCompressor,
    GzipCompressor,
    Bz2Compressor,
    LzmaCompressor,
    Lz4Compressor,
    ZstdCompressor,
)


class Codec:
    """Turns values into bytes and back. Immutable, and safe to share.

    `serializers` and `compressors` are one or a list, each as `resolve_serializers` takes them;
    the first of each writes, all of them read. `signing_key` makes pickles trustworthy on a server
    that others can write to; `signing_fallbacks` are keys that are still accepted.
    """

    def __init__(
        self,
        serializers: Named | Sequence[Named] = "pickle",
        compressors: Named | Sequence[Named] = (),
        *,
        signing_key: str | bytes | None = None,
        signing_fallbacks: Sequence[str | bytes] = (),
    ) -> None:
        self.serializers = resolve_serializers(serializers)
        self.compressors = resolve_compressors(compressors)
        self._signer = None if signing_key is None else Signer(signing_key, signing_fallbacks)
        writer = self.serializers[0]
        self._compress_from = (
            getattr(self.compressors[0], "min_length", 0) if self.compressors else sys.maxsize
        )
        self._signs = self._signer is not None and _executes(writer)
        self._protocol = None if self._signs else _plain_protocol(writer)
        self._unpickle = self._fast_unpickle()

    def __repr__(self) -> str:
        signing = "" if self._signer is None else ", signing_key=..."
        return f"Codec({list(self.serializers)}, {list(self.compressors)}{signing})"

    def dumps(self, value: Any) -> bytes:
        """Return what is to be stored for a value.

        Raises whatever the serializer raises on a value that it cannot handle, with a note that
        says what it can, and `CompressorError` if the compressor fails.
        """
        if type(value) is int:
            try:
                return b"%d" % value
            except ValueError:  # more digits than Python turns into text
                pass
        if self._protocol is None:
            return self._finish(self._written(value))
        payload = pickle_dumps(value, self._protocol)
        return payload if len(payload) < self._compress_from else self._finish(payload)

    def dumps_many(self, values: Iterable[Any]) -> list[bytes]:
        """Return what is to be stored for each of the values; raises as `dumps` does."""
        protocol, limit = self._protocol, self._compress_from
        values = list(values)
        if protocol is None:
            return [self.dumps(value) for value in values]
        try:
            payloads = [
                b"%d" % value if type(value) is int else pickle_dumps(value, protocol)
                for value in values
            ]
        except ValueError:  # maybe of a whole number with too many digits
            return [self.dumps(value) for value in values]
        if limit == sys.maxsize:
            return payloads
        return [
            self._finish(payload) if len(payload) >= limit and payload[0] == PICKLED else payload
            for payload in payloads
        ]

    def loads(self, stored: bytes) -> Any:
        """Return the value of what is stored.

        `SerializerError` if it cannot be read with these settings, or is signed by somebody else.
        """
        try:
            if self._unpickle is not None and stored[0] == PICKLED:
                return self._unpickle(stored)
        except Exception:
            pass  # nothing is stored, it only looked like a pickle, or it is no value at all
        return self._loads(stored)

    def loads_found(self, names: Collection[N], found: Sequence[bytes | None]) -> dict[N, Any]:
        """Return the values of what is stored, by name, leaving out names with None.

        Raises as `loads` does, at the first value that cannot be read.
        """
        if self._unpickle is not None:
            unpickle, loads = self._unpickle, self._loads
            try:
                return {
                    name: unpickle(stored) if stored and stored[0] == PICKLED else loads(stored)
                    for name, stored in zip(names, found, strict=True)
                    if stored is not None
                }
            except Exception:
                pass  # what looked like a pickle may be something else: look closer
        _check_list(found, len(names))
        return {
            name: self.loads(stored)
            for name, stored in zip(names, found, strict=True)
            if stored is not None
        }

    def loads_each(self, stored: Sequence[bytes | None]) -> list[Any]:
        """Return the value of each that is stored, None for None; raises as `loads_found` does.

        A thousand whole numbers take 0.1 ms, one by one they would take 0.4 ms.
        """
        if self._unpickle is not None:
            unpickle, loads = self._unpickle, self._loads
            try:
                return [
                    None
                    if one is None
                    else int(one)
                    if one.isdigit()
                    else unpickle(one)
                    if one and one[0] == PICKLED
                    else loads(one)
                    for one in stored
                ]
            except Exception:
                pass  # what looked like a pickle may be something else: look closer
        _check_list(stored, None)
        return [None if one is None else self.loads(one) for one in stored]

    def _written(self, value: Any) -> bytes:
        writer = self.serializers[0]
        try:
            return writer.dumps(value)
        except Exception as error:
            if holds := getattr(writer, "holds", ""):
                given, name = type(value).__name__, type(writer).__name__
                error.add_note(f"{name} was given a value of type {given}. {holds}")
            raise

    def _finish(self, payload: bytes) -> bytes:
        """Check, compress and sign what the serializer has made of a value."""
        if payload and payload[0] in DIGITS and _is_whole_number(payload):
            self._refuse_another_value(payload)
        if len(payload) >= self._compress_from:
            compressor = self.compressors[0]
            try:
                compressed = compressor.compress(payload)
            except Exception as error:
                raise CompressorError(
                    f"{compressor!r} cannot compress {len(payload)} bytes"
                ) from error
            if len(compressed) < len(payload) or getattr(compressor, "always", False):
                payload = compressed
        if self._signs and self._signer is not None:
            return self._signer.sign(payload)
        return payload

    def _refuse_another_value(self, payload: bytes) -> None:
        """Reading will take the payload for a number: is it that number?"""
        value = self.serializers[0].loads(payload)
        if value != int(payload):
            raise SerializerError(
                f"{self.serializers[0]!r} writes {payload!r} for {type(value).__name__},"
                " which is read as a number: let it write something else"
            )

    def _loads(self, stored: bytes) -> Any:
        if not isinstance(stored, bytes):
            raise ProtocolError("the server", f"{type(stored).__name__} in place of a value")
        if stored and stored[0] in DIGITS and _is_whole_number(stored):
            return self._whole_number(stored)
        payload, signed = stored, False
        if stored.startswith(MARK):
            if self._signer is None:
                raise SerializerError(f"{_shown(stored)} are signed, but no signing key is set")
            payload, signed = self._signer.verify(stored), True
        causes: list[Exception] = []
        for data in self._decompressed(payload):
            for serializer in self._readers(signed):
                try:
                    return serializer.loads(data)
                except Exception as error:  # they may raise anything on bytes of another format
                    likely = data[:1] == PICKLE_START and isinstance(serializer, PickleSerializer)
                    causes.insert(0 if likely else len(causes), error)
        if FRACTION.fullmatch(payload):
            return float(payload)
        raise self._unreadable(stored, signed, causes)

    def _decompressed(self, payload: bytes) -> Iterator[bytes]:
        """Yield what the payload may be when decompressed, and then the payload itself."""
        for compressor in self.compressors:
            magic = getattr(compressor, "magic", None)
            if magic is None or payload.startswith(tuple(magic)):
                try:
                    data = compressor.decompress(payload)
                except Exception:  # it only looked like this
                    continue
                yield data
        yield payload

    def _readers(self, signed: bool) -> Iterator[Serializer]:
        trusted = signed or self._signer is None
        return (one for one in self.serializers if trusted or not _executes(one))

    def _unreadable(self, stored: bytes, signed: bool, causes: list[Exception]) -> SerializerError:
        if self._signer is not None and not signed and any(map(_executes, self.serializers)):
            return SerializerError(f"{_shown(stored)} are not signed, or in no known format")
        tried = ", ".join(type(one).__name__ for one in self.serializers)
        error = SerializerError(f"{_shown(stored)} cannot be read by {tried}")
        error.__cause__ = causes[0] if causes else None
        return error

    def _whole_number(self, stored: bytes) -> int:
        try:
            return int(stored)
        except ValueError as error:  # more digits than Python turns into a number
            raise SerializerError(f"{_shown(stored)} are too large a number") from error

    def _fast_unpickle(self) -> Callable[[bytes], Any] | None:
        """Return how to read what begins like a pickle, if nobody else may have a claim to it."""
        if self._signer is not None or any(
            type(one) not in OUR_COMPRESSORS for one in self.compressors
        ):
            return None
        for serializer in self.serializers:
            if type(serializer) is PickleSerializer:
                return pickle_loads
            if type(serializer) not in OUR_SERIALIZERS:
                return None
        return None


def _plain_protocol(writer: Serializer) -> int | None:
    """Return the protocol of pickles that cannot be taken for anything else, if it writes such."""
    if type(writer) is not PickleSerializer or 0 <= writer.protocol < 2:
        return None
    return writer.protocol


def _executes(serializer: Serializer) -> bool:
    return getattr(serializer, "executes", False)


def _check_list(replies: Any, count: int | None) -> None:
    if not isinstance(replies, list | tuple) or count not in (None, len(replies)):
        size = len(replies) if isinstance(replies, list | tuple) else type(replies).__name__
        raise ProtocolError("the server", f"{size} in place of {count} values")


def _is_whole_number(stored: bytes) -> bool:
    return stored.isdigit() or (stored[:1] == b"-" and stored[1:].isdigit())


def _shown(stored: bytes) -> str:
    """Say enough to tell formats apart, and nothing of the value."""
    return f"{len(stored)} bytes that begin with {stored[:2].hex(' ') or 'nothing'}"
