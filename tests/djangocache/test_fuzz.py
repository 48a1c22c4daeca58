"""Whatever stands in CACHES: the checks say something of it, raise nothing, and show no secret.

In every run these try a few examples; `dev.py soak --full` tries others for hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from cachex_client.config.options import BY_NAME
from django_cachex import checks, registry
from djangocache import project
from support.examples import tries

pytestmark = pytest.mark.fuzz
some = tries(60, full=100_000)

SECRET = "CANARY-of-a-secret"
HOSTS = ("127.0.0.1", "cache-1", "[::1]", "127.1", "localhost.")


def refuse(*arguments: Any, **named: Any) -> Any:
    raise RuntimeError("refused")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


def unspeakable(*arguments: Any, **named: Any) -> Any:
    raise Unspeakable(SECRET)


class Refusing:
    """What raises whatever is asked of it, but only while settings are read: pytest asks, too."""

    now = False


def refusing(*names: str) -> Any:
    def guard(name: str) -> Any:
        def asked(self: Any, *arguments: Any) -> Any:
            if Refusing.now:
                raise RuntimeError(SECRET)
            return getattr(object, name)(self, *arguments)

        return asked

    return type(f"Refusing{''.join(names)}", (Refusing,), {name: guard(name) for name in names})()


@contextmanager
def settings(caches: dict[str, Any]) -> Iterator[None]:
    try:
        with override_settings(CACHES=caches):
            Refusing.now = True
            yield
    finally:
        Refusing.now = False
        registry.close_all()


SELF: list[Any] = []
SELF.append(SELF)
OF_ITSELF: dict[str, Any] = {}
OF_ITSELF["a"] = OF_ITSELF
ABSURD = [
    *(10**400, -(10**400), float("nan"), float("inf"), 1j, 0.5, -1, None, True, "", (), {}),
    *(b"\xff\xfe", "\ud800", "a\0b", "\x1b[2J", "\u202e", "9" * 5_000, "x" * 100_000, "*", "..."),
    *(SELF, OF_ITSELF, [None], {1: 2}, [{}], {1}, object, type, pytest, unspeakable, Unspeakable),
    *("djangocache.test_fuzz.unspeakable", "djangocache.raises_when_imported.Any", "os.nothing"),
    *map(refusing, ["__repr__", "__str__", "__bool__", "__eq__", "__hash__", "__iter__"]),
    refusing("__eq__", "__hash__"),
    refusing("__repr__", "__str__", "__len__", "__getattribute__"),
    refusing("__float__", "__int__", "__index__", "__call__"),
]
absurd = st.sampled_from(ABSURD) | st.text(max_size=8) | st.binary(max_size=8)
sane = st.sampled_from([1, 3.5, "json", "pickle", ["json", "pickle"], "zlib", "none"])
locations = st.builds(
    lambda scheme, host, db: f"{scheme}://u:{SECRET}@{host}/{db}",
    st.sampled_from(["redis", "rediss"]),
    st.sampled_from(HOSTS),
    st.integers(0, 2),
)
topologies = st.sampled_from(
    [
        {},
        {"CLIENT_CLASS": "django_cachex.client.ClusterClient"},
        {
            "CLIENT_CLASS": "django_cachex.client.SentinelClient",
            "SENTINELS": [("s-1", 1), ("127.0.0.1", 2)],
            "SENTINEL_KWARGS": {"PASSWORD": SECRET},
        },
    ]
)
options = st.builds(
    lambda topology, given, secrets: {**topology, **given, **secrets},
    topologies,
    st.dictionaries(st.sampled_from(sorted(BY_NAME)), sane | absurd, max_size=2),
    st.dictionaries(
        st.sampled_from(sorted(name for name, one in BY_NAME.items() if one.secret)),
        st.sampled_from([SECRET, [SECRET], SECRET.encode()]),
        max_size=1,
    ),
)
beside = st.fixed_dictionaries(
    {},
    optional={
        "TIMEOUT": absurd,
        "KEY_PREFIX": st.sampled_from(["t", "t:1", "t*", ""]) | absurd,
        "VERSION": st.sampled_from([1, "eu"]) | absurd,
        "KEY_FUNCTION": st.sampled_from([refuse, unspeakable]) | absurd,
        "REVERSE_KEY_FUNCTION": absurd,
    },
)
entries = st.builds(
    lambda location, options, beside: {
        "BACKEND": project.BACKEND,
        "LOCATION": location,
        "OPTIONS": options,
        **beside,
    },
    locations | absurd | st.lists(locations | absurd, max_size=2),
    options | options | absurd,
    st.just({}) | beside,
)
others = absurd | absurd.map(lambda value: {"BACKEND": value})


def ours(**rest: Any) -> dict[str, Any]:
    return {"BACKEND": project.BACKEND, "LOCATION": "redis://127.0.0.1/1", **rest}


@pytest.mark.filterwarnings("ignore")  # of the ssl module, of keys: the checks say more
@some
@given(st.lists(entries | entries | others, min_size=1, max_size=3))
@example([ours(TIMEOUT=10**400)])
@example([ours(KEY_PREFIX="\ud800"), ours(VERSION="\ud800")])
@example([ours(KEY_FUNCTION=unspeakable)])
@example([None, {"BACKEND": None}, {"BACKEND": object}])
@example([{"BACKEND": "djangocache.raises_when_imported.Any"}, ours()])
@example([ours(LOCATION=SELF), ours(OPTIONS={"CREDENTIAL_PROVIDER": refusing("__hash__")})])
def test_the_checks_survive_whatever_stands_in_caches(given: list[Any]) -> None:
    caches = dict(zip(("default", "other", "third"), given, strict=False))
    with settings(caches):
        found = [*checks.check_caches(), *checks.check_deployed_caches()]
        found += [one for alias in caches for one in checks.messages_about(alias)]
    for one in found:
        assert isinstance(one, CheckMessage)
        shown = f"{one} {one!r}"
        assert SECRET not in shown


@some
@given(absurd, absurd, absurd)
@example(refusing("__str__"), None, SELF)
def test_an_entry_beside_absurd_ones_works(first: Any, second: Any, third: Any) -> None:
    caches = {"first": {"BACKEND": first}, "default": ours(), "second": second}
    caches["third"] = ours(LOCATION=third)
    with settings(caches):
        found = [*checks.check_caches(), *checks.check_deployed_caches()]
    assert [one for one in found if one.obj == "default"] == []
