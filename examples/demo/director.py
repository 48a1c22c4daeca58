"""What may happen to the servers while the demo runs, and who may ask for it: the site."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

from support.processes import make_folder, remove_folder
from support.servers import Cluster, Sentinels, Server, Topology
from support.topologies import NOT_YET, role_of
from support.waiting import eventually

LEAD = 1.0
"""Seconds between a wish and its fulfilment, so that one sees how it was before."""

AWAY = 3.0
"""Seconds a killed server stays away after another was promoted."""

PATIENCE = 20.0


class Director:
    """Fails primaries over, kills them and brings them back, when told to over a socket.

    A question is one line on the Unix socket `path`: "status", "failover" or "kill". The answer
    is `status()` as JSON. One thing happens at a time; wishes in between are not heard. `pids`
    grows by those of servers that are started again.
    """

    def __init__(self, topology: Topology, members: list[list[Server]], pids: list[int]) -> None:
        self._topology, self._members, self._pids = topology, members, pids
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._action: dict[str, Any] | None = None
        self._shard = -1
        self._folder = make_folder()
        self.path = str(self._folder / "director")
        self._listener = _Listener(self.path, self._answer)
        threading.Thread(target=self._listener.serve_forever, args=(0.1,), daemon=True).start()

    def status(self) -> dict[str, Any]:
        """Tell what is there and what happens; times are seconds since 1970."""
        sentinels = self._topology.sentinels if isinstance(self._topology, Sentinels) else []
        return {
            "possible": isinstance(self._topology, Sentinels | Cluster),
            "members": [[name_of(server) for server in shard] for shard in self._members],
            "away": [
                name_of(server)
                for shard in self._members
                for server in shard
                if server.state != "running"
            ],
            "sentinels": [name_of(sentinel) for sentinel in sentinels],
            "action": self._action,
        }

    def close(self) -> None:
        """Let nothing happen any more; the servers can be stopped then."""
        self._closed.set()
        with self._lock:  # a server that is just being started again
            pass
        self._listener.shutdown()
        self._listener.server_close()
        remove_folder(self._folder)

    def primary(self, shard: int) -> Server:
        """Return the server that leads a shard now; there is one shard without a cluster."""
        if isinstance(self._topology, Cluster):
            return self._topology.primary_of_shard(shard)
        return getattr(self._topology, "primary", self._members[0][0])

    def primaries(self) -> list[str]:
        """Return the names of those who lead now, by shard."""
        return [name_of(self.primary(shard)) for shard in range(len(self._members))]

    def _answer(self, wish: str) -> dict[str, Any]:
        happenings = {"failover": self._fail_over, "kill": self._kill}
        status = self.status()
        if wish in happenings and status["possible"] and not self._closed.is_set():
            with self._lock:
                if self._action is None or self._action["done"]:
                    self._begin(wish, happenings[wish])
        return self.status()

    def _begin(self, wish: str, happening: Callable[[int], None]) -> None:
        self._shard = (self._shard + 1) % len(self._members)
        self._action = {
            **dict.fromkeys(("old", "new", "happened", "promoted", "back", "done", "failure")),
            "kind": wish,
            "shard": self._shard,
            "asked": time.time(),
        }
        threading.Thread(target=self._perform, args=(happening,), daemon=True).start()

    def _perform(self, happening: Callable[[int], None]) -> None:
        assert self._action is not None
        self._closed.wait(LEAD)
        try:
            happening(self._shard)
            eventually(self._topology.ready, PATIENCE, ignore=NOT_YET, what="the servers' order")
            self._find_out_who_leads()
        except Exception as failure:  # told to whoever looks; the rest goes on
            self._action["failure"] = repr(failure)
        self._action["done"] = time.time()

    def _fail_over(self, shard: int) -> None:
        old = self.primary(shard)
        self._happens(old)
        asking = threading.Thread(target=self._ask_for_failover, args=(shard,), daemon=True)
        asking.start()
        self._promotion(shard, old)
        asking.join(PATIENCE)  # until all agree on one

    def _ask_for_failover(self, shard: int) -> None:
        with contextlib.suppress(Exception):  # then nobody is promoted, and that is told
            if isinstance(self._topology, Cluster):
                self._topology.failover(shard)
            elif isinstance(self._topology, Sentinels):
                self._topology.failover()

    def _kill(self, shard: int) -> None:
        old = self.primary(shard)
        with self._lock:
            if self._closed.is_set():
                return
            self._happens(old)
            old.kill()
        self._promotion(shard, old)
        self._closed.wait(AWAY)
        with self._lock:
            if self._closed.is_set():
                return
            old.restart()
            self._pids.append(old.pid)
            self._note("back")

    def _promotion(self, shard: int, old: Server) -> None:
        others = [server for server in self._members[shard] if server is not old]

        def promoted() -> Server | None:
            return next((one for one in others if role_of(one) == "master"), None)

        new = eventually(promoted, PATIENCE, ignore=NOT_YET, what="a promotion")
        assert new is not None
        assert self._action is not None
        self._action["new"] = name_of(new)
        self._note("promoted")

    def _find_out_who_leads(self) -> None:
        """Name another than the first promoted one if the first promotion was given up."""
        assert self._action is not None
        leading = name_of(self.primary(self._shard))
        if leading not in (self._action["old"], self._action["new"]):
            self._action["new"] = leading
            self._note("promoted")

    def _happens(self, old: Server) -> None:
        assert self._action is not None
        self._action["old"] = name_of(old)
        self._note("happened")

    def _note(self, what: str) -> None:
        assert self._action is not None
        self._action[what] = time.time()


def name_of(server: Server) -> str:
    return f"{server.host}:{server.port}"


class _Listener(socketserver.ThreadingUnixStreamServer):
    """Answers every line with JSON."""

    daemon_threads = True

    def __init__(self, path: str, answer: Callable[[str], dict[str, Any]]) -> None:
        self.answer = answer
        super().__init__(path, _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            answer = self.server.answer(self.rfile.readline().decode().strip())
            self.wfile.write(json.dumps(answer).encode())
