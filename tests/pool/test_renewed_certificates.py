"""Certificates and keys that are renewed on disk while a process runs."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cachex_pool import ConfigurationError, ConnectFailed, Endpoint, Tls
from support.servers import Standalone
from support.tls import Authority, TlsServer
from support.waiting import eventually

NAMES = ("ca.pem", "client.pem", "client.key")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("new"))


def written_over(folder: Path, authority: Authority) -> None:
    for name in NAMES:
        (folder / name).write_bytes((authority.folder / name).read_bytes())


def moved_there(folder: Path, authority: Authority) -> None:
    for name in NAMES:
        fresh = folder / f"{name}.new"
        shutil.copy(authority.folder / name, fresh)
        os.replace(fresh, folder / name)


def linked(folder: Path, authority: Authority) -> None:
    """Turn one link around, as Kubernetes does with a secret that is mounted."""
    for name in NAMES:
        if not (folder / name).is_symlink():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(folder / "data" / name)
    fresh = folder / "data.new"
    fresh.symlink_to(authority.folder)
    os.replace(fresh, folder / "data")


def age(folder: Path) -> None:
    """Date files back: a file system may tell no two changes within 10 ms apart."""
    for name in NAMES:
        os.utime(folder / name, (1_000_000_000, 1_000_000_000))


def in_folder(folder: Path, **settings: Any) -> Tls:
    ca, certificate, key = (str(folder / name) for name in NAMES)
    return Tls(ca_certs=ca, certfile=certificate, keyfile=key, **settings)


@pytest.fixture
def files(tmp_path: Path, old: Authority) -> Path:
    written_over(tmp_path, old)
    age(tmp_path)
    return tmp_path


@pytest.fixture
def server(standalone: Standalone, old: Authority) -> Iterator[TlsServer]:
    with TlsServer(standalone, old, old.server_context(client_certificate=True)) as server:
        yield server


def at(server: TlsServer, tls: Tls) -> Endpoint:
    return Endpoint(host=server.host, port=server.port, tls=tls)


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        one.getMessage()
        for one in caplog.records
        if one.name == "cachex_pool" and one.levelno == level and "TLS files" in one.getMessage()
    ]


def connect_anew(pool: Any) -> None:
    """Let calls from here on open a connection."""
    getattr(pool, "pool", pool).retire()


@pytest.mark.parametrize("renew", [written_over, moved_there, linked])
def test_what_was_renewed_is_used_for_new_connections(
    make_caller: Any,
    say: Any,
    server: TlsServer,
    files: Path,
    old: Authority,
    new: Authority,
    renew: Callable[[Path, Authority], None],
) -> None:
    renew(files, old)
    age(files)
    pool = make_caller(at(server, in_folder(files)))
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    server.proxy.tls = new.server_context(client_certificate=True)
    renew(files, new)
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert len(server.proxy.connections) == 1  # what is open stays open
    connect_anew(pool)
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert len(server.proxy.connections) == 2


def test_a_connection_that_failed_for_old_files_works_once_they_are_renewed(
    make_pool: Any, say: Any, server: TlsServer, files: Path, new: Authority
) -> None:
    server.proxy.tls = new.server_context(client_certificate=True)
    pool = make_pool(at(server, in_folder(files)))
    with pytest.raises(ConnectFailed, match="verify failed"):
        pool.call(say("PING"), say.soon())
    written_over(files, new)

    def answers() -> bool:
        try:
            return bool(pool.call(say("PING"), say.soon()) == b"PONG")
        except ConnectFailed:  # the pool pauses after one
            return False

    eventually(answers)


def break_certificate(folder: Path, new: Authority) -> str:
    (folder / "client.pem").write_bytes(b"")
    return "PEM"


def break_key(folder: Path, new: Authority) -> str:
    shutil.copy(new.client_key, folder / "client.key")
    return "(?i)key.values.mismatch"


def renew_certificate_alone(folder: Path, new: Authority) -> str:
    shutil.copy(new.client, folder / "client.pem")
    return "(?i)key.values.mismatch"


def remove_authority(folder: Path, new: Authority) -> str:
    (folder / "ca.pem").unlink()
    return "No such file"


@pytest.mark.parametrize(
    "damage", [break_certificate, break_key, renew_certificate_alone, remove_authority]
)
def test_files_that_are_unusable_leave_the_last_good_ones_in_use(
    make_caller: Any,
    say: Any,
    server: TlsServer,
    files: Path,
    old: Authority,
    new: Authority,
    damage: Callable[[Path, Authority], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "cachex_pool")
    pool = make_caller(at(server, in_folder(files)))
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    why = damage(files, new)
    for number in range(2, 5):
        connect_anew(pool)
        assert pool.call(say("PING"), say.soon()) == b"PONG"
        assert len(server.proxy.connections) == number
    (warning,) = said(caplog, logging.WARNING)  # one for the change, not one for each connection
    for name in NAMES:
        assert str(files / name) in warning
    with pytest.raises(ConfigurationError, match=why) as caught:
        in_folder(files).ssl_context()
    assert str(caught.value.__cause__) in warning
    assert said(caplog, logging.INFO) == []

    server.proxy.tls = new.server_context(client_certificate=True)
    moved_there(files, new)
    connect_anew(pool)
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert len(said(caplog, logging.WARNING)) == len(said(caplog, logging.INFO)) == 1


def test_each_change_for_the_worse_is_warned_of(
    files: Path, new: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = in_folder(files)
    good = tls.ssl_context()
    for damage in (break_certificate, break_key, remove_authority):
        damage(files, new)
        assert tls.ssl_context() is good
        assert tls.ssl_context() is good
    assert len(said(caplog, logging.WARNING)) == 3


def test_files_that_did_not_change_are_read_once(files: Path, tmp_path: Path) -> None:
    for tls in (in_folder(files), Tls(), Tls(ca_path=str(tmp_path)), Tls(verify="none")):
        assert tls.ssl_context() is tls.ssl_context()
    mine = ssl.create_default_context()
    tls = in_folder(files, context=mine)
    written_over(files, Authority(tmp_path))
    assert tls.ssl_context() is mine


def test_authorities_of_the_system_are_read_again_too(
    files: Path, new: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))
    tls = Tls()
    before = tls.ssl_context()
    written_over(files, new)
    (trusted,) = [
        one for one in tls.ssl_context().get_ca_certs() if one not in before.get_ca_certs()
    ]
    assert trusted in new.client_context().get_ca_certs()


def test_files_that_are_unusable_from_the_beginning_are_an_error_until_they_are_good(
    files: Path, old: Authority, new: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = in_folder(files)
    break_key(files, new)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"(?i)key.values.mismatch"):
            tls.ssl_context()
    assert said(caplog, logging.WARNING) == []
    written_over(files, old)
    assert tls.ssl_context() is tls.ssl_context()


def test_settings_in_use_can_be_copied_and_pickled(files: Path) -> None:
    tls = in_folder(files)
    tls.ssl_context()
    for twin in (copy.copy(tls), copy.deepcopy(tls), pickle.loads(pickle.dumps(tls))):
        assert twin == tls
        assert twin.ssl_context() is twin.ssl_context()
