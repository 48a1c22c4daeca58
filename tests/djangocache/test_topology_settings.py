"""CACHES entries for Sentinel and Cluster: what is read from them, and how mistakes are told."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.test import override_settings

from cachex_pool import Tls
from django_cachex import client, pool
from django_cachex.settings import CacheConfig, read_config
from djangocache.configs import SECRET, read, refused

SENTINELS = [("sentinel-1", 26379), ("sentinel-2", 26379)]
CLIENT = "django_cachex.client."
FACTORY = "django_cachex.pool."


def remapped(host: str, port: int) -> tuple[str, int]:
    return host, port + 1


def sentinel(location: Any = "redis://service_name/3", **options: Any) -> CacheConfig:
    given = {"CLIENT_CLASS": CLIENT + "SentinelClient", "SENTINELS": SENTINELS, **options}
    return read(location, given)


def sentinel_refused(location: Any = "redis://service_name/3", **options: Any) -> str:
    given = {"CLIENT_CLASS": CLIENT + "SentinelClient", "SENTINELS": SENTINELS, **options}
    return refused(location, {name: value for name, value in given.items() if value is not ...})


def cluster(location: Any = "redis://node-1:7000", **options: Any) -> CacheConfig:
    return read(location, {"CLIENT_CLASS": CLIENT + "ClusterClient", **options})


def cluster_refused(location: Any = "redis://node-1:7000", **options: Any) -> str:
    return refused(location, {"CLIENT_CLASS": CLIENT + "ClusterClient", **options})


# The pages as printed


def test_the_page_of_the_sentinel_client_works_as_printed() -> None:
    config = read(
        "redis://service_name/db",
        {
            "CLIENT_CLASS": "django_cachex.client.SentinelClient",
            "SENTINELS": [("sentinel-1", 26379), ("sentinel-2", 26379)],
        },
    ).client
    assert config.client_class is client.SentinelClient
    assert config.connection_factory is pool.SentinelConnectionFactory
    assert config.service is not None
    assert config.service.name == "service_name"
    assert [one.name for one in config.service.sentinels] == [
        "sentinel-1:26379/0",
        "sentinel-2:26379/0",
    ]
    assert not config.service.read_only
    assert config.servers[0].db == 0
    assert config.options.read_from == "primary"


def test_the_page_of_the_cluster_client_works_as_printed() -> None:
    config = read(
        "redis://127.0.0.1:7000",
        {
            "CLIENT_CLASS": "django_cachex.client.ClusterClient",
            "CONNECTION_FACTORY": "django_cachex.pool.ClusterConnectionFactory",
        },
    ).client
    assert config.client_class is client.ClusterClient
    assert config.connection_factory is pool.ClusterConnectionFactory
    assert [one.name for one in config.servers] == ["127.0.0.1:7000/0"]
    assert config.options.read_from == "primary"


# Client classes and factories


@pytest.mark.parametrize("topology", ["", "Sentinel", "Cluster"])
def test_the_class_says_what_the_factory_is_and_the_factory_what_the_class_is(
    topology: str,
) -> None:
    names = {
        "CLIENT_CLASS": CLIENT + (topology or "Default") + "Client",
        "CONNECTION_FACTORY": FACTORY + topology + "ConnectionFactory",
    }
    rest = {"SENTINELS": SENTINELS} if topology == "Sentinel" else {}
    both = read("redis://a/1", {**names, **rest}).client
    for name in names:
        assert read("redis://a/1", {name: names[name], **rest}).client == both


def test_a_default_client_may_work_on_what_sentinels_name() -> None:
    """As with django-redis, also where the factory is that of the whole project."""
    options = {"CLIENT_CLASS": CLIENT + "DefaultClient", "SENTINELS": SENTINELS}
    with override_settings(DJANGO_REDIS_CONNECTION_FACTORY=FACTORY + "SentinelConnectionFactory"):
        config = read(["redis://s/0?is_master=1", "redis://s/0?is_master=0"], options).client
        plain = read("redis://a/1", {"CONNECTION_FACTORY": FACTORY + "ConnectionFactory"}).client
    assert config.client_class is client.DefaultClient
    assert config.connection_factory is pool.SentinelConnectionFactory
    assert config.service is not None
    assert plain.service is None


@pytest.mark.parametrize(
    ("client_class", "factory"),
    [
        ("DefaultClient", "ClusterConnectionFactory"),
        ("SentinelClient", "ClusterConnectionFactory"),
        ("SentinelClient", "ConnectionFactory"),
        ("ClusterClient", "ConnectionFactory"),
        ("ClusterClient", "SentinelConnectionFactory"),
    ],
)
def test_a_factory_of_another_topology_is_refused(client_class: str, factory: str) -> None:
    text = refused(
        "redis://a/1",
        {"CLIENT_CLASS": CLIENT + client_class, "CONNECTION_FACTORY": FACTORY + factory},
    )
    assert "['CONNECTION_FACTORY']: belongs to CLIENT_CLASS django_cachex.client." in text
    assert text.endswith(f"not to {CLIENT}{client_class}")


def test_what_makes_no_connections_is_no_factory() -> None:
    text = refused(options={"CONNECTION_FACTORY": "builtins.dict"})
    assert "expected a factory such as django_cachex.pool.ConnectionFactory" in text


def test_a_client_class_of_ones_own_is_of_the_topology_of_its_base() -> None:
    class Mine(client.ClusterClient):
        pass

    assert read("redis://a", {"CLIENT_CLASS": Mine}).client.client_class is Mine


# Sentinel


def test_the_name_of_a_service_keeps_its_letters() -> None:
    for url in ("redis://MyMaster_1.a/2", "redis://u:p@MyMaster_1.a/2?socket_timeout=1"):
        config = sentinel(url).client
        assert config.service is not None
        assert config.service.name == "MyMaster_1.a"
        assert config.servers[0].db == 2


def test_the_url_says_how_to_enter_the_servers_and_the_kwargs_how_the_sentinels() -> None:
    config = sentinel(
        "rediss://user:pass@service/4",
        SSL_CERT_REQS="none",
        SENTINEL_KWARGS={"username": "watch", "password": SECRET, "socket_timeout": 0.7},
    ).client
    (server,) = config.servers
    assert (server.username, server.password, server.db) == ("user", "pass", 4)
    assert server.tls is not None
    assert server.tls.verify == "none"
    assert config.service is not None
    for one in config.service.sentinels:
        assert (one.username, one.password, one.db, one.tls) == ("watch", SECRET, 0, None)
    assert config.service.ask_within == 0.7
    assert SECRET not in repr(config)


def test_the_servers_password_is_not_told_to_the_sentinels() -> None:
    config = sentinel("redis://user:pass@service", PASSWORD=SECRET).client
    assert config.service is not None
    assert {one.password for one in config.service.sentinels} == {None}


def test_sentinels_may_speak_tls_of_their_own() -> None:
    kwargs = {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
    config = sentinel(SENTINEL_KWARGS=kwargs).client
    assert config.service is not None
    assert {one.tls.verify if one.tls else None for one in config.service.sentinels} == {"none"}
    assert config.servers[0].tls is None


@pytest.mark.parametrize(
    "given",
    [
        [("a", 1), ("b", 2)],
        (["a", "1"], ("b", 2)),
        ["a:1", "b:2"],
    ],
)
def test_sentinels_are_pairs_of_host_and_port(given: Any) -> None:
    service = sentinel(SENTINELS=given).client.service
    assert service is not None
    assert [(one.host, one.port) for one in service.sentinels] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [("a", ("a", 26379)), ("[::1]:5", ("::1", 5)), ("[::1]", ("::1", 26379))],
)
def test_a_sentinel_may_be_a_text(given: str, meant: tuple[str, int]) -> None:
    service = sentinel(SENTINELS=[given]).client.service
    assert service is not None
    assert [(one.host, one.port) for one in service.sentinels] == [meant]


@pytest.mark.parametrize(
    ("location", "read_only", "read_from"),
    [
        ("redis://s/0", False, "primary"),
        ("redis://s/0?is_master=1", False, "primary"),
        ("redis://s/0?is_master=true", False, "primary"),
        ("redis://s/0?is_master=0", True, "replica_preferred"),
        (["redis://s/0?is_master=0"], True, "replica_preferred"),
        (["redis://s/0?is_master=1", "redis://s/0?is_master=0"], False, "replica_preferred"),
        (["redis://s/0?is_master=0", "redis://s/0?is_master=1"], False, "replica_preferred"),
        (["redis://s/0", "redis://s/0?is_master=0"], False, "replica_preferred"),
        ("redis://s/0?is_master=1,redis://s/0?is_master=0", False, "replica_preferred"),
        ("redis://s/0;redis://s/0?is_master=False", False, "replica_preferred"),
    ],
)
def test_urls_with_is_master(location: Any, read_only: bool, read_from: str) -> None:
    config = sentinel(location).client
    assert config.service is not None
    assert (config.service.read_only, config.options.read_from) == (read_only, read_from)
    assert len(config.servers) == 1
    assert sentinel(location, READ_FROM="nearest").client.options.read_from == "nearest"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("", "expected a URL"),
        ("redis:///0", "['LOCATION']: expected the name of the service"),
        ("redis://service:6379/0", "without a port: the Sentinels know it"),
        ("redis://service/one", "db of a server URL is a number"),
        ("redis://service/dbs", "db of a server URL is a number"),
        ("unix:///tmp/socket", "not a socket"),
        ("redis://s/0?is_master=2", "?is_master= of the URL: expected 1 or 0; got '2'"),
        (["redis://s/0", "redis://s/0"], "['LOCATION'][1]: expected ?is_master=0"),
        (["redis://s/0", "redis://S/0?is_master=0"], "names another service"),
        (["redis://s/0", "redis://s/1?is_master=0"], "['LOCATION'][1]: has another db"),
        (["redis://s/0", "rediss://s/0?is_master=0"], "has another tls"),
        (["redis://s/0", f"redis://:{SECRET}@s/0?is_master=0"], "has another password"),
        ("redis://s/0?sentinels=a:1", "?sentinels= of the URL: expected in OPTIONS only"),
        ("redis://s/0?address_remap=a.b", "?address_remap= of the URL: expected"),
    ],
)
def test_a_wrong_location_of_a_service_is_reported(location: Any, told: str) -> None:
    assert told in sentinel_refused(location)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"SENTINELS": ...}, "['OPTIONS']: there are no SENTINELS; expected [('sentinel-1', 2"),
        ({"SENTINELS": []}, "['SENTINELS']: expected a list of (host, port); got a list"),
        ({"SENTINELS": "sentinel-1:26379"}, "expected a list of (host, port)"),
        ({"SENTINELS": [("a",)]}, "each is a pair of host and port"),
        ({"SENTINELS": [("a", "b")]}, "each is a pair of host and port"),
        ({"SENTINELS": [("a", 70000)]}, "each is a pair of host and port"),
        ({"SENTINELS": [("", 1)]}, "each is a pair of host and port"),
        ({"SENTINELS": ["redis://a:26379"]}, "each is a pair of host and port"),
        ({"SENTINEL": [("a", 1)]}, "did you mean 'SENTINELS'?"),
        ({"SENTINEL_KWARGS": [SECRET]}, "['SENTINEL_KWARGS']: expected a dict of options"),
        (
            {"SENTINEL_KWARGS": {"pasword": SECRET}},
            "['SENTINEL_KWARGS']['pasword']: there is no such option; did you mean 'PASSWORD'?",
        ),
        ({"SENTINEL_KWARGS": {"socket_timeout": "x"}}, "['socket_timeout']: expected a number"),
        ({"SENTINEL_KWARGS": {"db": 1}}, "['db']: does not concern Sentinels"),
        ({"SENTINEL_KWARGS": {"max_connections": 1}}, "does not concern Sentinels"),
        ({"SENTINEL_KWARGS": {"ssl_ca_certs": "/ca.pem"}}, "SSL_CA_CERTS needs SSL=True"),
        (
            {"SENTINEL_KWARGS": {"ssl": True, "ssl_ca_certs": "/no/such/file"}},
            "/no/such/file",
        ),
        ({"ADDRESS_REMAP": 5}, "['ADDRESS_REMAP']: expected a function"),
        ({"ADDRESS_REMAP": "no.such.function"}, "cannot be imported"),
        ({"IS_MASTER": 0}, "it belongs into a URL"),
        ({"SERVICE_NAME": "s"}, "it is the host of LOCATION"),
        ({"MIN_OTHER_SENTINELS": 1}, "whom most Sentinels name is the primary"),
        ({"CONNECTION_POOL_CLASS": "my.Pool"}, "MAX_CONNECTIONS"),
    ],
)
def test_a_wrong_option_of_a_service_is_reported(options: Any, told: str) -> None:
    assert told in sentinel_refused(**options)


def test_options_of_django_redis_for_sentinel_are_understood() -> None:
    sentinel(SENTINEL_KWARGS={}, CONNECTION_POOL_CLASS="redis.sentinel.SentinelConnectionPool")


# Cluster


@pytest.mark.parametrize(
    "location",
    [
        "redis://a:1,redis://b:2",
        "redis://a:1; redis://b:2",
        ["redis://a:1", "redis://b:2"],
    ],
)
def test_a_cluster_may_have_several_seeds(location: Any) -> None:
    config = cluster(location).client
    assert [one.name for one in config.servers] == ["a:1/0", "b:2/0"]
    assert config.options.read_from == "primary"


def test_what_the_url_says_holds_for_all_nodes_of_a_cluster() -> None:
    (node,) = cluster("rediss://user:pass@a:1/3", ssl_cert_reqs="none").client.servers
    assert (node.username, node.password, node.db) == ("user", "pass", 3)
    assert node.tls is not None


def test_a_cluster_has_the_same_options_as_others() -> None:
    config = cluster(READ_FROM="any", MAX_CONNECTIONS=7, REPLICA_READ_ONLY=True).client
    assert config.options.read_from == "any"
    assert config.options.pool.max_size == 7
    for given in (remapped, "djangocache.test_topology_settings.remapped"):
        found = cluster(ADDRESS_REMAP=given).client.address_remap
        assert found("a", 1) == ("a", 2)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("", "expected a URL"),
        ("unix:///tmp/socket", "not a socket"),
        (["redis://a:1", "redis://b:2/1"], "['LOCATION'][1]: has another db"),
        (["redis://a:1", "rediss://b:2"], "['LOCATION'][1]: has another tls"),
        (["redis://a:1", f"redis://:{SECRET}@b:2"], "['LOCATION'][1]: has another password"),
        ("redis://a:1?is_master=1", "it belongs into a URL of Sentinel's"),
    ],
)
def test_a_wrong_location_of_a_cluster_is_reported(location: Any, told: str) -> None:
    assert told in cluster_refused(location)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"SENTINELS": SENTINELS},
            "['SENTINELS']: belongs to CLIENT_CLASS django_cachex.client.SentinelClient; here",
        ),
        ({"SENTINEL_KWARGS": {}}, "belongs to CLIENT_CLASS"),
        ({"STARTUP_NODES": []}, "LOCATION names the nodes"),
        ({"read_from_replicas": True}, "READ_FROM='replica_preferred'"),
        ({"load_balancing_strategy": 1}, "READ_FROM says"),
        ({"require_full_coverage": True}, "can always be used"),
        ({"cluster_error_retry_attempts": 3}, "RETRY"),
        ({"REINITIALIZE_STEPS": 5}, "looked at again"),
    ],
)
def test_what_a_cluster_has_no_use_for_is_refused(options: Any, told: str) -> None:
    assert told in cluster_refused(**options)


def test_servers_that_are_given_need_no_sentinels_and_no_other_addresses() -> None:
    text = refused(options={"SENTINELS": SENTINELS})
    assert "belongs to CLIENT_CLASS django_cachex.client.SentinelClient; here" in text
    assert text.endswith("the servers of LOCATION are connected to as they are")
    text = refused(options={"ADDRESS_REMAP": remapped})
    assert "SentinelClient or django_cachex.client.ClusterClient; here" in text


# What is shared


def test_the_whole_configuration_tells_clients_apart() -> None:
    one = sentinel().client
    assert hash(one) == hash(sentinel().client)
    assert one == sentinel().client
    assert one != sentinel(SENTINELS=SENTINELS[:1]).client
    assert one != sentinel("redis://service_name/3?is_master=0").client
    assert one != sentinel("redis://Service_name/3").client
    assert one != sentinel(SENTINEL_KWARGS={"password": SECRET}).client
    assert one != sentinel(ADDRESS_REMAP=remapped).client
    assert cluster().client != cluster(ADDRESS_REMAP=remapped).client
    assert cluster().client != read("redis://node-1:7000").client


@pytest.mark.parametrize("config", [sentinel(), cluster()], ids=["sentinel", "cluster"])
def test_threads_and_tasks_share_one_map(config: CacheConfig) -> None:
    made: Any = config.client.client_class(config.client)
    assert made.executor.map is made.async_executor.map
    assert made.view().nodes == ()  # nobody was asked yet
    assert SECRET not in repr(made)


def test_what_the_page_shows_is_accepted() -> None:
    page = (Path(__file__).parents[2] / "docs/django.md").read_text()
    shown = re.findall(r"^```\w*\n(CACHES = {.*?^})", page, re.MULTILINE | re.DOTALL)
    classes = []
    for block in shown:
        for entry in ast.literal_eval(block.removeprefix("CACHES = ")).values():
            rest = {name: value for name, value in entry.items() if name not in ("LOCATION",)}
            with mock.patch.object(Tls, "ssl_context"):
                classes.append(read_config("shown", entry["LOCATION"], rest).client.client_class)
    assert classes == [
        client.DefaultClient,
        client.DefaultClient,
        client.SentinelClient,
        client.ClusterClient,
    ]
