"""`manage.py cachex_stats`: what the servers of caches count."""

from time import monotonic, sleep
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_cachex.inspection import report, shown
from django_cachex.inspection.advice import ERROR
from django_cachex.inspection.report import Report
from django_cachex.management.command import CacheCommand, add_alias, cache_of, wanted


class Command(CacheCommand):
    help = (
        "Show what the servers of caches count: hits and misses, keys by database, memory,"
        " clients; and the connections of this process."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_alias(parser, several=True)
        super().add_arguments(parser)
        parser.add_argument(
            "--watch",
            type=float,
            metavar="SECONDS",
            help="Look again every so often, and show what has happened in between.",
        )
        parser.add_argument(
            "--times", type=int, metavar="N", help="With --watch: end after N looks."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        aliases = wanted(options["aliases"])
        for alias in aliases:
            cache_of(alias)  # settings that cannot be read are the first thing to hear of
        pause, left = options["watch"], options["times"] if options["watch"] else 1
        earlier: dict[str, Report] = {}
        last = monotonic()
        try:
            while True:
                reports = [report.examine(alias) for alias in aliases]
                now = monotonic()
                for one in reports:
                    self._show(one, earlier.get(one.alias), now - last, options["as_json"])
                last, earlier = now, {one.alias: one for one in reports}
                if left is not None:
                    left -= 1
                    if left <= 0:
                        break
                sleep(max(0.0, pause))
        except KeyboardInterrupt:
            return
        silent = [one.alias for one in reports if all(server.error for server in one.servers)]
        if silent:
            raise CommandError(f"no server answers: {', '.join(silent)}")

    def _show(self, one: Report, earlier: Report | None, seconds: float, as_json: bool) -> None:
        if as_json:
            told = one.plain()
            told["seconds"] = None if earlier is None else round(seconds, 3)
            self.say_json(told)
            return
        self.say(shown.heading(one), self.style.MIGRATE_HEADING)
        for line in shown.stats_tables(one, earlier, seconds):
            self.say(line)
        errors = [finding for finding in one.findings if finding.level == ERROR]
        for _, lines in shown.findings(errors):
            self.say(lines[0], self.style.ERROR)
