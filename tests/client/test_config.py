"""A cache from a site's configuration or from a URL; what options mean, tests/djangocache says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from cachex_client import (
    AsyncCache,
    AsyncClusterClient,
    AsyncDefaultClient,
    AsyncReadOnlyClient,
    AsyncSentinelClient,
    Cache,
    CacheIsReadOnly,
    ClusterClient,
    ConfigurationError,
    DefaultClient,
    ReadOnlyClient,
    SentinelClient,
)
from cachex_client.serializers import JsonSerializer
from support.servers import Cluster, Replicated, Sentinels, Standalone

SECRET = "s3cr3t-Pa55"
SENTINELS = [("sentinel-1", 26379)]
SITE = {
    "BACKEND": "django_cachex.cache.RedisCache",
    "LOCATION": "redis://cache-1:6379/1",
    "KEY_PREFIX": "shop",
    "VERSION": 2,
    "TIMEOUT": 60,
    "OPTIONS": {"SERIALIZER": "json", "max_connections": 7, "IGNORE_EXCEPTIONS": True},
}


def with_options(**options: Any) -> dict[str, Any]:
    return {**SITE, "OPTIONS": options}


def refused(entry: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Cache.from_config(entry)
    with pytest.raises(ConfigurationError) as again:
        AsyncCache.from_config(entry)
    assert str(again.value) == str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", [Cache, AsyncCache])
def test_the_entry_of_a_site_says_all(kind: type[Cache] | type[AsyncCache]) -> None:
    cache = kind.from_config(SITE)
    assert type(cache) is kind
    assert cache.keyspace.full("tea") == "shop:2:tea"
    assert cache.timeout == 60
    assert cache.codec.dumps([1]) == JsonSerializer().dumps([1])
    assert isinstance(cache.client, DefaultClient | AsyncDefaultClient)
    assert [one.name for one in cache.client.endpoints] == ["cache-1:6379/1"]
    assert cache.client.options.pool.max_size == 7


def test_a_cache_has_the_name_it_is_given() -> None:
    assert Cache.from_config(SITE).name == ""
    assert Cache.from_config(SITE, name="shop").name == "shop"
    assert AsyncCache.from_url("redis://a", name="shop").name == "shop"


def test_an_entry_of_next_to_nothing_is_djangos_default() -> None:
    cache = Cache.from_config({"LOCATION": "redis://a"})
    assert cache.keyspace.full("tea") == ":1:tea"
    assert cache.timeout == 300


def test_a_url_says_the_same() -> None:
    cache = Cache.from_url("redis://a/1?max_connections=7", key_prefix="shop", timeout=None)
    assert cache.keyspace.full("tea") == "shop:1:tea"
    assert cache.timeout is None
    assert isinstance(cache.client, DefaultClient)
    assert cache.client.options.pool.max_size == 7
    with pytest.raises(ConfigurationError, match="did you mean 'KEY_PREFIX'"):
        Cache.from_url("redis://a", key_prefx="shop")


@pytest.mark.parametrize(
    ("entry", "kinds"),
    [
        (with_options(CLIENT_CLASS="django_cachex.client.DefaultClient"), "Default"),
        (with_options(CLIENT_CLASS=DefaultClient), "Default"),
        (with_options(CLIENT_CLASS="django_cachex.client.ClusterClient"), "Cluster"),
        (with_options(CONNECTION_FACTORY="django_cachex.pool.ClusterConnectionFactory"), "Cluster"),
        (with_options(CLIENT_CLASS="cachex_client.ClusterClient"), "Cluster"),
        (with_options(CLIENT_CLASS=ClusterClient), "Cluster"),
    ],
)
def test_client_class_says_which_topology_it_is(entry: dict[str, Any], kinds: str) -> None:
    sync: Any = {"Default": DefaultClient, "Cluster": ClusterClient}
    asynchronous: Any = {"Default": AsyncDefaultClient, "Cluster": AsyncClusterClient}
    entry["LOCATION"] = "redis://cache-1:6379"
    assert type(Cache.from_config(entry).client) is sync[kinds]
    assert type(AsyncCache.from_config(entry).client) is asynchronous[kinds]


@pytest.mark.parametrize(
    ("location", "sync", "asynchronous"),
    [
        ("redis://Shop/0", SentinelClient, AsyncSentinelClient),
        ("redis://Shop/0?is_master=0", ReadOnlyClient, AsyncReadOnlyClient),
    ],
)
def test_a_service_of_sentinels_is_known_by_its_name(
    location: str, sync: type, asynchronous: type
) -> None:
    for options in (
        {"CLIENT_CLASS": "django_cachex.client.SentinelClient"},
        {"CLIENT_CLASS": "cachex_client.SentinelClient"},
        {
            "CLIENT_CLASS": "django_cachex.client.DefaultClient",
            "CONNECTION_FACTORY": "django_cachex.pool.SentinelConnectionFactory",
        },
    ):
        entry = {"LOCATION": location, "OPTIONS": {**options, "SENTINELS": SENTINELS}}
        client: Any = Cache.from_config(entry).client
        assert type(client) is sync
        assert client.map.service == "Shop"
        assert type(AsyncCache.from_config(entry).client) is asynchronous


def test_an_entry_says_whose_keys_clear_removes() -> None:
    for entry, owns, others, known in [
        (SITE, False, (), False),
        (with_options(CLEAR="prefix"), False, (), False),
        (with_options(clear="Database"), True, (), False),
        (with_options(OTHER_PREFIXES=["a", "b"]), False, ("a", "b"), True),
        (with_options(OTHER_PREFIXES=[]), False, (), True),
    ]:
        keys = Cache.from_config(entry).keyspace
        assert (keys.owns_database, keys.others, keys.knows_others) == (owns, others, known)
    assert "expected 'prefix' or 'database'; got 'all'" in refused(with_options(CLEAR="all"))
    assert "expected a list of str" in refused(with_options(OTHER_PREFIXES=[1]))


def test_a_signing_key_of_the_site_has_to_be_told() -> None:
    entry = with_options(SIGNING_KEY=True)
    assert "['SIGNING_KEY']: expected a key, or what True stands for" in refused(entry)
    signed = Cache.from_config(entry, secret_keys=["new", "old"]).codec.dumps([1])
    other = Cache.from_config(with_options(SIGNING_KEY=["newer", "new"])).codec
    assert other.loads(signed) == [1]
    assert signed == Cache.from_config(with_options(SIGNING_KEY="new")).codec.dumps([1])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("redis://a", "config: expected a dict, as in Django's CACHES; got a str"),
        ({}, "config['LOCATION']: expected a URL such as"),
        ({**SITE, "LOCATION": f"http://:{SECRET}@a"}, "config['LOCATION']: "),
        ({**SITE, "location": "redis://a"}, "did you mean 'LOCATION'?"),
        (with_options(SOCKET_TIMEOT=1), "did you mean 'SOCKET_TIMEOUT'?"),
        (
            with_options(TIMEOUT="soon"),
            "config['OPTIONS']['TIMEOUT']: expected a number of seconds",
        ),
        (with_options(PASSWORD=[SECRET]), "['PASSWORD']: expected a str; got a list"),
        (
            with_options(SENTINELS=SENTINELS),
            "belongs to CLIENT_CLASS django_cachex.client.Sentinel",
        ),
        (
            with_options(CLIENT_CLASS="cachex_client.SentinelClient"),
            "without a port: the Sentinels",
        ),
        (with_options(CLIENT_CLASS="shop.Client"), "['CLIENT_CLASS']: expected one of django_cach"),
        (with_options(CLIENT_CLASS=3), "expected a class or the dotted path of one; got 3"),
        (
            with_options(
                CLIENT_CLASS="django_cachex.client.ClusterClient",
                CONNECTION_FACTORY="django_cachex.pool.ConnectionFactory",
            ),
            "belongs to CLIENT_CLASS django_cachex.client.DefaultClient, not to",
        ),
        (
            {**SITE, "BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "config['BACKEND']: django.core.cache.backends.locmem.LocMemCache has no server",
        ),
    ],
)
def test_what_cannot_work_is_refused(entry: Any, told: str) -> None:
    assert told in refused(entry)


def test_nothing_of_a_site_is_imported_for_it() -> None:
    entry = with_options(CLIENT_CLASS="django_cachex.client.ClusterClient")
    entry["LOCATION"] = "redis://cache-1:6379"
    program = f"""
