"""`manage.py cachex_check`: are settings and servers of the caches as they should be?"""

import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_cachex.inspection import report, shown
from django_cachex.inspection.progress import Progress
from django_cachex.inspection.report import Report
from django_cachex.management.command import CacheCommand, add_alias, wanted

SAMPLES = 100


class Command(CacheCommand):
    help = (
        "Look at the settings of caches and at all their servers: who is there, in which role,"
        " how fast, how full. The exit status is 1 if something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_alias(parser, several=True)
        super().add_arguments(parser)
        parser.add_argument(
            "--samples",
            type=int,
            default=SAMPLES,
            help=f"How many round trips to each server are measured; {SAMPLES} if not given.",
        )
        parser.add_argument(
            "--processes",
            type=int,
            default=_processes(),
            help="How many processes will use the cache, to compare their connections with what"
            " the servers allow; WEB_CONCURRENCY if that is set.",
        )
        parser.add_argument(
            "--fail-level",
            choices=("error", "warning"),
            default="error",
            help="What makes the exit status 1.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        aliases = wanted(options["aliases"])
        reports = []
        for alias in aliases:
            with Progress(f"looking at {alias}") as progress:
                found = report.examine(
                    alias,
                    samples=max(0, options["samples"]),
                    processes=options["processes"],
                    advance=progress.reach,
                )
            reports.append(found)
        strict = options["fail_level"] == "warning"
        ok = all(one.ok(strict=strict) for one in reports)
        if options["as_json"]:
            self.say_json({"ok": ok, "caches": [one.plain() for one in reports]})
        else:
            for one in reports:
                self._show(one)
        if not ok:
            raise CommandError(_verdict(reports))

    def _show(self, one: Report) -> None:
        self.say(shown.heading(one), self.style.MIGRATE_HEADING)
        for line in shown.check_table(one):
            self.say(line)
        styles = {"error": self.style.ERROR, "warning": self.style.WARNING}
        for level, lines in shown.findings(one.findings):
            for line in lines:
                self.say(line, styles.get(level, self.style.NOTICE))
        if not one.findings:
            self.say("  all is well", self.style.SUCCESS)


def _processes() -> int | None:
    given = os.environ.get("WEB_CONCURRENCY", "")
    return int(given) if given.isdigit() and int(given) else None


def _verdict(reports: list[Report]) -> str:
    levels = [finding.level for one in reports for finding in one.findings]
    counts = ((levels.count(level), level) for level in ("error", "warning"))
    told = [f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count]
    return f"not all is well: {', '.join(told)}"
