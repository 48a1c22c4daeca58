"""The small tools: leaks, load, silence, forks."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading

import pytest

from support import load
from support.leaks import no_leaks
from support.proxy import Proxy
from support.servers import Standalone
from support.silence import unanswering
from support.waiting import eventually


def test_threads_and_sockets_left_behind_are_seen() -> None:
    with no_leaks():
        socket.socket().close()
    with pytest.raises(AssertionError, match="socket:"), no_leaks(0.05):
        left = socket.socket()
    left.close()
    end = threading.Event()
    with pytest.raises(AssertionError, match="Thread"), no_leaks(0.05):
        threading.Thread(target=end.wait).start()
    end.set()


def test_a_proxy_leaves_nothing_behind(standalone: Standalone) -> None:
    with no_leaks(), Proxy(standalone) as proxy:
        with socket.create_connection(proxy.address):
            eventually(lambda: proxy.open_connections)
        with socket.create_connection(proxy.address):
            proxy.blackhole()


def test_connecting_to_silence_takes_as_long_as_one_lets_it() -> None:
    with unanswering() as address, pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.05)


def test_threads_work_until_the_block_ends() -> None:
    at_work = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            at_work.set()
            raise OSError

    with load.threads(3, work, expected=(OSError,)) as done:
        done.wait_for(100)
        eventually(lambda: done.errors)
    at_work.clear()
    with pytest.raises(ExceptionGroup) as caught, load.threads(2, work):
        assert at_work.wait(5)
    assert caught.group_contains(OSError)


def test_tasks_work_until_the_block_ends() -> None:
    async def work(number: int) -> None:
        await asyncio.sleep(0)
        if number == 0:
            raise OSError

    async def main() -> load.Load:
        async with load.tasks(3, work, expected=(OSError,)) as done:
            while done.done < 100:
                await asyncio.sleep(0)
        return done

    assert asyncio.run(main()).errors


FORK = """
import os
from support.servers import Server
with Server() as server:
    if not os.fork():
        server.command("SET", "key", "child")
        raise SystemExit  # Through the end of the block, and atexit.
    os.wait()
    print(server.command("GET", "key"), server.state, os.path.exists(server.path))
"""


def test_a_forked_child_leaves_its_parents_servers_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert done.stdout.split() == ["b'child'", "running", "True"]
