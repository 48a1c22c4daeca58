"""Getting in: protocol versions, users, passwords, databases, refusals."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.credentials import CredentialProvider

from cachex_pool import (
    AsyncMultiplexer,
    AsyncPool,
    AuthenticationFailed,
    BreakerOptions,
    ConnectFailed,
    ConnectTimeout,
    Endpoint,
    HandshakeRefused,
    PoolOptions,
)
from cachex_pool._wire.credentials import THREAD
from cachex_pool._wire.dial import REMEMBERED, _answering, answering, remember
from cachex_pool._wire.protocol import PASSING
from support.proxy import Proxy
from support.scripted import Scripted
from support.servers import Server, Standalone
from support.silence import unanswering
from support.waiting import eventually, lasting


def at(server: Any, **settings: Any) -> Endpoint:
    return Endpoint(host=server.host, port=server.port, **settings)


@pytest.fixture(scope="module")
def old_server() -> Iterator[Server]:
    """A server that does not know HELLO, with a password, as Redis 5 was."""
    with Server({"rename-command": 'HELLO ""', "requirepass": "hush"}) as server:
        yield server


def info(pool: Any, say: Any) -> dict[str, str]:
    text = pool.call(say("CLIENT", "INFO"), say.soon()).decode()
    return dict(word.split("=", 1) for word in text.split())


def test_the_handshake_is_one_write_whatever_it_has_to_say(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "me", "on", ">hush", "~*", "+@all")
    with Proxy(standalone) as front:
        endpoint = at(front, db=3, username="me", password="hush", client_name="web-1")
        pool = make_caller(endpoint)
        pool.warm_up()
        assert front.writes() == 1
        assert front.round_trips() == 1
        seen = info(pool, say)
        assert front.writes() == 2
    assert seen["db"] == "3"
    assert seen["user"] == "me"
    assert seen["name"] == "web-1"
    assert seen["resp"] == "3"
    assert seen.get("lib-name", "cachex") == "cachex"  # Redis before 7.2 keeps none


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_protocol_is_the_one_asked_for(
    make_pool: Any, standalone: Standalone, say: Any, protocol: int
) -> None:
    pool = make_pool(at(standalone, protocol=protocol))
    connection = pool.acquire(say.soon())
    assert connection.protocol == protocol
    assert connection.server.get("version", "") != "" or protocol == 2
    pool.release(connection)
    pool.call(say("HSET", "h", "a", 1), say.soon())
    reply = pool.call(say("HGETALL", "h"), say.soon())
    assert reply == ({b"a": b"1"} if protocol == 3 else [b"a", b"1"])


def test_a_server_that_knows_no_resp3_is_spoken_to_in_resp2(
    make_caller: Any, old_server: Server, say: Any
) -> None:
    with Proxy(old_server) as front:
        pool = make_caller(at(front, password="hush", db=2, client_name="old"))
        pool.warm_up()
        assert front.writes() == 2
        seen = info(pool, say)
    assert (seen["resp"], seen["db"], seen["name"]) == ("2", "2", "old")


@pytest.mark.parametrize(
    "words",
    [
        b"NOPROTO sorry",
        b"ERR unknown command 'HELLO', with args beginning with: '3'",
        b"unsupported command 'HELLO'",
        b"ERR handle request, command 'HELLO' is not allowed",
    ],
)
@pytest.mark.parametrize("login", [{}, {"password": "hush"}])
def test_who_refuses_resp3_in_whatever_words_is_spoken_to_in_resp2(
    make_caller: Any, say: Any, words: bytes, login: dict[str, str]
) -> None:
    def reply(said: tuple[bytes, ...]) -> bytes:
        return b"-%s\r\n" % words if said[0] == b"HELLO" else b"+OK\r\n"

    with Scripted(reply, greet=False) as server:
        assert make_caller(at(server, **login)).call(say("PING"), say.soon()) == b"OK"


@pytest.mark.parametrize(
    "words", [b"ERR invalid password", b"ERR Client sent AUTH, but no password"]
)
def test_a_refused_password_is_one_in_whatever_words(
    make_caller: Any, say: Any, words: bytes
) -> None:
    def reply(said: tuple[bytes, ...]) -> bytes:
        return {b"HELLO": b"-ERR unknown command\r\n", b"AUTH": b"-%s\r\n" % words}.get(
            said[0], b"+OK\r\n"
        )

    with Scripted(reply, greet=False) as server:
        pool = make_caller(at(server, password="hush"))
        with pytest.raises(AuthenticationFailed):
            pool.call(say("PING"), say.soon())


def test_a_wrong_password_is_told_from_other_trouble(
    make_pool: Any, standalone: Standalone, old_server: Server, say: Any
) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "right")
    for server in (standalone, old_server):
        for settings in ({}, {"password": "wrong-one"}, {"username": "x", "password": "wrong-one"}):
            pool = make_pool(at(server, **settings))
            with pytest.raises(AuthenticationFailed) as caught:
                pool.call(say("PING"), say.soon())
            assert isinstance(caught.value, redis.AuthenticationError)
            assert not caught.value.written
            assert "wrong-one" not in str(caught.value)
            assert pool.stats().size == 0


def local_variables(error: BaseException) -> Iterator[str]:
    """Yield all that a report with local variables shows of an error and of what led to it."""
    todo = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    for one in todo:
        for frame in one.stack:
            if "cachex_pool" in frame.filename:
                yield from (f"{name} = {its}" for name, its in (frame.locals or {}).items())
        todo += filter(None, (one.__cause__, one.__context__))


@pytest.mark.parametrize("reply", [b"-WRONGPASS no\r\n", None, b"", b"!garbage", b"+OK\r\n"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_password_is_in_no_local_variable_of_a_traceback(
    make_caller: Any, say: Any, reply: bytes | None, protocol: int
) -> None:
    def answer(words: tuple[bytes, ...]) -> bytes | None:
        return reply if words[0] in (b"AUTH", b"HELLO") else b"-ERR no\r\n"

    with Scripted(answer, greet=False) as server:
        caller = make_caller(
            at(server, username="me", password="hush-hush", protocol=protocol, db=3),
            PoolOptions(connect_timeout=0.3),
        )
        with pytest.raises(ConnectFailed) as caught:
            caller.call(say("PING"), say.soon())
    shown = list(local_variables(caught.value))
    assert shown
    assert [one for one in shown if "hush-hush" in one] == []


def test_a_wrong_password_stays_one_however_often_it_is_tried(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("CONFIG", "SET", "requirepass", "right")
    before = standalone.connections_received()
    pool = make_caller(at(standalone, password="wrong-one"))
    for _ in range(50):
        with pytest.raises(AuthenticationFailed, match=r"(?i)wrongpass|invalid"):
            pool.call(say("PING"), say.soon())
    assert standalone.connections_received() - before <= 6


def test_users_of_acl_get_in_with_and_without_password(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "ann", "on", ">hush", "~*", "+@all")
    standalone.command("ACL", "SETUSER", "bob", "on", "nopass", "~*", "+@all")
    for settings in ({"username": "ann", "password": "hush"}, {"username": "bob"}):
        for protocol in (2, 3):
            pool = make_pool(at(standalone, protocol=protocol, **settings))
            assert info(pool, say)["user"] == settings["username"]


def test_a_user_who_may_do_little_still_gets_in(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "low", "on", ">p", "~*", "-@all", "+get", "+hello")
    pool = make_pool(at(standalone, username="low", password="p", client_name="low"))
    assert pool.call(say("GET", "a"), say.soon()) is None
    refused = pool.call(say("SET", "a", 1), say.soon())
    assert isinstance(refused, redis.exceptions.NoPermissionError)


def test_a_user_who_may_not_even_ping_gets_in(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "default", "-ping")
    pool = make_pool(at(standalone, protocol=2))
    assert pool.call(say("GET", "a"), say.soon()) is None


def test_a_changed_password_is_taken_up_at_the_next_connect(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    passwords = ["one"]
    standalone.command("ACL", "SETUSER", "me", "on", ">one", "~*", "+@all")
    pool = make_pool(at(standalone, credentials=lambda: ("me", passwords[-1])))
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    standalone.command("ACL", "SETUSER", "me", "resetpass", ">two")
    passwords.append("two")
    pool.retire("credentials")
    assert pool.call(say("PING"), say.soon()) == b"PONG"
    assert pool.stats().opened == 2


class Tokens(CredentialProvider):
    """A provider as redis-py knows them, which can be asked in both colours."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_credentials(self) -> tuple[str, str]:
        self.asked.append("sync")
        return ("me", "token")

    async def get_credentials_async(self) -> tuple[str, str]:
        self.asked.append("async")
        return ("me", "token")


