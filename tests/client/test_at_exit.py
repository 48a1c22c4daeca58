"""A client works in exit handlers, where newer Pythons start no more threads."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cachex_client._concurrency import ask_all, spawn

PROGRAM = """
    import atexit, sys, threading
    from cachex_client import Cache, ClientOptions, ClusterClient, DefaultClient
    from cachex_client import SentinelClient, SentinelMap
    from cachex_pool import Endpoint

    topology, *where = sys.argv[1:]
    options = ClientOptions(timeout=20.0)
    if topology == "sentinels":
        pairs = (address.split(":") for address in where[1:])
        asked = [Endpoint(host=host, port=int(port)) for host, port in pairs]
        client = SentinelClient(SentinelMap(where[0], asked), options)
    else:
        client = (ClusterClient if topology == "cluster" else DefaultClient)(where, options)
    cache = Cache(client)

    def last():
        threading.stack_size(1 << 46)  # no thread can be started, as from Python 3.12 on
        cache.set("b", 2)
        print(cache.get("b"), cache.get_many(["a", "b", "c"]))
        client.close()

    atexit.register(last)
"""


def test_the_first_use_may_be_in_an_exit_handler(place: Any) -> None:
    servers = place.servers
    if place.topology == "sentinels":
        where = [servers.name, *(f"{host}:{port}" for host, port in servers.addresses)]
    else:
        where = [servers.url] if place.topology == "standalone" else list(servers.urls)
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), place.topology, *where],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout == "2 {'b': 2}\n", done.stderr


@pytest.fixture
def no_more_threads() -> Any:
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


def test_without_threads_questions_are_asked_one_by_one(no_more_threads: None) -> None:
    def fail() -> int:
        raise LookupError

    work: list[Callable[[], int]] = [fail, lambda: 1, lambda: 2, lambda: 3]
    answers = ask_all(work, 2, 10.0)
    assert [number for _, number in answers if isinstance(number, int)] == [1, 2]


def test_without_threads_what_is_needed_is_done_at_once(no_more_threads: None) -> None:
    done: list[str] = []
    spawn(lambda: done.append("needed"), needed=True)
    spawn(lambda: done.append("not needed"))
    assert done == ["needed"]
