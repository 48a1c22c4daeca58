"""What the demo consists of: servers, and the site in front of them."""

from __future__ import annotations

import re
import sys
from functools import partial
from itertools import chain
from pathlib import Path

from demo.director import Director
from demo.expecting import StageFailed

from support.processes import make_folder, reap, remove_folder, spawn
from support.servers import Cluster, Replicated, Sentinels, Server, Topology
from support.topologies import NOT_YET, in_sync
from support.waiting import eventually

SITE = Path(__file__).parent / "site/serve.py"
START = 30.0
"""Seconds the site gets to start."""

SILENCE = 2000
"""Milliseconds after which a primary is taken for dead: more than this machine may stall."""

KINDS = ("standalone", "replica", "sentinel", "cluster")


def topology_of(kind: str) -> Topology:
    """Return the servers of one of KINDS, not started yet."""
    if kind == "sentinel":
        return Sentinels(down_after=SILENCE)
    if kind == "cluster":
        # Whoever wants shards to go on while another has no primary has to say so.
        config = {"cluster-require-full-coverage": "no", "cluster-node-timeout": SILENCE}
        return Cluster(config=config)
    return Replicated(replicas=1 if kind == "replica" else 0)


class Stage:
    """The servers and the site; `close` leaves nothing behind and may be called at any time.

    `kind` is one of KINDS; `port` is the site's, 0 for a free one. `shards` are the servers with
    data, those of each shard with its first primary first; `pids` are those of all processes that
    were started.
    """

    def __init__(self, kind: str = "replica", port: int = 0) -> None:
        self.kind = kind
        self._port = port
        self._topology = topology_of(kind)
        self._director: Director | None = None
        self._site: Site | None = None
        self.shards: list[list[Server]] = []
        self.pids: list[int] = []
        self.url = ""

    def open(self) -> None:
        """Start all of it, the site last. Raises StageFailed with what the site printed."""
        try:
            self._topology.start()
        finally:
            self.pids += [server.pid for server in self._topology.servers]
        self.shards = self._members()
        self._director = Director(self._topology, self.shards, self.pids)
        addresses = [f"{host}:{port}" for host, port in self._addresses()]
        self._site = Site(self.kind, self._director.path, addresses, self._port)
        self.pids.append(self._site.process.pid)
        self.url = self._site.wait_until_ready()

    def _members(self) -> list[list[Server]]:
        topology = self._topology
        if isinstance(topology, Cluster):
            return [topology.members(shard) for shard in range(len(topology.primaries))]
        return [topology.nodes if isinstance(topology, Sentinels) else topology.servers]

    def _addresses(self) -> list[tuple[str, int]]:
        """Return what the site is told; it finds the others."""
        if isinstance(self._topology, Sentinels):
            return self._topology.addresses
        if isinstance(self._topology, Cluster):
            return [server.address for server in self._topology.servers[:2]]
        return [server.address for server in self._topology.servers]

    @property
    def servers(self) -> list[Server]:
        """Those with data."""
        return list(chain.from_iterable(self.shards))

    @property
    def primaries(self) -> list[str]:
        """Who leads each shard now, as the servers themselves say: host:port."""
        assert self._director is not None
        return self._director.primaries()

    def described(self) -> list[tuple[str, str]]:
        """Return what all servers are, with their addresses."""
        found = []
        for number, shard in enumerate(self.shards, 1):
            which = f" {number}" if len(self.shards) > 1 else ""
            for at, server in enumerate(shard):
                role = "replica" if at else "primary"
                found.append((role + which, f"{server.host}:{server.port}"))
        sentinels = getattr(self._topology, "sentinels", [])
        return found + [("sentinel", f"{one.host}:{one.port}") for one in sentinels]

    def wait_until_replicated(self) -> None:
        """Wait until the replicas have all that was written, whoever is one now."""
        primaries = self.primaries
        for shard, name in zip(self.shards, primaries, strict=True):
            primary = next(one for one in shard if name == f"{one.host}:{one.port}")
            replicas = [one for one in shard if one is not primary]
            eventually(partial(in_sync, primary, replicas), ignore=NOT_YET, what="replication")

    @property
    def ended(self) -> str:
        """ "site" if that does not run, else ""."""
        return "site" if self._site is None or self._site.process.poll() is not None else ""

    @property
    def log(self) -> str:
        """What the site has printed."""
        return "" if self._site is None else self._site.log

    def close(self) -> None:
        if self._director is not None:
            self._director.close()
        if self._site is not None:
            self._site.close()
        self._topology.stop()


class Site:
    """The Django site, in a process of its own."""

    def __init__(self, kind: str, director: str, addresses: list[str], port: int) -> None:
        self.folder = make_folder()
        options = ["--topology", kind, "--director", director, "--port", str(port)]
        command = [sys.executable, str(SITE), *options, *addresses]
        self.process = spawn(command, self.folder / "log")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_ready(self) -> str:
        """Return the URL that the site has printed."""

        def url() -> str | None:
            if self.process.poll() is not None:
                raise StageFailed(f"the site did not start:\n{self.log}")
            found = re.search(r"^Serving (\S+)$", self.log, re.MULTILINE)
            return found and found[1]

        return eventually(url, START, what="the site being ready") or ""

    def close(self) -> None:
        reap(self.process)
        remove_folder(self.folder)
