"""Which stored keys are whose: what a key function makes, and which prefix owns a key."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cachex_client import ConfigurationError, Keys
from cachex_client._core.key_form import form_of
from cachex_client.keys import overlap

parts = st.sampled_from(["", "a", "t", "t1", "1", "2", "-3", "é", "*"])
prefixes = st.lists(parts, max_size=4).map(":".join)
numbers = st.integers(-3, 30)
texts = st.sampled_from(["v1", "blue", "", "1x", "*"])
callers = st.text("a1:*é", max_size=8)
plain_callers = st.text("ab:*é", max_size=8)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def neighbours(first: Keys, second: Keys) -> tuple[Keys, Keys]:
    """Let two caches know of each other."""
    one = Keys(first.prefix, first.version, first.function, others=[second])
    return one, Keys(second.prefix, second.version, second.function, others=[first])


@st.composite
def pairs(draw: Any) -> tuple[Keys, Keys]:
    """Two caches with different prefixes, often one longer than the other."""
    first = draw(prefixes)
    second = draw(prefixes | prefixes.map(lambda rest: f"{first}:{rest}"))
    assume(first != second)
    one, other = (Keys(prefix, draw(numbers | texts)) for prefix in (first, second))
    one, other = neighbours(one, other)
    assume(not one.refusal() and not other.refusal())
    return one, other


# Two caches


@given(pairs(), st.binary(max_size=20))
def test_no_key_is_cleared_by_two_caches(both: tuple[Keys, Keys], stored: bytes) -> None:
    one, other = both
    for full in (
        stored,
        one.prefix.encode() + b":" + stored,
        other.prefix.encode() + b":" + stored,
    ):
        assert not (one.own([full]) and other.own([full]))


@given(pairs(), numbers | texts, callers)
def test_every_key_is_cleared_by_one_of_its_makers(
    both: tuple[Keys, Keys], version: Any, key: str
) -> None:
    for maker in both:
        full = maker.wire(key, version)
        assert sum(len(one.own([full])) for one in both) == 1


@given(pairs(), numbers | texts, callers)
@example(neighbours(Keys("t"), Keys("t:1")), 1, "x")
@example(neighbours(Keys("t"), Keys("t:1")), 2, "1:x")
def test_the_longer_prefix_keeps_its_own(both: tuple[Keys, Keys], number: Any, key: str) -> None:
    """With ordinary versions: whole numbers, or the cache's own."""
    one, other = sorted(both, key=lambda keys: len(keys.prefix))
    for version in (number if isinstance(number, int) else 1, other.version):
        full = other.wire(key, version)
        assert other.own([full]) == [full]
        assert one.own([full]) == []


@given(pairs(), numbers, plain_callers)
@example(neighbours(Keys("t"), Keys("t:1")), 1, "user:x")
def test_every_cache_clears_its_own(both: tuple[Keys, Keys], version: int, key: str) -> None:
    """Unless the key begins with what may be a version of the other."""
    for one, other in (both, both[::-1]):
        assume(not any(key.startswith(f"{rest}:") for rest in (other.version, "")))
        for at in (version, one.version):
            full = one.wire(key, at)
            assert one.own([full]) == [full]
            assert other.own([full]) == []


@given(pairs(), numbers | texts, callers)
def test_where_no_names_overlap_all_keys_with_ordinary_versions_are_told_apart(
    both: tuple[Keys, Keys], number: Any, key: str
) -> None:
    assume(not overlap(*both))
    for one, other in (both, both[::-1]):
        for version in (number if isinstance(number, int) else 1, one.version):
            full = one.wire(key, version)
            assert (one.own([full]), other.own([full])) == ([full], [])


@given(prefixes, texts, callers)
def test_a_cache_that_is_alone_clears_all_its_versions(prefix: str, version: str, key: str) -> None:
    keys = Keys(prefix, others=[])
    full = keys.wire(key, version)
    assert keys.own([full]) == [full]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Keys("t"), Keys("t:1"), True),
        (Keys("t"), Keys("t:7:x"), True),
        (Keys("t", "blue"), Keys("t:blue"), True),
        (Keys("t"), Keys("t:blue"), False),
        (Keys("t"), Keys("t1"), False),
        (Keys(""), Keys(":1"), True),
        (Keys("t"), Keys("t", 2), False),  # the same keys: another warning
    ],
)
def test_prefixes_that_make_the_same_names_overlap(
    first: Keys, second: Keys, expected: bool
) -> None:
    assert overlap(first, second) is overlap(second, first) is expected


# Key functions


def by_version(key: Any, prefix: str, version: Any) -> str:
    return f"{version}|{prefix}|{key}"


def without_version(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}:{key}"


def shouted(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}!{version}!{key}".upper()


def last(key: Any, prefix: str, version: Any) -> str:
    return f"{key}@{version}@{prefix}"


def padded(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}:v{version:04d}:{key}"


def long_ones_hashed(key: Any, prefix: str, version: Any) -> str:
    return f"{prefix}:{version}:{key if len(key) < 200 else md5(key)}"


