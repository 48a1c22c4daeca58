"""The wheel of the client is all of ours that a worker needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import environments
import layers
from support.server import Server
from workers.company import at_work, open_site

PINS = layers.ROOT / "3rdparty/python/constraints.txt"


def fresh(env: Path, wheels: Path) -> str:
    """Make an environment with the client, Celery, and what they require; return its Python."""
    ours = [next(wheels.glob(f"cachex_{name}-*.whl")) for name in ("pool", "client")]
    environments.make_venv(env)
    environments.install(env, "-c", str(PINS), *map(str, ours), "celery[redis]")
    return str(env / "bin/python")


def installed(python: str) -> set[str]:
    """Return the names of all distributions in an environment."""
    code = "from importlib.metadata import distributions as d; print(*(one.name for one in d()))"
    listed = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return {layers.project_name(name) for name in listed.stdout.split()}


@pytest.mark.soak
def test_a_worker_needs_the_client_and_celery_and_nothing_else(
    wheels: Path, tmp_path: Path
) -> None:
    """It shares values with a site that has everything."""
    python = fresh(tmp_path / "worker", wheels)
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
