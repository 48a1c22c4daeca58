"""A cluster, made by talking to its nodes: no command-line tool is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import combinations, count, pairwise
from typing import Any

from support.server import Config, Server
from support.topologies import NOT_YET, Topology, in_sync
from support.waiting import eventually

SLOTS = 16384
QUICK = 1_000
"""Milliseconds of silence after which a node is held for dead, where that is wanted."""


def slot_of(key: str | bytes) -> int:
    """Return a key's hash slot: CRC16 (XMODEM) of the key or of its first non-empty {tag}."""
    key = key.encode() if isinstance(key, str) else key
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        key = key[start + 1 : end]
    crc = 0
    for byte in key:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % SLOTS


class Cluster(Topology):
    """`shards` primaries with `replicas` each. `servers` are first all primaries, then replicas.

    Server number i starts as a member of shard i % shards, and stays one: only its role changes.
    """

    def __init__(self, shards: int = 3, replicas: int = 1, config: Config | None = None) -> None:
        super().__init__()
        self._shards, self._replicas = shards, replicas
        self._patience = QUICK
        self._config = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": QUICK,
            "cluster-replica-validity-factor": 0,
            "cluster-allow-replica-migration": "no",
            **(config or {}),
        }

    # Who is who

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    @property
    def primaries(self) -> list[Server]:
        """The primary of each shard now, in the order of the shards."""
        return [self.primary_of_shard(shard) for shard in range(self._shards)]

    @property
    def replicas(self) -> list[Server]:
        primaries = self.primaries
        return [server for server in self.servers if server not in primaries]

    def members(self, shard: int) -> list[Server]:
        return self.servers[shard :: self._shards]

    def primary_of_shard(self, shard: int) -> Server:
        """Return the member that says it is the primary; the newest if two do."""
        found = [
            (int(fields[6]), server)
            for server in self.members(shard)
            if server.state == "running" and "master" in (fields := self._myself(server))[2]
        ]
        return max(found, key=lambda pair: pair[0])[1]

    def shard_of(self, key: str | bytes) -> int:
        """Return the shard that had the key's slot when the cluster was made."""
        return slot_of(key) * self._shards // SLOTS

    def primary_for(self, key: str | bytes) -> Server:
        return self.primary_of_shard(self.shard_of(key))

    def keys_of_shard(self, shard: int, prefix: str = "key") -> Iterator[str]:
        """Yield different keys whose slots belong to a shard, without end."""
        return (key for n in count() if self.shard_of(key := f"{prefix}-{n}") == shard)

    def node_id(self, server: Server) -> str:
        name: str = server.command("CLUSTER", "MYID").decode()
        return name

    # Things that happen to clusters

    def failover(self, shard: int, how: str = "", timeout: float = 10.0) -> Server:
        """Make a replica of the shard its primary (`how`: "", "FORCE" or "TAKEOVER"); return it.

        Returns when all running nodes know. A server gives a planned failover up after 5 s, for
        want of votes or of the last writes, without telling anybody: then it is told again.
        """
        patience = self._patience
        self._set_patience(QUICK)  # twice as long they do not vote about the same primary again
        old = self.primary_of_shard(shard)
        new = next(s for s in self.members(shard) if s is not old and s.state == "running")
        try:
            for _ in range(3):
                if new is not self.primary_of_shard(shard):
                    new.command("CLUSTER", "FAILOVER", *([how] if how else []))
                with contextlib.suppress(AssertionError):
                    return self.wait_for_another_primary(shard, old, min(timeout, 7.0))
            return self.wait_for_another_primary(shard, old, timeout)
        finally:
            self._set_patience(patience)

    def be_patient(self, milliseconds: int = 60_000) -> None:
        """Have the nodes take nobody for dead for so long, until the servers are reset.

        For tests in which nobody is to take over: a machine that stalls looks like a dead one. If
        it has stalled just now, this waits until they have all made up: with so much patience a
        node that was held for dead would be so for as long.
        """
        for _ in range(5):
            self._set_patience(milliseconds)
            if not self._any_doubt():
                return
            self._set_patience(QUICK)
            self._await_ready(10)
        raise AssertionError(f"the nodes of {self!r} hold each other for dead again and again")

    def be_quick(self) -> None:
        """Have a replica take over soon after its primary has died, until the servers are reset."""
        self._set_patience(QUICK)

    def _set_patience(self, milliseconds: int) -> None:
        self._patience = milliseconds
        for server in self.servers:
            if server.state == "running":
                server.command("CONFIG", "SET", "cluster-node-timeout", milliseconds)

    def _any_doubt(self) -> bool:
        """Tell whether a node holds another for dead, or the cluster for down."""
        for server in self.servers:
            flags = {flag for fields in self._nodes(server) for flag in fields[2].split(",")}
            if flags & {"fail", "fail?"} or not self._state_ok(server):
                return True
        return False

    def wait_for_another_primary(self, shard: int, old: Server, timeout: float = 10.0) -> Server:
        """Wait until all running nodes name the same primary of a shard, not `old`; return it."""
        slot = self._ranges()[shard][0]

        def agreed() -> Server | None:
            running = [server for server in self.servers if server.state == "running"]
            ports = {self._owners(server).get(slot) for server in running}
            if len(ports) != 1 or ports & {None, old.port}:
                return None
            return self.server_at(ports.pop() or 0)

        new = eventually(agreed, timeout, ignore=NOT_YET, what=f"another primary of shard {shard}")
        assert new is not None
        return new

    def begin_migration(self, slot: int, source: Server, target: Server) -> None:
        """Open a slot: keys not at `source` get ASK, half-moved multi-key commands TRYAGAIN.

        A target that has not heard yet of the source's last claim (its epoch, when it got a slot
        back) would not outbid it: another of its messages, and the slot would be nobody's.
        """
        latest = max(int(self._facts(server)["cluster_my_epoch"]) for server in self.primaries)
        eventually(
            lambda: int(self._facts(target)["cluster_current_epoch"]) >= latest,
            what=f"{target} having heard of epoch {latest}",
        )
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))

    def move_key(self, key: str | bytes, source: Server, target: Server) -> None:
        """Move one key of an open slot."""
        source.command("MIGRATE", target.host, target.port, key, 0, 5000)

    def finish_migration(self, slot: int, source: Server, target: Server) -> None:
        """Move the keys that are left and give the slot to `target`, which tells the others."""
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
            source.command("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *keys)
        for server in (target, source):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))

    def abort_migration(self, slot: int, source: Server, target: Server) -> None:
        for server in (target, source):
            server.command("CLUSTER", "SETSLOT", slot, "STABLE")

    # Making it, and making it good again

    def ready(self) -> bool:
        if not all(self._state_ok(server) for server in self.servers):
            return False
        views = [self._view(server) for server in self.servers]
        if any(view != views[0] for view in views):
            return False
        if [entry[:2] for entry in views[0]] != self._ranges():
            return False
        for shard, (_, _, port, replicas) in enumerate(views[0]):
            primary = self.server_at(port)
            others = [member for member in self.members(shard) if member is not primary]
            if replicas != tuple(sorted(other.port for other in others)):
                return False
            if not in_sync(primary, others):
                return False
        return True

    def _state_ok(self, server: Server) -> bool:
        facts = self._facts(server)
        known = facts["cluster_known_nodes"] == str(len(self.servers))
        return facts["cluster_state"] == "ok" and known

    def _facts(self, server: Server) -> dict[str, str]:
        lines = server.command("CLUSTER", "INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines)

    def _view(self, server: Server) -> list[tuple[int, int, int, tuple[int, ...]]]:
        """Return first slot, last slot, primary's port and replicas' ports, as a node sees it."""
        slots: list[Any] = server.command("CLUSTER", "SLOTS")
        return sorted(
            (first, last, primary[1], tuple(sorted(replica[1] for replica in replicas)))
            for first, last, primary, *replicas in slots
        )

    def _owners(self, server: Server) -> dict[int, int]:
        return {first: port for first, _, port, _ in self._view(server)}

    def _myself(self, server: Server) -> list[str]:
        """Return the fields of the line of CLUSTER NODES in which a node speaks of itself."""
        return next(fields for fields in self._nodes(server) if "myself" in fields[2])

    def _nodes(self, server: Server) -> list[list[str]]:
        """Return the fields of each line of CLUSTER NODES."""
        return [line.split() for line in server.command("CLUSTER", "NODES").decode().splitlines()]

    def _ranges(self) -> list[tuple[int, int]]:
        edges = [-(-shard * SLOTS // self._shards) for shard in range(self._shards + 1)]
        return [(first, end - 1) for first, end in pairwise(edges)]

    def _build(self) -> None:
        for number in range(self._shards * (1 + self._replicas)):
            server = Server(self._config).start()
            self.servers.append(server)
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, (first, last) in zip(self.servers, self._ranges(), strict=False):
            server.command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for one, other in combinations(self.servers, 2):
            one.command("CLUSTER", "MEET", other.host, other.port, other.bus_port)
        eventually(self._all_have_met, 60, what="the nodes knowing each other")
        for shard in range(self._shards):
            primary, *replicas = self.members(shard)
            for replica in replicas:
                replica.command("CLUSTER", "REPLICATE", self.node_id(primary))
            primary.command("PUBLISH", "x", "x")

    def _all_have_met(self) -> bool:
        for server in self.servers:
            nodes = self._nodes(server)
            if len(nodes) != len(self.servers) or any("handshake" in one[2] for one in nodes):
                return False
        return True

    def _heal(self) -> None:
        self._set_patience(QUICK)  # with more, it would take them as long to make up
        for server in self.servers:
            fields = self._myself(server)
            for field in fields[8:]:
                if field.startswith("[") and "master" in fields[2]:
                    slot = field[1:].split("-")[0]
                    server.command("CLUSTER", "SETSLOT", slot, "STABLE")
            where = [entry[:2] for entry in self._view(server)]
            assert where == self._ranges(), "a slot has moved: build anew"