def test_a_provider_is_asked_once_for_each_connection_in_the_right_colour(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "me", "on", ">token", "~*", "+@all")
    tokens = Tokens()
    pool = make_pool(at(standalone, credentials=tokens))
    held = [pool.acquire(say.soon()) for _ in range(3)]
    for connection in held:
        pool.release(connection)
    pool.call(say("PING"), say.soon())
    assert tokens.asked == [make_pool.colour] * 3


def _broken() -> Any:
    raise RuntimeError("the vault is sealed")


@pytest.mark.parametrize("provider", [_broken, lambda: None, lambda: (), lambda: 7])
def test_a_provider_that_fails_is_named_as_the_cause(
    make_caller: Any, standalone: Standalone, say: Any, provider: Any
) -> None:
    pool = make_caller(at(standalone, credentials=provider))
    with pytest.raises(ConnectFailed, match="no credentials") as caught:
        pool.call(say("PING"), say.soon())
    assert caught.value.__cause__ is not None
    eventually(lambda: standalone.connected_clients() == 0)


class Slow(Tokens):
    """A provider that does not come back, until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = True

    async def get_credentials_async(self) -> tuple[str, str]:
        while self.stuck:
            await asyncio.sleep(0.01)
        return await super().get_credentials_async()


def test_a_provider_that_hangs_keeps_no_place_in_the_pool(
    standalone: Standalone, say: Any, run: Any
) -> None:
    standalone.command("ACL", "SETUSER", "me", "on", ">token", "~*", "+@all")
    slow = Slow()

    async def main() -> None:
        patient = PoolOptions(
            max_dials=1, connect_timeout=0.2, breaker=BreakerOptions(enabled=False)
        )
        pool = AsyncPool(at(standalone, credentials=slow), patient)
        with pytest.raises(ConnectTimeout, match="no credentials"):
            await pool.call(say("PING"), say.soon())
        assert pool.stats().opening == 0
        slow.stuck = False
        await asyncio.sleep(0.1)  # the pause after a failed dial
        assert await pool.call(say("PING"), say.soon()) == b"PONG"
        await pool.aclose()

    run(main())


class Blocking(CredentialProvider):
    """A provider without a coroutine, that blocks whoever calls it until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.threads: list[str] = []

    def get_credentials(self) -> tuple[str, str]:
        self.threads.append(threading.current_thread().name)
        assert self.free.wait(60)
        return ("me", "token")


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    provider = Blocking()
    yield provider
    provider.free.set()
    eventually(lambda: not [one for one in threading.enumerate() if one.name == THREAD])


