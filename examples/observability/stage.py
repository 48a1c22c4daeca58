"""What the traced demo consists of: servers, receivers, the site and the worker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from demo.expecting import StageFailed
from observability import fetching
from observability.series import ALERTS, DASHBOARD

from support.processes import free_port, make_folder, reap, remove_folder, spawn
from support.servers import Cluster, Server
from support.waiting import eventually

HERE = Path(__file__).resolve().parent
START = 60.0
"""Seconds that each program gets to start."""
PROCESSES = 2
"""Those of the worker; each of them has telemetry of its own."""

SCRAPING = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [{alerts}]
scrape_configs:
  - job_name: shop
    file_sd_configs:
      - files: [{targets}/*.json]
        refresh_interval: 1s
"""


class Program:
    """A program that prints its address when it is ready."""

    def __init__(self, name: str, folder: Path, command: Sequence[str | Path], tell: str) -> None:
        self.name = name
        self._log, self._tell = folder / f"{name}.log", tell
        self.process = spawn([str(word) for word in command], self._log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_until_ready(self) -> str:
        """Return what it prints that looks like `tell`. Raises StageFailed with what it printed."""

        def told() -> re.Match[str] | None:
            if not self.is_running:
                raise StageFailed(f"the {self.name} did not start:\n{self.log}")
            return re.search(self._tell, self.log, re.MULTILINE)

        found = eventually(told, START, what=f"the {self.name} being ready")
        assert found is not None
        return found[1]

    def end(self, patience: float = 5.0) -> None:
        reap(self.process, patience)


class TracedStage:
    """A cluster, a broker, two receivers, the site and the worker; `close` leaves nothing behind.

    `url` is the site's, `prometheus` that of Prometheus, `otlp` that of the OTLP receiver, which
    shows traces at `traces`. `pids` are those of all processes that were started.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._folder = make_folder()
        self.cluster = Cluster(config={"cluster-require-full-coverage": "no"})
        self._broker = Server()
        self._programs: list[Program] = []
        self._children: set[int] = set()
        self._started: list[int] = []
        self._before: dict[str, str] | None = None
        self.url = self.prometheus = self.otlp = self.traces = self._prefix = ""

    def open(self) -> None:
        """Start all of it. Raises fetching.Missing, or StageFailed with what a program printed."""
        node_modules = fetching.receiver()
        server, promtool = fetching.prometheus()
        checked = subprocess.run(
            [promtool, "check", "rules", ALERTS], capture_output=True, text=True
        )
        if checked.returncode:
            raise StageFailed(f"promtool refuses the alerts:\n{checked.stdout}{checked.stderr}")
        self.targets.mkdir()
        self.received.touch()
        try:
            self.cluster.start()
            self._broker.start()
        finally:
            self._started += [one.pid for one in self.cluster.servers]
        self._started.append(self._broker.pid)
        self._open_receiver(node_modules)
        self._open_prometheus(server)
        with self._environment():
            self._open_worker()
            self._open_site()

    def _open_receiver(self, folder: Path) -> None:
        script = HERE / "receiver/receiver.js"
        command = ["node", script, self.received]
        with contextlib.chdir(folder):  # where its package is
            receiver = self._program("receiver", command, r"^Receiving at (\S+)$")
        self.otlp = receiver.wait_until_ready().rstrip("/")
        self.traces = re.findall(r"^Traces at (\S+)$", receiver.log, re.MULTILINE)[0]

    def _open_prometheus(self, server: Path) -> None:
        config = self._folder / "prometheus.yml"
        config.write_text(SCRAPING.format(alerts=ALERTS, targets=self.targets))
        port = free_port()
        command = [
            server,
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        pages = server.parents[1] / "share/prometheus/web"
        if pages.is_dir():  # Debian's has them beside it, and looks for them in /usr unless told
            command.append(f"--web.local-assets={pages}/")
            self._prefix = "/classic"
        ready = r"(Server is ready to receive web requests)"
        self._program("prometheus", command, ready).wait_until_ready()
        self.prometheus = f"http://127.0.0.1:{port}"

    def _open_worker(self) -> None:
        words = ["worker", "--pool", "prefork", "--concurrency", PROCESSES, "--loglevel", "INFO"]
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker", *words]
        os.environ["OTEL_SERVICE_NAME"] = "worker"
        worker = self._program("worker", command, r"( ready\.)")
        worker.wait_until_ready()
        eventually(lambda: len(self._targets()) == PROCESSES, START, what="the worker's processes")
        self._children.update(self._targets())

    def _open_site(self) -> None:
        os.environ["OTEL_SERVICE_NAME"] = "site"
        command = [sys.executable, "-W", "ignore", HERE / "web.py", self._port]
        self.url = self._program("site", command, r"^Serving (\S+)$").wait_until_ready()

    def _program(self, name: str, command: Sequence[Any], tell: str) -> Program:
        program = Program(name, self._folder, command, tell)
        self._programs.append(program)
        self._started.append(program.process.pid)
        return program

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        """Tell the programs where all things are, in the way they would be told elsewhere."""
        before = dict(os.environ)
        addresses = [f"redis://{one.host}:{one.port}" for one in self.cluster.servers[:2]]
        os.environ.update(
            PYTHONPATH=os.pathsep.join([str(HERE), *map(os.path.abspath, sys.path)]),
            SHOP_CACHE=" ".join(addresses),
            SHOP_BROKER=self._broker.url,
            SHOP_DB=str(self._folder / "shop.sqlite3"),
            SHOP_TARGETS=str(self.targets),
            OTEL_EXPORTER_OTLP_ENDPOINT=self.otlp,
            OTEL_BSP_SCHEDULE_DELAY="200",
            OTEL_METRIC_EXPORT_INTERVAL="1000",
            OTEL_SEMCONV_STABILITY_OPT_IN="http",
        )
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    # What is there

    @property
    def received(self) -> Path:
        """What the OTLP receiver has got, a line of JSON each."""
        return self._folder / "received.jsonl"

    @property
    def targets(self) -> Path:
        """The folder in which programs say where they are to be scraped."""
        return self._folder / "targets"

    @property
    def log(self) -> str:
        return "".join(f"--- {one.name}\n{one.log[-4000:]}" for one in self._programs)

    @property
    def pids(self) -> list[int]:
        return [*self._started, *sorted(self._children)]

    @property
    def ended(self) -> str:
        """The name of a program that is not running any more, "" if all are."""
        return next((one.name for one in self._programs if not one.is_running), "")

    def described(self) -> list[tuple[str, str]]:
        """Return what there is to look at."""
        return [
            ("site", self.url),
            ("traces", self.traces),
            ("metrics", f"{self.prometheus}/graph"),
            ("alerts", f"{self.prometheus}{self._prefix}/alerts"),
            ("dashboard", f"{DASHBOARD.relative_to(HERE.parents[1])}, for Grafana"),
        ]

    def _targets(self) -> list[int]:
        return [int(file.stem) for file in self.targets.glob("*.json")]

    def scraped(self) -> dict[str, str]:
        """Return the addresses that Prometheus is to scrape, with the name of each service."""
        found = [json.loads(file.read_text())[0] for file in self.targets.glob("*.json")]
        return {one["targets"][0]: one["labels"]["service"] for one in found}

    def close(self) -> None:
        for program in reversed(self._programs):
            program.end(20.0 if program.name == "worker" else 5.0)
        self._broker.stop()
        self.cluster.stop()
        remove_folder(self._folder)
