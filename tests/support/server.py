"""One real server process, and everything a test may want to do to it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from support.monitor import Monitor
from support.processes import (
    free_port,
    make_folder,
    reap,
    remove_folder,
    server_binary,
    spawn,
)
from support.resp import Address, Argument, RespClient, RespError
from support.waiting import eventually

Config = Mapping[str, str | int | Sequence[str]]
"""Lines of the server's configuration file; a sequence gives several lines of one name."""

ADMIN = "cachex-admin"
"""The user as which the tests talk to the server, so that a test may lock out the others."""

DEFAULTS: dict[str, str | int] = {
    "save": "",
    "appendonly": "no",
    "enable-debug-command": "local",
    "repl-diskless-sync-delay": 0,
    "repl-ping-replica-period": 1,
    "shutdown-timeout": 0,
}


PATIENCE = 5.0
"""Seconds for which a server's port may be somebody else's."""


class ServerFailed(Exception):
    """The server did not start; the text ends with what it printed."""


class _AddressInUse(ServerFailed):
    """Somebody else took the port first."""


class Server:
    """One server process.

    `config` are lines of its configuration file, `port` is picked freely unless given. It listens
    on `host`:`port` and on the unix socket `path`. Use it as a context manager, or call `start`
    and `stop`.
    """

    host = "127.0.0.1"

    def __init__(
        self, config: Config | None = None, *, port: int | None = None, sentinel: bool = False
    ) -> None:
        self.config = dict(config or {})
        self.sentinel = sentinel
        self.port = port or 0
        self.bus_port = 0
        self.paused = False
        self._wanted_port = port
        self._port_is_fixed = port is not None
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: RespClient | None = None
        self._admin_owner = 0
        self._lock = threading.RLock()
        self._as_started: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.host}:{self.port} {self.state}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Where it is

    @property
    def address(self) -> tuple[str, int]:
        return (self.host, self.port)

    @property
    def path(self) -> str:
        """The unix socket."""
        return str(self.folder / "socket")

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.path}?db=0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    @property
    def state(self) -> str:
        if self._process is None:
            return "stopped"
        if (code := self._process.poll()) is not None:
            return f"exited with {code}"
        return "paused" if self.paused else "running"

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    # Life and death

    def start(self) -> Self:
        """Start the process and wait until it answers. Raises ServerFailed with its output."""
        self.folder = make_folder()
        try:
            self._launch(0.0 if self._port_is_fixed else PATIENCE)
        except BaseException:
            self.stop()
            raise
        if not self.sentinel:
            self._as_started = self._settings()
        return self

    def terminate(self) -> None:
        """Ask the process to end, without waiting: for many, before `stop` for each."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()

    def stop(self) -> None:
        """End the process (kindly, then not) and remove its folder. May be called again."""
        self._end(3.0)
        if hasattr(self, "folder"):
            remove_folder(self.folder)

    def kill(self) -> None:
        """Kill the process (SIGKILL). Its folder stays, so that `restart` finds its state."""
        self._end(0.0)

    def restart(self) -> None:
        """Stop the process if it runs, start it again with the same port and configuration."""
        self._end(3.0)
        self._port_is_fixed = True
        self._launch(PATIENCE)

    def pause(self) -> None:
        """Stop the process from running (SIGSTOP); its sockets stay, the kernel still accepts."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused = True
        stat = Path(f"/proc/{self.pid}/stat")
        if stat.exists():
            eventually(lambda: ") T " in stat.read_text(), what="the server being stopped")

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    def _end(self, timeout: float) -> None:
        self._drop_admin()
        if self._process is not None:
            reap(self._process, timeout)
        self._process, self.paused = None, False

    def _launch(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            self._write_config()
            log = self.folder / "log"
            already_printed = len(self.log) if log.exists() else 0
            self._process = spawn(self._command_line(), log)
            try:
                self._await_ready(already_printed)
                return
            except _AddressInUse:
                self._end(0.0)
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)

    def _command_line(self) -> list[str]:
        command = [server_binary(), str(self.folder / "conf")]
        return [*command, "--sentinel"] if self.sentinel else command

    def _write_config(self) -> None:
        file = self.folder / "conf"
        if self._port_is_fixed and file.exists():  # A Sentinel keeps what it knows in there.
            return
        if not self._port_is_fixed:
            self.port = free_port()
        settings: dict[str, Any] = {
            "bind": self.host,
            "port": self.port,
            "unixsocket": self.path,
            "dir": str(self.folder),
            **({} if self.sentinel else DEFAULTS),
            **self.config,
        }
        if settings.get("cluster-enabled") == "yes":
            self.bus_port = free_port()
            settings["cluster-port"] = self.bus_port
        users = settings.get("user", ())
        settings["user"] = [
            *([users] if isinstance(users, str) else users),
            f"{ADMIN} on nopass ~* &* +@all",
        ]
        lines = [
            f"{name} {value}" if value != "" else f'{name} ""'
            for name, values in settings.items()
            for value in ([values] if isinstance(values, str | int) else values)
        ]
        file.write_text("\n".join(lines) + "\n")

    def _await_ready(self, already_printed: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = self.log[already_printed:]
                failure = _AddressInUse if "Address already in use" in output else ServerFailed
                raise failure(f"{self!r}\n" + "\n".join(output.splitlines()[-40:]))
            try:
                # Only our own process listens on a socket in our own folder.
                self.command("PING")
                return
            except (OSError, RespError):  # Not listening yet, or still loading its data.
                time.sleep(0.005)

    # Talking to it

    def client(self, *, admin: bool = True, timeout: float | None = 5.0) -> RespClient:
        """Open a connection of the tests' own client; close it, or use it in a `with`."""
        address: Address = self.path if admin else self.address
        client = RespClient(address, timeout)
        if admin:
            try:
                client.command("AUTH", ADMIN, "any")
            except BaseException:
                client.close()
                raise
        return client

    def command(self, *arguments: Argument) -> Any:
        """Send one command on a connection kept for this, with all rights; return the reply.

        Raises RespError, or OSError (also TimeoutError after 5 s).
        """
        return self.commands(arguments)[0]

    def commands(self, *commands: Sequence[Argument]) -> list[Any]:
        """Send several in one write and return their replies, as `command` does with one."""
        with self._lock:
            if self._admin is not None and (
                self._admin_owner != os.getpid()  # Our parent's, before a fork.
                or select.select([self._admin.socket], [], [], 0)[0]  # Closed by the server.
            ):
                self._drop_admin()
            if self._admin is None:
                self._admin, self._admin_owner = self.client(), os.getpid()
            try:
                return self._admin.commands(*commands)
            except OSError:
                self._drop_admin()
                raise

    def _drop_admin(self) -> None:
        with self._lock:
            if self._admin is not None:
                self._admin.close()
                self._admin = None

    def answers(self, timeout: float = 0.5) -> bool:
        """Tell whether the server answers within `timeout` seconds."""
        if self.state != "running":
            return False
        try:
            with self.client(timeout=timeout) as client:
                return bool(client.command("PING") == "PONG")
        except (OSError, RespError):
            return False

    def info(self, section: str = "everything") -> dict[str, str]:
        text: str = self.command("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def commands_seen(self) -> Counter[str]:
        """Count the commands run since the last reset, by name: GET, CONFIG|SET.

        The few that the tests themselves send (INFO, CLIENT, CONFIG, ACL) are in there too.
        """
        seen: Counter[str] = Counter()
        for name, stats in self.info("commandstats").items():
            seen[name.removeprefix("cmdstat_").upper()] = int(stats.split(",")[0].split("=")[1])
        return seen

    def clients(self) -> list[dict[str, str]]:
        """List the connections, without the tests' own and those between servers."""
        return _foreign(self.command("CLIENT", "LIST"))

    def connected_clients(self) -> int:
        return len(self.clients())

    def connections_received(self) -> int:
        """Count the connections accepted since the last reset, the tests' own included."""
        return int(self.info("stats")["total_connections_received"])

    def kill_clients(self) -> None:
        """Close every connection that `clients` lists."""
        self._kill(self.clients())

    def _kill(self, clients: list[dict[str, str]]) -> None:
        self.commands(*(("CLIENT", "KILL", "ID", client["id"]) for client in clients))

    def monitor(self) -> Monitor:
        """Record the commands that arrive; a context manager."""
        return Monitor(self)

    # Back to the start

    def reset(self) -> None:
        """Bring the server back to how it was started: no data, clients, scripts or settings.

        A stopped one is resumed; one that is dead or does not answer is started again, if need be
        on another port.
        """
        try:
            self.revive()
        except ServerFailed:
            if self._wanted_port is not None:
                raise
            self.stop()
            self._port_is_fixed = False
            self.start()
        self.clean()

    def revive(self) -> None:
        """Resume the server or start it again, if it does not answer."""
        if self.paused:
            self.resume()
        if not self.answers():
            self.kill()
            self.restart()

    def clean(self) -> None:
        """Bring a server that runs back to how it was started."""
        if self.sentinel:
            self.kill_clients()
            return
        ask = (("CLIENT", "UNPAUSE"), *SETTINGS, ("ROLE",), ("CLIENT", "LIST"))
        _, *settings, role, clients = self.commands(*ask)
        self._kill(_foreign(clients))
        self._restore(self._as_started, _by_name(*settings))
        if role[0] == b"master":
            self.commands(("FLUSHALL", "SYNC"), ("FUNCTION", "FLUSH", "SYNC"))
        self.commands(("SCRIPT", "FLUSH", "SYNC"), ("CONFIG", "RESETSTAT"))

    def _settings(self) -> dict[str, Any]:
        return _by_name(*self.commands(*SETTINGS))

    def _restore(self, wanted: dict[str, Any], actual: dict[str, Any]) -> None:
        if actual == wanted:
            return
        for name in actual["users"].keys() - wanted["users"].keys():
            self.command("ACL", "DELUSER", name)
        for name, value in wanted.items():
            if actual[name] == value or name in ("users", "slaveof", "replicaof"):
                continue
            self.command("CONFIG", "SET", name, value)
        for name, rules in wanted["users"].items():
            if actual["users"].get(name) != rules:
                self.command("ACL", "SETUSER", name, "reset", *rules.split())


SETTINGS = (("CONFIG", "GET", "*"), ("ACL", "LIST"))


def _by_name(config: list[bytes], rules: list[bytes]) -> dict[str, Any]:
    """Return what a server answers to SETTINGS: values by names, and the rules of users."""
    pairs = [value.decode() for value in config]
    by_user = [line.decode().split(" ", 2) for line in rules]
    users = {name: rest for _, name, rest in by_user}
    return {**dict(zip(pairs[::2], pairs[1::2], strict=True)), "users": users}


def _foreign(listed: bytes) -> list[dict[str, str]]:
    """Take CLIENT LIST apart, without the tests' own connections and those between servers."""
    found = []
    for line in listed.decode().splitlines():
        client = dict(re.findall(r"(\S+?)=(\S*)", line))
        between_servers = set(client["flags"]) & set("SM") or client["name"].startswith("sentinel-")
        if client.get("user") != ADMIN and not between_servers:
            found.append(client)
    return found
