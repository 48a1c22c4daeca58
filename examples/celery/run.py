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
    with Standalone() as server:
        os.environ["SHOP_SERVER"] = f"redis://{server.host}:{server.port}"
        words = ("worker", "--pool", options.pool, "--concurrency", "4", "--loglevel", "WARNING")
        worker = spawn([sys.executable, "-m", "celery", "-A", "worker", *words], folder / "log")
        try:
            status = subprocess.run([sys.executable, "web.py", "visit"]).returncode
        finally:
            reap(worker, 20.0)
        if status:
            print((folder / "log").read_text(), file=sys.stderr)
    remove_folder(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
