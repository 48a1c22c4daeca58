"""Where a caller's key is stored: `prefix:version:key`, or as a function says."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from cachex_client.errors import ConfigurationError

Key: TypeAlias = Any
"""What a caller calls a value: a `str`, or anything else, which counts as its `str()`."""

Version: TypeAlias = int | str
KeyFunction: TypeAlias = Callable[[Key, str, Any], str]
"""Called with key, prefix and version; returns the full key. The same as Django's KEY_FUNCTION."""

ERRORS = "surrogateescape"  # names that are not UTF-8 come back as they went out
MANY_VERSIONS = 1_000
ESCAPED = str.maketrans({character: f"\\{character}" for character in "*?[]\\"})


class Keys:
    """Turns callers' keys into full keys and back. Holds no state but a memory of heads.

    `prefix` and `version` are put before every key, `version` unless a call names another.
    `function` replaces that rule; then `reverse`, which gets a full key and returns the caller's,
    is needed by everything that lists keys.
    """

    def __init__(
        self,
        prefix: str = "",
        version: Version = 1,
        function: KeyFunction | None = None,
        reverse: Callable[[str], str] | None = None,
    ) -> None:
        self.prefix = prefix
        self.version = version
        self.function = function
        self.reverse = reverse
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
        """
        prefix = self.prefix.translate(ESCAPED)
        version = self.version if version is None else version
        if isinstance(version, str):
            version = version.translate(ESCAPED)
        if self.function is not None:
            return self.function(pattern, prefix, version)
        return f"{prefix}:{version}:{pattern}"

    def own(self, stored: Iterable[bytes]) -> list[bytes]:
        """Leave out what `everything` matches although it belongs to another prefix.

        `app:*` also finds `app:mail:1:key` of the prefix `app:mail`. A key counts as ours if a
        whole number, or our own version, stands between the prefix and the next colon.
        """
        if self.function is not None:
            return list(stored)
        cut = len(f"{self.prefix}:".encode("utf-8", ERRORS))
        head = self._head(None).encode("utf-8", ERRORS)
        return [
            full
            for full in stored
            if full.startswith(head) or full[cut:].partition(b":")[0].removeprefix(b"-").isdigit()
        ]

    @property
    def everything(self) -> str:
        """The glob pattern of the full keys of all versions, and maybe of others: see `own`."""
        prefix = self.prefix.translate(ESCAPED)
        return self.function("*", prefix, "*") if self.function is not None else f"{prefix}:*:*"

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
