"""Django's system checks of CACHES: each mistake is found, and what is right is left alone."""

from __future__ import annotations

import marshal
import os
import pickle
import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings

from django_cachex import checks
from django_cachex.cache import RedisCache
from djangocache import project

SENTINEL = {
    "client_class": "django_cachex.client.SentinelClient",
    "sentinels": [("sentinel-1", 26379), ("sentinel-2", 26379)],
}
HERE = [("127.0.0.1", 26379), ("localhost", 26380)]
CLUSTER = {"client_class": "django_cachex.client.ClusterClient"}
URL = "redis://127.0.0.1:6379/1"
OTHER = "redis://127.0.0.1:6379/2"
ELSEWHERE = "redis://127.0.0.1:6380/1"
PAGES = ["django.middleware.cache.UpdateCacheMiddleware"]
CACHED = "django.contrib.sessions.backends.cache"


def full_key(key: str, prefix: str, version: int) -> str:
    return f"{prefix}-{version}-{key}"


def hashed(key: str, prefix: str, version: int) -> str:
    return f"{prefix}:{version}:{hash(key)}"


def site(key: str, prefix: str, version: int) -> str:
    return f"site:{version}:{key}"


def bare(key: str, prefix: str, version: int) -> str:
    return key


def found(caches: dict[str, Any], **settings: Any) -> list[str]:
    with override_settings(CACHES=caches, **settings):
        every = [*checks.check_caches(), *checks.check_deployed_caches()]
    for one in every:
        assert str(one.id).startswith("django_cachex.")
        assert one.msg
    return [str(one.id).removeprefix("django_cachex.") for one in every]


def one(location: Any = URL, **rest: Any) -> dict[str, Any]:
    return {"default": project.entry(location, **rest)}


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {"default": project.entry(**first), "other": project.entry(**second)}


class Pickling:
    """A serializer that pickles, and begins with something else."""

    def dumps(self, value: Any) -> bytes:
        return b"mine" + pickle.dumps(value)

    def loads(self, stored: bytes) -> Any:
        return pickle.loads(stored.removeprefix(b"mine"))


class Marshalling:
    """A serializer that brings code back."""

    def dumps(self, value: Any) -> bytes:
        return marshal.dumps(value)

    def loads(self, stored: bytes) -> Any:
        return marshal.loads(stored)


class Executing:
    """A serializer that says of itself that it runs code, and can do nothing else."""

    executes = True

    def dumps(self, value: Any) -> bytes:
        raise ValueError("not that")

    def loads(self, stored: bytes) -> Any:
        raise ValueError("not that")


KEY = "a key of enough letters"
SAFE = {"signing_key": KEY}
SELF: list[Any] = []
SELF.append(SELF)
FAR = "rediss://:p@cache-1:6379/1"


def watched(location: str = "rediss://mymaster/0", **rest: Any) -> dict[str, Any]:
    return one(location, **{"password": "p", **SAFE, **SENTINEL, **rest})


WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("E001", one(max_conections=3), {}),
    ("E001", one("redis://:port"), {}),
    ("W001", one(), {"DJANGO_CACHEX_IGNORE_EXCEPTION": True}),
    ("W002", one(TIMEOUT=3_600_000_000), {}),
    ("W003", one(timeout=2000), {}),
    ("W003", one(socket_timeout=500), {}),
    ("W006", one(ignore_exceptions=True), {"SESSION_ENGINE": CACHED}),
    ("W007", one([URL, "redis://127.0.0.1:6378/1"]), {"SESSION_ENGINE": CACHED}),
    ("W008", one(serializer="json"), {"MIDDLEWARE": PAGES}),
    ("W009", one([URL, URL]), {}),
    ("W016", one([URL, "redis://127.0.0.1:6378/2"]), {}),
    ("W010", one("redis://127.0.0.1:7000/3", **CLUSTER), {}),
    (
        "W011",
        one("redis://mymaster/0", password="p", **{**SENTINEL, "sentinels": HERE[:1]}),
        {},
    ),
    ("W013", one(KEY_FUNCTION="djangocache.test_checks.full_key"), {}),
    ("W017", one(KEY_FUNCTION="djangocache.test_checks.hashed"), {}),
    (
        "W017",
        one(KEY_FUNCTION="djangocache.test_checks.hashed", reverse_key_function="builtins.str"),
        {},
    ),
    ("W017", one(KEY_FUNCTION="djangocache.test_checks.bare"), {}),
    ("W013", one(KEY_FUNCTION="djangocache.test_checks.bare", clear="database"), {}),
    ("W014", one("redis://cache-1:6379/1"), {}),
    ("W014", one("rediss://:p@cache-1:6379/1"), {}),
    ("W014", one("rediss://:p@cache-1:6379/1", serializer="logging.handlers.pickle"), {}),
    ("W014", one(FAR, serializer="djangocache.test_checks.Pickling"), {}),
    ("W014", one(FAR, serializer="djangocache.test_checks.Executing"), {}),
    ("W014", one(FAR, serializer=["json", "djangocache.test_checks.Pickling"]), {}),
    ("W014", one(FAR, serializer="djangocache.test_checks.Marshalling"), {}),
    ("W015", one(f"{FAR}?ssl_cert_reqs=none", **SAFE), {}),
    ("W015", one(FAR, ssl_check_hostname=False, **SAFE), {}),
    ("W015", one(FAR, ssl_context=ssl._create_unverified_context(), **SAFE), {}),
    ("W015", one(FAR, ssl_min_version=ssl.TLSVersion.TLSv1, **SAFE), {}),
    ("W015", one(FAR, ssl_min_version=ssl.TLSVersion.TLSv1_1, **SAFE), {}),
    ("W015", watched(sentinel_kwargs={"ssl": True, "ssl_cert_reqs": "none"}), {}),
    ("W020", one(signing_key=KEY, signing_accept_unsigned=True), {}),
    ("W021", watched(), {}),
    (
        "W021",
        watched("redis://mymaster/0", sentinels=HERE, sentinel_kwargs={"ssl": True}),
        {},
    ),
    ("W022", one([FAR, "redis://127.0.0.1:6379/1"], **SAFE), {}),
    ("W023", one("redis://:p@10.1.2.3", serializer="json"), {}),
    ("W023", one("redis://h", serializer="json", credential_provider=lambda: "p"), {}),
    ("W023", one("redis://node-1:7000", password="p", **SAFE, **CLUSTER), {}),
    ("W023", watched("redis://mymaster/0"), {}),
    ("W023", one("redis://:p@localhost.evil.com/1", **SAFE), {}),
    ("W023", one("redis://:p@1.127/1", **SAFE), {}),
    ("W023", watched("redis://mymaster/0", sentinels=[*HERE, ("sentinel-3", 26379)]), {}),
    ("W023", watched("redis://mymaster/0", sentinels=HERE, allowed_hosts=["10.0.0.0/8"]), {}),
    ("W023", one("redis://:p@127.0.0.1:7000", **SAFE, **CLUSTER, allowed_hosts=[".lan"]), {}),
    ("W027", one("redis://cache-1:6379/1", serializer="json"), {}),
    ("W027", one("redis://cache-1:6379/1", **SAFE), {}),
    ("W027", watched("redis://mymaster/0", password=None), {}),
    ("W027", one([URL, "redis://10.1.2.3/1"], **SAFE), {}),
    ("W026", one(KEY_PREFIX="*"), {}),
    ("W026", one(KEY_PREFIX="sh*p"), {}),
    ("W026", one(KEY_PREFIX="shop?"), {}),
    ("W026", one(KEY_PREFIX="[shop]"), {}),
    ("W026", one(KEY_PREFIX="shop\\"), {}),
    ("W024", one(signing_key="short"), {}),
    ("W024", one(signing_key=[KEY, "a" * 99]), {}),
    ("W024", one(signing_key="changeme" * 3), {}),
    ("W024", one(signing_key=b"correct horse battery staple" * 2), {}),
]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # the check says more
@pytest.mark.parametrize(("number", "caches", "settings"), WRONG)
def test_a_mistake_is_found(number: str, caches: dict[str, Any], settings: dict[str, Any]) -> None:
    assert found(caches, **settings) == [number]


