"""Commands on places: members of a sorted set that have a longitude and a latitude."""

from collections.abc import Iterable, Sequence
from typing import Any

from cachex_client._core import shapes
from cachex_client._core.specs import spec_for, spec_of
from cachex_client.command import Argument, Arguments, Command

GEODIST = spec_of("GEODIST")
GEOHASH = spec_of("GEOHASH")
GEOPOS = spec_of("GEOPOS")
GEOSEARCH = spec_of("GEOSEARCH")
GEOSEARCHSTORE = spec_of("GEOSEARCHSTORE")


def geoadd(
    key: bytes, places: Iterable[tuple[float, float, bytes]], options: Sequence[str] = ()
) -> Command[int]:
    """Add members with longitude and latitude; return how many are new, or changed with CH."""
    words: list[Argument] = ["GEOADD", key, *options]
    for longitude, latitude, member in places:
        words += [repr(float(longitude)).encode(), repr(float(latitude)).encode(), member]
    arguments = tuple(words)
    return Command(arguments, spec_for(arguments), shapes.integer)


def geodist(key: bytes, one: bytes, other: bytes, unit: str) -> Command[float | None]:
    return Command(("GEODIST", key, one, other, unit), GEODIST, shapes.number_or_none)


def geopos(key: bytes, members: Sequence[bytes]) -> Command[list[tuple[float, float] | None]]:
    return Command(("GEOPOS", key, *members), GEOPOS, shapes.positions)


def geohash(key: bytes, members: Sequence[bytes]) -> Command[list[bytes | None]]:
    return Command(("GEOHASH", key, *members), GEOHASH, shapes.members)


def geosearch(key: bytes, words: Sequence[Argument]) -> Command[list[Any]]:
    return Command(("GEOSEARCH", key, *words), GEOSEARCH)


def geosearchstore(target: bytes, source: bytes, words: Sequence[Argument]) -> Command[int]:
    return Command(("GEOSEARCHSTORE", target, source, *words), GEOSEARCHSTORE, shapes.integer)


def area(
    centre: Arguments, radius: float | None, box: tuple[float, float] | None, unit: str
) -> Arguments:
    """Return the words for a circle or a rectangle around a centre."""
    if radius is not None:
        return (*centre, "BYRADIUS", repr(float(radius)).encode(), unit)
    width, height = box or (0.0, 0.0)
    size = repr(float(width)).encode(), repr(float(height)).encode()
    return (*centre, "BYBOX", *size, unit)
