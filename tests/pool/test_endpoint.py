"""Where a server is and how to be let in: `cachex_pool.endpoint`."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from cachex_pool import AsyncPool, ConfigurationError, Endpoint, Pool, Tls, parse_url
from support.tls import Authority

SECRET = "hush-hush"

LOCKED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiWjU1+9XISnQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEBsa4sh86BkfH19kx9FkYS8EgZCV
eRmv8Y+/tmMkg7meRslnSls9Qe6pnRGAV0VGzW8A+zb1TSj0V8pTAB4QqDaO6TMX
XyJpqgYRSwwihO7CbowzuV/m6oYeKE1YrYwkpk/7864BO4YEQfOBykubJF4jnGQg
nx5KOFlax45HC0NVUV1aDTMUWwuR8GkGr5ZK3lV+AQenNL/3dftrbi5qnCiFJME=
-----END ENCRYPTED PRIVATE KEY-----
"""  # a key of nobody's, locked with SECRET


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache-1", {"host": "cache-1"}),
        ("REDIS://cache-1:7000/3", {"host": "cache-1", "port": 7000, "db": 3}),
        ("valkey://10.0.0.1:7000?db=4", {"host": "10.0.0.1", "port": 7000, "db": 4}),
        ("redis://", {"host": "localhost"}),
        ("redis://[::1]:7000/1", {"host": "::1", "port": 7000, "db": 1}),
        ("redis://h/", {"host": "h", "db": 0}),
        ("redis://:pa%40ss%2F@h", {"host": "h", "password": "pa@ss/"}),
        ("redis://us%3Aer:p@h", {"host": "h", "username": "us:er", "password": "p"}),
        ("redis://user@h", {"host": "h", "username": "user"}),
        (
            "redis://h?username=u&password=p%26p&protocol=2&client_name=web",
            {
                "host": "h",
                "username": "u",
                "password": "p&p",
                "protocol": 2,
                "client_name": "web",
            },
        ),
        ("rediss://h", {"host": "h", "tls": Tls()}),
        ("valkeys://h:1", {"host": "h", "port": 1, "tls": Tls()}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
        ("unix://user:p@/run/r.sock", {"path": "/run/r.sock", "username": "user", "password": "p"}),
        ("unix://:p%40@/a%20b", {"path": "/a b", "password": "p@"}),
    ],
)
def test_a_url_says_where_the_server_is(url: str, expected: dict[str, Any]) -> None:
    assert parse_url(url) == (Endpoint(**expected), {})


def test_options_that_are_not_of_the_server_are_handed_on() -> None:
    endpoint, rest = parse_url("redis://h/1?is_master=1&timeout=5")
    assert endpoint == Endpoint(host="h", db=1)
    assert rest == {"is_master": "1", "timeout": "5"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "cache-1",
        "http://h",
        "redis://h:notaport",
        "redis://h:70000",
        "redis://h:-1",
        "redis://h/one",
        "redis://h/-1",
        "redis://h?db=one",
        "redis://h?protocol=4",
        "redis://h?protocol=three",
        "redis://[::1",
        "redis://h/0#1",
        "unix://",
        "unix://?db=1",
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}#1@h:6379/0",
        f"redis://:{SECRET}/1@h:6379/0",
        f"redis://:{SECRET}?1@h:6379/0",
        f"redis://:12/{SECRET}@h/0",
        f"redis://:12#{SECRET}@h/0",
        f"redis://:12?{SECRET}@h/0",
        f"redis://:[{SECRET}@h/0",
        f"redis://:{SECRET}@h:port/0",
        f"redis://:{SECRET}@h/{SECRET}",
        f"user:{SECRET}@h:6379",
        f"{SECRET}:user@h:6379",
        f"redis://h?password={SECRET}&db=x",
        f"redis://h?password=x&protocol={SECRET}",
    ],
)
def test_no_error_shows_any_part_of_a_url_that_may_be_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_user_and_password_survive_a_url(username: str, password: str) -> None:
    try:
        url = f"redis://{quote(username, safe='')}:{quote(password, safe='')}@h"
    except UnicodeEncodeError:  # half of a surrogate pair
        return
    endpoint, _ = parse_url(url)
    assert endpoint.login() == (username, password)


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    endpoint = Endpoint(
        username="u",
        password=SECRET,
        credentials=UsernamePasswordCredentialProvider("u", SECRET),
        tls=Tls(keyfile_password=SECRET, certfile=str(tmp_path / "none")),
    )
    assert endpoint.tls is not None
    with pytest.raises(ConfigurationError) as caught:
        endpoint.tls.ssl_context()
    shown = [
        repr(endpoint),
        repr(Pool(endpoint)),
        repr(AsyncPool(endpoint)),
        repr(Pool(endpoint).stats()),
        endpoint.name,
        str(caught.value),
    ]
    assert not any(SECRET in text for text in shown)


