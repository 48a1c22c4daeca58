"""A client that only reads: what may leave it, on whatever connection."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from cachex_client import (
    AsyncReadOnlyClient,
    CacheIsReadOnly,
    ClientOptions,
    ReadOnlyClient,
)
from cachex_client._core.read_only import _HARMLESS, _OF_MODULES, ReadGuard, name_of, reads_only
from cachex_client._core.specs import SPECS
from cachex_client.command import on_primary
from cachex_client.commands import custom, get
from cachex_pool import ConfigurationError, PoolOptions, pack, pack_many
from support.clients import map_of
from support.servers import Sentinels
from support.waiting import eventually

Run = Callable[..., Any]


@pytest.fixture
def client(sentinels: Sentinels) -> Iterator[ReadOnlyClient]:
    sentinels.primary.command("SET", "k", "v")
    eventually(lambda: all(one.command("EXISTS", "k") for one in sentinels.replicas))
    client = ReadOnlyClient(map_of(sentinels), ClientOptions(timeout=10.0))
    yield client
    client.redis.connection_pool.disconnect()
    client.close()


def module_pipeline(face: Any) -> Any:
    return face.pipeline(transaction=False).execute_command("NEW.WRITE", "w").execute()


# Each of them is a way past the executor, in both of redis-py's clients.
WRITES: dict[str, Callable[[Any], Any]] = {
    "redis-py on the same connections": lambda face: (
        type(face).__mro__[1](connection_pool=face.connection_pool).set("w", "x")
    ),
    "a pipeline of redis-py": lambda face: (
        type(face)
        .__mro__[1](connection_pool=face.connection_pool)
        .pipeline()
        .set("w", "x")
        .execute()
    ),
    "a pipeline": lambda face: face.pipeline().set("w", "x").execute(),
    "a pipeline without a transaction": lambda face: face.pipeline(False).set("w", 1).execute(),
    "a command of a module": lambda face: face.execute_command("NEW.WRITE", "w"),
    "a command of a module in a pipeline": module_pipeline,
    "JSON.SET": lambda face: face.json().set("w", "$", {}),
    "a command in small letters": lambda face: face.execute_command("set", "w", "x"),
    "a command of bytes": lambda face: face.execute_command(b"SET", b"w", b"x"),
    "a command that is not known": lambda face: face.execute_command("NEWLY", "w"),
    "a script": lambda face: face.eval("return redis.call('SET', KEYS[1], 1)", 1, "w"),
    "a registered script": lambda face: face.register_script("return redis.call('DEL', 'k')")(),
    "SCRIPT LOAD": lambda face: face.script_load("return 1"),
    "a function": lambda face: face.fcall("f", 1, "w"),
    "PUBLISH": lambda face: face.publish("channel", "x"),
    "SORT, which may store": lambda face: face.sort("k", store="w"),
    "CONFIG SET": lambda face: face.config_set("maxmemory", 0),
    "FLUSHALL": lambda face: face.flushall(),
    "SHUTDOWN": lambda face: face.execute_command("SHUTDOWN"),
    "a lock": lambda face: face.lock("w", timeout=1).acquire(),
    "WATCH": lambda face: face.pipeline().watch("k"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_way_through_redis_py_writes(
    client: ReadOnlyClient, sentinels: Sentinels, write: Callable[[Any], Any]
) -> None:
    before = sentinels.primary.commands_seen()
    with pytest.raises(CacheIsReadOnly, match=r"\?is_master=0"):
        write(client.redis)
    assert sentinels.primary.command("KEYS", "*") == [b"k"]
    seen = {name.replace("|", " ") for name in sentinels.primary.commands_seen() - before}
    assert {name for name in seen if not reads_only(name)} <= {"PUBLISH", "REPLCONF"}  # Sentinels'
    assert client.redis.get("k") == b"v"


def test_no_way_through_redis_pys_asyncio_client_writes(sentinels: Sentinels, run: Run) -> None:
    sentinels.primary.command("SET", "k", "v")

    async def main() -> None:
        client = AsyncReadOnlyClient(map_of(sentinels), ClientOptions(timeout=10.0))

        async def attempt(write: Callable[[Any], Any]) -> None:
            found = write(client.redis)
            while inspect.isawaitable(found):
                found = await found

        for write in WRITES.values():
            with pytest.raises(CacheIsReadOnly):
                await attempt(write)
        async with client.redis.client() as kept:
            with pytest.raises(CacheIsReadOnly):
                await kept.set("w", "x")
        pool = client.primary_pool()
        connection = await pool.acquire(asyncio.get_running_loop().time() + 1e6)
        with pytest.raises(CacheIsReadOnly):
            await connection.call(pack(("SET", "w", "x")), 1e12)
        with pytest.raises(CacheIsReadOnly):
            await connection.exchange(pack_many((("GET", "k"), ("DEL", "k"))), 2, 1e12)
        assert await connection.call(pack(("GET", "k")), 1e12) == b"v"
        pool.release(connection)
        await client.redis.connection_pool.aclose()
        await client.aclose()

    run(main(), timeout=90.0)
    assert sentinels.primary.command("KEYS", "*") == [b"k"]
    assert sentinels.primary.command("GET", "k") == b"v"


def test_no_connection_of_its_pool_writes(client: ReadOnlyClient, sentinels: Sentinels) -> None:
    with client.redis.client() as kept, pytest.raises(CacheIsReadOnly, match="SET refused"):
        kept.set("w", "x")
    pool = client.primary_pool()
    with pytest.raises(CacheIsReadOnly, match="SET refused"):
        pool.call(pack(("SET", "w", "x")), 1e12)
    with pytest.raises(CacheIsReadOnly, match="DEL refused"):
        pool.exchange(pack_many((("GET", "k"), ("DEL", "k"))), 2, 1e12)
    with pytest.raises(CacheIsReadOnly), pool.connection(1e12) as connection:
        connection.write(b"SET w x\r\n", 1e12)  # as one types it
    large = b"x" * 5_000_000
    with pytest.raises(CacheIsReadOnly):
        pool.call(pack(("SET", "w", large)), 1e12)
    assert pool.call(pack(("STRLEN", large)), 1e12) == 0
    assert sentinels.primary.command("KEYS", "*") == [b"k"]


def test_what_reads_works_on_every_way(client: ReadOnlyClient, sentinels: Sentinels) -> None:
    face: Any = client.redis
    plain: Any = redis.Redis(connection_pool=face.connection_pool)
    assert plain.get("k") == b"v"
    assert plain.pipeline().get("k").strlen("k").execute() == [b"v", 1]
    with face.client() as kept:
        assert kept.get("k") == b"v"
        assert kept.ping()
    assert face.pipeline().get("k").execute() == [b"v"]
    assert face.ping()
    assert face.info("server")
    assert face.eval_ro("return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    with face.pubsub() as channel:
        channel.subscribe("news")
        assert channel.get_message(timeout=10)["type"] == "subscribe"
        sentinels.primary.command("PUBLISH", "news", "hello")
        assert channel.get_message(timeout=10)["data"] == b"hello"
    with pytest.raises(redis.ResponseError, match="unknown command"):
        face.json().get("k")  # let through: the server has no such module
    assert client.execute(on_primary(get(b"k"))) == b"v"


def test_a_command_that_is_not_known_may_be_said_to_read(client: ReadOnlyClient) -> None:
    with pytest.raises(CacheIsReadOnly):
        client.execute(custom("NEW.READ", "k"))
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute(custom("NEW.READ", "k", write=False))
    with pytest.raises(CacheIsReadOnly):
        client.execute(custom("SET", "k", "x", write=False))
    with pytest.raises(CacheIsReadOnly):
        client.execute(custom("EVAL", "return redis.call('DEL', 'k')", 0, write=False))


# The rule itself


def test_what_is_let_through_is_known_and_nothing_that_writes_is() -> None:
    assert {name for name in _HARMLESS if name not in SPECS} == set()
    assert not _OF_MODULES & SPECS.keys()
    guard = ReadGuard("shop")
    for name in """
        SET DEL FLUSHALL FLUSHDB SWAPDB EVAL EVALSHA FCALL PUBLISH SPUBLISH SORT GETEX GETDEL
        SHUTDOWN REPLICAOF SLAVEOF FAILOVER DEBUG MIGRATE RESTORE XREADGROUP BITFIELD SYNC PSYNC
        REPLCONF SAVE BGSAVE BGREWRITEAOF CONFIG|SET CONFIG|REWRITE CONFIG|RESETSTAT CLIENT|KILL
        CLIENT|PAUSE CLIENT|UNBLOCK CLIENT|IMPORT-SOURCE ACL|SETUSER ACL|DELUSER ACL|LOG ACL|SAVE
        ACL|LOAD SCRIPT|LOAD SCRIPT|FLUSH SCRIPT|KILL FUNCTION|LOAD FUNCTION|DELETE MODULE|LOAD
        CLUSTER|RESET CLUSTER|FAILOVER SLOWLOG|RESET LATENCY|RESET MEMORY|PURGE COMMANDLOG|RESET
        SENTINEL|FAILOVER SENTINEL|SET JSON.SET NEWLY CONFIG OBJECT
    """.split():
        with pytest.raises(CacheIsReadOnly, match="shop"):
            guard(name.lower().split("|"))
    for name, spec in SPECS.items():
        if not spec.write:
            guard(name.split())


def test_a_name_is_read_in_any_case_and_of_bytes() -> None:
    assert name_of((b"get", b"k")) == "GET"
    assert name_of(("config", "get", "*")) == "CONFIG GET"
    assert name_of(("config",)) == "CONFIG"
    assert name_of((b"\xff",)) == "\ufffd"


def test_a_guard_is_something_that_can_be_called() -> None:
    wrong: Any = "reads"
    with pytest.raises(ConfigurationError, match="guard is a function or None, not str"):
        PoolOptions(guard=wrong)
