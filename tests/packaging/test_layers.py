"""The check of who imports whom finds what is planted, and nothing in the repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import layers

POOL = "packages/cachex-pool/src/cachex_pool"
CLIENT = "packages/cachex-client/src/cachex_client"
DJANGO = "packages/cachex-django/src/django_cachex"
OTEL = "packages/cachex-otel/src/cachex_otel"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The packages as declared, without their code, to plant things in."""
    for declared in layers.ROOT.glob("packages/*/pyproject.toml"):
        folder = tmp_path / "packages" / declared.parent.name
        folder.mkdir(parents=True)
        shutil.copy(declared, folder)
    return tmp_path


def plant(root: Path, path: str, source: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source)


def test_the_repository_keeps_its_layers() -> None:
    assert list(layers.violations(layers.ROOT)) == []


def test_a_line_added_to_the_repository_is_found(tmp_path: Path) -> None:
    shutil.copytree(layers.ROOT / "packages", tmp_path / "packages")
    before = set(layers.violations(tmp_path))
    with (tmp_path / CLIENT / "__init__.py").open("a") as file:
        file.write("\nimport django.core.cache\n")
    (added,) = set(layers.violations(tmp_path)) - before
    assert added.startswith(f"{CLIENT}/__init__.py:")


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        (f"{POOL}/planted.py", "import django", "django is not among the dependencies"),
        (f"{POOL}/planted.py", "from cachex_client import Spec", "cachex_client is not among"),
        (f"{CLIENT}/planted.py", "from django.core import cache", "django is not among"),
        (f"{CLIENT}/planted.py", "from django_cachex import x", "django_cachex is not among"),
        (f"{CLIENT}/planted.py", "import opentelemetry.trace", "opentelemetry is not among"),
        (f"{DJANGO}/planted.py", "import cachex_otel", "cachex_otel is not among"),
        (f"{OTEL}/planted.py", "from django.conf import settings", "django is not among"),
        (f"{CLIENT}/planted.py", "import cachex_pool._wire", "cachex_pool._wire is private"),
        (f"{CLIENT}/planted.py", "from cachex_pool import _core", "cachex_pool._core is private"),
        (f"{DJANGO}/planted.py", "from cachex_client.a._b import c", "c is private to"),
        (f"{POOL}/_async/planted.py", "from .._sync import pool", "_async must not import _sync"),
        (f"{POOL}/_sync/planted.py", "import cachex_pool._async.pool", "_sync must not import"),
        (f"{POOL}/_core/planted.py", "from time import monotonic", "the time is an argument"),
        (f"{POOL}/_core/planted.py", "import random", "random numbers are arguments"),
        (f"{CLIENT}/_core/planted.py", "import structlog", "told, not logged"),
        (f"{POOL}/_core/planted.py", "from .._wire import x", "know nothing of the shells"),
        (f"{POOL}/_core/deep/planted.py", "from ..._wire import x", "know nothing of the shells"),
        (f"{DJANGO}/planted.py", "def f():\n    import requests\n", "requests is not among"),
    ],
)
def test_a_planted_import_is_found(bare: Path, path: str, source: str, reason: str) -> None:
    plant(bare, path, source)
    (found,) = layers.violations(bare)
    assert found.startswith(f"{path}:")
    assert reason in found
    assert layers.main([str(bare)]) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (f"{CLIENT}/planted.py", "from cachex_pool import Pool, __version__"),
        (f"{CLIENT}/planted.py", "import lz4.frame"),  # declared for an extra
        (f"{DJANGO}/planted.py", "import cachex_client.testing"),
        (f"{POOL}/planted.py", "from ._core import backoff"),
        (f"{POOL}/__init__.py", "from ._async import pool\nfrom ._sync import pool as p"),
        (f"{POOL}/_core/planted.py", "from . import backoff\nfrom ..errors import PoolError"),
        (f"{OTEL}/planted.py", "from opentelemetry import trace"),
    ],
)
def test_what_the_design_allows_is_left_alone(bare: Path, path: str, source: str) -> None:
    plant(bare, path, source)
    assert list(layers.violations(bare)) == []
