"""Places, in pipelines.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from cachex_client.keys import Key, Version
from cachex_client.queued.queue import Queue


class QueuedGeoVerbs(Queue):
    """The methods of a pipeline for places."""

    def geoadd(
        self,
        key: Key,
        mapping: Mapping[Any, tuple[float, float]],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.geoadd` does."""
        return self._queue(
            "geoadd",
            self.commands.geoadd(key, mapping, nx=nx, xx=xx, ch=ch, version=version),
            key,
            mapping,
        )

    def geodist(
        self,
        key: Key,
        member1: Any,
        member2: Any,
        unit: Literal["m", "km", "mi", "ft"] = "m",
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.geodist` does."""
        return self._queue(
            "geodist",
            self.commands.geodist(key, member1, member2, unit, version),
            key,
            member1,
            member2,
            unit,
        )

    def geopos(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.geopos` does."""
        return self._queue(
            "geopos", self.commands.geopos(key, *members, version=version), key, *members
        )

    def geohash(self, key: Key, *members: Any, version: Version | None = None) -> Self:
        """Queue what `Cache.geohash` does."""
        return self._queue(
            "geohash", self.commands.geohash(key, *members, version=version), key, *members
        )

    def geosearch(
        self,
        key: Key,
        *,
        member: Any = None,
        longitude: float | None = None,
        latitude: float | None = None,
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        unit: Literal["m", "km", "mi", "ft"] = "m",
        sort: Literal["ASC", "DESC"] | None = None,
        count: int | None = None,
        any: bool = False,
        withdist: bool = False,
        withhash: bool = False,
        withcoord: bool = False,
        version: Version | None = None,
    ) -> Self:
        """Queue what `Cache.geosearch` does."""
        return self._queue(
            "geosearch",
            self.commands.geosearch(
                key,
                member=member,
                longitude=longitude,
                latitude=latitude,
                radius=radius,
                width=width,
                height=height,
                unit=unit,
                sort=sort,
                count=count,
                any=any,
                withdist=withdist,
                withhash=withhash,
                withcoord=withcoord,
                version=version,
            ),
            key,
        )

    def geosearchstore(
        self,
        dest: Key,
        src: Key,
        *,
        member: Any = None,
        longitude: float | None = None,
        latitude: float | None = None,
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        unit: Literal["m", "km", "mi", "ft"] = "m",
        sort: Literal["ASC", "DESC"] | None = None,
        count: int | None = None,
        any: bool = False,
        storedist: bool = False,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Self:
        """Queue what `Cache.geosearchstore` does."""
        return self._queue(
            "geosearchstore",
            self.commands.geosearchstore(
                dest,
                src,
                member=member,
                longitude=longitude,
                latitude=latitude,
                radius=radius,
                width=width,
                height=height,
                unit=unit,
                sort=sort,
                count=count,
                any=any,
                storedist=storedist,
                version=version,
                version_src=version_src,
                version_dst=version_dst,
            ),
            dest,
            src,
        )