LOCAL = [
    *("LOCALHOST", "localhost.", "a.localhost", "ip6-localhost", "127.1", "127.8.8.8", "0.0.0.0"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::1%25lo]"),
]

RIGHT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (one(), {}),
    (one(TIMEOUT=None), {}),
    (one(TIMEOUT=30 * 24 * 3600), {}),
    (one(), {"DJANGO_CACHEX_IGNORE_EXCEPTIONS": True}),
    (one(), {"SESSION_ENGINE": CACHED, "MIDDLEWARE": PAGES}),
    (
        one(ignore_exceptions=True),
        {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"},
    ),
    (one([URL, "redis://127.0.0.1:6378/1"], read_from="primary"), {"SESSION_ENGINE": CACHED}),
    (one(serializer="json"), {"MIDDLEWARE": PAGES, "CACHE_MIDDLEWARE_ALIAS": "pages"}),
    (one(FAR, **SAFE), {}),
    (one(FAR, **SAFE, ssl_min_version=ssl.TLSVersion.TLSv1_3), {}),
    (one(FAR, **SAFE, ssl_context=ssl.create_default_context()), {}),
    (one(FAR, serializer="json"), {}),
    (one("redis://:p@localhost:6379/1"), {}),
    *((one(f"redis://:p@{host}:6379/1"), {}) for host in LOCAL),
    (one("redis://:p@127.0.0.1:7000", **CLUSTER, allowed_hosts=["127.0.0.0/8", "localhost"]), {}),
    (watched(sentinels=HERE, sentinel_kwargs={"ssl": True}), {}),
    (one("unix:///run/redis.sock", password="p"), {}),
    (watched(sentinel_kwargs={"ssl": True}), {}),
    (one("redis://mymaster/0", password="p", **{**SENTINEL, "sentinels": HERE}), {}),
    (one("rediss://:p@node-1:7000", **SAFE, **CLUSTER), {"SESSION_ENGINE": CACHED}),
    (
        one(KEY_FUNCTION="djangocache.test_checks.full_key", reverse_key_function="builtins.str"),
        {},
    ),
    (
        two({"location": URL, "KEY_PREFIX": "a"}, {"location": URL, "KEY_PREFIX": "b"}),
        {},
    ),
    (two({"location": URL}, {"location": OTHER}), {}),
    ({"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, {}),
]


@pytest.mark.parametrize(("caches", "settings"), RIGHT)
def test_what_is_right_is_left_alone(caches: dict[str, Any], settings: dict[str, Any]) -> None:
    assert found(caches, **settings) == []


def test_entries_that_share_keys_are_found() -> None:
    assert found(two({"location": URL}, {"location": URL})) == ["W004"]
    assert found(two({"location": URL}, {"location": [URL], "read_from": "primary"})) == ["W004"]
    same = {"location": "redis://mymaster/0", **SENTINEL, "sentinels": HERE}
    assert found(two(same, {**same, "timeout": 2})) == ["W004"]
    assert found(two(same, {**same, "location": "redis://another/0"})) == []


def test_a_prefix_that_is_another_and_a_version_is_found() -> None:
    def told(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
        return found(two({"location": URL, **first}, {"location": URL, **second}))

    assert told({"KEY_PREFIX": "t"}, {"KEY_PREFIX": "t:1"}) == ["W018", "W025"]
    assert told({"KEY_PREFIX": "t:2:x"}, {"KEY_PREFIX": "t"}) == ["W018", "W025"]
    assert told({"KEY_PREFIX": "t", "VERSION": "eu"}, {"KEY_PREFIX": "t:eu"}) == ["W018", "W025"]
    assert told({"KEY_PREFIX": "t"}, {"KEY_PREFIX": "t:eu"}) == ["W025"]
    assert told({"KEY_PREFIX": "t"}, {"KEY_PREFIX": "teu"}) == []
    # Rules of ACL know no databases.
    assert told({"KEY_PREFIX": "t"}, {"KEY_PREFIX": "t:1", "location": OTHER}) == ["W025"]
    assert told({"KEY_PREFIX": ""}, {"KEY_PREFIX": ":eu", "location": OTHER}) == ["W025"]
    assert told({"KEY_PREFIX": "t"}, {"KEY_PREFIX": "t:1", "location": ELSEWHERE}) == []


@pytest.mark.parametrize("host", [host for host in LOCAL if host != "127.8.8.8"])
def test_a_server_is_recognised_however_this_host_is_written(host: str) -> None:
    other = f"redis://{host}:6379/1"
    assert found(two({"location": URL}, {"location": other})) == ["W004"]
    nested = two(
        {"location": URL, "KEY_PREFIX": "t"},
        {"location": f"redis://{host}:6379/5", "KEY_PREFIX": "t:eu"},
    )
    assert found(nested) == ["W025"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("redis://10.1.2.3/1", "redis://[::ffff:10.1.2.3]:6379/1"),
        ("redis://cache-1/1", "redis://CACHE-1.:6379/1"),
        ("redis://[fd00::1]/1", "redis://[fd00:0:0::1]/1"),
        ("unix:///run/r.sock?db=1", "unix:///run/../run/r.sock?db=1"),
    ],
)
def test_a_server_is_recognised_in_another_spelling(first: str, second: str) -> None:
    assert "W004" in found(two({"location": first, **SAFE}, {"location": second, **SAFE}))


def test_two_lists_of_seeds_that_share_one_are_one_cluster() -> None:
    seeds = [f"redis://127.0.0.1:{port}/0" for port in (7000, 7001, 7002)]
    first = {"location": seeds[:2], **CLUSTER, "KEY_PREFIX": "t"}
    second = {"location": ["redis://localhost:7001/0", seeds[2]], **CLUSTER}
    assert found(two(first, {**second, "KEY_PREFIX": "t"})) == ["W004"]
    assert found(two(first, {**second, "KEY_PREFIX": "t:eu"})) == ["W025"]
    assert found(two(first, {**second, "KEY_PREFIX": "t", "location": seeds[2:]})) == []


def test_a_service_is_one_whatever_the_database() -> None:
    same = {"location": "redis://mymaster/0", **SENTINEL, "sentinels": HERE, "KEY_PREFIX": "t"}
    other = {**same, "KEY_PREFIX": "t:eu", "location": "redis://mymaster/3"}
    assert found(two(same, other)) == ["W025"]
    assert found(two(same, {**other, "sentinels": [("127.0.0.1", 26380)]})) == ["W011", "W025"]
    assert found(two(same, {**other, "location": "redis://another/0"})) == []


def test_caches_that_cannot_be_told_apart_are_found() -> None:
    site = {"location": URL, "KEY_FUNCTION": "djangocache.test_checks.site"}
    site["reverse_key_function"] = "builtins.str"
    assert found(two({**site, "KEY_PREFIX": "a"}, {**site, "KEY_PREFIX": "b"})) == ["W017", "W017"]
    assert found(two({**site, "KEY_PREFIX": "a"}, {**site, "location": OTHER})) == []


def test_a_database_that_one_entry_empties_and_another_uses_is_found() -> None:
    owner = {"location": URL, "KEY_PREFIX": "a", "clear": "database"}
    assert found(two(owner, {"location": URL, "KEY_PREFIX": "b"})) == ["W019"]
    assert found(two({"location": URL, "KEY_PREFIX": "b"}, owner)) == ["W019"]
    assert found(two(owner, {"location": OTHER})) == []


def test_entries_that_share_keys_but_no_format_are_found() -> None:
    json, pickle = {"location": URL, "serializer": "json"}, {"location": URL}
    assert found(two(json, pickle)) == ["W005", "W004"]
    both = {"location": URL, "serializer": ["json", "pickle"]}
    also = {"location": URL, "serializer": ["pickle", "json"]}
    assert found(two(both, also)) == ["W004"]
    assert found(two({**pickle, "signing_key": KEY}, {**pickle, "signing_key": f"{KEY}s"})) == [
        "W005",
        "W004",
    ]
    assert found(two({**pickle, **SAFE}, {**pickle, **SAFE, "signing_binds_key": False})) == [
        "W005",
        "W004",
    ]


def explodes() -> Any:
    raise RuntimeError("in a class of the site")


@pytest.mark.parametrize(
    "options",
    [
        {"max_waiting": 10**400},
        {"socket_timeout": 10**400},
        {"max_decompressed_size": 10**400},
        {"ssl_ca_data": "ä"},
        {"ssl_ca_certs": "\x00"},
        {"ssl_ciphers": "ä"},
        {"serializer": "djangocache.test_checks.explodes"},
    ],
)
def test_no_setting_ends_in_a_traceback(options: dict[str, Any]) -> None:
    assert found(one(FAR, **{**SAFE, **options})) == ["E001"]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("an error whose text cannot be had")


def unspeakable(*arguments: Any) -> Any:
    raise Unspeakable


def telling(*arguments: Any) -> Any:
    raise RuntimeError(f"cannot reach the vault with {KEY}")


@pytest.mark.parametrize(
    "beside",
    [
        {"TIMEOUT": 10**400},
        {"KEY_PREFIX": "a\ud800"},
        {"VERSION": "a\ud800"},
        {"other_prefixes": ["\ud800"]},
        {"serializer": "djangocache.test_checks.unspeakable"},
        {"KEY_FUNCTION": "djangocache.test_checks.unspeakable"},
        {"serializer": "djangocache.test_checks.telling"},
        {"OPTIONS": {"MAX_ENTRIES": float("inf")}},
        {"MAX_ENTRIES": [SELF]},
    ],
)
def test_what_cannot_be_used_is_named_and_shows_no_secret(beside: dict[str, Any]) -> None:
    with override_settings(CACHES=one(**beside)):
        every = [*checks.check_caches(), *checks.check_deployed_caches()]
    assert {str(message.id) for message in every} == {"django_cachex.E001"}
    assert KEY not in str(every)


@pytest.mark.parametrize(
    "other",
    [
        None,
        5,
        [("BACKEND", project.BACKEND)],
        {"BACKEND": None},
        {"BACKEND": ".."},
        {"BACKEND": "djangocache.raises_when_imported.Backend"},
        {"BACKEND": project.BACKEND, "LOCATION": SELF},
        {"BACKEND": project.BACKEND, "TIMEOUT": {}},
    ],
)
def test_an_entry_that_is_no_cache_keeps_no_other_from_working(other: Any) -> None:
    with override_settings(CACHES={"default": project.entry(URL), "other": other}):
        every = [*checks.check_caches(), *checks.check_deployed_caches()]
        assert {message.obj for message in every} <= {"other"}
        assert caches["default"]._keys.search_all().pattern == b":*:*"


def test_a_backend_has_to_be_named_by_its_path() -> None:
    assert found({"default": {"BACKEND": RedisCache, "LOCATION": URL}}) == ["E001"]


def test_fewer_connections_than_threads_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 2 --threads=8")
    assert found(one(max_connections=4)) == ["W012"]
    assert found(one(max_connections=8)) == []


def test_every_check_is_in_the_list_of_checks() -> None:
    source = Path(checks.__file__).read_text()
    assert set(re.findall(r"\b[EW]0\d\d\b", source)) == set(checks.TITLES)


def django(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", *arguments, "--settings=of_test"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), *map(os.path.abspath, sys.path)]),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_application_brings_checks_and_commands(tmp_path: Path) -> None:
    (tmp_path / "of_test.py").write_text(
        "INSTALLED_APPS = ['django_cachex']\nSECRET_KEY = 'k'\n"
        f"CACHES = {one('redis://cache-1/1', TIMEOUT=10**9)!r}\n"
    )
    plain = django(tmp_path, "check", "--tag", "caches")
    assert "django_cachex.W002" in plain.stderr
    assert "W014" not in plain.stderr
    deployed = django(tmp_path, "check", "--deploy", "--tag", "caches")
    assert "django_cachex.W014" in deployed.stderr
    listed = django(tmp_path, "help").stdout
    for name in ("cachex_check", "cachex_keys", "cachex_clear", "cachex_stats"):
        assert name in listed
    usage = django(tmp_path, "cachex_keys", "--help")
    assert usage.returncode == 0, usage.stderr
    assert "--version VERSION" in usage.stdout


def test_an_entry_that_cannot_be_made_does_not_end_cachex_check(tmp_path: Path) -> None:
    (tmp_path / "of_test.py").write_text(
        "INSTALLED_APPS = ['django_cachex']\nSECRET_KEY = 'k'\n"
        f"CACHES = {one(OPTIONS={})!r}\n"
        "CACHES['default']['OPTIONS']['MAX_ENTRIES'] = float('inf')\n"
    )
    done = django(tmp_path, "cachex_check")
    assert done.returncode == 1
    assert "django_cachex.E001" in done.stdout
    assert "Traceback" not in done.stderr


def test_wrong_settings_do_not_keep_cachex_check_from_telling(tmp_path: Path) -> None:
    (tmp_path / "of_test.py").write_text(
        "INSTALLED_APPS = ['django_cachex']\nSECRET_KEY = 'k'\n"
        f"CACHES = {one(max_conections=3)!r}\n"
    )
    done = django(tmp_path, "cachex_check")
    assert done.returncode == 1
    assert "did you mean 'MAX_CONNECTIONS'" in done.stdout
    assert "Traceback" not in done.stderr


ABSURD = """
SELF = []
SELF.append(SELF)


class Raising:
    def refuse(self, *arguments):
        raise RuntimeError("CANARY")

    __bool__ = __eq__ = __hash__ = __iter__ = __len__ = __repr__ = __str__ = refuse


VALUES = [10**400, float("nan"), b"\\xff", "\\ud800", "a\\0b"]
VALUES += [SELF, {"a": SELF}, Raising(), 1j, object]
OPTIONS = ["max_waiting", "signing_key", "ssl_ca_data"]
CACHES = {
    f"{option}-{number}": {
        "BACKEND": "django_cachex.cache.RedisCache",
        "LOCATION": "redis://:CANARY@cache-1/1",
        "OPTIONS": {option: value},
    }
    for option in OPTIONS
    for number, value in enumerate(VALUES)
}
for number, value in enumerate(VALUES):
    CACHES[f"location-{number}"] = {**CACHES["max_waiting-0"], "OPTIONS": {}, "LOCATION": value}
    CACHES[f"prefix-{number}"] = {**CACHES["max_waiting-0"], "KEY_PREFIX": value}
CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
INSTALLED_APPS = ["django_cachex"]
MEDIA_ROOT = "/tmp"
SECRET_KEY = "k"
"""


def test_every_entry_that_cannot_work_is_named_by_manage_py_check(tmp_path: Path) -> None:
    (tmp_path / "of_test.py").write_text(ABSURD)
    for arguments in (("check",), ("check", "--deploy"), ("check", "--tag", "caches")):
        done = django(tmp_path, *arguments)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "CANARY" not in done.stderr
        named = set(re.findall(r"^(\S+): \(django_cachex.E001\)", done.stderr, re.MULTILINE))
        values = range(10)
        assert named >= {f"max_waiting-{number}" for number in values}
        assert named >= {f"location-{number}" for number in values}
        assert named >= {f"prefix-{number}" for number in values}


def test_errors_of_other_backends_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "of_test.py").write_text(
        "INSTALLED_APPS = ['django_cachex']\nSECRET_KEY = 'k'\n"
        "CACHES = {'default': {'BACKEND': 'nowhere.Cache'}}\n"
    )
    done = django(tmp_path, "check", "--deploy")
    assert "Could not find backend 'nowhere.Cache'" in done.stderr


def test_djangos_own_checks_still_find_what_is_wrong(tmp_path: Path) -> None:
    files = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"}
    files["LOCATION"] = "media/cache"
    (tmp_path / "of_test.py").write_text(
        "INSTALLED_APPS = ['django_cachex']\nSECRET_KEY = 'k'\nMEDIA_ROOT = 'media'\n"
        f"CACHES = { ({**one(), 'files': files})!r}\n"
    )
    done = django(tmp_path, "check", "--deploy")
    assert "caches.W002" in done.stderr
    assert "caches.W003" in done.stderr


def test_checks_ask_no_server() -> None:
    """They run with every command, before servers are up."""
    assert found(one("redis://127.0.0.1:1/0")) == []
