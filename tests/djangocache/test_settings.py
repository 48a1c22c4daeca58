"""CACHES entries: what is read from them, and how mistakes are reported."""

from __future__ import annotations

import copy
import pickle
import ssl
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from cachex_client import Cache, ConfigurationError, RetryOptions
from cachex_client.compressors import ZlibCompressor
from cachex_client.config.foreign import REFUSED
from cachex_client.config.options import BY_NAME, describe, every_option
from cachex_client.serializers import JsonSerializer, PickleSerializer
from django_cachex.cache import RedisCache
from django_cachex.client import DefaultClient
from django_cachex.pool import ConnectionFactory
from django_cachex.registry import shared_by
from djangocache.configs import SECRET, URL, read, refused
from support.shown import shown_by

# Servers


def test_the_page_of_the_default_client_works_as_printed() -> None:
    config = read(
        ["redis://127.0.0.1:6379/1", "redis://127.0.0.1:6378/1"],
        {"CLIENT_CLASS": "django_cachex.client.DefaultClient"},
    )
    assert config.client.client_class is DefaultClient
    assert config.client.connection_factory is ConnectionFactory
    assert [server.name for server in config.client.servers] == [
        "127.0.0.1:6379/1",
        "127.0.0.1:6378/1",
    ]


@pytest.mark.parametrize(
    "location",
    [
        "redis://a:1/2,redis://b:2/2",
        "redis://a:1/2; redis://b:2/2;",
        ["redis://a:1/2", "redis://b:2/2"],
        ("redis://a:1/2", "redis://b:2/2"),
    ],
)
def test_a_location_is_a_text_a_list_or_a_tuple(location: Any) -> None:
    assert [server.name for server in read(location).client.servers] == ["a:1/2", "b:2/2"]


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_plain_schemes_have_no_tls(scheme: str) -> None:
    assert read(f"{scheme}://a").client.servers[0].tls is None


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_tls_schemes_have_tls(scheme: str) -> None:
    assert read(f"{scheme}://a").client.servers[0].tls is not None


def test_options_fill_in_what_the_url_leaves_out() -> None:
    options = {"USERNAME": "u", "PASSWORD": SECRET, "db": 3}
    one, two, three = read(
        ["redis://a", "redis://x:y@b/0", "redis://c?db=9"], options
    ).client.servers
    assert (one.username, one.password, one.db) == ("u", SECRET, 3)
    assert (two.username, two.password, two.db) == ("x", "y", 0)
    assert (three.username, three.password, three.db) == ("u", SECRET, 9)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("", "['LOCATION']: expected a URL such as 'redis://127.0.0.1:6379/1', or a list of them"),
        (None, "got nothing"),
        ([], "got nothing"),
        ({"host": SECRET}, "got a dict"),
        ([URL, 6379], "['LOCATION'][1]: expected a URL, got a int"),
        ("127.0.0.1:6379", "redis://"),
        (f"http://u:{SECRET}@h/", "redis://"),
        ("redis://h:six/1", "['LOCATION']"),
        (f"redis://u:{SECRET}#x@h:6379/1", "['LOCATION']"),
        (f"redis://u:{SECRET}/x@h:6379/1", "['LOCATION']"),
        (f"redis://u:12/{SECRET}@h:6379/1", "['LOCATION']"),
        (f"redis://u:{SECRET},x@h:6379/1", "['LOCATION'][0]"),
        ("redis://h/one", "['LOCATION']"),
        ("redis://h:70000", "['LOCATION']"),
        ("unix://", "socket"),
        ("redis://h/-1", "['LOCATION']"),
    ],
)
def test_a_wrong_location_is_reported(location: Any, told: str) -> None:
    assert told in refused(location)


def test_options_in_the_url_count_for_the_client() -> None:
    config = read("redis://a/1?socket_timeout=2.5&MAX_CONNECTIONS=7")
    assert config.client.options.timeout == 2.5
    assert config.client.options.pool.max_size == 7


