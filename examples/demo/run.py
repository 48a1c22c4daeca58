"""Start the demo and keep it running until Ctrl-C, or look at it unattended with --check.

Valkey servers and a Django site, each a process of its own on a free port of this machine; with
--traced a Celery worker as well, and receivers of traces and metrics. Nothing of it is left when
this ends, however it ends. `python3 dev.py demo` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]

from demo.check import check  # noqa: E402
from demo.lifecycle import perform  # noqa: E402
from demo.stage import KINDS, Stage  # noqa: E402


def perform_traced(options: argparse.Namespace) -> int:
    """Put the traced demo on; its modules need more than the others do."""
    from observability.check import check as check_traced
    from observability.stage import TracedStage

    return perform(TracedStage(options.port), check_traced if options.check else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="visit all of it, say what was found")
    parser.add_argument("--port", type=int, default=0, help="of the site; default: any free one")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--topology", choices=KINDS, default="replica", help="default: replica")
    which.add_argument("--all", action="store_true", help="check them all, one after the other")
    which.add_argument(
        "--traced", action="store_true", help="site and worker, with traces and metrics of both"
    )
    options = parser.parse_args(arguments)
    if options.all and not options.check:
        parser.error("--all needs --check; to look at one yourself, name it with --topology")
    if options.traced:
        return perform_traced(options)
    for kind in KINDS if options.all else [options.topology]:
        if options.all:
            print(f"\n{kind}", flush=True)
        if status := perform(Stage(kind, options.port), check if options.check else None):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
