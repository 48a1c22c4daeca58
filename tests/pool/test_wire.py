"""What comes back may be split, broken, unasked for or nonsense; nobody gets another's reply."""

from __future__ import annotations

import asyncio
import select
import threading
from contextlib import closing
from time import monotonic, sleep
from typing import Any

import pytest
import redis

from cachex_pool import (
    AsyncMultiplexer,
    AsyncPool,
    ConnectionLost,
    DeadlineExceeded,
    Endpoint,
    Exchange,
    Pool,
    PoolOptions,
    ProtocolError,
    ReplyTooLarge,
    SideBySide,
    pack,
)
from cachex_pool.options import LOOK_AFTER
from support.proxy import Proxy
from support.resp import encode
from support.scripted import Scripted
from support.servers import Standalone
from support.waiting import eventually, lasting


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "key", "value"),
        (b"SET", b"\x00\xff", b""),
        ("SET", "ключ", "\ud800"),
        ("SET", "n", 1, "PX", -5, 2**70),
        ("INCRBYFLOAT", "n", 1.5, -0.1, 1e300, float("inf")),
        ("GET",),
        ("SET", "k", bytearray(b"a"), memoryview(b"b")),
    ],
)
def test_commands_are_packed_as_resp(words: tuple[Any, ...]) -> None:
    def raw(word: Any) -> bytes:
        if isinstance(word, str):
            return word.encode("utf-8", "surrogateescape")
        return bytes(word) if not isinstance(word, int | float) else repr(word).encode()

    if any(isinstance(word, str) and "\ud800" in word for word in words):
        with pytest.raises(UnicodeEncodeError):
            pack(words)
    else:
        assert pack(words) == encode(*map(raw, words))


@pytest.mark.parametrize("wrong", [None, True, [], object(), {"a": 1}, 1j])
def test_what_has_no_form_on_the_wire_is_refused_by_type(wrong: Any) -> None:
    with pytest.raises(redis.DataError, match=type(wrong).__name__):
        pack(("SET", "a", wrong))


def test_subclasses_are_packed_by_their_value_not_their_looks() -> None:
    class Odd(int):
        def __repr__(self) -> str:
            return "odd"

    class Text(str):
        def __str__(self) -> str:
            return "other"

    assert pack((Text("GET"), Odd(5))) == encode("GET", 5)


NONSENSE = [
    b"\x00\xffnonsense\r\n",
    b"$-7\r\n",
    b":12a\r\n",
    b"$99999999999999999999999\r\n",
    b"*99999999999999999999999\r\n",
    b"%1\r\n*1\r\n:1\r\n:2\r\n",  # a map with a list for a key
    b"#x\r\n",
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_closes_the_connection(make_caller: Any, say: Any, nonsense: bytes) -> None:
    def reply(words: tuple[bytes, ...]) -> bytes:
        return nonsense if words[0] == b"GET" else b"+PONG\r\n"

    with Scripted(reply) as server:
        pool = make_caller(server)
        for ask in (
            lambda: pool.call(say("GET", "a"), say.soon()),
            lambda: pool.exchange(say("GET", "a") + say("PING"), 2, say.soon()),
        ):
            with pytest.raises(ProtocolError) as caught:
                ask()
            assert caught.value.written
            assert pool.call(say("PING"), say.soon()) == b"PONG"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"-ERR \xff\xfe", redis.ResponseError),
        (b"-", redis.ResponseError),
        (b"-MOVED", redis.ResponseError),
        (b"-MOVED 1", redis.ResponseError),
        (b"-ASK nowhere", redis.ResponseError),
        (b"-MOVED 1 nohost", redis.ResponseError),
        (b"-MOVED 1 h:7000", redis.exceptions.MovedError),
        (b"-LOADING later", redis.exceptions.BusyLoadingError),
        (b"-WRONGTYPE no", redis.ResponseError),
    ],
)
def test_any_error_reply_is_a_value(
    make_caller: Any, say: Any, line: bytes, kind: type[Exception]
) -> None:
    with Scripted(lambda words: line + b"\r\n" if words[0] == b"GET" else b"+PONG\r\n") as server:
        pool = make_caller(server)
        error = pool.call(say("GET", "a"), say.soon())
        assert isinstance(error, kind)
        assert error.code == line[1:].split(b" ")[0].decode()
        assert pool.call(say("PING"), say.soon()) == b"PONG"
        assert server.accepted == 1