def test_names_tell_servers_and_databases_apart() -> None:
    assert Endpoint(host="::1", port=1, db=2).name == "[::1]:1/2"
    assert Endpoint(host="h").name == "h:6379/0"
    assert Endpoint(path="/run/r.sock", db=1).name == "/run/r.sock/1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"port": -1},
        {"port": "6379"},
        {"db": -1},
        {"db": "1"},
        {"db": True},
        {"host": None},
        {"protocol": 4},
        {"tls": True},
        {"path": "/run/redis.sock", "tls": Tls()},
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused_in_one_sentence(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))) as caught:
        Endpoint(**wrong)
    assert "Attribute" not in str(caught.value)


def test_what_a_url_asks_for_in_vain_is_said_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url("redis://h?protocol=4")
    assert str(caught.value) == "not a server URL: protocol is 2 or 3, not 4"


def test_endpoints_are_equal_when_all_is_equal() -> None:
    one, same = parse_url("rediss://u:p@h/1")[0], parse_url("rediss://u:p@h/1")[0]
    assert one == same
    assert hash(one) == hash(same)
    assert one != parse_url("rediss://u:other@h/1")[0]


# -- credentials


class Provider(CredentialProvider):
    def __init__(self, *given: str) -> None:
        self.given = given

    def get_credentials(self) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("settings", "login"),
    [
        ({}, None),
        ({"password": "p"}, (None, "p")),
        ({"username": "u", "password": "p"}, ("u", "p")),
        ({"username": "u"}, ("u", "")),  # a user without password, as ACL allows
        ({"credentials": lambda: ("u", "p")}, ("u", "p")),
        ({"credentials": lambda: (None, "p")}, (None, "p")),
        ({"credentials": lambda: "p"}, (None, "p")),
        ({"credentials": Provider("u", "p")}, ("u", "p")),
        ({"credentials": Provider("p")}, (None, "p")),
        ({"credentials": Provider("", "p")}, (None, "p")),
        ({"credentials": lambda: ("u", None)}, ("u", "")),
        ({"credentials": Provider("u", "p"), "username": "x", "password": "y"}, ("u", "p")),
    ],
)
def test_who_logs_in(settings: dict[str, Any], login: Any) -> None:
    endpoint = Endpoint(**settings)
    assert endpoint.login() == login
    assert asyncio.run(endpoint.async_login()) == login


def test_credentials_are_asked_every_time() -> None:
    passwords = iter(("one", "two"))
    endpoint = Endpoint(credentials=lambda: ("u", next(passwords)))
    assert [endpoint.login(), endpoint.login()] == [("u", "one"), ("u", "two")]


@pytest.mark.parametrize(
    "given", [(), ("u", SECRET, "more"), ("u", 7), {"user": "u", "password": SECRET, "realm": "r"}]
)
def test_what_is_no_login_is_refused_without_showing_it(given: Any) -> None:
    with pytest.raises(ValueError, match="user and password") as caught:
        Endpoint(credentials=lambda: given).login()
    assert SECRET not in str(caught.value)


# -- TLS


def test_all_connections_of_an_endpoint_share_one_context(tmp_path: Path) -> None:
    tls = Tls(ca_certs=str(Authority(tmp_path).ca))
    assert Endpoint(tls=tls).tls is tls
    assert tls.ssl_context() is tls.ssl_context()


def test_a_given_context_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    assert Tls(context=context).ssl_context() is context


@pytest.mark.parametrize(
    ("settings", "mode", "names"),
    [
        ({}, ssl.CERT_REQUIRED, True),
        ({"check_hostname": False}, ssl.CERT_REQUIRED, False),
        ({"verify": "none"}, ssl.CERT_NONE, False),
        ({"verify": "optional", "check_hostname": False}, ssl.CERT_OPTIONAL, False),
    ],
)
def test_servers_are_verified_unless_told_otherwise(
    settings: dict[str, Any], mode: ssl.VerifyMode, names: bool
) -> None:
    context = Tls(**settings).ssl_context()
    assert (context.verify_mode, context.check_hostname) == (mode, names)


