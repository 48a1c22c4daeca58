"""A client of one server: what calls return, raise, and put on the wire."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from cachex_client import (
    AsyncDefaultClient,
    ClientOptions,
    ConfigurationError,
    DefaultClient,
    RetryOptions,
)
from cachex_client.command import Command
from cachex_client.commands import custom, keys, server, strings
from cachex_pool import (
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Endpoint,
    NodeUnavailable,
    PoolError,
    PoolOptions,
    PoolTimeout,
)
from support.proxy import MakeProxy, Proxy
from support.scripted import Scripted
from support.servers import Standalone
from support.waiting import Pulse, eventually, lasting

SECRET = "s3cret-word"


@pytest.fixture
def client(colour: Any, standalone: Standalone) -> Any:
    return colour.make("DefaultClient", [standalone.url])


@pytest.fixture
def front(standalone: Standalone, proxy: MakeProxy) -> Proxy:
    return proxy(standalone)


@pytest.fixture
def behind(colour: Any, front: Proxy) -> Any:
    """A client that reaches the server through the proxy, and is connected."""
    client = colour.make("DefaultClient", [front.url])
    client.warm_up()
    front.forget()
    return client


def names_seen(front: Proxy) -> list[str]:
    return [command[0].decode() for _, command in front.commands]


def shown_of(client: Any) -> str:
    return repr(getattr(client, "_cache", client))


def sets(count: int) -> list[Command[bool]]:
    return [strings.set(b"key-%d" % n, b"%d" % n) for n in range(count)]


# One command


def test_a_reply_is_read_as_the_command_says(client: Any) -> None:
    assert client.execute(strings.get(b"k")) is None
    assert client.execute(strings.set(b"k", b"v")) is True
    assert client.execute(strings.get(b"k")) == b"v"
    assert client.execute(server.dbsize()) == 1
    assert client.execute(custom("ECHO", "x", parse=bytes.decode)) == "x"


def test_what_the_server_refuses_is_raised_as_redis_pys_error_and_not_sent_again(
    behind: Any, front: Proxy, standalone: Standalone
) -> None:
    standalone.command("LPUSH", "list", "x")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        behind.execute(strings.get(b"list"))
    standalone.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        behind.execute(strings.set(b"k", b"v"))
    with pytest.raises(ResponseError, match="wrong number"):
        behind.execute(custom("GET"))
    assert names_seen(front) == ["GET", "SET", "GET"]


def test_nothing_is_connected_before_the_first_use(colour: Any, front: Proxy) -> None:
    client = colour.make("DefaultClient", [front.url])
    assert front.connections == []
    assert client.execute(server.ping()) is True
    assert len(front.connections) == 1


def test_what_cannot_be_written_as_a_command_is_the_callers_mistake(client: Any) -> None:
    with pytest.raises((TypeError, redis.DataError)):
        client.execute(Command(("SET", "k", object()), strings.SET))  # type: ignore[arg-type]
    assert client.execute(server.ping()) is True


# Many commands


def test_many_commands_leave_in_one_write_and_come_back_in_order(behind: Any, front: Proxy) -> None:
    assert behind.execute_many(sets(100)) == [True] * 100
    assert behind.execute_many([strings.get(b"key-%d" % n) for n in range(100)]) == [
        b"%d" % n for n in range(100)
    ]
    assert front.count("SET") == front.count("GET") == 100
    assert front.round_trips() == front.writes() == 2


def test_a_command_that_failed_has_its_error_in_its_place(
    client: Any, standalone: Standalone
) -> None:
    standalone.command("LPUSH", "list", "x")
    first, failed, last = client.execute_many(
        [strings.set(b"a", b"1"), strings.get(b"list"), strings.incrby(b"a", 1)]
    )
    assert (first, last) == (True, 2)
    assert isinstance(failed, ResponseError)
    assert standalone.commands_seen()["SET"] == 1  # nothing was sent again for the error's sake


def test_no_commands_are_no_round_trip(behind: Any, front: Proxy) -> None:
    assert behind.execute_many([]) == []
    assert behind.execute_atomic([]) == []
    assert behind.get_many([]) == []
    assert behind.delete_many([]) == []
    assert front.commands == []


def test_long_lists_are_cut_into_writes(client: Any, standalone: Standalone) -> None:
    assert client.execute_many(sets(4100)) == [True] * 4100
    assert client.execute_many([strings.get(b"key-%d" % n) for n in range(4100)]) == [
        b"%d" % n for n in range(4100)
    ]
    assert standalone.command("DBSIZE") == 4100
    large = [strings.set(b"large-%d" % n, b"x" * 100_000) for n in range(8)]
    assert client.execute_many(large) == [True] * 8


def test_where_a_connection_breaks_in_a_list_only_what_may_be_done_twice_is_sent_again(
    behind: Any, front: Proxy, standalone: Standalone
) -> None:
    commands: list[Command[Any]] = [strings.incrby(b"n", 1) for _ in range(5)]
    commands += [strings.set(b"k", b"v"), strings.get(b"k")]
    front.cut_reply(to="INCRBY", nth=3)
    results = behind.execute_many(commands)
    assert results[:2] == [1, 2]
    for unknown in results[2:5]:
        assert isinstance(unknown, ConnectionLost)
        assert unknown.written
    assert results[5:] == [True, b"v"]
    assert front.count("INCRBY") == 5
    assert standalone.command("GET", "n") == b"5"
    assert (front.count("SET"), front.count("GET")) == (2, 2)


# Transactions


def test_a_transaction_is_one_write(behind: Any, front: Proxy) -> None:
    results = behind.execute_atomic(
        [strings.set(b"n", b"1"), strings.incrby(b"n", 2), strings.get(b"n")]
    )
    assert results == [True, 3, b"3"]
    assert names_seen(front) == ["MULTI", "SET", "INCRBY", "GET", "EXEC"]
    assert front.writes() == 1


def test_a_transaction_that_was_refused_when_queued_did_nothing(
    client: Any, standalone: Standalone
) -> None:
    with pytest.raises(ResponseError, match="wrong number of arguments"):
        client.execute_atomic([strings.set(b"a", b"1"), custom("GET"), strings.set(b"b", b"1")])
    assert standalone.command("DBSIZE") == 0
    assert client.execute_atomic([strings.get(b"a")]) == [None]  # no transaction was left open


def test_what_fails_inside_a_transaction_has_its_error_in_its_place(
    client: Any, standalone: Standalone
) -> None:
    standalone.command("LPUSH", "list", "x")
    first, failed, last = client.execute_atomic(
        [strings.set(b"a", b"1"), strings.incrby(b"list", 1), strings.incrby(b"a", 1)]
    )
    assert (first, last) == (True, 2)
    assert isinstance(failed, ResponseError)


@pytest.mark.parametrize(("again", "count"), [(True, 2), (False, 1)])
def test_a_transaction_is_sent_again_only_if_all_of_it_may_be_done_twice(
    behind: Any, front: Proxy, standalone: Standalone, again: bool, count: int
) -> None:
    commands: list[Command[Any]] = [strings.set(b"k", b"v")]
    if not again:
        commands.append(strings.incrby(b"n", 1))
    front.cut_reply(to="EXEC")
    if again:
        assert behind.execute_atomic(commands) == [True]
    else:
        with pytest.raises(ConnectionLost) as lost:
            behind.execute_atomic(commands)
        assert lost.value.written
        assert standalone.command("GET", "n") == b"1"
    assert front.count("EXEC") == count


# Many keys


def test_many_keys_are_one_command_for_each_two_thousand(behind: Any, front: Proxy) -> None:
    behind.execute_many(sets(4001))
    front.forget()
    wanted = [b"key-%d" % n for n in range(4001)]
    assert behind.get_many([*wanted, b"missing"]) == [*(b"%d" % n for n in range(4001)), None]
    assert front.count("MGET") == 3
    assert behind.delete_many([b"missing", *wanted]) == [1999, 2000, 2]
    assert front.count("UNLINK") == 3
    assert behind.execute(server.dbsize()) == 0


def test_few_keys_are_one_round_trip(behind: Any, front: Proxy) -> None:
    behind.get_many([b"a", b"b"])
    behind.delete_many([b"a", b"b"])
    assert names_seen(front) == ["MGET", "UNLINK"]
    assert front.round_trips() == 2


def test_keys_whose_part_failed_have_the_error_in_their_place(colour: Any) -> None:
    asked = []

    def reply(words: tuple[bytes, ...]) -> bytes:
        asked.append(len(words) - 1)
        if words[1] == b"key-2000":
            return b"-ERR not this part\r\n"
        return b"*%d\r\n" % (len(words) - 1) + b"$1\r\nv\r\n" * (len(words) - 1)

    with Scripted(reply) as scripted:
        client = colour.make("DefaultClient", [scripted.url])
        found = client.get_many([b"key-%d" % n for n in range(5000)])
        client.close() if colour.name == "sync" else client.aclose()
    assert asked == [2000, 2000, 1000]
    assert found[:2000] == [b"v"] * 2000
    assert {str(one) for one in found[2000:4000]} == {"not this part"}
    assert found[4000:] == [b"v"] * 1000


def test_keys_that_cannot_be_read_at_all_have_the_error_too(colour: Any, front: Proxy) -> None:
    client = colour.make("DefaultClient", [front.url])
    front.refuse()
    for count in (1, 3, 2001):
        found = client.get_many([b"k"] * count)
        assert len(found) == count
        assert all(isinstance(one, ConnectFailed) for one in found)
    assert all(isinstance(one, PoolError) for one in client.delete_many([b"k"]))


# Walking


def test_a_walk_finds_every_key_that_matches(client: Any) -> None:
    client.execute_many(sets(500))
    client.execute(strings.set(b"other", b"v"))
    batches = list(client.scan(b"key-*", 100))
    assert len(batches) > 2
    assert {key for batch in batches for key in batch} == {b"key-%d" % n for n in range(500)}


def test_a_walk_survives_a_lost_connection(behind: Any, front: Proxy) -> None:
    behind.execute_many(sets(500))
    front.cut_reply(to="SCAN", nth=3)
    found = {key for batch in behind.scan(b"*", 50) for key in batch}
    assert found == {b"key-%d" % n for n in range(500)}


def test_a_walk_ends_with_what_the_server_says(client: Any) -> None:
    with pytest.raises(ResponseError, match="syntax"):
        list(client.scan(b"*", 0))


# A connection for oneself


def test_a_leased_connection_watches(standalone: Standalone) -> None:
    with DefaultClient([standalone.url]).lease(timeout=2.0) as connection:
        deadline = time.monotonic() + 2
        assert connection.call(b"*2\r\n$5\r\nWATCH\r\n$1\r\nk\r\n", deadline) == b"OK"
        standalone.command("SET", "k", "somebody else's")
        data = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$4\r\nEXEC\r\n"
        assert connection.exchange(data, 3, deadline)[-1] is None
    assert standalone.command("GET", "k") == b"somebody else's"


def test_a_leased_connection_comes_back_and_after_an_error_does_not(
    standalone: Standalone,
) -> None:
    client = DefaultClient([standalone.url])
    with client.lease() as connection:
        (stats,) = client.stats()
        assert (stats.lent, stats.idle) == (1, 0)
        first = connection.server  # an object of the connection itself
    with client.lease() as connection:
        assert connection.server is first
    with pytest.raises(ZeroDivisionError), client.lease():
        raise ZeroDivisionError
    (stats,) = client.stats()
    assert (stats.size, stats.lent) == (0, 0)
    client.close()


@pytest.mark.timing
def test_who_waits_for_a_connection_waits_no_longer_than_asked(standalone: Standalone) -> None:
    client = DefaultClient([standalone.url], ClientOptions(pool=PoolOptions(max_size=1)))
    with client.lease():
        none_left = pytest.raises(PoolTimeout, match="limit 1, lent 1")
        with lasting(0.1, 1), none_left, client.lease(timeout=0.1):
            pass
        with pytest.raises(PoolTimeout):
            client.execute(strings.get(b"k"), timeout=0.05)
    assert client.execute(strings.get(b"k"), timeout=1.0) is None
    client.close()


async def _lease_in_a_task(client: AsyncDefaultClient) -> None:
    async with client.lease(timeout=2.0) as first, client.lease() as second:
        assert first is not second
        assert await client.execute(server.ping()) is True  # on the shared one
        assert client.stats()[0].lent == 3
    assert client.stats()[0].lent == 1
    with pytest.raises(ZeroDivisionError):
        async with client.lease():
            raise ZeroDivisionError
    assert client.stats()[0].lent == 1
    await client.aclose()


def test_tasks_lease_connections_beside_the_shared_one(standalone: Standalone, run: Any) -> None:
    run(_lease_in_a_task(AsyncDefaultClient([standalone.url])))


# Blocking commands


def test_a_command_that_blocks_returns_when_something_comes(
    client: Any, standalone: Standalone
) -> None:
    standalone.command("RPUSH", "list", "x")
    assert client.execute(custom("BLPOP", "list", 1)) == [b"list", b"x"]
    assert client.execute(custom("BLPOP", "list", 0.01)) is None


def test_tasks_are_not_held_up_by_one_that_blocks(standalone: Standalone, run: Any) -> None:
    async def main() -> None:
        client = AsyncDefaultClient([standalone.url])
        blocked: asyncio.Task[Any] = asyncio.create_task(client.execute(custom("BLPOP", "list", 5)))
        while not any(one["cmd"] == "blpop" for one in standalone.clients()):
            await asyncio.sleep(0.001)
        for _ in range(50):
            assert await client.execute(server.ping()) is True
        assert not blocked.done()
        await client.execute(custom("RPUSH", "list", "x"))
        assert await blocked == [b"list", b"x"]
        assert standalone.connected_clients() == 2
        await client.aclose()

    run(main())


# How long it takes


@pytest.mark.timing
@pytest.mark.parametrize("timeout", [0.1, 0.4])
def test_a_call_may_have_a_deadline_of_its_own(behind: Any, front: Proxy, timeout: float) -> None:
    front.half_open()
    calls: list[Any] = [
        lambda: behind.execute(strings.incrby(b"k", 1), timeout=timeout),
        lambda: behind.execute_atomic([strings.get(b"k")], timeout=timeout),
        lambda: behind.execute(custom("BLPOP", "list", 3), timeout=timeout),
    ]
    for number, call in enumerate(calls):
        with Pulse() as pulse:
            started = time.monotonic()
            # The later ones while they connect, or when that is not done in 0.2 s.
            late = redis.TimeoutError if number == 0 else (redis.TimeoutError, NodeUnavailable)
            with pytest.raises(late):
                call()
            took = time.monotonic() - started
        # A machine with much to do is late at every step; the client's own deadline is 5 s.
        assert took <= timeout + 0.5 + 3 * pulse.worst
        # The later ones may hear sooner that nobody can connect.
        assert number or took >= timeout * 0.95


def test_an_error_tells_what_the_time_went_for(colour: Any, behind: Any, front: Proxy) -> None:
    front.half_open()
    with pytest.raises(DeadlineExceeded, match="waiting for the reply") as late:
        behind.execute(strings.get(b"k"), timeout=0.1)
    assert (late.value.phase, late.value.written) == ("waiting for the reply", True)
    fresh = colour.make("DefaultClient", [front.url])
    with pytest.raises(ConnectFailed, match="connect") as late_too:
        fresh.execute(strings.get(b"k"), timeout=0.1)
    assert late_too.value.written is False


@pytest.mark.timing
def test_many_commands_share_one_deadline(behind: Any, front: Proxy) -> None:
    front.half_open()
    with Pulse() as pulse:
        started = time.monotonic()
        results = behind.execute_many(sets(5000), timeout=1.0)
        took = time.monotonic() - started
    assert took <= 2.0 + 3 * pulse.worst  # there are three writes, and packing takes a moment
    assert all(isinstance(one, redis.TimeoutError | redis.ConnectionError) for one in results)
    assert len(results) == 5000


@pytest.mark.timing
def test_the_clients_own_deadline_holds_where_a_call_has_none(colour: Any, front: Proxy) -> None:
    client = colour.make("DefaultClient", [front.url], ClientOptions(timeout=0.15))
    client.warm_up()
    front.half_open()
    with Pulse() as pulse:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.execute(strings.get(b"k"))
        took = time.monotonic() - started
    assert 0.14 <= took <= 0.165 + 3 * pulse.worst + 0.02


@pytest.mark.parametrize("many", [False, True])
def test_a_dial_that_failed_is_not_held_against_the_next_call(
    colour: Any, front: Proxy, many: bool
) -> None:
    pool = PoolOptions(backoff=0.2, max_backoff=0.2)
    retry = RetryOptions(attempts=2, backoff=0.001)  # alone it would be over long before the pool's
    client = colour.make("DefaultClient", [front.url], ClientOptions(retry=retry, pool=pool))
    front.refuse()
    with pytest.raises(ConnectFailed):
        client.execute(strings.get(b"k"), timeout=0.05)
    front.heal()
    if many:
        assert client.execute_many([strings.get(b"k")] * 2) == [None, None]
    else:
        assert client.execute(strings.get(b"k")) is None


# What an error tells


def test_an_error_tells_how_often_it_was_tried(colour: Any, front: Proxy) -> None:
    retry = RetryOptions(attempts=3)
    client = colour.make("DefaultClient", [front.url], ClientOptions(retry=retry))
    front.refuse()
    with pytest.raises(ConnectFailed) as failed:
        client.execute(strings.get(b"k"))
    assert failed.value.attempts == 3  # type: ignore[attr-defined]
    (note,) = failed.value.__notes__
    assert note.startswith("given up after 3 attempts in 0.")
    assert failed.value.written is False
    assert str(front.port) in str(failed.value)


def test_an_error_of_the_first_attempt_has_no_note(behind: Any, front: Proxy) -> None:
    front.cut_reply(to="INCRBY")
    with pytest.raises(ConnectionLost) as lost:
        behind.execute(strings.incrby(b"n", 1))
    assert not hasattr(lost.value, "attempts")
    assert getattr(lost.value, "__notes__", []) == []


@pytest.mark.parametrize("way", ["execute", "execute_many", "execute_atomic"])
def test_what_was_written_once_stays_written_whatever_the_last_attempt_came_to(
    behind: Any, front: Proxy, standalone: Standalone, way: str
) -> None:
    front.cut_reply(to="EXEC" if way == "execute_atomic" else "SET")
    front.refuse()  # the open connection lives on; no other can be opened
    command = strings.set(b"k", b"v")
    if way == "execute_many":
        (error,) = behind.execute_many([command])
    else:
        with pytest.raises(PoolError) as failed:
            behind.execute(command) if way == "execute" else behind.execute_atomic([command])
        error = failed.value
    assert isinstance(error, ConnectFailed)
    assert error.written is True
    assert error.attempts > 1  # type: ignore[attr-defined]
    assert standalone.command("GET", "k") == b"v"


@pytest.mark.parametrize("way", ["execute", "execute_many", "execute_atomic"])
def test_what_was_never_written_says_so(behind: Any, front: Proxy, way: str) -> None:
    front.refuse()
    front.cut_all()
    eventually(lambda: not front.open_connections)
    command = strings.incrby(b"n", 1)
    if way == "execute_many":
        (error,) = behind.execute_many([command])
    else:
        with pytest.raises(PoolError) as failed:
            behind.execute(command) if way == "execute" else behind.execute_atomic([command])
        error = failed.value
    # A connection that died a moment ago may still take bytes: then nobody knows.
    assert error.written is False or isinstance(error, ConnectionLost)


# What can be seen


def test_secrets_are_shown_nowhere(colour: Any, standalone: Standalone) -> None:
    standalone.command("ACL", "SETUSER", "app", "on", f">{SECRET}", "~*", "+@all")
    url = standalone.url.replace("redis://", f"redis://app:{SECRET}@")
    client = colour.make("DefaultClient", [url])
    for _ in range(2):
        shown = [shown_of(client), str(client.stats()), str(client.view()), repr(client.endpoints)]
        shown += [repr(link) for link in client._links_in_use()]
        assert f"DefaultClient of 127.0.0.1:{standalone.port}/0>" in shown[0]
        assert not [text for text in shown if SECRET in text]
        assert client.execute(custom("ACL WHOAMI")) == b"app"

    wrong = colour.make("DefaultClient", [url.replace(SECRET, SECRET + "-wrong")])
    with pytest.raises(redis.AuthenticationError) as refused:
        wrong.execute(strings.get(b"k"))
    told = [str(refused.value), repr(refused.value), repr(refused.value.__cause__)]
    assert not [text for text in told if SECRET in text]
    assert standalone.commands_seen()["GET"] == 0


def test_the_view_shows_the_server_and_its_connections(client: Any, standalone: Standalone) -> None:
    client.execute(server.ping())
    view = client.view()
    assert view.kind == "standalone"
    (node,) = view.nodes
    assert node.name == f"127.0.0.1:{standalone.port}/0"
    assert (node.role, node.primary, node.slots, node.healthy) == ("primary", None, 0, True)
    (stats,) = node.pools
    assert stats == client.stats()[0]
    assert (stats.size, stats.opened, stats.breaker) == (1, 1, "closed")


def test_a_server_that_fails_is_shown_to_be_unwell_until_it_answers(
    colour: Any, front: Proxy
) -> None:
    client = colour.make("DefaultClient", [front.url])
    front.refuse()
    with pytest.raises(ConnectFailed):
        client.execute(strings.get(b"k"))
    assert client.view().nodes[0].healthy is False
    front.heal()
    eventually(lambda: _works(client), what="the server being reached again")
    assert client.execute(strings.get(b"k")) is None
    assert client.view().nodes[0].healthy is True


def _works(client: Any) -> bool:
    try:
        return bool(client.execute(server.ping()))
    except PoolError:
        return False


# Beginning and end


def test_servers_may_be_endpoints(colour: Any, standalone: Standalone) -> None:
    endpoint = Endpoint(host=standalone.host, port=standalone.port, db=3)
    client = colour.make("DefaultClient", [endpoint])
    client.execute(strings.set(b"k", b"v"))
    assert standalone.command("DBSIZE") == 0
    assert f"127.0.0.1:{standalone.port}/3" in shown_of(client)


def test_unix_sockets_work(colour: Any, standalone: Standalone) -> None:
    client = colour.make("DefaultClient", [standalone.unix_url])
    assert client.execute(strings.set(b"k", b"v")) is True
    assert client.execute(keys.exists(b"k"))


@pytest.mark.parametrize("servers", [[], ["http://localhost"], ["redis://localhost:port"]])
def test_a_client_without_a_server_to_reach_is_not_made(colour: Any, servers: list[str]) -> None:
    with pytest.raises((ConfigurationError, ValueError)):
        colour.make("DefaultClient", servers)


def test_warming_up_says_whether_the_server_can_be_reached(colour: Any, front: Proxy) -> None:
    client = colour.make("DefaultClient", [front.url])
    client.warm_up()
    assert len(front.open_connections) == 1
    front.refuse()
    another = colour.make("DefaultClient", [front.url])
    with pytest.raises(ConnectFailed):
        another.warm_up()


def test_a_closed_client_keeps_nothing_and_opens_again(
    colour: Any, front: Proxy, standalone: Standalone
) -> None:
    client = colour.make("DefaultClient", [front.url])
    client.execute(server.ping())
    client.close() if colour.name == "sync" else client.aclose()
    eventually(lambda: standalone.connected_clients() == 0)
    assert client.execute(server.ping()) is True
