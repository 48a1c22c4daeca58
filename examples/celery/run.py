"""Start a server and the worker, let the site talk to it, end both.

python3 dev.py python examples/celery/run.py [--pool prefork|threads|gevent]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tests"))

from support.processes import make_folder, reap, remove_folder, spawn  # noqa: E402
from support.servers import Standalone  # noqa: E402

POOLS = ("prefork", "threads", "gevent")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", choices=POOLS, default="prefork")
    options = parser.parse_args()
    os.chdir(HERE)
    folder = make_folder()
    try:
        with Standalone() as server:
            return visit(f"redis://{server.host}:{server.port}", options.pool, folder / "log")
    finally:
        remove_folder(folder)


def visit(server: str, pool: str, log: Path) -> int:
    """Start the worker, and the site, which ends by itself; return with what status it did."""
    os.environ["SHOP_SERVER"] = server
    words = ("worker", "--pool", pool, "--concurrency", "4", "--loglevel", "WARNING")
    worker = spawn([sys.executable, "-m", "celery", "-A", "worker", *words], log)
    try:
        status = subprocess.run([sys.executable, "web.py", "visit"]).returncode
    finally:
        reap(worker, 20.0)
    if status:
        print(log.read_text(), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
