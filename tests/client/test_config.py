"""A cache from a site's configuration or from a URL; what options mean, tests/djangocache says."""

from __future__ import annotations

import importlib
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
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
    Codec,
    ConfigurationError,
    DefaultClient,
    ReadOnlyClient,
    SentinelClient,
)
from cachex_client.config.options import every_option
from cachex_client.serializers import JsonSerializer
from cachex_client.signing import Signer
from support.servers import Cluster, Replicated, Sentinels, Standalone
from support.shown import shown_by

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


# -- what a URL may not say


def refused_url(query: str, scheme: str = "redis", **options: Any) -> str:
    return refused({"LOCATION": f"{scheme}://:{SECRET}@a/1?{query}", "OPTIONS": options})


ABOUT_THE_CACHE = [one for one in every_option() if one.goes.startswith("cache.")]


@pytest.mark.parametrize("option", ABOUT_THE_CACHE, ids=lambda one: one.name)
def test_what_is_about_the_cache_is_not_read_from_a_url(option: Any) -> None:
    for name in option.names:
        for spelt in (name.lower(), name, name.lower().replace("_", "%5F")):
            told = refused_url(f"{spelt}=1")
            assert told.endswith(f"of the URL: expected in OPTIONS only, as {option.name!r}")


@pytest.mark.parametrize(
    "name",
    ["credential_provider", "credentials", "sentinels", "address_remap", "allowed_hosts"],
)
def test_what_decides_on_trust_is_not_read_from_a_url(name: str) -> None:
    assert "of the URL: expected in OPTIONS only" in refused_url(f"{name}=os.getcwd")


SAID: list[dict[str, Any]] = [
    {"SSL": True},
    {"ssl_cert_reqs": "required"},
    {"SSL_CHECK_HOSTNAME": True},
    {"SSL_MIN_VERSION": ssl.TLSVersion.TLSv1_3},
    {"CONNECTION_POOL_KWARGS": {"ssl_ciphers": "ECDHE+AESGCM"}},
    {"SSL_CONTEXT": ssl.create_default_context()},
]
WEAKENING = [
    "ssl=0",
    "SSL=no",
    "ssl_cert_reqs=none",
    "SSL_CERT_REQS=optional",
    "ssl%5Fcert%5Freqs=0",
    "ssl_cert_reqs=required&ssl_cert_reqs=none",
    "ssl_check_hostname=0",
    "ssl_ca_path=/tmp",
    "ssl_ca_certs=/tmp/ca.pem",
    "ssl_ca_data=x",
    "ssl_ciphers=ALL:@SECLEVEL=0",
    "ssl_certfile=/tmp/cert.pem",
    "ssl_keyfile=/tmp/key.pem",
    "ssl_password=x",
    "ssl_keyfile_password=x",
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: next(iter(said)))
@pytest.mark.parametrize("query", WEAKENING)
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_url_does_not_change_what_options_say_of_tls(
    scheme: str, query: str, said: dict[str, Any]
) -> None:
    assert "decides on TLS" in refused_url(query, scheme, **said)


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_ca_path", "ssl_ca_data"])
def test_authorities_that_are_empty_are_refused(name: str) -> None:
    assert f"['{name}']: expected" in refused({"LOCATION": "rediss://a/1", "OPTIONS": {name: ""}})
    assert f"?{name}= of the URL: expected" in refused_url(f"{name}=", "rediss")


@pytest.mark.parametrize(
    ("query", "options", "verify", "names"),
    [
        ("ssl_cert_reqs=required", {"SSL_CERT_REQS": "optional"}, "required", True),
        ("ssl_cert_reqs=optional", {"SSL_CERT_REQS": "optional"}, "optional", True),
        ("ssl_check_hostname=1", {"SSL_CHECK_HOSTNAME": False}, "required", True),
        ("ssl_check_hostname=0", {"SSL_CHECK_HOSTNAME": False}, "required", False),
        ("ssl=1&ssl_cert_reqs=required&ssl_check_hostname=yes", {"SSL": True}, "required", True),
        ("ssl_check_hostname=0&ssl_cert_reqs=none", {}, "none", False),
        ("ssl_cert_reqs=none&ssl_check_hostname=0&ssl=0", {}, "none", False),
    ],
)
def test_a_url_may_ask_for_as_much_or_more_of_tls_and_alone_for_anything(
    query: str, options: dict[str, Any], verify: str, names: bool
) -> None:
    client: Any = Cache.from_url(f"rediss://a/1?{query}", options=options).client
    tls = client.endpoints[0].tls
    assert (tls.verify, tls.check_hostname) == (verify, names)


# -- keys to sign with


@pytest.mark.parametrize("wrong", [SECRET, SECRET.encode(), 5, {SECRET: 1}, {SECRET}])
def test_fallbacks_of_a_key_are_a_list(wrong: Any) -> None:
    makers: list[Callable[[], object]] = [
        lambda: Codec(signing_key="a", signing_fallbacks=wrong),
        lambda: Signer("a", wrong),
        lambda: Cache.from_config(with_options(SIGNING_KEY=True), secret_keys=wrong),
    ]
    for make in makers:
        with pytest.raises(ConfigurationError, match=r"a list") as caught:
            make()
        assert SECRET not in shown_by(caught.value)