@pytest.mark.parametrize(
    ("function", "pattern", "everything"),
    [
        (by_version, "1|app|u*", "*|app|*"),
        (without_version, "app:u*", "app:*"),
        (shouted, "APP!1!U*", "APP!*!*"),
        (last, "u*@1@app", "*@*@app"),
        (padded, "app:v0001:u*", "app:v*:*"),
    ],
)
def test_a_function_that_keeps_its_parts_is_understood(
    function: Any, pattern: str, everything: str
) -> None:
    keys = Keys("app", 1, function)
    assert keys.refusal() == ""
    assert keys.pattern("u*") == pattern
    assert keys.everything == everything
    for version in (1, 2):
        full = keys.wire("user:1", version)
        assert keys.own([full]) == [full]
    assert keys.own([b"other:1:key", b"x"]) == []


def raising(key: Any, prefix: str, version: Any) -> str:
    raise LookupError("no tenant")


REFUSED = {
    "hash of the key": lambda key, prefix, version: f"{prefix}:{version}:{md5(key)}",
    "hash of all": lambda key, prefix, version: md5(f"{prefix}:{version}:{key}"),
    "constant": lambda key, prefix, version: "abc",
    "bare key": lambda key, prefix, version: str(key),
    "no prefix": lambda key, prefix, version: f"{version}:{key}",
    "bytes": lambda key, prefix, version: f"{prefix}:{version}:{key}".encode(),
    "nothing": lambda key, prefix, version: None,
    "hash of the version": lambda key, prefix, version: f"{prefix}:{md5(str(version))}:{key}",
    "version next to key": lambda key, prefix, version: f"{prefix}:{version}{key}",
    "quoted": lambda key, prefix, version: f"{prefix}:{version}:{key.encode().hex()}",
    "backwards": lambda key, prefix, version: f"{prefix}:{version}:{key[::-1]}",
    "long ones are hashed": lambda key, prefix, version: (
        f"{prefix}:{version}:{key}" if len(key) < 200 else md5(key)
    ),
    "blanks are hashed": lambda key, prefix, version: (
        md5(key) if " " in key else f"{prefix}:{version}:{key}"
    ),
    "raises": raising,
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_listed_or_told_apart_is_refused(function: Any) -> None:
    keys = Keys("app", 1, function, lambda full: full)
    for search in (keys.search_all, lambda: keys.search("*")):
        with pytest.raises(ConfigurationError) as caught:
            search()
        assert "flush_db()" in str(caught.value)
        assert 'CLEAR="database"' in str(caught.value)
    assert keys.refusal() == str(caught.value)


def test_keys_that_only_look_different_can_be_cleared_but_not_be_searched() -> None:
    keys = Keys("app", 1, long_ones_hashed)
    long = keys.wire("x" * 300)
    assert keys.search_all().own([long]) == [long]
    with pytest.raises(ConfigurationError, match="look different"):
        keys.search("x*")


def test_who_owns_the_database_may_list_bare_keys() -> None:
    keys = Keys("app", 1, REFUSED["bare key"], owns_database=True)
    assert keys.search("u*").pattern == b"u*"
    assert keys.search("u*").own([b"user"]) == [b"user"]
    with pytest.raises(ConfigurationError):
        Keys("app", 1, REFUSED["hash of all"], owns_database=True).search("*")


def test_a_function_that_leaves_out_the_prefix_mixes_two_caches() -> None:
    def site(key: Any, prefix: str, version: Any) -> str:
        return f"site:{version}:{key}"

    assert Keys("a", 1, site).refusal() == ""
    assert Keys("a", 1, site, others=[Keys("a", 2, site)]).refusal() == ""
    mixed = Keys("a", 1, site, others=[Keys("b", 1, site)])
    assert "are the same for KEY_PREFIX 'a' and for the 'b'" in mixed.refusal()


def test_caches_whose_ordinary_keys_have_the_same_names_are_refused() -> None:
    for one, other in (
        neighbours(Keys("a", "b:1"), Keys("a:b", 1)),
        neighbours(Keys("t"), Keys("t:1", 1, without_version)),
    ):
        assert "look the same" in one.refusal()
        assert "look the same" in other.refusal()


def test_caches_with_different_functions_leave_each_other_alone() -> None:
    one, other = neighbours(Keys("shop"), Keys("shop:eu", 1, without_version))
    stored = [b"shop:1:k", b"shop:blue:k", b"shop:eu:k", b"shop:eu:1:k"]
    assert one.own(stored) == stored[:2]
    assert other.own(stored) == stored[2:]


def test_a_cache_whose_keys_may_be_anything_keeps_no_other_from_clearing() -> None:
    keys = Keys("app", others=[Keys("x", 1, REFUSED["bare key"]), Keys("y", 1, raising)])
    assert keys.refusal() == ""
    assert keys.own([b"app:blue:k", b"user"]) == [b"app:blue:k"]


@given(st.text("ap*[]?\\:é", max_size=6), numbers | texts)
def test_a_function_like_the_usual_rule_is_read_as_the_usual_rule(
    prefix: str, version: Any
) -> None:
    def usual(key: Any, prefix: str, version: Any) -> str:
        return f"{prefix}:{version}:{key}"

    probed, known = form_of(prefix, version, usual), form_of(prefix, version, None)
    assert (probed.before, probed.after) == (known.before, known.after)
    assert probed.samples == known.samples
    assert (probed.problem, probed.uneven) == ("", False)
