"""Hashes, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue
from cachex_client.structures.terms import Field
from cachex_client.timeouts import DEFAULT, Timeout


class QueuedHashVerbs(Queue):
    """The methods of a pipeline for hashes."""

    def hset(
        self,
        key: Key,
        field: Field | None = None,
        value: Any = None,
        version: Version | None = None,
        mapping: Mapping[Field, Any] | None = None,
        items: Iterable[Any] | None = None,
    ) -> Self:
        """Queue what `Cache.hset` does."""
        return self._queue(
            "hset",
            self.commands.hset(key, field, value, version, mapping, items),
            key,
            field,
            value,
            mapping,
            items,
        )

    def hmset(self, key: Key, mapping: Mapping[Field, Any], version: Version | None = None) -> Self:
        """Queue what `Cache.hmset` does."""
        return self._queue("hmset", self.commands.hmset(key, mapping, version), key, mapping)

    def hsetnx(self, key: Key, field: Field, value: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.hsetnx` does."""
        return self._queue(
            "hsetnx", self.commands.hsetnx(key, field, value, version), key, field, value
        )

    def hget(self, key: Key, field: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hget` does."""
        return self._queue("hget", self.commands.hget(key, field, version), key, field)

    def hgetall(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.hgetall` does."""
        return self._queue("hgetall", self.commands.hgetall(key, version), key)

    def hmget(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hmget` does."""
        return self._queue(
            "hmget", self.commands.hmget(key, *fields, version=version), key, *fields
        )

    def hdel(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hdel` does."""
        return self._queue("hdel", self.commands.hdel(key, *fields, version=version), key, *fields)

    def hlen(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.hlen` does."""
        return self._queue("hlen", self.commands.hlen(key, version), key)

    def hkeys(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.hkeys` does."""
        return self._queue("hkeys", self.commands.hkeys(key, version), key)

    def hvals(self, key: Key, version: Version | None = None) -> Self:
        """Queue what `Cache.hvals` does."""
        return self._queue("hvals", self.commands.hvals(key, version), key)

    def hexists(self, key: Key, field: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hexists` does."""
        return self._queue("hexists", self.commands.hexists(key, field, version), key, field)

    def hincrby(
        self, key: Key, field: Field, amount: int = 1, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.hincrby` does."""
        return self._queue(
            "hincrby", self.commands.hincrby(key, field, amount, version), key, field, amount
        )

    def hincrbyfloat(
        self, key: Key, field: Field, amount: float = 1.0, version: Version | None = None
    ) -> Self:
        """Queue what `Cache.hincrbyfloat` does."""
        return self._queue(
            "hincrbyfloat",
            self.commands.hincrbyfloat(key, field, amount, version),
            key,
            field,
            amount,
        )

    def hscan(
        self,
        key: Key,
        cursor: int = 0,
        match: str | None = None,
        count: int | None = None,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.hscan` does."""
        return self._queue(
            "hscan",
            self.commands.hscan(key, cursor, match, count, version),
            key,
            cursor,
            match,
            count,
        )

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
    ) -> Self:
        """Queue what `Cache.hexpire` does."""
        return self._queue(
            "hexpire",
            self.commands.hexpire(
                key, timeout, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
            key,
            timeout,
            *fields,
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
    ) -> Self:
        """Queue what `Cache.hpexpire` does."""
        return self._queue(
            "hpexpire",
            self.commands.hpexpire(
                key, timeout, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
            key,
            timeout,
            *fields,
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
    ) -> Self:
        """Queue what `Cache.hexpireat` does."""
        return self._queue(
            "hexpireat",
            self.commands.hexpireat(
                key, when, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
            key,
            when,
            *fields,
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
    ) -> Self:
        """Queue what `Cache.hpexpireat` does."""
        return self._queue(
            "hpexpireat",
            self.commands.hpexpireat(
                key, when, *fields, version=version, nx=nx, xx=xx, gt=gt, lt=lt
            ),
            key,
            when,
            *fields,
        )

    def httl(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.httl` does."""
        return self._queue("httl", self.commands.httl(key, *fields, version=version), key, *fields)

    def hpttl(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hpttl` does."""
        return self._queue(
            "hpttl", self.commands.hpttl(key, *fields, version=version), key, *fields
        )

    def hexpiretime(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hexpiretime` does."""
        return self._queue(
            "hexpiretime", self.commands.hexpiretime(key, *fields, version=version), key, *fields
        )

    def hpersist(self, key: Key, *fields: Field, version: Version | None = None) -> Self:
        """Queue what `Cache.hpersist` does."""
        return self._queue(
            "hpersist", self.commands.hpersist(key, *fields, version=version), key, *fields
        )

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
    ) -> Self:
        """Queue what `Cache.hsetex` does."""
        return self._queue(
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
            key,
            field,
            value,
            timeout,
            mapping,
            items,
        )

    def hgetex(
        self,
        key: Key,
        *fields: Field,
        timeout: float | timedelta | None = None,
        persist: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.hgetex` does."""
        return self._queue(
            "hgetex",
            self.commands.hgetex(key, *fields, timeout=timeout, persist=persist, version=version),
            key,
            *fields,
        )