def test_a_reply_cut_off_at_any_byte_is_never_half_a_reply(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    standalone.command("SET", "a", "0123456789")
    whole = len(b"$10\r\n0123456789\r\n")
    with Proxy(standalone) as front:
        pool = make_caller(front, PoolOptions(backoff=0.001, max_backoff=0.001))
        for length in range(whole):
            assert pool.call(say("PING"), say.soon()) == b"PONG"
            front.truncate_reply(length, to="GET")
            with pytest.raises(ConnectionLost) as caught:
                pool.call(say("GET", "a"), say.soon())
            assert caught.value.written
        assert pool.call(say("GET", "a"), say.soon()) == b"0123456789"


def test_replies_that_came_before_the_loss_are_told(make_caller: Any, say: Any) -> None:
    with Scripted(lambda words: encode(*words) if words[0] == b"ECHO" else None) as server:
        pool = make_caller(server)
        with pytest.raises(ConnectionLost) as caught:
            pool.exchange(say("ECHO", 1) + say("ECHO", 2) + say("GET", "a"), 3, say.soon())
        assert list(caught.value.replies) == [[b"ECHO", b"1"], [b"ECHO", b"2"]]
        assert caught.value.written


def test_replies_may_come_byte_by_byte(make_caller: Any, standalone: Standalone, say: Any) -> None:
    value = bytes(range(0, 256, 4))
    standalone.command("SET", "a", value)
    with Proxy(standalone) as front:
        pool = make_caller(front)
        front.split_every_byte()
        assert pool.call(say("GET", "a"), say.soon()) == value
        assert pool.exchange(say("GET", "a") * 2, 2, say.soon()) == [value] * 2


@pytest.mark.timing
def test_a_trickle_does_not_prolong_the_deadline(make_caller: Any, say: Any) -> None:
    asked, stop = threading.Event(), threading.Event()

    def reply(words: tuple[bytes, ...]) -> bytes:
        asked.set()
        return b"$100000\r\n"

    def trickle() -> None:
        asked.wait(5)
        while not stop.wait(0.005):
            server.say(b"x")

    with Scripted(reply) as server:
        pool = make_caller(server)
        pool.warm_up()
        thread = threading.Thread(target=trickle)
        thread.start()
        with lasting(0.3), pytest.raises(DeadlineExceeded):
            pool.call(say("GET", "a"), say.soon(0.3))
        stop.set()
        thread.join()


def test_pushes_are_nobodys_reply(make_caller: Any, standalone: Standalone, say: Any) -> None:
    push = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"
    with Proxy(standalone) as front:
        pool = make_caller(front, PoolOptions(alive_bypass=0.0))
        pool.call(say("PING"), say.soon())
        front.inject_reply(push * 3, instead=False, to="GET")
        front.inject_reply(push, instead=False, to="ECHO", nth=2)
        assert pool.call(say("GET", "a"), say.soon()) is None
        echoes = pool.exchange(say("ECHO", 1) + say("ECHO", 2), 2, say.soon())
        assert echoes == [b"1", b"2"]
        front.push(push)
        assert pool.call(say("ECHO", 3), say.soon()) == b"3"
        assert front.connections == [1] or make_caller.colour == "async"


@pytest.mark.parametrize("loop_looked", [True, False])
@pytest.mark.parametrize("many", [False, True])
def test_a_reply_nobody_asked_for_ends_an_idle_connection(
    make_caller: Any, standalone: Standalone, say: Any, many: bool, loop_looked: bool
) -> None:
    def echo(number: int) -> list[bytes]:
        if many:
            return pool.exchange(say("ECHO", number) * 2, 2, say.soon())  # type: ignore[no-any-return]
        return [pool.call(say("ECHO", number), say.soon())] * 2

    unsent = []
    with Proxy(standalone) as front:
        pool = make_caller(front)
        for number in range(10):
            try:
                replies = echo(number)
            except ConnectionLost as error:
                unsent.append(not error.written)
                replies = echo(number)
            assert replies == [b"%d" % number] * 2
            front.push(b"+not yours\r\n")
            until_it_arrives(idle_connection(make_caller.colour, pool))
            if loop_looked and make_caller.colour != "sync":
                pool.loop.run_until_complete(asyncio.sleep(0))
        assert len(front.connections) == 10
    assert all(unsent)
    assert not unsent or make_caller.colour == "multiplexed"  # who finds out with the command


def idle_connection(colour: str, pool: Any) -> Any:
    return pool.one._shared if colour == "multiplexed" else pool.state.idle[-1]


def until_it_arrives(connection: Any) -> None:
    """Wait until an idle connection has something to read, and has been idle for long enough."""
    transport = getattr(connection, "_transport", None)
    sock = connection._sock if transport is None else transport.get_extra_info("socket")
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN)
    assert poller.poll(5000)
    sleep(2 * LOOK_AFTER)  # the time itself is what has to pass


