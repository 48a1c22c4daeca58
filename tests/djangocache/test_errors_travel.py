"""All errors of the four packages travel: between processes, and as copies."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import ModuleType
from typing import Any

import attrs
import pytest

import cachex_client
import cachex_pool
import django_cachex
from cachex_client.limits import RateLimit
from cachex_pool.errors import _BY_CODE, reply_error
from cachex_pool.stats import PoolStats

PACKAGES = [cachex_pool, cachex_client, django_cachex]
if importlib.util.find_spec("cachex_otel"):  # not where the other packages are tested alone
    PACKAGES.append(importlib.import_module("cachex_otel"))


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".management.commands." not in found.name:
            yield importlib.import_module(found.name)


def classes() -> dict[str, type[Exception]]:
    """Every class of an error that a module of ours defines."""
    return {
        f"{module.__name__}.{name}": found
        for package in PACKAGES
        for module in modules(package)
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and issubclass(found, Exception)
        and found.__module__ == module.__name__
    }


CLASSES = classes()
numbers = {field.name: 1 for field in attrs.fields(PoolStats)}
STATS = PoolStats(**{**numbers, "name": "h:1/0", "closed": {"lost": 2}, "breaker": "closed"})
VALUES: dict[str, Any] = {
    "name": "h:1/0",
    "waited": 1.5,
    "stats": STATS,
    "cause": ValueError("no"),
    "why": OSError(104, "reset"),
    "phase": "waiting for the reply",
    "written": True,
    "key": "k",
    "result": RateLimit(allowed=False, limit=3, remaining=0, retry_after=2.0),
    "timeout": 1.0,
    "errors": [OSError(111, "refused"), cachex_pool.PoolClosed("h:1/0")],
    "service": "shop",
    "slot": 5,
    "what": "SET",
    "stored": 242,
    "limit": 1000,
    "compressor": "Bz2Compressor",
    "message": "the text",
    "lock_name": "lock",
    "by": "10.0.0.1:7000",
    "address": "evil.test:7",
    "redirect": "MOVED 5 evil.test:7",
    "server": "h:1/0",
    "keys": 17,
    "named": {"a:1": 1, "b:1": 1},
}


def made(kind: type[Exception]) -> Exception:
    """Make an error as its own constructor wants it, with a note and a cause."""
    init = kind.__init__
    arguments: dict[str, Any] = {}
    if inspect.isfunction(init):
        for name, parameter in inspect.signature(init).parameters.items():
            if name in VALUES and parameter.default is parameter.empty:
                arguments[name] = VALUES[name]
    error = kind(**arguments) if arguments else kind("the text", 7)
    error.add_note("number 3 of a pipeline")
    return error


def agree(twin: Any, error: Exception) -> None:
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert repr(twin) == repr(error)
    assert repr(twin.args) == repr(error.args)
    assert twin.__notes__ == error.__notes__
    assert vars(twin).keys() == vars(error).keys()
    for name, value in vars(error).items():
        assert repr(vars(twin)[name]) == repr(value), name


WAYS = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "the oldest pickle": lambda error: pickle.loads(pickle.dumps(error, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def test_the_errors_are_found() -> None:
    public = {
        f"{found.__module__}.{found.__name__}"
        for package in PACKAGES
        for found in vars(package).values()
        if inspect.isclass(found) and issubclass(found, Exception)
    }
    assert len(public) > 20
    assert public <= CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_survives_pickle_and_copy(name: str) -> None:
    error = made(CLASSES[name])
    for way in WAYS.values():
        agree(way(error), error)


@pytest.mark.parametrize("code", [*_BY_CODE, "ERR", "WRONGTYPE", "MISCONF"])
def test_an_error_reply_survives_pickle_and_copy(code: str) -> None:
    text = f"{code} 3999 127.0.0.1:6381" if code in ("MOVED", "ASK") else f"{code} it says"
    error = reply_error(text)
    for way in WAYS.values():
        twin = way(error)
        assert type(twin) is type(error)
        assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


class Stuck(Exception):
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("no")


def test_what_cannot_be_pickled_inside_of_an_error_travels_as_its_text() -> None:
    error = cachex_client.ClusterUnreachable("c", [Stuck("it broke"), ValueError("no")])
    assert copy.copy(error).errors == error.errors
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == str(error)
    assert list(map(repr, twin.errors)) == ["RuntimeError('Stuck: it broke')", "ValueError('no')"]


RAISING = """
from cachex_client import ClusterUnreachable, SlotNotCovered
raise {}
"""


def test_a_pool_of_processes_hands_an_error_on() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for error, told in (
            ("SlotNotCovered('c', 5)", "serves slot 5"),
            ("ClusterUnreachable('c', [ValueError('no')])", "cannot learn the topology"),
        ):
            with pytest.raises(cachex_client.ClientError, match=told) as caught:
                pool.submit(exec, RAISING.format(error)).result(60)
            assert type(caught.value).__name__ == error.partition("(")[0]


def test_a_wrong_setting_is_one_error_whoever_finds_it() -> None:
    assert cachex_client.ConfigurationError is cachex_pool.ConfigurationError
    wrong: Any = -1
    for make in (
        lambda: cachex_client.DefaultClient(["http://x"]),
        lambda: cachex_client.DefaultClient([]),
        lambda: cachex_client.DefaultClient(["redis://h/0?x=1"]),
        lambda: cachex_client.ClientOptions(timeout=wrong),
        lambda: cachex_pool.PoolOptions(max_size=0),
        lambda: cachex_client.Codec("jason"),
        lambda: cachex_client.Cache.from_url("redis://h/0?nothing=1"),
    ):
        with pytest.raises(cachex_client.ConfigurationError) as caught:
            make()
        assert isinstance(caught.value, ValueError)
