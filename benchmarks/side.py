"""A program: one of two installed versions, timed slice by slice as `against.py` says.

Requests and answers are lines of JSON, on its input and output. Only our own contenders are made:
this environment has none of the peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
from typing import Any, TextIO

from cases import CASES
from ground import Ground, configure_django
from measure import Absent, Contender, check, timed, turns


class Side:
    """Answers requests until there are no more."""

    def __init__(self, port: int, answers: TextIO, runner: asyncio.Runner) -> None:
        self.port = port
        self._answers = answers
        self._runner = runner
        self._closing = contextlib.ExitStack()
        self._contenders: dict[str, Contender] = {}

    # -- what a case stands on

    def cluster(self) -> list[str]:
        return list(self._ask("cluster"))

    def tls(self) -> tuple[int, str]:
        port, ca = self._ask("tls")
        return port, ca

    def _ask(self, what: str) -> Any:
        self._say({"wants": what})
        return json.loads(sys.stdin.readline())

    # -- requests

    def serve(self) -> None:
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            self._say({"answer": getattr(self, f"_{name}")(*arguments)})
        self._closing.close()

    def _say(self, what: object) -> None:
        print(json.dumps(what), file=self._answers, flush=True)

    def _begin(self, name: str) -> dict[str, Any]:
        """Make the contenders of a case; say which there are, and why others are not."""
        gc.unfreeze()
        self._closing.close()
        self._contenders = {}
        absent: dict[str, str] = {}
        try:
            case = CASES[name](Ground(self, self._runner, self._closing))
        except Exception as error:  # it is about something that this version does not have
            return {"ready": [], "absent": {"": f"{type(error).__name__}: {error}"}}
        for entrant in case.entrants:
            if not case.is_ours(entrant.name):
                continue
            made = entrant.enter()
            if isinstance(made, Absent):
                absent[made.name] = made.reason
            else:
                check(case, made)
                self._contenders[made.name] = made
        gc.collect()
        gc.freeze()
        return {"ready": list(self._contenders), "absent": absent}

    def _turns(self, name: str, seconds: float) -> tuple[int, float]:
        """Return how many turns take about so many seconds, and how many those really take."""
        made = self._contenders[name]
        count = turns(made, seconds)
        return count, timed(made, count).wall * count * made.weight

    def _slice(self, name: str, count: int) -> tuple[float, float]:
        """Return seconds per operation in one slice: wall, CPU."""
        sample = timed(self._contenders[name], count)
        return sample.wall, sample.cpu


def main() -> None:
    """Take port and CPUs as arguments; answers go where the output went, prints elsewhere."""
    port, *cpus = map(int, sys.argv[1:])
    if cpus:
        os.sched_setaffinity(0, cpus)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    configure_django(f"redis://127.0.0.1:{port}/0")
    with asyncio.Runner() as runner:
        Side(port, answers, runner).serve()


if __name__ == "__main__":
    main()
