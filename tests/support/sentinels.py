"""A primary and its replicas under the eyes of Sentinels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from support.resp import RespError
from support.server import Config, Server
from support.topologies import NOT_YET, Topology, in_sync, role_of
from support.waiting import eventually

PERIODS = ("info-period", 200, "publish-period", 200, "ask-period", 200, "ping-period", 200)
"""Sentinel's clocks, in milliseconds: faster than in real life, where INFO is asked every 10 s."""

FINE = {"slave", "sentinel", "master_down"}
"""Flags of those who are well. The last is what another Sentinel said once; it may be stale."""


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
        self._replicas, self._sentinels, self._down_after = replicas, sentinels, down_after
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

    def failover(self, timeout: float = 60.0) -> Server:
        """Ask for a failover, wait until all Sentinels name another primary, return that.

        A Sentinel that notices that its machine stalls does nothing for 30 s (TILT). One that has
        just seen a failover may call no replica good yet: it is asked until it does. It gives one
        up that takes longer than its `failover-timeout`: then it is asked once more.
        """
        old = self.primary
        ask = partial(self._a_sentinel().command, "SENTINEL", "FAILOVER", self.name)
        for _ in range(3):
            if self.primary is old:
                eventually(ask, timeout, ignore=(RespError,), what="a failover")
            with contextlib.suppress(AssertionError):
                return self.wait_for_another_primary(old, min(timeout, 12.0))
        return self.wait_for_another_primary(old, timeout)

    @contextlib.contextmanager
    def patient(self) -> Iterator[None]:
        """Have the Sentinels do nothing unasked in the block, however long this machine stalls.

        They take nobody for dead, and an old primary goes on leading for 8 s after a failover.
        """
        self._set_down_after(600_000)
        self._set_periods("publish-period", 2000)
        yield
        self._hurry()

    def wait_for_another_primary(self, old: Server, timeout: float = 60.0) -> Server:
        """Wait until every running Sentinel names the same primary, not `old`; return it."""

        def agreed() -> Server | None:
            running = [sentinel for sentinel in self.sentinels if sentinel.state == "running"]
            ports = {int(self._state_of(sentinel)["port"]) for sentinel in running}
            if len(ports) != 1 or ports == {old.port}:
                return None
            new = self.server_at(ports.pop())
            return new if role_of(new) == "master" else None

        new = eventually(agreed, timeout, ignore=NOT_YET, what="another primary")
        assert new is not None
        return new

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
        return next(sentinel for sentinel in self.sentinels if sentinel.state == "running")

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
            f"failover-timeout {self.name} 3000",
        ]
        for _ in range(self._sentinels):
            config = {**self._sentinel_config, "sentinel": lines}
            self.servers.append(Server(config, sentinel=True).start())
        self._hurry()

    def _heal(self) -> None:
        self._hurry()

    def _hurry(self) -> None:
        self._set_down_after(self._down_after)
        self._set_periods(*PERIODS)

    def _set_down_after(self, milliseconds: int) -> None:
        for sentinel in self.sentinels:
            what = ("down-after-milliseconds", milliseconds)
            sentinel.command("SENTINEL", "SET", self.name, *what)

    def _set_periods(self, *periods: str | int) -> None:
        for sentinel in self.sentinels:
            sentinel.command("SENTINEL", "DEBUG", *periods)
