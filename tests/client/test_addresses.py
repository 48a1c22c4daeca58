"""Addresses that servers announce: what is one, what becomes of it, and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import AskError, MovedError

from cachex_client import ClusterMap, SentinelMap
from cachex_client._core.addresses import Address, AddressRules, AllowedHosts, whole_number
from cachex_client._core.keyslot import SLOTS, slot_of
from cachex_client._core.redirects import STRANGERS, Redirect, read_redirect
from cachex_client._core.topology import from_slots_reply
from cachex_client.errors import BadAddress, BadRedirect, ConfigurationError, RemapFailed
from cachex_pool import Endpoint, PoolError

ASKED = Address("asked.test", 7000)
RULES = AddressRules()

STRANGE_HOSTS = [
    "a" * 64,
    ".".join(["a" * 60] * 5),
    "\xff\xfe",
    "x..y",
    ".x",
    "a b",
    "[::1",
    "%00",
    "/etc/passwd",
    "a/b",
    "a@b",
    "a\r\nb",
    "a\x00b",
    "\ufb01.test",
    "1.2.3.4\n",
    "http://a",
    "a" * 100_000,
    "10.0.0.1%eth0",
    "fe80::1%",
    "fe80::1%eth 0",
    "fe80::1%\x1b[2J\nCRITICAL root: owned",
    "fe80::1%" + "a" * 16,
]


@pytest.mark.parametrize(
    "host",
    ["a", "a.test", "A-1.b_2.test.", "10.0.0.1", "::1", "fe80::1%eth0", "xn--bcher-kva.test", "7"],
)
def test_names_and_ip_addresses_are_hosts(host: str) -> None:
    for told in (host, host.encode()):
        assert RULES.read(told, 7001, ASKED) == Address(host, 7001)


@pytest.mark.parametrize("host", [*STRANGE_HOSTS, b"\xff\xfe", 5, 1.5, [], {}, True])
def test_what_is_no_host_is_refused(host: Any) -> None:
    with pytest.raises(BadAddress, match=r"^asked\.test:7000 named the address ") as caught:
        RULES.read(host, 7001, ASKED)
    assert isinstance(caught.value, PoolError)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
    assert not caught.value.written


@pytest.mark.parametrize(
    "port",
    [-1, 65536, 70_000, 10**30, "x", "", " 7", "7 ", "\u0667", "1_0", "0x1", None, 1.0, [], True],
)
@pytest.mark.parametrize("host", ["a.test", "", "?"])
def test_what_is_no_port_is_refused(port: Any, host: str) -> None:
    with pytest.raises(BadAddress):
        RULES.read(host, port, ASKED)


@pytest.mark.parametrize(
    ("told", "number"), [(7, 7), ("7", 7), (b"-7", -7), ("18446744073709551615", 2**64 - 1)]
)
def test_whole_numbers_are_numbers_or_digits(told: Any, number: int) -> None:
    assert whole_number(told) == number


@given(
    st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.lists(st.none())),
    st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.floats()),
)
def test_whatever_is_told_there_is_an_address_or_an_error_of_ours(host: Any, port: Any) -> None:
    try:
        found = RULES.read(host, port, ASKED)
    except BadAddress:
        return
    assert 0 <= found.port <= 65535
    assert found.host == ASKED.host or found.host.isascii()


# Remapping


def test_an_address_is_remapped_before_it_is_compared_with_those_allowed() -> None:
    rules = AddressRules(lambda host, port: ("outside.test", port + 1), AllowedHosts([".test"]))
    assert rules.read("10.0.0.1", 7001, ASKED) == Address("outside.test", 7002)
    assert rules.read("", 7001, ASKED) == Address("outside.test", 7002)
    assert rules.read("", 0, ASKED) == Address("outside.test", ASKED.port + 1)
    with pytest.raises(BadAddress, match="not among the allowed hosts"):
        AddressRules(lambda *_: ("evil.example", 1), rules.allowed).read("a.test", 1, ASKED)


class SaysNothing(Exception):
    """An error whose text raises another."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def _raised(error: Exception) -> Any:
    raise error


