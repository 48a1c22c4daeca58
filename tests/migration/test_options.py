"""Whatever stands in the settings of another backend is understood, or refused in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
import redis.retry
from django.test import override_settings
from redis.backoff import ExponentialBackoff

import peer_tables
from cachex_client.config import peers as known
from cachex_client.config.foreign import REFUSED
from cachex_client.config.options import BY_NAME
from cachex_client.config.peers import CLASSES, EVERY
from djangocache.configs import read, refused
from migration import peers

VALUES: dict[str, Any] = {
    "CLIENT_CLASS": "django_redis.client.DefaultClient",
    "CONNECTION_FACTORY": "django_redis.pool.ConnectionFactory",
    "CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool",
    "CONNECTION_POOL_KWARGS": {"max_connections": 7},
    "REDIS_CLIENT_CLASS": "redis.client.StrictRedis",
    "PARSER_CLASS": "redis.connection.PythonParser",
    "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
    "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
    "PICKLE_VERSION": -1,
    "SENTINELS": [("sentinel", 26379)],
    "SENTINEL_KWARGS": {"password": "secret", "socket_timeout": 0.1},
    "CREDENTIAL_PROVIDER": lambda: ("user", "password"),
    "RETRY": redis.retry.Retry(ExponentialBackoff(), 3),  # type: ignore[no-untyped-call]
    "SSL_MIN_VERSION": None,
    "SSL_CERT_REQS": "none",
    "SSL_CHECK_HOSTNAME": False,
    "SSL_CONTEXT": None,
    "REPLICA_READ_ONLY": True,
    "CLOSE_CONNECTION": False,
    "DECODE_RESPONSES": False,
    "RETRY_ON_TIMEOUT": True,
    "PROTOCOL": 2,
}
OF_SENTINEL = ("SENTINELS", "SENTINEL_KWARGS")
NUMBERS = ("DB", "TIMEOUT", "SOCKET_CONNECT_TIMEOUT", "MAX_CONNECTIONS", "HEALTH_CHECK_INTERVAL")
FLAGS = ("SSL", "SOCKET_KEEPALIVE", "IGNORE_EXCEPTIONS", "LOG_IGNORED_EXCEPTIONS")


def entry_with(name: str) -> tuple[str, dict[str, Any]]:
    """Return LOCATION and OPTIONS of an entry in which an option makes sense."""
    option = BY_NAME[name.upper()].name
    value = VALUES.get(option, 3 if option in NUMBERS else option in FLAGS or None)
    options = {name: value}
    if option in OF_SENTINEL:
        options["CLIENT_CLASS"] = "django_redis.client.SentinelClient"
        options.setdefault("SENTINELS", VALUES["SENTINELS"])
        return "redis://service/0", options
    tls = option.startswith("SSL")
    return "rediss://a/1" if tls else "redis://a", options


@pytest.mark.parametrize("package", peers.PEERS)
def test_every_option_of_a_peer_is_in_our_table(package: str) -> None:
    listed = peer_tables.OPTIONS[package.replace("_", "-")]
    assert len(peers.options(package)) > 15  # the sources are being read
    assert set(listed) == peers.options(package)


def test_every_option_of_djangos_backend_is_in_our_table() -> None:
    listed = peer_tables.OPTIONS["Django's own, and redis-py's"]
    found = peers.of_django_and_redis_py()
    assert {"db", "serializer", "ssl_ca_certs", "retry"} <= found
    # What is listed and not found belongs to other versions of redis-py.
    assert found <= set(listed), found - set(listed)


@pytest.mark.parametrize("package", peers.PEERS)
def test_every_setting_of_a_peer_is_in_our_table(package: str) -> None:
    found = peers.settings(package)
    assert len(found) > 5
    assert found <= set(peer_tables.SETTINGS), found - set(peer_tables.SETTINGS)


@pytest.mark.parametrize("package", peers.PEERS)
def test_every_class_of_a_peer_is_in_our_table(package: str) -> None:
    found = peers.classes(package)
    assert len(found) > 10
    assert found <= set(EVERY), found - set(EVERY)


@pytest.mark.parametrize("package", [*peers.PEERS, "django.core.cache"])
def test_what_a_peer_reads_beside_options_is_understood(package: str) -> None:
    values = {"OPTIONS": {}, "KEY_FUNCTION": None, "REVERSE_KEY_FUNCTION": None, "KEY_PREFIX": "x"}
    found = peers.beside_options(package)
    assert "OPTIONS" in found
    for name in found:
        read(**{name: values.get(name, 5)})
    assert read(timeout=7).timeout == 7
    assert "contradicts" in refused(timeout=7, TIMEOUT=8)


ALL = sorted({name for names in peer_tables.OPTIONS.values() for name in names})


@pytest.mark.parametrize("name", [name for name in ALL if name.upper() not in REFUSED])
@pytest.mark.parametrize("letters", [str.upper, str.lower])
def test_an_option_of_a_peer_is_taken_as_it_is(name: str, letters: Callable[[str], str]) -> None:
    location, options = entry_with(letters(name))
    read(location, options)


@pytest.mark.parametrize("name", [name for name in ALL if name.upper() in REFUSED])
@pytest.mark.parametrize("letters", [str.upper, str.lower])
def test_an_option_that_means_nothing_here_says_what_to_write(
    name: str, letters: Callable[[str], str]
) -> None:
    assert REFUSED[name.upper()] in refused(options={letters(name): "anything"})
    assert REFUSED[name.upper()] in refused(
        options={"CONNECTION_POOL_KWARGS": {letters(name): "anything"}}
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"CLOSE_CONNECTION": True}, "set MAX_IDLE"),
        ({"REPLICA_READ_ONLY": False}, "write only the servers that may be written to"),
        ({"DECODE_RESPONSES": True}, "a SERIALIZER turns"),
        ({"RETRY_ON_TIMEOUT": False}, "RETRY=False"),
        ({"CONNECTION_POOL_CLASS": "my.Pool"}, "use MAX_CONNECTIONS"),
        ({"PARSER_CLASS": "my.Parser"}, "PROTOCOL=2 or 3"),
        ({"REDIS_CLIENT_CLASS": "fakeredis.FakeRedis"}, "get_redis_connection()"),
        ({"RETRY": redis.retry.Retry(ExponentialBackoff(), -1)}, "TIMEOUT says when"),  # type: ignore[no-untyped-call]
    ],
)
def test_a_value_that_means_nothing_here_says_what_to_write(
    options: dict[str, Any], words: str
) -> None:
    assert words in refused(options=options)


@pytest.mark.parametrize(
    "path",
    [
        "redis.connection.ConnectionPool",
        "redis.BlockingConnectionPool",
        "redis.sentinel.SentinelConnectionPool",
        "redis.asyncio.ConnectionPool",
        "valkey.connection.ConnectionPool",
        "valkey.asyncio.connection.BlockingConnectionPool",
    ],
)
def test_stock_pools_are_taken(path: str) -> None:
    read(options={"CONNECTION_POOL_CLASS": path})


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("REDIS_CLIENT_CLASS", "redis.Redis"),
        ("BASE_CLIENT_CLASS", "valkey.client.Valkey"),
        ("BASE_CLIENT_CLASS", "valkey.cluster.ValkeyCluster"),
        ("PARSER_CLASS", "redis.connection.HiredisParser"),
        ("PARSER_CLASS", "redis._parsers._RESP2Parser"),
        ("PARSER_CLS", "valkey._parsers.LibvalkeyParser"),
    ],
)
def test_stock_clients_and_parsers_are_taken(option: str, path: str) -> None:
    read(options={option: path})


def test_redis_pys_retry_says_how_often() -> None:
    options = {"retry": redis.retry.Retry(ExponentialBackoff(), 2)}  # type: ignore[no-untyped-call]
    assert read(options=options).client.options.retry.attempts == 3


# Paths


@pytest.mark.parametrize("path", CLASSES)
def test_a_class_of_a_peer_stands_for_ours(path: str) -> None:
    name = "CONNECTION_FACTORY" if "pool" in path else "CLIENT_CLASS"
    options: dict[str, Any] = {name: path}
    if "Sentinel" in path:
        options["SENTINELS"] = [("sentinel", 26379)]
    config = read("redis://a/0", options).client
    chosen = config.connection_factory if "pool" in path else config.client_class
    assert f"{chosen.__module__}.{chosen.__qualname__}" == CLASSES[path]


@pytest.mark.parametrize("path", {**known.SERIALIZERS, **known.COMPRESSORS})
def test_a_format_of_a_peer_stands_for_ours(path: str) -> None:
    name = "SERIALIZER" if path in known.SERIALIZERS else "COMPRESSOR"
    codec = read(options={name: path}).codec
    if name == "COMPRESSOR":
        (made,) = codec.compressors
        (same,) = read(options={name: EVERY[path]}).codec.compressors
        assert type(made) is type(same)
        assert getattr(made, "min_length", 0) in (16, 101, 257, sys.maxsize)
    else:
        (serializer,) = codec.serializers
        kind = path.rpartition(".")[2].lower().replace("redisserializer", "pickleserializer")
        kind = kind.replace("messagepack", "msgpack")
        assert type(serializer).__name__.lower() == kind


@pytest.mark.parametrize("path", known.REFUSED)
def test_a_class_that_has_no_counterpart_says_what_to_write(path: str) -> None:
    kinds = {"serializers": "SERIALIZER", "compressors": "COMPRESSOR"}
    name = kinds.get(path.split(".")[1], "CLIENT_CLASS")
    assert known.REFUSED[path] in refused(options={name: path})


def test_a_peer_need_not_be_installed() -> None:
    # Its modules would have been imported by now.
    read(options={"SERIALIZER": "django_redis.serializers.msgpack.MSGPackSerializer"})
    read(options={"COMPRESSOR": "django_valkey.compressors.zstd.ZStdCompressor"})
    assert not {"django_redis.serializers.msgpack", "django_valkey.compressors.zstd"} & {
        *sys.modules
    }


def test_a_path_that_no_peer_has_is_refused() -> None:
    assert "docs/migration" in refused(options={"COMPRESSOR": "django_redis.compressors.x.Y"})
    assert "docs/migration" in refused(options={"CLIENT_CLASS": "django_redis.client.Client"})


class PackedWithOptions:
    """A serializer as one writes it for django-redis."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def dumps(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value)
        return packed

    def loads(self, data: bytes) -> Any:
        return msgpack.unpackb(data)


