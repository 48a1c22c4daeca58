"""From an endpoint to a connection that is ready to talk, for threads."""

import encodings.idna  # noqa: F401  first used in getaddrinfo, where a signal may break it for good
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from cachex_pool._wire.protocol import (
    ENOUGH_FOR_HANDSHAKE,
    UNTIL_TRIED,
    Argument,
    Handshake,
    greeted_minimally,
    handshakes,
    hung_up_again,
    late_credentials,
    no_credentials,
    not_greeted,
)
from cachex_pool._wire.threads import Connection, connection_on
from cachex_pool.endpoint import Endpoint, ip_version
from cachex_pool.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    PoolError,
)
from cachex_pool.secrecy import forget_variables

REMEMBERED = 256
"""Names of which we know the address that answers; more are not worth remembering."""

_answering: dict[tuple[str, int], tuple[Any, ...]] = {}


def remember(endpoint: Endpoint, address: tuple[Any, ...] | None) -> None:
    """Note which of a name's addresses answered where another did not; None: it does no more."""
    if address is None:
        _answering.pop((endpoint.host, endpoint.port), None)
        return
    if len(_answering) >= REMEMBERED:
        _answering.clear()
    _answering[endpoint.host, endpoint.port] = address


def answering(endpoint: Endpoint) -> tuple[Any, ...] | None:
    """Return the address of a name to try first; None as long as none was in vain."""
    return _answering.get((endpoint.host, endpoint.port))


def dial(
    endpoint: Endpoint,
    deadline: float,
    *,
    keepalive: bool = True,
    under_way: set[Connection] | None = None,
    on_overdue: Callable[[], None] | None = None,
    questions: Sequence[tuple[str, ...]] = (),
) -> Connection:
    """
    Connect, do TLS and the handshake; all of it before `deadline`.

    During the handshake the connection is in `under_way`, for those who may want to sever it; they
    take it out. `on_overdue` is called, then and later, whenever a reply lets its reader wait for
    long. `questions` are commands that are sent with the handshake; `server` has the replies.

    If the server hangs up during the handshake, that is done again with what is needed only.

    Raises ConnectFailed or one of its kinds. Looking up a host name is up to the system and
    cannot be cut short.
    """
    once = partial(_dial, endpoint, deadline, keepalive, under_way, on_overdue, questions)
    server = endpoint.address
    if endpoint.minimal_handshake or handshakes.wanted(server, monotonic()):
        try:
            return once(minimal=True)
        except ConnectFailed as error:
            if error.hung_up:
                handshakes.hung_up(server, monotonic())
            raise
    try:
        connection = once(minimal=False)
    except ConnectFailed as error:
        if not error.hung_up:
            raise
        while (may_try := handshakes.may_try(server, monotonic(), deadline)) is None:
            if monotonic() >= deadline:
                raise
            time.sleep(UNTIL_TRIED)
        if not may_try:
            raise
    else:
        handshakes.greeted(server)
        return connection
    try:
        connection = once(minimal=True)
        greeted_minimally(endpoint, monotonic())
    except ConnectFailed as error:
        if not error.hung_up:
            raise
        handshakes.hung_up(server, monotonic())
        raise hung_up_again(endpoint, error) from error.__cause__
    finally:
        handshakes.tried(server)
    return connection


def _dial(
    endpoint: Endpoint,
    deadline: float,
    keepalive: bool,
    under_way: set[Connection] | None,
    on_overdue: Callable[[], None] | None,
    questions: Sequence[tuple[str, ...]],
    *,
    minimal: bool,
) -> Connection:
    try:
        sock = open_socket(endpoint, deadline, keepalive=keepalive)
    except TimeoutError as error:
        if error.errno is None and monotonic() < deadline - 0.01:
            raise  # not ours: a signal handler's
        raise ConnectTimeout(endpoint.name, "no answer before the deadline") from error
    except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
        raise ConnectFailed(endpoint.name, error) from error
    try:
        connection = connection_on(sock, endpoint.name)
    except BaseException:
        sock.close()
        raise
    connection.peer = peer_of(sock.getpeername)
    connection.on_overdue = on_overdue
    under_way = set() if under_way is None else under_way
    try:
        under_way.add(connection)
        _shake_hands(connection, endpoint, deadline, questions, minimal)
    except DeadlineExceeded as error:
        connection.close()
        raise ConnectTimeout(endpoint.name, "no answer to the handshake") from error
    except BaseException as error:
        connection.close()
        if isinstance(error, PoolError) and not isinstance(error, ConnectFailed):
            raise not_greeted(endpoint, error, ours=connection not in under_way) from error
        raise
    finally:
        under_way.discard(connection)
    return connection


