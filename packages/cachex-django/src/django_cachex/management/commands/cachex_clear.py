"""`manage.py cachex_clear`: remove what is in a cache."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from cachex_pool.errors import printable
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

EXAMPLES = 5


class Command(CacheCommand):
    help = (
        "Remove the keys of a cache: those of its KEY_PREFIX, of all versions, unless --pattern or"
        " --version say which. Asks first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_alias(parser, several=False)
        add_scope(parser)
        super().add_arguments(parser)
        parser.add_argument(
            "--flush-db",
            action="store_true",
            help="Empty the whole database, of everybody who uses it.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Remove nothing; say what would be removed."
        )
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Do not ask.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["alias"]
        cache = cache_of(alias)
        scope = Scope(
            pattern=options["pattern"],
            version=version_of(cache, options["version"]),
            whole_database=options["flush_db"],
        )
        if scope.whole_database and (scope.pattern is not None or scope.version is not None):
            raise CommandError("--flush-db empties the database: it goes with no other choice")
        what = scope.told(cache)
        with told_plainly(alias):
            scope.search(cache._keys)  # refused before anybody is asked
            if options["dry_run"]:
                count, examples = self._count(cache, scope)
            else:
                if options["interactive"]:
                    self._ask(f"{what}, in the cache {alias!r} on {cache.client.config.name}")
                count, examples = self._remove(cache, scope), []
        told = {"alias": alias, "what": what, "dry_run": options["dry_run"], "keys": count}
        if options["as_json"]:
            self.say_json({**told, "examples": examples})
            return
        verb = "would remove" if options["dry_run"] else "removed"
        self.say(f"{verb} {count} keys: {what}", self.style.SUCCESS)
        for example in examples:
            self.say(f"  {shown_key(example)}")

    def _ask(self, what: str) -> None:
        self.stderr.write(printable(f"This removes {what}."), self.style.WARNING)
        self.stderr.write("Type 'yes' to go on, anything else to leave it: ", ending="")
        self.stderr.flush()
        try:
            answer = input()
        except EOFError:
            raise CommandError("nobody is there to ask: use --noinput") from None
        if answer.strip() != "yes":
            raise CommandError("nothing was removed")

    def _remove(self, cache: Any, scope: Scope) -> int:
        verbs = keyspace.plain(cache)
        total = keyspace.size(verbs)
        if scope.is_everything(verbs.keyspace):
            verbs.flush_db()
            return total
        with Progress("removing", total) as progress:
            return keyspace.remove(verbs, scope, progress.advance)

    def _count(self, cache: Any, scope: Scope) -> tuple[int, list[str]]:
        """Return how many keys there are, and some of them as they are stored."""
        verbs = keyspace.plain(cache)
        count, examples = 0, list[str]()
        with Progress("counting", keyspace.size(verbs)) as progress:
            for batch in keyspace.stored(verbs, scope, progress.advance):
                count += len(batch)
                some = batch[: EXAMPLES - len(examples)]
                examples += [key.decode("utf-8", "replace") for key in some]
        return count, examples