@pytest.mark.parametrize("kind", ["function", "provider"])
@pytest.mark.parametrize("caller", [AsyncPool, AsyncMultiplexer])
def test_the_event_loop_goes_on_while_a_provider_blocks(
    standalone: Standalone, say: Any, run: Any, blocking: Blocking, kind: str, caller: Any
) -> None:
    standalone.command("ACL", "SETUSER", "me", "on", ">token", "~*", "+@all")
    given = blocking if kind == "provider" else blocking.get_credentials

    async def main() -> None:
        pool = caller(at(standalone, credentials=given), PoolOptions(connect_timeout=30))
        call = asyncio.create_task(pool.call(say("PING"), say.soon(30)))
        while not blocking.threads:  # the loop would not come back here if it were held up
            await asyncio.sleep(0)
        assert not call.done()
        blocking.free.set()
        assert await call == b"PONG"
        await pool.aclose()

    run(main())
    assert blocking.threads == [THREAD]


@pytest.mark.parametrize("caller", [AsyncPool, AsyncMultiplexer])
def test_a_caller_who_leaves_earlier_is_told_what_was_waited_for(
    standalone: Standalone, say: Any, run: Any, blocking: Blocking, caller: Any
) -> None:
    async def main() -> None:
        pool = caller(at(standalone, credentials=blocking), PoolOptions(connect_timeout=30))
        with pytest.raises(ConnectTimeout, match=r"not connected.*no credentials.*provider"):
            await pool.call(say("PING"), say.soon(0.1))
        await pool.aclose()

    run(main())


