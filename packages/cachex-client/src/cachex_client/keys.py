"""Where a caller's key is stored: `prefix:version:key`, or as a function says."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, Union

import attrs

from cachex_client._core import key_form
from cachex_client._core.key_form import KeyForm
from cachex_client.errors import ConfigurationError

Key: TypeAlias = Any
"""What a caller calls a value: a `str`, or anything else, which counts as its `str()`."""

Version: TypeAlias = int | str
KeyFunction: TypeAlias = Callable[[Key, str, Any], str]
"""Called with key, prefix and version; returns the full key. The same as Django's KEY_FUNCTION."""

Others: TypeAlias = Iterable[Union[str, "Keys"]]
ERRORS = key_form.ERRORS
MANY = 16
"""Keys that are made faster together than one by one."""
_BETWEEN, _BETWEEN_BYTES = "\0", b"\0"
_TEXT = frozenset((str,))  # not what is derived from it, which may have a `__str__` of its own
MANY_VERSIONS = 1_000


def escape_pattern(text: str) -> str:
    """Return the glob pattern that matches a text and nothing else.

    For what comes from elsewhere, as in `cache.delete_pattern(f"user:{escape_pattern(name)}:*")`:
    there `*`, `?`, `[` and a backslash stand for themselves then.
    """
    return key_form.escape(text)


@attrs.frozen
class Search:
    """Which stored keys are meant: a glob pattern for SCAN, and which of its matches are own."""

    pattern: bytes
    is_own: Callable[[bytes], bool]

    def own(self, stored: Iterable[bytes]) -> list[bytes]:
        """Leave out what the pattern matches although it belongs to another cache."""
        return list(filter(self.is_own, stored))


