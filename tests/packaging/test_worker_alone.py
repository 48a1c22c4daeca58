"""The wheel of the client is all of ours that a worker needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import layers
from support.server import Server
from workers.company import at_work, open_site

PINS = layers.ROOT / "3rdparty/python/constraints.txt"


def fresh(folder: Path, wheels: Path, *wanted: str) -> str:
    """Make an environment with nothing but `wanted` and what that requires; return its Python."""
    made = [sys.executable, "-m", "venv", str(folder)]
    if subprocess.run(made, capture_output=True).returncode:  # no ensurepip
        subprocess.run([*made, "--clear", "--without-pip"], check=True)
    python = str(folder / "bin/python")
    where = ("-c", str(PINS), "--find-links", str(wheels))
    subprocess.run([*pip(python), "install", "-qq", *where, *wanted], check=True)
    return python


def pip(python: str) -> list[str]:
    """Return how to call pip for an environment, which may have none: ours may have none either."""
    own = Path(python).with_name("pip").exists()
    runs = python if own else f"{sys.base_prefix}/bin/python3"
    return [runs, "-m", "pip", "--python", python, "--disable-pip-version-check"]


def installed(python: str) -> set[str]:
    """Return the names of all distributions in an environment."""
    listed = subprocess.run(
        [*pip(python), "list", "--format", "json"], check=True, capture_output=True
    )
    return {layers.project_name(one["name"]) for one in json.loads(listed.stdout)}


@pytest.mark.soak
def test_a_worker_needs_the_client_and_celery_and_nothing_else(
    wheels: Path, tmp_path: Path
) -> None:
    """It shares values with a site that has everything."""
    python = fresh(tmp_path / "worker", wheels, "cachex-client", "celery[redis]")
    names = installed(python)
    assert {"cachex-client", "cachex-pool", "celery"} <= names
    assert not [name for name in names if name.startswith(("django", "opentelemetry"))]
    assert not names & {"cachex-django", "cachex-otel"}
    with (
        Server() as server,
        open_site(server) as site,
        at_work(server, "prefork", 2, python, "worker"),
    ):
        site.cache("set", "price:tea", {"amount": 500})
        assert site.run("worker.price", "tea") == {"amount": 500}
        assert site.run("worker.reduce", "tea", 10) == {"amount": 450}
        assert site.cache("get", "price:tea") == {"amount": 450}
        site.cache("set", "sold:tea", 1)
        assert site.run("worker.sell", "tea", 4) == 5
        assert site.cache("get", "sold:tea") == 5
        assert site.lock("lock:tea")
        assert site.run("worker.reduce", "tea", 10) is None
