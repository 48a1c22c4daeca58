"""
Classes of other backends, by their dotted paths: what they are here, or what to write instead.

The other backends need not be installed.
"""

import pickle
from collections.abc import Iterator, Mapping

_DJANGO_JSON = "cachex_client.config.peers.django_json"
_PICKLE = "cachex_client.config.peers.default_pickle"


def _django_cachex(module: str, names: str) -> Iterator[str]:
    """Yield the paths of a class of django-cachex, by each of its names."""
    return (f"django_cachex.{module}.{name}" for name in names.split())


SERIALIZERS: Mapping[str, str] = {
    "django.core.cache.backends.redis.RedisSerializer": "pickle",
    **{
        f"{peer}.serializers.{path}": here
        for peer in ("django_redis", "django_valkey")
        for path, here in {
            "pickle.PickleSerializer": _PICKLE,
            "json.JSONSerializer": _DJANGO_JSON,
            "msgpack.MSGPackSerializer": "msgpack",
        }.items()
    },
    # Those of django-cachex as it is on PyPI, by the names that they have had.
    "django_cachex.serializers.pickle.PickleSerializer": _PICKLE,
    **dict.fromkeys(
        _django_cachex("serializers.json", "JSONSerializer JsonSerializer"), _DJANGO_JSON
    ),
    **dict.fromkeys(
        _django_cachex(
            "serializers.msgpack",
            "MSGPackSerializer MessagePackSerializer MsgPackSerializer MsgpackSerializer",
        ),
        "msgpack",
    ),
    "django_cachex.serializers.orjson.OrjsonSerializer": "orjson",
}
"""Serializers, each with the name or the path of ours that reads and writes the same."""

COMPRESSORS: Mapping[str, str] = {
    **{
        f"{peer}.compressors.{path}": here
        for peer in ("django_redis", "django_valkey")
        for path, here in {
            "identity.IdentityCompressor": "none",
            "zlib.ZlibCompressor": "zlib",
            "gzip.GzipCompressor": "gzip",
            "lzma.LzmaCompressor": "lzma",
            "lz4.Lz4Compressor": "lz4",
            "zstd.ZStdCompressor": "zstd",
        }.items()
    },
    "django_valkey.compressors.bz2.Bz2Compressor": "bz2",
    "django_cachex.compressors.zlib.ZlibCompressor": "zlib",
    "django_cachex.compressors.gzip.GzipCompressor": "gzip",
    "django_cachex.compressors.lzma.LzmaCompressor": "lzma",
    "django_cachex.compressors.lz4.Lz4Compressor": "lz4",
    **dict.fromkeys(_django_cachex("compressors.zstd", "ZStdCompressor ZstdCompressor"), "zstd"),
}
"""Compressors, each with the name of ours that reads and writes the same."""

_SHORTEST = 16
_LONGER = {
    "django_redis.compressors.lzma.LzmaCompressor": 101,
    **dict.fromkeys((path for path in COMPRESSORS if path.startswith("django_cachex.")), 257),
}


def compressed_from(path: str) -> int:
    """Return the bytes from which on another backend's compressor compresses, always."""
    return _LONGER.get(path, _SHORTEST)


def _paths(*folders: str, name: str, module: str) -> Iterator[str]:
    """Yield the paths by which a class is known: its own, and that of its package."""
    for folder in folders:
        yield f"{folder}.{name}"
        yield f"{folder}.{module}.{name}"


_CLIENTS = ("django_redis.client", "django_valkey.client")
_ASYNC_CLIENTS = ("django_valkey.async_cache.client",)
_CLUSTER_CLIENTS = ("django_valkey.cluster_cache.client",)
_POOLS = ("django_redis.pool", "django_valkey.pool")

