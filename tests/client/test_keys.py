"""Where a caller's key is stored, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cachex_client.errors import ConfigurationError
from cachex_client.keys import MANY, MANY_VERSIONS, Keys

prefixes = st.text(max_size=12) | st.sampled_from(["", "app", "app:prod", ":", "a*b", "[x]", "\\?"])
versions = st.integers(-5, 100) | st.sampled_from(["v2", "a:b", "*", "[1-9]"])
names = st.text(max_size=20) | st.sampled_from(["", ":", "a:1:b", "1:2"])


def joined(key: Any, prefix: str, version: Any) -> str:
    return f"{version}/{prefix}/{key}"


def literal(pattern: str) -> str:
    """Read a pattern without wildcards: what it matches, and nothing else."""
    read, escaped = "", False
    for character in pattern:
        if escaped or character not in "\\*?[]":
            read, escaped = read + character, False
        else:
            assert character == "\\", f"a wildcard in {pattern!r}"
            escaped = True
    return read


@given(prefixes, versions, names)
def test_a_key_is_prefix_version_and_key(prefix: str, version: Any, key: str) -> None:
    assert Keys(prefix, version).full(key) == f"{prefix}:{version}:{key}"


@given(prefixes, versions, versions, names)
@example("a:b", 1, 1, "x")
def test_the_caller_gets_the_key_back(prefix: str, own: Any, version: Any, key: str) -> None:
    keys = Keys(prefix, own)
    assert keys.caller(keys.full(key)) == key
    assert keys.caller(keys.full(key, version), version) == key


@given(prefixes, st.integers(), st.integers(), st.text())
def test_without_a_version_whole_numbers_are_taken_for_one(
    prefix: str, own: int, version: int, key: str
) -> None:
    keys = Keys(prefix, own)
    assert keys.caller(keys.full(key, version)) == key


@given(prefixes, versions, st.lists(names), st.none() | versions)
def test_bytes_on_the_wire_are_the_full_key(
    prefix: str, own: Any, callers: list[str], version: Any
) -> None:
    keys = Keys(prefix, own)
    wires = keys.wire_many(callers, version)
    assert wires == [keys.wire(key, version) for key in callers]
    assert wires == [keys.full(key, version).encode() for key in callers]
    assert keys.callers(wires, version) == callers


class Shouted(str):
    """Text that reads otherwise than it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


odd = st.sampled_from(["", "\0", "a\0b", "\udc80", "half \ud800", "ü", Shouted("x"), 7, None, b"y"])


@given(prefixes | st.just("\0"), st.lists(names), st.lists(odd, max_size=2))
@example("", [], ["\0"])
@example("app", [], ["", ""])
def test_many_keys_are_the_keys_one_by_one(prefix: str, some: list[str], others: list[Any]) -> None:
    keys = Keys(prefix)
    for callers in (some + others, [*some, *others, *(f"k{at}" for at in range(MANY))]):
        expected = [keys.wire(key) for key in callers if str(key) != "half \ud800"]
        assert keys.wire_many([key for key in callers if str(key) != "half \ud800"]) == expected
    if "half \ud800" in others:
        with pytest.raises(UnicodeEncodeError):
            keys.wire_many(["half \ud800", *map(str, range(MANY))])


@given(st.binary())
def test_names_that_are_not_text_survive(name: bytes) -> None:
    keys = Keys("app")
    (caller,) = keys.callers([b"app:1:" + name])
    assert keys.wire(caller) == b"app:1:" + name


@given(prefixes, versions, st.text(alphabet="abc:"))
def test_a_pattern_takes_prefix_and_version_literally(prefix: str, version: Any, key: str) -> None:
    keys = Keys(prefix, version)
    assert literal(keys.pattern(key)) == keys.full(key)


def test_wildcards_of_the_caller_stay_wildcards() -> None:
    assert Keys("a*").pattern("x?[1]*", 2) == "a\\*:2:x?[1]*"


def test_version_zero_is_a_version() -> None:
    keys = Keys("app", 3)
    assert keys.full("x", 0) == "app:0:x"
    assert keys.wire("x", 0) == b"app:0:x"


def test_a_key_that_is_no_text_counts_as_its_text() -> None:
    keys = Keys()
    assert keys.full(7) == keys.full("7") == ":1:7"
    assert keys.wire_many([7, None]) == [b":1:7", b":1:None"]


def test_keys_of_others_have_no_caller() -> None:
    for strange in ("", "app", "app:", "app:1", "other:1:x", "apple:1:x"):
        with pytest.raises(ValueError, match="is not a key of"):
            Keys("app").caller(strange)
    with pytest.raises(ValueError, match="is not a key of"):
        Keys("app").caller("app:1:x", version=2)


def test_a_function_makes_the_keys() -> None:
    keys = Keys("app", 1, joined)
    assert keys.full("x") == "1/app/x"
    assert keys.full("x", 2) == "2/app/x"
    assert keys.wire("x") == b"1/app/x"
    assert keys.wire_many(["x", "y"], 2) == [b"2/app/x", b"2/app/y"]
    assert keys.pattern("x*") == "1/app/x*"
    assert keys.everything == "*/app/*"


def test_a_function_without_its_reverse_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="REVERSE_KEY_FUNCTION"):
        Keys("app", 1, joined).caller("1/app/x")


def test_a_reverse_function_is_asked() -> None:
    keys = Keys("app", 1, joined, lambda full: full.split("/", 2)[2])
    assert keys.caller("1/app/x/y") == "x/y"
    assert keys.callers([b"1/app/x", b"1/app/y"]) == ["x", "y"]


def test_everything_is_our_prefix_and_nobody_elses() -> None:
    keys = Keys("app", "v1")
    ours = [b"app:v1:x", b"app:1:x", b"app:-2:x", b"app:30:a:b"]
    ours += [b"app:v2:x", b"app::x", b"app:1x:y", b"app:v2:user:7:x", b"app:v1:1:x"]
    others = [b"app:mail:1:x", b"app:plain", b"apple:1:x", b"other:app:1:x"]
    assert keys.everything == "app:*:*"
    assert keys.own(ours + others) == ours


def test_who_knows_all_others_owns_the_rest() -> None:
    text = [b"app:mail:1:x", b"app:blue:1:x"]
    assert Keys("app").own(text) == []
    assert Keys("app", others=[]).own(text) == text
    assert Keys("app", others=["app:mail"]).own(text) == [b"app:blue:1:x"]
    assert Keys("app", others=["app:mail"], knows_others=False).own(text) == []
    assert Keys("app", others=lambda: [Keys("app:mail")]).own(text) == [b"app:blue:1:x"]


def test_a_pattern_leaves_out_the_keys_of_longer_prefixes() -> None:
    search = Keys("app", others=["app:1"]).search("*")
    assert search.pattern == b"app:1:*"
    assert search.own([b"app:1:x", b"app:1:user:7", b"app:1:1:x"]) == [b"app:1:x", b"app:1:user:7"]


@given(prefixes, st.lists(st.tuples(st.integers(), names)))
def test_own_keys_are_ours(prefix: str, stored: list[tuple[int, str]]) -> None:
    keys = Keys(prefix)
    wires = [keys.wire(key, version) for version, key in stored]
    assert keys.own(wires) == wires


def test_versions_without_end_do_not_fill_the_memory() -> None:
    keys = Keys()
    for version in range(3 * MANY_VERSIONS):
        assert keys.full("x", version) == f":{version}:x"
    assert len(keys._heads) <= MANY_VERSIONS
