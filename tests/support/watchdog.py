"""Kill what the tests started if they die without cleaning up; run as a script.

Its parent writes lines to its standard input: `+pid`, `-pid` and `/path` of a folder. When the
parent has gone, whatever way, the processes are killed and the folders removed. A pipe and the
parent's pid are watched instead of PR_SET_PDEATHSIG, because that is bound to the thread that
started a process and exists on Linux only.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator


def lines(owner: int) -> Iterator[str]:
    """Yield what the owner wrote, until it has gone and everything is read."""
    rest = b""
    while True:
        alive = os.getppid() == owner  # Asked first: what it wrote before it went is there then.
        if not select.select([0], [], [], 0.25 if alive else 0)[0]:
            if alive:
                continue
            return
        data = os.read(0, 65536)
        if not data:
            return
        *found, rest = (rest + data).split(b"\n")
        yield from map(bytes.decode, found)


def main(owner: int) -> None:
    pids: set[int] = set()
    folders: list[str] = []
    for line in lines(owner):
        if line.startswith("+"):
            pids.add(int(line))
        elif line.startswith("-"):
            pids.discard(-int(line))
        else:
            folders.append(line)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if pids:
        time.sleep(0.2)  # A server on its way out may still write into its folder.
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    main(int(sys.argv[1]))
