"""Throw-away certificates, and servers that speak TLS."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import trustme

from support.processes import free_port
from support.proxy import HasAddress, Proxy
from support.resp import Address
from support.server import Config, Server, ServerFailed

HOSTS = ("127.0.0.1", "localhost")


class Authority:
    """A certificate authority of its own, with certificates for servers and clients.

    Everything lies as files in `folder`: `ca` is what clients are to trust, `client` and
    `client_key` are what a client shows of itself.
    """

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca))
        self.client, self.client_key = self.issue("client", common_name="client")

    def issue(
        self, name: str, *hosts: str, common_name: str | None = None, expired: bool = False
    ) -> tuple[Path, Path]:
        """Make a certificate for `hosts` (those of this machine if none); return it and its key."""
        past = datetime.now(UTC) - timedelta(days=1)
        issued = self._ca.issue_cert(
            *(hosts or HOSTS),
            common_name=common_name,
            not_before=past - timedelta(days=1),
            not_after=past if expired else None,
        )
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.private_key_pem.write_to_path(str(key))
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return certificate, key

    def server_context(
        self,
        *hosts: str,
        expired: bool = False,
        client_certificate: bool = False,
        version: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        """Return what a server needs: a certificate for `hosts`, and what it asks of clients.

        With `client_certificate` it lets in only clients that show one of this authority;
        with `version` it speaks that version of TLS only.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue("server", *hosts, expired=expired))
        if client_certificate:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def client_context(self, *, certificate: bool = False) -> ssl.SSLContext:
        """Return what the tests' own clients need to talk to such a server."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if certificate:
            context.load_cert_chain(self.client, self.client_key)
        return context

    def server_config(self, port: int, *, client_certificate: bool = False) -> Config:
        """Return configuration lines for a server that speaks TLS by itself, on `port`."""
        certificate, key = self.issue("native")
        return {
            "tls-port": port,
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(self.ca),
            "tls-auth-clients": "yes" if client_certificate else "no",
        }


class TlsServer:
    """A plain server behind a proxy that speaks TLS: `proxy` has all the faults of a Proxy.

    This works with servers that were built without TLS, too.
    """

    def __init__(
        self, server: HasAddress | Address, authority: Authority, context: ssl.SSLContext
    ) -> None:
        self.server, self.authority = server, authority
        self.proxy = Proxy(server, tls=context)

    def __enter__(self) -> Self:
        self.proxy.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.stop()

    @property
    def host(self) -> str:
        return self.proxy.host

    @property
    def port(self) -> int:
        return self.proxy.port

    @property
    def address(self) -> tuple[str, int]:
        return self.proxy.address

    @property
    def url(self) -> str:
        return self.proxy.url


def native_tls_server(
    authority: Authority, *, client_certificate: bool = False
) -> tuple[Server, int]:
    """Start a server that speaks TLS by itself; return it and the port for TLS.

    Raises ServerFailed if the server under test was built without TLS: see `speaks_tls`.
    """
    port = free_port()
    config = authority.server_config(port, client_certificate=client_certificate)
    return Server(config).start(), port


def speaks_tls(authority: Authority) -> bool:
    """Tell whether the server under test was built with TLS (that of the wheel is not)."""
    try:
        server, _ = native_tls_server(authority)
    except ServerFailed as failure:
        if "TLS" not in str(failure) and "tls" not in str(failure):
            raise
        return False
    server.stop()
    return True