@pytest.mark.parametrize("unasked", [b"+not yours\r\n", b"+not\r\n+yours\r\n", b"nonsense\r\n"])
def test_a_reply_that_came_before_the_command_left_is_not_its_reply(
    standalone: Standalone, say: Any, unasked: bytes
) -> None:
    async def main(front: Proxy) -> None:
        pool = AsyncPool(Endpoint(host=front.host, port=front.port))
        connection = await pool.checkout(say.soon())
        calls = [connection.submit(say("ECHO", number), say.soon()) for number in range(2)]
        front.push(unasked)  # both commands wait for the next turn of the loop
        until_it_arrives(connection)
        for call in calls:
            with pytest.raises(ConnectionLost) as caught:
                await call
            assert not caught.value.written
        assert front.count("ECHO") == 0
        pool.checkin_closed(connection, "error")
        await pool.aclose()

    with Proxy(standalone) as front:
        asyncio.run(main(front))


def test_a_push_that_came_before_the_command_left_changes_nothing(
    standalone: Standalone, say: Any
) -> None:
    async def main(front: Proxy) -> None:
        pool = AsyncPool(Endpoint(host=front.host, port=front.port))
        connection = await pool.checkout(say.soon())
        call = connection.submit(say("ECHO", 1), say.soon())
        front.push(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n")
        until_it_arrives(connection)
        assert await call == b"1"
        pool.checkin(connection)
        await pool.aclose()

    with Proxy(standalone) as front:
        asyncio.run(main(front))


def test_a_reply_too_many_ends_the_connection_before_anybody_else_gets_it(
    make_caller: Any, standalone: Standalone, say: Any
) -> None:
    with Proxy(standalone) as front:
        pool = make_caller(front)
        pool.call(say("PING"), say.soon())
        front.inject_reply(b"+right\r\n+too many\r\n", to="GET")
        try:
            assert pool.call(say("GET", "a"), say.soon()) == b"right"
        except ProtocolError:
            pass
        assert pool.call(say("ECHO", 1), say.soon()) == b"1"
        assert len(front.connections) == 2


def test_a_reply_that_never_ends_is_given_up(
    make_caller: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("threads", "streams"):
        monkeypatch.setattr(f"cachex_pool._wire.{module}.MAX_REPLY", 1_000_000)

    def reply(words: tuple[bytes, ...]) -> bytes:
        return b"*2\r\n$3000000\r\n" + b"x" * 2_000_000

    with Scripted(reply) as server:
        pool = make_caller(server)
        for ask in (
            lambda: pool.call(say("GET", "a"), monotonic() + 3),
            lambda: pool.exchange(say("GET", "a"), 1, monotonic() + 3),
        ):
            with pytest.raises(ProtocolError, match="1000000 bytes"):
                ask()


def test_an_endless_second_reply_is_given_up_too(
    make_caller: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("threads", "streams"):
        monkeypatch.setattr(f"cachex_pool._wire.{module}.MAX_REPLY", 1_000_000)

    def reply(words: tuple[bytes, ...]) -> bytes:
        return b"+first\r\n$3000000\r\n" + b"x" * 2_000_000

    with Scripted(reply) as server, pytest.raises(ProtocolError, match="1000000 bytes"):
        make_caller(server).exchange(say("GET", "a"), 2, monotonic() + 3)


def test_many_replies_may_be_larger_together_than_one_may_be(
    make_caller: Any, standalone: Standalone, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("threads", "streams"):
        monkeypatch.setattr(f"cachex_pool._wire.{module}.MAX_REPLY", 1_000_000)
    standalone.command("SET", "a", b"x" * 300_000)
    replies = make_caller(standalone).exchange(say("GET", "a") * 20, 20, say.soon())
    assert [len(reply) for reply in replies] == [300_000] * 20


def test_a_lost_connection_says_whether_the_command_may_have_arrived(
    make_pool: Any, standalone: Standalone, say: Any
) -> None:
    with Proxy(standalone) as front:
        pool = make_pool(front, PoolOptions(alive_bypass=60.0))
        for _ in range(5):
            pool.call(say("PING"), say.soon())
            front.cut_all()
            eventually(lambda: not front.open_connections)
            with pytest.raises(ConnectionLost) as caught:
                pool.call(say("INCR", "n"), say.soon())
            if not caught.value.written:
                assert front.count("INCR") == 0
    assert standalone.command("GET", "n") is None


@pytest.mark.parametrize("unasked", [b"$9\r\nnot", b"*2\r\n$1\r\na\r\n"])
def test_the_start_of_a_reply_nobody_asked_for_ends_the_connection(
    make_caller: Any, standalone: Standalone, say: Any, unasked: bytes
) -> None:
    with Proxy(standalone) as front:
        pool = make_caller(front)
        pool.call(say("PING"), say.soon())
        front.inject_reply(b"$5\r\nright\r\n" + unasked, to="GET")
        assert pool.call(say("GET", "a"), say.soon()) == b"right"
        assert pool.call(say("ECHO", 1), say.soon()) == b"1"
        assert len(front.connections) == 2


TOO_MUCH = (
    b"*1000000000\r\n",
    b"%1000000000\r\n",
    b">1000000000\r\n",
    b"$600000000\r\n",
    b"*2\r\n:1\r\n~1000000000\r\n",
)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("announced", TOO_MUCH)
def test_a_reply_that_announces_too_much_is_refused_at_once(
    make_caller: Any, say: Any, announced: bytes, many: bool
) -> None:
    with Scripted(lambda words: announced) as server:
        pool = make_caller(server)
        data, soon = say("GET", "a"), say.soon(60)
        with pytest.raises(ReplyTooLarge):
            pool.exchange(data, 1, soon) if many else pool.call(data, soon)


def pool_of(server: Any) -> Pool:
    return Pool(Endpoint(host=server.host, port=server.port), PoolOptions(connect_timeout=5.0))


@pytest.mark.parametrize("soon", [False, True])
@pytest.mark.parametrize("announced", TOO_MUCH)
def test_a_reply_beside_others_that_announces_too_much_is_refused_at_once(
    say: Any, announced: bytes, soon: bool
) -> None:
    with Scripted(lambda words: announced) as server, closing(pool_of(server)) as pool:
        connection = pool.checkout(say.soon())
        data, until = say("GET", "a"), say.soon(60)
        sent = connection.start(data)
        if soon:
            eventually(lambda: select.select([connection.fileno()], [], [], 0)[0])
            with pytest.raises(ReplyTooLarge):
                connection.read_soon(1, [])
        else:
            one = Exchange(connection, data, sent, 1, until, [])
            assert SideBySide([one]).next_ended() == [one]
            assert isinstance(one.end, ReplyTooLarge)
        pool.checkin_closed(connection, "error")


def test_a_reply_that_comes_while_its_command_is_sent_is_not_followed_by_another(
    say: Any, standalone: Standalone
) -> None:
    """Nobody asked for the second one: it came while the connection was still being written to."""
    with closing(pool_of(standalone)) as pool:
        connection = pool.checkout(say.soon())
        connection._early.extend((b"+first\r\n", b"+second\r\n"))
        assert connection.read(1, say.soon()) == [b"first"]
        pool.checkin(connection)
        assert pool.call(say("ECHO", "mine"), say.soon()) == b"mine"
        assert pool.stats().closed == {"busy": 1}


def test_who_shares_a_connection_with_too_large_a_reply_is_told_that_it_is_lost(say: Any) -> None:
    """Their own replies are as small as ever: they may ask again, on another connection."""

    async def main(endpoint: Endpoint) -> None:
        shared = AsyncMultiplexer(endpoint, PoolOptions(connect_timeout=5.0))
        await shared.call(say("GET", "small"), say.soon())
        calls = [shared.call(say("GET", key), say.soon()) for key in ("large", "small", "small")]
        large, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(large, ReplyTooLarge)
        for other in others:
            assert isinstance(other, ConnectionLost)
            assert other.written
        await shared.aclose()

    def reply(words: tuple[bytes, ...]) -> bytes:
        return b"$1\r\na\r\n" if words[1] == b"small" else b"*1000000000\r\n"

    with Scripted(reply) as server:
        asyncio.run(main(Endpoint(host=server.host, port=server.port)))