@pytest.mark.parametrize("wrong", ["", b"", 5, None, SECRET + "\udcff", [SECRET]])
def test_each_key_is_text_or_bytes_and_not_empty(wrong: Any) -> None:
    makers: list[Callable[[], object]] = [
        lambda: Codec(signing_key="a", signing_fallbacks=[SECRET, wrong]),
        lambda: Signer(wrong),
        lambda: Cache.from_config(with_options(SIGNING_KEY=[SECRET, wrong])),
        lambda: Cache.from_config(with_options(SIGNING_KEY=True), secret_keys=[SECRET, wrong]),
    ]
    for make in makers:
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert SECRET not in shown_by(caught.value)


def test_a_limit_that_is_no_number_is_refused() -> None:
    for wrong in ("x", 0, 1.5, []):
        with pytest.raises(ConfigurationError, match="max_decompressed is at least 1") as caught:
            Codec(signing_key=SECRET, max_decompressed=wrong)  # type: ignore[arg-type]
        assert SECRET not in shown_by(caught.value)


# -- code that an entry names


MODULES = {
    "raising_module": f"word = 'x'\nraise RuntimeError('{SECRET}')\n",
    "wrong_type_module": f"raise TypeError('{SECRET}')\n",
    "unreadable_module": "def (\n",
    "failing_classes": (
        "class Odd(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError('no text')\n"
        "class Fails:\n"
        "    dumps = loads = compress = decompress = lambda self, x: x\n"
        "    def __init__(self):\n"
        f"        raise RuntimeError('{SECRET}')\n"
        "class FailsOddly(Fails):\n"
        "    def __init__(self):\n"
        "        raise Odd\n"
    ),
}
NAMING = ["SERIALIZER", "COMPRESSOR", "CREDENTIAL_PROVIDER", "REVERSE_KEY_FUNCTION", "KEY_FUNCTION"]
FAILING = [
    *(
        (option, path, kind)
        for option in NAMING
        for path, kind in {
            "raising_module.X": "RuntimeError in .*raising_module.py, line 2",
            "wrong_type_module.X": "TypeError in .*wrong_type_module.py, line 1",
            "unreadable_module.X": "SyntaxError in .*unreadable_module.py, line 1",
        }.items()
    ),
    *(
        (option, f"failing_classes.{name}", kind)
        for option in NAMING[:3]
        for name, kind in {"Fails": "RuntimeError in .*line 7", "FailsOddly": "Odd in"}.items()
    ),
]


@pytest.mark.parametrize(("option", "path", "kind"), FAILING)
def test_code_that_fails_while_settings_are_read_is_named_and_nothing_else_shown(
    option: str, path: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    options = {"PASSWORD": SECRET, "SIGNING_KEY": SECRET}
    entry = {"LOCATION": f"redis://u:{SECRET}@a/1", "OPTIONS": options}
    (entry if option == "KEY_FUNCTION" else options)[option] = path
    for cache in (Cache, AsyncCache):
        with pytest.raises(ConfigurationError, match=f"'{option}'.*raised {kind}") as caught:
            cache.from_config(entry)
        assert SECRET not in shown_by(caught.value)


# -- values beyond all measure


@pytest.mark.parametrize(
    "wrong", [float("inf"), -float("inf"), float("nan"), 10**400, 10**16, "inf"]
)
def test_how_long_a_value_lives_is_a_time_that_servers_take(wrong: Any) -> None:
    assert "['TIMEOUT']: expected a number of seconds" in refused({**SITE, "TIMEOUT": wrong})
    for fine in (0, -1, 0.5, 2**53, "60", None):
        assert Cache.from_config({**SITE, "TIMEOUT": fine})


@pytest.mark.parametrize("name", ["KEY_PREFIX", "VERSION"])
def test_parts_of_keys_encode_as_utf_8(name: str) -> None:
    told = refused({**SITE, name: "a\udcff"})
    assert told.startswith(f"config['{name}']: expected a")
    assert "does not encode as UTF-8" in told


@pytest.mark.parametrize("name", ["PASSWORD", "USERNAME", "CLIENT_NAME", "OTHER_PREFIXES"])
def test_texts_that_are_sent_encode_as_utf_8(name: str) -> None:
    assert f"['{name}']: expected a" in refused(with_options(**{name: f"{SECRET}\udcff"}))


@pytest.mark.parametrize(
    "wrong", ["x" * 5000, 10**5000, -(10**400)], ids=["text", "digits", "below 0"]
)
@pytest.mark.parametrize(
    "name",
    ["MAX_CONNECTIONS", "READ_FROM", "SERIALIZER", "DB", "n" * 5000],
    ids=lambda name: name[:15],
)
def test_messages_quote_no_more_than_a_line(name: str, wrong: Any) -> None:
    assert len(refused(with_options(**{name: wrong}))) < 500
    assert len(refused({**SITE, "VERSION": [wrong]})) < 500


def test_authorities_given_as_text_are_never_quoted() -> None:
    for wrong in (f"{SECRET}ä", f"{SECRET}\udcff", SECRET, SECRET.encode(), f"{SECRET}\0"):
        entry = {"LOCATION": f"rediss://:{SECRET}@a/1", "OPTIONS": {"SSL_CA_DATA": wrong}}
        with pytest.raises(ConfigurationError) as caught:
            Cache.from_config(entry)
        assert SECRET not in shown_by(caught.value)