def test_urls_may_not_contradict_each_other() -> None:
    text = refused(["redis://a?socket_timeout=1", "redis://b?socket_timeout=2"])
    assert "['LOCATION'][1], ?socket_timeout= of the URL: contradicts" in text


def test_is_master_belongs_to_sentinel() -> None:
    text = refused(["redis://a/1?is_master=1", "redis://b/1?is_master=0"])
    assert "Sentinel" in text
    assert "first server is the primary" in text


# Options


def test_names_are_taken_in_capitals_and_in_small_letters() -> None:
    assert read(options={"MAX_CONNECTIONS": 3}) == read(options={"max_connections": 3})
    assert "there is no such option; did you mean 'MAX_CONNECTIONS'?" in refused(
        options={"Max_Connections": 3}
    )


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    assert refused(options={"SOCKET_TIMEOT": 1}) == (
        "CACHES['default']['OPTIONS']['SOCKET_TIMEOT']: there is no such option;"
        " did you mean 'SOCKET_TIMEOUT'?"
    )
    assert "did you mean 'CONNECTION_POOL_KWARGS'?" in refused(
        options={"CONNECTION_POOL_CLASS_KWARGS": {}}
    )
    assert refused(options={"xyzzy": 1}).endswith("there is no such option")
    assert "is a str, not a int" in refused(options={1: 1})


def test_an_unknown_setting_beside_options_is_refused() -> None:
    assert "there is no setting 'TIMOUT'; did you mean 'TIMEOUT'?" in refused(TIMOUT=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"SOCKET_TIMEOUT": "fast"},
            "expected a number of seconds above 0, or None for the default",
        ),
        ({"SOCKET_TIMEOUT": 0}, "got 0"),
        ({"SOCKET_TIMEOUT": True}, "got True"),
        ({"TIMEOUT": float("inf")}, "got inf"),
        ({"TIMEOUT": float("nan")}, "got nan"),
        ({"MAX_CONNECTIONS": 1.5}, "expected a whole number above 0; got 1.5"),
        ({"MAX_CONNECTIONS": None}, "expected a whole number above 0; got a NoneType"),
        ({"DB": -1}, "expected a whole number, 0 or above; got -1"),
        ({"PASSWORD": 12345678}, "['PASSWORD']: expected a str; got a int"),
        ({"PASSWORD": [SECRET]}, "expected a str; got a list"),
        ({"USERNAME": b"u"}, "expected a str; got a bytes"),
        ({"IGNORE_EXCEPTIONS": "maybe"}, "expected True or False; got 'maybe'"),
        ({"PROTOCOL": 4}, "expected 2 or 3; got 4"),
        ({"READ_FROM": "slave"}, "expected one of primary, primary_preferred, replica"),
        ({"SERIALIZER": "no.such.thing"}, "'no.such.thing' cannot be imported"),
        ({"SERIALIZER": "json.dumps"}, "expected a serializer"),
        ({"SERIALIZER": int}, "has no method dumps"),
        ({"SERIALIZER": []}, "at least one is needed"),
        ({"COMPRESSOR": "zlib.compress"}, "expected a compressor"),
        ({"PICKLE_VERSION": 9}, "expected a pickle protocol"),
        ({"CLIENT_CLASS": "no.such.Client"}, "cannot be imported"),
        ({"CLIENT_CLASS": "os.path.join"}, "expected a class"),
        ({"CLIENT_CLASS": "builtins.dict"}, "such as django_cachex.client.DefaultClient"),
        ({"CREDENTIAL_PROVIDER": SECRET}, "or the dotted path of one; got a str"),
        ({"CREDENTIAL_PROVIDER": 5}, "got a int"),
        ({"SIGNING_KEY": 5}, "got a int"),
        ({"CONNECTION_POOL_KWARGS": [("max_connections", 5)]}, "expected a dict of options"),
        ({"CONNECTION_POOL_KWARGS": {"max_conections": 5}}, "['CONNECTION_POOL_KWARGS']"),
        ({"MIN_CONNECTIONS": 9, "MAX_CONNECTIONS": 3}, "min_size 9 is above max_size 3"),
        ({"RETRY": {"tries": 3}}, "'tries' is not one of attempts"),
        ({"RETRY": {"attempts": 0}}, "['RETRY']"),
        ({"BREAKER": {"failures": "many"}}, "['BREAKER']"),
        ("max_connections=3", "['OPTIONS']: expected a dict, got a str"),
    ],
)
def test_a_wrong_value_is_reported_with_place_and_expectation(options: Any, told: str) -> None:
    assert told in refused(options=options)


