"""What redis-py returns over RESP2, our facade returns: the same calls on both, compared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from cachex_client import AsyncDefaultClient, DefaultClient
from cachex_client.facade import AsyncRedis, Redis
from support.servers import Standalone

# redis-py's deprecated methods have to work as well
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

Call = tuple[Any, ...]  # name of a method, arguments, and maybe a dict of keyword arguments

DATA: list[Call] = [
    ("set", "str", "value"),
    ("set", "bin", b"\x00\xc3\xa4\xff"),
    ("set", "num", "10"),
    ("rpush", "list", "a", "b", "c", "1"),
    ("sadd", "set", "a", "b"),
    ("sadd", "other", "b", "c"),
    ("hset", "hash", {"mapping": {"f": "v", "n": "1"}}),
    ("zadd", "zset", {"a": 1, "b": 2.5, "c": 1e20}),
    ("zadd", "scores", {"a": 3, "z": float("inf")}),
    ("geoadd", "geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")),
    ("xadd", "stream", {"f": "1"}, {"id": "1-1"}),
    ("xadd", "stream", {"f": "2"}, {"id": "2-1"}),
    ("xgroup_create", "stream", "group", "0"),
    ("pfadd", "log", "a", "b"),
]

KEYS_AND_STRINGS: list[Call] = [
    ("get", "str"),
    ("get", "missing"),
    ("mget", ["str", "missing", "num"]),
    ("mget", []),
    ("getrange", "str", 0, 2),
    ("set", "str", "x", {"nx": True}),
    ("set", "str", "x", {"get": True}),
    ("set", "new", "x", {"px": 50_000}),
    ("setnx", "new", "y"),
    ("setex", "short", 100, "v"),
    ("append", "str", "tail"),
    ("strlen", "str"),
    ("incr", "num"),
    ("incrbyfloat", "num", 1.5),
    ("decr", "n2", 3),
    ("getdel", "n2"),
    ("getex", "str", {"ex": 100}),
    ("expire", "str", 100),
    ("persist", "str"),
    ("ttl", "str"),
    ("exists", "str", "bin", "missing"),
    ("type", "hash"),
    ("rename", "new", "newer"),
    ("renamenx", "newer", "str"),
    ("copy", "newer", "copied"),
    ("mset", {"m1": "1", "m2": 2}),
    ("msetnx", {"m1": "1", "m9": 2}),
    ("touch", "m1", "m2"),
    ("delete", "m1"),
    ("unlink", "m2"),
    ("setbit", "bits", 7, 1),
    ("bitcount", "bits"),
    ("bitpos", "bits", 1),
    ("object", "encoding", "num"),
    ("dbsize",),
    ("pfcount", "log"),
    ("lcs", "str", "copied"),
    ("lcs", "str", "str", {"idx": True, "withmatchlen": True}),
    ("sort", "list", {"alpha": True, "desc": True}),
    ("sort", "list", {"alpha": True, "get": ["#", "w_*"], "groups": True}),
    ("ping",),
    ("echo", "hello"),
    ("flushdb",),
]

COLLECTIONS: list[Call] = [
    ("lrange", "list", 0, -1),
    ("lpos", "list", "b"),
    ("lpop", "list"),
    ("rpop", "list", 2),
    ("lmove", "list", "l2", "LEFT", "RIGHT"),
    ("lmpop", 1, "l2", {"direction": "LEFT", "count": 2}),
    ("blpop", "missing", {"timeout": 0.05}),
    ("rpush", "list", "x", "y", "z"),
    ("blpop", ["list"], {"timeout": 1}),
    ("brpop", ["list"], {"timeout": 1}),
    ("blmove", "list", "l3", 1),
    ("brpoplpush", "l3", "l4", {"timeout": 1}),
    ("smembers", "set"),
    ("smembers", "missing"),
    ("sinter", "set", "other"),
    ("sunion", "set", "other"),
    ("sdiff", "set", "other"),
    ("sismember", "set", "a"),
    ("smismember", "set", ["a", "zz"]),
    ("spop", "other", 5),
    ("srandmember", "set", 1000),
    ("sscan", "set"),
    ("hgetall", "hash"),
    ("hgetall", "missing"),
    ("hmget", "hash", ["f", "missing"]),
    ("hget", "hash", "f"),
    ("hkeys", "hash"),
    ("hvals", "hash"),
    ("hexists", "hash", "f"),
    ("hincrbyfloat", "hash", "n", 0.5),
    ("hscan", "hash"),
    ("hdel", "hash", "n"),
    ("hrandfield", "missing"),
    ("hrandfield", "hash", 3),
    ("hrandfield", "hash", 3, True),
]

SORTED_SETS: list[Call] = [
    ("zrange", "zset", 0, -1),
    ("zrange", "zset", 0, -1, {"withscores": True}),
    ("zrange", "zset", 0, -1, {"withscores": True, "score_cast_func": str}),
    ("zrange", "zset", 0, -1, {"withscores": True, "desc": True}),
    ("zrange", "missing", 0, -1, {"withscores": True}),
    ("zrevrange", "zset", 0, -1, {"withscores": True}),
    ("zrangebyscore", "zset", 1, 5, {"withscores": True}),
    ("zrangebyscore", "zset", "-inf", "+inf", {"start": 0, "num": 1}),
    ("zrevrangebyscore", "zset", 5, 1, {"withscores": True}),
    ("zscore", "zset", "b"),
    ("zscore", "scores", "z"),
    ("zscore", "zset", "missing"),
    ("zmscore", "zset", ["a", "missing"]),
    ("zrank", "zset", "b"),
    ("zrank", "zset", "b", True),
    ("zrevrank", "zset", "b", True),
    ("zincrby", "zset", 1.5, "a"),
    ("zadd", "zset", {"a": 1}, {"incr": True}),
    ("zadd", "zset", {"a": 1}, {"ch": True}),
    ("zinter", ["zset", "scores"], {"withscores": True}),
    ("zunion", ["zset", "scores"], {"withscores": True}),
    ("zdiff", ["zset", "scores"]),
    ("zdiff", ["zset", "scores"], True),
    ("zrandmember", "missing"),
    ("zrandmember", "scores", 9),
    ("zrandmember", "scores", 9, True),
    ("zscan", "zset"),
    ("zcount", "zset", 0, 5),
    ("zlexcount", "zset", "-", "+"),
    ("zmpop", 1, ["scores"], {"min": True}),
    ("zpopmin", "zset"),
    ("zpopmax", "zset", 2),
    ("zpopmin", "missing"),
    ("bzpopmin", ["scores"], 1),
    ("bzpopmax", ["missing"], 0.05),
    ("zadd", "scores", {"q": 1.25}),
    ("bzmpop", 1, 1, ["scores"], {"max": True}),
    ("geodist", "geo", "Palermo", "Catania"),
    ("geopos", "geo", "Palermo", "missing"),
    ("geohash", "geo", "Palermo"),
    ("geosearch", "geo", {"member": "Palermo", "radius": 300, "unit": "km"}),
    (
        "geosearch",
        "geo",
        {
            "member": "Palermo",
            "radius": 300,
            "unit": "km",
            "withdist": True,
            "withcoord": True,
            "withhash": True,
        },
    ),
]

STREAMS_AND_SCRIPTS: list[Call] = [
    ("xlen", "stream"),
    ("xrange", "stream"),
    ("xrevrange", "stream"),
    ("xread", {"stream": "0"}, {"count": 1}),
    ("xread", {"missing": "$"}, {"block": 20}),
    ("xreadgroup", "group", "me", {"stream": ">"}, {"count": 1}),
    ("xreadgroup", "group", "me", {"stream": ">"}, {"block": 20}),
    ("xpending", "stream", "group"),
    ("xpending_range", "stream", "group", "-", "+", 1),
    ("xack", "stream", "group", "1-1"),
    ("xclaim", "stream", "group", "you", 0, ["2-1"]),
    ("xautoclaim", "stream", "group", "you", 0),
    ("xinfo_stream", "stream"),
    ("xinfo_groups", "stream"),
    ("xtrim", "stream", 1),
    ("eval", "return {KEYS[1], ARGV[1], 1, false}", 1, "k", "v"),
    ("eval", "return redis.call('HGETALL', KEYS[1])", 1, "hash"),
    ("eval", "return redis.status_reply('OK')", 0),
    ("script_load", "return 1"),
    ("script_exists", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "x"),
    ("evalsha", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0),
    ("dump", "str"),
    ("restore", "again", 0, b"bad"),
    ("incr", "str"),
    ("lpush", "str", "a"),
    ("execute_command", "NOSUCH", "a"),
    ("execute_command", "hgetall", "hash"),
    ("execute_command", "CONFIG GET", "maxmemory"),
    ("execute_command", "CONFIG", "GET", "maxmemory"),
    ("execute_command", b"GET", "str"),
]

SERVER: list[Call] = [
    ("config_get", "maxmemory*"),
    ("config_set", "maxmemory", "0"),
    ("client_getname",),
    ("client_trackinginfo",),
    ("command_getkeys", "SET", "k", "v"),
    ("command_count",),
    ("acl_whoami",),
    ("acl_cat", "connection"),
    ("acl_users",),
    ("acl_getuser", "default"),
    ("acl_genpass",),
    ("slowlog_get", 0),
    ("slowlog_reset",),
    ("latency_reset",),
    ("pubsub_channels",),
    ("pubsub_numsub", "a", "b"),
    ("pubsub_numpat",),
    ("publish", "nobody", "hears"),
    ("function_list",),
    ("module_list",),
    ("memory_usage", "str"),
    ("wait", 0, 10),
    ("swapdb", 0, 1),
    ("flushall",),
]

SHAPES: list[Call] = [
    ("info",),
    ("info", "server"),
    ("client_list",),
    ("client_info",),
    ("client_id",),
    ("memory_stats",),
    ("command",),
    ("time",),
    ("lastsave",),
    ("acl_log",),
    ("randomkey",),
    ("keys", "*"),
    ("scan", 0),
    ("role",),
]
"""Here only types can be compared."""

BATTERIES = {
    "keys and strings": KEYS_AND_STRINGS,
    "collections": COLLECTIONS,
    "sorted sets": SORTED_SETS,
    "streams and scripts": STREAMS_AND_SCRIPTS,
    "server": SERVER,
}
BINARY = ("dump",)  # cannot be decoded, or differ from call to call
RANDOM = ("acl_genpass", "hrandfield", "zrandmember", "srandmember", "spop")


def split(call: Call) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name, *arguments = call
    keywords: dict[str, Any] = {}
    takes_dict = name in ("mset", "msetnx", "zadd", "xadd", "xread", "xreadgroup")
    dicts = [one for one in arguments if isinstance(one, dict)]
    if dicts and (not takes_dict or len(dicts) > 1):
        keywords = arguments.pop()
    return name, tuple(arguments), keywords


def comparable(call: Call, value: Any) -> Any:
    """Make errors comparable, and leave the order of what has none out of it."""
    if isinstance(value, Exception):
        return type(value).__name__, str(value)
    if call[0] == "xpending_range":
        return [{**entry, "time_since_delivered": None} for entry in value]
    if call[0] == "acl_genpass":
        return type(value), len(value)
    if call[0] in RANDOM and isinstance(value, list):
        return sorted(value, key=repr) if not any(isinstance(i, float) for i in value) else value
    if call[0] in ("sscan", "acl_cat", "keys", "command_getkeys") and value:
        return repr(sorted(value, key=repr)) if call[0] != "sscan" else sorted(value[1])
    return value


def attempt(client: Any, call: Call) -> Any:
    name, arguments, keywords = split(call)
    try:
        return comparable(call, getattr(client, name)(*arguments, **keywords))
    except redis.RedisError as error:
        return comparable(call, error)


async def async_attempt(client: Any, call: Call) -> Any:
    name, arguments, keywords = split(call)
    try:
        return comparable(call, await getattr(client, name)(*arguments, **keywords))
    except redis.RedisError as error:
        return comparable(call, error)


def pretty(calls: list[Call], results: list[Any]) -> list[str]:
    """Pair calls with results, so that a difference names the call."""
    return [f"{call!r:.80} -> {result!r}" for call, result in zip(calls, results, strict=True)]


def fill(client: Any) -> None:
    client.flushall()
    for call in DATA:
        name, arguments, keywords = split(call)
        getattr(client, name)(*arguments, **keywords)


@pytest.fixture
def plain(standalone: Standalone) -> Iterator[redis.Redis]:
    client = redis.Redis(port=standalone.port, protocol=2, single_connection_client=True)
    yield client
    client.close()
    client.connection_pool.disconnect()


@pytest.fixture
def client(standalone: Standalone) -> Iterator[DefaultClient]:
    client: Any = DefaultClient([standalone.url])
    yield client
    client.close()


@pytest.mark.parametrize("battery", BATTERIES.values(), ids=BATTERIES)
def test_threads_see_what_redis_py_returns(
    plain: redis.Redis, client: Any, battery: list[Call]
) -> None:
    fill(plain)
    expected = [attempt(plain, call) for call in battery]
    fill(plain)
    actual = [attempt(client.redis, call) for call in battery]
    assert pretty(battery, actual) == pretty(battery, expected)


@pytest.mark.parametrize("battery", BATTERIES.values(), ids=BATTERIES)
def test_text_is_decoded_if_that_is_asked_for(
    standalone: Standalone, client: Any, battery: list[Call]
) -> None:
    battery = [call for call in battery if call[0] not in BINARY]
    plain = redis.Redis(port=standalone.port, protocol=2, decode_responses=True)
    fill(plain)
    expected = [attempt(plain, call) for call in battery]
    fill(plain)
    plain.close()
    facade = Redis(client, decode_responses=True)
    actual = [attempt(facade, call) for call in battery]
    assert pretty(battery, actual) == pretty(battery, expected)


@pytest.mark.parametrize("battery", BATTERIES.values(), ids=BATTERIES)
def test_tasks_see_what_redis_py_returns(
    standalone: Standalone, plain: redis.Redis, run: Callable[..., Any], battery: list[Call]
) -> None:
    fill(plain)
    expected = [attempt(plain, call) for call in battery]
    fill(plain)

    async def actual() -> list[Any]:
        client: Any = AsyncDefaultClient([standalone.url])
        results = [await async_attempt(client.redis, call) for call in battery]
        await client.aclose()
        return results

    assert pretty(battery, run(actual())) == pretty(battery, expected)


@pytest.mark.parametrize("transaction", [True, False], ids=["transaction", "plain"])
@pytest.mark.parametrize("battery", BATTERIES.values(), ids=BATTERIES)
def test_a_pipeline_returns_what_redis_pys_does(
    plain: redis.Redis, client: Any, battery: list[Call], transaction: bool
) -> None:
    queued = [
        call
        for call in battery
        if "NOSUCH" not in call and call[0] not in ("wait", "flushall", *RANDOM, *BINARY)
    ]
    if not ranks_have_scores(plain):  # a transaction with a command it does not know is refused
        queued = [call for call in queued if not (call[0] in RANKS and call[-1] is True)]

    def outcome(pipe: Any) -> list[str]:
        fill(plain)
        for call in queued:
            name, arguments, keywords = split(call)
            getattr(pipe, name)(*arguments, **keywords)
        results = pipe.execute(raise_on_error=False)
        return pretty(queued, [comparable(*pair) for pair in zip(queued, results, strict=True)])

    expected = outcome(plain.pipeline(transaction=transaction))
    assert outcome(client.redis.pipeline(transaction=transaction)) == expected


RANKS = ("zrank", "zrevrank")


def ranks_have_scores(plain: redis.Redis) -> bool:
    """Say whether ZRANK takes WITHSCORE, as it does since Redis 7.2."""
    try:
        plain.zrank("missing", "b", True)
    except redis.ResponseError:
        return False
    return True


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()} if len(value) < 50 else dict
    if isinstance(value, list | tuple):
        return type(value), [shape(item) for item in value[:3]]
    return type(value)


def test_what_changes_from_call_to_call_keeps_its_shape(plain: redis.Redis, client: Any) -> None:
    fill(plain)
    for name, *arguments in SHAPES:
        expected = shape(getattr(plain, name)(*arguments))
        assert shape(getattr(client.redis, name)(*arguments)) == expected, name


def test_every_method_of_redis_py_is_there() -> None:
    for ours, theirs in ((Redis, redis.Redis), (AsyncRedis, redis.asyncio.Redis)):
        missing = {name for name, _ in inspect.getmembers(theirs)} - set(dir(ours))
        assert not missing
        assert issubclass(ours, theirs)


def test_nothing_of_redis_pys_is_hidden_by_accident() -> None:
    meant = {"execute_command", "client", "lock", "monitor", "pipeline", "pubsub"}
    meant |= {"register_script", "scan_iter", "hscan_iter", "sscan_iter", "zscan_iter"}
    for ours, theirs in ((Redis, redis.Redis), (AsyncRedis, redis.asyncio.Redis)):
        hidden = {name for name in vars(ours) if name[0] != "_" and hasattr(theirs, name)}
        assert hidden == meant
        instance = redis.Redis() if theirs is redis.Redis else redis.asyncio.Redis()
        assert not {name for name in vars(ours) if name in vars(instance)}


@pytest.mark.parametrize("battery", BATTERIES.values(), ids=BATTERIES)
def test_a_server_that_knows_only_resp2_makes_no_difference(
    standalone: Standalone, plain: redis.Redis, battery: list[Call]
) -> None:
    fill(plain)
    expected = [attempt(plain, call) for call in battery]
    fill(plain)
    client: Any = DefaultClient([standalone.url + "?protocol=2"])
    actual = [attempt(client.redis, call) for call in battery]
    client.close()
    assert pretty(battery, actual) == pretty(battery, expected)
