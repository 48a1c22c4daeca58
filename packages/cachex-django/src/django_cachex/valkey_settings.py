"""Settings for all caches by which django-valkey compresses."""

from collections.abc import Mapping
from typing import Any

import attrs
from django.conf import settings as django_settings

from cachex_client.config import readers
from cachex_client.config.given import Options, convert, refuse
from cachex_client.config.option import Option
from cachex_client.config.peers import COMPRESSORS

HEEDED: Mapping[str, str] = {
    "CACHE_COMPRESS_LEVEL": "level",
    "CACHE_COMPRESS_MIN_LENGTH": "min_length",
}
"""Settings, and the fields of a compressor that they are."""

REFUSED = (
    *(f"COMPRESS_BROTLI_{name}" for name in ("MODE", "LGWIN", "LGBLOCK")),
    *(
        f"COMPRESS_LZ4_{name}"
        for name in ("BLOCK_SIZE", "CONTENT_CHECKSUM", "BLOCK_LINKED", "STORE_SIZE")
    ),
    *(f"COMPRESS_LZMA_{name}" for name in ("FORMAT", "CHECK", "FILTERS")),
    *(f"DECOMPRESS_LZMA_{name}" for name in ("MEMLIMIT", "FORMAT", "FILTERS")),
    "COMPRESS_ZLIB_WBITS",
    *(f"{way}_ZSTD_{name}" for way in ("COMPRESS", "DECOMPRESS") for name in ("OPTIONS", "DICT")),
)
"""Settings that nothing here corresponds to."""

_COUNT = Option(name="", reader=readers.COUNT, doc="")


def compress_as_django_valkey_does(params: Mapping[str, Any], options: Options) -> None:
    """
    Heed its settings where COMPRESSOR is the path of one of its classes; only there.

    Refuses those that could have made values nobody else reads.
    """
    given = options.given.get("COMPRESSOR")
    if given is None or not _by_its_path(params):
        return
    changes = {}
    for name, field in HEEDED.items():
        value = getattr(django_settings, name, None)
        if value is not None:
            changes[field] = convert(_COUNT, value, name)
    for name in REFUSED:
        if getattr(django_settings, name, None) is not None:
            names = ", ".join(map(repr, sorted(set(COMPRESSORS.values()))))
            refuse(
                given.where,
                f"the setting {name} is django_valkey's: write one of {names} or a compressor"
                " of your own, which do without",
            )
    made = tuple(_with(one, changes) for one in given.value)
    options.overrule(attrs.evolve(given, value=made))


def _by_its_path(params: Mapping[str, Any]) -> bool:
    for name, value in params["OPTIONS"].items():
        if name.upper() == "COMPRESSOR":
            several = value if isinstance(value, list | tuple) else (value,)
            return any(str(one).startswith("django_valkey.") for one in several)
    return False


def _with(compressor: Any, changes: Mapping[str, Any]) -> Any:
    known = {field.name for field in attrs.fields(type(compressor))}
    return attrs.evolve(compressor, **{k: v for k, v in changes.items() if k in known})
