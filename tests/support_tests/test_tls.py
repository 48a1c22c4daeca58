"""Servers in TLS, with good certificates and bad ones."""

from __future__ import annotations

import socket
import ssl

import pytest

from support.proxy import MakeProxy
from support.servers import Standalone
from support.tls import Authority, TlsServer, native_tls_server, speaks_tls


def ask(address: tuple[str, int], context: ssl.SSLContext, name: str = "localhost") -> bytes:
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as sock,
    ):
        sock.sendall(b"*1\r\n$4\r\nPING\r\n")
        return sock.recv(100)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_gets_in(
    tls_server: TlsServer, authority: Authority, name: str
) -> None:
    assert ask(tls_server.address, authority.client_context(), name) == b"+PONG\r\n"
    assert tls_server.url.startswith("rediss://")
    assert tls_server.proxy.count("PING") == 1


def test_others_do_not(tls_server: TlsServer, authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|issuer"):
        ask(tls_server.address, ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname"):
        ask(tls_server.address, authority.client_context(), "elsewhere")


def test_an_expired_certificate(
    standalone: Standalone, authority: Authority, proxy: MakeProxy
) -> None:
    front = proxy(standalone, tls=authority.server_context(expired=True))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        ask(front.address, authority.client_context())


def test_a_client_certificate(
    standalone: Standalone, authority: Authority, proxy: MakeProxy
) -> None:
    front = proxy(standalone, tls=authority.server_context(client_certificate=True))
    assert ask(front.address, authority.client_context(certificate=True)) == b"+PONG\r\n"
    try:
        assert ask(front.address, authority.client_context()) == b""
    except (ssl.SSLError, ConnectionError):
        pass  # In TLS 1.3 the client may have sent its question before it is turned away.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_version_only(
    standalone: Standalone, authority: Authority, proxy: MakeProxy, version: ssl.TLSVersion
) -> None:
    front = proxy(standalone, tls=authority.server_context(version=version))
    assert ask(front.address, authority.client_context()) == b"+PONG\r\n"
    only_other = authority.client_context()
    other = ({ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3} - {version}).pop()
    only_other.minimum_version = only_other.maximum_version = other
    with pytest.raises(ssl.SSLError):
        ask(front.address, only_other)


def test_faults_work_inside_tls(tls_server: TlsServer, authority: Authority) -> None:
    tls_server.proxy.truncate_reply(3, to="PING")
    assert ask(tls_server.address, authority.client_context()) == b"+PO"


def test_a_server_that_speaks_tls_by_itself(authority: Authority) -> None:
    if not speaks_tls(authority):
        pytest.skip("the server under test was built without TLS")
    server, port = native_tls_server(authority)
    with server:
        assert ask(("127.0.0.1", port), authority.client_context()) == b"+PONG\r\n"