def test_authorities_keys_versions_and_ciphers_are_set(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = Tls(
        ca_data=authority.ca.read_text(),
        certfile=str(authority.client),
        keyfile=str(authority.client_key),
        min_version=ssl.TLSVersion.TLSv1_3,
        ciphers="ECDHE+AESGCM",
    ).ssl_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"ca_certs": "/nowhere/ca.pem"},
        {"certfile": "/nowhere/cert.pem"},
        {"ca_data": "nonsense"},
        {"ciphers": "nonsense"},
        {"keyfile": "/nowhere/key.pem"},
    ],
)
def test_tls_settings_that_cannot_work_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=name):
        Tls(**wrong).ssl_context()


def test_an_unknown_way_to_verify_is_refused() -> None:
    with pytest.raises(ValueError, match="verify"):
        Tls(verify="perhaps")


def test_nobody_is_asked_on_the_terminal_for_the_password_of_a_key(tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    locked.write_text(LOCKED_KEY)
    settings = {"certfile": str(Authority(tmp_path).client), "keyfile": str(locked)}
    text = (
        "from cachex_pool import ConfigurationError, Tls\n"
        f"try:\n    Tls(**{settings!r}).ssl_context()\n"
        "except ConfigurationError as error:\n    print(error)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", text],
        input=SECRET + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=True,
    )
    assert "locked.key" in asked.stdout
    assert "pass phrase" not in asked.stderr


# -- what is weak about TLS


def context_with(**settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def with_ciphers(ciphers: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_ciphers(ciphers)
    return context


OLDEST = ssl.TLSVersion.MINIMUM_SUPPORTED
NOT_OLD = ssl.OP_ALL | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
def test_what_is_weak_about_tls_is_named() -> None:
    aged = ssl.TLSVersion.TLSv1
    weak: list[tuple[Tls, list[str]]] = [
        (Tls(), []),
        (Tls(ciphers="ECDHE+AESGCM", min_version=ssl.TLSVersion.TLSv1_3), []),
        (Tls(ca_certs="/not/read/for/this"), []),
        (Tls(verify="none"), ["not checked"]),
        (Tls(check_hostname=False), ["host name"]),
        (Tls(min_version=aged), ["below 1.2"]),
        (Tls(min_version=OLDEST), ["below 1.2"]),
        (Tls(ciphers="DEFAULT:@SECLEVEL=0"), ["SECLEVEL=0"]),
        (Tls(ciphers="ALL:@SECLEVEL=0"), ["SECLEVEL=0", "aNULL"]),
        (Tls(ciphers="eNULL:@SECLEVEL=0"), ["SECLEVEL=0", "aNULL", "eNULL"]),
        (Tls(ciphers="ALL:aNULL:@SECLEVEL=2"), []),
        (Tls(context=ssl.create_default_context()), []),
        (Tls(context=context_with(check_hostname=False)), ["host name"]),
        (Tls(context=context_with(minimum_version=aged)), ["below 1.2"]),
        (Tls(context=context_with(minimum_version=OLDEST)), ["below 1.2"]),
        (Tls(context=context_with(minimum_version=OLDEST, options=NOT_OLD)), []),
        (Tls(context=with_ciphers("aNULL:!eNULL:@SECLEVEL=0")), ["SECLEVEL=0", "aNULL"]),
    ]
    for tls, words in weak:
        found = tls.weaknesses()
        assert len(found) == len(words), (tls, found)
        assert all(word in text for word, text in zip(words, found, strict=True))
    with pytest.raises(ConfigurationError, match="ciphers='nonsense'"):
        Tls(ciphers="nonsense").weaknesses()


@pytest.mark.parametrize("name", ["ca_certs", "ca_path", "ca_data"])
def test_authorities_that_are_empty_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is empty"):
        Tls(**{name: ""})  # type: ignore[arg-type]


def test_a_folder_of_authorities_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(ConfigurationError, match=r"ca_path '.*' is no folder"):
            Tls(ca_path=str(wrong)).ssl_context()


def test_authorities_given_as_text_are_not_shown() -> None:
    for wrong in (f"{SECRET} ä", f"{SECRET} \ud800", f"{SECRET} \0"):
        with pytest.raises(ConfigurationError, match=r"ca_data=\.\.\.") as caught:
            Tls(ca_data=wrong).ssl_context()
        assert SECRET not in str(caught.value)
