"""The wheels: what is in them and what they require."""

from __future__ import annotations

import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import layers

# The import package of each distribution, and all that it requires.
DISTRIBUTIONS = {
    "cachex-pool": ("cachex_pool", {"attrs", "hiredis", "redis", "structlog"}),
    "cachex-client": ("cachex_client", {"attrs", "cachex-pool", "redis", "structlog"}),
    "cachex-django": (
        "django_cachex",
        {"asgiref", "attrs", "cachex-client", "cachex-pool", "django", "redis", "structlog"},
    ),
    "cachex-otel": ("cachex_otel", {"attrs", "cachex-client", "cachex-pool", "opentelemetry-api"}),
}
every_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS)


def opened(wheels: Path, distribution: str) -> zipfile.ZipFile:
    (found,) = wheels.glob(f"{distribution.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(found)


def metadata(wheels: Path, distribution: str) -> Message:
    with opened(wheels, distribution) as wheel:
        (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(wheel.read(name).decode())


@every_distribution
def test_a_wheel_holds_its_package_and_nothing_else(wheels: Path, distribution: str) -> None:
    package, _ = DISTRIBUTIONS[distribution]
    with opened(wheels, distribution) as wheel:
        names = wheel.namelist()
    ours = {n for n in names if ".dist-info/" not in n}
    assert {n.split("/")[0] for n in ours} == {package}
    assert {n for n in ours if not n.endswith(".py")} == {f"{package}/py.typed"}
    assert [n for n in names if n.endswith(".dist-info/licenses/LICENSE")]


@every_distribution
def test_a_wheel_holds_every_module_of_its_sources(wheels: Path, distribution: str) -> None:
    package, _ = DISTRIBUTIONS[distribution]
    sources = layers.ROOT / "packages" / distribution / "src"
    modules = {p.relative_to(sources).as_posix() for p in sources.rglob("*.py")}
    with opened(wheels, distribution) as wheel:
        assert {n for n in wheel.namelist() if n.endswith(".py")} == modules
    assert f"{package}/__init__.py" in modules


@every_distribution
def test_a_wheel_requires_only_the_layers_below(wheels: Path, distribution: str) -> None:
    meta = metadata(wheels, distribution)
    required = [r for r in meta.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert {layers.project_name(r) for r in required} == DISTRIBUTIONS[distribution][1]
    assert meta["Requires-Python"] == ">=3.11"
    assert meta["License-Expression"] == "MIT"


def test_the_client_offers_its_formats_as_extras(wheels: Path) -> None:
    extras = metadata(wheels, "cachex-client").get_all("Provides-Extra", [])
    assert set(extras) == {"lz4", "msgpack", "orjson", "zstd"}


def test_all_wheels_have_one_version(wheels: Path) -> None:
    assert len({metadata(wheels, d)["Version"] for d in DISTRIBUTIONS}) == 1


def test_every_licence_is_the_repositorys() -> None:
    text = (layers.ROOT / "LICENSE").read_text()
    for distribution in DISTRIBUTIONS:
        assert (layers.ROOT / "packages" / distribution / "LICENSE").read_text() == text
