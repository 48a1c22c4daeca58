"""Places: values with a longitude and a latitude."""

from collections.abc import Mapping
from typing import Any, Literal

from cachex_client._core.shapes import places
from cachex_client.command import Argument, Command
from cachex_client.commands import geo as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, exclusive, text


class GeoCommands(Terms):
    """Commands on places, which are members of a sorted set: its commands work, too.

    Longitude comes before latitude, in degrees. Positions are stored to less than a metre.
    """

    def geoadd(
        self,
        key: Key,
        mapping: Mapping[Any, tuple[float, float]],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        version: Version | None = None,
    ) -> Command[int]:
        """Add members with (longitude, latitude), or move them; return how many are new.

        With `ch` how many are new or moved. `nx` only adds, `xx` only moves. Redis: GEOADD.
        """
        exclusive(nx=nx, xx=xx)
        options = [word for word, wanted in (("NX", nx), ("XX", xx), ("CH", ch)) if wanted]
        wire = self.keyspace.wire(key, version)
        stored = self._stored(wire, mapping)
        places = ((*at, member) for at, member in zip(mapping.values(), stored, strict=True))
        return build.geoadd(wire, places, options)

    def geodist(
        self,
        key: Key,
        member1: Any,
        member2: Any,
        unit: Literal["m", "km", "mi", "ft"] = "m",
        version: Version | None = None,
    ) -> Command[float | None]:
        """Return how far two members are from each other, None if one is missing.

        Redis: GEODIST.
        """
        wire = self.keyspace.wire(key, version)
        one, other = self._stored(wire, (member1, member2))
        return build.geodist(wire, one, other, unit)

    def geopos(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> Command[list[tuple[float, float] | None]]:
        """Return (longitude, latitude) of each member, None for a missing one. Redis: GEOPOS."""
        wire = self.keyspace.wire(key, version)
        return self._first_found(build.geopos, wire, members)

    def geohash(
        self, key: Key, *members: Any, version: Version | None = None
    ) -> Command[list[str | None]]:
        """Return the Geohash of each member, None for a missing one. Redis: GEOHASH."""
        wire = self.keyspace.wire(key, version)
        command = self._first_found(build.geohash, wire, members)
        return command.then(lambda found: [_text_or_none(one) for one in found])

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
    ) -> Command[list[Any]]:
        """Return the members around a `member`, or around `longitude` and `latitude`.

        In a circle of `radius`, or in a rectangle of `width` and `height`, in `unit`; nearest or
        farthest first as `sort` says; at most `count` of them, the first ones found with `any`.
        With one of the last three options tuples: the member, its distance in `unit`, its hash as
        a number, its (longitude, latitude). ValueError if the area is said in no way, or in two.
        Redis: GEOSEARCH.
        """
        wire = self.keyspace.wire(key, version)
        words = self._search(
            wire, member, longitude, latitude, radius, width, height, unit, sort, count, any
        )
        extras = (("WITHDIST", withdist), ("WITHHASH", withhash), ("WITHCOORD", withcoord))
        wanted = [word for word, on in extras if on]
        command = build.geosearch(wire, [*words, *wanted])
        return command.then(self._found(wire, wanted) if wanted else self._members(wire))

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
    ) -> Command[int]:
        """Store what `geosearch` finds under `dest`; return how many members that are.

        With `storedist` their scores are the distances. In a cluster both keys have to be in one
        slot. Never sent twice. Redis: GEOSEARCHSTORE.
        """
        target = self.keyspace.wire(dest, version if version_dst is None else version_dst)
        source = self.keyspace.wire(src, version if version_src is None else version_src)
        place = self._one_place("geosearchstore", source, target)
        words = self._search(
            place, member, longitude, latitude, radius, width, height, unit, sort, count, any
        )
        return build.geosearchstore(target, source, [*words, *(["STOREDIST"] * storedist)])

    def _search(
        self,
        wire: bytes,
        member: Any,
        longitude: float | None,
        latitude: float | None,
        radius: float | None,
        width: float | None,
        height: float | None,
        unit: str,
        sort: str | None,
        count: int | None,
        first: bool,
    ) -> list[Argument]:
        centre: tuple[Argument, ...]
        if longitude is not None and latitude is not None and member is None:
            at = (repr(float(one)).encode() for one in (longitude, latitude))
            centre = ("FROMLONLAT", *at)
        elif member is not None and longitude is latitude is None:
            centre = ("FROMMEMBER", self._stored_member(wire, member))
        else:
            raise ValueError("the centre is a member, or a longitude and a latitude")
        box = None if width is None or height is None else (width, height)
        if (radius is None) == (box is None) or (width is None) != (height is None):
            raise ValueError("the area has a radius, or a width and a height")
        words: list[Argument] = list(build.area(centre, radius, box, unit))
        if sort is not None:
            words.append(sort)
        if count is not None:
            words += ["COUNT", b"%d" % count, *(["ANY"] * first)]
        elif first:
            raise ValueError("any needs a count")
        return words

    def _found(self, wire: bytes, wanted: list[str]) -> Any:
        """Return a function that reads members with what was asked for beside them."""

        def read(reply: Any) -> list[tuple[Any, ...]]:
            loads = self._member(wire)
            return [(loads(member), *told) for member, told in places(reply, wanted)]

        return read


def _text_or_none(told: bytes | None) -> str | None:
    return None if told is None else text(told)
