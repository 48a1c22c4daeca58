"""A primary and its replicas under the eyes of Sentinels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from time import monotonic
from typing import Any

from support.resp import RespError
from support.server import Config, Server
from support.topologies import NOT_YET, Topology, in_sync, role_of
from support.waiting import eventually

PERIODS = ("info-period", 200, "publish-period", 200, "ask-period", 200, "ping-period", 200)
"""Sentinel's clocks, in milliseconds: faster than in real life, where INFO is asked every 10 s."""

FINE = {"slave", "sentinel", "master_down"}
"""Flags of those who are well. The last is what another Sentinel said once; it may be stale."""

FAILOVER_TIMEOUT = 3000
"""Milliseconds: until a failover is given up; after one, no other begins unasked for twice that."""

PATIENT = {"down-after-milliseconds": 600_000, "failover-timeout": 12_000}
"""Settings of Sentinels that are to take nobody for dead."""


def as_dict(pairs: list[bytes]) -> dict[str, str]:
    texts = [text.decode() for text in pairs]
    return dict(zip(texts[::2], texts[1::2], strict=True))


class Sentinels(Topology):
    """Sentinels, a primary and replicas. `servers` are the data nodes and then the Sentinels."""

    name = "mymaster"

    def __init__(
        self,
        replicas: int = 2,
        sentinels: int = 3,
        *,
        down_after: int = 500,
        config: Config | None = None,
        sentinel_config: Config | None = None,
    ) -> None:
        """`down_after` is in milliseconds; the configs are for data nodes and for Sentinels."""
        super().__init__()
        self._replicas, self._sentinels = replicas, sentinels
        self._down_after = down_after
        self._blocks = 0  # in which they are to be patient
        self._config, self._sentinel_config = dict(config or {}), dict(sentinel_config or {})

    @property
    def nodes(self) -> list[Server]:
        """The data nodes, whatever their role now."""
        return self.servers[: self._replicas + 1]

    @property
    def sentinels(self) -> list[Server]:
        return self.servers[self._replicas + 1 :]

    @property
    def primary(self) -> Server:
        """The data node that Sentinel names now (the first running one's word counts)."""
        return self.server_at(int(self._state_of(self._a_sentinel())["port"]))

    @property
    def replicas(self) -> list[Server]:
        primary = self.primary
        return [node for node in self.nodes if node is not primary]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the Sentinels listen."""
        return [sentinel.address for sentinel in self.sentinels]

    def failover(self, timeout: float = 96.0) -> Server:
        """Ask for a failover, wait until all Sentinels name another primary, return that.

        A Sentinel that notices that its machine stalls does nothing for 30 s (TILT). One that has
        just seen a failover may call no replica good yet: it is asked until it does. It gives one
        up that takes longer than its `failover-timeout`: then it is asked once more. Meanwhile
        all of them are patient.
        """
        old = self.primary
        ask = partial(self._a_sentinel().command, "SENTINEL", "FAILOVER", self.name)
        deadline = monotonic() + timeout
        with self.patient():
            while True:
                if self.primary is old:
                    eventually(ask, timeout, ignore=(RespError,), what="a failover")
                try:
                    return self.wait_for_another_primary(old, min(timeout, 14.0))
                except AssertionError:
                    if monotonic() >= deadline:
                        raise

    @contextlib.contextmanager
    def patient(self) -> Iterator[None]:
        """Have the Sentinels do nothing unasked in the block, however long this machine stalls.

        They take nobody for dead, and an old primary goes on leading for 8 s after a failover. So
        does a new one: a Sentinel that has not heard of a failover after four `publish-period`s
        makes the new primary a replica again, and then no Sentinel's primary is one.
        """
        self._blocks += 1
        self._set(PATIENT, "publish-period", 2000)
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                self._hurry()

    def wait_for_another_primary(self, old: Server, timeout: float = 60.0) -> Server:
        """Wait until every running Sentinel names the same primary, not `old`; return it."""

        def agreed() -> Server | None:
            ports = {int(self._state_of(sentinel)["port"]) for sentinel in self._running}
            if len(ports) != 1 or ports == {old.port}:
                return None
            new = self.server_at(ports.pop())
            return new if role_of(new) == "master" else None

        try:
            new = eventually(agreed, timeout, ignore=NOT_YET, what="another primary")
        except AssertionError as error:
            error.add_note(self._account(old))
            raise
        assert new is not None
        return new

    def _account(self, old: Server) -> str:
        """Return what the Sentinels say and have done last, for whoever waited in vain."""
        lines = [f"the old primary is {old.port}; " + ", ".join(map(repr, self.nodes))]
        for sentinel in self.sentinels:
            try:
                state = self._state_of(sentinel)
                says = f"names {state['port']} ({state['flags']})"
            except NOT_YET as error:
                says = repr(error)
            lines += [f"Sentinel {sentinel.port} {says}; its log ends so:"]
            lines += [f"    {line}" for line in sentinel.log.splitlines()[-25:]]
        return "\n".join(lines)

    def priority_of(self, replica: Server) -> set[int]:
        """Return what Sentinels know of a replica's priority; 0 if it is not to be promoted."""
        known = [one for each in self.sentinels for one in self._seen(each, "REPLICAS")]
        return {int(one["slave-priority"]) for one in known if one["port"] == str(replica.port)}

    def ready(self) -> bool:
        states = [self._state_of(sentinel) for sentinel in self.sentinels]
        primary = self.server_at(int(states[0]["port"]))
        replicas = [node for node in self.nodes if node is not primary]
        return (
            len({state["port"] for state in states}) == 1
            and all(self._content(sentinel) for sentinel in self.sentinels)
            and role_of(primary) == "master"
            and in_sync(primary, replicas)
        )

    def _content(self, sentinel: Server) -> bool:
        """Tell whether this Sentinel sees all nodes and the other Sentinels, and no trouble."""
        replicas = self._seen(sentinel, "REPLICAS")
        others = self._seen(sentinel, "SENTINELS")
        return (
            self._state_of(sentinel)["flags"] == "master"
            and (len(others), len(replicas)) == (self._sentinels - 1, self._replicas)
            and all(set(one["flags"].split(",")) <= FINE for one in [*others, *replicas])
            and all(replica["master-link-status"] == "ok" for replica in replicas)
        )

    def _state_of(self, sentinel: Server) -> dict[str, str]:
        return as_dict(sentinel.command("SENTINEL", "MASTER", self.name))

    def _seen(self, sentinel: Server, what: str) -> list[dict[str, str]]:
        found: list[Any] = sentinel.command("SENTINEL", what, self.name)
        return [as_dict(pairs) for pairs in found]

    def _a_sentinel(self) -> Server:
        return self._running[0]

    def _build(self) -> None:
        self.servers.append(Server(self._config).start())
        upstream = self.servers[0]
        replicaof = f"{upstream.host} {upstream.port}"
        for _ in range(self._replicas):
            self.servers.append(Server({**self._config, "replicaof": replicaof}).start())
        eventually(lambda: in_sync(upstream, self.nodes[1:]), 60, ignore=NOT_YET)
        lines = [
            f"monitor {self.name} {replicaof} {self._sentinels // 2 + 1}",
            f"down-after-milliseconds {self.name} {self._down_after}",
            f"failover-timeout {self.name} {FAILOVER_TIMEOUT}",
        ]
        for _ in range(self._sentinels):
            config = {**self._sentinel_config, "sentinel": lines}
            self.servers.append(Server(config, sentinel=True).start())
        self._hurry()

    def _heal(self) -> None:
        self._hurry()

    @property
    def _running(self) -> list[Server]:
        return [sentinel for sentinel in self.sentinels if sentinel.state == "running"]

    def _hurry(self) -> None:
        options = {
            "down-after-milliseconds": self._down_after,
            "failover-timeout": FAILOVER_TIMEOUT,
        }
        self._set(options, *PERIODS)

    def _set(self, options: dict[str, int], *periods: str | int) -> None:
        words = [word for option in options.items() for word in option]
        for sentinel in self._running:
            sentinel.command("SENTINEL", "SET", self.name, *words)
            sentinel.command("SENTINEL", "DEBUG", *periods)