@pytest.mark.parametrize(
    "options",
    [
        {"CLOSE_CONNECTION": True},
        {"REPLICA_READ_ONLY": False},
        {"DECODE_RESPONSES": True},
        {"retry_on_timeout": False},
        {"pool_class": "my.Pool"},
        {"PARSER_CLASS": "my.Parser"},
        {"REDIS_CLIENT_CLASS": "fakeredis.FakeRedis"},
        *({name: 1} for name in REFUSED),
    ],
)
def test_what_has_no_meaning_here_is_refused_with_what_to_write_instead(options: Any) -> None:
    (name,) = options
    assert name in refused(options=options)


@pytest.mark.parametrize(
    "options",
    [
        # Django's own backend
        {"db": "10", "pool_class": "redis.BlockingConnectionPool"},
        {"parser_class": "redis.connection.HiredisParser", "retry_on_timeout": True},
        {"serializer": "django.core.cache.backends.redis.RedisSerializer"},
        {"MAX_ENTRIES": 30, "CULL_FREQUENCY": 0},
        {"username": "u", "password": "p", "health_check_interval": 30},
        # django-redis
        {
            "CLIENT_CLASS": "django_cachex.client.DefaultClient",
            "CONNECTION_POOL_KWARGS": {"max_connections": 100, "retry_on_timeout": True},
            "CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool",
            "PARSER_CLASS": "redis.connection._HiredisParser",
            "REDIS_CLIENT_CLASS": "redis.Redis",
            "SOCKET_CONNECT_TIMEOUT": 5,
            "SOCKET_TIMEOUT": 5,
            "PICKLE_VERSION": -1,
            "IGNORE_EXCEPTIONS": True,
            "CLOSE_CONNECTION": False,
            "REPLICA_READ_ONLY": True,
        },
    ],
)
def test_options_of_other_backends_are_accepted_where_they_mean_something(options: Any) -> None:
    read(options=options)


def test_an_option_may_not_be_given_twice() -> None:
    text = refused(options={"SOCKET_TIMEOUT": 1, "timeout": 2})
    assert "['timeout']: contradicts CACHES['default']['OPTIONS']['SOCKET_TIMEOUT']" in text
    text = refused(options={"PASSWORD": SECRET, "password": SECRET + "!"})
    assert "contradicts" in text
    read(options={"SOCKET_TIMEOUT": 1, "CONNECTION_POOL_KWARGS": {"socket_timeout": 1}})


def test_values_arrive_where_they_belong() -> None:
    config = read(
        options={
            "SOCKET_TIMEOUT": 3,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "READ_FROM": "primary",
            "READ_YOUR_WRITES": 0,
            "RETRY": False,
            "BREAKER": {"failures": 9},
            "CONNECTION_POOL_KWARGS": {"max_connections": 9, "min_size": 2},
            "MAX_LIFETIME": 60,
            "SCAN_ITERSIZE": 10,
            "CLIENT_NAME": "web",
            "LOGGER": "mine",
        },
        TIMEOUT=None,
        KEY_PREFIX="p",
        VERSION=7,
    )
    options = config.client.options
    assert (options.timeout, options.pool.connect_timeout) == (3, 0.5)
    assert (options.read_from, options.read_your_writes) == ("primary", 0)
    assert options.retry == RetryOptions(attempts=1)
    assert options.pool.breaker.failures == 9
    assert (options.pool.max_size, options.pool.min_size) == (9, 2)
    assert options.pool.max_lifetime == 60
    assert config.client.servers[0].client_name == "web"
    assert (config.timeout, config.key_prefix, config.version) == (None, "p", 7)
    assert (config.scan_itersize, config.logger) == (10, "mine")