class Keys:
    """Turns callers' keys into full keys and back. Holds no state but a memory of heads.

    Args:
        prefix: stands before every key.
        version: comes next, unless a call names another.
        function: replaces that rule. It has to be pure: to find out what its keys look like,
            everything that lists or clears calls it with a few keys.
        reverse: gets a full key and returns the caller's; what lists keys needs it if there is
            a function.
        others: the other caches on the same database, as prefixes or `Keys`, or a function that
            returns them. What they may have stored is left alone by whatever lists or clears.
        knows_others: whether there are no others than those; by default, if `others` is given.
            If not, `clear` leaves alone what looks like a key of a longer prefix: see `search_all`.
        owns_database: whether everything in the database is this cache's: then `clear` empties it.
    """

    def __init__(
        self,
        prefix: str = "",
        version: Version = 1,
        function: KeyFunction | None = None,
        reverse: Callable[[str], str] | None = None,
        *,
        others: Others | Callable[[], Others] | None = None,
        knows_others: bool | None = None,
        owns_database: bool = False,
    ) -> None:
        self.prefix = prefix
        self.version = version
        self.function = function
        self.reverse = reverse
        self.others = () if others is None else others
        self.knows_others = others is not None if knows_others is None else knows_others
        self.owns_database = owns_database
        # Stays empty where a function makes the keys, so that every look-up misses.
        self._heads: dict[Version | None, str] = {}

    def __repr__(self) -> str:
        return f"Keys(prefix={self.prefix!r}, version={self.version!r}, function={self.function!r})"

    def full(self, key: Key, version: Version | None = None) -> str:
        """Return the key under which the server knows `key`."""
        if self.function is not None:
            return self.function(key, self.prefix, self.version if version is None else version)
        return f"{self._head(version)}{key!s}"

    def wire(self, key: Key, version: Version | None = None) -> bytes:
        """Return the full key as bytes."""
        head = self._heads.get(version)
        if head is None:
            return self.full(key, version).encode("utf-8", ERRORS)
        try:
            return f"{head}{key!s}".encode()
        except UnicodeEncodeError:
            return f"{head}{key!s}".encode("utf-8", ERRORS)

    def wire_many(self, keys: Iterable[Key], version: Version | None = None) -> list[bytes]:
        """Return the full keys as bytes."""
        if self.function is not None:
            return [self.full(key, version).encode("utf-8", ERRORS) for key in keys]
        head = self._head(version)
        names = keys if isinstance(keys, (list, tuple)) else list(keys)
        try:
            if len(names) >= MANY and _TEXT.issuperset(map(type, names)):
                joined = head + f"{_BETWEEN}{head}".join(names)  # twice as quick as one by one
                wires = joined.encode().split(_BETWEEN_BYTES)
                if len(wires) == len(names):  # it stands in none of them
                    return wires
            return [f"{head}{key!s}".encode() for key in names]
        except UnicodeEncodeError:  # half characters; the handler for them costs too much always
            return [f"{head}{key!s}".encode("utf-8", ERRORS) for key in names]

    def caller(self, full: str, version: Version | None = None) -> str:
        """Return the caller's key of a full key: the exact inverse of `full`.

        With `version` exactly its head is taken off; without, the head of the own version or else
        the prefix and whatever stands up to the next colon. `ValueError` if the key is not one of
        these, `ConfigurationError` if a function makes the keys and nothing reverses it.
        """
        if self.function is not None:
            return self._reversed(full)
        head = self._head(version)
        if full.startswith(head):
            return full[len(head) :]
        start = f"{self.prefix}:"
        if version is None and full.startswith(start):
            _, colon, key = full[len(start) :].partition(":")
            if colon:
                return key
        raise ValueError(f"{full!r} is not a key of {self!r}")

    def callers(self, stored: Iterable[bytes], version: Version | None = None) -> list[str]:
        """Return the callers' keys of full keys of one version, as a server lists them."""
        if self.function is not None:
            return [self._reversed(full.decode("utf-8", ERRORS)) for full in stored]
        cut = len(self._head(version).encode("utf-8", ERRORS))
        return [full[cut:].decode("utf-8", ERRORS) for full in stored]

    def pattern(self, pattern: str, version: Version | None = None) -> str:
        """Return the glob pattern of full keys for one of callers' keys.

        Prefix and version stand for themselves, whatever characters they are made of.
        `ConfigurationError` if a function makes keys that no pattern finds.
        """
        return self._pattern(self.form, pattern, version)

    def search(self, pattern: str, version: Version | None = None) -> Search:
        """Return what finds the full keys of one version whose callers' keys match a pattern.

        `ConfigurationError` if keys cannot be listed, or not be distinguished from those of others.
        """
        form, others = self._forms()
        matching = self._pattern(form, pattern, version).encode("utf-8", ERRORS)
        return Search(matching, key_form.ownership(form, others))

    def search_all(self) -> Search:
        """Return what finds the full keys of all versions, and no other cache's.

        What stands between the prefix and the next colon is a version, be it a number or text.
        Two exceptions: a key that one of `others` is as sure to have made is left to that one; a
        whole number or the cache's own version counts for more than other text, and then the
        longer prefix. And unless all others are known, `app:mail:1:key` is left to the prefix
        `app:mail`, as a number behind a version that is text looks like the version.

        `ConfigurationError` if keys cannot be listed, or not be distinguished from those of others.
        """
        form, others = self._forms()
        guess = self.function is None and not self.knows_others
        matching = form.everything.encode("utf-8", ERRORS)
        return Search(matching, key_form.ownership(form, others, guess=guess))

    @property
    def form(self) -> KeyForm:
        """What the full keys look like; a function that makes them is called for it."""
        return key_form.form_of(self.prefix, self.version, self.function)

    def refusal(self) -> str:
        """Return why `clear` and all that lists keys are refused, "" if they are not.

        With `owns_database` this does not concern `clear`, which empties the database then.
        """
        try:
            self._forms()
        except ConfigurationError as error:
            return str(error)
        return ""

    def own(self, stored: Iterable[bytes]) -> list[bytes]:
        """Leave out what `everything` matches although it belongs to another prefix."""
        return self.search_all().own(stored)

    @property
    def everything(self) -> str:
        """The glob pattern of the full keys of all versions, and maybe of others: see `own`."""
        return self.form.everything

    def _forms(self) -> tuple[KeyForm, list[KeyForm]]:
        """Return the form of these keys and of those of others; raise if it is of no help."""
        form = self.form
        if form.problem:
            raise self._refused(form.problem)
        if form.nameless and not self.owns_database:
            raise self._refused("nothing in its keys tells them from those of others")
        named = self.others() if callable(self.others) else self.others
        others = [(Keys(one) if isinstance(one, str) else one).form for one in named]
        problem = key_form.conflict(form, others)
        if problem and not self.owns_database:
            raise self._refused(problem)
        return form, others

    def _pattern(self, form: KeyForm, pattern: str, version: Version | None) -> str:
        """Return the glob pattern of full keys of this form for one of callers' keys."""
        version = self.version if version is None else version
        function = self.function
        if function is None:
            return f"{key_form.escape(f'{self.prefix}:{version}:')}{pattern}"
        if form.problem or form.uneven:
            raise self._refused(form.problem or "keys that are long or have blanks look different")
        head, tail = key_form.affixes(lambda key: function(key, self.prefix, version))
        found = key_form.inside(function(pattern, self.prefix, version), head, tail)
        if found is None:
            raise self._refused(f"of the pattern {pattern!r} it makes something else")
        return f"{key_form.escape(head)}{found}{key_form.escape(tail)}"

    def _refused(self, reason: str) -> ConfigurationError:
        made = "" if self.function is None else f" made by {self.function!r}"
        return ConfigurationError(
            f"the keys of KEY_PREFIX {self.prefix!r}{made} cannot be listed, or not be told from"
            f" others: {reason}. flush_db() empties the whole database; if it is this cache's"
            ' alone, CLEAR="database" in OPTIONS lets clear() do so'
        )

    def _head(self, version: Version | None) -> str:
        head = self._heads.get(version)
        if head is None:
            head = f"{self.prefix}:{self.version if version is None else version}:"
            if len(self._heads) >= MANY_VERSIONS:
                self._heads.clear()
            self._heads[version] = head
        return head

    def _reversed(self, full: str) -> str:
        if self.reverse is None:
            raise ConfigurationError(
                f"keys are made by {self.function!r}: to list them, give the function that"
                " turns a full key into the caller's (REVERSE_KEY_FUNCTION in Django's settings)"
            )
        return self.reverse(full)


def overlap(one: Keys, other: Keys) -> bool:
    """Return whether two caches can store something under one name, with ordinary versions.

    Such a version is a whole number, or the cache's own: `app` and `app:1` both make
    `app:1:1:key`, as "1:key" and as "key".
    """
    return key_form.overlap(one.form, other.form)
