"""What clients do about each error reply: docs/reference/error-codes.md, row by row."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

import error_tables
from cachex_client import ClientOptions, RetryOptions
from cachex_client.commands import strings
from cachex_client.error_codes import TABLE, Action, Cause, ErrorCode, is_server_state, row_of
from cachex_pool import ConnectionLost
from cachex_pool.errors import reply_error
from support import load
from support.clients import MakeClient, map_of
from support.processes import server_binary
from support.proxy import Proxy
from support.servers import Cluster, Replicated, Sentinels, Server, Standalone
from support.topologies import role_of
from support.waiting import eventually

SAMPLES: dict[tuple[str, str], str] = {
    ("LOADING", ""): "LOADING Redis is loading the dataset in memory",
    ("MASTERDOWN", ""): "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set"
    " to 'no'.",
    ("CLUSTERDOWN", ""): "CLUSTERDOWN The cluster is down",
    ("NOREPLICAS", ""): "NOREPLICAS Not enough good replicas to write.",
    ("ERR", "max number of clients"): "ERR max number of clients reached",
    ("TRYAGAIN", ""): "TRYAGAIN Multiple keys request during rehashing of slot",
    ("MOVED", ""): "MOVED 1 127.0.0.1:1",
    ("ASK", ""): "ASK 1 127.0.0.1:1",
    ("READONLY", ""): "READONLY You can't write against a read only replica.",
    ("REDIRECT", ""): "REDIRECT 127.0.0.1:6379",
    ("UNBLOCKED", "instance state changed"): "UNBLOCKED force unblock from blocking operation,"
    " instance state changed (master -> replica?)",
    ("UNBLOCKED", ""): "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    ("MISCONF", ""): "MISCONF Errors writing to the AOF file: No space left on device",
    ("OOM", ""): "OOM command not allowed when used memory > 'maxmemory'.",
    ("BUSY", ""): "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN"
    " NOSAVE.",
    ("ERR", "while the cluster is down"): "ERR Script attempted to execute a command while the"
    " cluster is down",
    ("ERR", "on a stale replica"): "ERR Can not execute the command on a stale replica",
    ("EXECABORT", ""): "EXECABORT Transaction discarded because of previous errors.",
}
"""What servers say; of the other codes any text will do."""

ROWS = [
    pytest.param(row, id=f"{row.code}-{row.contains}".strip("-").replace(" ", "_")) for row in TABLE
]


def reply_of(row: ErrorCode) -> str:
    return SAMPLES.get((row.code, row.contains), f"{row.code} something is not right")


# The table


def test_every_code_that_is_in_the_server_has_its_row() -> None:
    """Messages that begin with a code are in the program as they are sent, after their '-'."""
    found = re.findall(rb"\x00-([A-Z]{2,})[ \r]", Path(server_binary()).read_bytes())
    assert len(set(found)) > 25
    assert {code.decode() for code in found} <= {row.code for row in TABLE}


def test_the_page_has_the_table() -> None:
    page = error_tables.PAGE.read_text()
    assert page == error_tables.updated(page), "dev.py python tools/error_tables.py"


@pytest.mark.parametrize("row", ROWS)
def test_a_reply_finds_its_row(row: ErrorCode) -> None:
    error = reply_error(reply_of(row))
    assert row_of(error) is row
    assert is_server_state(error) is (row.cause is Cause.STATE)


def test_what_was_rejected_is_due_to_the_state_of_the_server() -> None:
    assert {row.cause for row in TABLE if row.rejected} == {Cause.STATE}


@pytest.mark.parametrize("code", ["READONLY", "NOREPLICAS", "OOM", "MISCONF", "WRONGTYPE"])
def test_a_discarded_transaction_and_an_old_servers_script_say_what_was_wrong(code: str) -> None:
    for text in (
        f"EXECABORT Transaction discarded because of: {code} the reason",
        f"ERR Error running script (call to f_0a1b): @user_script:1: -{code} the reason",
    ):
        row = row_of(reply_error(text))
        assert row is not None
        assert row.code == code


def test_an_error_without_a_known_code_has_no_row() -> None:
    for error in (reply_error("SEARCH_TIMEOUT no"), redis.ConnectionError("gone"), None):
        assert row_of(error) is None
        assert not is_server_state(error)


# Each row, said by a server


@pytest.mark.parametrize("row", ROWS)
def test_clients_do_what_the_table_says(
    make_client: MakeClient, standalone: Standalone, row: ErrorCode
) -> None:
    if row.action is Action.REDIRECT:
        pytest.skip("of clusters: test_redirects.py")
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=10.0))
        client.execute(strings.get(b"k"))
        line = f"-{reply_of(row)}\r\n".encode()
        for commands in (1, 2):
            front.forget()
            front.inject_reply(line, to="INCRBY", times=2)
            increments = [strings.incrby(b"n%d" % commands, 1)] * commands
            if commands == 1:
                try:
                    results = [client.execute(increments[0])]
                except redis.RedisError as error:
                    results = [error]
            else:
                results = client.execute_many(increments)
            if row.rejected:
                assert not any(isinstance(one, Exception) for one in results)
                assert front.count("INCRBY") == commands + 2
            else:
                assert [row_of(error) for error in results] == [row] * commands
                assert front.count("INCRBY") == commands
                front.heal()


# Until the deadline, and not for ever


@pytest.mark.parametrize("code", ["NOREPLICAS", "LOADING", "MASTERDOWN", "CLUSTERDOWN"])
def test_a_server_that_turns_commands_away_is_waited_for_until_the_deadline_once(
    make_client: MakeClient, standalone: Standalone, code: str
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(timeout=1.0))
        client.execute(strings.get(b"k"), timeout=10.0)
        front.inject_reply(f"-{code} for now\r\n".encode(), to="SET", times=10**6)
        started = time.monotonic()
        with pytest.raises(redis.RedisError) as caught:
            client.execute(strings.set(b"k", b"v"))
        assert time.monotonic() - started > 0.4  # the last pause is up to 0.25 s
        row = row_of(caught.value)  # None if the last reply was a moment late
        assert row is None or row.code == code
        assert front.count("SET") > 4
        # It is not waited for a second more: after a second in all, four attempts are a call's.
        give_up = time.monotonic() + 10.0
        attempts = 5
        while attempts > 4:
            assert time.monotonic() < give_up
            front.forget()
            with pytest.raises(redis.RedisError):
                client.execute(strings.set(b"k", b"v"))
            attempts = front.count("SET")
        front.forget()
        for _ in range(5):
            with pytest.raises(redis.RedisError):
                client.execute(strings.set(b"k", b"v"))
        assert front.count("SET") <= 5 * 4


def test_nothing_is_waited_for_where_nothing_is_to_be_sent_again(
    make_client: MakeClient, standalone: Standalone
) -> None:
    with Proxy(standalone) as front:
        client = make_client(front, ClientOptions(retry=RetryOptions(attempts=1)))
        front.inject_reply(b"-NOREPLICAS for now\r\n", to="SET", times=10)
        with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
            client.execute(strings.set(b"k", b"v"))
        assert front.count("SET") == 1


def test_callers_of_a_server_that_turns_commands_away_share_its_budget(
    make_client: MakeClient, standalone: Standalone
) -> None:
    """Who finds the budget empty waits for it, and goes on as soon as another was let in."""
    with Proxy(standalone) as front:
        retry = RetryOptions(backoff=0.0001, max_backoff=0.02, budget_per_second=1.0)
        client = make_client(front, ClientOptions(timeout=10.0, retry=retry))
        front.inject_reply(b"-NOREPLICAS for now\r\n", to="INCRBY", times=40 + 11)
        results = client.execute_many([strings.incrby(b"n", 1)] * 40)
        assert not any(isinstance(one, Exception) for one in results)


# Real servers


def rejections(servers: list[Server], code: str) -> int:
    """Return how often servers have answered with a code."""
    told = [server.info("errorstats").get(f"errorstat_{code}", "count=0") for server in servers]
    return sum(int(one.partition("=")[2]) for one in told)


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do the work in a thread while the block runs; what it returned or raised is in the list."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(work())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield came
    finally:
        thread.join(30)


PATIENT = ClientOptions(timeout=20.0)


@pytest.fixture(params=["standalone", "replicated", "sentinels", "cluster"])
def primaries(request: pytest.FixtureRequest) -> tuple[Any, list[Server]]:
    servers = request.getfixturevalue(request.param)
    if isinstance(servers, Standalone):
        return servers, [servers]
    if isinstance(servers, Cluster):
        return servers, [one for one in servers.servers if role_of(one) == "master"]
    return servers, [servers.primary]


def client_of(make_client: MakeClient, servers: Any) -> Any:
    if isinstance(servers, Cluster):
        return make_client.of("ClusterClient", servers.urls, PATIENT)
    if isinstance(servers, Sentinels):
        return make_client.of("SentinelClient", map_of(servers), PATIENT)
    return make_client(servers.urls if isinstance(servers, Replicated) else servers, PATIENT)


def test_writes_wait_while_a_primary_misses_its_replicas(
    make_client: MakeClient, primaries: tuple[Any, list[Server]]
) -> None:
    servers, nodes = primaries
    client = client_of(make_client, servers)
    client.execute(strings.get(b"k"))
    for node in nodes:
        node.command("CONFIG", "SET", "min-replicas-to-write", 9)
    with meanwhile(lambda: client.execute(strings.incrby(b"k", 1))) as came:
        eventually(lambda: rejections(nodes, "NOREPLICAS") > 5, what="rejections")
        assert came == []
        for node in nodes:
            node.command("CONFIG", "SET", "min-replicas-to-write", 0)
    assert came == [1]
    for node in nodes:
        node.command("CONFIG", "SET", "min-replicas-to-write", 9)
    many = [strings.incrby(b"k%d" % number, 1) for number in range(30)]
    with meanwhile(lambda: client.execute_many(many)) as came:
        before = rejections(nodes, "NOREPLICAS")
        eventually(lambda: rejections(nodes, "NOREPLICAS") > before + 30, what="rejections")
        for node in nodes:
            node.command("CONFIG", "SET", "min-replicas-to-write", 0)
    assert came == [[1] * 30]


def test_reads_do_not_wait_for_a_primary_that_misses_its_replicas(
    make_client: MakeClient, standalone: Standalone
) -> None:
    client = make_client(standalone, ClientOptions(timeout=1.0))
    standalone.command("CONFIG", "SET", "min-replicas-to-write", 9)
    with pytest.raises(redis.RedisError) as caught:
        client.execute(strings.set(b"k", b"v"))
    row = row_of(caught.value)  # None if the last reply was a moment late
    assert row is None or row.code == "NOREPLICAS"
    assert rejections([standalone], "NOREPLICAS")
    assert client.execute(strings.get(b"k"), timeout=10.0) is None
    (node,) = client.view().nodes
    assert node.healthy


def test_a_planned_failover_with_min_replicas_rejects_nothing_in_the_end(
    make_client: MakeClient,
) -> None:
    config = {"min-replicas-to-write": 1, "min-replicas-max-lag": 2}
    with Sentinels(config=config) as sentinels:
        client = client_of(make_client, sentinels)
        client.execute(strings.set(b"k", b"v"))

        def work(number: int) -> None:
            try:
                client.execute(strings.incrby(b"n%d" % number, 1))
            except ConnectionLost as error:
                if not error.written:  # it cuts callers off: what they wrote may be done or not
                    raise
            time.sleep(0.002)

        workers = 4 if make_client.colour == "sync" else 1
        with load.threads(workers, work) as loaded:
            loaded.wait_for(20)
            eventually(  # the first failover may be too quick for any
                lambda: rejections([sentinels.failover()], "NOREPLICAS"),
                60,
                what="a new primary's rejections",
            )
            loaded.wait_for(100, 30.0)
        assert loaded.errors == []
