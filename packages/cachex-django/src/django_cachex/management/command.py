"""What the management commands of this package share."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cachex_client import ClientError
from cachex_pool import PoolError
from cachex_pool.errors import printable
from django_cachex.core import CacheCore
from django_cachex.errors import CachexError
from django_cachex.inspection import report


class CacheCommand(BaseCommand):
    """A command about caches of this package; it talks JSON if asked to."""

    requires_system_checks = ()  # with wrong settings it has most to tell

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Allow --version, which is Django's own elsewhere, to mean that of keys."""
        kwargs.setdefault("conflict_handler", "resolve")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="Write JSON, for machines."
        )

    def say(self, line: str, style: Callable[[str], str] = str) -> None:
        """Write one line; keys and what servers say in it cannot do anything to a terminal."""
        self.stdout.write(style(self.writable(printable(line))))

    def writable(self, line: str) -> str:
        """Escape what the encoding of the output does not have."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def say_json(self, told: Any) -> None:
        """Write one line of JSON."""
        self.stdout.write(json.dumps(told, default=str))


def shown_key(name: str) -> str:
    """Return a key as it may be shown: a backslash in it is not taken for an escaped character."""
    return printable(name.replace("\\", r"\\"))


def add_alias(parser: CommandParser, *, several: bool) -> None:
    """Let a cache, or several, be named."""
    if several:
        text = "Caches, by their alias in CACHES; all of django_cachex if none is named."
        parser.add_argument("aliases", nargs="*", metavar="alias", help=text)
    else:
        text = "The cache, by its alias in CACHES; 'default' if none is named."
        parser.add_argument("alias", nargs="?", default="default", help=text)


def add_scope(parser: CommandParser) -> None:
    """Let the keys be named that are meant."""
    parser.add_argument("--pattern", help="A glob pattern of keys, as the cache is asked for them.")
    parser.add_argument(
        "--version", help="The version of the keys; that of the cache if not given."
    )


def wanted(aliases: list[str]) -> list[str]:
    """Return the caches that are meant; CommandError if there is one that is none of ours."""
    if not aliases:
        found = report.ours()
        if not found:
            raise CommandError("no entry of CACHES has a BACKEND of django_cachex")
        return found
    for alias in aliases:
        if alias not in caches.settings:
            there = ", ".join(map(repr, caches.settings))
            raise CommandError(f"there is no cache {alias!r} in CACHES; there are {there}")
        try:
            if not report.is_ours(alias):
                raise CommandError(f"the cache {alias!r} is not one of django_cachex")
        except InvalidCacheBackendError as error:
            raise CommandError(str(error)) from error
        except ImproperlyConfigured:
            continue  # said by whoever uses it
    return aliases


def cache_of(alias: str) -> Any:
    """Return a cache of this package; CommandError if that cannot be."""
    wanted([alias])
    try:
        cache = caches[alias]
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    assert isinstance(cache, CacheCore)
    return cache


def version_of(cache: Any, given: str | None) -> int | str | None:
    """Return a version as the cache would be asked for it: a number, if it looks like one."""
    if given is None or isinstance(given, int):
        return given
    return int(given) if given.removeprefix("-").isdigit() else given


@contextmanager
def told_plainly(alias: str) -> Iterator[None]:
    """Turn what a server or the way to it says into one line for a person."""
    try:
        yield
    except (RedisError, PoolError, ClientError, CachexError, OSError) as error:
        told = printable(f"cache {alias!r}: {type(error).__name__}: {error}")
        raise CommandError(told) from error
