#!/usr/bin/env python3
"""Run cachex and its peers side by side: `python3 dev.py bench [--help]`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

import report
import targets
from cases import CASES
from ground import Ground, configure_django
from measure import Outcome, measure
from servers import Servers


def main() -> int:
    """Run the chosen cases, print what was found; 1 if `--check` finds a missed target."""
    asked = _arguments()
    outcomes: dict[str, Outcome] = {}
    with contextlib.ExitStack() as stack:
        servers = Servers(stack)
        runner = stack.enter_context(asyncio.Runner())
        closing = stack.enter_context(contextlib.ExitStack())
        here = Ground(servers, runner, closing)
        configure_django(here.url)
        found = report.environment(servers.version)
        print(", ".join(f"{name} {version}" for name, version in found.items()), flush=True)
        for name in asked.only or CASES:
            outcomes[name] = measure(CASES[name](here), asked.rounds)
            print("\n" + report.table(outcomes[name]), flush=True)
    judged = targets.judge(outcomes)
    if judged:
        print("\n" + report.verdicts(judged))
    if asked.json:
        asked.json.write_text(
            json.dumps(report.document(found, outcomes.values(), judged), indent=1)
        )
    return int(asked.check and not all(verdict.met for verdict in judged))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=CASES,
        metavar="NAME",
        help=f"run this case only (may be repeated): {', '.join(CASES)}",
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds for every case (at least 7)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