CLASSES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *_paths(*_CLIENTS, name="DefaultClient", module="default"),
            *_paths(*_ASYNC_CLIENTS, name="AsyncDefaultClient", module="default"),
        ),
        "django_cachex.client.DefaultClient",
    ),
    **dict.fromkeys(
        (
            *_paths(*_CLIENTS, name="SentinelClient", module="sentinel"),
            *_paths(*_ASYNC_CLIENTS, name="AsyncSentinelClient", module="sentinel"),
        ),
        "django_cachex.client.SentinelClient",
    ),
    **dict.fromkeys(
        _paths(*_CLUSTER_CLIENTS, name="DefaultClusterClient", module="default"),
        "django_cachex.client.ClusterClient",
    ),
    **dict.fromkeys(
        (
            *(f"{pool}.ConnectionFactory" for pool in _POOLS),
            "django_valkey.async_cache.pool.AsyncConnectionFactory",
        ),
        "django_cachex.pool.ConnectionFactory",
    ),
    **dict.fromkeys(
        (
            *(f"{pool}.SentinelConnectionFactory" for pool in _POOLS),
            "django_valkey.async_cache.pool.AsyncSentinelConnectionFactory",
        ),
        "django_cachex.pool.SentinelConnectionFactory",
    ),
    "django_valkey.cluster_cache.pool.ClusterConnectionFactory": (
        "django_cachex.pool.ClusterConnectionFactory"
    ),
}
"""Client classes and connection factories, each with ours."""

_NO_HERD = (
    "write 'django_cachex.client.DefaultClient'; what many callers would compute at once,"
    " compute under cache.lock()"
)
_NO_SHARDS = (
    "write 'django_cachex.client.ClusterClient' with a cluster, or give every server an alias of"
    " its own"
)
_NO_FIELD_PREFIX = (
    "write 'django_cachex.client.DefaultClient', whose hashes have their fields' names as they are"
    " given: HashClient put prefix and version before those"
)

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *_paths(*_CLIENTS, name="HerdClient", module="herd"),
            *_paths(*_ASYNC_CLIENTS, name="AsyncHerdClient", module="herd"),
        ),
        _NO_HERD,
    ),
    **dict.fromkeys(_paths(*_CLIENTS, name="ShardClient", module="sharded"), _NO_SHARDS),
    **dict.fromkeys(
        (
            *_paths("django_valkey.client", name="HashClient", module="default"),
            *_paths(*_ASYNC_CLIENTS, name="AsyncHashClient", module="default"),
        ),
        _NO_FIELD_PREFIX,
    ),
    "django_valkey.serializers.msgspec.MsgSpecJsonSerializer": (
        "write 'orjson', which reads the same values and writes most of what msgspec does"
    ),
    "django_valkey.serializers.msgspec.MsgSpecMsgPackSerializer": (
        "write 'msgpack', which reads the same values and writes what MessagePack has words for"
    ),
    "django_cachex.serializers.ormsgpack.OrmsgpackSerializer": (
        "write 'msgpack', which reads the same values and writes what MessagePack has words for"
    ),
    "django_valkey.compressors.brotli.BrotliCompressor": (
        "write ['zstd', 'your.BrotliCompressor'], the latter a class of your own with compress()"
        " and decompress(), for as long as there are values that Brotli has compressed"
    ),
}
"""Classes that nothing here corresponds to, and what to write instead."""

_PEERS = (
    "django_redis.",
    "django_valkey.",
    "django.core.cache.backends.",
    "django_cachex.serializers.",
    "django_cachex.compressors.",
)

EVERY: Mapping[str, str] = {**SERIALIZERS, **COMPRESSORS, **CLASSES, **REFUSED}


def belongs_to_a_peer(path: str) -> bool:
    """Tell whether a dotted path leads into another backend."""
    return path.startswith(_PEERS)


def why_not(path: str) -> str:
    """Say what to write instead of the path of another backend's class."""
    return REFUSED.get(path, "it is another backend's; see docs/migration for what to write")


def django_json() -> object:
    """Make what django-redis' and django-valkey's JSONSerializer are: the same, byte for byte."""
    from cachex_client.config.readers import imported
    from cachex_client.serializers import JsonSerializer

    class WithDates(imported("django.core.serializers.json.DjangoJSONEncoder")):  # type: ignore[misc]
        def __init__(self, **_: object) -> None:
            super().__init__()  # with its blanks between items

    return JsonSerializer(encoder=WithDates)


def default_pickle() -> object:
    """Make what their PickleSerializer is: of the protocol that this Python has as its default."""
    from cachex_client.serializers import PickleSerializer

    return PickleSerializer(protocol=pickle.DEFAULT_PROTOCOL)