@pytest.mark.parametrize(
    ("given", "meant"), [(0.5, 0.5), ("60", 60), (None, None), (0, 0), (-1, -1)]
)
def test_a_lifetime_may_be_a_fraction_or_a_text(given: Any, meant: Any) -> None:
    assert read(TIMEOUT=given).timeout == meant


def test_a_lifetime_that_is_none_is_refused() -> None:
    assert "['TIMEOUT']: expected a number of seconds, or None for never" in refused(TIMEOUT="soon")


# Values


def test_serializers_and_compressors_are_paths_classes_or_objects() -> None:
    one = read(options={"SERIALIZER": "cachex_client.serializers.JsonSerializer"}).codec
    two = read(options={"serializer": JsonSerializer}).codec
    three = read(options={"SERIALIZER": [JsonSerializer(), "pickle"]}).codec
    assert one.dumps(["a"]) == two.dumps(["a"]) == three.dumps(["a"])
    assert three.loads(PickleSerializer().dumps({"a": 1})) == {"a": 1}
    packed = read(options={"COMPRESSOR": ["zlib"]}).codec
    assert packed.loads(packed.dumps("a" * 10_000)) == "a" * 10_000
    assert len(packed.dumps("a" * 10_000)) < 1_000
    assert read(options={"COMPRESSOR": ZlibCompressor}).codec.dumps("a" * 10_000)[:1] == b"\x78"


def test_a_pickle_version_is_that_of_what_is_stored() -> None:
    assert read(options={"PICKLE_VERSION": 2}).codec.dumps("a")[:2] == b"\x80\x02"
    assert "does not pickle" in refused(
        options={"PICKLE_VERSION": 2, "SERIALIZER": "cachex_client.serializers.JsonSerializer"}
    )


def test_signing_takes_djangos_secret_key() -> None:
    with override_settings(SECRET_KEY="old", SECRET_KEY_FALLBACKS=[]):
        stored = read(options={"SIGNING_KEY": True}).codec.dumps("a")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert read(options={"SIGNING_KEY": True}).codec.loads(stored) == "a"


# TLS


def test_tls_options_make_one_tls_value() -> None:
    one, two = read(
        ["rediss://a", "valkeys://b"],
        {
            "ssl_cert_reqs": "none",
            "SSL_CHECK_HOSTNAME": False,
            "ssl_min_version": ssl.TLSVersion.TLSv1_3,
        },
    ).client.servers
    assert one.tls is two.tls
    assert one.tls is not None
    assert (one.tls.verify, one.tls.check_hostname) == ("none", False)
    assert one.tls.min_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("given", "meant"), [(ssl.CERT_NONE, "none"), (None, "none"), ("required", "required")]
)
def test_redis_pys_ways_to_say_verification(given: Any, meant: str) -> None:
    (server,) = read("rediss://a", {"ssl_cert_reqs": given}).client.servers
    assert server.tls is not None
    assert server.tls.verify == meant


def test_tls_options_need_a_tls_url() -> None:
    assert "SSL_CA_CERTS needs a rediss:// or valkeys:// URL" in refused(
        options={"ssl_ca_certs": "/ca.pem"}
    )
    assert "SSL needs" in refused(options={"ssl": True})


def test_a_missing_certificate_is_reported_at_once() -> None:
    text = refused("rediss://a", {"ssl_ca_certs": "/no/such/file.pem", "ssl_password": SECRET})
    assert "/no/such/file.pem" in text


# Settings for all caches


