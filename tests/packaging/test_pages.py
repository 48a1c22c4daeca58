"""The pages for users are true: settings load, commands run, the tutorial can be followed."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from django_cachex import checks
from djangocache import project
from djangocache.verbs import READS, WRITES
from support import documents, programs
from support.documents import ROOT
from support.servers import Cluster, Replicated, Sentinels, Standalone
from support.tls import Authority

DOCS = ROOT / "docs"
TUTORIAL, RECIPES, COMMANDS = (DOCS / f"{one}.md" for one in ("tutorial", "recipes", "commands"))
TOPOLOGIES = [
    DOCS / f"topologies/{one}.md" for one in ("standalone", "replicas", "sentinel", "cluster")
]
PAGES = [TUTORIAL, RECIPES, COMMANDS, DOCS / "failures.md", *TOPOLOGIES]
OURS = ("cachex_check", "cachex_keys", "cachex_clear", "cachex_stats")
ELSEWHERE = ("docker", "sudo", "gunicorn", "curl")
"""Programs of others that pages name: what they do is their business."""


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def servers_of(page: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Start what a page speaks of; return which of its addresses are which real ones."""
    fixture = {
        "replicas.md": "replicated",
        "sentinel.md": "sentinels",
        "cluster.md": "cluster",
    }.get(page.name, "standalone")
    servers: Any = request.getfixturevalue(fixture)
    if isinstance(servers, Replicated):
        named = {f"cache-{n}:6379": one for n, one in enumerate(servers.servers, 1)}
        return {name: f"{one.host}:{one.port}" for name, one in named.items()}
    if isinstance(servers, Sentinels):
        assert servers.name == "mymaster"
        named = {f'("sentinel-{n}", 26379)': a for n, a in enumerate(servers.addresses, 1)}
        return {name: repr(address) for name, address in named.items()}
    if isinstance(servers, Cluster):
        named = {f"node-{n}:7000": one for n, one in enumerate(servers.primaries, 1)}
        return {name: f"{one.host}:{one.port}" for name, one in named.items()}
    here = f"{servers.host}:{servers.port}"
    return {"cache-1:6379": here, "127.0.0.1:6379": here}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    kinds = {block.kind for block in documents.blocks(page)}
    assert kinds <= {*documents.KINDS, "file"}


LOAD = """
import json, sys
from pathlib import Path
import django
from django.conf import settings
settings.configure(SECRET_KEY="of the tests", INSTALLED_APPS=["django_cachex"])
django.setup()
from django.core.cache import caches
from django.test import override_settings
from django.utils.module_loading import import_string
from django_cachex import checks, registry

for block in json.loads(Path("blocks.json").read_text()):
    there = {}
    exec(block, there)
    given = {name: value for name, value in there.items() if name.isupper()}
    if "CACHES" in given:
        given["CACHES"].setdefault("default", next(iter(given["CACHES"].values())))
    with override_settings(**given):
        found = [one for one in checks.check_caches() if one.id != "django_cachex.W004"]
        assert not found, (found, block)
        for path in [*given.get("MIDDLEWARE", ()), *given.get("INSTALLED_APPS", ())]:
            import_string(path) if path.count(".") else __import__(path)
        if "SESSION_ENGINE" in given:
            __import__(given["SESSION_ENGINE"])
            assert given["SESSION_CACHE_ALIAS"] in given["CACHES"]
        for alias in given.get("CACHES", ()):
            cache = caches[alias]
            if "rediss:" not in block:
                cache.set_many({"a": alias, "b": 1})
                assert cache.get_many(["a", "b"]) == {"a": alias, "b": 1}
    registry.close_all()
"""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_load_and_work_on_servers(
    page: Path, request: pytest.FixtureRequest, authority: Authority, tmp_path: Path
) -> None:
    given = documents.of_kind(page, "python settings")
    if not given:
        pytest.skip("it has none")
    changes = {"/etc/ssl/cache/ca.pem": str(authority.ca), **servers_of(page, request)}
    for old, new in changes.items():
        given = [block.replace(old, new) for block in given]
    assert not re.search(r"redis://(cache|node)-\d", "".join(given))
    documents.write_files(page, tmp_path)
    (tmp_path / "blocks.json").write_text(json.dumps(given))
    programs.run(tmp_path, LOAD)


FOLLOW = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.core.management import execute_from_command_line
from django.test import Client
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
client = Client()

def manage(*words):
    try:
        execute_from_command_line(["manage.py", *words])
    except SystemExit as ended:
        assert not ended.code, words

def curl(path):
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer)
    print(path, answer.content.decode())

