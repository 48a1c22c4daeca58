"""A program: end TLS in front of the server whose port it is given, until its input ends.

It is another process so that its half of a handshake does not count as the client's CPU time.
"""

from __future__ import annotations

import sys

from ground import HOST

from support.processes import make_folder
from support.tls import Authority, TlsServer


def main() -> None:
    """Print the port and the file with the certificate authority, then serve."""
    authority = Authority(make_folder())
    server = (HOST, int(sys.argv[1]))
    with TlsServer(server, authority, authority.server_context()) as side:
        print(side.port, authority.ca, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
