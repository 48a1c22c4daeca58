"""Whatever a setting, a value, a map, a Sentinel or a redirect says: an answer or an error of ours.

Random input seldom gets past the first check of a reader. So every reader is also given what is
valid, which it has to read as it is, and the same with one fault, which it has to refuse.
In every run these try a few examples; `dev.py soak --full` tries others for hours.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import (
    ClusterMap,
    Codec,
    ConfigurationError,
    Keys,
    SerializerError,
    escape_pattern,
)
from cachex_client._core.addresses import Address, AddressRules, AllowedHosts
from cachex_client._core.keyslot import SLOTS, slot_of
from cachex_client._core.redirects import STRANGERS, is_redirect, read_redirect
from cachex_client._core.sentinel import decision, majority, opinion, read_role
from cachex_client._core.topology import from_slots_reply
from cachex_client.config import read_config
from cachex_client.config.options import BY_NAME
from cachex_client.errors import BadAddress, BadRedirect, ValueTooLarge
from cachex_client.signing import Signer
from cachex_pool.errors import reply_error
from support.examples import tries
from support.patterns import matches
from support.servers import Standalone
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


# -- addresses: what RULES allow, and what they do not

good_names = st.sampled_from(["a.test", "B.Test.", "x-1.y_2.test", "test"])
good_ips = st.integers(0, 2**24 - 1).map(
    lambda n: f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
) | st.sampled_from(["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"])
good_hosts = good_names | good_ips
good_ports = st.sampled_from([1, 6379, 65535]) | st.integers(1, 65535)
HOSTILE = (
    "evil.example",
    "atest",
    "test.evil.example",
    "10.0.0.1.evil.example",
    "9.255.255.255",
    "11.0.0.0",
    "127.0.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:11.0.0.1",
    "a.test/x",
    "u@a.test",
    "a.test:1",
    "a test",
    "a..test",
    ".test",
    "a.test\0",
    "a.test\n",
    "\u0430.test",
    b"\xff.test",
    1,
    ["a.test"],
)
"""Hosts that no reply may lead to: not allowed, or none at all."""
WRONG_PORTS = (
    65536,
    -1,
    2**16 + 1,
    2**31,
    2**70,
    "65536",
    b"-1",
    b"1.0",
    b" 1",
    "",
    None,
    1.0,
    [1],
)
hostile_hosts = st.sampled_from(HOSTILE) | st.text("abc.", min_size=1, max_size=9).map(
    lambda name: f"{name}.example"
)
wrong_ports = st.sampled_from(WRONG_PORTS) | st.integers(65536, 2**70) | st.integers(-(2**70), -1)


def said(text: str, *, in_bytes: bool) -> Any:
    return text.encode() if in_bytes else text


@some
@given(good_hosts, good_ports, hostile_hosts, wrong_ports, st.booleans())
def test_an_address_is_read_if_it_is_allowed_and_refused_if_not(
    host: str, port: int, hostile: Any, wrong: Any, in_bytes: bool
) -> None:
    host_said = said(host, in_bytes=in_bytes)
    assert RULES.read(host_said, port, ASKED) == Address(host, port)
    assert RULES.read(host_said, str(port).encode(), ASKED) == Address(host, port)
    for bad_host, bad_port in (
        (hostile, port),
        (host_said, wrong),
        *((one, port) for one in HOSTILE),
        *((host_said, one) for one in WRONG_PORTS),
    ):
        with pytest.raises(BadAddress):
            RULES.read(bad_host, bad_port, ASKED)


# -- maps of a cluster


@st.composite
def maps(draw: Any) -> list[list[Any]]:
    """Draw a whole reply to CLUSTER SLOTS: every slot has a primary, some have replicas."""
    cuts = sorted(draw(st.sets(st.integers(1, SLOTS - 1), max_size=4)))
    rows = []
    for start, end in zip([0, *cuts], [*cuts, SLOTS], strict=True):
        nodes = draw(st.lists(st.tuples(good_hosts, good_ports), min_size=1, max_size=3))
        told = [
            [host.encode(), port, b"id-%d-%d" % (start, at)]
            for at, (host, port) in enumerate(nodes)
        ]
        rows.append([start, end - 1, *told])
    return rows


def changed(rows: list[list[Any]], row: int, change: Callable[[list[Any]], Any]) -> Any:
    """Return a copy of a map of which one row is as `change` makes it."""
    one = [list(part) if isinstance(part, list) else part for part in rows[row]]
    change(one)
    return [*rows[:row], one, *rows[row + 1 :]]


FAULTS_OF_SLOTS: tuple[Callable[[list[Any]], Any], ...] = (
    lambda row: row.__setitem__(0, -1),
    lambda row: row.__setitem__(1, SLOTS),
    lambda row: row.__setitem__(1, row[0] - 1),
    lambda row: row.__setitem__(0, b"x"),
    lambda row: row.__setitem__(1, None),
    lambda row: row.__delitem__(slice(2, None)),
    lambda row: row.__setitem__(2, None),
    lambda row: row.__setitem__(2, [b"a.test"]),
)


@some
@given(maps(), hostile_hosts, wrong_ports, st.data())
def test_a_map_with_one_fault_is_refused_as_a_whole(
    rows: list[list[Any]], hostile: Any, wrong: Any, data: Any
) -> None:
    found = from_slots_reply(rows, ASKED, rules=RULES)
    for first, last, primary, *replicas in rows:
        shard = found.shard_of(first)
        assert shard is not None
        assert shard is found.shard_of(last)
        assert shard.primary == Address(primary[0].decode(), primary[1])
        assert {Address(host.decode(), port) for host, port, _ in replicas} <= {*shard.replicas}
    assert found.uncovered == 0
    row = data.draw(st.integers(0, len(rows) - 1))
    member = data.draw(st.integers(2, len(rows[row]) - 1))
    bad = [changed(rows, row, change) for change in FAULTS_OF_SLOTS]
    bad += [
        changed(rows, row, lambda one, host=host: one[member].__setitem__(0, host))
        for host in (hostile, *HOSTILE)
    ]
    bad += [
        changed(rows, row, lambda one, port=port: one[member].__setitem__(1, port))
        for port in (wrong, *WRONG_PORTS)
    ]
    bad.append([*rows, rows[row]])  # more slots than there are
    for reply in bad:
        with pytest.raises((ValueError, BadAddress)):
            from_slots_reply(reply, ASKED, rules=RULES)


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


def told(facts: dict[str, str], form: str) -> Any:
    """Return what a Sentinel says of one server, as RESP2 or RESP3 has it."""
    pairs: Any = facts.items()
    if form == "bytes":
        pairs = [(name.encode(), value.encode()) for name, value in pairs]
    if form == "map":
        return dict(pairs)
    return [word for pair in pairs for word in pair]


@some
@given(
    st.lists(st.tuples(good_hosts, good_ports), min_size=1, max_size=4, unique=True),
    st.integers(0, 2**40),
    st.sampled_from(["map", "list", "bytes"]),
    st.sampled_from([one for one in HOSTILE if isinstance(one, str)]),
    st.data(),
)
def test_a_sentinel_that_names_one_hostile_address_is_not_believed(
    places: list[tuple[str, int]], epoch: int, form: str, hostile: str, data: Any
) -> None:
    servers = [{"ip": host, "port": str(port), "flags": "slave"} for host, port in places]
    servers[0] |= {"flags": "master", "config-epoch": str(epoch)}

    def read(which: int = 0, **changed: str) -> Any:
        given = [one | changed if at == which else one for at, one in enumerate(servers)]
        primary, *others = [told(one, form) for one in given]
        return opinion(primary, others, ASKED, RULES)

    found = read()
    assert found.primary == Address(*places[0])
    assert found.epoch == epoch
    assert {*found.replicas} == {Address(*one) for one in places[1:]}
    assert found.unwell == ()
    which = data.draw(st.integers(0, len(servers) - 1))
    for host in (hostile, "evil.example", "11.0.0.1"):
        with pytest.raises((ValueError, BadAddress)):
            read(which, ip=host)
    for port in ("65536", "-1", "", "x", str(2**40)):
        with pytest.raises((ValueError, BadAddress)):
            read(which, port=port)
    with pytest.raises(ValueError, match="whole number"):
        read(**{"config-epoch": "x"})


@some
@given(
    st.lists(st.tuples(good_hosts, good_ports), max_size=3),
    st.lists(st.tuples(hostile_hosts, good_ports) | st.tuples(good_hosts, wrong_ports), max_size=3),
    st.integers(0, 2**60),
    st.randoms(use_true_random=False),
)
def test_of_the_replicas_in_a_role_only_the_allowed_ones_count(
    good: list[tuple[str, int]], bad: list[tuple[Any, Any]], offset: int, dice: Any
) -> None:
    listed = [*good, *bad, ("evil.example", 7), ("a.test", 65536)]
    dice.shuffle(listed)
    role = read_role([b"master", offset, [[*one, b"7"] for one in listed]], ASKED, RULES)
    assert role.offset == offset
    assert sorted(role.replicas) == sorted(Address(*one) for one in good)
    for wrong in (b"x", None, 1.5, [offset]):
        with pytest.raises(ValueError, match="does not tell its role"):
            read_role([b"master", wrong, []], ASKED, RULES)
    assert not read_role([b"slave", b"a.test", 7, b"connected", offset], ASKED, RULES).leads


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


@some
@given(
    st.sampled_from(["MOVED", "ASK"]),
    st.binary(max_size=12),
    good_hosts,
    good_ports,
    st.sampled_from([one for one in HOSTILE if isinstance(one, str)]),
    st.integers(-(2**40), 2**40),
)
def test_a_redirect_with_one_fault_is_not_followed(
    kind: str, key: bytes, host: str, port: int, hostile: str, other: int
) -> None:
    slot = slot_of(key)

    def follow(slot: int, host: str, port: int, key: bytes | None = key) -> Any:
        return read_redirect(reply_error(f"{kind} {slot} {host}:{port}"), key, ASKED, RULES)

    found = follow(slot, host, port)
    assert found.node == Address(host, port)
    assert found.slot == (slot if kind == "MOVED" else None)
    assert follow(slot, host, port, None).slot is None
    slots = {other, -1, SLOTS, (slot + 1) % SLOTS, (slot - 1) % SLOTS} - {slot}
    wrong = [(one, host, port) for one in slots]
    wrong += [(slot, host, one) for one in (65536, -1, 2**31)]
    wrong += [(slot, one, port) for one in (hostile, "evil.example", "11.0.0.1")]
    for one in wrong:
        with pytest.raises((BadAddress, BadRedirect)):
            follow(*one)
    for one in (-1, SLOTS):
        with pytest.raises(BadRedirect):
            follow(one, host, port, None)


@some
@given(st.integers(1, 60_000), st.integers(1, 5), st.binary(max_size=8))
def test_redirects_lead_to_so_many_strangers_and_no_further(
    start: int, more: int, key: bytes
) -> None:
    map = ClusterMap(["redis://asked.test:7000"], allowed_hosts=["10.0.0.0/8"])
    node = [b"asked.test", 7000, b"id"]
    map.topology = from_slots_reply([[0, SLOTS - 1, node]], ASKED, rules=RULES)
    ports = range(start, start + STRANGERS + more)
    followed = []
    for port in ports:
        try:
            found = map.redirect(reply_error(f"MOVED {slot_of(key)} 10.0.0.1:{port}"), key, ASKED)
        except BadRedirect:
            continue
        map.moved(slot_of(key), found.node)
        followed.append(port)
    assert followed == list(ports)[:STRANGERS]
    known = reply_error(f"MOVED {slot_of(key)} 10.0.0.1:{start}")
    assert map.redirect(known, key, ASKED).node.port == start


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
        assert value == int(start + rest)


some_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
"""Values that all serializers can keep, and that are no whole numbers."""
spots = st.binary(max_size=6)
KEY, OTHER_KEY, OLD_KEY = "a key of some letters", "another key of letters", "the key of last year"


@some
@given(some_values, some_values, spots, spots, spots, st.data())
def test_a_signed_value_is_read_where_it_was_signed_for_and_nowhere_else(
    value: Any, second: Any, place: bytes, part: bytes, elsewhere: bytes, data: Any
) -> None:
    codec = Codec(["json", "pickle"], "zlib", signing_key=KEY, signing_fallbacks=[OLD_KEY])
    stored = codec.dumps(value, place, part)
    assert codec.loads(stored, place, part) == value
    old = Codec("json", signing_key=OLD_KEY).dumps(value, place, part)
    assert codec.loads(old, place, part) == value
    moved = codec.moved(stored, place, elsewhere, part)
    assert codec.loads(moved, elsewhere, part) == value

    def refused(stored: bytes, place: bytes = place, part: bytes = part) -> None:
        with pytest.raises(SerializerError):
            codec.loads(stored, place, part)
        with pytest.raises(SerializerError):
            codec.moved(stored, place, b"target", part)

    places = {elsewhere, b"", place + b"x", place[:-1]} - {place}
    parts = {elsewhere, b"", b"m", b"f" + part, part + b"x", part[:-1]} - {part}
    for one in places:
        refused(stored, one)
        with pytest.raises(SerializerError):
            codec.loads_found(["name"], [stored], places=[one])
    for one in parts:
        refused(stored, place, one)
    joined = place + part
    for cut in {*range(len(joined) + 1)} - {len(place)}:  # place and part are told apart
        refused(stored, joined[:cut], joined[cut:])

    bit = data.draw(st.integers(0, 8 * len(stored) - 1))
    for at in (bit, 8 * 2, 8 * 33, 8 * 34, 8 * len(stored) - 1):
        flipped = bytearray(stored)
        flipped[at // 8] ^= 1 << at % 8
        refused(bytes(flipped))
    for size in {data.draw(st.integers(0, len(stored) - 1)), 0, 2, 33, 34, len(stored) - 1}:
        refused(stored[:size])
    refused(stored + b"x")
    refused(stored[:34] + stored)
    refused(Codec("json").dumps(value))
    for settings in (
        {"signing_key": OTHER_KEY},
        {"signing_key": KEY, "signing_binds_key": False},
        {"signing_key": KEY[:-1]},
    ):
        refused(Codec("json", **settings).dumps(value, place, part))
    unbound = Signer(KEY, binds_key=False)
    with pytest.raises(SerializerError):  # although the place stands where it is signed, too
        unbound.verify(codec.dumps(value)[:34] + bytes(16) + codec.dumps(value)[34:])
    other = codec.dumps(second, place, part)
    if other[34:] != stored[34:]:
        refused(stored[:34] + other[34:])
        refused(other[:34] + stored[34:])


PLAIN_CODECS = [
    Codec(serializer, compressor, max_decompressed=9999)
    for serializer in ("pickle", "json", "msgpack", "orjson")
    for compressor in ("zlib", "gzip", "bz2", "lzma", "lz4", "zstd")
]


@some
@given(some_values | st.integers(), st.integers(200, 400), st.sampled_from(PLAIN_CODECS), st.data())
def test_what_was_stored_comes_back_and_what_is_broken_is_an_error_of_ours(
    value: Any, more: int, codec: Codec, data: Any
) -> None:
    value = data.draw(st.sampled_from([value, [value] * more]))  # which is compressed
    try:
        stored = codec.dumps(value)
    except (TypeError, ValueError, OverflowError):  # of a number too large for a serializer
        return
    assert codec.loads(stored) == value
    broken = bytearray(stored)
    if not stored.startswith(b"\x80"):  # a pickle may ask for any memory: signatures are for that
        at = data.draw(st.integers(0, len(stored) - 1))
        broken[at] ^= data.draw(st.integers(1, 255))
    broken = broken[: data.draw(st.integers(0, len(stored)))]
    try:
        codec.loads(bytes(broken))
    except SerializerError:
        pass


@some
@given(st.sampled_from(PLAIN_CODECS), st.integers(10_000, 100_000))
def test_what_would_become_too_large_is_refused(codec: Codec, size: int) -> None:
    (compressor,) = codec.compressors
    small = compressor.compress(b'"' + b"a" * 9_997 + b'"')
    with pytest.raises(ValueTooLarge):
        codec.loads(compressor.compress(b'"' + b"a" * size + b'"'))
    if type(codec.serializers[0]).__name__ in ("JsonSerializer", "OrjsonSerializer"):
        assert codec.loads(small) == "a" * 9_997


special = st.text("ab*?[]^-\\\n", max_size=8)
texts = special | st.text(max_size=12)


@some
@given(texts, texts, st.integers() | special, texts)
def test_a_key_comes_back_and_a_pattern_of_it_finds_it_alone(
    prefix: str, key: str, version: Any, another: str
) -> None:
    keys = Keys(prefix, version)
    wire = keys.wire(key)
    search = keys.search(escape_pattern(key), None)
    assert search.own([wire]) == [wire]
    assert keys.callers([wire], None) == [key]
    assert matches(search.pattern, wire)
    everything = keys.search_all()
    assert everything.own([wire]) == [wire]
    assert matches(everything.pattern, wire)
    special = "*?[]\\"
    others = {another, f"{key}x", f"x{key}", key[:-1], key[1:]}
    others |= {key.replace(one, "x") for one in special} | {key.replace(one, "") for one in special}
    for other in others - {key}:
        assert not matches(search.pattern, keys.wire(other))
    for other in (Keys(f"{prefix}x", version), Keys(prefix, f"{version}x"), Keys("x", version)):
        if (other.prefix, str(other.version)) != (prefix, str(version)):
            assert not matches(search.pattern, other.wire(key)) or other.wire(key) == wire


def test_patterns_match_on_a_server_what_they_match_here(standalone: Standalone) -> None:
    """The matcher of the test above is Redis's."""
    letters = "ab*?[]^-\\"
    texts = [text for size in range(3) for text in map("".join, product(letters, repeat=size))]
    texts += [
        "abc",
        "a*b",
        "[a]",
        "[^a]b",
        "a-b",
        "a\\b",
        "]]",
        "[]]",
        "b[a-b]",
        "[b-a]",
        "[a",
        "*a*",
    ]
    texts = [text for text in texts if text]
    standalone.command("MSET", *(word for text in texts for word in (f"glob:{text}", "1")))
    stored = [f"glob:{text}".encode() for text in texts]
    for text in texts:
        for pattern in (f"glob:{text}", f"glob:{escape_pattern(text)}"):
            found = {bytes(one) for one in standalone.command("KEYS", pattern)}
            assert found == {one for one in stored if matches(pattern.encode(), one)}, pattern


names = st.sampled_from(sorted(BY_NAME)) | st.text(max_size=10)
values = (
    scalars
    | st.sampled_from(
        [
            SECRET,
            "json",
            "zlib",
            "none",
            10**400,
            float("inf"),
            SECRET + "\udcff",
            "10.0.0.0/8",
            ["a"],
            {"a": 1},
        ]
    )
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
