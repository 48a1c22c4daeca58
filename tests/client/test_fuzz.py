"""Whatever a setting, a value, a map, a Sentinel or a redirect says: an answer or an error of ours.

In every run these try a few examples; `dev.py soak --full` tries others for hours.
"""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import Codec, ConfigurationError, Keys, SerializerError, escape_pattern
from cachex_client._core.addresses import Address, AddressRules, AllowedHosts
from cachex_client._core.keyslot import SLOTS
from cachex_client._core.redirects import is_redirect, read_redirect
from cachex_client._core.sentinel import decision, majority, opinion, read_role
from cachex_client._core.topology import from_slots_reply
from cachex_client.config import read_config
from cachex_client.config.options import BY_NAME
from cachex_client.errors import BadAddress, BadRedirect
from cachex_pool.errors import reply_error
from support.examples import tries
from support.shown import shown_by

pytestmark = pytest.mark.fuzz
some = tries(40, full=200_000)

ASKED = Address("asked.test", 7000)
RULES = AddressRules(None, AllowedHosts([".test", "10.0.0.0/8"]))
SECRET = "CANARY-of-a-secret"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.binary(max_size=20)
    | st.text(max_size=20)
)
replies = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner),
    max_leaves=12,
)
hosts = (
    st.sampled_from([b"10.0.0.1", b"a.test", b"", b"?", None, b"evil.example", b"::1"]) | replies
)
ports = st.integers(-1, 65536) | replies
members = st.tuples(hosts, ports, st.binary(max_size=4)).map(list) | replies
rows = st.builds(
    lambda first, last, nodes: [first, last, *nodes],
    st.integers(-1, SLOTS),
    st.integers(-1, SLOTS),
    st.lists(members, max_size=3),
)


@some
@given(st.lists(rows | replies, max_size=4) | replies)
def test_a_map_is_read_or_refused(reply: Any) -> None:
    try:
        found = from_slots_reply(reply, ASKED, rules=RULES)
    except (ValueError, BadAddress):
        return
    assert len(found.owners) == SLOTS
    assert all(-1 <= at < len(found.shards) for at in set(found.owners))
    for node in found.nodes():
        assert node.host == ASKED.host or node.host in RULES.allowed  # type: ignore[operator]
        assert 0 <= node.port <= 65535


facts = st.dictionaries(
    st.sampled_from(["ip", "port", "flags", "config-epoch", "failover-state", "role-reported"]),
    st.sampled_from(["10.0.0.1", "a.test", "7", "master", "slave,promoted", "update_config", "x"])
    | st.text(max_size=8),
)


@some
@given(st.lists(st.tuples(facts | replies, st.lists(facts, max_size=3) | replies), max_size=5))
def test_what_sentinels_say_is_read_or_refused(said: list[tuple[Any, Any]]) -> None:
    opinions = []
    for primary, others in said:
        try:
            opinions.append(opinion(primary, others, ASKED, RULES))
        except (ValueError, BadAddress):
            continue
    told = majority(opinions, len(said) - len(opinions))
    found = decision(told, None, {}, len(said) or 1)
    assert found is None or found.primary in {one.primary for one in opinions}


@some
@given(replies)
def test_a_role_is_read_or_refused(reply: Any) -> None:
    try:
        role = read_role(reply, ASKED, RULES)
    except ValueError:
        return
    assert role.offset is None or isinstance(role.offset, int)


@some
@given(
    st.sampled_from(["MOVED", "ASK"]),
    st.integers(-1, SLOTS).map(str) | st.text(max_size=8),
    st.text(max_size=30) | st.sampled_from(["10.0.0.1:7", "a.test:70000", ":7", "::1:7", "b:7"]),
    st.none() | st.binary(max_size=5),
)
def test_a_redirect_is_followed_or_refused(
    kind: str, slot: str, node: str, key: bytes | None
) -> None:
    error = reply_error(f"{kind} {slot} {node}")
    assert str(error).isprintable()
    if not is_redirect(error):
        return
    try:
        found = read_redirect(error, key, ASKED, RULES)
    except (BadAddress, BadRedirect):
        return
    assert found.node.host == ASKED.host or found.node.host in RULES.allowed  # type: ignore[operator]
    assert found.slot is None or 0 <= found.slot < SLOTS


CODECS = [
    Codec("pickle"),
    Codec(
        ["json", "pickle"], ["zlib", "gzip", "bz2", "lzma", "lz4", "zstd"], max_decompressed=9999
    ),
    Codec(["msgpack", "orjson"], ["zstd", "lz4"], max_decompressed=9999),
    Codec(["pickle", "json"], "zlib", signing_key="a key of some letters"),
]
starts = st.sampled_from(
    [b"", b"\x80\x05", b"\xc1\x01", b"\x78\x9c", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00", b"{", b"-1"]
)


@some
@given(st.sampled_from(CODECS), starts, st.binary(max_size=60))
def test_stored_bytes_are_a_value_or_an_error_of_ours(
    codec: Codec, start: bytes, rest: bytes
) -> None:
    try:
        value = codec.loads(start + rest, b"key")
    except SerializerError:
        return
    if codec.signs:
        assert type(value) is int


@some
@given(st.text(max_size=12), st.text(max_size=12), st.integers() | st.text(max_size=5))
def test_a_key_comes_back_and_a_pattern_of_it_finds_it_alone(
    prefix: str, key: str, version: Any
) -> None:
    keys = Keys(prefix, version)
    wire = keys.wire(key)
    search = keys.search(escape_pattern(key), None)
    assert search.own([wire]) == [wire]
    assert keys.callers([wire], None) == [key]
    other = keys.wire(key + "x")
    pattern = search.pattern.decode("utf-8", "surrogateescape")
    if not set(pattern) & set("[]\\*?!\n"):
        assert fnmatch.fnmatchcase(wire.decode("utf-8", "surrogateescape"), pattern)
    assert other != wire


names = st.sampled_from(sorted(BY_NAME)) | st.text(max_size=10)
values = (
    scalars
    | st.sampled_from([SECRET, "json", "zlib", "none", 10**400, "10.0.0.0/8", ["a"], {"a": 1}])
    | st.lists(st.text(max_size=5), max_size=2)
)
locations = st.sampled_from(
    [
        f"redis://u:{SECRET}@h/1",
        f"rediss://u:{SECRET}@h/1",
        f"redis://h/1?password={SECRET}",
        [f"redis://u:{SECRET}@h/1", "redis://g/1"],
        "redis://service/0",
        "unix:///tmp/a.sock",
    ]
) | st.text(max_size=20).map(lambda text: f"redis://{text}")


@some
@given(locations, st.dictionaries(names, values, max_size=4))
def test_settings_are_read_or_refused_and_show_no_secret(
    location: Any, options: dict[str, Any]
) -> None:
    try:
        shown = repr(read_config({"LOCATION": location, "OPTIONS": options}))
    except ConfigurationError as error:
        shown = shown_by(error)
    assert SECRET not in shown