import sys
sys.modules["django"] = sys.modules["django_cachex"] = None  # whoever imports them fails
from cachex_client import Cache
Cache.from_config({entry!r})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# On servers


def agree(entry: dict[str, Any], run: Any) -> None:
    """Check that one cache reads what another one, made from the same entry, has written."""
    first, second = Cache.from_config(entry), AsyncCache.from_config(entry)
    try:
        many = {f"key-{number}": [number] for number in range(20)}
        assert first.set_many(many) == []
        assert run(second.get_many([*many, "none"])) == many
        assert first.add("count", 1)
        assert run(second.incr("count", 2)) == 3
        assert first.get("count") == 3
    finally:
        first.client.close()


def test_one_server(standalone: Standalone, run: Any) -> None:
    agree({**SITE, "LOCATION": standalone.url}, run)
    assert standalone.command("EXISTS", "shop:2:count") == 1


def test_a_primary_and_its_replicas(replicated: Replicated, run: Any) -> None:
    agree({**SITE, "LOCATION": [one.url for one in replicated.servers]}, run)


def test_sentinels(sentinels: Sentinels, run: Any) -> None:
    options = {
        "CLIENT_CLASS": "django_cachex.client.SentinelClient",
        "SENTINELS": sentinels.addresses,
    }
    url = f"redis://{sentinels.name}/0"
    agree({**SITE, "LOCATION": url, "OPTIONS": options}, run)
    reader = Cache.from_config({**SITE, "LOCATION": f"{url}?is_master=0", "OPTIONS": options})
    try:
        with pytest.raises(CacheIsReadOnly, match=r"\?is_master=0"):
            reader.set("key", 1)
    finally:
        reader.client.close()


def test_a_cluster(cluster: Cluster, run: Any) -> None:
    options = {"CLIENT_CLASS": "django_cachex.client.ClusterClient"}
    agree({**SITE, "LOCATION": cluster.urls[0], "OPTIONS": options}, run)