@pytest.mark.parametrize("family", ["DJANGO_CACHEX_", "DJANGO_REDIS_"])
def test_a_global_setting_is_the_default_of_an_option(family: str) -> None:
    with override_settings(
        **{f"{family}IGNORE_EXCEPTIONS": True, f"{family}SCAN_ITERSIZE": 5, f"{family}LOGGER": "x"}
    ):
        config = read()
        assert (config.ignore_exceptions, config.scan_itersize, config.logger) == (True, 5, "x")
        assert read(options={"IGNORE_EXCEPTIONS": False}).ignore_exceptions is False


def test_our_global_setting_beats_that_of_django_redis() -> None:
    with override_settings(DJANGO_CACHEX_SCAN_ITERSIZE=5, DJANGO_REDIS_SCAN_ITERSIZE=6):
        assert read().scan_itersize == 5


def test_a_wrong_global_setting_is_reported_by_its_name() -> None:
    with override_settings(DJANGO_REDIS_SCAN_ITERSIZE="many"):
        assert refused().startswith("DJANGO_REDIS_SCAN_ITERSIZE: expected a whole number above 0")


def test_mistakes_are_found_by_djangos_checks() -> None:
    caches = {
        "default": {"BACKEND": "django_cachex.cache.RedisCache", "LOCATION": URL},
        "other": {
            "BACKEND": "django_cachex.cache.ValkeyCache",
            "LOCATION": URL,
            "OPTIONS": {"SOCKET_TIMEOT": 1},
        },
    }
    with (
        override_settings(CACHES=caches, MEDIA_ROOT="/tmp"),
        pytest.raises(
            ImproperlyConfigured, match=r"CACHES\['other'\]\['OPTIONS'\]\['SOCKET_TIMEOT'\]"
        ),
    ):
        run_checks(tags=["caches"])


# The value and the table


def test_a_configuration_shows_no_secret() -> None:
    config = read(
        f"rediss://u:{SECRET}@a",
        {
            "SIGNING_KEY": SECRET,
            "ssl_password": SECRET,
            "CREDENTIAL_PROVIDER": lambda: ("u", SECRET),
        },
    )
    assert SECRET not in repr(config)
    assert SECRET not in repr(read(options={"PASSWORD": SECRET}))


SENTINELS = {"CLIENT_CLASS": "django_cachex.client.SentinelClient", "SENTINELS": [("s", 1)]}
MISTAKES: list[tuple[Any, dict[str, Any]]] = [
    (f"redis://u:{SECRET}@h/1", {"PASSWORT": SECRET}),
    (f"redis://u:{SECRET}@h/1", {"PASSWORD": SECRET.encode()}),
    (f"redis://u:{SECRET}@h/1", {"SIGNING_KEY": {SECRET: 1}}),
    (f"redis://u:{SECRET}@h/1", {"PASSWORD": SECRET, "password": "other"}),
    (f"redis://u:{SECRET}@h/1", {"MIN_CONNECTIONS": 9, "MAX_CONNECTIONS": 2}),
    (f"redis://u:{SECRET}@h:port/1", {}),
    (f"redis://u:{SECRET}#x@h:1/1", {}),
    (f"redis://u:{SECRET};x@h:1/1", {}),
    (f"redis://u:a,{SECRET}@h:1/1", {}),
    (f"http://u:{SECRET}@h:1/1", {}),
    (f"unix:/u:{SECRET}@/tmp/a.sock", {}),
    (f"redis://h/1?pasword={SECRET}", {}),
    (f"redis://h/1?password={SECRET}&db=x", {}),
    (f"redis://h/1?{SECRET}=1", {}),
    (f"redis://h/1?signing_key={SECRET}", {}),
    (f"redis://h/{SECRET}", {}),
    ([f"redis://u:{SECRET}@h/1", 5], {}),
    ("redis://h/1", {"CREDENTIAL_PROVIDER": SECRET}),
    ("redis://h/1", {"SIGNING_KEY": SECRET, "MAX_DECOMPRESSED_SIZE": -1}),
    ("rediss://h/1", {"SSL_PASSWORD": SECRET, "SSL_CERTFILE": "/nonexistent"}),
    ("redis://svc/0", {**SENTINELS, "SENTINEL_KWARGS": {"password": SECRET, "db": 3}}),
    ("redis://svc/0", {**SENTINELS, "SENTINEL_KWARGS": {"passwrd": SECRET}}),
    ("redis://svc/0", {**SENTINELS, "SENTINEL_KWARGS": SECRET}),
]