def open_socket(endpoint: Endpoint, deadline: float, *, keepalive: bool = True) -> Any:
    """Open a TCP, TLS or unix socket; OSError or TimeoutError if that fails."""
    if endpoint.path is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return _connected(sock, endpoint.path, deadline)
    tls = None if endpoint.tls is None else endpoint.tls.ssl_context()
    failure: OSError = OSError(f"{endpoint.host} has no address")
    found = _addresses(endpoint)
    if (first := answering(endpoint)) is not None:
        found.sort(key=lambda one: one[4] != first)
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        now = monotonic()
        share = (deadline - now) / (len(found) - tried)  # a silent one leaves time for the others
        try:
            sock = _connected(socket.socket(family, kind, protocol), address, now + share)
            if tried:
                remember(endpoint, address)
            break
        except OSError as error:
            if error.errno is None and monotonic() < now + share - 0.01:
                raise  # not the system's: a signal handler's
            failure = error
    else:
        raise failure
    try:
        set_options(sock, keepalive=keepalive)
        if tls is None:
            return sock
        sock.settimeout(_left(deadline))
        return tls.wrap_socket(sock, server_hostname=endpoint.host)
    except BaseException:
        sock.close()
        raise


def _addresses(endpoint: Endpoint) -> list[Any]:
    """Return where to connect to as `getaddrinfo` does, which takes long for an address, too."""
    host, port = endpoint.host, endpoint.port
    if ip_version(host) == 4:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _connected(sock: socket.socket, address: Any, deadline: float) -> socket.socket:
    try:
        sock.settimeout(_left(deadline))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


KEEPALIVE = [
    (getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
]


def set_options(sock: Any, *, keepalive: bool) -> None:
    """Send small writes at once; notice a dead peer after 30 s of silence."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not keepalive:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, name, value)


def peer_of(ask: Callable[[], Any]) -> tuple[str, int] | None:
    """Return address and port of who is at the other end, None where there are no such."""
    try:
        found = ask()
    except OSError:  # it has left already
        return None
    return (found[0], found[1]) if isinstance(found, tuple) else None


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left


def _login(endpoint: Endpoint) -> tuple[str | None, str] | None:
    """Return user name and password; a provider is called in this thread and not cut short."""
    if endpoint.credentials is None:
        return endpoint.login()
    try:
        return endpoint.login()
    except Exception as error:
        raise no_credentials(endpoint, error) from error


def _replies(
    connection: Connection,
    handshake: Handshake,
    commands: list[tuple[Argument, ...]],
    deadline: float,
) -> list[Any]:
    """Send the commands of a handshake; neither the replies nor an error repeat its password."""
    before = sys.exception()
    try:
        packed = handshake.packed(commands)
        return handshake.scrub(connection.exchange(packed, len(commands), deadline))
    except Exception as error:
        forget_variables(error, before)  # what came until then is among them
        raise


def _shake_hands(
    connection: Connection,
    endpoint: Endpoint,
    deadline: float,
    questions: Sequence[tuple[str, ...]],
    minimal: bool,
) -> None:
    started = monotonic()
    connection.asks_provider = endpoint.credentials is not None
    handshake = Handshake(endpoint, _login(endpoint), questions, minimal)
    connection.asks_provider = False
    asked = monotonic()
    if endpoint.credentials is not None and asked >= deadline:
        raise late_credentials(endpoint, asked - started)
    commands = handshake.first()
    protocol = handshake.protocol
    try:
        replies = _replies(connection, handshake, commands, deadline)
        if handshake.falls_back(replies):
            commands, protocol = handshake.second(), 2
            replies = _replies(connection, handshake, commands, deadline)
    except ConnectionLost as error:
        error.replies = handshake.scrub(list(error.replies))
        handshake.check(commands, list(error.replies))  # "max number of clients", then the end
        raise
    except DeadlineExceeded as error:
        if endpoint.credentials is not None and deadline - asked < ENOUGH_FOR_HANDSHAKE:
            raise late_credentials(endpoint, asked - started) from error
        raise
    connection.server = handshake.check(commands, replies)
    connection.protocol = protocol