@pytest.mark.parametrize("given", ["migration.test_options.PackedWithOptions", PackedWithOptions])
def test_a_serializer_written_for_django_redis_serves_here_too(given: Any) -> None:
    codec = read(options={"SERIALIZER": given}).codec
    assert codec.loads(codec.dumps({"a": [1.5]})) == {"a": [1.5]}


# Settings for all caches


@pytest.mark.parametrize("prefix", ["DJANGO_CACHEX_", "DJANGO_REDIS_", "DJANGO_VALKEY_"])
def test_settings_for_all_caches_are_heeded(prefix: str) -> None:
    settings = {
        f"{prefix}IGNORE_EXCEPTIONS": True,
        f"{prefix}LOG_IGNORED_EXCEPTIONS": True,
        f"{prefix}LOGGER": "mine",
        f"{prefix}SCAN_ITERSIZE": 77,
        f"{prefix}CLOSE_CONNECTION": False,
        f"{prefix}CONNECTION_FACTORY": "django_valkey.pool.ConnectionFactory",
    }
    assert {name.removeprefix(prefix) for name in settings} == set(peer_tables.FOR_ALL)
    with override_settings(**settings):
        config = read()
        assert read(options={"IGNORE_EXCEPTIONS": False}).ignore_exceptions is False
    assert (config.ignore_exceptions, config.log_ignored_exceptions) == (True, True)
    assert (config.logger, config.scan_itersize) == ("mine", 77)


@override_settings(CACHE_COMPRESS_LEVEL=2, CACHE_COMPRESS_MIN_LENGTH=20)
def test_django_valkeys_settings_hold_for_its_own_compressors() -> None:
    zlib = "django_valkey.compressors.zlib.ZlibCompressor"
    (compressor,) = read(options={"COMPRESSOR": zlib}).codec.compressors
    assert (compressor.level, compressor.min_length) == (2, 20)  # type: ignore[attr-defined]
    (compressor,) = read(options={"compressor": "zlib"}).codec.compressors
    assert (compressor.level, compressor.min_length) == (6, 256)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [*peer_tables.REFUSED_SETTINGS])
def test_settings_that_only_django_valkey_understands_are_refused(name: str) -> None:
    options = {"COMPRESSOR": "django_valkey.compressors.lzma.LzmaCompressor"}
    with override_settings(**{name: 1}):
        assert f"the setting {name} is django_valkey's" in refused(options=options)
        read(options={"COMPRESSOR": "lzma"})


# The page


def test_the_tables_of_options_are_those_of_the_code() -> None:
    page = peer_tables.PAGE.read_text()
    assert page == peer_tables.updated(page), "dev.py python tools/peer_tables.py"
