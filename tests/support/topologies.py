"""Servers that belong together; the simplest is a primary with replicas."""

from __future__ import annotations

import contextlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from support.resp import RespError
from support.server import Config, Server, ServerFailed
from support.waiting import eventually

NOT_YET = (OSError, RespError, KeyError)
"""What asking a server that is coming up may raise."""


def role_of(server: Server) -> str:
    """Return "master", "slave" or "sentinel"."""
    role: str = server.command("ROLE")[0].decode()
    return role


def in_sync(primary: Server, replicas: list[Server]) -> bool:
    """Tell whether every replica has all that the primary has, and is sent what comes next.

    A primary sends nothing new to a replica that it does not call online: the replica calls the
    link up a moment earlier.
    """
    told = primary.info("replication")
    states = [replica.info("replication") for replica in replicas]
    return {replica.port for replica in replicas} <= set(_ports_online(told)) and all(
        state["role"] == "slave"
        and state["master_link_status"] == "up"
        and state["master_port"] == str(primary.port)
        and state["slave_repl_offset"] == told["master_repl_offset"]
        for state in states
    )


def _ports_online(told: dict[str, str]) -> Iterator[int]:
    """Read from a primary's INFO which replicas it sends what is written."""
    for name, line in told.items():
        if re.fullmatch(r"slave\d+", name):
            replica = dict(pair.split("=") for pair in line.split(","))
            if replica["state"] == "online":
                yield int(replica["port"])


class Topology(ABC):
    """Several servers: `start` returns when they are ready, `reset` makes them so again."""

    servers: list[Server]

    def __init__(self) -> None:
        self.servers = []
        self._users = 0
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.servers}>"

    def start(self) -> Self:
        try:
            self._build()
            self._await_ready(60)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.stop()
        self.servers = []

    @contextlib.contextmanager
    def used(self) -> Iterator[Self]:
        """Reset the servers, and have them stay for the block."""
        self.reset()
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            self._used_at = time.monotonic()

    def stop_if_idle(self, seconds: float) -> None:
        """Stop the servers that nobody has used for so long; `used` and `reset` start others.

        Even with nothing to do, six servers that watch each other need a twentieth of a processor.
        """
        if self.servers and not self._users and time.monotonic() - self._used_at > seconds:
            self.stop()

    def reset(self) -> None:
        """Bring all servers back to life, the roles in order, and no data in them.

        If they do not get there by themselves soon, everything is built anew, on other ports.
        """
        if not self.servers:
            self.start()
            return
        try:
            for server in self.servers:
                server.revive()
            self._heal()
            self._await_ready(5)
            for server in self.servers:
                server.clean()
            self._await_ready(2)
        except (AssertionError, OSError, RespError, ServerFailed):
            self.stop()
            self.start()

    def server_at(self, port: int) -> Server:
        """Return the server that listens on `port`."""
        return next(server for server in self.servers if server.port == port)

    def _await_ready(self, timeout: float) -> None:
        eventually(self.ready, timeout, ignore=NOT_YET, what=f"{self!r} being ready")

    @abstractmethod
    def _build(self) -> None: ...

    @abstractmethod
    def _heal(self) -> None:
        """Undo what does not undo itself. Raises AssertionError if that cannot be done."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether all is as after the start, but for the data and who has which role."""


class Replicated(Topology):
    """One primary and its replicas; nobody watches over them."""

    def __init__(self, replicas: int = 1, config: Config | None = None) -> None:
        super().__init__()
        self._count = replicas
        self._config = dict(config or {})

    @property
    def primary(self) -> Server:
        return self.servers[0]

    @property
    def replicas(self) -> list[Server]:
        return self.servers[1:]

    @property
    def urls(self) -> list[str]:
        """The primary's first."""
        return [server.url for server in self.servers]

    def _build(self) -> None:
        self.servers.append(Server(self._config).start())
        upstream = f"{self.primary.host} {self.primary.port}"
        for _ in range(self._count):
            self.servers.append(Server({**self._config, "replicaof": upstream}).start())

    def ready(self) -> bool:
        return role_of(self.primary) == "master" and in_sync(self.primary, self.replicas)

    def wait_in_sync(self, timeout: float = 10.0) -> None:
        """Wait until every replica has all that the primary has."""
        self._await_ready(timeout)

    def _heal(self) -> None:
        if role_of(self.primary) != "master":
            self.primary.command("REPLICAOF", "NO", "ONE")
        for replica in self.replicas:
            with contextlib.suppress(KeyError):
                if replica.info("replication")["master_port"] == str(self.primary.port):
                    continue
            replica.command("REPLICAOF", self.primary.host, self.primary.port)
