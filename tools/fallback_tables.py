#!/usr/bin/env python3
"""Write docs/reference/fallbacks.md: what each method answers under IGNORE_EXCEPTIONS.

python3 dev.py python tools/fallback_tables.py            write it
python3 dev.py python tools/fallback_tables.py --check    write nothing; exit 1 if it differs
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pages
from django_cachex.cache import RedisCache
from django_cachex.failures import ENDING_EARLY, FALLBACKS, FALLBACKS_OF_BULK

PAGE = pages.ROOT / "docs/reference/fallbacks.md"
BEGIN = "<!-- tools/fallback_tables.py writes from here -->"

SAMPLES: Mapping[str, Any] = {
    "key": "k",
    "keys": ["k", "l"],
    "src": "k",
    "dst": "l",
    "dest": "l",
    "value": 1,
    "values": 1,
    "data": {"k": 1, "l": 2},
    "deltas": {"k": 1},
    "default": "default",
    "pattern": "*",
    "timeout": 1,
    "when": 2_000_000_000,
    "field": "f",
    "fields": "f",
    "mapping": {"f": 1},
    "member": "m",
    "members": "m",
    "index": 0,
    "count": 1,
    "start": 0,
    "end": -1,
    "where": "BEFORE",
    "wherefrom": "LEFT",
    "whereto": "RIGHT",
    "pivot": 1,
    "amount": 1.0,
    "min_score": 0,
    "max_score": 1,
    "limit": 10,
    "per": 60,
    "window": 60,
    "period": 60,
    "capacity": 10,
    "rate": 1,
    "script": "return 1",
    "bit": 1,
    "consumer": "c",
    "entry_ids": "1-1",
    "group": "g",
    "member1": "m",
    "member2": "n",
    "min_idle_time": 60_000,
    "offset": 0,
    "streams": {"k": "0"},
}
"""An argument for each parameter that has to be given."""

CALLS: Mapping[str, tuple[Any, ...]] = {
    "get": ("k", "default"),
    "hset": ("k", "f", 1),
    "hsetex": ("k", "f", 1),
    "blmove": ("k", "l", 0.05),
    "bitfield": ("k", ("GET", "u8", 0)),
    "bitop": ("OR", "l", ["k"]),
    "geoadd": ("k", {"m": (13.4, 52.5)}),
    "geosearch": ("k",),
    "geosearchstore": ("l", "k"),
    "setbit": ("k", 0, 1),
    "xadd": ("k", {"f": 1}),
    "xclaim": ("k", "g", "c", 60_000, ["1-1"]),
    "xreadgroup": ("g", "c", {"k": ">"}),
    "xgroup_setid": ("k", "g", "0"),
    "xtrim": ("k", 100),
}
"""Arguments of methods for which those are not what one would write."""

NAMED: Mapping[str, Mapping[str, Any]] = {
    "blpop": {"timeout": 0.05},
    "brpop": {"timeout": 0.05},
    "geosearch": {"member": "m", "radius": 1000},
    "geosearchstore": {"member": "m", "radius": 1000},
    "semaphore": {"lease": 60},
}
"""Arguments that are given by name."""

RAISES: Mapping[str, type[Exception]] = {
    "decr": ValueError,
    "decr_version": ValueError,
}
"""Methods made of others, which raise as those do."""

ANSWERS: Mapping[str, Any] = {"get_or_set": "default", "keys": []}
"""Methods made of others, and what they answer."""

NO_SERVER = ("close",)
"""Methods that do nothing."""

OBJECTS: Mapping[str, str] = {
    "lock": "a lock whose `acquire` raises: to pretend to hold one would be worse",
    "get_lock": "as `lock`",
    "pipeline": "a pipeline each of whose results is what the method would answer alone",
    "semaphore": "a semaphore whose `acquire` raises",
    "eval_script": "raises the error: nothing can stand for what a script does",
}
"""Methods without an answer of their own, and what comes of them."""


def methods() -> list[str]:
    """Return the names of a cache's methods that have a twin for asyncio."""
    return [
        name
        for name in dir(RedisCache)
        if not name.startswith("_")
        and callable(getattr(RedisCache, name))
        and hasattr(RedisCache, f"a{name}")
    ]


def call_of(name: str) -> tuple[Any, ...]:
    """Return arguments for a method; KeyError if a parameter has no sample yet."""
    if name in CALLS:
        return CALLS[name]
    parameters = inspect.signature(getattr(RedisCache, name)).parameters.values()
    arguments = []
    for one in parameters:
        if one.name in ("self", "more", "kwargs", "options") or one.default is not one.empty:
            continue
        if one.kind is one.KEYWORD_ONLY:
            raise KeyError(f"{name}: give CALLS its arguments")
        arguments.append(SAMPLES[one.name])
    return tuple(arguments)


def written(name: str) -> str:
    """Return a call as one writes it."""
    named = (f"{key}={value!r}" for key, value in NAMED.get(name, {}).items())
    return f"`{name}({', '.join((*map(repr, call_of(name)), *named))})`"


def called(cache: Any, name: str, *, twin: bool = False) -> Any:
    """Call a method of a cache, or its twin for asyncio."""
    method = getattr(cache, f"a{name}" if twin else name)
    return method(*call_of(name), **NAMED.get(name, {}))


def answer(name: str) -> Any:
    """Return what a method answers, or the class of what it raises; KeyError if nothing says it."""
    if name in RAISES:
        return RAISES[name]
    if name in ANSWERS:
        return ANSWERS[name]
    if name in NO_SERVER:
        return None
    if name in ENDING_EARLY:
        return []
    fallback: Callable[..., Any] = {**FALLBACKS, **FALLBACKS_OF_BULK}[name]
    try:
        error = ConnectionError("the server is away")
        return fallback(error, *call_of(name), **NAMED.get(name, {}))
    except ValueError:
        return ValueError


def shown(name: str) -> tuple[str, str]:
    """Return the two cells of a method."""
    if name in OBJECTS:
        return written(name), OBJECTS[name]
    result = answer(name)
    text = f"raises `{result.__name__}`" if isinstance(result, type) else f"`{result!r}`"
    if name in ENDING_EARLY:
        text = "ends there; what came before is yielded"
    return written(name), text


def table(names: Iterable[str]) -> str:
    lines = ["| method | answer |", "| --- | --- |"]
    return "\n".join([*lines, *("| {} | {} |".format(*shown(name)) for name in names)])


def updated(page: str) -> str:
    """Return the page with a new table between its two marks."""
    return pages.between(page, BEGIN, table(methods()))


def main(arguments: list[str]) -> int:
    wanted = updated(PAGE.read_text())
    return pages.bring_up_to_date(PAGE, wanted, "fallback_tables", arguments)


if __name__ == "__main__":
    from django.conf import settings

    settings.configure()
    sys.exit(main(sys.argv[1:]))
