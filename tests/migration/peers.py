"""What the installed other backends read of a project's settings, taken from their sources."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import redis
import redis.connection
import redis.sentinel
from django.core.cache.backends.redis import RedisCacheClient

PEERS = ("django_redis", "django_valkey")

_OPTION = re.compile(
    r"""(?:options|_options)(?:\.(?:get|setdefault|pop)\(|\[)\s*["']([A-Z_]+)["']"""
)
_PARAM = re.compile(r"""params\.get\(\s*["']([A-Z_]+|timeout|max_entries|cull_frequency)["']""")
_IN_OPTIONS = re.compile(r"""["']([A-Z_]+)["'] in options""")
_SETTING = re.compile(r"""getattr\(\s*settings,\s*["']([A-Z_]+)["']""")


def sources(package: str) -> str:
    """Return all of a package's text, none of which is run."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.py")))


def options(package: str) -> set[str]:
    """Return the names that a package looks for in OPTIONS."""
    text = sources(package)
    return {*_OPTION.findall(text), *_IN_OPTIONS.findall(text)}


def beside_options(package: str) -> set[str]:
    """Return the names that a package looks for beside OPTIONS."""
    return set(_PARAM.findall(sources(package)))


def settings(package: str) -> set[str]:
    """Return the settings for all caches that a package looks for."""
    return set(_SETTING.findall(sources(package)))


def classes(package: str) -> set[str]:
    """Return the dotted paths of a package's serializers, compressors, clients and factories."""
    kinds = r"(?:Serializer|Compressor|Client|ConnectionFactory)"
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    found = set()
    for path in folder.rglob("*.py"):
        module = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
        for name in re.findall(rf"^class (\w+{kinds})\b", path.read_text(), re.MULTILINE):
            if not name.startswith("Base"):
                found.add(f"{module}.{name}")
    return found


def of_django_and_redis_py() -> set[str]:
    """Return the names that Django's own backend takes: its own, and all that it passes on."""
    kinds = (
        RedisCacheClient,
        redis.Redis,
        redis.connection.ConnectionPool,
        redis.connection.BlockingConnectionPool,
        redis.connection.Connection,
        redis.connection.SSLConnection,
        redis.connection.UnixDomainSocketConnection,
        redis.sentinel.SentinelConnectionPool,
    )
    found = {name for kind in kinds for name in _arguments(kind)}
    return found - {"servers"}


def _arguments(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        made = base.__dict__.get("__init__")
        if not inspect.isfunction(made):
            continue
        for argument in inspect.signature(inspect.unwrap(made)).parameters.values():
            named = argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY)
            if named and argument.name != "self":
                yield argument.name
