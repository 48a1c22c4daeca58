"""The servers for the tests do what they promise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from support.processes import free_port
from support.resp import RespClient, RespError
from support.server import Server, ServerFailed
from support.topologies import Replicated
from support.waiting import eventually


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_reset_brings_back_data_settings_users_and_clients(standalone: Server) -> None:
    with standalone.client(admin=False) as client:
        client.command("SET", "key", "value")
        standalone.command("CONFIG", "SET", "maxmemory", "10mb")
        standalone.command("CONFIG", "SET", "requirepass", "secret")
        standalone.command("ACL", "SETUSER", "eve", "on", ">secret")
        standalone.command("CLIENT", "PAUSE", 100_000)

        standalone.reset()

        with pytest.raises(ConnectionResetError):
            client.command("PING")
    assert standalone.command("DBSIZE") == 0
    assert standalone.command("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]
    assert b"eve" not in standalone.command("ACL", "USERS")
    with standalone.client(admin=False) as client:
        assert client.command("SET", "key", "value") == "OK"


def test_reset_resumes_a_paused_server_and_restarts_a_dead_one(standalone: Server) -> None:
    standalone.pause()
    standalone.reset()
    assert standalone.command("PING") == "PONG"
    port = standalone.port
    standalone.kill()
    standalone.reset()
    with RespClient(("127.0.0.1", port)) as client:
        assert client.command("PING") == "PONG"


def test_a_paused_server_accepts_but_does_not_answer(standalone: Server) -> None:
    standalone.pause()
    with standalone.client(admin=False, timeout=0.05) as client, pytest.raises(TimeoutError):
        client.command("PING")


def test_own_connections_are_not_counted(standalone: Server) -> None:
    assert standalone.connected_clients() == 0
    with standalone.client(admin=False) as client:
        client.command("PING")
        assert standalone.connected_clients() == 1


def test_a_monitor_hears_every_command(standalone: Server) -> None:
    with standalone.monitor() as monitor, standalone.client(admin=False) as client:
        client.command("SET", "a key", b'\x00"\\\r\n\xff')
        client.command("GET", "a key")
    assert monitor.commands == [(b"SET", b"a key", b'\x00"\\\r\n\xff'), (b"GET", b"a key")]
    assert standalone.commands_seen()["GET"] == 1


def test_the_tests_get_in_where_others_do_not() -> None:
    with Server(
        {"requirepass": "secret", "user": "eve on >pw ~* +@all", "maxclients": 1}
    ) as server:
        assert server.command("PING") == "PONG"
        with RespClient(server.address) as client:
            assert "max number of clients" in str(client.read())
        server.command("CONFIG", "SET", "maxclients", 10)
        with server.client(admin=False) as client, pytest.raises(RespError, match="NOAUTH"):
            client.command("PING")


def test_a_failed_start_shows_the_output() -> None:
    with pytest.raises(ServerFailed, match="no-such-setting"):
        Server({"no-such-setting": "1"}).start()


def test_a_taken_port_is_not_waited_for_but_a_free_one_is_found(
    standalone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServerFailed, match="Address already in use"):
        Server(port=standalone.port).start()
    ports = chain([standalone.port], iter(free_port, 0))
    monkeypatch.setattr("support.server.free_port", lambda: next(ports))
    with Server() as server:
        assert server.port != standalone.port
        assert "Address already in use" in server.log


def test_a_server_whose_port_is_lost_is_reset_on_another(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.server.PATIENCE", 0.1)
    with Server() as server, socket.socket() as thief:
        for one in (server, replicated.primary):
            one.kill()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(server.address)
        thief.listen()
        server.reset()
        assert server.address != thief.getsockname()
        assert server.command("SET", "key", "value") == "OK"
    with socket.socket() as thief:
        lost = replicated.primary.address
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(lost)
        thief.listen()
        replicated.reset()
        assert lost not in [server.address for server in replicated.servers]


def test_a_process_of_many_has_ports_of_its_own() -> None:
    program = "from support.processes import free_port; print(*{free_port() for _ in range(500)})"
    found = []
    for name in ("gw0", "gw1"):
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": path, "PYTEST_XDIST_WORKER": name},
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(set(done.stdout.split()))
    assert [len(ports) for ports in found] == [500, 500]  # none comes twice
    assert not found[0] & found[1]


def test_stop_leaves_neither_process_nor_folder() -> None:
    server = Server().start()
    pid, folder = server.pid, server.folder
    server.pause()
    server.stop()
    assert not alive(pid)
    assert not folder.exists()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "raise SystemExit"])
def test_servers_end_with_the_process_that_started_them(end: str) -> None:
    program = (
        "import os; from support.server import Server; s = Server().start(); "
        f"print(s.pid, s.folder, flush=True); {end}"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    pid, folder = done.stdout.split()
    eventually(lambda: not alive(int(pid)) and not Path(folder).exists())
