"""Which stored keys belong to a cache: what its full keys look like, and who else could make them.

A full key is `prefix:version:key`, or what a key function returns. Such a function is called with
a few keys and versions, and what all its answers share is constant. Everything here is pure, as
long as the key function is.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs

ERRORS = "surrogateescape"  # names that are not UTF-8 come back as they went out
ESCAPED = str.maketrans({character: f"\\{character}" for character in "*?[]\\"})

KEYS = ("zq4kx", "0wm7", "Jv-9u", "bQ2s", "M6t1e", "y8RcF")
"""Keys to try: no two begin or end with the same letter, in either case."""

VERSIONS = (918273645, 564738291)
REPEATED = 60  # what makes a key long enough for functions that hash long keys

Make: TypeAlias = Callable[[str], Any]
Rank: TypeAlias = tuple[int, int] | tuple[()]
"""How surely a cache has made a key: () not at all; else whether the version is a whole number or
the cache's own, then how many bytes of the key are constant. The highest rank owns the key."""


@attrs.frozen(slots=False)
class KeyForm:
    """
    What the full keys of a cache look like.

    Between two elements of `before`, or of `after`, stands the version; between `before` and
    `after` the caller's key. `version` is the cache's own. `samples` are full keys that it makes.
    `problem` says why its keys cannot be listed, `uneven` that some keys are not stored as
    they are (long ones, say), so that a pattern would not find them.
    """

    prefix: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    version: str
    samples: tuple[bytes, ...] = ()
    problem: str = ""
    uneven: bool = False

    @property
    def everything(self) -> str:
        """A glob pattern that matches the full keys of all versions."""
        parts = ("*".join(map(escape, part)) for part in (self.before, self.after))
        return "*".join(parts)

    @property
    def nameless(self) -> bool:
        """Whether nothing in the keys distinguishes them from keys of others."""
        name = self.prefix.casefold()
        constants = [*self.before, *self.after]
        named = name and any(name in one.casefold() for one in constants)
        return not (self.before[0] or named)

    def rank(self, full: bytes) -> Rank:
        """Return how surely this cache has made a full key."""
        if self._plain(full):
            return (1, self._constant)
        return (0, self._constant) if self._loose(full) else ()

    def makes(self, full: bytes) -> bool:
        """Return whether this cache can make a full key, with whatever version."""
        return self._loose(full) is not None

    def surely_makes(self, full: bytes) -> bool:
        """Return whether it can with its own version, or a whole number."""
        return self._plain(full) is not None

    @cached_property
    def _constant(self) -> int:
        return sum(len(_bytes(one)) for one in (*self.before, *self.after))

    @cached_property
    def _plain(self) -> Callable[[bytes], Any]:
        return self._matcher(rb"(?:%s|-?[0-9]+)" % re.escape(_bytes(self.version)))

    @cached_property
    def _loose(self) -> Callable[[bytes], Any]:
        return self._matcher(rb".*?")

    def _matcher(self, version: bytes) -> Callable[[bytes], Any]:
        versions = [b"(?P<version>%s)" % version]

        def joined(parts: Sequence[str]) -> bytes:
            found = re.escape(_bytes(parts[0]))
            for part in parts[1:]:
                found += versions[0] + re.escape(_bytes(part))
                versions[0] = b"(?P=version)"
            return found

        before, after = joined(self.before), joined(self.after)
        if not after:
            return re.compile(before, re.DOTALL).match
        return re.compile(before + b".*" + after, re.DOTALL).fullmatch


def escape(text: str) -> str:
    """Return the glob pattern that matches a text and nothing else."""
    return text.translate(ESCAPED)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", ERRORS)


# -- what a key function does


def form_of(prefix: str, version: Any, function: Callable[[Any, str, Any], Any] | None) -> KeyForm:
    """Return what full keys look like; `function` is called with several keys and versions."""
    if function is None:
        samples = tuple(_bytes(f"{prefix}:{version}:{key}") for key in _sampled())
        return KeyForm(prefix, (f"{prefix}:", ":"), ("",), str(version), samples)
    try:
        return _probed(prefix, version, function)
    except _Unfit as unfit:
        return KeyForm(prefix, ("",), ("",), str(version), (), str(unfit))
    except Exception as error:  # the user's function may raise anything
        problem = f"it fails when it is tried: {type(error).__name__}: {error}"
        return KeyForm(prefix, ("",), ("",), str(version), (), problem)


class _Unfit(Exception):
    """A key function that returns something else than text."""


def _sampled() -> tuple[str, ...]:
    return (KEYS[0], f"{KEYS[1]}x:{KEYS[2]}:x")


