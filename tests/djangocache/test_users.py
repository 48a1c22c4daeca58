"""Django's backend and our commands with exactly the rights that the pages name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from djangocache import project
from support import programs
from support.places import TOPOLOGIES, Place, place
from support.users import AT_SENTINELS, LOGIN, known_at, nodes_of, refused_by, sentinels_of


@pytest.fixture(params=TOPOLOGIES)
def at(request: pytest.FixtureRequest) -> Iterator[Place]:
    with known_at(place(request.param, request.getfixturevalue(request.param))) as found:
        yield found


USE_DJANGO = """
import asyncio, io, re
import django
from django.conf import settings
settings.configure(CACHES={"default": ENTRY}, SECRET_KEY="k" * 60, INSTALLED_APPS=["django_cachex"])
django.setup()
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django_cachex import registry

async def asynchronously():
    await cache.aset_many({"a1": 1, "a2": 2})
    assert await cache.aget_many(["a1", "a2"]) == {"a1": 1, "a2": 2}
    assert await cache.aincr("a1") == 2
    assert await cache.adelete("a1")
    await cache.aclose()

def output(*words):
    out = io.StringIO()
    try:
        call_command(*words, stdout=out, stderr=out)
    except CommandError as error:
        raise AssertionError(out.getvalue()) from error
    return out.getvalue()

cache.set_many({f"k{n}": n for n in range(50)}, 60)
assert len(cache.get_many([f"k{n}" for n in range(50)])) == 50
assert cache.get_or_set("made", lambda: 1) == 1
assert cache.incr_version("k1") == 2
assert cache.decr_version("k1", version=2) == 1
assert cache.delete_many(["k1", "none"]) == 1
asyncio.run(asynchronously())
commands = [
    ("cachex_check",),
    ("cachex_stats",),
    ("cachex_keys", "default"),
    ("cachex_keys", "default", "--ttl"),
    ("cachex_keys", "default", "--count"),
    ("cachex_clear", "default", "--dry-run"),
    ("cachex_clear", "default", "--noinput"),
]
for words in commands:
    said = output(*words)
    assert not re.search("ermission|NOPERM|not allowed|may not", said), (words, said)
assert cache.get("k3") is None
registry.close_all()
"""


def test_djangos_backend_and_the_commands_may_do_everything(at: Place, tmp_path: Path) -> None:
    beside = {"KEY_PREFIX": "shop", **LOGIN}
    entry: dict[str, Any]
    if at.name == "sentinels":
        entry = project.sentinel_entry(at.servers, sentinel_kwargs=AT_SENTINELS, **beside)
    elif at.name == "cluster":
        entry = project.cluster_entry(at.servers, **beside)
    else:
        entry = project.entry([one.url for one in nodes_of(at)], **beside)
    for server in (*nodes_of(at), *sentinels_of(at)):
        server.command("ACL", "LOG", "RESET")
    programs.run(tmp_path, USE_DJANGO.replace("ENTRY", repr(entry)))
    refused = {what for one in (*nodes_of(at), *sentinels_of(at)) for what in refused_by(one)}
    assert refused <= NICE_TO_HAVE


NICE_TO_HAVE = {"config|get"}
"""What the page says that cachex_check asks for as well, and can do without."""
