"""Values to what is stored, and back: whole numbers, serializers, compressors, signatures.

What is written:

1. A value whose type is exactly `int` is its decimal digits, so that INCR works on it.
2. Anything else goes through the first serializer, then, from the `min_length` of the first
   compressor on and if that makes it shorter, through the first compressor.
3. With a signing key, it gets a signature that says where it is stored. The digits get none, of
   numbers that INCR can hold; unless `signing_plain_integers` is off.

What is read, in this order, so that formats can be changed while the cache is in use:

1. `-` or nothing and then digits only are a whole number. No serializer here writes that for
   anything else; if one of your own does, `dumps` refuses rather than give back another value.
2. The mark of a signature: it is checked and taken off. With a signing key, what has none is
   refused here: nothing of it is decompressed, and no serializer sees it.
3. What begins like the output of a configured compressor is decompressed, if that succeeds. What
   would become larger than `max_decompressed` is refused.
4. The serializers are asked in turn, pickle first for what begins like a pickle.
5. A decimal fraction that no serializer could read is a float, as INCRBYFLOAT writes it.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import repeat
from pickle import UnpicklingError
from pickle import dumps as pickle_dumps
from pickle import loads as pickle_loads
from typing import Any, TypeVar

from cachex_client._core.wrong_replies import wrong_list, wrong_reply
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
from cachex_client.errors import (
    ClientError,
    CompressorError,
    ConfigurationError,
    SerializerError,
    ValueTooLarge,
)
from cachex_client.resolve import Named, resolve_compressors, resolve_serializers
from cachex_client.serializers import (
    JsonSerializer,
    MsgpackSerializer,
    OrjsonSerializer,
    PickleSerializer,
    Serializer,
)
from cachex_client.signing import MARK, OVERHEAD, Signer
from cachex_pool import ProtocolError
from cachex_pool.checks import quoted
from cachex_pool.secrecy import keeps_secrets

N = TypeVar("N")

PICKLED = 0x80  # the first byte of a pickle of protocol 2 and later
PICKLE_START = bytes([PICKLED])
NEVER = -1  # the first byte of nothing
DIGITS = frozenset(b"-0123456789")
SPECIAL = re.compile(rb"[*?\[\\]")  # what means something in a glob pattern
FRACTION = re.compile(rb"-?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)|nan")
LARGEST = 2**63  # what INCR cannot reach
MEMBER = b"m"
"""A member of a list, set or sorted set, as a part of its key."""
FIELD = b"f"
"""What comes before the name of a field of a hash or a stream, as a part of its key."""

# What pickle says of what it cannot read names a class at most; other errors quote the data.
TELLING = (UnpicklingError, AttributeError, ImportError)

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
    the first of each writes, all of them read. No value is decompressed to more than
    `max_decompressed` bytes, None for any number; what is larger is stored as it is.

    With `signing_key` values can be trusted on a server that others can write to: each is signed
    for the key that it is stored under, and nothing else is read; `signing_fallbacks` are keys
    whose signatures are still accepted. Whole numbers that the server can count with are not
    signed; `signing_plain_integers=False` signs them too, and refuses plain ones, so that nothing
    can be counted. `signing_binds_key=False` is for those who rename keys on the server: a value is
    then valid under every key. `signing_accepts_unsigned=True` reads what was stored before there
    was a signing key, and what anybody else wrote: for the time of a migration only.

    `place` in the methods is the full key that a value is stored under, which only signatures
    need, and `part` says what it is of that key: nothing for all of it, `MEMBER`, or `FIELD` and a
    name. What was signed for no place is read without one, and nowhere else.
    """

    @keeps_secrets()
    def __init__(
        self,
        serializers: Named | Sequence[Named] = "pickle",
        compressors: Named | Sequence[Named] = (),
        *,
        signing_key: str | bytes | None = None,
        signing_fallbacks: Sequence[str | bytes] = (),
        signing_binds_key: bool = True,
        signing_plain_integers: bool = True,
        signing_accepts_unsigned: bool = False,
        max_decompressed: int | None = MAX_DECOMPRESSED,
    ) -> None:
        self._signer: Signer | None = None
        if signing_key is not None:
            self._signer = Signer(signing_key, signing_fallbacks, binds_key=signing_binds_key)
        self.plain_integers = signing_plain_integers or self._signer is None
        self.accepts_unsigned = signing_accepts_unsigned or self._signer is None
        self.serializers = resolve_serializers(serializers)
        self.compressors = resolve_compressors(compressors)
        self._max_decompressed = sys.maxsize if max_decompressed is None else max_decompressed
        if not isinstance(self._max_decompressed, int) or self._max_decompressed < 1:
            given = quoted(max_decompressed)
            raise ConfigurationError(f"max_decompressed is at least 1, not {given}")
        writer = self.serializers[0]
        self._compress_from = (
            getattr(self.compressors[0], "min_length", 0) if self.compressors else sys.maxsize
        )
        self._protocol = _plain_protocol(writer) if self._signer is None else None
        self._unpickle = self._fast_unpickle()

    def __repr__(self) -> str:
        signing = "" if self._signer is None else ", signing_key=..."
        return f"Codec({list(self.serializers)}, {list(self.compressors)}{signing})"

    @property
    def signs(self) -> bool:
        """Whether there is a signing key."""
        return self._signer is not None

    @property
    def has_weak_key(self) -> bool:
        """Whether a signing key is short, or of few different characters, and may be guessed."""
        return self._signer is not None and self._signer.is_weak

    @property
    def binds_key(self) -> bool:
        """Whether what is stored is signed for its key, and worth nothing under another one."""
        return self._signer is not None and self._signer.binds_key

    def dumps(self, value: Any, place: bytes = b"", part: bytes = b"") -> bytes:
        """Return what is to be stored for a value.

        Raises whatever the serializer raises on a value that it cannot handle, with a note that
        says what it can, and `CompressorError` if the compressor fails.
        """
        if type(value) is int and (self._signer is None or self._is_plain(value)):
            try:
                return b"%d" % value
            except ValueError:  # more digits than Python turns into text
                pass
        if self._protocol is None:
            return self._finish(self._written(value), place, part)
        payload = pickle_dumps(value, self._protocol)
        return payload if len(payload) < self._compress_from else self._finish(payload)

    def dumps_many(
        self,
        values: Iterable[Any],
        places: Sequence[bytes] | bytes = b"",
        part: bytes = b"",
    ) -> list[bytes]:
        """Return what is to be stored for each of the values, each in its own place.

        `places` may also be one for all, as bytes. Raises as `dumps` does.
        """
        protocol, limit = self._protocol, self._compress_from
        values = list(values)
        if self._signer is not None:
            each = [places] * len(values) if isinstance(places, bytes) else places
            return [self.dumps(one, at, part) for one, at in zip(values, each, strict=True)]
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

    @property
    def has_forms(self) -> bool:
        """Whether a value may be stored in several forms: of other keys, or without a signature."""
        return self._signer is not None and (self._signer.has_fallbacks or self.accepts_unsigned)

    def forms(self, value: Any, place: bytes = b"", part: bytes = b"") -> list[bytes]:
        """Return all forms in which a value may be stored; the first one is what `dumps` returns.

        These are of each signing key, and without a signature while that is accepted. A value of
        another serializer or compressor is none of them.
        """
        first = self.dumps(value, place, part)
        if self._signer is None or not first.startswith(MARK):
            return [first]
        forms = self._signer.sign_by_all(first[OVERHEAD:], place, part)
        return forms + self.elements([value]) if self.accepts_unsigned else forms

    def refuse_counting(self, what: str, *, fractions: bool = False) -> None:
        """Raise ConfigurationError if the sum that the server makes could not be read."""
        if fractions and not self.accepts_unsigned:
            raise ConfigurationError(
                f"{what} leaves a number with a fraction and no signature, which a SIGNING_KEY"
                " (signing_key) refuses"
            )
        if not self.plain_integers:
            raise ConfigurationError(
                f"{what} leaves a number without a signature, which SIGNING_PLAIN_INTEGERS=False"
                " (signing_plain_integers) refuses"
            )

    def elements(self, values: Iterable[Any]) -> list[bytes]:
        """Return what values look like where they are counted and not kept: without a signature."""
        return [
            b"%d" % one if type(one) is int else self._compressed(self._written(one))
            for one in values
        ]

    def pattern(self, match: str | bytes) -> bytes:
        """Return a glob pattern of what is stored: bytes as they are, text as it would be stored.

        A serializer that writes how long a text is (pickle, MessagePack) finds only members as long
        as the pattern. ValueError for text if members may be compressed or are signed.
        """
        if isinstance(match, bytes):
            return match
        if not isinstance(match, str):
            return self.dumps(match)
        if self.signs or any(type(one) is not NoCompressor for one in self.compressors):
            why = "signed" if self.signs else "compressed"
            raise ValueError(
                f"match={match!r} finds no members that are {why}: read all of them and compare,"
                " or give bytes, a pattern of what is stored"
            )
        stored = self.dumps(match)
        before, text, after = stored.partition(match.encode("utf-8", "surrogatepass"))
        if not text:  # written in another form: JSON has a \\u00e9 for an é
            return stored.replace(b"\\", rb"\\")
        return SPECIAL.sub(rb"\\\g<0>", before) + text + SPECIAL.sub(rb"\\\g<0>", after)

    def loads(self, stored: bytes, place: bytes = b"", part: bytes = b"") -> Any:
        """Return the value of what is stored.

        `SerializerError` if it cannot be read with these settings, or is not signed for its place.
        """
        causes: list[Exception] | None = None
        try:
            if self._unpickle is not None and stored and stored[0] == PICKLED:
                return self._unpickle(stored)
        except Exception as error:  # it may be something else that only looks like a pickle
            causes = [error]
        try:
            return self._loads(stored, place, part, causes)
        except SerializerError as error:
            failed = discreet(error)
        del stored, causes  # nor does this frame show what was stored
        try:
            raise failed
        finally:
            del failed  # its traceback refers to this frame

    def moved(self, stored: bytes, source: bytes, target: bytes, part: bytes = b"") -> bytes:
        """Return what is stored in one place as it has to be in another: signed with the first key.

        While unsigned values are accepted, one that can be read is signed as well, and one that
        cannot, such as a bitmap, stays as it is. `SerializerError` if it is not signed for where
        it was.
        """
        if self._signer is None or not (self._signer.binds_key or source == target):
            return stored
        if stored.startswith(MARK):
            return self._signer.sign(self._signer.verify(stored, source, part), target, part)
        if _is_whole_number(stored) and self._is_plain(self._whole_number(stored)):
            return stored
        if not self.accepts_unsigned:
            raise SerializerError(
                f"{_shown(stored)} are not signed and cannot be signed for another key; nor can"
                " bitmaps, HyperLogLogs, locks, semaphores and rate limits, which are never signed"
            )
        try:
            value = self.loads(stored, source, part)
        except SerializerError:
            return stored
        return self.dumps(value, target, part)

    def loads_found(
        self,
        names: Collection[N],
        found: Sequence[bytes | Exception | None],
        on_error: Callable[[N, Exception], None] | None = None,
        places: Sequence[bytes] | None = None,
    ) -> dict[N, Any]:
        """Return the values of what is stored, by name, leaving out names with None.

        `places` are where they are stored, in the order of the names. A value that cannot be read,
        and an error in the place of one, is raised, or given to `on_error` with its name if there
        is such.
        """
        if (wrong := wrong_list(found, len(names))) is not None:
            raise wrong
        if self._signer is not None:
            return self._loads_signed(names, found, on_error, places)
        loads = self._loads
        unpickle, first = (loads, NEVER) if self._unpickle is None else (self._unpickle, PICKLED)
        values: dict[N, Any] = {}
        pairs: Iterator[tuple[N, Any]] = zip(names, found, strict=True)
        while True:  # goes on after an error: nothing is read twice
            try:
                for name, stored in pairs:
                    if stored:
                        values[name] = unpickle(stored) if stored[0] == first else loads(stored)
                    elif stored is not None:
                        values[name] = loads(stored)
                return values
            except Exception as error:
                causes = [error]
            try:
                values[name] = self._read_again(stored, causes)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(name, _shareable(error))

    def loads_each(
        self,
        stored: Sequence[bytes | None],
        place: bytes = b"",
        parts: Sequence[bytes] | None = None,
    ) -> list[Any]:
        """Return the value of each that is stored, None for None; raises as `loads_found` does.

        All are of one key; `parts` are their fields, as `dumps` takes them, None if they are its
        members. A thousand whole numbers take 0.1 ms, one by one they would take 0.4 ms.
        """
        if (wrong := wrong_list(stored)) is not None:
            raise wrong
        if self._signer is not None:
            each = [MEMBER] * len(stored) if parts is None else parts
            return [
                None if one is None else self.loads(one, place, part)
                for one, part in zip(stored, each, strict=True)
            ]
        loads = self._loads
        unpickle, first = (loads, NEVER) if self._unpickle is None else (self._unpickle, PICKLED)
        values: list[Any] = []
        add, rest = values.append, iter(stored)
        while True:  # goes on after an error: nothing is read twice
            try:
                for one in rest:
                    if not one:
                        add(None if one is None else loads(one))
                    elif one.isdigit():
                        add(int(one))
                    else:
                        add(unpickle(one) if one[0] == first else loads(one))
                return values
            except Exception as error:
                causes = [error]
            add(self._read_again(one, causes))

    def _loads_signed(
        self,
        names: Collection[N],
        found: Sequence[bytes | Exception | None],
        on_error: Callable[[N, Exception], None] | None,
        places: Sequence[bytes] | None,
    ) -> dict[N, Any]:
        """Do as `loads_found` where each value has to be signed for its place."""
        values: dict[N, Any] = {}
        each: Iterable[bytes] = repeat(b"", len(names)) if places is None else places
        for name, stored, place in zip(names, found, each, strict=True):
            try:
                if isinstance(stored, Exception):
                    raise stored
                if stored is not None:
                    values[name] = self._loads(stored, place)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(name, _shareable(error))
        return values

    def _read_again(self, stored: Any, causes: list[Exception]) -> Any:
        """Read what was not read because of an error, or raise that."""
        error = causes[0]
        try:
            if isinstance(stored, Exception):
                raise stored
            if isinstance(error, ClientError | ProtocolError):  # everything was tried
                raise error
            if not isinstance(stored, bytes):
                return self._loads(stored)  # which says what it is
            if self._unpickle is not None and stored[0] == PICKLED:
                return self._loads(stored, causes=causes)
            return self._loads(stored)
        finally:
            causes.clear()
            del error

    def _written(self, value: Any) -> bytes:
        writer = self.serializers[0]
        try:
            return writer.dumps(value)
        except Exception as error:
            if holds := getattr(writer, "holds", ""):
                given, name = type(value).__name__, type(writer).__name__
                error.add_note(f"{name} was given a value of type {given}. {holds}")
            raise

    def _is_plain(self, value: int) -> bool:
        """Say whether a whole number is stored as its digits although there is a signing key."""
        return self.plain_integers and -LARGEST <= value < LARGEST

    def _finish(self, payload: bytes, place: bytes = b"", part: bytes = b"") -> bytes:
        """Check, compress and sign what the serializer has made of a value."""
        payload = self._compressed(payload)
        return payload if self._signer is None else self._signer.sign(payload, place, part)

    def _compressed(self, payload: bytes) -> bytes:
        """Check and compress what the serializer has made of a value."""
        if self._signer is None and payload and payload[0] in DIGITS and _is_whole_number(payload):
            self._refuse_another_value(payload)
        if self._compress_from <= len(payload) <= self._max_decompressed:
            compressor = self.compressors[0]
            try:
                compressed = compressor.compress(payload)
            except Exception as error:
                raise CompressorError(
                    f"{compressor!r} cannot compress {len(payload)} bytes"
                ) from error
            if len(compressed) < len(payload) or getattr(compressor, "always", False):
                return compressed
        return payload

    def _refuse_another_value(self, payload: bytes) -> None:
        """Reading will take the payload for a number: is it that number?"""
        value = self.serializers[0].loads(payload)
        if value != int(payload):
            raise SerializerError(
                f"{self.serializers[0]!r} writes {payload!r} for {type(value).__name__},"
                " which is read as a number: let it write something else"
            )

    def _loads(
        self,
        stored: bytes,
        place: bytes = b"",
        part: bytes = b"",
        causes: list[Exception] | None = None,
    ) -> Any:
        """Read what is stored; `causes` has the error of one who tried it as a pickle."""
        if not isinstance(stored, bytes):
            if causes is not None:
                causes.clear()
            raise wrong_reply(stored, "a value")
        if stored and stored[0] in DIGITS and _is_whole_number(stored):
            number = self._whole_number(stored)
            if self.accepts_unsigned or self._is_plain(number):
                return number
        unpickled = causes is not None
        causes = causes or []
        try:
            payload = self._payload_of(stored, place, part)
            for data in self._decompressed(payload):
                for serializer in self.serializers:
                    if unpickled and data is stored and type(serializer) is PickleSerializer:
                        continue
                    try:
                        return serializer.loads(data)
                    except Exception as error:  # they may raise anything on bytes of another format
                        likely = data[:1] == PICKLE_START and isinstance(
                            serializer, PickleSerializer
                        )
                        causes.insert(0 if likely else len(causes), error)
            if payload is stored and FRACTION.fullmatch(payload):
                return float(payload)
            raise self._unreadable(stored, causes)
        finally:
            causes.clear()  # their tracebacks refer to this frame: no cycle keeps the value

    def _payload_of(self, stored: bytes, place: bytes, part: bytes) -> bytes:
        """Return what is stored without its signature, which is checked."""
        if stored.startswith(MARK):
            if self._signer is None:
                raise SerializerError(f"{_shown(stored)} are signed, but no signing key is set")
            return self._signer.verify(stored, place, part)
        if self.accepts_unsigned:
            return stored
        raise SerializerError(f"{_shown(stored)} are not signed")

    def _decompressed(self, payload: bytes) -> Iterator[bytes]:
        """Yield what the payload may be when decompressed, and then the payload itself."""
        for compressor in self.compressors:
            magic = getattr(compressor, "magic", None)
            if magic is None or payload.startswith(tuple(magic)):
                try:
                    data = self._decompress(compressor, payload)
                except ValueTooLarge:
                    raise
                except Exception:  # it only looked like this
                    continue
                yield data
        yield payload

    def _decompress(self, compressor: Any, payload: bytes) -> bytes:
        limit = self._max_decompressed
        within = getattr(compressor, "decompress_within", None)
        if within is not None and limit != sys.maxsize:
            data: bytes = within(payload, limit)
        else:
            data = compressor.decompress(payload)
        if len(data) > limit:  # of one that knows no limit
            raise ValueTooLarge(len(payload), limit, type(compressor).__name__)
        return data

    def _unreadable(self, stored: bytes, causes: list[Exception]) -> SerializerError:
        tried = ", ".join(type(one).__name__ for one in self.serializers)
        if not causes:
            return SerializerError(f"{_shown(stored)} cannot be read by {tried}")
        cause = causes[0]
        tells = type(cause) in TELLING
        reason = f"{type(cause).__name__}: {cause!s:.200}" if tells else type(cause).__name__
        error = SerializerError(f"{_shown(stored)} cannot be read by {tried}: {reason}")
        error.__cause__ = cause if tells else None
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


def discreet(error: SerializerError) -> SerializerError:
    """Return an error without the frames it came from, which show what was stored."""
    error.__traceback__ = error.__context__ = None
    if error.__cause__ is not None:
        error.__cause__.__traceback__ = error.__cause__.__context__ = None
    return error


def _shareable(error: Exception) -> Exception:
    """Return an error of one value among many without what was stored for it, or for others."""
    return discreet(error) if isinstance(error, SerializerError) else error


def _plain_protocol(writer: Serializer) -> int | None:
    """Return the protocol of pickles that cannot be taken for anything else, if it writes such."""
    if type(writer) is not PickleSerializer or 0 <= writer.protocol < 2:
        return None
    return writer.protocol


def _is_whole_number(stored: bytes) -> bool:
    return stored.isdigit() or (stored[:1] == b"-" and stored[1:].isdigit())


def _shown(stored: bytes) -> str:
    """Say enough to tell formats apart, and nothing of the value."""
    return f"{len(stored)} bytes that begin with {stored[:2].hex(' ') or 'nothing'}"
