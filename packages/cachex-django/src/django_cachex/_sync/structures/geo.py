# Written by tools/unasync.py from _async/structures/geo.py: edit that file instead.
"""Places, on Django's cache object.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from collections.abc import Mapping
from typing import Any, Literal

from cachex_client.keys import Key, Version
from django_cachex.core import CacheCore


class GeoMethods(CacheCore):
    """Methods for places."""

    def geoadd(
        self,
        key: Key,
        mapping: Mapping[Any, tuple[float, float]],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        version: Version | None = None,
    ) -> int:
        """Add members with (longitude, latitude), or move them; return how many are new.

        With `ch` how many are new or moved. `nx` only adds, `xx` only moves. Redis: GEOADD.
        """
        return self._cache.geoadd(key, mapping, nx=nx, xx=xx, ch=ch, version=version)

    def geodist(
        self,
        key: Key,
        member1: Any,
        member2: Any,
        unit: Literal["m", "km", "mi", "ft"] = "m",
        version: Version | None = None,
    ) -> float | None:
        """Return how far two members are from each other, None if one is missing.

        Redis: GEODIST.
        """
        return self._cache.geodist(key, member1, member2, unit, version)

    def geopos(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[tuple[float, float] | None]:
        """Return (longitude, latitude) of each member, None for a missing one. Redis: GEOPOS."""
        return self._cache.geopos(key, *members, version=version)

    def geohash(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> list[str | None]:
        """Return the Geohash of each member, None for a missing one. Redis: GEOHASH."""
        return self._cache.geohash(key, *members, version=version)

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
    ) -> list[Any]:
        """Return the members around a `member`, or around `longitude` and `latitude`.

        In a circle of `radius`, or in a rectangle of `width` and `height`, in `unit`; nearest or
        farthest first as `sort` says; at most `count` of them, the first ones found with `any`.
        With one of the last three options tuples: the member, its distance in `unit`, its hash as
        a number, its (longitude, latitude). ValueError if the area is said in no way, or in two.
        Redis: GEOSEARCH.
        """
        return self._cache.geosearch(
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
    ) -> int:
        """Store what `geosearch` finds under `dest`; return how many members that are.

        With `storedist` their scores are the distances. In a cluster both keys have to be in one
        slot. Never sent twice. Redis: GEOSEARCHSTORE.
        """
        return self._cache.geosearchstore(
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
        )
