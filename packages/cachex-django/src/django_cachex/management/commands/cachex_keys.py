"""`manage.py cachex_keys`: the keys of a cache, as they are found."""

import json
from typing import Any

from django.core.management.base import CommandParser

from django_cachex.inspection import keyspace
from django_cachex.inspection.keyspace import Scope
from django_cachex.inspection.progress import Progress
from django_cachex.management.command import (
    CacheCommand,
    add_alias,
    add_scope,
    cache_of,
    shown_key,
    told_plainly,
    version_of,
)


class Command(CacheCommand):
    help = (
        "List the keys of a cache, one on a line, as SCAN finds them: the server goes on working"
        " meanwhile, and a key may come twice. With --json each line is an object."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_alias(parser, several=False)
        add_scope(parser)
        super().add_arguments(parser)
        parser.add_argument("--count", action="store_true", help="Write only how many there are.")
        parser.add_argument(
            "--ttl", action="store_true", help="Write the seconds too that each has left."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["alias"]
        cache = cache_of(alias)
        version = version_of(cache, options["version"])
        scope = Scope(pattern=options["pattern"] or "*", version=version)
        verbs = keyspace.plain(cache)
        ttl = options["ttl"] and not options["count"]
        found = 0
        with told_plainly(alias):
            # Names on a terminal would be torn apart by a bar.
            total = keyspace.size(verbs) if options["count"] else 0
            with Progress("counting", total) as progress:
                for key in keyspace.listed(verbs, scope, ttl=ttl, advance=progress.advance):
                    found += 1
                    if not options["count"]:
                        line = _line(key, ttl=ttl, as_json=options["as_json"])
                        self.stdout.write(self.writable(line))
        if options["count"]:
            told = {"alias": alias, "pattern": scope.pattern, "count": found}
            self.say(json.dumps(told) if options["as_json"] else str(found))


def _line(key: keyspace.Key, *, ttl: bool, as_json: bool) -> str:
    seconds = None if key.pttl is None else key.pttl / 1000
    if as_json:
        return json.dumps({"key": key.name, "ttl": seconds} if ttl else {"key": key.name})
    name = shown_key(key.name)
    if not ttl:
        return name
    left = "never" if seconds is None else "gone" if seconds < 0 else f"{seconds:.3f}"
    return f"{left}\t{name}"
