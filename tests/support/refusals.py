"""States in which a server that is there refuses what it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from shutil import rmtree

from support.resp import RespError
from support.servers import Standalone
from support.waiting import eventually


@contextmanager
def no_disk(server: Standalone) -> Iterator[None]:
    """Let a snapshot fail, as it does on a full disk: there is a folder in its place."""
    server.command("CONFIG", "SET", "save", "3600 1")
    name = server.command("CONFIG", "GET", "dbfilename")[1].decode()
    in_the_way = server.folder / name
    in_the_way.unlink(missing_ok=True)
    (in_the_way / "something").mkdir(parents=True)

    def failed() -> bool:
        return server.info("persistence")["rdb_last_bgsave_status"] == "err"

    server.command("BGSAVE")
    eventually(failed, what="a snapshot that fails")
    yield
    server.command("CONFIG", "SET", "save", "")
    rmtree(in_the_way)
    server.command("BGSAVE")
    eventually(lambda: not failed(), what="a snapshot that works")


@contextmanager
def busy(server: Standalone) -> Iterator[None]:
    """Run a script that does not end, in the block."""
    server.command("CONFIG", "SET", "busy-reply-threshold", "1")

    def run() -> None:
        with server.client(timeout=60) as client, suppress(RespError):
            client.command("EVAL", "while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()

    def is_busy() -> bool:
        try:
            server.command("GET", "k")
        except RespError as error:
            return str(error).startswith("BUSY")
        return False

    eventually(is_busy, what="a busy server")
    yield
    server.command("SCRIPT", "KILL")
    thread.join()
    server.command("CONFIG", "SET", "busy-reply-threshold", "5000")
