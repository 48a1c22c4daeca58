"""Clients without Django: one GET, one pipeline, and how near to the socket they come."""

from __future__ import annotations

import socket
from itertools import repeat
from typing import Any

import hiredis
import redis
from ground import HOST, Ground
from measure import Case, Contender, Entrant, contender

KEY = "bench:client-get"
VALUE = "v" * 100
STORED = VALUE.encode()
PIPELINE = [(f"bench:pipe-{number}", f"value-{number}") for number in range(100)]

_pack: Any = hiredis.pack_command  # its stub knows tuples of one only


def get(ground: Ground) -> Case:
    with redis.Redis(port=ground.port) as client:
        client.set(KEY, STORED)
    return Case(
        name="client-get",
        title="GET of 100 bytes through a client; cachex Cache makes a key and unpickles besides",
        entrants=[
            Entrant("cachex", lambda: _cachex(ground)),
            Entrant("cachex Cache", lambda: _cachex_cache(ground)),
            Entrant("bare socket", lambda: _bare_socket(ground)),
            Entrant("socket + hiredis", lambda: _socket_and_hiredis(ground)),
            Entrant("redis-py", lambda: _redis_py(ground)),
            Entrant("valkey-py", lambda: _valkey_py(ground)),
        ],
        expected=STORED,
        # Short slices and many of them: this one is about wall time on a machine others use too.
        rounds=301,
        seconds=0.003,
    )


def pipeline(ground: Ground) -> Case:
    return Case(
        name="pipeline",
        title="100 SET with a time to live in one write, no transaction",
        entrants=[
            Entrant("cachex", lambda: _cachex_pipeline(ground)),
            Entrant("redis-py", lambda: _redis_py_pipeline(ground)),
            Entrant("valkey-py", lambda: _valkey_py_pipeline(ground)),
        ],
        expected=True,
        informative=True,
    )


def _connected(ground: Ground) -> socket.socket:
    sock = socket.create_connection((HOST, ground.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ground.closing.callback(sock.close)
    return sock


def _bare_socket(ground: Ground) -> Contender:
    """The floor: send bytes made beforehand, take what comes, look at nothing."""
    sock = _connected(ground)
    packed = _pack((b"GET", KEY.encode()))

    def run(count: int) -> None:
        sendall, recv = sock.sendall, sock.recv
        for _ in repeat(None, count):
            sendall(packed)
            recv(65536)

    def probe() -> bytes:
        sock.sendall(packed)
        return sock.recv(65536).split(b"\r\n")[1]

    return Contender("bare socket", run, probe)


def _socket_and_hiredis(ground: Ground) -> Contender:
    """The least a client has to do: pack the command, parse the reply."""
    sock = _connected(ground)
    reader = hiredis.Reader()
    key = KEY.encode()
    pack, sendall, recv = _pack, sock.sendall, sock.recv
    feed, gets = reader.feed, reader.gets

    def run(count: int) -> object:
        reply = None
        for _ in repeat(None, count):
            sendall(pack((b"GET", key)))
            feed(recv(65536))
            reply = gets()
        return reply

    return Contender("socket + hiredis", run, lambda: run(1))


def _cachex(ground: Ground) -> Contender:
    from cachex_client import DefaultClient, commands

    client = DefaultClient([ground.url])
    ground.closing.callback(client.close)
    key, execute, make = KEY.encode(), client.execute, commands.get

    def run(count: int) -> None:
        for _ in repeat(None, count):
            execute(make(key))

    return Contender("cachex", run, lambda: execute(make(key)))


def _cachex_cache(ground: Ground) -> Contender:
    from cachex_client import Cache, DefaultClient

    client = DefaultClient([ground.url])
    ground.closing.callback(client.close)
    cache = Cache(client)
    cache.set("k", VALUE, 60 * 60)
    turn = contender("cachex Cache", cache.get, "k")
    return Contender(turn.name, turn.run, lambda: cache.get("k").encode())


def _redis_py(ground: Ground) -> Contender:
    client = redis.Redis(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    return contender("redis-py", client.get, KEY)


def _valkey_py(ground: Ground) -> Contender:
    import valkey

    client = valkey.Valkey(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    return contender("valkey-py", client.get, KEY)


def _cachex_pipeline(ground: Ground) -> Contender:
    from cachex_client import DefaultClient, commands

    client = DefaultClient([ground.url])
    ground.closing.callback(client.close)
    pairs = [(key.encode(), value.encode()) for key, value in PIPELINE]

    def call() -> Any:
        return client.execute_many([commands.set(key, value, px=60_000) for key, value in pairs])

    turn = contender("cachex", call)
    return Contender(turn.name, turn.run, lambda: [bool(reply) for reply in call()] == [True] * 100)


def _redis_py_pipeline(ground: Ground) -> Contender:
    client = redis.Redis(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    return _peer_pipeline("redis-py", client)


def _valkey_py_pipeline(ground: Ground) -> Contender:
    import valkey

    client = valkey.Valkey(host=HOST, port=ground.port)
    ground.closing.callback(client.close)
    return _peer_pipeline("valkey-py", client)


def _peer_pipeline(name: str, client: Any) -> Contender:
    def call() -> Any:
        with client.pipeline(transaction=False) as pipe:
            for key, value in PIPELINE:
                pipe.set(key, value, px=60_000)
            return pipe.execute()

    turn = contender(name, call)
    return Contender(name, turn.run, lambda: call() == [True] * 100)
