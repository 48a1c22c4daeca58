"""Serializers and compressors by name, by dotted path, by class or as they are."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from traceback import walk_tb
from typing import Any, TypeAlias

from cachex_client import compressors, serializers
from cachex_client.compressors import Compressor
from cachex_client.errors import ConfigurationError
from cachex_client.serializers import Serializer
from cachex_pool.checks import quoted, said

Named: TypeAlias = Any
"""A short name, a dotted path to a class, function or instance, one of these, or an instance."""

SERIALIZERS: Mapping[str, type] = {
    "pickle": serializers.PickleSerializer,
    "json": serializers.JsonSerializer,
    "msgpack": serializers.MsgpackSerializer,
    "orjson": serializers.OrjsonSerializer,
}
COMPRESSORS: Mapping[str, type] = {
    "none": compressors.NoCompressor,
    "zlib": compressors.ZlibCompressor,
    "gzip": compressors.GzipCompressor,
    "bz2": compressors.Bz2Compressor,
    "lzma": compressors.LzmaCompressor,
    "lz4": compressors.Lz4Compressor,
    "zstd": compressors.ZstdCompressor,
}


def resolve_serializers(named: Named | Sequence[Named]) -> tuple[Serializer, ...]:
    """Return the serializers of a chain, given as one or as a list; at least one.

    `ConfigurationError` if one cannot be found, made or used.
    """
    chain = tuple(
        _resolve(one, SERIALIZERS, "serializer", ("dumps", "loads")) for one in _listed(named)
    )
    if not chain:
        raise ConfigurationError("no serializer is given: at least one is needed")
    return chain


def resolve_compressors(named: Named | Sequence[Named]) -> tuple[Compressor, ...]:
    """Return the compressors of a chain, given as one or as a list; None and [] are none.

    `ConfigurationError` if one cannot be found, made or used.
    """
    return tuple(
        _resolve(one, COMPRESSORS, "compressor", ("compress", "decompress"))
        for one in _listed(named)
    )


def _listed(named: Named | Sequence[Named]) -> Sequence[Named]:
    if named is None:
        return ()
    return named if isinstance(named, list | tuple) else (named,)


def _resolve(named: Named, known: Mapping[str, type], kind: str, methods: Sequence[str]) -> Any:
    found = named
    if isinstance(named, str):
        found = known[named] if named in known else _imported(named, known, kind)
    if callable(found) and not all(hasattr(found, method) for method in methods):
        found = _made(found, named, kind)  # a function that makes one
    elif isinstance(found, type):
        found = _made(found, named, kind)
    missing = [method for method in methods if not callable(getattr(found, method, None))]
    if missing:
        raise ConfigurationError(f"{kind} {quoted(named)} has no method {' and no '.join(missing)}")
    return found


def _made(factory: Any, named: Named, kind: str) -> Any:
    try:
        return factory()
    except TypeError as error:
        raise ConfigurationError(
            f"{kind} {quoted(named)} cannot be made without arguments ({said(error)}):"
            " give an instance"
        ) from error
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{kind} {quoted(named)} cannot be made: it raised {raised(error)}"
        ) from error


def raised(error: Exception) -> str:
    """Name the type of an error and the line it is from: its text may hold a secret."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in {error.filename}, line {error.lineno}"
    *_, (frame, line) = walk_tb(error.__traceback__)
    return f"{type(error).__name__} in {frame.f_code.co_filename}, line {line}"


def _imported(path: str, known: Mapping[str, type], kind: str) -> Any:
    module, _, name = path.rpartition(".")
    if not module:
        close = get_close_matches(path, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(
            f"{kind} {quoted(path)}: expected {', '.join(known)} or a dotted path{hint}"
        )
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{kind} {quoted(path)} cannot be imported: {said(error)}"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"{kind} {quoted(path)} cannot be imported: it raised {raised(error)}"
        ) from error
