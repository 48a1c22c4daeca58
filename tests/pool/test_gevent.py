"""Pools in a process that gevent has patched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.servers import Standalone
from support.tls import Authority, TlsServer


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(1_000, id="few"),
        pytest.param(100_000, id="many", marks=pytest.mark.soak),
    ],
)
def test_greenlets_share_wait_and_are_killed_as_threads_are(
    standalone: Standalone, tmp_path: Path, kills: int
) -> None:
    authority = Authority(tmp_path)
    with TlsServer(standalone, authority, authority.server_context()) as server:
        program = [sys.executable, str(Path(__file__).with_name("green.py"))]
        where = [standalone.host, str(standalone.port), str(kills)]
        tls = [str(authority.ca), str(server.port)]
        done = subprocess.run([*program, *where, *tls], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr == ""
