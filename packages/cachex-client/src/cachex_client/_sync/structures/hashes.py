# Written by tools/unasync.py from _async/structures/hashes.py: edit that file instead.
"""Hashes, on the cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cachex_client._sync.verbs import Verbs
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Field
from cachex_client.timeouts import DEFAULT, Timeout


class HashVerbs(Verbs):
    """The verbs of a cache for hashes."""

    def hset(
        self,
        key: Key,
        field: Field | None = None,
        value: Any = None,
        version: Version | None = None,
        mapping: Mapping[Field, Any] | None = None,
        items: Iterable[Any] | None = None,
    ) -> int:
        """Store fields of a hash and return how many of them are new.

        One `field` and its `value`, a `mapping` of them, `items` as a flat list of fields and
        values, or all of these. Redis: HSET.
        """
        return self._run(
            "hset", self.commands.hset(key, field, value, version, mapping, items)
        )

    def hmset(
        self, key: Key, mapping: Mapping[Field, Any], version: Version | None = None
    ) -> bool:
        """Store fields of a hash and return True; `hset` says how many are new. Redis: HSET."""
        return self._run("hmset", self.commands.hmset(key, mapping, version))

    def hsetnx(
        self, key: Key, field: Field, value: Any, version: Version | None = None
    ) -> bool:
        """Store a field if it is not there, and return whether it was stored.

        Never sent twice. Redis: HSETNX.
        """
        return self._run("hsetnx", self.commands.hsetnx(key, field, value, version))

    def hget(self, key: Key, field: Field, version: Version | None = None) -> Any:
        """Return the value of a field, None if there is none. Redis: HGET."""
        return self._run("hget", self.commands.hget(key, field, version))

    def hgetall(self, key: Key, version: Version | None = None) -> dict[str, Any]:
        """Return all fields of a hash and their values. Redis: HGETALL."""
        return self._run("hgetall", self.commands.hgetall(key, version))

    def hmget(self, key: Key, *fields: Field, version: Version | None = None) -> list[Any]:
        """Return the values of fields in their order, None where there is none. Redis: HMGET."""
        return self._run("hmget", self.commands.hmget(key, *fields, version=version))

    def hdel(self, key: Key, *fields: Field, version: Version | None = None) -> int:
        """Remove fields and return how many there were. Redis: HDEL."""
        return self._run("hdel", self.commands.hdel(key, *fields, version=version))

    def hlen(self, key: Key, version: Version | None = None) -> int:
        """Return how many fields a hash has, 0 if there is no such key. Redis: HLEN."""
        return self._run("hlen", self.commands.hlen(key, version))

    def hkeys(self, key: Key, version: Version | None = None) -> list[str]:
        """Return the fields of a hash. Redis: HKEYS."""
        return self._run("hkeys", self.commands.hkeys(key, version))

    def hvals(self, key: Key, version: Version | None = None) -> list[Any]:
        """Return the values of all fields of a hash. Redis: HVALS, with signatures HGETALL."""
        return self._run("hvals", self.commands.hvals(key, version))

    def hexists(self, key: Key, field: Field, version: Version | None = None) -> bool:
        """Return whether a hash has a field. Redis: HEXISTS."""
        return self._run("hexists", self.commands.hexists(key, field, version))

    def hincrby(
        self, key: Key, field: Field, amount: int = 1, version: Version | None = None
    ) -> int:
        """Add to a whole number in a field and return the sum; a missing one counts as 0.

        Never sent twice. ResponseError if the field holds something else. Redis: HINCRBY.
        """
        return self._run("hincrby", self.commands.hincrby(key, field, amount, version))

    def hincrbyfloat(
        self, key: Key, field: Field, amount: float = 1.0, version: Version | None = None
    ) -> float:
        """Add to a number in a field and return the sum; a missing one counts as 0.

        Never sent twice. ResponseError if the field holds something else: a float that `hset`
        stored is serialized, and thus no number to the server. Redis: HINCRBYFLOAT.
        """
        return self._run(
            "hincrbyfloat", self.commands.hincrbyfloat(key, field, amount, version)
        )

    def hscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Return the next cursor, 0 at the end, and some fields with their values.

        `match` is a glob pattern of fields, `count` how many to look at, about. The primary
        answers, as a cursor means nothing to another server. Redis: HSCAN.
        """
        return self._run("hscan", self.commands.hscan(key, cursor, match, count, version))

    def hexpire(
        self,
        key: Key,
        timeout: float | timedelta,
        *fields: Field,
        version: Version | None = None,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields end in `timeout` seconds, at once if there are none.

        `nx` only fields that never end, `xx` only those that do, `gt` only to a later end, `lt`
        only to an earlier one. For each field 1 if it will, 0 if it was kept from it, 2 if it
        ended at once, -2 if it is missing. With `nx` never sent twice. Redis: HPEXPIRE.
        """
        return self._run(
            "hexpire",
            self.commands.hexpire(
                key, timeout, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
        )

    def hpexpire(
        self,
        key: Key,
        timeout: int | timedelta,
        *fields: Field,
        version: Version | None = None,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields end in `timeout` milliseconds; else as `hexpire`. Redis: HPEXPIRE."""
        return self._run(
            "hpexpire",
            self.commands.hpexpire(
                key, timeout, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
        )

    def hexpireat(
        self,
        key: Key,
        when: float | datetime,
        *fields: Field,
        version: Version | None = None,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields end at a date or a Unix time in seconds; else as `hexpire`.

        Redis: HPEXPIREAT.
        """
        return self._run(
            "hexpireat",
            self.commands.hexpireat(
                key, when, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
        )

    def hpexpireat(
        self,
        key: Key,
        when: int | datetime,
        *fields: Field,
        version: Version | None = None,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields end at a date or a Unix time in milliseconds; else as `hexpire`.

        Redis: HPEXPIREAT.
        """
        return self._run(
            "hpexpireat",
            self.commands.hpexpireat(
                key, when, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
        )

    def httl(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> list[int | None]:
        """Return the seconds that fields have left, None for ever, -2 if missing. Redis: HTTL."""
        return self._run("httl", self.commands.httl(key, *fields, version=version))

    def hpttl(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> list[int | None]:
        """Return the milliseconds that fields have left, None for ever, -2 if missing.

        Redis: HPTTL.
        """
        return self._run("hpttl", self.commands.hpttl(key, *fields, version=version))

    def hexpiretime(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> list[int | None]:
        """Return the Unix times in seconds at which fields end, None for never, -2 if missing.

        Redis: HEXPIRETIME.
        """
        return self._run(
            "hexpiretime", self.commands.hexpiretime(key, *fields, version=version)
        )

    def hpersist(self, key: Key, *fields: Field, version: Version | None = None) -> list[int]:
        """Let fields never end: 1 for each that had an end, -1 if it had none, -2 if missing.

        Redis: HPERSIST.
        """
        return self._run("hpersist", self.commands.hpersist(key, *fields, version=version))

    def hsetex(
        self,
        key: Key,
        field: Field | None = None,
        value: Any = None,
        timeout: Timeout = DEFAULT,
        version: Version | None = None,
        mapping: Mapping[Field, Any] | None = None,
        items: Iterable[Any] | None = None,
        *,
        fnx: bool = False,
        fxx: bool = False,
        keepttl: bool = False,
    ) -> bool:
        """Store fields that end in `timeout` seconds; return whether they were stored.

        Fields as in `hset`, the timeout as in `set`. `fnx` stores only if none of the fields is
        there, `fxx` only if all are; `keepttl` leaves their ends as they are. With `fnx` never sent
        twice. Redis: HSETEX.
        """
        return self._run(
            "hsetex",
            self.commands.hsetex(
                key,
                field,
                value,
                timeout,
                version,
                mapping,
                items,
                fnx=fnx,
                fxx=fxx,
                keepttl=keepttl,
            ),
        )

    def hgetex(
        self,
        key: Key,
        *fields: Field,
        timeout: float | timedelta | None = None,
        persist: bool = False,
        version: Version | None = None,
    ) -> list[Any]:
        """Return the values of fields and let these end in `timeout` seconds, or never.

        Without `timeout` and `persist` their ends stay as they are. Redis: HGETEX.
        """
        return self._run(
            "hgetex",
            self.commands.hgetex(key, *fields, timeout=timeout, persist=persist, version=version),
        )
