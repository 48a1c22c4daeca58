"""What is known about commands, and whether servers agree."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cachex_client import commands
from cachex_client._core.specs import REFINEMENTS, SPECS, spec_for, spec_of
from cachex_client.command import Command, Spec, on_primary
from support.servers import Standalone


def listed(entry: list[Any]) -> list[tuple[str, set[str], int]]:
    """Return name, flags and first key of a command and its subcommands, as a server lists them."""
    name = entry[0].decode().replace("|", " ").upper()
    subcommands = [one for sub in entry[9] for one in listed(sub)] if len(entry) > 9 else []
    flags = {flag.decode() if isinstance(flag, bytes) else str(flag) for flag in entry[2]}
    return subcommands or [(name, flags, entry[3])]


def newer_than_the_table(server: Standalone) -> bool:
    found = dict(re.findall(r"(\w+)_version:(\d+\.\d+)", server.command("INFO", "server").decode()))
    name = "valkey" if "valkey" in found else "redis"
    major, minor = map(int, found[name].split("."))
    return (major, minor) > {"valkey": (9, 1), "redis": (7, 2)}[name]


def test_the_table_agrees_with_the_server(standalone: Standalone) -> None:
    wrong: list[Any] = []
    newer = newer_than_the_table(standalone)
    for name, flags, first_key in (
        one for entry in standalone.command("COMMAND") for one in listed(entry)
    ):
        spec = SPECS.get(name)
        if spec is None:
            wrong += [] if newer else [(name, "unknown")]
            continue
        # The server calls keys movable that stand behind a number or a word; there we know more.
        key = spec.key if "movablekeys" in flags and not first_key else first_key
        # WAIT has the flag only since Redis 7.2.
        blocking = "blocking" in flags or name in ("WAIT", "WAITAOF")
        expected = Spec(name, "readonly" not in flags, spec.idempotent, blocking, key)
        if spec != expected:
            wrong.append((name, spec, expected))
    assert not wrong


def test_reads_may_be_repeated_and_writes_only_by_choice() -> None:
    assert all(spec.idempotent for spec in SPECS.values() if not spec.write)
    for name in """
        INCR INCRBY INCRBYFLOAT DECR DECRBY APPEND LPUSH RPUSH LPOP RPOP LMOVE LTRIM SPOP XADD
        GETSET GETDEL SETNX MSETNX RENAME RENAMENX COPY MOVE EVAL EVALSHA FCALL HINCRBY HSETNX
        ZINCRBY ZPOPMIN ZREMRANGEBYRANK PUBLISH BLPOP DELIFEQ XREADGROUP BITFIELD SMOVE
    """.split():
        assert not SPECS[name].idempotent, name
    for name in """
        SET SETEX MSET DEL UNLINK EXPIRE PEXPIRE PEXPIREAT PERSIST HSET HDEL SADD SREM ZADD ZREM
    """.split():
        assert SPECS[name].idempotent, name


def test_scripts_that_only_read_are_reads() -> None:
    for name in ("EVAL_RO", "EVALSHA_RO", "FCALL_RO"):
        assert not SPECS[name].write
        assert SPECS[name].key == 3


@pytest.mark.parametrize("name", ["get", "GET", "Config Get", "CONFIG GET"])
def test_names_are_found_in_any_case(name: str) -> None:
    assert spec_of(name) is SPECS[name.upper()]


def test_what_is_unknown_is_a_write_that_must_not_be_repeated() -> None:
    assert spec_of("json.set") == Spec("JSON.SET", True, False, False, 1)
    assert spec_for(("JSON.SET", "key", "$", "1")).key == 1
    assert spec_for(("CONFIG", "NEWS")) == Spec("CONFIG NEWS", True, False, False, 0)


@pytest.mark.parametrize(
    ("words", "idempotent"),
    [
        ("SET k v", True),
        ("set k v nx", False),
        ("SET k v PX 10 XX", True),
        ("SET k v KEEPTTL", True),
        ("SET k v GET", False),
        ("SET k v IFEQ old", False),
        ("SET k NX", True),
        ("ZADD k 1 NX", True),
        ("ZADD k NX 1 m", False),
        ("ZADD k GT CH 1 m", True),
        ("ZADD k XX INCR 1 m", False),
        ("GEOADD k NX 1 2 m", False),
        ("EXPIRE k 10", True),
        ("PEXPIRE k 10 NX", False),
        ("PEXPIRE k 10 GT", True),
        ("HPEXPIRE k 10 NX FIELDS 1 f", False),
        ("HPEXPIRE k 10 FIELDS 1 NX", True),
        ("HSETEX k FNX FIELDS 1 f v", False),
        ("HSETEX k EX 10 FIELDS 1 FNX v", True),
    ],
)
def test_options_decide_whether_a_command_may_be_repeated(words: str, idempotent: bool) -> None:
    assert spec_for(tuple(words.split())).idempotent is idempotent
    assert spec_for(tuple(words.encode().split())).idempotent is idempotent


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("GET k", b"k"),
        ("PING", None),
        ("OBJECT ENCODING k", b"k"),
        ("BITOP AND k a", b"k"),
        ("EVAL return 1 k", b"k"),
        ("EVAL return 0 argument", None),
        ("EVALSHA_RO digest 0", None),
        ("FCALL f 2 k l", b"k"),
        ("ZUNION 2 k l", b"k"),
        ("BLMPOP 0 1 k LEFT", b"k"),
        ("XREAD COUNT 1 STREAMS k l 0 0", b"k"),
        ("XREADGROUP GROUP STREAMS me STREAMS k >", b"k"),
        ("XREAD STREAMS", None),
        ("GET", None),
    ],
)
def test_the_first_key_is_found(words: str, key: bytes | None) -> None:
    arguments = tuple(words.split())
    assert Command(arguments, spec_for(arguments)).key == key


def test_keys_count_as_bytes() -> None:
    spec = spec_of("GET")
    for key, expected in (("ä", "ä".encode()), (b"\xff", b"\xff"), (7, b"7"), ("\udcff", b"\xff")):
        assert Command(("GET", key), spec).key == expected


@pytest.mark.parametrize(
    ("words", "blocking"),
    [
        ("XREAD STREAMS k 0", False),
        ("XREAD BLOCK 0 STREAMS k 0", True),
        ("XREADGROUP GROUP g c STREAMS k >", False),
        ("XREADGROUP GROUP g c BLOCK 5 STREAMS k >", True),
        ("BLPOP k 0", True),
        ("LPOP k", False),
    ],
)
def test_what_may_block_is_known(words: str, blocking: bool) -> None:
    assert spec_for(tuple(words.split())).blocking is blocking


def test_what_is_refined_exists() -> None:
    assert set(REFINEMENTS) <= set(SPECS)


def test_a_custom_command_is_looked_up_and_overruled() -> None:
    assert commands.custom("OBJECT ENCODING", "k").arguments == ("OBJECT", "ENCODING", "k")
    assert commands.custom("OBJECT ENCODING", "k").key == b"k"
    assert commands.custom("JSON.GET", "k", write=False).spec.write is False
    assert commands.custom("EVAL", "...", 1, "k", idempotent=True).spec.idempotent is True


def test_a_read_can_be_sent_to_the_primary() -> None:
    command = on_primary(commands.get(b"k"))
    assert command.spec.write
    assert command.spec.idempotent
    assert command.arguments == commands.get(b"k").arguments