"""


def followed(page: Path) -> str:
    """Return a program that does what a page says, in its order."""
    steps = [FOLLOW]
    for block in documents.blocks(page):
        if block.kind == "python":
            steps.append(documents.checked(block.text))
        elif block.kind == "shell":
            for words in documents.words(block.text):
                if words[:2] == ["python", "manage.py"] and words[2] != "runserver":
                    steps.append(f"manage({', '.join(map(repr, words[2:]))})")
                elif words[0] == "curl":
                    steps.append(f"curl({words[-1].partition(':8000')[2]!r})")
    return "\n".join([*steps, "from django_cachex import registry", "registry.close_all()"])


def start_project(folder: Path) -> None:
    words = (sys.executable, "-m", "django", "startproject", "shop", ".")
    subprocess.run(words, cwd=folder, check=True, timeout=60)


@pytest.mark.parametrize("page", [TUTORIAL, COMMANDS], ids=name_of)
def test_a_page_can_be_followed_in_a_new_project(
    page: Path, standalone: Standalone, tmp_path: Path
) -> None:
    start_project(tmp_path)
    if page is COMMANDS:  # with the settings of the tutorial
        documents.write_files(TUTORIAL, tmp_path)
    documents.write_files(page, tmp_path)
    settings = tmp_path / "shop/settings.py"
    settings.write_text(settings.read_text().replace(":6379", f":{standalone.port}"))
    program = followed(page).replace("'--watch', '5'", "'--watch', '0.01'")
    told = programs.run(tmp_path, program)
    if page is TUTORIAL:
        assert "/basket/ book" in told
        assert '/dashboard/ {"visits": 1, "orders": 42}' in told
        assert "removed 1 keys" in told


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_programs_that_are_named_exist(page: Path) -> None:
    for words in documents.commands(page):
        if words[0] == "pip":
            assert words[1] == "install"
            for one in words[2:]:
                assert_published(one)
        elif words[:2] == ["python", "manage.py"]:
            if words[2] in OURS:
                parser_of(words[2]).parse_args(words[3:])
            else:
                assert words[2] in ("check", "runserver")
        elif words[0] == "django-admin":
            assert words[1] == "startproject"
        else:
            assert words[0] in ELSEWHERE, words


def assert_published(requirement: str) -> None:
    name, _, extras = requirement.rstrip("]").partition("[")
    project = tomllib.loads((ROOT / f"packages/{name}/pyproject.toml").read_text())["project"]
    assert set(filter(None, extras.split(","))) <= set(project.get("optional-dependencies", ()))


def parser_of(command: str) -> argparse.ArgumentParser:
    module = import_module(f"django_cachex.management.commands.{command}")
    parser: argparse.ArgumentParser = module.Command().create_parser("manage.py", command)
    return parser


DJANGOS_OWN = {"-h", "-v", "--help", "--settings", "--pythonpath", "--traceback", "--verbosity"} | {
    *("--no-color", "--force-color", "--skip-checks", "--no-input")
}


@pytest.mark.parametrize("command", OURS)
def test_the_page_of_commands_has_every_option(command: str) -> None:
    page = COMMANDS.read_text()
    section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    for action in parser_of(command)._actions:
        for option in action.option_strings:
            if option in DJANGOS_OWN or (option == "--version" and command not in OURS[1:3]):
                continue
            assert option in section or option == "--json", option


def test_the_page_of_commands_has_every_check() -> None:
    told = re.findall(r"^\| ([EW]\d+) \| (.*) \|$", COMMANDS.read_text(), re.MULTILINE)
    assert dict(told) == dict(checks.TITLES)


USE_EVERYTHING = """
import asyncio
import django
from django.conf import settings
entry = ENTRY
settings.configure(CACHES={"default": entry}, SECRET_KEY="k", INSTALLED_APPS=["django_cachex"])
django.setup()
from django.core.cache import cache
from django.core.management import call_command
from django_cachex import registry

async def asynchronously(verb, arguments):
    return await getattr(cache, "a" + verb)(*arguments)

for verb, arguments in VERBS:
    cache.set("k", 1, timeout=100)
    getattr(cache, verb)(*arguments)
    cache.set("k", 1, timeout=100)
    asyncio.run(asynchronously(verb, arguments))
with cache.lock("l", timeout=5):
    pass
call_command("cachex_check")
call_command("cachex_stats")
for forbidden in (cache.flush_db, lambda: cache.client.redis.set("foreign", 1)):
    try:
        forbidden()
    except Exception as error:
        assert type(error).__name__ == "NoPermissionError", error
    else:
        raise AssertionError("that should not be allowed")
registry.close_all()
"""


@pytest.mark.parametrize("topology", ["standalone", "sentinels", "cluster"])
def test_a_user_with_the_rights_of_the_page_may_do_everything(
    topology: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    servers: Any = request.getfixturevalue(topology)
    page = {"sentinels": "sentinel"}.get(topology, topology)
    words = documents.users(DOCS / f"topologies/{page}.md")[0]
    assert words[:3] == ["ACL", "SETUSER", "shop"]
    entry: dict[str, Any]
    if isinstance(servers, Sentinels):
        entry, nodes = project.sentinel_entry(servers, KEY_PREFIX="shop"), servers.nodes
    elif isinstance(servers, Cluster):
        entry, nodes = project.cluster_entry(servers, KEY_PREFIX="shop"), servers.servers
    else:
        entry, nodes = project.entry(servers.url, KEY_PREFIX="shop"), [servers]
    for node in nodes:
        node.command(*words)
    entry.setdefault("OPTIONS", {}).update({"username": "shop", "password": "s3cret"})
    verbs = [one for one in (*READS, *WRITES) if one[0] != "flush_db"]
    program = USE_EVERYTHING.replace("ENTRY", repr(entry)).replace("VERBS", repr(verbs))
    assert "primary" in programs.run(tmp_path, program)


def test_the_fixture_of_the_recipes_gives_an_empty_server_to_each_test(tmp_path: Path) -> None:
    documents.write_files(RECIPES, tmp_path)
    (tmp_path / "test_it.py").write_text(
        "from django.conf import settings\n"
        "settings.configure(SECRET_KEY='k')\n"
        "from django.core.cache import caches\n\n"
        "def test_one():\n    assert caches['default'].add('k', 1)\n\n"
        "def test_two():\n    assert caches['default'].add('k', 1)\n"
    )
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run(
        words, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_what_a_page_cannot_say_is_noticed() -> None:
    """The tests of this file can fail."""
    with pytest.raises(CommandError):
        parser_of("cachex_keys").parse_args(["--no-such-option"])
    with pytest.raises((AssertionError, OSError)):
        assert_published("cachex-nothing")
    with pytest.raises(AssertionError):
        assert_published("cachex-client[nothing]")
