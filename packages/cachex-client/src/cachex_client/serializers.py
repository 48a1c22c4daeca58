"""Values to bytes and back.

A serializer is anything with `dumps(value) -> bytes` and `loads(data) -> value`. Whole numbers
never reach one: `Codec` sends them as decimals. `loads` may raise anything on bytes that it cannot
read. One that says in `holds` what it can write has that added to the errors of its `dumps`.

A serializer that runs code found in the data says so with `executes = True`: `check --deploy` warns
of one whose values are not signed.
"""

import json
import pickle
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, Protocol

import attrs

from cachex_client.errors import ConfigurationError

PICKLE_PROTOCOL = 5  # the highest that every supported Python reads
PROTO = b"\x80"  # what a pickle of protocol 2 and later begins with
UINT8 = b"\xcc"  # how MessagePack announces a number in the next byte


class Serializer(Protocol):
    def dumps(self, value: Any, /) -> bytes: ...

    def loads(self, data: bytes, /) -> Any: ...


def need(module: str, *, by: str, extra: str) -> Any:
    """Import a module that comes with an extra of this distribution."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{by} needs the module {module}, which cannot be imported:"
            f' pip install "cachex-client[{extra}]"'
        ) from error


def _protocol(protocol: int | None) -> int:
    return PICKLE_PROTOCOL if protocol is None else protocol


@attrs.frozen
class PickleSerializer:
    """Python's own format: any object, read by Python only, and by nobody who may not run code.

    `protocol` is 5 if not given; -1 stands for the highest that this Python has.
    """

    executes: ClassVar[bool] = True

    protocol: int = attrs.field(default=None, converter=_protocol)

    @protocol.validator
    def _check(self, _: Any, protocol: int) -> None:
        if not -1 <= protocol <= pickle.HIGHEST_PROTOCOL:
            raise ConfigurationError(
                f"pickle protocol {protocol}: expected -1 to {pickle.HIGHEST_PROTOCOL}"
            )

    def dumps(self, value: Any, /) -> bytes:
        return pickle.dumps(value, self.protocol)

    def loads(self, data: bytes, /) -> Any:
        # Above 0x80 no pickle begins, but MessagePack does, and one such dict loads as a set.
        if data[:1] > PROTO:
            raise pickle.UnpicklingError("not a pickle")
        return pickle.loads(data)


@attrs.frozen
class JsonSerializer:
    """JSON: numbers, strings, lists and dicts with string keys, readable by everybody.

    `encoder` is a subclass of `json.JSONEncoder` for values that JSON does not know.
    """

    holds: ClassVar[str] = (
        "JSON holds None, bools, numbers, text, lists, and dicts with text as keys; for more, give"
        " it an encoder, or use pickle."
    )

    encoder: type[json.JSONEncoder] | None = None
    _encode: Callable[[Any], str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        encoder = (self.encoder or json.JSONEncoder)(separators=(",", ":"))
        object.__setattr__(self, "_encode", encoder.encode)

    def dumps(self, value: Any, /) -> bytes:
        return self._encode(value).encode()

    def loads(self, data: bytes, /) -> Any:
        return json.loads(data.decode())  # UTF-8 only: json would guess other encodings


@attrs.frozen
class MsgpackSerializer:
    """MessagePack: what JSON holds, and bytes; smaller and faster. Needs the extra `msgpack`."""

    holds: ClassVar[str] = (
        "MessagePack holds None, bools, numbers (whole ones of up to 64 bits), text, bytes, lists"
        " and dicts; for more, use pickle."
    )

    _pack: Callable[[Any], bytes] = attrs.field(init=False, eq=False, repr=False)
    _unpack: Callable[..., Any] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        msgpack = need("msgpack", by="MsgpackSerializer", extra="msgpack")
        object.__setattr__(self, "_pack", msgpack.packb)
        object.__setattr__(self, "_unpack", msgpack.unpackb)

    def dumps(self, value: Any, /) -> bytes:
        packed = self._pack(value)
        # A subclass of int with a value of 48 to 57 makes one byte that looks like a decimal.
        return UINT8 + packed if len(packed) == 1 and packed.isdigit() else packed

    def loads(self, data: bytes, /) -> Any:
        return self._unpack(data, strict_map_key=False)


@attrs.frozen
class OrjsonSerializer:
    """JSON by orjson: several times faster, and dates and UUIDs as well. Needs the extra `orjson`.

    `default` is called with values that orjson does not know, `option` are its OPT_ flags.
    """

    holds: ClassVar[str] = (
        "orjson holds None, bools, numbers (whole ones of up to 64 bits), text, dates, UUIDs,"
        " lists, and dicts with text as keys; for more, give it a default or an option, or use"
        " pickle."
    )

    default: Callable[[Any], Any] | None = None
    option: int | None = None
    _orjson: Any = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        orjson = need("orjson", by="OrjsonSerializer", extra="orjson")
        object.__setattr__(self, "_orjson", orjson)

    def dumps(self, value: Any, /) -> bytes:
        packed: bytes = self._orjson.dumps(value, self.default, self.option)
        return packed

    def loads(self, data: bytes, /) -> Any:
        return self._orjson.loads(data)
