"""What the documents say is so: examples run, links lead somewhere, options are all there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import attrs
import pytest

import layers
import option_tables
from cachex_client import ClientOptions, RetryOptions
from cachex_otel import TelemetryOptions
from cachex_pool import BreakerOptions, PoolOptions
from support import documents, programs
from support.documents import checked
from support.servers import Replicated

ROOT = layers.ROOT
DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "packages/*/*.md",
        "examples/**/*.md",
        "benchmarks/*.md",
    )
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

SET_UP = """
import django
from django.conf import settings
settings.configure(CACHES=CACHES, SECRET_KEY="of the tests")
django.setup()
"""
ALONE = f"""
CACHES = {{
    "default": {{
        "BACKEND": "django_cachex.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:6379/1",
    }}
}}
{SET_UP}
"""
AT_THE_END = """
import asyncio
response = asyncio.run(view(None))
"""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def examples(path: Path) -> list[str]:
    return BLOCK.findall(path.read_text())


IN_A_PROJECT = (ROOT / "docs/tutorial.md",)  # test_pages.py follows it
WITH_EXAMPLES = [path for path in DOCUMENTS if examples(path) and path not in IN_A_PROJECT]


def script(path: Path, servers: Replicated) -> str:
    """Return the examples of a document as one program, on the servers of the test."""
    whole = "".join(examples(path))
    without_settings = "django.core.cache" in whole and "CACHES = {" not in whole
    parts = [ALONE] if without_settings else []
    for block in examples(path):
        parts.append(checked(block))
        if "CACHES = {" in block:
            parts.append(SET_UP)
        if "async def view" in block:
            parts.append(AT_THE_END)
    files = [block.title for block in documents.blocks(path) if block.kind == "file"]
    parts += [f"runpy.run_path({name!r})" for name in files if name != "conftest.py"]
    program = "\n".join(["import runpy", *parts])
    replica = servers.replicas[0]
    return program.replace("6379", str(servers.primary.port)).replace("6378", str(replica.port))


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name_of)
def test_the_examples_of_a_document_run(path: Path, replicated: Replicated, tmp_path: Path) -> None:
    documents.write_files(path, tmp_path)
    programs.run(tmp_path, script(path, replicated))


def test_an_example_with_a_wrong_value_fails() -> None:
    assert checked("one()  # 1; a number") == "_ = one(); assert _ == 1, _"
    assert checked("one()  # a number") == "one()  # a number"


def anchors(path: Path) -> set[str]:
    """Return the anchors that the headings of a document make."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs/index.md"
    links = re.findall(r"\]\(([^)\s#]+)\)", index.read_text())
    found = {(index.parent / link).resolve() for link in links}
    pages = {path for path in DOCUMENTS if path.is_relative_to(index.parent)}
    assert pages - found == {index}


def test_the_tables_of_options_are_those_of_the_code() -> None:
    page = option_tables.PAGE.read_text()
    assert page == option_tables.updated(page), "dev.py python tools/option_tables.py"


def default_of(field: attrs.Attribute[object]) -> str:
    default = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return f"`{default.factory.__name__}()`"  # type: ignore[union-attr]
    return repr(default) if type(default) in (int, float) else f"`{default!r}`"


@pytest.mark.parametrize(
    ("page", "options"),
    [
        ("docs/pool.md", PoolOptions),
        ("docs/pool.md", BreakerOptions),
        ("docs/client.md", ClientOptions),
        ("docs/client.md", RetryOptions),
        ("docs/telemetry.md", TelemetryOptions),
    ],
)
def test_a_page_has_every_option_with_its_default(page: str, options: type) -> None:
    text = (ROOT / page).read_text()
    for field in attrs.fields(options):
        assert f"| `{field.name}` | {default_of(field)} |" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_that_are_named_exist(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    named = re.findall(r"dev\.py ([a-z][a-z-]*)", path.read_text())
    assert set(named) <= set(dev.COMMANDS)