def _broken(table: dict[Any, Any]) -> Any:
    return lambda host, port: table[host, port]


@pytest.mark.parametrize(
    "remap",
    [
        _broken({}),
        lambda host, port: None,
        lambda host, port: (host,),
        lambda host, port: (host, port, 1),
        lambda host, port: (host, 70_000),
        lambda host, port: (host, "x"),
        lambda host, port: ("", port),
        lambda host, port: ("a\r\nb", port),
        lambda host, port: ("/tmp/a.sock", port),
        lambda host, port: ("\ud800", port),
        lambda host, port: ("a" * 1000, port),
        lambda host, port: (host, True),
        lambda host, port: (host, 1.5),
        lambda host, port: _raised(SaysNothing()),
        lambda host, port: (None, port),
        lambda host: host,
    ],
)
def test_a_remap_function_that_fails_is_an_error_that_names_it(remap: Any) -> None:
    with pytest.raises(RemapFailed, match=r"ADDRESS_REMAP cannot turn a\.test:7001") as caught:
        AddressRules(remap).read("a.test", 7001, ASKED)
    assert isinstance(caught.value, PoolError)
    assert caught.value.__cause__ is caught.value.cause
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_remap_function_may_return_its_port_as_text() -> None:
    assert AddressRules(lambda host, port: (host, "7")).read("a", 1, ASKED) == Address("a", 7)  # type: ignore[arg-type, return-value]


# Which hosts are allowed


