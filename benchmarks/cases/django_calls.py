"""Django's cache API, synchronous, on top of each backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ground import Ground, django_cache
from measure import Case, Contender, Entrant, contender

VALUE = "v" * 100
KEYS = [f"key-{number}" for number in range(100)]
SHORT = {key: f"value-{number}" for number, key in enumerate(KEYS)}
BACKENDS = ("cachex", "Django", "django-redis", "django-valkey")


def lineup(make: Callable[[str, Any], Contender]) -> list[Entrant]:
    """Make the same contender on every backend."""
    return [Entrant(name, partial(_make, make, name)) for name in BACKENDS]


def _make(make: Callable[[str, Any], Contender], name: str) -> Contender:
    return make(name, django_cache(name))


def get(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        cache.set("k", VALUE, 60 * 60)
        return contender(name, cache.get, "k")

    return Case(
        name="django-get",
        title="cache.get of a string of 100 characters",
        entrants=lineup(make),
        expected=VALUE,
    )


def get_many(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        for key, value in SHORT.items():
            cache.set(key, value, 60 * 60)
        return contender(name, cache.get_many, KEYS)

    return Case(
        name="django-get-many",
        title="cache.get_many of 100 short strings",
        entrants=lineup(make),
        expected=SHORT,
    )


def set_many(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        # What it answers differs (a list, nothing); what must be right is what was stored.
        turn = contender(name, cache.set_many, SHORT, 60)

        def probe() -> bool:
            turn.probe()
            return bool(cache.get_many(KEYS) == SHORT)

        return Contender(name, turn.run, probe)

    return Case(
        name="django-set-many",
        title="cache.set_many of 100 short strings with a timeout of 60 s",
        entrants=lineup(make),
        expected=True,
    )


def set_(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        turn = contender(name, cache.set, "k", VALUE, 60)

        def probe() -> object:
            turn.probe()
            return cache.get("k")

        return Contender(name, turn.run, probe)

    return Case(
        name="django-set",
        title="cache.set of a string of 100 characters with a timeout of 60 s",
        entrants=lineup(make),
        expected=VALUE,
        informative=True,
    )


def delete(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        turn = contender(name, cache.delete, "not-there")
        return Contender(name, turn.run, lambda: bool(turn.probe()))

    return Case(
        name="django-delete",
        title="cache.delete of a key that is not there",
        entrants=lineup(make),
        expected=False,
        informative=True,
    )


def incr(_: Ground) -> Case:
    def make(name: str, cache: Any) -> Contender:
        cache.set("counter", 1, 60 * 60)
        turn = contender(name, cache.incr, "counter")

        def probe() -> bool:
            before = cache.get("counter")
            return bool(turn.probe() == before + 1)

        return Contender(name, turn.run, probe)

    return Case(
        name="django-incr",
        title="cache.incr of a counter that is there",
        entrants=lineup(make),
        expected=True,
        informative=True,
    )


def delete_many(_: Ground) -> Case:
    absent = [f"{key}-not-there" for key in KEYS]

    def make(name: str, cache: Any) -> Contender:
        return contender(name, cache.delete_many, absent)

    return Case(
        name="django-delete-many",
        title="cache.delete_many of 100 keys that are not there",
        entrants=lineup(make),
        informative=True,
    )