def test_a_provider_that_hangs_is_asked_in_one_thread_at_a_time(
    standalone: Standalone, say: Any, run: Any, blocking: Blocking
) -> None:
    standalone.command("ACL", "SETUSER", "me", "on", ">token", "~*", "+@all")

    async def main() -> None:
        options = PoolOptions(connect_timeout=0.1, backoff=0.001, max_backoff=0.001)
        pool = AsyncPool(at(standalone, credentials=blocking), options)
        for _ in range(6):
            with pytest.raises(ConnectTimeout, match=r"the provider took more than 0\.\d"):
                await pool.call(say("PING"), say.soon())
            await asyncio.sleep(0.01)  # the pause after a failed dial
        assert len(blocking.threads) == 1
        assert pool.stats().breaker == "closed"
        blocking.free.set()
        async with asyncio.timeout(30):
            while THREAD in [one.name for one in threading.enumerate()]:
                await asyncio.sleep(0.01)
        assert await pool.call(say("PING"), say.soon()) == b"PONG"
        await pool.aclose()

    run(main())


class Late(CredentialProvider):
    """A provider that takes 0.3 s."""

    def get_credentials(self) -> tuple[str, str]:
        time.sleep(0.3)
        return ("me", "token")

    async def get_credentials_async(self) -> tuple[str, str]:
        await asyncio.sleep(0.3)
        return ("me", "token")