@pytest.mark.parametrize(
    ("allowed", "host", "is_allowed"),
    [
        ("cache.test", "cache.test", True),
        ("cache.test", "CACHE.test.", True),
        ("cache.test", "a.cache.test", False),
        ("cache.test", "xcache.test", False),
        (".cache.test", "cache.test", True),
        (".cache.test", "a.b.cache.test", True),
        (".cache.test", "xcache.test", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "10.0.0.1.evil.test", False),
        ("10.0.0.0/8", "a.test", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("fd00::/8", "fd12::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("fd00::/8", "10.0.0.1", False),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "11.1.2.3", False),
        ("::ffff:10.0.0.7", "::ffff:10.0.0.7", True),
        (".test", "10.0.0.1", False),
    ],
)
def test_names_are_allowed_by_name_and_addresses_by_network(
    allowed: str, host: str, is_allowed: bool
) -> None:
    assert (host in AllowedHosts([allowed])) is is_allowed
    assert host in AllowedHosts(["other.test", allowed], [host])


@pytest.mark.parametrize("wrong", ["", ".", "a b", "10.0.0.1/8", "10.0.0.0/33", "*.test", "a/b", 5])
def test_what_is_neither_a_name_nor_a_network_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="allowed hosts are"):
        AllowedHosts([wrong])
    with pytest.raises(ConfigurationError, match="allowed hosts are"):
        ClusterMap(["redis://seed"], allowed_hosts=[wrong])
    with pytest.raises(ConfigurationError, match="allowed hosts are"):
        SentinelMap("service", [Endpoint(host="sentinel")], allowed_hosts=[wrong])


def test_the_hosts_of_the_configuration_are_always_allowed() -> None:
    map = ClusterMap(["redis://Seed:7000", "redis://10.9.9.9:7000"], allowed_hosts=["10.0.0.0/24"])
    for host in (b"seed", b"SEED.", b"10.9.9.9", b"10.0.0.1", b""):
        assert map.read([[0, 16383, [host, 1, b"id"]]], None, Address("seed", 7000))
    with pytest.raises(BadAddress, match=r"seed:7000 named the address 10\.0\.1\.1:1: its host is"):
        map.read([[0, 16383, [b"10.0.1.1", 1, b"id"]]], None, Address("seed", 7000))


def test_without_allowed_hosts_none_is_refused_and_an_empty_list_refuses_all_strangers() -> None:
    reply = [[0, 16383, [b"10.0.0.1", 1, b"id"]]]
    assert ClusterMap(["redis://seed"]).read(reply, None, ASKED)
    with pytest.raises(BadAddress):
        ClusterMap(["redis://seed"], allowed_hosts=[]).read(reply, None, ASKED)


# Redirects

KEY = b"key"
SLOT = slot_of(KEY)


def moved(text: str) -> MovedError:
    return MovedError(text)


def test_a_redirect_is_believed_about_the_slot_that_was_asked_about() -> None:
    found = read_redirect(moved(f"{SLOT} b.test:7001"), KEY, ASKED, RULES)
    assert found == Redirect(Address("b.test", 7001), SLOT, asking=False)
    assert read_redirect(moved(f"{SLOT} :7001"), KEY, ASKED, RULES).node == Address(
        "asked.test", 7001
    )
    assert read_redirect(moved(f"{SLOT} ::1:7001"), KEY, ASKED, RULES).node == Address("::1", 7001)
    asked = read_redirect(AskError(f"{SLOT} b.test:7001"), KEY, ASKED, RULES)
    assert asked == Redirect(Address("b.test", 7001), None, asking=True)
    # Of a command whose keys are not known, the map learns nothing.
    assert read_redirect(moved("5 b.test:7001"), None, ASKED, RULES).slot is None


@pytest.mark.parametrize("slot", [-1, SLOTS, 10**20, (SLOT + 1) % SLOTS])
@pytest.mark.parametrize("kind", [MovedError, AskError])
def test_another_slot_is_no_redirect(kind: Any, slot: int) -> None:
    with pytest.raises(BadRedirect, match=r"^asked\.test:7000 replied (MOVED|ASK) ") as caught:
        read_redirect(kind(f"{slot} b.test:7001"), KEY, ASKED, RULES)
    assert isinstance(caught.value, PoolError)
    assert not caught.value.written


@pytest.mark.parametrize("kind", [MovedError, AskError])
def test_an_address_that_is_none_is_no_redirect(kind: Any) -> None:
    for host in STRANGE_HOSTS:
        with pytest.raises(BadAddress):
            read_redirect(kind(f"{SLOT} {host.split(' ')[0] + '!'}:1"), KEY, ASKED, RULES)
    with pytest.raises(BadAddress):
        read_redirect(kind(f"{SLOT} b.test:70000"), KEY, ASKED, RULES)
    allowed = AddressRules(None, AllowedHosts(["a.test"]))
    with pytest.raises(BadAddress, match="allowed hosts"):
        read_redirect(kind(f"{SLOT} b.test:7000"), KEY, ASKED, allowed)


def test_redirects_bring_only_so_many_nodes_that_no_map_has() -> None:
    map = ClusterMap(["redis://a.test:7000"])
    view = [[0, 16383, [b"a.test", 7000, b"id"]]]
    map.learn(map.read(view, None, ASKED), 0.0, 0.5)
    for number in range(STRANGERS):
        found = map.redirect(moved(f"{SLOT} b.test:{number + 1}"), KEY, ASKED)
        assert found.slot == SLOT
        map.moved(SLOT, found.node)
    with pytest.raises(BadRedirect, match="nor 64 others"):
        map.redirect(moved(f"{SLOT} c.test:1"), KEY, ASKED)
    assert map.redirect(moved(f"{SLOT} b.test:7"), KEY, ASKED).node == Address("b.test", 7)
    map.learn(map.read(view, None, ASKED), 1.0, 0.5)
    assert map.redirect(moved(f"{SLOT} c.test:1"), KEY, ASKED).node == Address("c.test", 1)


def test_the_count_of_strangers_begins_anew_when_the_map_agrees_with_the_redirects() -> None:
    map = ClusterMap(["redis://a.test:7000"])
    map.learn(from_slots_reply([[0, 16383, [b"a.test", 7000, b""]]], ASKED), 0.0, 0.5)
    map.moved(0, Address("b.test", 1))
    assert map.topology is not None
    assert map.topology.strangers == 1
    same = [[0, 0, [b"b.test", 1, b""]], [1, 16383, [b"a.test", 7000, b""]]]
    map.learn(from_slots_reply(same, ASKED), 1.0, 0.5)
    assert map.topology.strangers == 0
