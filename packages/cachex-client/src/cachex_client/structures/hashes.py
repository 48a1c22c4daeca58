"""Hashes: fields and values under one key."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cachex_client.codec import FIELD
from cachex_client.command import Command, on_primary
from cachex_client.commands import hashes as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Field, Terms, exclusive, name, names, needed, texts
from cachex_client.timeouts import (
    DEFAULT,
    PER_MILLISECOND,
    PER_SECOND,
    Timeout,
    milliseconds,
    unix_milliseconds,
)


class HashCommands(Terms):
    """Commands on hashes. Fields are text, values whatever the cache can store."""

    def hset(
        self,
        key: Key,
        field: Field | None = None,
        value: Any = None,
        version: Version | None = None,
        mapping: Mapping[Field, Any] | None = None,
        items: Iterable[Any] | None = None,
    ) -> Command[int]:
        """Store fields of a hash and return how many of them are new.

        One `field` and its `value`, a `mapping` of them, `items` as a flat list of fields and
        values, or all of these. Redis: HSET.
        """
        wire = self.keyspace.wire(key, version)
        return build.hset(wire, self._fields(wire, field, value, mapping, items))

    def hmset(
        self, key: Key, mapping: Mapping[Field, Any], version: Version | None = None
    ) -> Command[bool]:
        """Store fields of a hash and return True; `hset` says how many are new. Redis: HSET."""
        wire = self.keyspace.wire(key, version)
        values = self._fields(wire, None, None, mapping, None)
        return build.hset(wire, values).then(lambda new: True)

    def hsetnx(
        self, key: Key, field: Field, value: Any, version: Version | None = None
    ) -> Command[bool]:
        """Store a field if it is not there, and return whether it was stored.

        Never sent twice. Redis: HSETNX.
        """
        wire, its = self.keyspace.wire(key, version), name(field)
        return build.hsetnx(wire, its, self.codec.dumps(value, wire, FIELD + its))

    def hget(self, key: Key, field: Field, version: Version | None = None) -> Command[Any]:
        """Return the value of a field, None if there is none. Redis: HGET."""
        wire, its = self.keyspace.wire(key, version), name(field)

        def read(stored: bytes | None) -> Any:
            return None if stored is None else self.codec.loads(stored, wire, FIELD + its)

        return build.hget(wire, its).then(read)

    def hgetall(self, key: Key, version: Version | None = None) -> Command[dict[str, Any]]:
        """Return all fields of a hash and their values. Redis: HGETALL."""
        wire = self.keyspace.wire(key, version)
        return build.hgetall(wire).then(partial(self._mapping, wire))

    def hmget(self, key: Key, *fields: Field, version: Version | None = None) -> Command[list[Any]]:
        """Return the values of fields in their order, None where there is none. Redis: HMGET."""
        wire, wanted = self.keyspace.wire(key, version), names(fields)
        return build.hmget(wire, wanted).then(partial(self._values_of, wire, wanted))

    def hdel(self, key: Key, *fields: Field, version: Version | None = None) -> Command[int]:
        """Remove fields and return how many there were. Redis: HDEL."""
        return build.hdel(self.keyspace.wire(key, version), names(fields))

    def hlen(self, key: Key, version: Version | None = None) -> Command[int]:
        """Return how many fields a hash has, 0 if there is no such key. Redis: HLEN."""
        return build.hlen(self.keyspace.wire(key, version))

    def hkeys(self, key: Key, version: Version | None = None) -> Command[list[str]]:
        """Return the fields of a hash. Redis: HKEYS."""
        return build.hkeys(self.keyspace.wire(key, version)).then(texts)

    def hvals(self, key: Key, version: Version | None = None) -> Command[list[Any]]:
        """Return the values of all fields of a hash. Redis: HVALS, with signatures HGETALL."""
        wire = self.keyspace.wire(key, version)
        if not self.codec.signs:
            return build.hvals(wire).then(self.codec.loads_each)
        return build.hgetall(wire).then(lambda found: list(self._mapping(wire, found).values()))

    def hexists(self, key: Key, field: Field, version: Version | None = None) -> Command[bool]:
        """Return whether a hash has a field. Redis: HEXISTS."""
        return build.hexists(self.keyspace.wire(key, version), name(field))

    def hincrby(
        self, key: Key, field: Field, amount: int = 1, version: Version | None = None
    ) -> Command[int]:
        """Add to a whole number in a field and return the sum; a missing one counts as 0.

        Never sent twice. ResponseError if the field holds something else. Redis: HINCRBY.
        """
        self.codec.refuse_counting("hincrby")
        return build.hincrby(self.keyspace.wire(key, version), name(field), amount)

    def hincrbyfloat(
        self, key: Key, field: Field, amount: float = 1.0, version: Version | None = None
    ) -> Command[float]:
        """Add to a number in a field and return the sum; a missing one counts as 0.

        Never sent twice. ResponseError if the field holds something else: a float that `hset`
        stored is serialized, and thus no number to the server. Redis: HINCRBYFLOAT.
        """
        self.codec.refuse_counting("hincrbyfloat", fractions=True)
        return build.hincrbyfloat(self.keyspace.wire(key, version), name(field), amount)

    def hscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Command[tuple[int, dict[str, Any]]]:
        """Return the next cursor, 0 at the end, and some fields with their values.

        `match` is a glob pattern of fields, `count` how many to look at, about. The primary
        answers, as a cursor means nothing to another server. Redis: HSCAN.
        """
        pattern = None if match is None else name(match)
        wire = self.keyspace.wire(key, version)
        command = on_primary(build.hscan(wire, cursor, match=pattern, count=count))
        return command.then(lambda page: (page[0], self._mapping(wire, page[1])))

    # Fields that end: Valkey 9 and Redis 7.4 or 8, and a ResponseError with others

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
    ) -> Command[list[int]]:
        """Let fields end in `timeout` seconds, at once if there are none.

        `nx` only fields that never end, `xx` only those that do, `gt` only to a later end, `lt`
        only to an earlier one. For each field 1 if it will, 0 if it was kept from it, 2 if it
        ended at once, -2 if it is missing. With `nx` never sent twice. Redis: HPEXPIRE.
        """
        wire, condition = self.keyspace.wire(key, version), exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        return build.hpexpire(wire, milliseconds(timeout), names(fields), condition)

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
    ) -> Command[list[int]]:
        """Let fields end in `timeout` milliseconds; else as `hexpire`. Redis: HPEXPIRE."""
        if not isinstance(timeout, timedelta):
            timeout = timedelta(milliseconds=timeout)
        wire, condition = self.keyspace.wire(key, version), exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        return build.hpexpire(wire, milliseconds(timeout), names(fields), condition)

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
    ) -> Command[list[int]]:
        """Let fields end at a date or a Unix time in seconds; else as `hexpire`.

        Redis: HPEXPIREAT.
        """
        wire, condition = self.keyspace.wire(key, version), exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        end = unix_milliseconds(when, PER_SECOND)
        return build.hpexpireat(wire, end, names(fields), condition)

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
    ) -> Command[list[int]]:
        """Let fields end at a date or a Unix time in milliseconds; else as `hexpire`.

        Redis: HPEXPIREAT.
        """
        wire, condition = self.keyspace.wire(key, version), exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        end = unix_milliseconds(when, PER_MILLISECOND)
        return build.hpexpireat(wire, end, names(fields), condition)

    def httl(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> Command[list[int | None]]:
        """Return the seconds that fields have left, None for ever, -2 if missing. Redis: HTTL."""
        return build.httl(self.keyspace.wire(key, version), names(fields)).then(_ends)

    def hpttl(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> Command[list[int | None]]:
        """Return the milliseconds that fields have left, None for ever, -2 if missing.

        Redis: HPTTL.
        """
        return build.hpttl(self.keyspace.wire(key, version), names(fields)).then(_ends)

    def hexpiretime(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> Command[list[int | None]]:
        """Return the Unix times in seconds at which fields end, None for never, -2 if missing.

        Redis: HEXPIRETIME.
        """
        return build.hexpiretime(self.keyspace.wire(key, version), names(fields)).then(_ends)

    def hpersist(
        self, key: Key, *fields: Field, version: Version | None = None
    ) -> Command[list[int]]:
        """Let fields never end: 1 for each that had an end, -1 if it had none, -2 if missing.

        Redis: HPERSIST.
        """
        return build.hpersist(self.keyspace.wire(key, version), names(fields))

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
    ) -> Command[bool]:
        """Store fields that end in `timeout` seconds; return whether they were stored.

        Fields as in `hset`, the timeout as in `set`. `fnx` stores only if none of the fields is
        there, `fxx` only if all are; `keepttl` leaves their ends as they are. With `fnx` never sent
        twice. Redis: HSETEX.
        """
        exclusive(fnx=fnx, fxx=fxx)
        wire = self.keyspace.wire(key, version)
        values = self._fields(wire, field, value, mapping, items)
        px = None if keepttl else self._px(timeout)
        return build.hsetex(wire, values, px=px, fnx=fnx, fxx=fxx, keepttl=keepttl)

    def hgetex(
        self,
        key: Key,
        *fields: Field,
        timeout: float | timedelta | None = None,
        persist: bool = False,
        version: Version | None = None,
    ) -> Command[list[Any]]:
        """Return the values of fields and let these end in `timeout` seconds, or never.

        Without `timeout` and `persist` their ends stay as they are. Redis: HGETEX.
        """
        exclusive(timeout=timeout is not None, persist=persist)
        px = None if timeout is None else milliseconds(timeout)
        wire, wanted = self.keyspace.wire(key, version), names(fields)
        command = build.hgetex(wire, wanted, px=px, persist=persist)
        return command.then(partial(self._values_of, wire, wanted))

    def _fields(
        self,
        wire: bytes,
        field: Any,
        value: Any,
        mapping: Mapping[Any, Any] | None,
        items: Iterable[Any] | None,
    ) -> dict[bytes, bytes]:
        given: list[tuple[Any, Any]] = []
        if field is not None:
            given.append((field, value))
        if mapping:
            given += mapping.items()
        if items:
            words = list(items)
            if len(words) % 2:
                raise ValueError(f"items are fields and values in turn, not {len(words)} words")
            given += zip(words[::2], words[1::2], strict=True)
        dumps = self.codec.dumps
        sent = [(name(one), its) for one, its in needed(given, "field and its value")]
        return {its_name: dumps(its, wire, FIELD + its_name) for its_name, its in sent}

    def _values_of(
        self, wire: bytes, fields: Sequence[bytes], stored: Sequence[bytes | None]
    ) -> list[Any]:
        """Read the values of fields, in their order."""
        parts = [FIELD + one for one in fields] if self.codec.signs else None
        return self.codec.loads_each(stored, wire, parts)

    def _mapping(self, wire: bytes, stored: Mapping[bytes, bytes]) -> dict[str, Any]:
        fields = texts(stored)
        values = self._values_of(wire, list(stored), list(stored.values()))
        return dict(zip(fields, values, strict=True))


def _ends(reply: list[int]) -> list[int | None]:
    return [None if one == -1 else one for one in reply]