@pytest.mark.parametrize(("location", "options"), MISTAKES)
def test_a_mistake_shows_no_secret_that_stands_beside_it(
    location: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        RedisCache(location, {"OPTIONS": options})
    assert SECRET not in shown_by(caught.value)
    with pytest.raises(ConfigurationError) as plain:
        Cache.from_config({"LOCATION": location, "OPTIONS": options})
    assert SECRET not in shown_by(plain.value)


def test_equal_entries_make_equal_client_configurations() -> None:
    options = {"PASSWORD": SECRET, "BREAKER": {"failures": 3}, "max_connections": 3}
    assert read(options=options).client == read(options=dict(options), KEY_PREFIX="x").client
    assert hash(read(options=options).client) == hash(read(options=options).client)
    assert read(options={**options, "PASSWORD": "other"}).client != read(options=options).client


def test_every_name_stands_for_one_option() -> None:
    names = [name for option in every_option() for name in option.names]
    assert len(names) == len(set(names)) == len(BY_NAME)
    assert not set(names) & set(REFUSED)
    assert all(name.isupper() for name in [*names, *REFUSED])
    assert all(line["doc"].endswith(".") for line in describe())


def test_a_copy_of_a_cache_is_on_the_same_client(make_cache: Any, standalone: Any) -> None:
    cache = make_cache(standalone.url)
    cache.set("k", 1)
    for twin in (copy.copy(cache), copy.deepcopy(cache), copy.deepcopy({"of": cache})["of"]):
        assert type(twin) is type(cache)
        assert twin is not cache
        assert twin.client is cache.client
        assert twin.get("k") == 1
        twin.key_prefix = "other"
        assert twin.get("k") is None
        assert cache.get("k") == 1
    assert copy.deepcopy(cache.client) is copy.copy(cache.client) is cache.client
    for one in (cache, cache.client):
        with pytest.raises(TypeError, match=r"cannot be pickled: its .* this process; use caches"):
            pickle.dumps(one)


VERIFIED = [
    *((value, "none") for value in (None, False, 0, "none", "NONE", "CERT_NONE", "false", "0")),
    *((value, "optional") for value in (ssl.CERT_OPTIONAL, 1, "optional", "ssl.CERT_OPTIONAL")),
    *((value, "required") for value in (ssl.CERT_REQUIRED, 2, "CERT_REQUIRED", True, "True")),
]


@pytest.mark.parametrize(("value", "meant"), VERIFIED, ids=repr)
def test_what_ssl_cert_reqs_may_be(value: Any, meant: str) -> None:
    for config in (
        read("rediss://h:1/0", {"CONNECTION_POOL_KWARGS": {"ssl_cert_reqs": value}}),
        read(f"rediss://h:1/0?ssl_cert_reqs={value}"),
    ):
        (server,) = config.client.servers
        assert server.tls is not None
        assert server.tls.verify == meant
    assert "expected 'required'" in refused("rediss://h:1/0", {"SSL_CERT_REQS": "CERT_SOME"})


def test_options_that_are_equal_but_of_another_type_are_different_settings() -> None:
    """True requires a certificate; 1, which equals it, is ssl.CERT_OPTIONAL."""
    for value, meant in ((1, "optional"), (True, "required"), (1, "optional"), (2, "required")):
        entry = {"OPTIONS": {"ssl_cert_reqs": value}}
        (server,) = shared_by("rediss://h:1/0", entry).config.client.servers
        assert server.tls is not None
        assert server.tls.verify == meant
    (server,) = shared_by(URL, {"OPTIONS": {"DB": 1}}).config.client.servers
    assert server.db == 1
    with pytest.raises(ImproperlyConfigured, match="DB"):
        shared_by(URL, {"OPTIONS": {"DB": True}})


def test_what_is_not_said_about_tls_needs_no_tls() -> None:
    for given in (
        {"ssl_cert_reqs": None, "ssl_ca_certs": None},
        {"ssl": False, "ssl_cert_reqs": "none", "ssl_ca_certs": "/nowhere"},
    ):
        (server,) = read("redis://h:1/0", {"CONNECTION_POOL_KWARGS": given}).client.servers
        assert server.tls is None
    assert "needs a rediss://" in refused("redis://h:1/0", {"SSL_CERT_REQS": "none"})


def test_a_database_that_is_none_is_the_first() -> None:
    for location, db in (("redis://h:1", 0), ("redis://h:1/3", 3)):
        (server,) = read(location, {"DB": None}).client.servers
        assert server.db == db


def test_sentinel_kwargs_may_say_nothing() -> None:
    def service(**given: Any) -> Any:
        options = {
            "CLIENT_CLASS": "django_cachex.client.SentinelClient",
            "SENTINELS": [("sentinel-1", 26379)],
            "SENTINEL_KWARGS": given,
        }
        return read("redis://shop/0", options).client.service

    nothing = dict.fromkeys(
        ("username", "password", "ssl", "ssl_cert_reqs", "ssl_ca_certs", "socket_timeout", "db")
    )
    (first,) = service(**nothing).sentinels
    (second,) = service(ssl=False, ssl_cert_reqs=None, ssl_ca_certs=None, password=None).sentinels
    (third,) = service(ssl=False, ssl_cert_reqs="required", ssl_check_hostname=True).sentinels
    (plain,) = service().sentinels
    assert first == second == third == plain
    (unchecked,) = service(ssl=True, ssl_cert_reqs=None).sentinels
    assert unchecked.tls.verify == "none"
    for wrong, said in (({"nothing": None}, "no such option"), ({"ssl_ca_certs": "x"}, "SSL=True")):
        options = {
            "CLIENT_CLASS": "django_cachex.client.SentinelClient",
            "SENTINELS": [("sentinel-1", 26379)],
            "SENTINEL_KWARGS": wrong,
        }
        assert said in refused("redis://shop/0", options)


def test_fallbacks_of_the_secret_key_are_a_list() -> None:
    with override_settings(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=SECRET):
        told = refused(options={"SIGNING_KEY": True})
    assert told.endswith("expected a list of keys in SECRET_KEY_FALLBACKS; got a str")
    with override_settings(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=[SECRET, ""]):
        assert "none of them empty" in refused(options={"SIGNING_KEY": True})


@pytest.mark.parametrize("path", ["support.nothing_there.X", "antigravity_.X"])
def test_a_module_that_fails_shows_no_setting(path: str) -> None:
    for name in ("SERIALIZER", "CREDENTIAL_PROVIDER", "REVERSE_KEY_FUNCTION"):
        with pytest.raises(ImproperlyConfigured, match=f"'{name}'") as caught:
            RedisCache(f"redis://:{SECRET}@h/1", {"OPTIONS": {"SIGNING_KEY": SECRET, name: path}})
        assert SECRET not in shown_by(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"TIMEOUT": float("inf")},
        {"OPTIONS": {"SSL_CA_DATA": "ä"}},
        {"OPTIONS": {"SIGNING_KEY": SECRET + "\udcff"}},
        {"OPTIONS": {"MAX_WAITING": 10**400}},
    ],
)
def test_a_value_that_cannot_be_used_shows_none_beside_it(entry: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        RedisCache(f"rediss://:{SECRET}@h/1", entry)
    assert SECRET not in shown_by(caught.value)