def test_a_provider_that_takes_too_long_is_named_and_the_server_is_not_blamed(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    options = PoolOptions(connect_timeout=0.2, backoff=0.001, max_backoff=0.001)
    pool = make_pool(at(standalone, credentials=Late()), options)
    for _ in range(BreakerOptions().failures + 1):
        with pytest.raises(ConnectTimeout, match=r"the provider took more than 0\.\d") as caught:
            pool.call(say("PING"), say.soon())
        assert not caught.value.server_at_fault
        time.sleep(0.01)  # the pause after a failed dial
    assert pool.stats().breaker == "closed"


def test_a_provider_that_leaves_no_time_for_the_handshake_is_named(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    def slow() -> tuple[str, str]:
        time.sleep(0.47)
        return ("me", "token")

    with Proxy(standalone) as front:
        front.half_open()
        pool = make_pool(at(front, credentials=slow), PoolOptions(connect_timeout=0.5))
        with pytest.raises(ConnectTimeout, match="the provider took more than") as caught:
            pool.call(say("PING"), say.soon())
        assert not caught.value.server_at_fault


def test_a_provider_that_fails_often_opens_no_breaker(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    options = PoolOptions(connect_timeout=10, backoff=0.001, max_backoff=0.001)
    pool = make_pool(at(standalone, credentials=_broken), options)
    for _ in range(BreakerOptions().failures + 1):
        with pytest.raises(ConnectFailed, match="the vault is sealed"):
            pool.call(say("PING"), say.soon())
        time.sleep(0.01)  # the pause after a failed dial
    assert pool.stats().breaker == "closed"


def _exhausted() -> Any:
    return next(iter(()))


def _exits() -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize("provider", [_exhausted, _exits])
def test_whatever_a_provider_raises_in_its_thread_the_event_loop_goes_on(
    standalone: Standalone, say: Any, run: Any, provider: Any
) -> None:
    async def main() -> None:
        pool = AsyncPool(at(standalone, credentials=provider), PoolOptions(connect_timeout=30))
        with pytest.raises(ConnectFailed, match="no credentials"):
            await pool.call(say("PING"), say.soon(30))
        await pool.aclose()

    run(main())


@pytest.mark.parametrize("caller", [AsyncPool, AsyncMultiplexer])
def test_without_an_event_loop_of_asyncio_the_error_says_so(
    endpoint: Endpoint, say: Any, caller: Any
) -> None:
    call = caller(endpoint).call(say("PING"), say.soon())
    with pytest.raises(RuntimeError, match=r"asyncio.*trio is not supported"):
        call.send(None)  # as trio would, or anybody


def test_the_database_is_selected_on_every_connection(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    pool = make_pool(at(standalone, db=5))
    held = [pool.acquire(say.soon()) for _ in range(3)]
    assert {client["db"] for client in standalone.clients()} == {"5"}
    for connection in held:
        pool.release(connection)


def test_a_database_that_does_not_exist_is_refused_with_the_servers_words(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    with pytest.raises(HandshakeRefused, match=r"out of range.*SELECT"):
        make_pool(at(standalone, db=999)).call(say("PING"), say.soon())


def test_a_user_who_may_not_select_a_database_has_the_right_password_all_the_same(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("ACL", "SETUSER", "ann", "on", ">hush", "~*", "+@all", "-select")
    ann = {"username": "ann", "password": "hush"}
    with pytest.raises(HandshakeRefused, match=r"permissions.*SELECT") as caught:
        make_pool(at(standalone, db=1, **ann)).call(say("PING"), say.soon())
    assert not isinstance(caught.value, redis.exceptions.AuthenticationError)
    assert make_pool(at(standalone, **ann)).call(say("GET", "a"), say.soon()) is None


@pytest.mark.parametrize("code", sorted(PASSING))
def test_a_server_that_cannot_for_the_moment_is_tried_again_and_refuses_no_setting(
    make_pool: Any, say: Any, code: str
) -> None:
    answers = [f"-{code} for the moment\r\n".encode()]

    def reply(words: tuple[bytes, ...]) -> bytes:
        if words[0] == b"HELLO":
            return b"%1\r\n$5\r\nproto\r\n:3\r\n"
        return answers.pop() if words[0] == b"SELECT" and answers else b"+OK\r\n"

    with Scripted(reply, greet=False) as server:
        pool = make_pool(at(server, db=1), PoolOptions(max_backoff=0.02))
        with pytest.raises(ConnectFailed, match="for the moment") as caught:
            pool.call(say("PING"), say.soon())
        assert type(caught.value) is ConnectFailed
        eventually(lambda: pool.call(say("PING"), say.soon()), ignore=(ConnectFailed,))


def test_a_full_server_is_named_and_used_again_when_it_has_room(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("CONFIG", "SET", "maxclients", 1)
    pool = make_pool(at(standalone), PoolOptions(max_backoff=0.02))
    with pytest.raises(ConnectFailed) as caught:
        pool.call(say("PING"), say.soon())
    assert not caught.value.written
    texts = [str(caught.value)]
    for _ in range(20):
        with pytest.raises(ConnectFailed) as caught:
            pool.call(say("PING"), say.soon())
        texts.append(str(caught.value))
    # Its last words are lost when the server's kernel answers what we sent with an RST.
    assert any("max number of clients" in text for text in texts)
    standalone.command("CONFIG", "SET", "maxclients", 100)
    eventually(lambda: pool.call(say("PING"), say.soon()), ignore=(ConnectFailed,))


def test_unix_sockets(make_caller: Any, standalone: Standalone, say: Any) -> None:
    pool = make_caller(Endpoint(path=standalone.path, db=2))
    assert pool.call(say("SET", "a", 1), say.soon()) == b"OK"
    assert standalone.path in standalone.clients()[0]["addr"]
    assert pool.call(say("GET", "a"), say.soon()) == b"1"


def test_a_unix_socket_that_is_not_there_is_named(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    pool = make_caller(Endpoint(path=standalone.path + "x"))
    with pytest.raises(ConnectFailed, match="socketx"):
        pool.call(say("PING"), say.soon())


@pytest.mark.timing
@pytest.mark.parametrize("greeting", [b"", b"+OK\r\n", b"%1\r\n"])
def test_a_handshake_without_an_end_ends_in_time(
    make_caller: Any, say: Any, greeting: bytes
) -> None:
    with Scripted(lambda words: greeting if words[0] == b"HELLO" else b"", greet=False) as server:
        pool = make_caller(server, PoolOptions(connect_timeout=0.2))
        with lasting(0.2), pytest.raises(ConnectFailed):
            pool.call(say("PING"), say.soon())


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"*\r\n", None]
)
def test_what_is_no_server_of_ours_is_noticed(make_caller: Any, say: Any, greeting: Any) -> None:
    with Scripted(lambda _: greeting, greet=False) as server:
        with pytest.raises(ConnectFailed) as caught:
            make_caller(server).call(say("PING"), say.soon())
        assert f"{server.host}:{server.port}" in str(caught.value)


def test_a_server_that_is_not_there_is_named(make_caller: Any, standalone: Any, say: Any) -> None:
    with Proxy(standalone) as front:
        pool = make_caller(front)
        front.refuse()
        with pytest.raises(ConnectFailed, match=f":{front.port}"):
            pool.call(say("PING"), say.soon())
    for host in ("nowhere.invalid", "a..b", "x" * 300):
        with pytest.raises(ConnectFailed, match=host[:10]):
            make_caller(Endpoint(host=host)).call(say("PING"), say.soon())


def test_the_next_address_of_a_name_is_tried_when_the_first_is_silent(
    make_pool: Any, standalone: Standalone, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unanswering() as (host, port):

        def lookup(*_: Any, **__: Any) -> Any:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, (host, port)), (*kind, (standalone.host, standalone.port))]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        pool = make_pool(Endpoint(host="two-addresses.example"), PoolOptions(connect_timeout=2.0))
        assert pool.call(say("PING"), say.soon()) == b"PONG"


def test_the_address_that_answered_when_another_did_not_is_tried_first_from_then_on(
    make_pool: Any, standalone: Standalone, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unanswering() as hole, Proxy(standalone) as well, Proxy(standalone) as other:
        leads_to = [hole, well.address]

        def lookup(*_: Any, **__: Any) -> Any:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, address) for address in leads_to]

        def connected() -> tuple[int, int]:
            pool.retire()
            assert pool.call(say("PING"), say.soon()) == b"PONG"
            return len(well.connections), len(other.connections)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        name = f"several-addresses-{well.port}.example"
        pool = make_pool(Endpoint(host=name), PoolOptions(connect_timeout=2.0))
        assert connected() == (1, 0)
        leads_to[:] = [other.address, well.address]
        assert connected() == (2, 0)
        leads_to[:] = [other.address]  # a name may lead elsewhere
        assert connected() == (2, 1)
        leads_to[:] = [other.address, well.address]
        well.refuse()  # and what answered may do so no more
        assert connected() == (2, 2)
        well.heal()
        assert connected()[1] == 3


def test_only_so_many_names_are_remembered() -> None:
    for number in range(3 * REMEMBERED):
        remember(Endpoint(host=f"{number}.example"), ("10.0.0.1", 6379))
        assert answering(Endpoint(host=f"{number}.example")) == ("10.0.0.1", 6379)
        assert len(_answering) <= REMEMBERED
    remember(Endpoint(host="again.example"), ("10.0.0.1", 6379))
    remember(Endpoint(host="again.example"), None)
    assert answering(Endpoint(host="again.example")) is None
