"""What builders make is what they say, on the wire and on a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import DefaultClient, commands
from cachex_client.command import Command
from cachex_client.commands.scripts import Script
from cachex_pool import pack
from support.servers import Standalone

ends = st.none() | st.integers(1, 10**12)


def packed_right(command: Command[Any]) -> bool:
    return command.packed is None or command.packed == pack(command.arguments)


@given(st.binary(), st.binary(), ends)
def test_packed_bytes_are_the_arguments(key: bytes, value: bytes, px: int | None) -> None:
    assert commands.get(key).packed is not None
    assert packed_right(commands.get(key))
    assert packed_right(commands.set(key, value, px=px))
    for options in ("nx", "xx", "get", "keepttl"):
        assert packed_right(commands.set(key, value, px=px, **{options: True}))


@given(st.dictionaries(st.binary(), st.binary()), ends)
def test_sets_of_many_are_the_sets_of_each(values: dict[bytes, bytes], px: int | None) -> None:
    many = commands.set_each(list(values), list(values.values()), px)
    wanted = [commands.set(key, value, px=px) for key, value in values.items()]
    assert list(many) == wanted
    assert [many[at] for at in range(len(many))] == list(many[:]) == wanted
    assert list(many[1:3]) == wanted[1:3]
    assert all(map(packed_right, many))


@pytest.mark.parametrize("size", [1023, 1024, 100_000])
def test_sets_of_many_may_be_of_any_size(size: int) -> None:
    keys, values = [b"a", b"k" * size], [b"v" * size, b"b"]
    many = commands.set_each(keys, values, 1)
    assert list(many) == [commands.set(keys[at], values[at], px=1) for at in (0, 1)]
    assert all(map(packed_right, many))


def test_only_a_plain_set_may_be_repeated() -> None:
    assert commands.set(b"k", b"v", px=5).spec.idempotent
    assert commands.set(b"k", b"v", xx=True).spec.idempotent
    assert commands.set(b"k", b"v", keepttl=True).spec.idempotent
    assert not commands.set(b"k", b"v", nx=True).spec.idempotent
    assert not commands.set(b"k", b"v", get=True).spec.idempotent


def test_a_script_knows_its_digest() -> None:
    assert Script(b"return 1").digest == b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db"


def test_every_builder_speaks_to_a_server(standalone: Standalone) -> None:
    client = DefaultClient([standalone.url])
    run = client.execute
    script = Script(b"return {KEYS[1], ARGV[1]}")
    try:
        assert run(commands.ping())
        assert run(commands.set(b"k", b"v", px=60_000))
        assert run(commands.set(b"k", b"w", nx=True)) is False
        assert run(commands.set(b"k", b"w", xx=True, keepttl=True)) is True
        assert run(commands.set(b"k", b"x", get=True)) == b"w"
        assert run(commands.pttl(b"k")) == -1
        assert run(commands.get(b"k")) == b"x"
        assert run(commands.get(b"none")) is None
        assert run(commands.mget([b"k", b"none"])) == [b"x", None]
        assert run(commands.strlen(b"k")) == 1
        assert run(commands.getex(b"k", px=60_000)) == b"x"
        assert 0 < run(commands.pttl(b"k")) <= 60_000
        assert 0 < run(commands.ttl(b"k")) <= 60
        assert run(commands.getex(b"k")) == b"x"
        assert run(commands.getex(b"k", persist=True)) == b"x"
        assert run(commands.ttl(b"k")) == -1
        assert run(commands.expire(b"k", 60)) is True
        assert run(commands.expireat(b"k", 2**32)) is True
        assert run(commands.pexpire(b"k", 60_000)) is True
        assert run(commands.pexpireat(b"k", 2**42)) is True
        assert run(commands.persist(b"k")) is True
        assert run(commands.persist(b"k")) is False
        assert run(commands.exists(b"k", b"k", b"none")) == 2
        assert run(commands.type(b"k")) == b"string"
        assert run(commands.rename(b"k", b"l")) is True
        assert run(commands.incrby(b"n", 5)) == 5
        assert run(commands.decrby(b"n", 2)) == 3
        for count in (commands.incrby, commands.decrby):
            with pytest.raises(TypeError):
                count(b"n", 1.5)  # type: ignore[arg-type]
        assert run(commands.scan(match=b"n*", count=100)) == (b"0", [b"n"])
        assert run(commands.getdel(b"l")) == b"x"
        assert run(commands.delete(b"l", b"n")) == 1
        assert run(commands.unlink(b"l", b"n")) == 0
        assert run(commands.dbsize()) == 0
        assert run(commands.script_exists(script.digest)) == [False]
        assert run(commands.script_load(script.text)) == script.digest
        assert run(commands.script_exists(script.digest)) == [True]
        assert run(commands.evalsha(script.digest, [b"k"], [b"a"])) == [b"k", b"a"]
        assert run(commands.script_flush()) is True
        assert run(commands.eval_(script.text, [b"k"], [b"a"])) == [b"k", b"a"]
        assert run(commands.eval_(b"return 1")) == 1
        assert "redis_version" in run(commands.info("server"))
        assert run(commands.config_get("maxmemory")) == {"maxmemory": "0"}
        assert run(commands.role())[0] == b"master"
        assert run(commands.flushdb()) is True
        assert run(commands.flushdb(wait=True)) is True
        assert run(commands.custom("object encoding", b"none")) is None
    finally:
        client.close()