def _probed(prefix: str, version: Any, function: Callable[[Any, str, Any], Any]) -> KeyForm:
    one, other = map(type(version) if type(version) in (int, str) else str, VERSIONS)

    def make_at(at: Any) -> Make:
        return lambda key: function(key, prefix, at)

    make = make_at(one)
    head, tail = affixes(make)
    other_head, other_tail = affixes(make_at(other))
    before, after = tuple(head.split(str(one))), tuple(tail.split(str(one)))
    problem = "" if _is_listable(make, head, tail) else "it does not keep the key as it is"
    if (str(other).join(before), str(other).join(after)) != (other_head, other_tail):
        before = (_common_start([head, other_head]),)
        after = (_common_end([tail, other_tail]),)
        problem = problem or "it does not keep the version as it is"
    elif "" in (*before[1:][-1:], *after[:-1][:1]):
        problem = problem or "nothing stands between the version and the key"
    own = make_at(version)
    samples = tuple(_bytes(own(key)) for key in _sampled())
    form = KeyForm(prefix, before, after, str(version), samples, problem)
    if problem:
        return form
    long, odd = KEYS[0] * REPEATED, f"{KEYS[0]} \u00e9{KEYS[1]}"
    fulls = [*samples, *(_bytes(own(key)) for key in (long, odd))]
    if not all(map(form.makes, fulls)):
        return attrs.evolve(form, problem="some keys, such as long ones, look different")
    return attrs.evolve(form, uneven=not _is_even(make, head, tail, long, odd))


def affixes(make: Make) -> tuple[str, str]:
    """Return what stands before and behind every key."""
    fulls = [make(key) for key in KEYS]
    for one in fulls:
        if not isinstance(one, str):
            raise _Unfit(f"it returns a {type(one).__name__} instead of a str")
    head = _common_start(fulls)
    return head, _common_end([one[len(head) :] for one in fulls])


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _common_end(texts: Sequence[str]) -> str:
    return _common_start([one[::-1] for one in texts])[::-1]


def inside(full: str, head: str, tail: str) -> str | None:
    """Return what stands between the two, None if they are not there."""
    if not (full.startswith(head) and full.endswith(tail)) or len(full) < len(head) + len(tail):
        return None
    return full[len(head) : len(full) - len(tail)]


def _is_listable(make: Make, head: str, tail: str) -> bool:
    """Return whether what two keys and a wildcard become is each of them, joined."""
    one, other = (inside(make(key), head, tail) for key in KEYS[:2])
    return bool(one and other) and inside(make(f"{KEYS[0]}*{KEYS[1]}"), head, tail) == (
        f"{one}*{other}"
    )


def _is_even(make: Make, head: str, tail: str, long: str, odd: str) -> bool:
    first, second = (str(inside(make(key), head, tail)) for key in KEYS[:2])
    stored = inside(make(odd), head, tail) or ""
    return (
        inside(make(long), head, tail) == first * REPEATED
        and stored.startswith(first)
        and stored.endswith(second)
    )


# -- whose a key is


def conflict(mine: KeyForm, others: Iterable[KeyForm]) -> str:
    """
    Say why keys cannot be distinguished from those of another cache; "" if they can.

    A cache with the same prefix and the same form is no other: the two share their keys.
    """
    for other in others:
        if other.nameless:
            continue  # its keys can look like anything
        if _same_form(mine, other):
            if mine.prefix != other.prefix:
                return (
                    f"they are the same for KEY_PREFIX {mine.prefix!r} and for the {other.prefix!r}"
                    " of another cache"
                )
        elif any(other.rank(one) >= mine.rank(one) for one in mine.samples) or any(
            mine.rank(one) > other.rank(one) for one in other.samples
        ):
            return f"those of another cache, with KEY_PREFIX {other.prefix!r}, look the same"
    return ""


def overlap(one: KeyForm, other: KeyForm) -> bool:
    """Return whether two caches can make the same full key with ordinary versions."""
    if _same_form(one, other) or one.nameless or other.nameless:
        return False
    return any(map(one.surely_makes, other.samples)) or any(map(other.surely_makes, one.samples))


def ownership(
    mine: KeyForm, others: Iterable[KeyForm], *, guess: bool = False
) -> Callable[[bytes], bool]:
    """
    Return the function that says whether a stored key is this cache's own.

    It is if no other cache is as sure of having made it. With `guess` there may be others with
    longer prefixes: a key of the form `prefix:text:number:key` is taken for one of theirs, unless
    the text is the cache's own version.
    """
    near = [
        one for one in others if not (one.nameless or _same_form(mine, one)) and _touch(mine, one)
    ]
    heads = tuple({_bytes(one.before[0]) for one in near})
    longer = _longer(mine) if guess else None
    if not near and longer is None:
        return mine.makes

    def is_own(full: bytes) -> bool:
        if not near or not full.startswith(heads):
            return mine.surely_makes(full) or (
                mine.makes(full) and not (longer is not None and longer(full))
            )
        rank = mine.rank(full)
        if not rank or any(one.rank(full) >= rank for one in near):
            return False
        return bool(rank[0]) or longer is None or not longer(full)

    return is_own


def _longer(form: KeyForm) -> Callable[[bytes], Any]:
    """Return what matches a version that may as well be the end of a longer prefix."""
    return re.compile(re.escape(_bytes(form.before[0])) + rb"[^:]*:-?[0-9]+:").match


def _same_form(one: KeyForm, other: KeyForm) -> bool:
    return (one.before, one.after) == (other.before, other.after)


def _touch(one: KeyForm, other: KeyForm) -> bool:
    """Return whether some key could begin like those of both."""
    a, b = one.before[0], other.before[0]
    return a.startswith(b) or b.startswith(a)
